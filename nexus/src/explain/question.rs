//! A request that somebody asks about, and how it would look on the wire.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http1::gate::{self, Admission, Request};
use crate::http1::head;
use crate::reason::Reason;

/// A request that somebody asks about.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// The `Host`.
    pub host: String,
    /// `/path?query`.
    pub path: String,
    /// Further header lines: name and value.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Whom it is from.
    #[serde(default = "localhost")]
    pub client: IpAddr,
}

fn get() -> String {
    "GET".to_owned()
}

fn localhost() -> IpAddr {
    Ipv4Addr::LOCALHOST.into()
}

/// Why a question cannot be answered: what it asks about cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadQuestion(&'static str);

impl fmt::Display for BadQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadQuestion {}

impl Question {
    /// Returns the request in one line.
    pub fn line(&self) -> String {
        format!("{} http://{}{} from {}", self.method, self.host, self.path, self.client)
    }

    /// Writes the head as a client sends it.
    ///
    /// # Errors
    ///
    /// Fails if a part has line breaks or other controls in it.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, BadQuestion> {
        let headers = self.headers.iter().flat_map(|(name, value)| [name, value]);
        let mut parts = [&self.method, &self.host, &self.path].into_iter().chain(headers);
        if parts.any(|part| part.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')) {
            return Err(BadQuestion("no request has line breaks or control characters in it"));
        }
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        Ok((text + "\r\n").into_bytes())
    }

    /// Sends the head through the gate.
    ///
    /// # Errors
    ///
    /// Fails if it is no head at all.
    pub(super) fn admit(&self, bytes: &[u8]) -> Result<Result<Request, Reason>, BadQuestion> {
        let bad = BadQuestion("this is no request: check method, path and header names");
        let head = head::parse_request(bytes).ok().flatten().ok_or(bad)?;
        Ok(gate::admit(bytes, head).map(|admission| match admission {
            Admission::Forward(request) | Admission::AnswerOptions(request) => request,
        }))
    }
}
