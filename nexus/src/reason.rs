//! Why an answer is not the backend's: one closed list, mapped once to status, fault and words.
//!
//! Every answer that Nexus makes itself carries its code in `X-Nexus-Error`; the request log and
//! the attempts speak the same codes. On the request's way an error holds no `String`.

/// Whose doing it was. Only a backend's fault may count against a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client broke a rule, was too slow or left.
    Client,
    /// A backend failed.
    Backend,
    /// Nexus has nobody to ask, or is going away.
    Nexus,
}

/// Everything that can stand between a request and its backend's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The head is not HTTP/1.
    MalformedRequest,
    /// `Host` is missing, doubled, malformed or at odds with the target.
    BadHost,
    /// The request target has none of the four legal forms.
    BadTarget,
    /// `Content-Length` or `Transfer-Encoding` leave the body's end open to doubt.
    BadFraming,
    /// The body's chunks are malformed.
    BadBody,
    /// The client stopped sending in the middle of its body.
    BodyIncomplete,
    /// The head took too long.
    HeadTimeout,
    /// The body stopped coming.
    BodyTimeout,
    /// An HTTP/1.0 request whose method has a body does not say how long it is.
    LengthRequired,
    /// The declared body is beyond any limit.
    BodyTooLarge,
    /// The request target is too long.
    TargetTooLong,
    /// No route matches.
    NoRoute,
    /// `Expect` asks for something other than `100-continue`.
    UnknownExpectation,
    /// More requests came than the route lets pass.
    RateLimited,
    /// The head has too many bytes or fields.
    HeadTooLarge,
    /// CONNECT: Nexus is no forward proxy.
    ConnectNotSupported,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
    /// A major version other than 1.
    VersionNotSupported,
    /// TRACE with `Max-Forwards: 0`, which ends here.
    TraceNotSupported,
    /// The client left before it had its answer.
    ClientGone,
    /// The client did not take its answer.
    ClientStalled,
    /// No backend is available.
    NoBackendAvailable,
    /// So few backends are available that the pool answers nothing.
    TooFewBackends,
    /// The pool answered so badly that it is given a rest.
    CircuitOpen,
    /// The pool has as many requests as it takes.
    PoolFull,
    /// The pool's answers have become slow: it takes fewer requests.
    Overloaded,
    /// Every backend has as many requests as it takes.
    BackendsFull,
    /// No backend had room for as long as a request waits.
    QueueTimeout,
    /// As many requests wait as may.
    QueueFull,
    /// Nothing listens at the backend's address.
    ConnectRefused,
    /// The backend did not accept a connection in time.
    ConnectTimeout,
    /// Nexus has no file descriptor or local port left to connect with.
    NoSocket,
    /// The backend cannot be reached, for another reason.
    ConnectFailed,
    /// The backend's name has no address.
    ResolveFailed,
    /// The backend closed the connection before an answer.
    BackendClosed,
    /// The backend reset the connection before an answer.
    BackendReset,
    /// The backend has told, over HTTP/2, that it has not looked at the request.
    StreamRefused,
    /// The backend has broken one request of an HTTP/2 connection off, and no other.
    StreamReset,
    /// The backend and Nexus came to no agreement on TLS.
    TlsFailed,
    /// The backend's certificate proves nothing.
    TlsUntrusted,
    /// The backend's answer is malformed or ambiguous.
    BadResponse,
    /// The backend switched protocols unasked.
    UnexpectedUpgrade,
    /// No answer came in time.
    ResponseTimeout,
    /// No answer came in the time that an attempt has which is not the last.
    PerTryTimeout,
    /// No answer came in the time that all attempts have together.
    TotalTimeout,
    /// Another backend, which was asked as well, has answered first.
    Outrun,
    /// The backend answered with a status after which another backend is asked.
    RetriedStatus,
    /// The backend broke off in the middle of its answer.
    ResponseTruncated,
    /// The backend stopped sending in the middle of its answer.
    ResponseStalled,
    /// A probe got an answer with another status than it expects.
    UnexpectedStatus,
    /// A probe got an answer with another body than it expects.
    UnexpectedBody,
    /// A probe was told that the backend does not serve.
    NotServing,
    /// The program that probes found fault.
    CommandFailed,
    /// The program that probes cannot be run.
    CommandNotRun,
    /// No probe has come back yet, and the pool counts that as DOWN.
    NotProbed,
    /// Nexus stopped before the answer was through.
    ShuttingDown,
    /// Nothing moved in a tunnel.
    TunnelIdle,
}

/// What a [`Reason`] means to the three audiences.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The status that the client gets, or that the log shows where no answer was possible.
    pub status: u16,
    /// Whose fault it is.
    pub fault: Fault,
    /// The stable code.
    pub code: &'static str,
    /// One sentence for people.
    pub sentence: &'static str,
}

impl Reason {
    /// How many there are; the last stays the last.
    pub const COUNT: usize = Self::TunnelIdle as usize + 1;

    /// All, in the order of their declaration.
    pub const ALL: [Self; Self::COUNT] = [
        Self::MalformedRequest,
        Self::BadHost,
        Self::BadTarget,
        Self::BadFraming,
        Self::BadBody,
        Self::BodyIncomplete,
        Self::HeadTimeout,
        Self::BodyTimeout,
        Self::LengthRequired,
        Self::BodyTooLarge,
        Self::TargetTooLong,
        Self::NoRoute,
        Self::UnknownExpectation,
        Self::RateLimited,
        Self::HeadTooLarge,
        Self::ConnectNotSupported,
        Self::UnknownCoding,
        Self::VersionNotSupported,
        Self::TraceNotSupported,
        Self::ClientGone,
        Self::ClientStalled,
        Self::NoBackendAvailable,
        Self::TooFewBackends,
        Self::CircuitOpen,
        Self::PoolFull,
        Self::Overloaded,
        Self::BackendsFull,
        Self::QueueTimeout,
        Self::QueueFull,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::NoSocket,
        Self::ConnectFailed,
        Self::ResolveFailed,
        Self::BackendClosed,
        Self::BackendReset,
        Self::StreamRefused,
        Self::StreamReset,
        Self::TlsFailed,
        Self::TlsUntrusted,
        Self::BadResponse,
        Self::UnexpectedUpgrade,
        Self::ResponseTimeout,
        Self::PerTryTimeout,
        Self::TotalTimeout,
        Self::Outrun,
        Self::RetriedStatus,
        Self::ResponseTruncated,
        Self::ResponseStalled,
        Self::UnexpectedStatus,
        Self::UnexpectedBody,
        Self::NotServing,
        Self::CommandFailed,
        Self::CommandNotRun,
        Self::NotProbed,
        Self::ShuttingDown,
        Self::TunnelIdle,
    ];

    /// Says what this reason means.
    #[expect(clippy::too_many_lines, reason = "a table, not a procedure")]
    pub fn facts(self) -> Facts {
        use Fault::{Backend, Client, Nexus};
        #[rustfmt::skip] // A table reads best with a row a line.
        let (status, fault, code, sentence) = match self {
            Self::MalformedRequest => (400, Client, "malformed_request", "the request is not valid HTTP"),
            Self::BadHost => (400, Client, "bad_host", "the request needs exactly one valid Host that agrees with its target"),
            Self::BadTarget => (400, Client, "bad_target", "the request target has no legal form"),
            Self::BadFraming => (400, Client, "bad_framing", "the request leaves in doubt where its body ends"),
            Self::BadBody => (400, Client, "bad_body", "the chunks of the request body are malformed"),
            Self::BodyIncomplete => (400, Client, "body_incomplete", "the request body ended early"),
            Self::HeadTimeout => (408, Client, "head_timeout", "the request head took too long"),
            Self::BodyTimeout => (408, Client, "body_timeout", "the request body stopped coming"),
            Self::NoRoute => (404, Client, "no_route", "no route matches this request"),
            Self::LengthRequired => (411, Client, "length_required", "an HTTP/1.0 request with this method must declare its length"),
            Self::BodyTooLarge => (413, Client, "body_too_large", "the declared request body is too large"),
            Self::TargetTooLong => (414, Client, "target_too_long", "the request target is too long"),
            Self::UnknownExpectation => (417, Client, "unknown_expectation", "the only expectation served is 100-continue"),
            Self::RateLimited => (429, Client, "rate_limited", "too many requests; try again later"),
            Self::HeadTooLarge => (431, Client, "head_too_large", "the request head has too many bytes or fields"),
            Self::ClientGone => (499, Client, "client_gone", "the client left before its answer"),
            Self::ClientStalled => (499, Client, "client_stalled", "the client stopped taking its answer"),
            Self::ConnectNotSupported => (501, Client, "connect_not_supported", "CONNECT is for forward proxies"),
            Self::UnknownCoding => (501, Client, "unknown_coding", "the only transfer coding served is chunked"),
            Self::TraceNotSupported => (501, Client, "trace_not_supported", "TRACE is not answered here"),
            Self::VersionNotSupported => (505, Client, "version_not_supported", "only HTTP/1.0 and HTTP/1.1 are spoken here"),
            Self::NoBackendAvailable => (503, Nexus, "no_backend_available", "no backend is available right now"),
            Self::TooFewBackends => (503, Nexus, "too_few_backends", "too few backends are available to take all requests"),
            Self::CircuitOpen => (503, Nexus, "circuit_open", "so many answers were bad that nobody is asked for a while"),
            Self::PoolFull => (503, Nexus, "pool_full", "as many requests as the pool takes are under way"),
            Self::Overloaded => (503, Nexus, "overloaded", "too much to do; requests that matter less are refused"),
            Self::BackendsFull => (503, Nexus, "backends_full", "every backend has as many requests as it takes"),
            Self::QueueTimeout => (503, Nexus, "queue_timeout", "no backend had room in time"),
            Self::QueueFull => (503, Nexus, "queue_full", "every backend is full, and too many requests wait already"),
            Self::ConnectRefused => (502, Backend, "connect_refused", "nothing listens at the backend's address"),
            Self::ConnectTimeout => (504, Backend, "connect_timeout", "the backend did not accept a connection in time"),
            Self::NoSocket => (503, Nexus, "no_socket", "no file descriptor or local port is left to reach a backend with"),
            Self::ConnectFailed => (502, Backend, "connect_failed", "the backend cannot be reached"),
            Self::ResolveFailed => (502, Backend, "resolve_failed", "the backend's name has no address"),
            Self::BackendClosed => (502, Backend, "backend_closed", "the backend closed the connection without an answer"),
            Self::BackendReset => (502, Backend, "backend_reset", "the backend reset the connection without an answer"),
            Self::StreamRefused => (502, Backend, "stream_refused", "the backend has refused the request without looking at it"),
            Self::StreamReset => (502, Backend, "stream_reset", "the backend has broken the request off"),
            Self::TlsFailed => (502, Backend, "tls_failed", "the TLS handshake with the backend failed"),
            Self::TlsUntrusted => (502, Backend, "tls_untrusted", "the backend's certificate cannot be verified"),
            Self::BadResponse => (502, Backend, "bad_response", "the backend's answer is not valid HTTP"),
            Self::UnexpectedUpgrade => (502, Backend, "unexpected_upgrade", "the backend switched protocols unasked"),
            Self::ResponseTimeout => (504, Backend, "response_timeout", "the backend did not answer in time"),
            Self::PerTryTimeout => (504, Backend, "per_try_timeout", "the backend did not answer in the time of one attempt"),
            Self::TotalTimeout => (504, Nexus, "total_timeout", "no attempt was answered in the time of all"),
            Self::Outrun => (504, Nexus, "outrun", "another backend, which was asked as well, has answered first"),
            Self::RetriedStatus => (502, Backend, "retried_status", "the backend answered with a status that asks for another"),
            Self::ResponseTruncated => (502, Backend, "response_truncated", "the backend broke off its answer"),
            Self::ResponseStalled => (504, Backend, "response_stalled", "the backend stopped in the middle of its answer"),
            Self::UnexpectedStatus => (502, Backend, "unexpected_status", "the health check expects another status"),
            Self::UnexpectedBody => (502, Backend, "unexpected_body", "the health check expects another body"),
            Self::NotServing => (502, Backend, "not_serving", "the backend says that it does not serve"),
            Self::CommandFailed => (502, Backend, "command_failed", "the health check's program found fault"),
            Self::CommandNotRun => (503, Nexus, "command_not_run", "the health check's program cannot be run"),
            Self::NotProbed => (503, Nexus, "not_probed", "no health check has come back yet"),
            Self::ShuttingDown => (503, Nexus, "shutting_down", "this load balancer is stopping"),
            Self::TunnelIdle => (504, Client, "tunnel_idle", "nothing moved in the tunnel"),
        };
        Facts { status, fault, code, sentence }
    }

    /// Returns the stable code.
    pub fn code(self) -> &'static str {
        self.facts().code
    }

    /// Says whether there was nobody to ask, which says less than why an attempt failed.
    pub fn is_nobody(self) -> bool {
        matches!(self, Self::NoBackendAvailable | Self::BackendsFull)
    }

    /// Says whether the connection to the backend itself failed, which alone marks it DOWN.
    pub fn is_connection_error(self) -> bool {
        matches!(
            self,
            Self::ConnectRefused
                | Self::ConnectTimeout
                | Self::ConnectFailed
                | Self::ResolveFailed
                | Self::TlsFailed
                | Self::TlsUntrusted
                | Self::BackendClosed
                | Self::BackendReset
                | Self::ResponseTruncated
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_there_once_each_with_a_code_of_its_own() {
        let mut codes = std::collections::BTreeSet::new();
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
            assert!(codes.insert(reason.code()), "{} twice", reason.code());
        }
    }
}
