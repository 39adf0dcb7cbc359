//! Has the kernel hold a new connection back until its client has said something.
//!
//! # What becomes of a client that says nothing?
//!
//! The kernel asks it once more, a second after it came, and hands it over when it confirms. From
//! then on it is counted and timed like any other. Until then it has no place here; the kernel bounds
//! how many such there are by the backlog. Linux only; elsewhere nobody is held back.
//!
//! # What does it cost?
//!
//! A listener that closes resets those held back, as it resets those whose handshake is not done:
//! nothing of theirs was read.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

/// How long the kernel holds a silent client back, in seconds: the least there is.
const SILENT_MAX_SECONDS: libc::c_int = 1;

/// Has `listener` accept clients that have spoken.
#[expect(unsafe_code, reason = "none of the crates here knows this option")]
pub(super) fn until_spoken_to(listener: &Socket) -> io::Result<()> {
    let seconds = SILENT_MAX_SECONDS;
    let len = size_of_val(&seconds) as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `listener` is borrowed, and the kernel only reads
    // `len` bytes at `seconds`, which is that large and outlives the call.
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            len,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    /// Listens, and connects a client to it.
    fn listener_and_client() -> (TcpListener, TcpStream) {
        let listener = super::super::bind_tcp("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener, client)
    }

    fn accepted_within(listener: &TcpListener, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match listener.accept() {
                Ok(_) => return true,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn a_client_is_accepted_once_it_has_spoken() {
        let (listener, mut client) = listener_and_client();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        client.write_all(b"G").unwrap();
        assert!(accepted_within(&listener, Duration::from_secs(20)));
    }

    #[test]
    fn a_silent_client_is_accepted_all_the_same() {
        let (listener, _client) = listener_and_client();
        assert!(accepted_within(&listener, Duration::from_secs(20)));
    }
}
