//! One request of an HTTP/2 connection, from its head to the end of its answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::Method;
use http::request::Parts;
use tokio::sync::{SemaphorePermit, mpsc, watch};

use super::{Ending, answer, echo, grpc, wrong};
use crate::behaviour::{Act, Plan};
use crate::health::Health;
use crate::opening::Visitor;
use crate::request::{self, Wish};
use crate::rules::{Rules, Shared};
use crate::slots::Slots;

/// A request, and the means to answer it.
pub(super) struct Exchange {
    pub(super) shared: Arc<Shared>,
    pub(super) rules: Arc<Rules>,
    pub(super) visitor: Arc<Visitor>,
    pub(super) head: Parts,
    pub(super) body: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) endings: mpsc::Sender<Ending>,
    /// Whether the connection is to finish.
    pub(super) finishing: watch::Receiver<bool>,
}

/// The stream or its connection has ended: there is nobody left to answer.
#[derive(Debug)]
pub(super) struct Gone;

impl From<h2::Error> for Gone {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

impl Exchange {
    /// Does what was decided.
    pub(super) async fn go(mut self, plan: Plan) {
        let _ = self.fate(plan).await;
    }

    async fn fate(&mut self, plan: Plan) -> Result<(), Gone> {
        let slots = self.rules.slots.clone();
        let _slot = match &slots {
            None => None,
            Some(slots) => match self.slot(slots).await? {
                Some(slot) => Some(slot),
                None => return self.turn_away().await,
            },
        };
        match plan.act {
            Act::Fault(fault) => {
                self.shared.stats.faulted(fault);
                self.wait(plan.after).await?;
                wrong::go(self, fault).await
            }
            Act::Answer(place) => {
                let status = self.rules.answers[place].status;
                self.answer(status, plan.after).await
            }
        }
    }

    /// Waits for a slot; none if too many wait.
    async fn slot<'s>(&mut self, slots: &'s Slots) -> Result<Option<SemaphorePermit<'s>>, Gone> {
        tokio::select! {
            biased;
            entered = slots.enter() => Ok(entered.ok()),
            _ = poll_fn(|cx| self.respond.poll_reset(cx)) => Err(Gone),
        }
    }

    async fn turn_away(&mut self) -> Result<(), Gone> {
        self.discard_body().await?;
        self.shared.stats.answered(503);
        answer::plain(self, 503, &[]).await
    }

    /// Answers with this status.
    pub(super) async fn answer(&mut self, status: u16, after: Duration) -> Result<(), Gone> {
        self.invite()?;
        let call = if status == 200 { grpc::call(&self.head) } else { None };
        let Some(wish) = self.wish() else {
            self.shared.stats.refused();
            return answer::short(self, 400, "bad request\n").await;
        };
        let is_read_first = call.is_none() && wish != Wish::Echo;
        if is_read_first {
            self.discard_body().await?;
        }
        self.hint()?;
        self.wait(after).await?;
        // Counted before it is sent, so that whoever has the answer finds it counted.
        self.shared.stats.answered(status);
        if let Some(call) = call {
            return grpc::answer(self, call).await;
        }
        match wish {
            _ if matches!(status, 204 | 304) => answer::plain(self, status, &[]).await,
            Wish::Echo => echo::answer(self, status).await,
            Wish::Drip(drip) => answer::drip(self, status, drip).await,
            Wish::Plain | Wish::Socket(_) => answer::plain(self, status, &[]).await,
        }
    }

    fn wish(&self) -> Option<Wish> {
        request::wish(self.head.uri.path(), self.head.uri.query().unwrap_or_default())
    }

    pub(super) fn is_head(&self) -> bool {
        self.head.method == Method::HEAD
    }

    /// Says that the body may come, to a client that waits for that.
    fn invite(&mut self) -> Result<(), Gone> {
        let expects = self.head.headers.get("expect").is_some_and(|it| it == "100-continue");
        if expects && !self.body.is_end_stream() {
            let invitation = http::Response::builder().status(100).body(());
            self.respond.send_informational(invitation.map_err(|_| Gone)?)?;
        }
        Ok(())
    }

    /// Sends the early answer, if there is one.
    fn hint(&mut self) -> Result<(), Gone> {
        let hints = &self.rules.shape.hints;
        if hints.is_empty() {
            return Ok(());
        }
        let mut early = http::Response::builder().status(103).body(()).map_err(|_| Gone)?;
        *early.headers_mut() =
            answer::fields(hints.iter().map(|(name, value)| (&**name, &**value)));
        Ok(self.respond.send_informational(early)?)
    }

    /// Answers a health check, which is no request that is counted, or that a fault befalls.
    pub(super) async fn health(mut self) {
        let says = self.rules.health.as_ref().map_or(Health::Ok, |rule| rule.says);
        let says = if self.rules.is_silent() { Health::Hang } else { says };
        let _ = match says.answer() {
            _ if grpc::is_check(&self.head) => grpc::check(&mut self, says).await,
            Some((status, body)) => match self.discard_body().await {
                Ok(()) => answer::short(&mut self, status, body).await,
                Err(gone) => Err(gone),
            },
            None => self.outwait(None).await,
        };
    }

    /// Waits so long, unless the client leaves before.
    pub(super) async fn wait(&mut self, time: Duration) -> Result<(), Gone> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            _ = poll_fn(|cx| self.respond.poll_reset(cx)) => Err(Gone),
        }
    }

    /// Waits until the client leaves or the connection is to finish, with an answer begun or none.
    pub(super) async fn outwait(&mut self, begun: Option<SendStream<Bytes>>) -> Result<(), Gone> {
        self.discard_body().await?;
        let Self { finishing, respond, .. } = self;
        let mut begun = begun;
        let left = poll_fn(|cx| match &mut begun {
            Some(stream) => stream.poll_reset(cx),
            None => respond.poll_reset(cx),
        });
        tokio::select! {
            _ = finishing.wait_for(|is_finishing| *is_finishing) => Ok(()),
            _ = left => Err(Gone),
        }
    }

    /// The next piece of the body; none at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Gone> {
        let Some(piece) = self.body.data().await else { return Ok(None) };
        let piece = piece?;
        self.body.flow_control().release_capacity(piece.len())?;
        Ok(Some(piece))
    }

    /// Reads the body and throws it away.
    pub(super) async fn discard_body(&mut self) -> Result<(), Gone> {
        while self.next().await?.is_some() {}
        Ok(())
    }
}
