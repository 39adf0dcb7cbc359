//! What routing knows of a request.

use std::net::IpAddr;

use crate::http1::gate::{Request, Target};
use crate::http1::head::Field;

/// What a request is matched by.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The host it is for, as sent: case, port and trailing dot do not matter. May be empty.
    pub host: &'a [u8],
    /// `path?query` as sent, or `*`.
    pub target: &'a [u8],
    /// The method; case counts.
    pub method: &'a [u8],
    /// The fields of its head.
    pub fields: &'a dyn Fields,
    /// Whom it is from.
    pub client: IpAddr,
}

/// The fields of a head, wherever they are kept.
pub trait Fields {
    /// Returns the value of the first field called `name`, in any case.
    fn first(&self, name: &[u8]) -> Option<&[u8]>;

    /// Shows the values of all fields called `name`, in any case, in their order.
    fn each(&self, name: &[u8], visit: &mut dyn FnMut(&[u8]));
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> Fields for Vec<(N, V)> {
    fn first(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.iter().find(|(known, _)| known.as_ref().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_ref())
    }

    fn each(&self, name: &[u8], visit: &mut dyn FnMut(&[u8])) {
        let found = self.iter().filter(|(known, _)| known.as_ref().eq_ignore_ascii_case(name));
        found.for_each(|(_, value)| visit(value.as_ref()));
    }
}

/// The fields of a head that lies at the start of `bytes`.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeadFields<'a> {
    /// The buffer that the head was read into.
    pub bytes: &'a [u8],
    /// Its index.
    pub fields: &'a [Field],
}

impl Fields for HeadFields<'_> {
    fn first(&self, name: &[u8]) -> Option<&[u8]> {
        let is = |field: &&Field| field.label.of(self.bytes).eq_ignore_ascii_case(name);
        self.fields.iter().find(is).map(|field| field.value.of(self.bytes))
    }

    fn each(&self, name: &[u8], visit: &mut dyn FnMut(&[u8])) {
        let is = |field: &&Field| field.label.of(self.bytes).eq_ignore_ascii_case(name);
        self.fields.iter().filter(is).for_each(|field| visit(field.value.of(self.bytes)));
    }
}

impl<'a> Facts<'a> {
    /// Gathers the facts of a request whose head is `fields`.
    pub fn of(request: &'a Request, fields: &'a HeadFields<'a>, client: IpAddr) -> Self {
        let bytes = fields.bytes;
        let target: &[u8] = match request.target {
            Target::Path(span) | Target::Query(span) => span.of(bytes),
            Target::Root => b"/",
            Target::Asterisk => b"*",
        };
        let (host, method) = (request.host.of(bytes), request.head.method.of(bytes));
        Self { host, target, method, fields, client }
    }

    /// Returns the host without port and trailing dot.
    pub fn host_name(&self) -> &'a [u8] {
        let end = match self.host {
            [b'[', ..] => memchr::memchr(b']', self.host).map(|at| at + 1),
            _ => memchr::memchr(b':', self.host),
        };
        let name = end.map_or(self.host, |end| &self.host[..end]);
        name.strip_suffix(b".").unwrap_or(name)
    }

    /// Returns what tells the client from others: of an IPv6 address the first 64 bits.
    pub fn client_number(&self) -> u64 {
        match self.client.to_canonical() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
        }
    }

    /// Returns the path: the target up to its query; `/` where it is empty.
    pub fn path(&self) -> &'a [u8] {
        path_and_query(self.target).0
    }

    /// Returns the query without its question mark, if there is one.
    pub fn query(&self) -> Option<&'a [u8]> {
        path_and_query(self.target).1
    }
}

/// Takes a target apart at its question mark; an empty path is `/`.
pub(super) fn path_and_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (path, query) = match memchr::memchr(b'?', target) {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    (if path.is_empty() { b"/" } else { path }, query)
}
