//! The invariants of `ARCHITECTURE.md` that a test can keep.

use std::fs;
use std::path::{Path, PathBuf};

/// The pure modules: facts in, values out.
const POLICY: [&str; 29] = [
    "http1",
    "http1.rs",
    "grpc.rs",
    "http2/frames",
    "http2/frames.rs",
    "retry.rs",
    "picker",
    "picker.rs",
    "proxy_protocol.rs",
    "pool/gradient.rs",
    "pool/layers.rs",
    "pool/shortage.rs",
    "session/table.rs",
    "session/token.rs",
    "tls/client.rs",
    "tls/words.rs",
    "ejection",
    "ejection.rs",
    "pool/ramp.rs",
    "health.rs",
    "reason.rs",
    "route",
    "route.rs",
    "way.rs",
    "request_id.rs",
    "trace.rs",
    "log/template.rs",
    "spans/settings.rs",
    "websocket.rs",
];

/// What policy may import besides itself: the vector that a head's index lives in.
const POLICY_IMPORTS: [&str; 9] =
    ["http1", "reason", "recycle", "health", "retry", "route", "picker", "tls", "grpc"];

fn rust_files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            rust_files(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

fn sources(roots: &[&str]) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    roots.iter().for_each(|root| rust_files(&src.join(root), &mut files));
    assert!(files.len() >= roots.len(), "the modules are where this test looks");
    let read = |path: PathBuf| (fs::read_to_string(&path).unwrap(), path);
    files.into_iter().map(read).map(|(text, path)| (path, text)).collect()
}

/// Returns the part of a file that is not tests, without comments.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    let lines = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn policy_has_no_socket_no_clock_no_dice_and_does_not_wait() {
    for (path, text) in sources(&POLICY) {
        for banned in
            ["tokio", "std::net::Tcp", "Instant", "SystemTime", "fastrand", "async ", ".await"]
        {
            assert!(!code(&text).contains(banned), "{} says {banned}", path.display());
        }
    }
}

#[test]
fn policy_imports_only_policy() {
    for (path, text) in sources(&POLICY) {
        for line in code(&text).lines() {
            let Some(import) = line.trim().strip_prefix("use crate::") else { continue };
            let module = import.split([':', ';', '{']).next().unwrap();
            assert!(POLICY_IMPORTS.contains(&module), "{} imports {module}", path.display());
        }
    }
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for (path, text) in sources(&[""]) {
        let is_tests = path.ends_with("tests.rs");
        assert!(is_tests || text.starts_with("//! "), "{} does not", path.display());
    }
}
