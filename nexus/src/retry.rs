//! After this failure: again, or give up? Pure: facts in, decision out.
//!
//! A request that was never written can go elsewhere whatever it is. One that was written may have
//! run, so only methods for which twice equals once are sent again (RFC 9110 §9.2.2), and only
//! while no byte of an answer has come.

use crate::reason::{Fault, Reason};

/// What may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many backends one request is tried on at most.
    pub attempts_max: u32,
    /// Whether an idempotent request that got no answer in time is tried elsewhere.
    pub on_timeout: bool,
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

/// What is known of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Attempts made, the failed one included.
    pub attempts: u32,
    /// Whether running it twice equals running it once.
    pub is_idempotent: bool,
    /// Whether all that was read of its body is still there.
    pub is_replayable: bool,
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
    /// All attempts are used up.
    AttemptsUsedUp,
}

impl WhyNot {
    /// Returns the stable code for the log.
    pub fn code(self) -> &'static str {
        match self {
            Self::ClientFault => "client_fault",
            Self::AnswerBegun => "answer_begun",
            Self::NotIdempotent => "not_idempotent",
            Self::BodyNotKept => "body_not_kept",
            Self::TimedOut => "timed_out",
            Self::AttemptsUsedUp => "attempts_used_up",
        }
    }
}

/// Decides what follows a failure.
pub fn decide(policy: Policy, failure: Failure, request: Facts) -> Again {
    let was_sent = failure.progress != Progress::NothingSent;
    let no = |why| Again::No(why);
    match failure.reason {
        _ if failure.reason.facts().fault == Fault::Client => no(WhyNot::ClientFault),
        _ if failure.progress == Progress::Answered => no(WhyNot::AnswerBegun),
        _ if was_sent && !request.is_idempotent => no(WhyNot::NotIdempotent),
        _ if !request.is_replayable => no(WhyNot::BodyNotKept),
        Reason::ResponseTimeout if !policy.on_timeout => no(WhyNot::TimedOut),
        Reason::ResponseTimeout => elsewhere(policy, request),
        _ if failure.reused => Again::Fresh,
        _ => elsewhere(policy, request),
    }
}

fn elsewhere(policy: Policy, request: Facts) -> Again {
    if request.attempts < policy.attempts_max {
        Again::Elsewhere
    } else {
        Again::No(WhyNot::AttemptsUsedUp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { attempts_max: 3, on_timeout: false };
    const GET: Facts = Facts { attempts: 1, is_idempotent: true, is_replayable: true };
    const POST: Facts = Facts { is_idempotent: false, ..GET };

    fn closed(progress: Progress, reused: bool) -> Failure {
        Failure { reason: Reason::BackendClosed, progress, reused }
    }

    #[test]
    fn nothing_sent_is_always_sent_again() {
        let refused =
            Failure { reason: Reason::ConnectRefused, ..closed(Progress::NothingSent, false) };
        assert_eq!(decide(POLICY, refused, POST), Again::Elsewhere);
        assert_eq!(decide(POLICY, closed(Progress::NothingSent, true), POST), Again::Fresh);
    }

    #[test]
    fn what_was_sent_is_sent_again_only_if_twice_equals_once() {
        assert_eq!(decide(POLICY, closed(Progress::Sent, false), GET), Again::Elsewhere);
        assert_eq!(decide(POLICY, closed(Progress::Sent, true), GET), Again::Fresh);
        for reused in [false, true] {
            let verdict = decide(POLICY, closed(Progress::Sent, reused), POST);
            assert_eq!(verdict, Again::No(WhyNot::NotIdempotent));
        }
    }

    #[test]
    fn nothing_is_sent_again_once_an_answer_began() {
        assert_eq!(
            decide(POLICY, closed(Progress::Answered, true), GET),
            Again::No(WhyNot::AnswerBegun)
        );
    }

    #[test]
    fn a_body_that_was_let_go_cannot_be_sent_again() {
        let facts = Facts { is_replayable: false, ..GET };
        assert_eq!(
            decide(POLICY, closed(Progress::Sent, false), facts),
            Again::No(WhyNot::BodyNotKept)
        );
    }

    #[test]
    fn attempts_end_at_the_limit() {
        let facts = Facts { attempts: 3, ..GET };
        assert_eq!(
            decide(POLICY, closed(Progress::Sent, false), facts),
            Again::No(WhyNot::AttemptsUsedUp)
        );
    }

    #[test]
    fn a_timeout_is_tried_elsewhere_only_when_asked_for() {
        let late = Failure { reason: Reason::ResponseTimeout, ..closed(Progress::Sent, true) };
        assert_eq!(decide(POLICY, late, GET), Again::No(WhyNot::TimedOut));
        let asked = Policy { on_timeout: true, ..POLICY };
        assert_eq!(decide(asked, late, GET), Again::Elsewhere);
        assert_eq!(decide(asked, late, POST), Again::No(WhyNot::NotIdempotent));
    }

    #[test]
    fn a_clients_fault_is_not_tried_on_anyone() {
        let gone = Failure { reason: Reason::ClientGone, ..closed(Progress::NothingSent, false) };
        assert_eq!(decide(POLICY, gone, GET), Again::No(WhyNot::ClientFault));
    }
}
