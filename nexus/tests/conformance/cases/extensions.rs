//! Extended CONNECT (RFC 8441) and priorities (RFC 9218).

use crate::case::{Case, case};
use crate::client::{Client, Heard};
use crate::expect::{KEPT, Outcome};
use crate::wire::{flag, kind, setting};

const METHOD: (&str, &str) = (":method", "CONNECT");
const PROTOCOL: (&str, &str) = (":protocol", "websocket");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "conformance");

pub(super) const CASES: &[Case] = &[
    case("8441 §4", ":protocol with all that belongs to it is taken, if it was offered", |c| {
        if !c.limits.has_connect {
            return malformed(c, &[METHOD, PROTOCOL, SCHEME, PATH, AUTHORITY]);
        }
        c.ask(1, &[METHOD, PROTOCOL, SCHEME, PATH, AUTHORITY, ("sec-websocket-version", "13")]);
        c.until("an answer comes", |heard| matches!(heard, Heard::Head { .. }).then_some(()))?;
        c.ignored()
    }),
    case("8441 §4", ":protocol without :scheme is malformed", |c| {
        malformed(c, &[METHOD, PROTOCOL, PATH, AUTHORITY])
    }),
    case("8441 §4", ":protocol without :path is malformed", |c| {
        malformed(c, &[METHOD, PROTOCOL, SCHEME, AUTHORITY])
    }),
    case("8441 §4", ":protocol without :authority is malformed", |c| {
        malformed(c, &[METHOD, PROTOCOL, SCHEME, PATH])
    }),
    case("8441 §4", ":protocol with another method is malformed", |c| {
        malformed(c, &[(":method", "GET"), PROTOCOL, SCHEME, PATH, AUTHORITY])
    }),
    case("8441 §4", "two :protocol are malformed", |c| {
        malformed(c, &[METHOD, PROTOCOL, PROTOCOL, SCHEME, PATH, AUTHORITY])
    }),
    case("8441 §3", "ENABLE_CONNECT_PROTOCOL of a client changes nothing", |c| {
        c.settings(&[(setting::ENABLE_CONNECT_PROTOCOL, 1)])?;
        c.ignored()
    }),
    case("9218 §4", "priority passes, whatever it says", |c| {
        for (at, value) in ["u=0", "u=7, i", "u=99", "nonsense ((", ""].into_iter().enumerate() {
            let stream = at as u32 * 2 + 1;
            c.get(stream, &[("priority", value)]);
            c.answered(stream, "200")?;
        }
        KEPT
    }),
    case("9218 §2.1", "NO_RFC7540_PRIORITIES is a setting like any other", |c| {
        c.settings(&[(setting::NO_RFC7540_PRIORITIES, 1)])?;
        c.frame(kind::PRIORITY, flag::NONE, 1, &[0, 0, 0, 0, 15]);
        c.ignored()
    }),
    case("9218 §7.1", "PRIORITY_UPDATE is taken, of a stream that is or will be", |c| {
        c.frame(kind::PRIORITY_UPDATE, flag::NONE, 0, b"\0\0\0\x01u=0");
        c.get(1, &[]);
        c.frame(kind::PRIORITY_UPDATE, flag::NONE, 0, b"\0\0\0\x01u=1, i");
        c.answered(1, "200")?;
        c.frame(kind::PRIORITY_UPDATE, flag::NONE, 0, b"\0\0\0\x01u=7");
        c.ignored()
    }),
];

fn malformed(c: &mut Client, fields: &[(&str, &str)]) -> Outcome {
    c.ask(1, fields);
    c.malformed(1)
}
