//! Where Nexus and hyper may differ: every such place is a row of the contract (`contract`,
//! `responses`), with what must be found in the bytes for the row to apply.
//!
//! The bytes are looked at with the plainest means, independent of both readers: hyper took them,
//! so lines are lines.

use nexus::reason::Reason;

use super::message::{Message, Reading};

/// A head that hyper takes, split at its lines.
struct Plain {
    words: Vec<String>,
    fields: Vec<(String, String)>,
}

impl Plain {
    fn of(bytes: &[u8]) -> Self {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let fields = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned())
        });
        Self { words: first.split(' ').map(str::to_owned).collect(), fields: fields.collect() }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    fn is(&self, methods: &[&str]) -> bool {
        methods.contains(&self.words[0].as_str())
    }

    fn is_1_0(&self) -> bool {
        self.words.last().is_some_and(|version| version == "HTTP/1.0")
    }

    /// Returns the authority of an absolute target.
    fn authority(&self) -> Option<&str> {
        let target = self.words[1].as_str();
        let (_, rest) = target.split_once("://")?;
        rest.split(['/', '?']).next()
    }

    /// Returns the only host, if nobody can have a doubt about it.
    fn plain_host(&self) -> Option<&str> {
        match self.all("host")[..] {
            [host] if is_plain(host) => Some(host),
            _ => None,
        }
    }

    /// Says whether the target has a form that nobody can have a doubt about.
    fn has_plain_target(&self) -> bool {
        match self.words[1].as_str() {
            "*" => self.is(&["OPTIONS"]),
            path if path.starts_with('/') => !path.contains('#'),
            target if target.starts_with("http://") => {
                !target.contains('#') && self.authority().is_some_and(is_plain)
            }
            _ => false,
        }
    }
}

/// Says whether a host is a plain name with a plain port, if any.
fn is_plain(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    !name.is_empty() && name.chars().all(is_name) && port.parse::<u16>().is_ok()
}

/// Names the row by which Nexus refuses a request whose head hyper takes, if there is one.
pub(crate) fn request_refused(bytes: &[u8], reason: Reason) -> Option<&'static str> {
    let head = Plain::of(bytes);
    let (codings, lengths) = (head.all("transfer-encoding"), head.all("content-length"));
    let (row, applies) = match reason {
        Reason::BadHost => match (head.plain_host(), head.authority()) {
            (None, _) => ("2, 3, 4, 5", !(head.is_1_0() && head.all("host").is_empty())),
            (Some(host), Some(authority)) => ("8", !host.eq_ignore_ascii_case(authority)),
            (Some(_), None) => ("8", false),
        },
        Reason::BadTarget => {
            ("9, 12, 13, 14, 15", head.is(&["CONNECT"]) || !head.has_plain_target())
        }
        Reason::ConnectNotSupported => ("14", head.is(&["CONNECT"])),
        Reason::MalformedRequest if head.is(&["PRI"]) => ("31", true),
        Reason::MalformedRequest => (
            "79", // What is no number counts no hops.
            head.is(&["OPTIONS", "TRACE"])
                && head.all("max-forwards").iter().any(|hops| hops.parse::<u64>().is_err()),
        ),
        Reason::BodyTooLarge => ("40", lengths.iter().any(|length| length.parse::<i64>().is_err())),
        Reason::LengthRequired => {
            ("411", head.is_1_0() && head.is(&["POST", "PUT", "PATCH"]) && lengths.is_empty())
        }
        Reason::BadFraming => match codings[..] {
            [] => ("38", false),
            [_] if !lengths.is_empty() => ("42, 43", true),
            [coding] => ("45, 47", !coding.eq_ignore_ascii_case("chunked")),
            _ => ("48", true),
        },
        Reason::UnknownCoding => ("46", codings.len() == 1 && codings[0].contains(',')),
        Reason::UnknownExpectation => {
            let is_known = |value: &&str| value.eq_ignore_ascii_case("100-continue");
            ("65", !head.all("expect").iter().all(is_known))
        }
        Reason::TargetTooLong => ("73", head.words[1].len() > 8_000),
        Reason::HeadTooLarge => ("73", bytes.len() > 32 * 1024),
        Reason::TraceNotSupported => {
            ("79", head.is(&["TRACE"]) && !head.all("max-forwards").is_empty())
        }
        _ => ("none", false),
    };
    applies.then_some(row)
}

/// Names the row by which Nexus takes a request that hyper refuses, if there is one.
pub(crate) fn request_let_in(ours: &Message) -> Option<&'static str> {
    // hyper wants a `Uri`, which has fewer bytes in it than targets in the wild: a proxy passes on
    // what it can tell the ends of.
    let (_, target) = ours.start.split_once(' ')?;
    let is_odd = |c: char| !c.is_ascii() || "\"<>\\^`{|}".contains(c);
    (target.contains(is_odd) || ours.host.contains('%')).then_some("untouched")
}

/// Names the row by which the readers may differ about whether the connection goes on after a
/// request, if there is one.
pub(crate) fn goes_on_otherwise(head: &[u8]) -> Option<&'static str> {
    // hyper does not look into a list with bytes in it that are not ASCII; Nexus reads the rest.
    let head = Plain::of(head);
    head.all("connection").iter().any(|list| !list.is_ascii()).then_some("68")
}

/// Names the row by which Nexus refuses a body that hyper takes, if there is one.
///
/// Between the chunks the bytes are data, which could be anything: what must be found for a row is
/// necessary, not sufficient.
pub(crate) fn body_refused(ours: &Reading, bytes: &[u8]) -> Option<&'static str> {
    if ours.refused != Some(Reason::BadBody) && ours.refused != Some(Reason::BadResponse) {
        return None;
    }
    let bytes = &bytes[ours.body_at..];
    let has_long_size = bytes.split(|b| !b.is_ascii_hexdigit()).any(|digits| digits.len() > 16);
    let mut pairs = std::iter::once(&0).chain(bytes).zip(bytes);
    let has_bare_lf = pairs.any(|(before, byte)| *byte == b'\n' && *before != b'\r');
    let is_control = |b: &u8| (*b < b' ' && !b"\r\n\t".contains(b)) || *b == 0x7f;
    if has_long_size {
        Some("52")
    } else if bytes.contains(&b';') && (bytes.contains(&b'"') || bytes.iter().any(is_control)) {
        Some("55") // An extension that is none; the quotes must end before the line does.
    } else if has_bare_lf {
        Some("60")
    } else {
        None
    }
}

/// Names the row by which Nexus refuses an answer whose head hyper takes, if there is one.
pub(crate) fn answer_refused(bytes: &[u8]) -> Option<&'static str> {
    // Interim answers come before the one that hyper hands over: any of the heads may be meant.
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"HTTP/1."));
    let heads: Vec<_> = starts.map(|at| Plain::of(&bytes[at..])).collect();
    let has = |what: &dyn Fn(&Plain) -> bool| heads.iter().any(what);
    let is_chunked = |value: &&str| value.eq_ignore_ascii_case("chunked");
    if has(&|head| head.words.get(1).is_some_and(|status| status.as_str() >= "600")) {
        Some("R15")
    } else if has(&|head| {
        let codings = head.all("transfer-encoding");
        codings.len() > 1 || !codings.iter().all(is_chunked)
    }) {
        Some("R2")
    } else if has(&|head| head.is_1_0_answer() && !head.all("transfer-encoding").is_empty()) {
        Some("R3") // hyper looks the other way where there is no body.
    } else if has(&|head| !head.has_one_length()) {
        Some("R4") // And here, too, and where the body is chunked; more than a file can have is none.
    } else {
        None
    }
}

impl Plain {
    fn is_1_0_answer(&self) -> bool {
        self.words[0] == "HTTP/1.0"
    }

    fn has_one_length(&self) -> bool {
        let lengths = self.all("content-length");
        let mut numbers = lengths.iter().flat_map(|value| value.split(',')).map(|number| {
            let number = number.trim_matches([' ', '\t']);
            (!number.starts_with(['+', '-'])).then(|| number.parse::<i64>().ok()).flatten()
        });
        let first = numbers.next();
        first.is_none_or(|first| first.is_some() && numbers.all(|number| number == first))
    }
}

/// Fields that Nexus drops from trailers and hyper hands over (row 58), as far as they are tried: a
/// head that a mutation has put behind a last chunk is trailers, too.
pub(crate) const DROPPED_TRAILERS: [&str; 21] = [
    "authorization: ",
    "connection: ",
    "content-length: ",
    "cookie: ",
    "date: ",
    "expect: ",
    "host: ",
    "if-",
    "keep-alive: ",
    "location: ",
    "max-forwards: ",
    "proxy-authenticate: ",
    "proxy-connection: ",
    "set-cookie: ",
    "te: ",
    "trailer: ",
    "transfer-encoding: ",
    "upgrade: ",
    "x-forwarded",
    "x-client",
    "x_forwarded",
];
