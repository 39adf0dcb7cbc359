//! Calls about the configuration: what it says, would say, and is to say from now on.

use std::fmt::Display;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use super::ask::{ask, body, query, time};
use crate::admin::Shared;
use crate::admin::answer::Failure;
use crate::control::Command;
use crate::explain::{self, Explanation, Origin};
use crate::plan::Plan;
use crate::reload::Report;

/// What a configuration would change.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Planned {
    plan: Plan,
    /// The same for people.
    text: String,
    /// What is odd about the configuration, though not wrong; `null` is nothing.
    warnings: Option<Vec<Json>>,
}

/// What a reload has changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reloaded {
    #[serde(flatten)]
    report: Report,
    /// The plan for people.
    text: String,
    /// The warnings for people.
    warnings_text: String,
}

/// A reload that waited for it was confirmed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Confirmed {
    confirmed: bool,
}

/// An effective value. What is told is made where values are; this is how it looks.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "for the schema alone")]
pub(super) struct Value {
    /// Its path in the file.
    path: String,
    /// The value; `(secret)` for what nobody may see.
    value: String,
    /// Where it came from: file and line, a flag, or `default`.
    from: String,
}

pub(super) async fn explain(
    shared: &Shared,
    request: Request<Incoming>,
) -> Result<Explanation, Failure> {
    let bad = |error: &dyn Display| {
        let hint = "send {\"host\": \"example.com\", \"path\": \"/\"}, with method, headers and client if they matter";
        Failure::new(422, "bad_question", error, hint)
    };
    let body = body(request).await?;
    let question = serde_json::from_slice(&body).map_err(|error| bad(&error))?;
    let snapshot = shared.published.current();
    let told = explain::explain(&snapshot, Origin::Running, &question);
    told.map_err(|error| bad(&error))
}

pub(super) async fn plan(shared: &Shared, request: Request<Incoming>) -> Result<Planned, Failure> {
    let text = String::from_utf8_lossy(&body(request).await?).into_owned();
    let planned = ask(shared, |reply| Command::Plan { text, reply }).await??;
    let Report { plan, warnings, .. } = planned;
    let warnings = warnings.as_array().cloned();
    Ok(Planned { text: plan.to_string(), plan, warnings })
}

pub(super) async fn reload(
    shared: &Shared,
    who: &str,
    request: &Request<Incoming>,
) -> Result<Reloaded, Failure> {
    let confirm = query(request, "confirm").map(|text| confirm_time(&text)).transpose()?;
    let by = who.into();
    let report = ask(shared, |reply| Command::Reread { confirm, by, reply }).await??;
    let (text, warnings_text) = (report.plan.to_string(), report.warnings_text.clone());
    Ok(Reloaded { report, text, warnings_text })
}

/// Reads for how long a reload waits for its confirmation.
fn confirm_time(text: &str) -> Result<Duration, Failure> {
    /// A reload that nobody confirms for longer has been forgotten.
    const CONFIRM_MAX: Duration = Duration::from_secs(24 * 3600);
    time(text, CONFIRM_MAX)
}

pub(super) async fn confirm(shared: &Shared, who: &str) -> Result<Confirmed, Failure> {
    let by = who.into();
    if ask(shared, |reply| Command::Confirm { by, reply }).await? {
        return Ok(Confirmed { confirmed: true });
    }
    let hint = "it was confirmed or rolled back before, or was no `--confirm` reload";
    Err(Failure::new(409, "nothing_to_confirm", "no reload waits for a confirmation", hint))
}
