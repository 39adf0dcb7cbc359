//! The port that is served on, kept even while nobody listens.
//!
//! A port given back could be gone when it is wanted again: to another program, or to one end of an
//! outgoing connection. So a second socket is always bound to it that does not listen; the kernel
//! refuses connections to such a port. To open it, the holder itself begins to listen, and a new
//! socket takes its place.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel completes before they are accepted; it lowers it to its own limit.
const BACKLOG: i32 = 4096;

/// Whoever connects to fill the queue has done so within this time, unless others were faster.
const LIMIT_FILL: Duration = Duration::from_millis(200);

/// A port that swallows: connecting to it comes to no end.
///
/// It listens with a queue for one connection, which is taken by its own, and accepts none: the
/// kernel drops every further SYN.
pub(crate) struct Blackhole {
    _listener: TcpListener,
    /// None if a client was faster, which fills the queue as well.
    _filler: Option<TcpStream>,
}

/// A port held, open or not.
pub(crate) struct Port {
    address: SocketAddr,
    holder: Socket,
}

impl Port {
    /// Takes the port; port 0 takes any free one.
    pub(crate) fn hold(wanted: SocketAddr) -> io::Result<Self> {
        let holder = bound(wanted)?;
        let address = holder.local_addr()?.as_socket().unwrap_or(wanted);
        Ok(Self { address, holder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the port; dropping the listener closes it.
    pub(crate) fn open(&mut self) -> io::Result<TcpListener> {
        self.listen(BACKLOG)
    }

    /// Makes the port swallow whoever comes; dropping what it returns closes it.
    pub(crate) fn swallow(&mut self) -> io::Result<Blackhole> {
        // A queue of length 0 has room for one.
        let listener = self.listen(0)?;
        let filler = TcpStream::connect_timeout(&self.address, LIMIT_FILL).ok();
        Ok(Blackhole { _listener: listener, _filler: filler })
    }

    fn listen(&mut self, backlog: i32) -> io::Result<TcpListener> {
        let next = bound(self.address)?;
        self.holder.listen(backlog)?;
        Ok(std::mem::replace(&mut self.holder, next).into())
    }
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
    use super::*;

    #[test]
    fn a_port_held_refuses_and_can_be_opened_again_and_again() {
        let mut port = Port::hold("127.0.0.1:0".parse().unwrap()).unwrap();
        let refused = || TcpStream::connect(port.address()).unwrap_err().kind();
        assert_eq!(refused(), io::ErrorKind::ConnectionRefused);
        for _ in 0..3 {
            let listener = port.open().unwrap();
            let kept = TcpStream::connect(port.address()).unwrap();
            let accepted = listener.accept();
            drop(listener);
            let again = TcpStream::connect(port.address()).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::ConnectionRefused);
            drop((kept, accepted));
        }
    }

    #[test]
    fn a_port_that_swallows_neither_accepts_nor_refuses_and_can_be_opened_again() {
        let mut port = Port::hold("127.0.0.1:0".parse().unwrap()).unwrap();
        for _ in 0..3 {
            let hole = port.swallow().unwrap();
            let connect = TcpStream::connect_timeout(&port.address(), Duration::from_millis(50));
            assert_eq!(connect.unwrap_err().kind(), io::ErrorKind::TimedOut);
            drop(hole);
            let listener = port.open().unwrap();
            drop((TcpStream::connect(port.address()).unwrap(), listener));
        }
    }

    #[test]
    fn a_port_that_is_open_cannot_be_taken() {
        let mut port = Port::hold("127.0.0.1:0".parse().unwrap()).unwrap();
        let _listener = port.open().unwrap();
        let error = Port::hold(port.address()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
