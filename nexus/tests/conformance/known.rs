//! What the server under test is known not to do, each with the reason; a row that is listed here
//! and passes is a failure too.
//!
//! What the bare `h2` crate lets pass and Nexus does not is listed by who puts it right: its watch
//! over frames, its gate, its clock. The rest harms only who does it.

use crate::server::Subject;

/// Names of rows, and why.
type List = &'static [(&'static str, &'static str)];

/// Says why a row is known to fail, if it is.
pub(crate) fn why(name: &str, subject: Subject) -> Option<&'static str> {
    let lists: &[List] = match subject {
        Subject::Bare => &[WATCH, GATE, CLOCK, NOBODY, BARE],
        Subject::Nexus => &[NOBODY, NEXUS],
    };
    let is = |known: &&(&str, &'static str)| known.0 == name;
    lists.iter().flat_map(|list| list.iter()).find(is).map(|(_, why)| *why)
}

const FIRST: &str = "h2 reads no further than the preface's text, and takes any first frame";
const ENDLESS: &str = "h2 counts none of these";

/// What `FrameWatch` sees before `h2` does.
const WATCH: List = &[
    ("a preface without SETTINGS is a connection error", FIRST),
    ("a preface with PING for SETTINGS is a connection error", FIRST),
    ("a preface with an unknown frame for SETTINGS is a connection error", FIRST),
    (
        "an even identifier is a connection error, of a malformed request too",
        "h2 refuses the block as malformed before it looks at the stream",
    ),
    (
        "PUSH_PROMISE of a malformed request is a connection error",
        "h2 refuses the block as malformed before it looks at the frame",
    ),
    (
        "a body may come in many small frames at once",
        "h2 bounds them by half of the connection's window, 64 KiB if nobody says more",
    ),
    ("SETTINGS without end", ENDLESS),
    ("SETTINGS that change the windows of all streams without end", ENDLESS),
    ("PING without end", ENDLESS),
    ("PRIORITY without end", ENDLESS),
    ("PRIORITY_UPDATE without end", ENDLESS),
    ("frames of an unknown type without end", ENDLESS),
    ("RST_STREAM of a stream that is closed without end", ENDLESS),
    ("GOAWAY without end", ENDLESS),
    ("windows that open by a byte without end", ENDLESS),
];

const SPACES: &str = "h2 passes it on in the request's fields";
const TARGET: &str = "h2 passes it on in the request's target";
const HOST: &str = "h2 leaves the host to whoever serves";

/// What h2 passes on, and Nexus looks at before it sends a request any further.
const GATE: List = &[
    ("a value that begins with a space is malformed", SPACES),
    ("a value that begins with a tab is malformed", SPACES),
    ("a value that ends with a space is malformed", SPACES),
    ("a value that ends with a tab is malformed", SPACES),
    ("a value of a space is malformed", SPACES),
    ("a :path of all is malformed, but with OPTIONS", TARGET),
    ("an empty length without a body is malformed", "h2 takes it for 0, and passes it on"),
    ("an empty :scheme is malformed", TARGET),
    ("an :authority with a user is malformed", TARGET),
    ("host that differs from :authority is malformed", HOST),
    ("neither :authority nor host is malformed", HOST),
    ("two hosts are malformed", HOST),
    (":protocol without :authority is malformed", HOST),
    ("CONNECT without :authority is malformed", HOST),
];

const WAITS: &str = "h2 has no clock";

/// What takes a time limit.
const CLOCK: List = &[
    ("answers that are asked for, and no window for them", WAITS),
    ("an answer that is asked for, and no window of the connection", WAITS),
    ("a block that is begun, and not ended", WAITS),
    ("a body that is begun, and not ended", WAITS),
    ("a frame that is begun, and not ended", WAITS),
];

/// What cannot be seen from outside of h2, and harms only the client that does it.
const NOBODY: List = &[
    (
        "PRIORITY that depends on itself leaves smaller identifiers to be used",
        "h2 resets the idle stream as RFC 7540 wanted, and has opened it by that",
    ),
    ("a :path with a fragment is malformed", "h2 cuts the fragment off"),
    (
        "a request without :path and :authority is malformed",
        "h2 misses the path only where there is an authority, and fills in / where there is none",
    ),
    (
        "a change of the table's size after a field is one in CONTINUATION too",
        "h2 decodes each frame of a block for itself; the table stays in step all the same",
    ),
];

/// What becomes of it behind Nexus.
const NEXUS: List = &[
    (
        "a length is kept with padding and trailers beside",
        "the backend speaks HTTP/1.1, which has no trailers behind a body of declared length",
    ),
    (CHANCE, "as much as the sockets to the backend hold is read, and windows open for it"),
];

/// A row that passes or not by how much sockets hold.
const CHANCE: &str = "DATA beyond the connection's window is an error of it";

/// Says whether a row that is listed may pass all the same.
pub(crate) fn is_chance(name: &str) -> bool {
    name == CHANCE
}

const SWALLOWED: &str = "h2 drops the pseudo-fields of trailers, so that nobody sees them";

/// What h2 lets pass, and does no harm behind Nexus.
const BARE: List = &[
    ("a pseudo-field in trailers is malformed: :path", SWALLOWED),
    ("a pseudo-field in trailers is malformed: :method", SWALLOWED),
    ("a pseudo-field in trailers is malformed: :status", SWALLOWED),
    (
        "a smaller identifier is one of a malformed request too",
        "h2 resets the closed stream, with PROTOCOL_ERROR, and goes on",
    ),
    (
        "trailers that are too large are refused",
        "h2 passes on those that fit, and nobody can tell; from four times the limit on it closes",
    ),
    (
        "half-closed: HEADERS that end nothing are an error of a closed stream",
        "h2 takes them for trailers without an end, and resets with PROTOCOL_ERROR",
    ),
];
