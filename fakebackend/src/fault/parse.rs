//! Reads fault rules. What is no rule is refused with what would be one.

use std::str::FromStr;

use super::{Code, Fault, FaultRule, Malformed, Misframed};
use crate::quantity;

const KINDS: &str = "refuse, hang, close, reset, truncate:bytes=N, \
                     malformed:kind=status_line|header|chunk_size|garbage, \
                     framing:kind=cl_too_long|cl_too_short|cl_and_te|two_cl|te_obs|extra_bytes, \
                     bandwidth:rate=SIZE, status:code=CODE[,retry_after=SECONDS], \
                     and over HTTP/2 goaway[:code=CODE], rst_stream[:code=CODE,bytes=N], refuse_stream";

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, count) = match text.trim().split_once('#') {
            Some((rest, count)) => (rest, Some(times(count)?)),
            None => (text.trim(), None),
        };
        let (rest, chance) = match rest.split_once('@') {
            Some((rest, chance)) => (rest, quantity::chance(chance)?),
            None => (rest, 1.0),
        };
        let (kind, value) = match rest.split_once(':') {
            Some((kind, pair)) => (kind, Some(pair)),
            None => (rest, None),
        };
        let fault = fault(kind, value)?;
        if fault == Fault::Refuse && (count.is_some() || chance < 1.0) {
            return Err("refuse is all or nothing, because nobody listens: leave @ and # out, \
                        and see --flap for refusing now and then"
                .to_owned());
        }
        Ok(Self { fault, chance, count })
    }
}

fn fault(kind: &str, value: Option<&str>) -> Result<Fault, String> {
    match kind {
        "refuse" => nothing(kind, value).map(|()| Fault::Refuse),
        "close" => nothing(kind, value).map(|()| Fault::Close),
        "hang" => bytes(kind, value).map(Fault::Hang),
        "reset" => bytes(kind, value).map(Fault::Reset),
        "truncate" => bytes(kind, value)?.map(Fault::Truncate).ok_or_else(|| {
            "truncate needs to know after what: write truncate:bytes=100".to_owned()
        }),
        "malformed" => malformed(value).map(Fault::Malformed),
        "framing" => framing(value).map(Fault::Framing),
        "bandwidth" => rate(value).map(Fault::Bandwidth),
        "status" => status(value),
        "goaway" => go_away(value).map(Fault::GoAway),
        "rst_stream" => rst_stream(value),
        "refuse_stream" => nothing(kind, value).map(|()| Fault::RefuseStream),
        _ => Err(format!("`{kind}` is no fault: write one of {KINDS}")),
    }
}

fn nothing(kind: &str, value: Option<&str>) -> Result<(), String> {
    match value {
        None => Ok(()),
        Some(value) => Err(format!("`{value}`: {kind} takes no values")),
    }
}

fn bytes(kind: &str, value: Option<&str>) -> Result<Option<u64>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.split_once('=') {
        Some(("bytes", size)) => quantity::size(size).map(Some),
        _ => Err(format!("`{value}`: {kind} takes bytes=N")),
    }
}

fn malformed(value: Option<&str>) -> Result<Malformed, String> {
    let Some(value) = value else { return Ok(Malformed::StatusLine) };
    let named = |kind: &Malformed| value.strip_prefix("kind=") == Some(kind.name());
    Malformed::ALL.into_iter().find(named).ok_or_else(|| {
        format!("`{value}`: malformed takes kind=status_line, header, chunk_size or garbage")
    })
}

fn framing(value: Option<&str>) -> Result<Misframed, String> {
    let value = value.unwrap_or_default();
    let named = |kind: &Misframed| value.strip_prefix("kind=") == Some(kind.name());
    Misframed::ALL.into_iter().find(named).ok_or_else(|| {
        format!(
            "`{value}`: write framing:kind=cl_too_long, cl_too_short, cl_and_te, two_cl, te_obs \
             or extra_bytes"
        )
    })
}

fn rate(value: Option<&str>) -> Result<u64, String> {
    match value.unwrap_or_default().split_once('=') {
        Some(("rate", size)) => match quantity::size(size)? {
            0 => Err("a rate is above 0: write hang:bytes=0 for nothing at all".to_owned()),
            rate => Ok(rate),
        },
        _ => Err("bandwidth needs bytes a second: write bandwidth:rate=1KiB".to_owned()),
    }
}

fn status(value: Option<&str>) -> Result<Fault, String> {
    let (mut code, mut retry_after) = (None, None);
    for pair in value.unwrap_or_default().split(',').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("code", text)) => code = Some(failure(text)?),
            Some(("retry_after", text)) => {
                let seconds = text.parse().map_err(|_| {
                    format!("`{text}`: retry_after is in seconds, as retry_after=1")
                })?;
                retry_after = Some(seconds);
            }
            _ => return Err(format!("`{pair}`: status takes code=CODE and retry_after=SECONDS")),
        }
    }
    code.map(|code| Fault::Status { code, retry_after })
        .ok_or_else(|| "status needs to know which: write status:code=503".to_owned())
}

fn go_away(value: Option<&str>) -> Result<Option<Code>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.split_once('=') {
        Some(("code", code)) => code.parse().map(Some),
        _ => Err(format!("`{value}`: goaway takes code=CODE")),
    }
}

fn rst_stream(value: Option<&str>) -> Result<Fault, String> {
    let (mut code, mut bytes) = (Code::INTERNAL_ERROR, None);
    for pair in value.unwrap_or_default().split(',').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("code", text)) => code = text.parse()?,
            Some(("bytes", size)) => bytes = Some(quantity::size(size)?),
            _ => return Err(format!("`{pair}`: rst_stream takes code=CODE and bytes=N")),
        }
    }
    Ok(Fault::RstStream { code, bytes })
}

fn failure(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(code @ 400..=599) => Ok(code),
        _ => Err(format!("`{text}` tells of no failure: write a code from 400 to 599")),
    }
}

fn times(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(format!("`{text}` is no count: write #N with N above 0")),
    }
}
