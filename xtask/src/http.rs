//! A tiny blocking HTTP/1.1 client: one request, one connection. For control ports.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Control ports answer at once or not at all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends one request and returns the body of the answer; any status but 2xx is an error.
pub(crate) fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<String> {
    call_with(address, method, path, "", body)
}

/// The same with further fields, each with its line end.
pub(crate) fn call_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    fields: &str,
    body: &str,
) -> Result<String> {
    exchange(address, method, path, fields, body)
        .with_context(|| format!("{method} http://{address}{path}"))
}

fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    fields: &str,
    body: &str,
) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let (status, body) = parse(&answer)?;
    match status {
        200..=299 => Ok(body),
        _ => bail!("status {status}: {}", body.trim()),
    }
}

/// Status and body of a complete answer.
fn parse(answer: &[u8]) -> Result<(u16, String)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.context("the answer has no complete head")? + 4);
    let head = std::str::from_utf8(head)?.to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the answer has no status")?;
    let body = if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        unchunk(body)?
    } else {
        body.to_vec()
    };
    if let Some(length) = field(&head, "content-length").and_then(|n| n.parse::<usize>().ok())
        && length != body.len()
    {
        bail!("{} of {length} bytes came", body.len());
    }
    Ok((status, String::from_utf8(body)?))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let rest = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(rest.trim())
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").context("a chunk has no size")?;
        let digits = std::str::from_utf8(&rest[..line])?;
        let size = usize::from_str_radix(digits.split(';').next().unwrap_or(digits).trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        let start = line + 2;
        body.extend_from_slice(rest.get(start..start + size).context("a chunk is cut off")?);
        rest = rest.get(start + size + 2..).context("a chunk has no end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let plain = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(parse(plain).unwrap(), (404, "no".to_owned()));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap(), (200, "abcd".to_owned()));
    }

    #[test]
    fn an_answer_that_is_cut_off_is_an_error() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc").is_err());
    }
}
