//! Clients that never come to the end of what they begin, in every protocol: how long are they listened
//! to?

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::beside::{PATIENCE, connect, wrong};

/// How many there are.
const COUNT: usize = 20;
/// From one byte to the next: never so long that they look idle.
const EVERY: Duration = Duration::from_millis(50);

/// What one of them says: this at once, and then that again and again.
type Begin = (&'static [u8], &'static [u8]);

/// A ClientHello that is said to be 16 KiB long: a record, a handshake, a version.
const OVER_TLS: &[Begin] = &[(&[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3], b"x")];

const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0stay on!";

/// A head with one field that does not end, a body that does not, and of HTTP/2: nothing but pings; a
/// block of fields; a body; an answer for which there is no window.
const PLAIN: &[Begin] = &[
    (b"GET / HTTP/1.1\r\nX-Slow: ", b"x"),
    (b"POST / HTTP/1.1\r\nHost: slow\r\nContent-Length: 100000\r\n\r\n", b"x"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", PING),
    (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
          \0\x3f\0\x01\0\0\0\0\x01\x82\x86\x84\x41\x04slow",
        b"\x84",
    ),
    (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
          \0\0\x09\x01\x04\0\0\0\x01\x83\x86\x84\x41\x04slow",
        b"\0\0\x01\0\0\0\0\0\x01x",
    ),
    (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0\
          \0\0\x09\x01\x05\0\0\0\x01\x82\x86\x84\x41\x04slow",
        PING,
    ),
];

/// One of them.
struct Slow {
    stream: TcpStream,
    begun: Instant,
    then: &'static [u8],
}

/// Speaks slowly until it is over; an error if anybody is listened to for longer than [`PATIENCE`].
pub(super) fn crawl(address: SocketAddr, is_tls: bool, is_over: &AtomicBool) -> io::Result<String> {
    let begins = if is_tls { OVER_TLS } else { PLAIN };
    let mut next = begins.iter().cycle();
    let mut start = || Slow::start(address, *next.next().unwrap_or(&PLAIN[0]));
    let mut all: Vec<Slow> = (0..COUNT).map(|_| start()).collect::<Result<_, _>>()?;
    let (mut parted, mut longest) = (0_u32, Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        for slow in &mut all {
            let stays = slow.begun.elapsed();
            if stays > PATIENCE {
                return Err(wrong(&format!("one is still listened to after {stays:.1?}")));
            }
            if !slow.goes_on() {
                (parted, longest) = (parted + 1, longest.max(stays));
                *slow = start()?;
            }
        }
        std::thread::sleep(EVERY);
    }
    match parted {
        0 => Err(wrong("nobody was parted with")),
        _ => Ok(format!("parted with {parted} times, after {longest:.1?} at most")),
    }
}

impl Slow {
    fn start(address: SocketAddr, (first, then): Begin) -> io::Result<Self> {
        let mut stream = connect(address)?;
        stream.write_all(first)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, begun: Instant::now(), then })
    }

    /// Says some more; tells whether the other side still listens.
    fn goes_on(&mut self) -> bool {
        let mut answer = [0; 4096];
        let has_ended = loop {
            match self.stream.read(&mut answer) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
            }
        };
        !has_ended && self.stream.write_all(self.then).is_ok()
    }
}
