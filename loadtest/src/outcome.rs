//! What came of a request: one class each, disjoint, so that they add up to what was sent.

use std::error::Error;
use std::fmt;
use std::io;

/// A class of failures, in the order in which a request can meet them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    ConnectRefused,
    ConnectTimeout,
    ConnectFailed,
    TlsFailed,
    Timeout,
    ResetBeforeHead,
    EofBeforeHead,
    ResetInBody,
    TruncatedBody,
    RefusedStream,
    StreamReset,
    Goaway,
    Protocol,
    WrongSize,
    Http5xx,
    Http4xx,
    Aborted,
    Interrupted,
}

impl Kind {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectFailed => "connect_failed",
            Self::TlsFailed => "tls_failed",
            Self::Timeout => "timeout",
            Self::ResetBeforeHead => "reset_before_head",
            Self::EofBeforeHead => "eof_before_head",
            Self::ResetInBody => "reset_in_body",
            Self::TruncatedBody => "truncated_body",
            Self::RefusedStream => "refused_stream",
            Self::StreamReset => "stream_reset",
            Self::Goaway => "goaway",
            Self::Protocol => "protocol",
            Self::WrongSize => "wrong_size",
            Self::Http5xx => "http_5xx",
            Self::Http4xx => "http_4xx",
            Self::Aborted => "aborted",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether no connection came about, so that nothing was sent.
    pub(crate) fn is_connect(self) -> bool {
        matches!(
            self,
            Self::ConnectRefused | Self::ConnectTimeout | Self::ConnectFailed | Self::TlsFailed
        )
    }

    /// Whether the peer closed the connection, rather than we did.
    pub(crate) fn is_peer_close(self) -> bool {
        matches!(
            self,
            Self::ResetBeforeHead | Self::EofBeforeHead | Self::ResetInBody | Self::TruncatedBody
        )
    }

    /// The class of a status; `None` is success.
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        match status {
            ..400 => None,
            400..500 => Some(Self::Http4xx),
            _ => Some(Self::Http5xx),
        }
    }
}

/// How far an answer had come when its connection failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    Head,
    Body,
}

/// One failure, with what is known about its cause; text is made of it only to be shown.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Http(hyper::Error),
    Http2(h2::Error),
    Status(u16),
    Size(u64),
    Text(&'static str),
}

impl Failure {
    pub(crate) fn timeout(stage: Stage) -> Self {
        let text = match stage {
            Stage::Head => "no complete response head in time",
            Stage::Body => "no complete response body in time",
        };
        Self { kind: Kind::Timeout, cause: Cause::Text(text) }
    }

    pub(crate) fn connect_timeout() -> Self {
        Self { kind: Kind::ConnectTimeout, cause: Cause::Text("no connection in time") }
    }

    pub(crate) fn connect(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => Kind::ConnectRefused,
            io::ErrorKind::TimedOut => Kind::ConnectTimeout,
            _ => Kind::ConnectFailed,
        };
        Self { kind, cause: Cause::Io(error) }
    }

    /// No handshake, or one that did not agree on what was wanted.
    pub(crate) fn tls(error: io::Error) -> Self {
        Self { kind: Kind::TlsFailed, cause: Cause::Io(error) }
    }

    pub(crate) fn no_http2() -> Self {
        let text = "the server did not agree on HTTP/2 (ALPN)";
        Self { kind: Kind::TlsFailed, cause: Cause::Text(text) }
    }

    /// Classes what went wrong on an HTTP/2 stream, or with its connection.
    pub(crate) fn stream(error: h2::Error, stage: Stage) -> Self {
        let is_reset = |io: &io::Error| {
            matches!(io.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted)
        };
        let kind = match (error.get_io(), stage) {
            (Some(io), Stage::Head) if is_reset(io) => Kind::ResetBeforeHead,
            (Some(io), Stage::Body) if is_reset(io) => Kind::ResetInBody,
            // The end of the connection, whatever h2 calls it.
            (Some(_), Stage::Head) => Kind::EofBeforeHead,
            (Some(_), Stage::Body) => Kind::TruncatedBody,
            (None, _) if !error.is_remote() => Kind::Protocol,
            (None, _) if error.is_go_away() => Kind::Goaway,
            (None, _) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Kind::RefusedStream,
            (None, _) => Kind::StreamReset,
        };
        Self { kind, cause: Cause::Http2(error) }
    }

    /// Not a failure of anybody's, and counted apart.
    pub(crate) fn aborted() -> Self {
        Self { kind: Kind::Aborted, cause: Cause::Text("given up, as asked for") }
    }

    pub(crate) fn interrupted() -> Self {
        Self { kind: Kind::Interrupted, cause: Cause::Text("loadtest was stopped before the end") }
    }

    /// The same, or what it was meant to be where the deadline was one for giving up.
    pub(crate) fn or_aborted(self, aborts: bool) -> Self {
        if aborts && self.kind == Kind::Timeout { Self::aborted() } else { self }
    }

    /// `None` for a status that is a success.
    pub(crate) fn status(status: u16) -> Option<Self> {
        Kind::of_status(status).map(|kind| Self { kind, cause: Cause::Status(status) })
    }

    /// A complete answer that has not the size that it should have.
    pub(crate) fn wrong_size(bytes: u64) -> Self {
        Self { kind: Kind::WrongSize, cause: Cause::Size(bytes) }
    }

    /// Whether a connection broke, rather than carried something wrong.
    pub(crate) fn is_broken(error: &hyper::Error) -> bool {
        cause_kind(error).is_some()
    }

    /// Classes what went wrong on a connection.
    pub(crate) fn exchange(error: hyper::Error, stage: Stage) -> Self {
        let kind = match (cause_kind(&error), stage) {
            (Some(Broken::Reset), Stage::Head) => Kind::ResetBeforeHead,
            (Some(Broken::Reset), Stage::Body) => Kind::ResetInBody,
            (Some(Broken::Eof), Stage::Body) => Kind::TruncatedBody,
            (Some(Broken::Eof), Stage::Head) => Kind::EofBeforeHead,
            (None, Stage::Head) if error.is_incomplete_message() || error.is_canceled() => {
                Kind::EofBeforeHead
            }
            (None, Stage::Body) if error.is_incomplete_message() => Kind::TruncatedBody,
            (None, _) => Kind::Protocol,
        };
        Self { kind, cause: Cause::Http(error) }
    }
}

enum Broken {
    Reset,
    Eof,
}

/// Finds the I/O error below, if the connection broke rather than said something wrong.
fn cause_kind(error: &hyper::Error) -> Option<Broken> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return match io.kind() {
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => Some(Broken::Reset),
                io::ErrorKind::UnexpectedEof => Some(Broken::Eof),
                _ => None,
            };
        }
        cause = error.source();
    }
    None
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Io(error) => write!(f, "{error}"),
            Cause::Status(status) => write!(f, "status {status}"),
            Cause::Size(bytes) => write!(f, "complete, with {bytes} bytes"),
            Cause::Text(text) => f.write_str(text),
            Cause::Http2(error) => write!(f, "{error}"),
            Cause::Http(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_below_400_is_a_success() {
        assert_eq!(Kind::of_status(204), None);
        assert_eq!(Kind::of_status(304), None);
        assert_eq!(Kind::of_status(404), Some(Kind::Http4xx));
        assert_eq!(Kind::of_status(503), Some(Kind::Http5xx));
    }

    #[test]
    fn a_failed_connect_is_classed_by_what_the_system_said() {
        let kind = |kind: io::ErrorKind| Failure::connect(kind.into()).kind;
        assert_eq!(kind(io::ErrorKind::ConnectionRefused), Kind::ConnectRefused);
        assert_eq!(kind(io::ErrorKind::TimedOut), Kind::ConnectTimeout);
        assert_eq!(kind(io::ErrorKind::AddrNotAvailable), Kind::ConnectFailed);
    }
}
