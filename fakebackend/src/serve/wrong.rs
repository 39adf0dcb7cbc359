//! Does to a request whose head has been consumed what was decided to go wrong with it.
//!
//! Unless the connection is reset, the whole request is read first: closing a socket with unread
//! bytes would reset it.

use std::io;

use crate::answer::Answer;
use crate::bandwidth;
use crate::connections::End;
use crate::fault::Fault;
use crate::link::Link;
use crate::malformed;
use crate::misframed;
use crate::request::{Persist, Request};
use crate::rules::Rules;
use crate::send;
use crate::stats::Stats;

/// Goes wrong; tells how the connection ends, if it does.
pub(super) async fn go(
    link: &mut Link<'_>,
    stats: &Stats,
    rules: &Rules,
    request: &Request,
    fault: Fault,
) -> io::Result<Option<End>> {
    match fault {
        Fault::Reset(None) => return Ok(Some(End::Reset)),
        Fault::Hang(None) => link.outwait().await?,
        // What befalls streams is never decided here.
        Fault::Close
        | Fault::Refuse
        | Fault::GoAway(_)
        | Fault::RstStream { .. }
        | Fault::RefuseStream => link.discard_body(request).await?,
        Fault::Malformed(kind) => {
            link.discard_body(request).await?;
            link.send(malformed::bytes(kind)).await?;
        }
        Fault::Framing(kind) => {
            link.discard_body(request).await?;
            misframed::answer(link, &rules.shape, kind).await?;
        }
        Fault::Truncate(bytes) => part(link, rules, request, bytes).await?,
        Fault::Hang(Some(bytes)) => {
            part(link, rules, request, bytes).await?;
            link.outwait().await?;
        }
        Fault::Reset(Some(bytes)) => {
            part(link, rules, request, bytes).await?;
            return Ok(Some(End::Reset));
        }
        Fault::Bandwidth(rate) => {
            let persist = begin(link, stats, request, 200).await?;
            let answer = rules.shape.answer(200);
            bandwidth::answer(link, &answer, request, persist, rate).await?;
            return Ok(end(persist));
        }
        Fault::Status { code, retry_after } => {
            let persist = begin(link, stats, request, code).await?;
            let answer = refusal(rules, code, retry_after);
            let cut = request.is_head.then(|| answer.cut(persist, 0));
            send::wire(link.stream, cut.unwrap_or_else(|| answer.whole(persist))).await?;
            return Ok(end(persist));
        }
    }
    Ok(Some(End::Close))
}

/// Reads the rest of a request that gets a whole answer, and counts that.
async fn begin(
    link: &mut Link<'_>,
    stats: &Stats,
    request: &Request,
    status: u16,
) -> io::Result<Persist> {
    link.discard_body(request).await?;
    stats.answered(status);
    Ok(if link.lease.is_finishing() { Persist::Close } else { request.persist })
}

fn end(persist: Persist) -> Option<End> {
    (persist == Persist::Close).then_some(End::Close)
}

fn refusal(rules: &Rules, code: u16, retry_after: Option<u64>) -> Answer {
    match retry_after {
        None => rules.shape.answer(code),
        Some(seconds) => {
            rules.shape.answer_with(code, ("Retry-After".to_owned(), seconds.to_string()))
        }
    }
}

/// Sends the head of an answer and so many bytes of a body that is announced longer.
async fn part(link: &mut Link<'_>, rules: &Rules, request: &Request, bytes: u64) -> io::Result<()> {
    link.discard_body(request).await?;
    let answer = rules.shape.longer_than(200, bytes);
    let bytes = if request.is_head { 0 } else { bytes };
    send::wire(link.stream, answer.cut(request.persist, bytes)).await
}
