//! The port that is served on, kept even while nobody listens.
//!
//! A port given back could be gone when it is wanted again: to another program, or to one end of an
//! outgoing connection. So a second socket is always bound to it that does not listen; the kernel
//! refuses connections to such a port. To open it, the holder itself begins to listen, and a new
//! socket takes its place.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections that the kernel completes before they are accepted; it lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// Whoever connects to fill the queue has done so within this time, unless others were faster.
const LIMIT_FILL: Duration = Duration::from_millis(200);

/// Where to serve. Displayed as it is shown: `127.0.0.1:8081`, `unix:/run/b1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What connections are accepted on; dropping it closes it.
pub(crate) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A port that swallows: connecting to it comes to no end.
///
/// It listens with a queue for one connection, which is taken by its own, and accepts none: the
/// kernel drops every further SYN. (Of a Unix socket, who connects waits, or is told to come again.)
pub(crate) struct Blackhole {
    _listener: Socket,
    /// None if a client was faster, which fills the queue as well.
    _filler: Option<Socket>,
}

/// A port held, open or not.
pub(crate) enum Port {
    Tcp {
        address: SocketAddr,
        holder: Socket,
    },
    /// A path at which nobody listens any more refuses by itself.
    Unix(PathBuf),
}

impl Port {
    /// Takes the port; port 0 takes any free one.
    pub(crate) fn hold(wanted: &Place) -> io::Result<Self> {
        match wanted {
            Place::Tcp(wanted) => {
                let holder = bound(*wanted)?;
                let address = holder.local_addr()?.as_socket().unwrap_or(*wanted);
                Ok(Self::Tcp { address, holder })
            }
            Place::Unix(path) if UnixStream::connect(path).is_ok() => {
                Err(io::ErrorKind::AddrInUse.into())
            }
            Place::Unix(path) => bound_at(path).map(|_| Self::Unix(path.clone())),
        }
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Tcp { address, .. } => Place::Tcp(*address),
            Self::Unix(path) => Place::Unix(path.clone()),
        }
    }

    /// Opens the port; dropping the listener closes it.
    pub(crate) fn open(&mut self) -> io::Result<Listening> {
        let socket = self.listen(BACKLOG)?;
        Ok(match self {
            Self::Tcp { .. } => Listening::Tcp(socket.into()),
            Self::Unix(_) => Listening::Unix(socket.into()),
        })
    }

    /// Makes the port swallow whoever comes; dropping what it returns closes it.
    pub(crate) fn swallow(&mut self) -> io::Result<Blackhole> {
        // A queue of length 0 has room for one.
        let listener = self.listen(0)?;
        Ok(Blackhole { _listener: listener, _filler: self.fill().ok() })
    }

    fn fill(&self) -> io::Result<Socket> {
        match self {
            Self::Tcp { address, .. } => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
                socket.connect_timeout(&(*address).into(), LIMIT_FILL)?;
                Ok(socket)
            }
            Self::Unix(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.set_nonblocking(true)?;
                socket.connect(&SockAddr::unix(path)?)?;
                Ok(socket)
            }
        }
    }

    fn listen(&mut self, backlog: i32) -> io::Result<Socket> {
        match self {
            Self::Tcp { address, holder } => {
                let next = bound(*address)?;
                holder.listen(backlog)?;
                Ok(std::mem::replace(holder, next))
            }
            Self::Unix(path) => {
                let socket = bound_at(path)?;
                socket.listen(backlog)?;
                Ok(socket)
            }
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Self::Unix(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A Unix socket at a path, in the place of what was there; there is no moment without one.
fn bound_at(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let _ = std::fs::remove_file(&new);
    socket.bind(&SockAddr::unix(&new)?)?;
    std::fs::rename(&new, path)?;
    Ok(socket)
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Lets it share the port with the holder and with connections that are still closing, but not
    // with anyone who listens.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Inherited by the connections accepted, which saves a call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn hold_any() -> (Port, SocketAddr) {
        let port = Port::hold(&Place::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let Place::Tcp(address) = port.place() else { panic!("it is TCP") };
        (port, address)
    }

    #[test]
    fn a_port_held_refuses_and_can_be_opened_again_and_again() {
        let (mut port, address) = hold_any();
        let refused = || TcpStream::connect(address).unwrap_err().kind();
        assert_eq!(refused(), io::ErrorKind::ConnectionRefused);
        for _ in 0..3 {
            let listener = port.open().unwrap();
            let kept = TcpStream::connect(address).unwrap();
            let Listening::Tcp(listener) = listener else { panic!("it is TCP") };
            let accepted = listener.accept();
            drop(listener);
            let again = TcpStream::connect(address).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::ConnectionRefused);
            drop((kept, accepted));
        }
    }

    #[test]
    fn a_port_that_swallows_neither_accepts_nor_refuses_and_can_be_opened_again() {
        let (mut port, address) = hold_any();
        for _ in 0..3 {
            let hole = port.swallow().unwrap();
            let connect = TcpStream::connect_timeout(&address, Duration::from_millis(50));
            assert_eq!(connect.unwrap_err().kind(), io::ErrorKind::TimedOut);
            drop(hole);
            let listener = port.open().unwrap();
            drop((TcpStream::connect(address).unwrap(), listener));
        }
    }

    #[test]
    fn a_port_that_is_open_cannot_be_taken() {
        let (mut port, address) = hold_any();
        let _listener = port.open().unwrap();
        let error = Port::hold(&Place::Tcp(address)).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_path_refuses_until_it_is_opened_and_again_after_and_is_gone_at_the_end() {
        let path = std::env::temp_dir().join(format!("fakebackend-port-{}", std::process::id()));
        let place = Place::Unix(path.clone());
        let mut port = Port::hold(&place).unwrap();
        let refused = || UnixStream::connect(&path).unwrap_err().kind();
        for _ in 0..3 {
            assert_eq!(refused(), io::ErrorKind::ConnectionRefused);
            let listener = port.open().unwrap();
            let kept = UnixStream::connect(&path).unwrap();
            let error = Port::hold(&place).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            drop((listener, kept));
        }
        drop(port);
        assert_eq!(refused(), io::ErrorKind::NotFound);
    }
}
