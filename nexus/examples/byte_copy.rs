//! The floor that a proxy in user space stands on: copies bytes between sockets, with no HTTP.
//!
//! `byte_copy LISTEN BACKEND...` accepts, connects to the backends in turn, and copies both ways,
//! on one thread. `cargo xtask bench` measures Nexus against it.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};

/// Of each direction of each connection, for as long as it lives.
const BUFFER_BYTES: usize = 64 * 1024;
/// Clients that wait to be accepted; a benchmark's all come at once.
const BACKLOG: u32 = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Result<Vec<SocketAddr>, _> =
        std::env::args().skip(1).map(|arg| arg.parse()).collect();
    let args = args?;
    let [listen, backends @ ..] = args.as_slice() else {
        return Err("usage: byte_copy LISTEN BACKEND...".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(serve(*listen, backends))?)
}

async fn serve(listen: SocketAddr, backends: &[SocketAddr]) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    let listener = socket.listen(BACKLOG)?;
    println!("listening on {}", listener.local_addr()?);
    for backend in backends.iter().cycle() {
        let (client, _) = listener.accept().await?;
        tokio::spawn(carry(client, *backend));
    }
    Ok(())
}

/// Copies until both sides have ended. An error ends the connection, as it would in any proxy.
async fn carry(mut client: TcpStream, backend: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = TcpStream::connect(backend).await?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::try_join!(copy(from_client, to_server), copy(from_server, to_client))?;
    Ok(())
}

async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer).await? {
            0 => return to.shutdown().await,
            n => to.write_all(&buffer[..n]).await?,
        }
    }
}
