//! Calls about the configuration: what it says, would say, and is to say from now on.

use std::fmt::Display;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use serde_json::{Value as Json, json};

use super::ask::{ask, body, query, time};
use crate::admin::Shared;
use crate::admin::answer::Failure;
use crate::control::Command;
use crate::explain::{self, Origin};

pub(super) async fn explain(shared: &Shared, request: Request<Incoming>) -> Result<Json, Failure> {
    let bad = |error: &dyn Display| {
        let hint = "send {\"host\": \"example.com\", \"path\": \"/\"}, with method, headers and client if they matter";
        Failure::new(422, "bad_question", error, hint)
    };
    let body = body(request).await?;
    let question = serde_json::from_slice(&body).map_err(|error| bad(&error))?;
    let snapshot = shared.published.current();
    let told = explain::explain(&snapshot, Origin::Running, &question);
    Ok(json!(told.map_err(|error| bad(&error))?))
}

pub(super) async fn plan(shared: &Shared, request: Request<Incoming>) -> Result<Json, Failure> {
    let text = String::from_utf8_lossy(&body(request).await?).into_owned();
    let planned = ask(shared, |reply| Command::Plan { text, reply }).await??;
    Ok(
        json!({ "plan": planned.plan, "text": planned.plan.to_string(), "warnings": planned.warnings }),
    )
}

pub(super) async fn reload(
    shared: &Shared,
    who: &str,
    request: &Request<Incoming>,
) -> Result<Json, Failure> {
    let confirm = query(request, "confirm").map(confirm_time).transpose()?;
    let by = who.into();
    let report = ask(shared, |reply| Command::Reread { confirm, by, reply }).await??;
    let mut answer = json!(report);
    answer["text"] = report.plan.to_string().into();
    answer["warnings_text"] = report.warnings_text.into();
    Ok(answer)
}

/// Reads for how long a reload waits for its confirmation.
fn confirm_time(text: &str) -> Result<Duration, Failure> {
    /// A reload that nobody confirms for longer has been forgotten.
    const CONFIRM_MAX: Duration = Duration::from_secs(24 * 3600);
    time(text, CONFIRM_MAX)
}

pub(super) async fn confirm(shared: &Shared, who: &str) -> Result<Json, Failure> {
    let by = who.into();
    if ask(shared, |reply| Command::Confirm { by, reply }).await? {
        return Ok(json!({ "confirmed": true }));
    }
    let hint = "it was confirmed or rolled back before, or was no `--confirm` reload";
    Err(Failure::new(409, "nothing_to_confirm", "no reload waits for a confirmation", hint))
}
