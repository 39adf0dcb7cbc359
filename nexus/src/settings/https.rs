//! What a listener says of https: a redirect to it, and that browsers shall come by it only.

use std::time::Duration;

/// The port that goes without saying in `https://`.
const PORT: u16 = 443;

/// A redirect of every request to the same at https.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpsRedirect {
    /// The port there.
    pub port: u16,
}

impl HttpsRedirect {
    /// The status: method and body stay (RFC 9110 §15.4.9).
    pub const STATUS: u16 = 308;

    /// Returns where a request to `host`, as its `Host` field says, and `target`, in origin form,
    /// is sent.
    pub fn location(self, host: &str, target: &str) -> String {
        let host = without_port(host);
        match self.port {
            PORT => format!("https://{host}{target}"),
            port => format!("https://{host}:{port}{target}"),
        }
    }
}

/// Returns a host without its port; an address of IPv6 keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What browsers are told of https (RFC 6797).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hsts {
    /// For how long they shall come by https only.
    pub age: Duration,
    /// Whether to all hosts below this one, too.
    pub has_subdomains: bool,
}

impl Hsts {
    /// The name of the field.
    pub const FIELD: &str = "Strict-Transport-Security";

    /// Returns the value of the field.
    pub fn value(self) -> String {
        let subdomains = if self.has_subdomains { "; includeSubDomains" } else { "" };
        format!("max-age={}{subdomains}", self.age.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(port: u16, host: &str, expected: &str) {
        assert_eq!(HttpsRedirect { port }.location(host, "/a?b=c"), expected);
    }

    #[test]
    fn a_redirect_changes_scheme_and_port_only() {
        check(443, "a.test", "https://a.test/a?b=c");
        check(443, "a.test:80", "https://a.test/a?b=c");
        check(8443, "a.test:8000", "https://a.test:8443/a?b=c");
        check(8443, "[::1]:8000", "https://[::1]:8443/a?b=c");
        check(443, "[::1]", "https://[::1]/a?b=c");
        check(443, "a.test:", "https://a.test/a?b=c");
    }

    #[test]
    fn browsers_are_told_in_seconds() {
        let year = Hsts { age: Duration::from_secs(365 * 86_400), has_subdomains: false };
        assert_eq!(year.value(), "max-age=31536000");
        let all = Hsts { has_subdomains: true, ..year };
        assert_eq!(all.value(), "max-age=31536000; includeSubDomains");
    }
}
