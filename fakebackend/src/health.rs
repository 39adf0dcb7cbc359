//! What health checks are told, whatever happens to other requests: how a grey failure is made.

use std::sync::Arc;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::link::Link;
use crate::request::{Persist, Request};

/// What a health check is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// 200.
    #[default]
    Ok,
    /// 503.
    Fail,
    /// Nothing, ever.
    Hang,
}

impl Health {
    /// Status and body, if there are any.
    pub(crate) fn answer(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Ok => Some((200, "ok\n")),
            Self::Fail => Some((503, "fail\n")),
            Self::Hang => None,
        }
    }
}

/// Which requests are health checks, and what they are told.
#[derive(Clone, Debug)]
pub(crate) struct HealthRule {
    path: Arc<str>,
    pub(crate) says: Health,
}

impl HealthRule {
    pub(crate) fn new(path: &str, says: Health) -> Self {
        Self { path: path.into(), says }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Whether a request for this path is a health check.
    pub(crate) fn is_for(&self, path: &[u8]) -> bool {
        path == self.path.as_bytes()
    }
}

/// Answers a health check whose head is at the front of the input; tells whether the connection stays.
pub(crate) async fn answer(
    link: &mut Link<'_>,
    request: &Request,
    says: Health,
) -> std::io::Result<Persist> {
    link.input.consume(request.head_bytes);
    link.discard_body(request).await?;
    let Some((status, body)) = says.answer() else {
        link.outwait().await?;
        return Ok(Persist::Close);
    };
    let reason = crate::answer::reason(status);
    let persist = if link.lease.is_finishing() { Persist::Close } else { request.persist };
    let closing = crate::answer::closing(persist);
    let body_sent = if request.is_head { "" } else { body };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\n{closing}{body_sent}");
    link.send(answer.as_bytes()).await?;
    Ok(persist)
}
