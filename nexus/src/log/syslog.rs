//! Lines to a syslog: a message each (RFC 5424), a datagram each (RFC 5426).
//!
//! # Why are messages cut?
//!
//! A datagram that is too large is not sent at all, and receivers cut at 8 KiB or less themselves.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, SystemTime};

use super::output::Lost;
use super::rules::Output;

/// Bytes of a message at most: what the usual receivers take unless told otherwise.
const MESSAGE_BYTES_MAX: usize = 8192;

/// How long a message may wait for a receiver that is slow; lines wait behind it.
const PATIENCE: Duration = Duration::from_millis(200);

/// Requests are news, not trouble: severity `info` (RFC 5424 §6.2.1).
const INFO: u8 = 6;

/// A syslog, which need not be there yet.
pub(super) struct Syslog {
    to: Output,
    socket: Option<Socket>,
    /// `<134>1 `
    priority: String,
    /// ` host nexus 4711 access - `
    origin: String,
    message: Vec<u8>,
}

enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Socket {
    fn open(to: &Output) -> io::Result<Self> {
        match to {
            Output::Syslog(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_write_timeout(Some(PATIENCE))?;
                socket.connect(path)?;
                Ok(Self::Unix(socket))
            }
            Output::SyslogUdp(address) => {
                let own: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(own)?;
                socket.connect(address)?;
                Ok(Self::Udp(socket))
            }
            Output::Stdout | Output::File(_) => unreachable!("neither is a syslog"),
        }
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.send(message).map(drop),
            Self::Udp(socket) => socket.send(message).map(drop),
        }
    }
}

impl Syslog {
    pub(super) fn to(output: &Output, facility: u8) -> Self {
        let name = rustix::system::uname();
        let origin = origin(&name.nodename().to_string_lossy(), std::process::id());
        let priority = format!("<{}>1 ", facility * 8 + INFO);
        let message = Vec::with_capacity(MESSAGE_BYTES_MAX);
        Self { to: output.clone(), socket: None, priority, origin, message }
    }

    /// Sends lines, each as a message.
    pub(super) fn write(&mut self, block: &[u8]) -> Result<(), Lost> {
        let stamp = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let (mut lines, mut why) = (0, None);
        for line in block.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.message.clear();
            for part in [&self.priority, &stamp, &self.origin] {
                self.message.extend_from_slice(part.as_bytes());
            }
            self.message.extend_from_slice(line);
            self.message.truncate(MESSAGE_BYTES_MAX);
            // A receiver that is not there is looked for once for all these lines.
            let sent = if why.is_some() { Err(None) } else { self.send().map_err(Some) };
            if let Err(error) = sent {
                lines += 1;
                why = why.or(error);
            }
        }
        why.map_or(Ok(()), |error| Err(Lost { lines, error }))
    }

    /// Sends a message; a receiver that has started anew is found.
    fn send(&mut self) -> io::Result<()> {
        if let Some(socket) = &self.socket
            && socket.send(&self.message).is_ok()
        {
            return Ok(());
        }
        self.socket = None;
        let socket = Socket::open(&self.to)?;
        socket.send(&self.message)?;
        self.socket = Some(socket);
        Ok(())
    }
}

/// Writes what stands between the time and the text: host, program, process, kind of message, and
/// no structured data.
fn origin(host: &str, process: u32) -> String {
    let host: String = host.chars().filter(char::is_ascii_graphic).take(255).collect();
    let host = if host.is_empty() { "-" } else { &host };
    format!(" {host} nexus {process} access - ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::rules::facility;

    #[test]
    fn a_line_becomes_a_message_and_what_is_too_long_is_cut() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let to = Output::SyslogUdp(receiver.local_addr().unwrap());
        let mut syslog = Syslog::to(&to, facility("local3"));
        let long = [&b"GET /"[..], &[b'a'; 9000], b"\nsecond\n"].concat();
        assert!(syslog.write(&long).is_ok());
        let mut buffer = [0; 16_384];
        let first = receiver.recv(&mut buffer).unwrap();
        assert_eq!(first, MESSAGE_BYTES_MAX);
        let read = receiver.recv(&mut buffer).unwrap();
        let second = std::str::from_utf8(&buffer[..read]).unwrap();
        let words: Vec<_> = second.split(' ').collect();
        assert_eq!((words[0], words[3], words[5]), ("<158>1", "nexus", "access"));
        assert!(humantime::parse_rfc3339(words[1]).is_ok(), "{second}");
        assert_eq!(words[6..], ["-", "second"]);
    }

    #[test]
    fn a_receiver_that_is_away_costs_lines_and_is_found_when_it_comes_back() {
        let folder = std::env::temp_dir().join(format!("nexus-syslog-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("log");
        let mut syslog = Syslog::to(&Output::Syslog(path.to_str().unwrap().to_owned()), 16);
        assert_eq!(syslog.write(b"a\nb\n").unwrap_err().lines, 2);
        for _ in 0..2 {
            let receiver = UnixDatagram::bind(&path).unwrap();
            receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            assert!(syslog.write(b"c\n").is_ok());
            let mut buffer = [0; 256];
            let read = receiver.recv(&mut buffer).unwrap();
            assert!(buffer[..read].ends_with(b" access - c"));
            drop(receiver);
            std::fs::remove_file(&path).unwrap();
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_host_with_odd_letters_does_not_break_the_frame() {
        assert_eq!(origin("my host\n", 7), " myhost nexus 7 access - ");
        assert_eq!(origin("", 7), " - nexus 7 access - ");
    }
}
