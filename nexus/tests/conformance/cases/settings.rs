//! SETTINGS (RFC 9113 §6.5).

use crate::case::{Case, case};
use crate::client::{Client, Heard};
use crate::expect::{KEPT, Outcome};
use crate::hpack::Decoder;
use crate::wire::{Code, flag, kind, setting, settings};

pub(super) const CASES: &[Case] = &[
    case("9113 §6.5", "SETTINGS are acknowledged", |c| {
        c.settings(&[])?;
        c.settings(&[(setting::MAX_CONCURRENT_STREAMS, 10), (setting::ENABLE_PUSH, 0)])?;
        c.ignored()
    }),
    case("9113 §6.5", "an acknowledgement with a payload is a connection error", |c| {
        let payload = settings(&[(setting::ENABLE_PUSH, 0)]);
        c.frame(kind::SETTINGS, flag::ACK, 0, &payload);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §6.5", "SETTINGS of a stream are a connection error", |c| {
        c.frame(kind::SETTINGS, flag::NONE, 1, &[]);
        c.connection_error(&[Code::PROTOCOL_ERROR])
    }),
    case("9113 §6.5", "SETTINGS cut short are a connection error", |c| {
        c.frame(kind::SETTINGS, flag::NONE, 0, &[0, 3, 0]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §6.5", "SETTINGS with a byte too many are a connection error", |c| {
        c.frame(kind::SETTINGS, flag::NONE, 0, &[0, 3, 0, 0, 0, 10, 0]);
        c.connection_error(&[Code::FRAME_SIZE_ERROR])
    }),
    case("9113 §6.5.2", "ENABLE_PUSH is 0 or 1", |c| {
        c.settings(&[(setting::ENABLE_PUSH, 1)])?;
        c.settings(&[(setting::ENABLE_PUSH, 0)])?;
        illegal(c, setting::ENABLE_PUSH, 2, Code::PROTOCOL_ERROR)
    }),
    case("9113 §6.5.2", "INITIAL_WINDOW_SIZE is no more than 2^31-1", |c| {
        illegal(c, setting::INITIAL_WINDOW_SIZE, 1 << 31, Code::FLOW_CONTROL_ERROR)
    }),
    case("9113 §6.5.2", "INITIAL_WINDOW_SIZE may be 2^31-1", |c| {
        c.settings(&[(setting::INITIAL_WINDOW_SIZE, (1 << 31) - 1)])?;
        c.ignored()
    }),
    case("9113 §6.5.2", "MAX_FRAME_SIZE is no less than 2^14", |c| {
        illegal(c, setting::MAX_FRAME_SIZE, (1 << 14) - 1, Code::PROTOCOL_ERROR)
    }),
    case("9113 §6.5.2", "MAX_FRAME_SIZE is no more than 2^24-1", |c| {
        illegal(c, setting::MAX_FRAME_SIZE, 1 << 24, Code::PROTOCOL_ERROR)
    }),
    case("9113 §6.5.2", "MAX_FRAME_SIZE may be 2^24-1", |c| {
        c.settings(&[(setting::MAX_FRAME_SIZE, (1 << 24) - 1)])?;
        c.ignored()
    }),
    case("9113 §6.5.2", "all other values of all other settings are legal", |c| {
        let all = [setting::HEADER_TABLE_SIZE, setting::MAX_CONCURRENT_STREAMS];
        for id in all {
            c.settings(&[(id, u32::MAX)])?;
        }
        c.settings(&[(setting::MAX_HEADER_LIST_SIZE, u32::MAX)])?;
        c.settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)])?;
        c.ignored()
    }),
    case("9113 §6.5.2", "unknown settings are ignored", |c| {
        c.settings(&[(0, 1), (0xff, u32::MAX), (0x0a0a, 0)])?;
        c.ignored()
    }),
    case("9113 §6.5.2", "a head is decoded with the table that the client has, none", |c| {
        c.settings(&[(setting::HEADER_TABLE_SIZE, 0)])?;
        c.decoder = Decoder::new(0);
        for stream in [1, 3, 5] {
            c.get(stream, &[]);
            c.answered(stream, "200")?;
        }
        KEPT
    }),
    case(
        "9113 §6.5.2",
        "a head is decoded with the table that the client has, after changes",
        |c| {
            for (stream, size) in [(1, 4096), (3, 64), (5, 8192), (7, 0), (9, 4096)] {
                c.settings(&[(setting::HEADER_TABLE_SIZE, size)])?;
                c.get(stream, &[]);
                c.answered(stream, "200")?;
            }
            KEPT
        },
    ),
    case("9113 §6.5.3", "values of one setting hold in the order in which they come", |c| {
        let twice = [(setting::INITIAL_WINDOW_SIZE, 100), (setting::INITIAL_WINDOW_SIZE, 1)];
        c.settings(&twice)?;
        c.get(1, &[]);
        let first = c.until("a part of an answer comes", |heard| match heard {
            Heard::Data { bytes, .. } => Some(bytes.len()),
            _ => None,
        })?;
        if first == 1 { KEPT } else { Err(format!("a byte comes: no, but {first}")) }
    }),
    case("9113 §6.5.3", "each SETTINGS is acknowledged, however many there are", |c| {
        (0..20).for_each(|_| c.frame(kind::SETTINGS, flag::NONE, 0, &[]));
        let mut acks = 0;
        c.until("20 acknowledgements come", |heard| {
            acks += u32::from(matches!(heard, Heard::SettingsAck));
            (acks == 20).then_some(())
        })?;
        KEPT
    }),
];

fn illegal(c: &mut Client, id: u16, value: u32, code: Code) -> Outcome {
    c.frame(kind::SETTINGS, flag::NONE, 0, &settings(&[(id, value)]));
    c.connection_error(&[code])
}
