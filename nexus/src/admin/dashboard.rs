//! The page that people look at: files in this program, that ask the same calls as everybody else.
//!
//! # What may a page do that somebody slipped something into?
//!
//! Nothing: scripts and styles come from this address only, nothing is asked elsewhere, nobody frames
//! it, and all that Nexus tells is put into it as text.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};

use super::answer::{Body, Response};

/// What the page may load, run and ask: what is here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the dashboard.
#[derive(Debug)]
pub struct File {
    /// Where it is.
    pub path: &'static str,
    content_type: &'static str,
    content: &'static str,
}

const fn script(path: &'static str, content: &'static str) -> File {
    File { path, content_type: "text/javascript; charset=utf-8", content }
}

const fn style(path: &'static str, content: &'static str) -> File {
    File { path, content_type: "text/css; charset=utf-8", content }
}

const fn image(path: &'static str, content: &'static str) -> File {
    File { path, content_type: "image/svg+xml", content }
}

const fn page(path: &'static str, content: &'static str) -> File {
    File { path, content_type: "text/html; charset=utf-8", content }
}

/// All of them.
#[rustfmt::skip] // A table reads best with a row a line.
pub static FILES: &[File] = &[
    page("/", include_str!("dashboard/index.html")),
    image("/dashboard/icon.svg", include_str!("dashboard/icon.svg")),
    image("/dashboard/icon-down.svg", include_str!("dashboard/icon-down.svg")),
    style("/dashboard/theme.css", include_str!("dashboard/theme.css")),
    style("/dashboard/layout.css", include_str!("dashboard/layout.css")),
    style("/dashboard/parts.css", include_str!("dashboard/parts.css")),
    script("/dashboard/acts.js", include_str!("dashboard/acts.js")),
    script("/dashboard/api.js", include_str!("dashboard/api.js")),
    script("/dashboard/chart.js", include_str!("dashboard/chart.js")),
    script("/dashboard/detail.js", include_str!("dashboard/detail.js")),
    script("/dashboard/dom.js", include_str!("dashboard/dom.js")),
    script("/dashboard/lists.js", include_str!("dashboard/lists.js")),
    script("/dashboard/main.js", include_str!("dashboard/main.js")),
    script("/dashboard/pools.js", include_str!("dashboard/pools.js")),
    script("/dashboard/row.js", include_str!("dashboard/row.js")),
    script("/dashboard/stream.js", include_str!("dashboard/stream.js")),
    script("/dashboard/summary.js", include_str!("dashboard/summary.js")),
    script("/dashboard/theme.js", include_str!("dashboard/theme.js")),
    script("/dashboard/words.js", include_str!("dashboard/words.js")),
];

/// Finds a file by its path.
pub fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

impl File {
    /// Answers with it.
    pub fn response(&self) -> Response {
        hyper::Response::builder()
            .header(CONTENT_TYPE, self.content_type)
            // Another version of Nexus has others.
            .header(CACHE_CONTROL, "no-cache")
            .header(CONTENT_SECURITY_POLICY, POLICY)
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(X_FRAME_OPTIONS, "DENY")
            .header(REFERRER_POLICY, "no-referrer")
            .body(Body::Whole(Full::new(Bytes::from_static(self.content.as_bytes()))))
            .expect("status and fields are legal")
    }
}
