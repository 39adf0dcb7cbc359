//! Faults as they are asked for: `KIND[:key=value,…][@PROBABILITY][#COUNT]`.

use std::fmt;

mod code;
mod parse;

pub use code::Code;

/// One way of going wrong. Each but [`Fault::Refuse`] is what happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens while this rule is there.
    Refuse,
    /// Nothing more comes: no answer at all, or none after so many bytes of the body.
    Hang(Option<u64>),
    /// The whole request is read, then the connection is closed without an answer.
    Close,
    /// The connection is reset: once the request's head is read, or after so many bytes of the body.
    Reset(Option<u64>),
    /// The connection is closed after so many bytes of a body that was announced longer.
    Truncate(u64),
    /// The answer is no HTTP.
    Malformed(Malformed),
    /// The answer does not say truly where it ends.
    Framing(Misframed),
    /// The answer is whole, and its body comes at so many bytes a second.
    Bandwidth(u64),
    /// The answer is whole, and says that something went wrong.
    Status {
        /// Its status, from 400 to 599.
        code: u16,
        /// Its `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// The request is answered, and no further one on its HTTP/2 connection; with a code the
    /// connection ends at once, and with it all that is under way.
    GoAway(Option<Code>),
    /// The HTTP/2 stream is reset: once the request's head is read, or after so many bytes of the body.
    RstStream {
        /// Why, as the frame says.
        code: Code,
        /// Bytes of the body that come before.
        bytes: Option<u64>,
    },
    /// The HTTP/2 stream is refused: the request has not been run, and says so.
    RefuseStream,
}

/// What is wrong with an answer that is no HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The status is no number.
    StatusLine,
    /// A field line has no colon.
    Header,
    /// A chunk's size is no number.
    ChunkSize,
    /// Nothing in it is HTTP.
    Garbage,
}

/// What is wrong with how an answer is framed (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misframed {
    /// Its `Content-Length` is more than comes.
    ClTooLong,
    /// Its `Content-Length` is less than comes.
    ClTooShort,
    /// It has a `Content-Length` and chunks.
    ClAndTe,
    /// It has two different `Content-Length`.
    TwoCl,
    /// Its `Transfer-Encoding` is written so that some understand `chunked` and some do not.
    TeObs,
    /// Behind it comes another answer, which nobody has asked for.
    ExtraBytes,
}

/// A fault, how likely it is for a request, and how often it may happen at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// How likely it is, above 0 and up to 1.
    pub chance: f64,
    /// How many requests it may happen to; none: any number.
    pub count: Option<u64>,
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        if self.chance < 1.0 {
            write!(f, "@{}", self.chance)?;
        }
        match self.count {
            Some(count) => write!(f, "#{count}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hang(Some(bytes)) => write!(f, "hang:bytes={bytes}"),
            Self::Reset(Some(bytes)) => write!(f, "reset:bytes={bytes}"),
            Self::Truncate(bytes) => write!(f, "truncate:bytes={bytes}"),
            Self::Malformed(kind) => write!(f, "malformed:kind={}", kind.name()),
            Self::Framing(kind) => write!(f, "framing:kind={}", kind.name()),
            Self::Bandwidth(rate) => write!(f, "bandwidth:rate={rate}"),
            Self::Status { code, retry_after: None } => write!(f, "status:code={code}"),
            Self::Status { code, retry_after: Some(seconds) } => {
                write!(f, "status:code={code},retry_after={seconds}")
            }
            Self::GoAway(Some(code)) => write!(f, "goaway:code={code}"),
            Self::RstStream { code, bytes: None } => write!(f, "rst_stream:code={code}"),
            Self::RstStream { code, bytes: Some(bytes) } => {
                write!(f, "rst_stream:code={code},bytes={bytes}")
            }
            _ => f.write_str(self.name()),
        }
    }
}

impl Fault {
    /// The names of all kinds, in the order of [`Self::place`].
    pub(crate) const NAMES: [&str; 12] = [
        "refuse",
        "hang",
        "close",
        "reset",
        "truncate",
        "malformed",
        "framing",
        "bandwidth",
        "status",
        "goaway",
        "rst_stream",
        "refuse_stream",
    ];

    /// Whether it can befall a request of this version of HTTP: there are streams only in HTTP/2.
    #[must_use]
    pub fn is_for(&self, is_http2: bool) -> bool {
        is_http2 || !matches!(self, Self::GoAway(_) | Self::RstStream { .. } | Self::RefuseStream)
    }

    /// The kind's name, as in the statistics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Self::NAMES[self.place()]
    }

    /// The kind's place among all kinds.
    pub(crate) fn place(&self) -> usize {
        match self {
            Self::Refuse => 0,
            Self::Hang(_) => 1,
            Self::Close => 2,
            Self::Reset(_) => 3,
            Self::Truncate(_) => 4,
            Self::Malformed(_) => 5,
            Self::Framing(_) => 6,
            Self::Bandwidth(_) => 7,
            Self::Status { .. } => 8,
            Self::GoAway(_) => 9,
            Self::RstStream { .. } => 10,
            Self::RefuseStream => 11,
        }
    }
}

impl Malformed {
    const ALL: [Self; 4] = [Self::StatusLine, Self::Header, Self::ChunkSize, Self::Garbage];

    fn name(self) -> &'static str {
        match self {
            Self::StatusLine => "status_line",
            Self::Header => "header",
            Self::ChunkSize => "chunk_size",
            Self::Garbage => "garbage",
        }
    }
}

impl Misframed {
    const ALL: [Self; 6] = [
        Self::ClTooLong,
        Self::ClTooShort,
        Self::ClAndTe,
        Self::TwoCl,
        Self::TeObs,
        Self::ExtraBytes,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ClTooLong => "cl_too_long",
            Self::ClTooShort => "cl_too_short",
            Self::ClAndTe => "cl_and_te",
            Self::TwoCl => "two_cl",
            Self::TeObs => "te_obs",
            Self::ExtraBytes => "extra_bytes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, fault: Fault, chance: f64, count: Option<u64>) {
        let rule: FaultRule = text.parse().unwrap();
        assert_eq!(rule, FaultRule { fault, chance, count }, "{text}");
        assert_eq!(rule.to_string().parse(), Ok(rule), "{text} is displayed as {rule}");
    }

    #[test]
    fn a_rule_is_a_kind_with_values_a_chance_and_a_count() {
        check("refuse", Fault::Refuse, 1.0, None);
        check("hang", Fault::Hang(None), 1.0, None);
        check("hang:bytes=0#1", Fault::Hang(Some(0)), 1.0, Some(1));
        check("close@0.25", Fault::Close, 0.25, None);
        check("reset@30%#3", Fault::Reset(None), 0.3, Some(3));
        check("reset:bytes=1KiB", Fault::Reset(Some(1024)), 1.0, None);
        check("truncate:bytes=100@0.5", Fault::Truncate(100), 0.5, None);
        check("malformed", Fault::Malformed(Malformed::StatusLine), 1.0, None);
        check("malformed:kind=garbage", Fault::Malformed(Malformed::Garbage), 1.0, None);
        check("malformed:kind=chunk_size#2", Fault::Malformed(Malformed::ChunkSize), 1.0, Some(2));
        check("framing:kind=two_cl#1", Fault::Framing(Misframed::TwoCl), 1.0, Some(1));
        check("bandwidth:rate=1KiB", Fault::Bandwidth(1024), 1.0, None);
        let status = |code, retry_after| Fault::Status { code, retry_after };
        check("status:code=503@10%", status(503, None), 0.1, None);
        check("status:code=429,retry_after=3", status(429, Some(3)), 1.0, None);
        check("goaway#1", Fault::GoAway(None), 1.0, Some(1));
        let calm = Code::named("enhance_your_calm").unwrap();
        check("goaway:code=enhance_your_calm@0.5", Fault::GoAway(Some(calm)), 0.5, None);
        let reset = |code, bytes| Fault::RstStream { code: Code(code), bytes };
        check("rst_stream", reset(2, None), 1.0, None);
        check("rst_stream:code=cancel", reset(8, None), 1.0, None);
        check("rst_stream:code=4711,bytes=10#2", reset(4711, Some(10)), 1.0, Some(2));
        check("refuse_stream@10%", Fault::RefuseStream, 0.1, None);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_would_be_one() {
        let says = |text: &str, part: &str| {
            let error = text.parse::<FaultRule>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        says("explode", "refuse, hang, close");
        says("truncate", "truncate:bytes=100");
        says("close:bytes=3", "takes no values");
        says("hang:phase=body", "bytes=N");
        says("malformed:kind=odd", "status_line");
        says("framing", "framing:kind=");
        says("framing:kind=odd", "cl_too_long");
        says("bandwidth", "bandwidth:rate=");
        says("bandwidth:rate=0", "above 0");
        says("status", "status:code=503");
        says("status:code=200", "400 to 599");
        says("status:code=503,retry_after=soon", "seconds");
        says("status:code=503,again=1", "retry_after");
        says("goaway:code=odd", "enhance_your_calm");
        says("goaway:bytes=1", "code=");
        says("rst_stream:cod=cancel", "bytes=N");
        says("refuse_stream:code=cancel", "takes no values");
        says("hang@2", "0.3 or 30%");
        says("hang#0", "above 0");
        says("refuse@0.5", "--flap");
    }
}
