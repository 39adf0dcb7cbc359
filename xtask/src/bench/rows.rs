//! The rows of the table: what clients ask and what backends answer.

use std::net::SocketAddr;

use super::peers::Peer;
use crate::identity::Identity;

/// One kind of traffic.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// Its name in the table.
    pub(super) about: &'static str,
    /// Client connections.
    pub(super) connections: usize,
    /// Size of an answer's body; `None` for a few bytes.
    pub(super) body_bytes: Option<usize>,
    /// Requests a second of all peers alike, when times are compared: far from anybody's limit.
    pub(super) rate: u32,
    has_browser_headers: bool,
    new_connections: bool,
    /// Whether clients speak TLS (1.3).
    pub(super) is_tls: bool,
    /// Requests at once on an HTTP/2 connection; `None` for HTTP/1.1.
    pub(super) streams: Option<usize>,
}

const ROWS: [Row; 10] = [
    Row { name: "small", about: "small answer, 64 connections", ..SMALL },
    Row { name: "browser", about: "browser-like headers", has_browser_headers: true, ..SMALL },
    Row { name: "64k", about: "64 KiB answer", body_bytes: Some(64 << 10), rate: 10_000, ..SMALL },
    Row {
        name: "1m",
        about: "1 MiB answer, 16 connections",
        body_bytes: Some(1 << 20),
        connections: 16,
        rate: 500,
        ..SMALL
    },
    Row {
        name: "newconn",
        about: "new connection per request",
        new_connections: true,
        rate: 8_000,
        ..SMALL
    },
    Row { name: "1000conn", about: "1,000 connections", connections: 1000, ..SMALL },
    Row { name: "tls", about: "TLS kept alive", is_tls: true, rate: 10_000, ..SMALL },
    Row {
        name: "handshake",
        about: "TLS, new handshake per request",
        is_tls: true,
        new_connections: true,
        rate: 500,
        ..SMALL
    },
    Row {
        name: "h2",
        about: "HTTP/2 over TLS, 8 streams each",
        is_tls: true,
        streams: Some(8),
        rate: 10_000,
        ..SMALL
    },
    Row { name: "h2c", about: "h2c, 8 streams each", streams: Some(8), rate: 10_000, ..SMALL },
];

const SMALL: Row = Row {
    name: "",
    about: "",
    connections: 64,
    body_bytes: None,
    rate: 20_000,
    has_browser_headers: false,
    new_connections: false,
    is_tls: false,
    streams: None,
};

/// What a browser sends to an ordinary site.
const REQUEST_HEADERS: [&str; 12] = [
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.7",
    "Cache-Control: no-cache",
    "Cookie: session=7f3c9a1e5b8d42c6a0e1f2938475beef; theme=dark; consent=accepted-2026-05",
    "Referer: https://www.example.com/catalogue/shoes?page=3&sort=price",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Ch-Ua-Platform: \"Linux\"",
    "Upgrade-Insecure-Requests: 1",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
];

/// What an ordinary site answers.
const RESPONSE_HEADERS: [&str; 10] = [
    "Cache-Control: private, max-age=0, must-revalidate",
    "Content-Language: en",
    "Content-Security-Policy: default-src 'self'; img-src 'self' https://img.example.com",
    "ETag: \"5f3e-61c2a9b40d1c0\"",
    "Last-Modified: Mon, 16 Nov 2026 09:12:44 GMT",
    "Referrer-Policy: strict-origin-when-cross-origin",
    "Set-Cookie: seen=1; Path=/; Max-Age=3600; SameSite=Lax; HttpOnly",
    "Strict-Transport-Security: max-age=31536000; includeSubDomains",
    "Vary: Accept-Encoding, Cookie",
    "X-Content-Type-Options: nosniff",
];

impl Row {
    /// Whether the row makes sense for a peer: copying bytes opens a connection for each anyway, and
    /// knows neither TLS nor HTTP/2.
    pub(super) fn has(&self, peer: Peer) -> bool {
        let is_plain = !self.new_connections && !self.is_tls && self.streams.is_none();
        is_plain || peer != Peer::Floor
    }

    /// Whether each request is a handshake.
    pub(super) fn is_handshake(&self) -> bool {
        self.is_tls && self.new_connections
    }

    /// Where clients of this row find a proxy.
    pub(super) fn url(&self, proxy: SocketAddr, path: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{proxy}{path}")
    }

    /// Flags of the backends.
    pub(super) fn backend_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        flags.extend(self.body_bytes.map(|bytes| format!("--body-size={bytes}")));
        if self.has_browser_headers {
            flags.extend(RESPONSE_HEADERS.map(|header| format!("--header={header}")));
        }
        flags
    }

    /// Flags of the load tester.
    pub(super) fn load_flags(&self, identity: &Identity) -> Vec<String> {
        let mut flags = vec![format!("--workers={}", self.connections), "--threads=1".to_owned()];
        if self.has_browser_headers {
            flags.extend(REQUEST_HEADERS.map(|header| format!("--header={header}")));
        }
        if self.new_connections {
            flags.push("--disable-keepalive".to_owned());
        }
        if self.is_tls {
            // The one exchange that all peers know.
            flags.extend([identity.trust_flag(), "--groups=x25519".to_owned()]);
        }
        if let Some(streams) = self.streams {
            flags.extend(["--http2".to_owned(), format!("--streams={streams}")]);
        }
        flags
    }
}

/// The rows of these names, or all.
pub(super) fn named(names: &[String]) -> Result<Vec<Row>, String> {
    if names.is_empty() {
        return Ok(ROWS.to_vec());
    }
    let find = |name: &String| {
        let known = ROWS.map(|row| row.name).join(", ");
        let row = ROWS.iter().find(|row| row.name == name);
        row.cloned().ok_or_else(|| format!("there is no row {name}; there are {known}"))
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_name_and_others_refused() {
        assert_eq!(named(&[]).unwrap().len(), ROWS.len());
        assert_eq!(named(&["1m".into()]).unwrap()[0].backend_flags(), ["--body-size=1048576"]);
        assert!(named(&["2m".into()]).unwrap_err().contains("small, browser"));
    }

    #[test]
    fn new_connections_say_nothing_of_a_copier() {
        let row = &named(&["newconn".into()]).unwrap()[0];
        assert!(!row.has(Peer::Floor));
        assert!(row.has(Peer::Nginx));
        assert!(!named(&["h2c".into()]).unwrap()[0].has(Peer::Floor));
    }

    #[test]
    fn only_a_new_connection_over_tls_is_a_handshake() {
        let shakes: Vec<_> = ROWS.iter().filter(|row| row.is_handshake()).collect();
        assert_eq!(shakes.iter().map(|row| row.name).collect::<Vec<_>>(), ["handshake"]);
    }
}
