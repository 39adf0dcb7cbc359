//! States, identifiers and number of streams (RFC 9113 §5).

use crate::case::{Case, case};
use crate::client::{Client, Heard};
use crate::expect::{KEPT, Outcome};
use crate::hpack;
use crate::wire::{Code, flag, kind, setting};

const CANCEL: [u8; 4] = [0, 0, 0, 8];

pub(super) const CASES: &[Case] = &[
    case("9113 §5.1", "idle: DATA is a connection error", |c| {
        c.data(1, flag::END_STREAM, b"early");
        c.connection_error(&[Code::PROTOCOL_ERROR, Code::STREAM_CLOSED])
    }),
    case("9113 §5.1", "idle: RST_STREAM is a connection error", |c| {
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "idle: WINDOW_UPDATE is a connection error", |c| {
        c.window_update(1, 100);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "idle: CONTINUATION is a connection error", |c| {
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::get());
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "idle: PRIORITY is ignored", |c| {
        c.frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 255]);
        c.frame(kind::PRIORITY, 0, 7, &[0, 0, 0, 1, 0]);
        c.get(3, &[]);
        c.answered(3, "200")
    }),
    case("9113 §5.1", "idle: frames of a stream of the server's are a connection error", |c| {
        c.window_update(2, 100);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "half-closed: DATA is an error of a closed stream", |c| {
        half_closed(c)?;
        c.data(1, flag::END_STREAM, b"late");
        c.stream_error(1, &[Code::STREAM_CLOSED])
    }),
    case("9113 §5.1", "half-closed: HEADERS are an error of a closed stream", |c| {
        half_closed(c)?;
        c.head(1, flag::ALL, &hpack::get());
        c.stream_error(1, &[Code::STREAM_CLOSED])
    }),
    case(
        "9113 §5.1",
        "half-closed: HEADERS that end nothing are an error of a closed stream",
        |c| {
            half_closed(c)?;
            c.head(1, flag::END_HEADERS, &hpack::get());
            c.stream_error(1, &[Code::STREAM_CLOSED])
        },
    ),
    case("9113 §5.1", "half-closed: CONTINUATION is an error", |c| {
        half_closed(c)?;
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::get());
        c.stream_error(1, &[Code::STREAM_CLOSED, Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "half-closed: PRIORITY is ignored, WINDOW_UPDATE opens the window", |c| {
        half_closed(c)?;
        c.frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 255]);
        c.window_update(1, 1000);
        c.answered(1, "200")
    }),
    case("9113 §5.1", "half-closed: RST_STREAM ends the stream alone", |c| {
        half_closed(c)?;
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 65_535)])?;
        c.ignored()
    }),
    case("9113 §5.1", "closed by RST_STREAM: DATA is an error of a closed stream", |c| {
        c.post(1, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.data(1, flag::END_STREAM, b"late");
        c.stream_error(1, &[Code::STREAM_CLOSED])
    }),
    case("9113 §5.1", "closed by RST_STREAM: HEADERS are an error", |c| {
        c.post(1, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.get(1, &[]);
        c.stream_error(1, &[Code::STREAM_CLOSED, Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "closed by RST_STREAM: CONTINUATION is an error", |c| {
        c.post(1, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::get());
        c.stream_error(1, &[Code::STREAM_CLOSED, Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "closed by RST_STREAM: a second one is ignored", |c| {
        c.post(1, &[]);
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.ignored()
    }),
    case("9113 §5.1", "closed by its end: DATA is an error of a closed stream", |c| {
        closed(c)?;
        c.data(1, flag::END_STREAM, b"late");
        c.stream_error(1, &[Code::STREAM_CLOSED])
    }),
    case("9113 §5.1", "closed by its end: HEADERS are a connection error", |c| {
        closed(c)?;
        c.get(1, &[]);
        c.connection_error(&[Code::STREAM_CLOSED, Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "closed by its end: CONTINUATION is a connection error", |c| {
        closed(c)?;
        c.frame(kind::CONTINUATION, flag::END_HEADERS, 1, &hpack::get());
        c.connection_error(&[Code::STREAM_CLOSED, Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1", "closed by its end: WINDOW_UPDATE, RST_STREAM, PRIORITY are ignored", |c| {
        closed(c)?;
        c.window_update(1, 100);
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 0, 255]);
        c.ignored()
    }),
    case("9113 §5.1", "closed by RST_STREAM of the server: what was on its way is ignored", |c| {
        c.get(1, &[("connection", "close")]);
        c.until("the request is refused", |heard| {
            matches!(heard, Heard::Reset { .. } | Heard::Head { .. }).then_some(())
        })?;
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.window_update(1, 100);
        c.ignored()
    }),
    case("9113 §5.1.1", "an even identifier is a connection error", |c| {
        c.get(2, &[]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case(
        "9113 §5.1.1",
        "an even identifier is a connection error, of a malformed request too",
        |c| {
            c.get(2, &[("connection", "close")]);
            c.connection_error(&[Code::PROTOCOL_ERROR])
        },
    ),
    case("9113 §5.1.1", "a smaller identifier is a connection error", |c| {
        c.get(5, &[]);
        c.get(3, &[]);
        c.connection_error(&[Code::PROTOCOL_ERROR, Code::STREAM_CLOSED])
    }),
    case("9113 §5.1.1", "a smaller identifier is one of a malformed request too", |c| {
        c.get(5, &[]);
        c.get(3, &[("connection", "close")]);
        c.connection_error(&[Code::PROTOCOL_ERROR, Code::STREAM_CLOSED])
    }),
    case("9113 §5.1.1", "identifiers may be left out, and are closed then", |c| {
        c.get(0x55, &[]);
        c.answered(0x55, "200")?;
        c.window_update(3, 100);
        c.frame(kind::RST_STREAM, 0, 5, &CANCEL);
        c.ignored()
    }),
    case("9113 §5.1.1", "the largest identifier is an identifier", |c| {
        c.get(0x7fff_ffff, &[]);
        c.answered(0x7fff_ffff, "200")?;
        c.pong()?;
        KEPT
    }),
    case("9113 §5.1.2", "more streams than there may be are refused", |c| {
        let Some(most) = open_all(c) else { return KEPT };
        c.post(most * 2 + 1, &[]);
        c.stream_error(most * 2 + 1, &[Code::REFUSED_STREAM, Code::PROTOCOL_ERROR])
    }),
    case("9113 §5.1.2", "a stream that is refused leaves the state of compression in step", |c| {
        let Some(most) = open_all(c) else { return KEPT };
        let refused = [hpack::get(), hpack::added("x-echo", "in step")].concat();
        c.head(most * 2 + 1, flag::ALL, &refused);
        c.data(1, flag::END_STREAM, b"");
        c.answered(1, "200")?;
        let block = [hpack::get(), hpack::indexed(hpack::DYNAMIC)].concat();
        c.head(most * 2 + 3, flag::ALL, &block);
        c.told(most * 2 + 3, "echo=in step")
    }),
    case("9113 §5.1.2", "a stream that was cancelled makes room for another", |c| {
        let Some(most) = open_all(c) else { return KEPT };
        c.frame(kind::RST_STREAM, 0, 1, &CANCEL);
        c.pong()?;
        c.get(most * 2 + 1, &[]);
        c.answered(most * 2 + 1, "200")
    }),
    case("9113 §5.3", "HEADERS that depend on themselves harm nobody else", |c| {
        let block = [&[0, 0, 0, 1, 15][..], &hpack::get()].concat();
        c.head(1, flag::ALL | flag::PRIORITY, &block);
        c.ignored()
    }),
    case(
        "9113 §5.3",
        "PRIORITY that depends on itself is ignored, or an error of its stream",
        |c| {
            c.get(1, &[]);
            c.frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 3, 15]);
            c.ignored()
        },
    ),
    case(
        "9113 §5.3",
        "PRIORITY that depends on itself leaves smaller identifiers to be used",
        |c| {
            c.frame(kind::PRIORITY, 0, 0x99, &[0, 0, 0, 0x99, 15]);
            c.get(1, &[]);
            c.answered(1, "200")
        },
    ),
    case(
        "9113 §5.4.1",
        "GOAWAY comes before the end, with the last stream that was served",
        |c| {
            c.get(1, &[]);
            c.answered(1, "200")?;
            c.frame(kind::PING, 0, 0, &[0; 7]);
            let last = c.until("GOAWAY comes", |heard| match heard {
                Heard::GoAway { last, .. } => Some(*last),
                _ => None,
            })?;
            c.until("the connection ends", |heard| matches!(heard, Heard::Closed).then_some(()))?;
            if last == 1 { KEPT } else { Err(format!("the last stream is 1: no, but {last}")) }
        },
    ),
    case("9113 §5.4.2", "an error of a stream leaves the others alone", |c| {
        c.post(1, &[]);
        c.get(3, &[("connection", "close")]);
        c.malformed(3)?;
        c.data(1, flag::END_STREAM, b"after");
        c.told(1, "length=5")
    }),
];

/// Sends a request that stays half-closed, since its answer finds no window.
fn half_closed(c: &mut Client) -> Result<(), String> {
    c.settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])?;
    c.get(1, &[]);
    c.pong()
}

/// Sends a request that is answered.
fn closed(c: &mut Client) -> Outcome {
    c.get(1, &[]);
    c.answered(1, "200")?;
    c.pong().map(|()| crate::expect::Kept::Strictly)
}

/// Opens as many streams as there may be, and returns how many.
fn open_all(c: &mut Client) -> Option<u32> {
    let most = c.limits.streams.filter(|most| *most <= 1000)?;
    (0..most).for_each(|at| c.post(at * 2 + 1, &[]));
    Some(most)
}
