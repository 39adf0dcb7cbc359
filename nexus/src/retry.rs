//! After this failure: again, or give up? Pure: facts in, decision out.
//!
//! A request that was never written can go elsewhere whatever it is. One that was written may have
//! run, so only methods for which twice equals once are sent again (RFC 9110 §9.2.2), and only
//! while nothing of an answer has gone to the client.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::reason::{Fault, Reason};

pub mod budget;

/// Bytes of a request's body that are kept unless a policy says otherwise. Larger uploads are rare,
/// and memory is not theirs to take.
pub const KEPT_BYTES_MAX: usize = 64 << 10;

/// What may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many backends one request is tried on at most.
    pub attempts_max: u32,
    /// After which failures.
    pub on: Causes,
    /// After which statuses of a backend's answer.
    pub statuses: Statuses,
    /// Which methods may run twice; `None` is those that RFC 9110 §9.2.2 calls idempotent.
    pub methods: Option<Methods>,
    /// Whether a request with an `Idempotency-Key` may run twice, whatever its method.
    pub heeds_key: bool,
    /// Until an attempt is given up that is not the last.
    pub per_try: Option<Duration>,
    /// Retries of requests that may have run, in percent of the requests; see [`budget`].
    pub budget: u32,
    /// What a third attempt waits at most, by chance.
    pub backoff: Duration,
    /// When another backend is asked beside one that takes long; `None` is never.
    pub hedge: Option<Hedge>,
    /// Bytes of a request's body that are kept, so that it can be sent again.
    pub kept_bytes_max: usize,
}

/// How long an attempt takes when another backend is asked beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hedge {
    /// So long.
    After(Duration),
    /// As long as all but 5 of 100 take, as measured.
    P95,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            on: Causes::default(),
            statuses: Statuses::default(),
            methods: None,
            heeds_key: false,
            per_try: None,
            budget: 20,
            backoff: Duration::from_millis(25),
            hedge: None,
            kept_bytes_max: KEPT_BYTES_MAX,
        }
    }
}

impl Policy {
    /// Says whether a request may run twice, if its method `is_idempotent`.
    pub fn may_run_twice(&self, method: &[u8], is_idempotent: bool, has_key: bool) -> bool {
        self.methods.map_or(is_idempotent, |methods| methods.has(method))
            || (self.heeds_key && has_key)
    }

    /// Returns what the attempt after so many waits at most: nothing for the second, then twice as
    /// long each time, ten times the least at most (Brooker, "Exponential Backoff And Jitter").
    pub fn backoff_max(&self, attempts: u32) -> Duration {
        const GROWTH_MAX: u32 = 10;
        let growth = attempts.checked_sub(2).map_or(0, |doubled| 1 << doubled.min(4));
        self.backoff * growth.min(GROWTH_MAX)
    }
}

/// Failures after which a request may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Causes {
    /// No connection: nothing of the request was sent.
    pub connect: bool,
    /// The connection ended before an answer.
    pub reset_before_response: bool,
    /// No answer in time.
    pub response_timeout: bool,
    /// An answer that is not valid.
    pub bad_response: bool,
}

impl Default for Causes {
    fn default() -> Self {
        Self {
            connect: true,
            reset_before_response: true,
            response_timeout: false,
            bad_response: false,
        }
    }
}

impl Causes {
    /// The names of all.
    pub const NAMES: [&str; 4] =
        ["connect", "reset_before_response", "response_timeout", "bad_response"];

    /// Returns those that are named.
    pub fn named(names: &[String]) -> Self {
        let [connect, reset_before_response, response_timeout, bad_response] =
            Self::NAMES.map(|name| names.iter().any(|named| named == name));
        Self { connect, reset_before_response, response_timeout, bad_response }
    }

    /// Returns their names.
    pub fn names(self) -> Vec<&'static str> {
        let all =
            [self.connect, self.reset_before_response, self.response_timeout, self.bad_response];
        Self::NAMES.into_iter().zip(all).filter_map(|(name, is_on)| is_on.then_some(name)).collect()
    }

    /// Says whether a failure is among them.
    fn has(self, failure: Failure) -> bool {
        match failure.reason {
            // What asks for these says so by itself.
            Reason::RetriedStatus | Reason::PerTryTimeout => true,
            Reason::ResponseTimeout => self.response_timeout,
            Reason::BadResponse => self.bad_response,
            _ if failure.is_unsent() && !failure.reused => self.connect,
            _ => self.reset_before_response,
        }
    }
}

/// Statuses from 400 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statuses([u64; 4]);

impl Statuses {
    /// What there is to choose from.
    const ALL: RangeInclusive<u16> = 400..=599;

    /// Returns those in `ranges`, as far as they can be errors.
    pub fn of(ranges: &[RangeInclusive<u16>]) -> Self {
        let mut statuses = Self::default();
        for status in ranges.iter().cloned().flatten().filter(|status| Self::ALL.contains(status)) {
            let at = usize::from(status - Self::ALL.start());
            statuses.0[at / 64] |= 1 << (at % 64);
        }
        statuses
    }

    /// Says whether a status is among them.
    pub fn has(&self, status: u16) -> bool {
        let at = usize::from(status.wrapping_sub(*Self::ALL.start()));
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Returns all.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        Self::ALL.filter(|status| self.has(*status))
    }
}

/// Methods of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods(u8);

impl Methods {
    /// The names of all that can be named.
    pub const NAMES: [&str; 8] =
        ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH"];

    /// Returns those that are named.
    pub fn named(names: &[String]) -> Self {
        let bit =
            |(at, name): (usize, &str)| u8::from(names.iter().any(|named| named == name)) << at;
        Self(Self::NAMES.into_iter().enumerate().map(bit).sum())
    }

    /// Says whether a method is among them.
    pub fn has(self, method: &[u8]) -> bool {
        let at = Self::NAMES.iter().position(|name| name.as_bytes() == method);
        at.is_some_and(|at| self.0 >> at & 1 == 1)
    }

    /// Returns their names.
    pub fn names(self) -> Vec<&'static str> {
        Self::NAMES.into_iter().filter(|name| self.has(name.as_bytes())).collect()
    }
}

/// How far an attempt got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// No byte of the request was written.
    NothingSent,
    /// Some of it was, and no byte of an answer came.
    Sent,
    /// Some of an answer came.
    Answered,
}

/// What went wrong with one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// How far it got.
    pub progress: Progress,
    /// Whether it went over a connection that an earlier request had used. The backend may have
    /// closed it just then, which says nothing against the backend.
    pub reused: bool,
}

impl Failure {
    /// Another backend, which was asked as well, has answered first.
    pub const OUTRUN: Self =
        Self { reason: Reason::Outrun, progress: Progress::Sent, reused: false };

    /// Says whether an idle connection had ended before it was used again, as far as can be told.
    pub fn was_stale(&self) -> bool {
        self.reused && self.progress != Progress::Answered && self.reason.is_connection_error()
    }

    /// Says whether nothing of the request was sent, so that it cannot have run.
    pub fn is_unsent(&self) -> bool {
        self.progress == Progress::NothingSent
    }
}

/// What is known of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Attempts made, the failed one included.
    pub attempts: u32,
    /// Whether running it twice equals running it once.
    pub is_idempotent: bool,
    /// Whether all that was read of its body is still there.
    pub is_replayable: bool,
    /// Whether the backend's answer asks to come back later than a retry would.
    pub is_put_off: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Send it to the same backend over a new connection; this is no new attempt.
    Fresh,
    /// Send it to another backend.
    Elsewhere,
    /// Answer with the failure.
    No(WhyNot),
}

/// Why a failed request was not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNot {
    /// The client is at fault, or gone.
    ClientFault,
    /// An answer had begun.
    AnswerBegun,
    /// It may have run, and must not run twice.
    NotIdempotent,
    /// Its body is larger than what is kept.
    BodyNotKept,
    /// It ran into a timeout, after which nothing is tried again.
    TimedOut,
    /// The policy does not name this failure.
    NotInPolicy,
    /// The backend said when to come again, and that is later than a retry.
    RetryAfter,
    /// Too much of what this pool gets are retries already.
    BudgetUsedUp,
    /// As many requests of the pool are tried again as may be.
    TooManyRetries,
    /// Nobody else has room for it.
    NobodyElse,
    /// All attempts are used up.
    AttemptsUsedUp,
}

impl WhyNot {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::ClientFault,
        Self::AnswerBegun,
        Self::NotIdempotent,
        Self::BodyNotKept,
        Self::TimedOut,
        Self::NotInPolicy,
        Self::RetryAfter,
        Self::BudgetUsedUp,
        Self::TooManyRetries,
        Self::NobodyElse,
        Self::AttemptsUsedUp,
    ];

    /// Returns the stable code for the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::ClientFault => "client_fault",
            Self::AnswerBegun => "answer_begun",
            Self::NotIdempotent => "not_idempotent",
            Self::BodyNotKept => "body_not_kept",
            Self::TimedOut => "timed_out",
            Self::NotInPolicy => "not_in_policy",
            Self::RetryAfter => "retry_after",
            Self::BudgetUsedUp => "budget_used_up",
            Self::TooManyRetries => "too_many_retries",
            Self::NobodyElse => "nobody_else",
            Self::AttemptsUsedUp => "attempts_used_up",
        }
    }
}

/// Decides what follows a failure. What may have run must also fit into the [`budget`].
pub fn decide(policy: &Policy, failure: Failure, request: Facts) -> Again {
    let is_whole_answer = matches!(failure.reason, Reason::RetriedStatus | Reason::BadResponse);
    let is_timeout = matches!(failure.reason, Reason::ResponseTimeout | Reason::PerTryTimeout);
    // The connection it came by is as good as before.
    let is_one_stream = failure.reason == Reason::StreamReset;
    let no = |why| Again::No(why);
    match failure.reason {
        _ if failure.reason.facts().fault == Fault::Client => no(WhyNot::ClientFault),
        Reason::ShuttingDown | Reason::TotalTimeout => no(WhyNot::TimedOut),
        Reason::BadResponse if !policy.on.bad_response => no(WhyNot::AnswerBegun),
        _ if failure.progress == Progress::Answered && !is_whole_answer => no(WhyNot::AnswerBegun),
        _ if !failure.is_unsent() && !request.is_idempotent => no(WhyNot::NotIdempotent),
        _ if !request.is_replayable => no(WhyNot::BodyNotKept),
        _ if failure.reused && !is_timeout && !is_whole_answer && !is_one_stream => Again::Fresh,
        Reason::ResponseTimeout if !policy.on.response_timeout => no(WhyNot::TimedOut),
        _ if !policy.on.has(failure) => no(WhyNot::NotInPolicy),
        _ if request.is_put_off => no(WhyNot::RetryAfter),
        _ if request.attempts >= policy.attempts_max => no(WhyNot::AttemptsUsedUp),
        _ => Again::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Facts =
        Facts { attempts: 1, is_idempotent: true, is_replayable: true, is_put_off: false };
    const POST: Facts = Facts { is_idempotent: false, ..GET };

    #[track_caller]
    fn check(policy: Policy, failure: Failure, facts: Facts, expected: Again) {
        assert_eq!(decide(&policy, failure, facts), expected, "{failure:?} {facts:?}");
    }

    fn closed(progress: Progress, reused: bool) -> Failure {
        Failure { reason: Reason::BackendClosed, progress, reused }
    }

    fn failed(reason: Reason, progress: Progress) -> Failure {
        Failure { reason, ..closed(progress, false) }
    }

    #[test]
    fn nothing_sent_is_always_sent_again() {
        let refused = failed(Reason::ConnectRefused, Progress::NothingSent);
        check(Policy::default(), refused, POST, Again::Elsewhere);
        check(Policy::default(), closed(Progress::NothingSent, true), POST, Again::Fresh);
    }

    #[test]
    fn what_was_sent_is_sent_again_only_if_twice_equals_once() {
        let policy = Policy::default();
        check(policy, closed(Progress::Sent, false), GET, Again::Elsewhere);
        check(policy, closed(Progress::Sent, true), GET, Again::Fresh);
        for reused in [false, true] {
            let failure = closed(Progress::Sent, reused);
            check(policy, failure, POST, Again::No(WhyNot::NotIdempotent));
        }
    }

    #[test]
    fn nothing_is_sent_again_once_an_answer_began() {
        let begun = closed(Progress::Answered, true);
        check(Policy::default(), begun, GET, Again::No(WhyNot::AnswerBegun));
    }

    #[test]
    fn a_body_that_was_let_go_cannot_be_sent_again() {
        let facts = Facts { is_replayable: false, ..GET };
        let failure = closed(Progress::Sent, false);
        check(Policy::default(), failure, facts, Again::No(WhyNot::BodyNotKept));
    }

    #[test]
    fn attempts_end_at_the_limit() {
        let facts = Facts { attempts: 3, ..GET };
        let failure = closed(Progress::Sent, false);
        check(Policy::default(), failure, facts, Again::No(WhyNot::AttemptsUsedUp));
    }

    #[test]
    fn a_timeout_is_tried_elsewhere_only_when_asked_for() {
        let late = Failure { reason: Reason::ResponseTimeout, ..closed(Progress::Sent, true) };
        check(Policy::default(), late, GET, Again::No(WhyNot::TimedOut));
        let on = Causes { response_timeout: true, ..Causes::default() };
        let asked = Policy { on, ..Policy::default() };
        check(asked, late, GET, Again::Elsewhere);
        check(asked, late, POST, Again::No(WhyNot::NotIdempotent));
        let early = Failure { reason: Reason::PerTryTimeout, ..late };
        check(Policy::default(), early, GET, Again::Elsewhere);
    }

    #[test]
    fn only_named_failures_are_tried_again() {
        let none = Policy { on: Causes::named(&[]), ..Policy::default() };
        let refused = failed(Reason::ConnectRefused, Progress::NothingSent);
        check(none, refused, GET, Again::No(WhyNot::NotInPolicy));
        check(none, closed(Progress::Sent, false), GET, Again::No(WhyNot::NotInPolicy));
        // This says nothing against the backend, and asks no other.
        check(none, closed(Progress::Sent, true), GET, Again::Fresh);
        let bad = failed(Reason::BadResponse, Progress::Answered);
        check(Policy::default(), bad, GET, Again::No(WhyNot::AnswerBegun));
        let on = Causes::named(&["bad_response".to_owned()]);
        check(Policy { on, ..Policy::default() }, bad, GET, Again::Elsewhere);
        assert_eq!(on.names(), ["bad_response"]);
    }

    #[test]
    fn an_answer_that_says_later_is_not_asked_for_now() {
        let busy = failed(Reason::RetriedStatus, Progress::Answered);
        check(Policy::default(), busy, GET, Again::Elsewhere);
        check(Policy::default(), busy, POST, Again::No(WhyNot::NotIdempotent));
        let later = Facts { is_put_off: true, ..GET };
        check(Policy::default(), busy, later, Again::No(WhyNot::RetryAfter));
    }

    #[test]
    fn a_clients_fault_is_not_tried_on_anyone() {
        let gone = failed(Reason::ClientGone, Progress::NothingSent);
        check(Policy::default(), gone, GET, Again::No(WhyNot::ClientFault));
    }

    #[test]
    fn statuses_are_a_set_of_errors() {
        let statuses = Statuses::of(&[100..=200, 429..=429, 502..=504, 599..=900]);
        assert_eq!(statuses.iter().collect::<Vec<_>>(), [429, 502, 503, 504, 599]);
        assert!(![0, 399, 600, 655, 656, u16::MAX].iter().any(|status| statuses.has(*status)));
    }

    #[test]
    fn a_request_may_run_twice_by_its_method_or_its_key() {
        let usual = Policy::default();
        assert!(usual.may_run_twice(b"PUT", true, false));
        assert!(!usual.may_run_twice(b"POST", false, true));
        assert!(Policy { heeds_key: true, ..usual }.may_run_twice(b"POST", false, true));
        let methods = Some(Methods::named(&["GET".to_owned(), "POST".to_owned()]));
        let some = Policy { methods, ..usual };
        assert!(some.may_run_twice(b"POST", false, false));
        assert!(!some.may_run_twice(b"PUT", true, false));
    }

    #[test]
    fn only_the_first_retry_comes_at_once() {
        let waits = (1..9).map(|attempts| Policy::default().backoff_max(attempts).as_millis());
        assert_eq!(waits.collect::<Vec<_>>(), [0, 25, 50, 100, 200, 250, 250, 250]);
    }
}
