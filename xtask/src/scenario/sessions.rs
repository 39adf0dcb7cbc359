//! Browsers that come again and again, each with the cookie that it got: who has to leave their
//! backend before their cookie has run out?

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::beside::{PATIENCE, connect, wrong};

/// How many there are.
const COUNT: usize = 12;
/// From one round to the next.
const EVERY: Duration = Duration::from_millis(50);
/// Cookies are dated to the second: one that ends within this time may have ended.
const ROUNDED: Duration = Duration::from_secs(1);

/// A browser.
#[derive(Default)]
struct Browser {
    connection: Option<BufReader<TcpStream>>,
    cookie: Option<Cookie>,
    home: Option<String>,
}

struct Cookie {
    pair: String,
    ends: Instant,
}

/// What an answer says.
struct Answer {
    backend: String,
    cookie: Option<Cookie>,
}

/// What came of all their visits.
#[derive(Default)]
struct Tally {
    visits: u32,
    /// Visits that met nobody: Nexus was not there.
    in_vain: u32,
    moved: u32,
    /// Whom they left before their cookie had run out.
    moved_early: Vec<String>,
}

/// Visits until it is over. Backends of these URLs may be left early: they are taken away.
pub(super) fn visit(
    address: SocketAddr,
    may_be_left: &[String],
    is_over: &AtomicBool,
) -> io::Result<String> {
    let mut browsers: Vec<_> = (0..COUNT).map(|_| Browser::default()).collect();
    let mut tally = Tally::default();
    while !is_over.load(Ordering::Relaxed) {
        for browser in &mut browsers {
            browser.visit(address, &mut tally)?;
        }
        std::thread::sleep(EVERY);
    }
    let Tally { visits, in_vain, moved, moved_early } = tally;
    if let Some(left) = moved_early.iter().find(|left| !may_be_left.contains(left)) {
        return Err(wrong(&format!("a session left {left} early")));
    }
    if visits == in_vain {
        return Err(wrong("nobody ever answered"));
    }
    Ok(format!(
        "{COUNT} sessions came {visits} times, {in_vain} in vain; {moved} moved, {} before their \
         cookie had run out",
        moved_early.len()
    ))
}

impl Browser {
    fn visit(&mut self, address: SocketAddr, tally: &mut Tally) -> io::Result<()> {
        let now = Instant::now();
        tally.visits += 1;
        let lasting = self.cookie.take_if(|cookie| cookie.ends <= now).is_none();
        let Ok(answer) = self.ask(address) else {
            // The connection is gone, or Nexus; the next visit will show.
            self.connection = None;
            tally.in_vain += 1;
            return Ok(());
        };
        let answer = answer.map_err(|status| wrong(&format!("a session was answered {status}")))?;
        if let Some(home) = self.home.replace(answer.backend.clone())
            && home != answer.backend
        {
            tally.moved += 1;
            let is_early = |cookie: &Cookie| lasting && now + ROUNDED < cookie.ends;
            if self.cookie.as_ref().is_some_and(is_early) {
                tally.moved_early.push(home);
            }
        }
        if answer.cookie.is_some() {
            self.cookie = answer.cookie;
        }
        Ok(())
    }

    /// Asks once; the inner error is a status other than 200.
    fn ask(&mut self, address: SocketAddr) -> io::Result<Result<Answer, String>> {
        let connection = match self.connection.take() {
            Some(open) => open,
            None => BufReader::new(connect(address)?),
        };
        let connection = self.connection.insert(connection);
        let cookie = self.cookie.iter().map(|cookie| format!("Cookie: {}\r\n", cookie.pair));
        let cookie: String = cookie.collect();
        let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n");
        connection.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if connection.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = field(&head, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        connection.read_exact(&mut body)?;
        if field(&head, "connection").is_some_and(|value| value == "close") {
            self.connection = None;
        }
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Ok(Err(status.to_owned()));
        }
        let backend = field(&head, "x-backend-server").unwrap_or_default().to_owned();
        Ok(Ok(Answer { backend, cookie: field(&head, "set-cookie").map(Cookie::read) }))
    }
}

impl Cookie {
    fn read(value: &str) -> Self {
        let mut parts = value.split(';').map(str::trim);
        let pair = parts.next().unwrap_or_default().to_owned();
        let age = parts.find_map(|part| part.strip_prefix("Max-Age=")?.parse().ok());
        Self { pair, ends: Instant::now() + age.map_or(PATIENCE, Duration::from_secs) }
    }
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (label, value) = line.split_once(':')?;
        label.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_lasts_as_long_as_it_says() {
        let cookie = Cookie::read("nexus=abc; Path=/; Max-Age=60; HttpOnly");
        assert_eq!(cookie.pair, "nexus=abc");
        let left = cookie.ends - Instant::now();
        assert!(left > Duration::from_secs(55) && left <= Duration::from_secs(60));
    }
}
