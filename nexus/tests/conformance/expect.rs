//! What a case can expect of a server, each within a deadline.
//!
//! *Strictly* is what the RFC says, with the code that it names. *Loosely* is what h2spec takes as
//! well: the connection is closed, but without that code.

use std::time::Instant;

use crate::client::{Client, Heard, PATIENCE, brief};
use crate::hpack::Field;
use crate::wire::Code;

/// How well an expectation was met.
pub(crate) enum Kept {
    /// To the letter.
    Strictly,
    /// In a way that is not what the RFC names, but does no harm.
    Loosely(String),
}

/// How a case ended; the error says what came instead.
pub(crate) type Outcome = Result<Kept, String>;

/// All is as the RFC has it.
pub(crate) const KEPT: Outcome = Ok(Kept::Strictly);

/// An answer, to its end.
pub(crate) struct Answer {
    pub(crate) status: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) body: String,
}

impl Client {
    /// Expects GOAWAY with one of the codes, and the end of the connection.
    pub(crate) fn connection_error(&mut self, codes: &[Code]) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let (mut last, mut said) = ("silence".to_owned(), None);
        while let Some(heard) = self.hear(deadline) {
            match heard {
                Heard::GoAway { code, .. } if code != Code::NO_ERROR || said.is_none() => {
                    said = Some(code);
                }
                Heard::Closed => return closed(codes, said),
                _ => {}
            }
            last = brief(&heard);
        }
        Err(format!("{codes:?} and the end of the connection: no, but {last}"))
    }

    /// Expects RST_STREAM with one of the codes, after which the connection lives; an error of the
    /// connection will do (§5.4.1).
    pub(crate) fn stream_error(&mut self, stream: u32, codes: &[Code]) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let (mut last, mut said) = ("silence".to_owned(), None);
        while let Some(heard) = self.hear(deadline) {
            match heard {
                Heard::Reset { stream: found, code } if found == stream => {
                    if !codes.contains(&code) {
                        return Err(format!("RST_STREAM {codes:?}: no, but {code:?}"));
                    }
                    return self.pong().map(|()| Kept::Strictly);
                }
                Heard::GoAway { code, .. } => said = Some(code),
                Heard::Closed => return closed(codes, said),
                _ => {}
            }
            last = brief(&heard);
        }
        Err(format!("RST_STREAM {codes:?}: no, but {last}"))
    }

    /// Expects that a request is refused as malformed (§8.1.1): by RST_STREAM, or by an answer
    /// that says so.
    pub(crate) fn malformed(&mut self, stream: u32) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let (mut last, mut said) = ("silence".to_owned(), None);
        while let Some(heard) = self.hear(deadline) {
            match &heard {
                Heard::Reset { stream: found, code } if *found == stream => {
                    if *code != Code::PROTOCOL_ERROR {
                        return Err(format!("RST_STREAM PROTOCOL_ERROR: no, but {code:?}"));
                    }
                    return self.pong().map(|()| Kept::Strictly);
                }
                Heard::Head { stream: found, fields, .. } if *found == stream => {
                    let status = &fields[0].1;
                    if !["400", "501"].contains(&status.as_str()) {
                        return Err(format!("the request is refused: no, but answered {status}"));
                    }
                    return self.pong().map(|()| Kept::Loosely(format!("answered {status}")));
                }
                Heard::GoAway { code, .. } => said = Some(*code),
                Heard::Closed => return closed(&[Code::PROTOCOL_ERROR], said),
                _ => {}
            }
            last = brief(&heard);
        }
        Err(format!("the request is refused: no, but {last}"))
    }

    /// Hears an answer to its end.
    pub(crate) fn answer(&mut self, stream: u32) -> Result<Answer, String> {
        let mut answer: Option<Answer> = None;
        let deadline = Instant::now() + PATIENCE;
        let mut last = "silence".to_owned();
        while let Some(heard) = self.hear(deadline) {
            last = brief(&heard);
            let is_over = match heard {
                Heard::Head { stream: found, fields, is_end } if found == stream => {
                    let status = fields.first().map_or(String::new(), |(_, value)| value.clone());
                    if answer.is_none() && !status.starts_with('1') {
                        answer = Some(Answer { status, fields, body: String::new() });
                    }
                    is_end
                }
                Heard::Data { stream: found, bytes, is_end } if found == stream => {
                    let answer = answer.as_mut().ok_or("a body without a head")?;
                    answer.body.push_str(&String::from_utf8_lossy(&bytes));
                    is_end
                }
                Heard::Reset { stream: found, .. } if found == stream => break,
                Heard::Closed => break,
                _ => false,
            };
            if is_over {
                return answer.ok_or_else(|| "an end without an answer".to_owned());
            }
        }
        Err(format!("an answer on stream {stream}: no, but {last}"))
    }

    /// Expects an answer with this status.
    pub(crate) fn answered(&mut self, stream: u32, status: &str) -> Outcome {
        let found = self.answer(stream)?.status;
        same("the answer's status", status, &found)
    }

    /// Expects a 200 whose body says this.
    pub(crate) fn told(&mut self, stream: u32, part: &str) -> Outcome {
        let answer = self.answer(stream)?;
        same("the answer's status", "200", &answer.status)?;
        if answer.body.contains(part) {
            return KEPT;
        }
        Err(format!("the answer says {part:?}: no, but {:?}", answer.body))
    }

    /// Expects that what was sent changed nothing: the connection lives, and answers.
    pub(crate) fn ignored(&mut self) -> Outcome {
        self.pong()?;
        self.get(0x0101, &[]);
        self.answered(0x0101, "200")
    }
}

/// Compares what was found with what must be.
pub(crate) fn same(what: &str, expected: &str, found: &str) -> Outcome {
    if expected == found {
        return KEPT;
    }
    Err(format!("{what} is {expected}: no, but {found}"))
}

fn closed(codes: &[Code], said: Option<Code>) -> Outcome {
    match said {
        Some(code) if codes.contains(&code) => KEPT,
        Some(code) => Ok(Kept::Loosely(format!("GOAWAY {code:?}, not {codes:?}"))),
        None => Ok(Kept::Loosely("closed without GOAWAY".to_owned())),
    }
}
