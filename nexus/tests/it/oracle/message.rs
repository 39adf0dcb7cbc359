//! What a reader makes of a connection, in the form in which two readings are compared.

use bytes::BytesMut;
use nexus::http1::body::Framing;
use nexus::reason::Reason;

/// A message whose head was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Method and target, or the status.
    pub(crate) start: String,
    /// Whom a request is for.
    pub(crate) host: String,
    /// How the end of the body is found; no body is a length of 0.
    pub(crate) framing: Framing,
    pub(crate) body: BytesMut,
    /// Trailers as `name: value`, lower case and sorted.
    pub(crate) trailers: Vec<String>,
    /// Whether the body came to its end.
    pub(crate) is_whole: bool,
}

impl Message {
    /// Returns a message of which nothing but the head has come.
    pub(crate) fn begun(start: String, host: String, framing: Framing) -> Self {
        let framing = if framing == Framing::None { Framing::Length(0) } else { framing };
        Self { start, host, framing, body: BytesMut::new(), trailers: vec![], is_whole: false }
    }

    /// Returns what is known before the body is.
    pub(crate) fn head(&self) -> (&str, &str, Framing) {
        (&self.start, &self.host, self.framing)
    }
}

/// Writes a trailer as it is compared: a character a byte.
pub(crate) fn trailer(name: &str, value: &[u8]) -> String {
    let value: String = value.iter().map(|byte| char::from(*byte)).collect();
    format!("{}: {value}", name.to_ascii_lowercase())
}

/// All that Nexus's engine makes of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) messages: Vec<Message>,
    /// The head of each message.
    pub(crate) heads: Vec<BytesMut>,
    /// Why the reading stopped, if it did before the bytes ended.
    pub(crate) refused: Option<Reason>,
    /// What the last message, or the refused bytes, begin at.
    pub(crate) head_at: usize,
    /// Where the bytes of the last message's body begin.
    pub(crate) body_at: usize,
    /// What comes behind the last message.
    pub(crate) rest: BytesMut,
}
