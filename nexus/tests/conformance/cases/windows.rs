//! WINDOW_UPDATE and the windows on both sides (RFC 9113 §6.9, §5.2).

use std::time::{Duration, Instant};

use crate::case::{Case, case};
use crate::client::{Client, Heard};
use crate::expect::{KEPT, Outcome, same};
use crate::server::BIG;
use crate::wire::{Code, FRAME_LEN_MAX, flag, frame, kind, padded, setting};

/// The first window of a connection.
const FIRST: i64 = 65_535;

/// The largest window that there may be.
const MOST: u32 = (1 << 31) - 1;

/// How many parts make a body larger than all windows.
const PARTS: usize = 1500;

/// What no server will take in without a window for it.
const TOO_MUCH: usize = 64 << 20;

/// How long to listen between one piece and the next.
const BRIEFLY: Duration = Duration::from_millis(2);

pub(super) const CASES: &[Case] = &[
    case("9113 §6.9", "an increment of 0 for the connection is a connection error", |c| {
        c.window_update(0, 0);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.9", "an increment of 0 for a stream is an error of the stream", |c| {
        c.post(1, &[]);
        c.window_update(1, 0);
        c.stream_error(1, &[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.9", "the reserved bit of an increment is ignored", |c| {
        c.window_update(0, 1 << 31 | 1);
        c.ignored()
    }),
    case("9113 §6.9", "WINDOW_UPDATE of three bytes is a connection error", |c| {
        c.frame(kind::WINDOW_UPDATE, flag::NONE, 0, &[0, 0, 1]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §6.9", "WINDOW_UPDATE of five bytes is a connection error", |c| {
        c.frame(kind::WINDOW_UPDATE, flag::NONE, 0, &[0, 0, 0, 1, 0]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §6.9.1", "an answer is no larger than its stream's window", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 1)])?;
        c.get(1, &[]);
        sent(c, 1, 1)?;
        c.window_update(1, 2);
        sent(c, 1, 2)?;
        c.window_update(1, 1000);
        ends(c, 1)
    }),
    case("9113 §6.9.1", "an answer waits for its stream's window, and no other does", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])?;
        c.get(1, &[]);
        c.get(3, &[]);
        sent(c, 1, 0)?;
        c.window_update(3, 1000);
        ends(c, 3)?;
        c.window_update(1, 1000);
        ends(c, 1)
    }),
    case("9113 §6.9.1", "answers are together no larger than the connection's window", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)])?;
        c.ask(1, BIG_ONE);
        sent(c, 1, FIRST as usize)?;
        c.window_update(0, 1 << 20);
        sent(c, 1, BIG - FIRST as usize)?;
        KEPT
    }),
    case("9113 §6.9.1", "a connection's window above 2^31-1 is a connection error", |c| {
        c.window_update(0, MOST);
        c.connection_error(&[Code::FLOW_CONTROL_ERROR])
    }),
    case("9113 §6.9.1", "a connection's window of 2^31-1 is none", |c| {
        c.window_update(0, MOST - FIRST as u32);
        c.ignored()
    }),
    case("9113 §6.9.1", "a stream's window above 2^31-1 is an error of the stream", |c| {
        c.post(1, &[]);
        c.window_update(1, MOST);
        c.stream_error(1, &[Code::FLOW_CONTROL_ERROR])
    }),
    case("9113 §6.9.1", "a stream's window of 2^31-1 is none", |c| {
        c.post(1, &[]);
        c.window_update(1, MOST - FIRST as u32);
        c.data(1, flag::END_STREAM, b"most");
        c.told(1, "length=4")
    }),
    case("9113 §6.9.1", "DATA beyond a stream's window is an error of flow control", |c| {
        c.hold(1);
        let many = frame(kind::DATA, flag::NONE, 1, &[0; FRAME_LEN_MAX]).repeat(8);
        for _ in 0..TOO_MUCH / many.len() {
            c.send(&many);
            match c.hear(Instant::now() + BRIEFLY) {
                Some(Heard::Reset { stream: 1, code }) => return flow_control(code),
                Some(Heard::GoAway { code, .. }) => return flow_control(code),
                _ => {}
            }
        }
        c.stream_error(1, &[Code::FLOW_CONTROL_ERROR])
    }),
    case("9113 §6.9.1", "DATA beyond the connection's window is an error of it", |c| {
        let streams = c.limits.streams.unwrap_or(100).min(100);
        (0..streams).for_each(|at| c.hold(at * 2 + 1));
        let window = c.limits.window as usize;
        for at in 0..streams {
            for from in (0..window).step_by(FRAME_LEN_MAX) {
                let len = FRAME_LEN_MAX.min(window - from);
                c.data(at * 2 + 1, flag::NONE, &vec![0; len]);
            }
        }
        c.connection_error(&[Code::FLOW_CONTROL_ERROR])
    }),
    case("9113 §6.9.1", "an upload larger than all windows goes on as they open", |c| {
        upload(c, PARTS, flag::NONE, &[b'x'; 1000])?;
        c.told(1, &format!("length={}", PARTS * 1000))
    }),
    case("9113 §6.9.1", "padding is given back to both windows", |c| {
        upload(c, PARTS, flag::PADDED, &padded(&[b'x'; 256], 255, 255))?;
        c.told(1, &format!("length={}", PARTS * 256))
    }),
    case("9113 §6.9.1", "what comes for streams that are reset is given back", |c| {
        let mut windows = [FIRST, 0];
        for stream in (1..100).step_by(2) {
            while windows[0] < 8192 {
                opened(c, &mut windows)?;
            }
            c.post(stream, &[("content-length", "1")]);
            c.data(stream, flag::NONE, &[0; 8192]);
            windows[0] -= 8192;
        }
        c.post(0x1001, &[]);
        c.data(0x1001, flag::END_STREAM, b"through");
        c.told(0x1001, "length=7")
    }),
    case("9113 §6.9.2", "a larger initial window opens those of open streams", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])?;
        c.get(1, &[]);
        sent(c, 1, 0)?;
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 1)])?;
        sent(c, 1, 1)?;
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 1000)])?;
        ends(c, 1)
    }),
    case("9113 §6.9.2", "a window may become negative, and is counted from there", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 3)])?;
        c.get(1, &[]);
        sent(c, 1, 3)?;
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 2)])?; // -1
        c.window_update(1, 1); // 0
        sent(c, 1, 0)?;
        c.window_update(1, 2);
        sent(c, 1, 2)?;
        c.window_update(1, 1000);
        ends(c, 1)
    }),
    case("9113 §6.9.2", "SETTINGS that open a stream's window above 2^31-1 are an error", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])?;
        c.get(1, &[]);
        c.pong()?;
        // Neither alone is too much: what the body takes is less than what is added.
        c.hold(3);
        c.window_update(3, MOST);
        c.frame(kind::SETTINGS, flag::NONE, 0, &[0, 4, 0, 0, 0, 1]);
        c.connection_error(&[Code::FLOW_CONTROL_ERROR])
    }),
    case("9113 §6.9.2", "the window of a connection is not that of SETTINGS", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)])?;
        c.ask(1, BIG_ONE);
        sent(c, 1, FIRST as usize)?;
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, 2 << 20)])?;
        sent(c, 1, 0)
    }),
];

const BIG_ONE: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":authority", "conformance"), (":path", "/big")];

/// Expects exactly so many bytes of a body, as far as the server goes without more window.
fn sent(c: &mut Client, stream: u32, expected: usize) -> Outcome {
    let mut found = 0;
    if expected > 0 {
        c.until(&format!("{expected} bytes come"), |heard| {
            found += data_of(heard, stream);
            (found >= expected).then_some(())
        })?;
    }
    c.frame(kind::PING, flag::NONE, 0, b"and now?");
    c.until("the connection lives", |heard| {
        found += data_of(heard, stream);
        matches!(heard, Heard::Pong(said) if said == b"and now?").then_some(())
    })?;
    if found == expected { KEPT } else { Err(format!("{expected} bytes: no, but {found}")) }
}

fn data_of(heard: &Heard, stream: u32) -> usize {
    match heard {
        Heard::Data { stream: found, bytes, .. } if *found == stream => bytes.len(),
        _ => 0,
    }
}

/// Expects the end of a body.
fn ends(c: &mut Client, stream: u32) -> Outcome {
    c.until("the answer ends", |heard| match heard {
        Heard::Data { stream: found, is_end: true, .. } if *found == stream => Some(()),
        _ => None,
    })?;
    KEPT
}

fn flow_control(code: Code) -> Outcome {
    same("the code", &format!("{:?}", Code::FLOW_CONTROL_ERROR), &format!("{code:?}"))
}

/// Sends a body in parts, each once the server's windows allow it.
fn upload(c: &mut Client, parts: usize, flags: u8, part: &[u8]) -> Result<(), String> {
    c.post(1, &[]);
    let mut windows = [FIRST, i64::from(c.limits.window)];
    for _ in 0..parts {
        while windows.iter().any(|window| *window < part.len() as i64) {
            opened(c, &mut windows)?;
        }
        c.data(1, flags, part);
        windows = windows.map(|window| window - part.len() as i64);
    }
    c.data(1, flag::END_STREAM, b"");
    Ok(())
}

/// Waits until the server opens the window of the connection or of a stream further.
fn opened(c: &mut Client, windows: &mut [i64; 2]) -> Result<(), String> {
    let (stream, by) = c.until("the windows open", |heard| match heard {
        Heard::Window { stream, by } => Some((*stream, *by)),
        _ => None,
    })?;
    windows[usize::from(stream != 0)] += i64::from(by);
    Ok(())
}
