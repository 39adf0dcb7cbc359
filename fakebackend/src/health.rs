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

    /// Whether a request whose head is this is a health check.
    pub(crate) fn is_for(&self, request: &Request, head: &[u8]) -> bool {
        request.path.of(head) == self.path.as_bytes()
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
    let (status, body) = match says {
        Health::Ok => ("200 OK", "ok\n"),
        Health::Fail => ("503 Service Unavailable", "fail\n"),
        Health::Hang => {
            link.outwait().await?;
            return Ok(Persist::Close);
        }
    };
    let persist = if link.lease.is_finishing() { Persist::Close } else { request.persist };
    let closing = crate::answer::closing(persist);
    let body_sent = if request.is_head { "" } else { body };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{closing}{body_sent}");
    link.send(answer.as_bytes()).await?;
    Ok(persist)
}
