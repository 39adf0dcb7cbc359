//! Sockets of this machine's: their files, who may use them, and what becomes of old ones.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::BACKLOG;

/// Listens at `path`; `mode` says who may connect.
///
/// # Errors
///
/// Fails if another program listens there, something else is there, or it is not allowed.
pub fn bind(path: &str, mode: u32) -> io::Result<(UnixListener, File)> {
    remove_stale(Path::new(path))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = File { path: path.to_owned(), id: id(Path::new(path))? };
    // Until it listens nobody can connect, whatever the mode was at first.
    allow(path, mode)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), file))
}

/// Says who may connect at `path`.
///
/// # Errors
///
/// Fails if that is not allowed.
pub fn allow(path: &str, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Removes the socket file of a program that is gone.
///
/// # Errors
///
/// Fails if somebody listens there.
pub fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = path.symlink_metadata().is_ok_and(|data| data.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
        Err(error) => Err(error),
    }
}

/// What tells a file from another that took its place.
fn id(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().map(|data| (data.dev(), data.ino()))
}

/// The file of a socket, removed when nobody listens there any more; one that took its place stays.
#[derive(Debug)]
pub struct File {
    path: String,
    id: (u64, u64),
}

impl Drop for File {
    fn drop(&mut self) {
        if id(Path::new(&self.path)).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
