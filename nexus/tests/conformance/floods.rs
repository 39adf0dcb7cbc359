//! Clients that ask for work without end: each is noticed and cut off, and costs nobody else.

use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::client::{Client, Heard, brief};
use crate::expect::{KEPT, Kept, Outcome};
use crate::hpack::{self, DYNAMIC, added, indexed, literal};
use crate::server::Server;
use crate::wire::{Code, flag, frame, kind, setting, settings};

/// How long a flood may go on before it is cut off.
const BOUND: Duration = Duration::from_secs(20);

/// How long a client may stand still: far beyond what the server under test allows
/// (`server::STALL`).
const STALL_BOUND: Duration = Duration::from_secs(5);

/// How often what costs a server something is sent.
const MANY: u32 = 10_000;

/// How often what costs it next to nothing is sent.
const MORE: u32 = 100_000;

/// A client that asks too much.
pub(crate) struct Flood {
    /// Where it is written, or what it is known as.
    pub(crate) known: &'static str,
    /// A sentence that is true.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Server) -> Outcome,
}

const fn flood(known: &'static str, name: &'static str, run: fn(&Server) -> Outcome) -> Flood {
    Flood { known, name, run }
}

pub(crate) const FLOODS: &[Flood] = &[
    flood("2023-44487", "requests that are cancelled at once, without end (rapid reset)", |s| {
        flooded(s, &[], MANY, |at| {
            let head = frame(kind::HEADERS, flag::ALL, at * 2 + 1, &hpack::get());
            [head, frame(kind::RST_STREAM, 0, at * 2 + 1, &[0, 0, 0, 8])].concat()
        })
    }),
    flood("2023-44487", "uploads that are cancelled at once, without end", |s| {
        flooded(s, &[], MANY, |at| {
            let head = frame(kind::HEADERS, flag::END_HEADERS, at * 2 + 1, &hpack::post());
            [head, frame(kind::RST_STREAM, 0, at * 2 + 1, &[0, 0, 0, 8])].concat()
        })
    }),
    flood("2025-8671", "requests that make the server reset: malformed (made you reset)", |s| {
        let block = [hpack::get(), literal("connection", "close")].concat();
        flooded(s, &[], MANY, |at| frame(kind::HEADERS, flag::ALL, at * 2 + 1, &block))
    }),
    flood("2025-8671", "requests that make the server reset: windows too large", |s| {
        flooded(s, &[], MANY, |at| {
            let head = frame(kind::HEADERS, flag::END_HEADERS, at * 2 + 1, &hpack::post());
            let window = frame(kind::WINDOW_UPDATE, 0, at * 2 + 1, &[0x7f, 0xff, 0xff, 0xff]);
            [head, window].concat()
        })
    }),
    flood("2025-8671", "requests that make the server reset: bodies too long", |s| {
        let block = [hpack::post(), literal("content-length", "0")].concat();
        flooded(s, &[], MANY, |at| {
            let head = frame(kind::HEADERS, flag::END_HEADERS, at * 2 + 1, &block);
            [head, frame(kind::DATA, flag::NONE, at * 2 + 1, b"x")].concat()
        })
    }),
    flood("2024-27316", "a block that is continued without end", |s| {
        let first = frame(kind::HEADERS, flag::END_STREAM, 1, &hpack::get());
        flooded(s, &first, MANY, |_| frame(kind::CONTINUATION, 0, 1, &literal("x", "y")))
    }),
    flood("2024-27316", "a block that is continued without end, by nothing", |s| {
        let first = frame(kind::HEADERS, flag::END_STREAM, 1, &hpack::get());
        flooded(s, &first, MANY, |_| frame(kind::CONTINUATION, 0, 1, &[]))
    }),
    flood("2019-9515", "SETTINGS without end", |s| {
        flooded(s, &[], MANY, |_| frame(kind::SETTINGS, 0, 0, &[]))
    }),
    flood("2019-9515", "SETTINGS that change the windows of all streams without end", |s| {
        let open: Vec<u8> = (0..50).flat_map(|at| open(at * 2 + 1)).collect();
        flooded(s, &open, MANY, |at| {
            let value = settings(&[(setting::INITIAL_WINDOW_SIZE, at % 2)]);
            frame(kind::SETTINGS, 0, 0, &value)
        })
    }),
    flood("2019-9512", "PING without end", |s| {
        flooded(s, &[], MORE, |at| frame(kind::PING, 0, 0, &u64::from(at).to_be_bytes()))
    }),
    flood("2019-9518", "DATA of nothing without end", |s| {
        flooded(s, &open(1), MANY, |_| frame(kind::DATA, 0, 1, &[]))
    }),
    flood("2019-9518", "DATA of nothing but padding without end", |s| {
        flooded(s, &open(1), MANY, |_| frame(kind::DATA, flag::PADDED, 1, &[0]))
    }),
    flood("2019-9518", "HEADERS of nothing without end", |s| {
        flooded(s, &[], MANY, |at| frame(kind::HEADERS, flag::ALL, at * 2 + 1, &[]))
    }),
    flood("2019-9513", "PRIORITY without end", |s| {
        flooded(s, &open(1), MORE, |at| frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, at as u8]))
    }),
    flood("9218 §7.1", "PRIORITY_UPDATE without end", |s| {
        flooded(s, &open(1), MORE, |_| frame(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"))
    }),
    flood("9113 §10.5", "frames of an unknown type without end", |s| {
        flooded(s, &[], MORE, |_| frame(kind::UNKNOWN, 0, 0, b"?"))
    }),
    flood("9113 §10.5", "RST_STREAM of a stream that is closed without end", |s| {
        flooded(s, &open(1), MORE, |_| frame(kind::RST_STREAM, 0, 1, &[0, 0, 0, 8]))
    }),
    flood("9113 §10.5", "GOAWAY without end", |s| {
        flooded(s, &open(1), MANY, |_| frame(kind::GOAWAY, 0, 0, &[0; 8]))
    }),
    flood("2019-9511", "windows that open by a byte without end", |s| {
        let small = frame(kind::SETTINGS, 0, 0, &settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
        let ask = frame(kind::HEADERS, flag::ALL, 1, &big());
        let first = [small, ask].concat();
        flooded(s, &first, MORE, |_| frame(kind::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))
    }),
    flood("9113 §10.5.1", "a head of ten megabytes", |s| {
        let first = frame(kind::HEADERS, flag::END_STREAM, 1, &hpack::get());
        let block = literal("x", "y".repeat(16_000));
        flooded(s, &first, 640, |_| frame(kind::CONTINUATION, 0, 1, &block))
    }),
    flood("9113 §10.5.1", "a field of ten megabytes", |s| {
        let name = [&[0, 1, b'x'][..], &hpack::integer(0, 7, 10 << 20)].concat();
        let block = [hpack::get(), name].concat();
        let first = frame(kind::HEADERS, flag::END_STREAM, 1, &block);
        flooded(s, &first, 640, |_| frame(kind::CONTINUATION, 0, 1, &[b'y'; 16_384]))
    }),
    flood("2016-6581", "a small block that says a large head (HPACK bomb)", |s| {
        let first = [hpack::get(), added("x", &"y".repeat(4000))].concat();
        let first = frame(kind::HEADERS, flag::ALL, 1, &first);
        let bomb = [hpack::get(), indexed(DYNAMIC).repeat(16_000)].concat();
        flooded(s, &first, 1000, |at| frame(kind::HEADERS, flag::ALL, at * 2 + 3, &bomb))
    }),
    flood("2016-6581", "a small block that says many small fields", |s| {
        let bomb = [hpack::get(), indexed(32).repeat(16_000)].concat();
        flooded(s, &[], 1000, |at| frame(kind::HEADERS, flag::ALL, at * 2 + 1, &bomb))
    }),
];

/// Clients that stand still.
pub(crate) const STALLS: &[Flood] = &[
    flood("2019-9517", "answers that are asked for, and no window for them", |s| {
        let small = frame(kind::SETTINGS, 0, 0, &settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
        let ask = |at: u32| frame(kind::HEADERS, flag::ALL, at * 2 + 1, &big());
        let asks: Vec<_> = (0..50).flat_map(ask).collect();
        stalled(s, &[small, asks].concat(), 50)
    }),
    flood("2019-9517", "an answer that is asked for, and no window of the connection", |s| {
        let large = settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
        let large = frame(kind::SETTINGS, 0, 0, &large);
        let ask = frame(kind::HEADERS, flag::ALL, 1, &big());
        stalled(s, &[large, ask].concat(), 1)
    }),
    flood("9113 §10.5", "a block that is begun, and not ended", |s| {
        stalled(s, &frame(kind::HEADERS, flag::END_STREAM, 1, &hpack::get()), 1)
    }),
    flood("9113 §10.5", "a body that is begun, and not ended", |s| {
        stalled(s, &frame(kind::HEADERS, flag::END_HEADERS, 1, &hpack::post()), 1)
    }),
    flood("9113 §10.5", "a frame that is begun, and not ended", |s| stalled(s, &[0, 0, 8, 6], 1)),
];

/// The head of a request that stays open.
fn open(stream: u32) -> Vec<u8> {
    let fields = [(":method", "POST"), (":scheme", "http"), (":authority", "conformance")];
    let block = [hpack::block(&fields), literal(":path", "/hold")].concat();
    frame(kind::HEADERS, flag::END_HEADERS, stream, &block)
}

/// A block that asks for much.
fn big() -> Vec<u8> {
    hpack::block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "conformance"),
        (":path", "/big"),
    ])
}

/// Sends `first` and then `count` pieces, and expects to be cut off; a bystander is answered while
/// that goes on, and after.
fn flooded(server: &Server, first: &[u8], count: u32, piece: impl Fn(u32) -> Vec<u8>) -> Outcome {
    let mut bystander = Client::shake_hands(server)?;
    let mut client = Client::shake_hands(server)?;
    client.send(first);
    let pieces: Vec<Vec<u8>> = (0..count).map(piece).collect();
    let mut sender = client.sender();
    let outcome = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            pieces.chunks(64).all(|pieces| sender.write_all(&pieces.concat()).is_ok())
        });
        bystander.get(1, &[]);
        let beside = bystander.answered(1, "200");
        let outcome = cut_off(&mut client, || writer.is_finished());
        let _ = client.sender().shutdown(Shutdown::Both); // And with it the writer ends.
        beside.map_err(|what| format!("the bystander, meanwhile: {what}")).and(outcome)
    });
    bystander.get(3, &[]);
    bystander.answered(3, "200").map_err(|what| format!("the bystander, after: {what}"))?;
    outcome
}

/// Expects the end of the connection.
fn cut_off(client: &mut Client, is_all_sent: impl Fn() -> bool) -> Outcome {
    let deadline = Instant::now() + BOUND;
    let (mut said, mut is_asked) = (None, false);
    while Instant::now() < deadline {
        if !is_asked && is_all_sent() {
            client.frame(kind::PING, flag::NONE, 0, b"survived");
            is_asked = true;
        }
        match client.hear(Instant::now() + Duration::from_millis(50)) {
            Some(Heard::GoAway { code, .. }) => said = Some(code),
            Some(Heard::Closed) => return ended(said),
            Some(Heard::Pong(pong)) if &pong == b"survived" => {
                return Err("all of it was taken".to_owned());
            }
            _ => {}
        }
    }
    Err("neither taken nor cut off".to_owned())
}

fn ended(said: Option<Code>) -> Outcome {
    match said {
        Some(Code::ENHANCE_YOUR_CALM) => KEPT,
        Some(code) => Ok(Kept::Loosely(format!("GOAWAY {code:?}"))),
        None => Ok(Kept::Loosely("closed without GOAWAY".to_owned())),
    }
}

/// Sends what leaves so many streams waiting, and expects that the server does not wait for ever.
fn stalled(server: &Server, first: &[u8], streams: usize) -> Outcome {
    let mut client = Client::shake_hands(server)?;
    client.send(first);
    let (deadline, mut over) = (Instant::now() + STALL_BOUND, 0);
    let mut last = "silence".to_owned();
    while let Some(heard) = client.hear(deadline) {
        match &heard {
            Heard::Reset { .. } => over += 1,
            Heard::Head { is_end: true, .. } | Heard::Data { is_end: true, .. } => over += 1,
            Heard::Closed => return KEPT,
            _ => {}
        }
        last = brief(&heard);
        if over == streams {
            return Client::shake_hands(server).map(|_| Kept::Strictly);
        }
    }
    let bound = STALL_BOUND.as_secs();
    Err(format!("the server waits no longer than {bound} s: no, but {last}"))
}
