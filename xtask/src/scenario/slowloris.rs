//! Clients that never come to the end of what they begin to say, a byte at a time: how long are they
//! listened to?

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::beside::{PATIENCE, connect, wrong};

/// How many there are.
const COUNT: usize = 20;
/// From one byte to the next: never so long that they look idle.
const EVERY: Duration = Duration::from_millis(50);

/// The begin of a ClientHello that is said to be 16 KiB long: a record, a handshake, a version.
const HELLO: &[u8] = &[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
/// The begin of a head with one field that does not end.
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nX-Slow: ";

/// One of them.
struct Slow {
    stream: TcpStream,
    begun: Instant,
    said: usize,
}

/// Speaks slowly until it is over; an error if anybody is listened to for longer than [`PATIENCE`].
pub(super) fn crawl(address: SocketAddr, is_tls: bool, is_over: &AtomicBool) -> io::Result<String> {
    let begin = if is_tls { HELLO } else { HEAD };
    let mut all: Vec<Slow> = (0..COUNT).map(|_| Slow::start(address)).collect::<Result<_, _>>()?;
    let (mut parted, mut longest) = (0_u32, Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        for slow in &mut all {
            let stays = slow.begun.elapsed();
            if stays > PATIENCE {
                return Err(wrong(&format!("one is still listened to after {stays:.1?}")));
            }
            if !slow.goes_on(begin) {
                (parted, longest) = (parted + 1, longest.max(stays));
                *slow = Slow::start(address)?;
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
    fn start(address: SocketAddr) -> io::Result<Self> {
        let stream = connect(address)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, begun: Instant::now(), said: 0 })
    }

    /// Says one byte more; tells whether the other side still listens.
    fn goes_on(&mut self, begin: &[u8]) -> bool {
        let byte = begin.get(self.said).copied().unwrap_or(b'x');
        self.said += 1;
        let mut answer = [0; 256];
        let has_ended = match self.stream.read(&mut answer) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        !has_ended && self.stream.write_all(&[byte]).is_ok()
    }
}
