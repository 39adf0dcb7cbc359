//! Who may ask what at the admin address. Pure: words of a request in, a name or a denial out.
//!
//! Three doors, each for a reason of its own: a token says who asks; `Host` must be a name that
//! means this address, so that no page can reach it by a name of its own (DNS rebinding); and a
//! page of another origin may not ask at all (CSRF).

use crate::settings::{Admin, Token};

/// What a call does, and so what is needed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Tells whether Nexus is there: for everybody, since orchestrators have no tokens.
    Open,
    /// Tells something.
    Read,
    /// Changes something.
    Write,
}

impl Role {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// What a request says of who asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a> {
    /// The `Host` field.
    pub host: Option<&'a str>,
    /// The `Origin` field.
    pub origin: Option<&'a str>,
    /// The `Authorization` field.
    pub authorization: Option<&'a str>,
    /// The `Sec-Fetch-Site` field: how far off the page is that asks, as the browser tells.
    pub fetch_site: Option<&'a str>,
    /// Whether the browser asks in order to show a page in a tab of its own, by `Sec-Fetch-Mode` and
    /// `Sec-Fetch-Dest`.
    pub is_visit: bool,
    /// Whether it came over a Unix socket, which no page can reach.
    pub is_local: bool,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// `Host` is none of this address's names.
    UnknownHost,
    /// A page of another origin asks.
    CrossOrigin,
    /// A token is needed, and there is none or no known one.
    NoToken,
    /// The token may only read.
    ReadOnlyToken,
    /// Without tokens nobody may change anything.
    ReadOnly,
}

impl Denial {
    /// Returns status, code, sentence and hint.
    pub fn words(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::UnknownHost => (
                403,
                "unknown_host",
                "this address is not called by that name",
                "call it by its IP address or localhost, or add the name to `admin.hosts`",
            ),
            Self::CrossOrigin => (
                403,
                "cross_origin",
                "pages of another origin may not ask here",
                "open the address itself",
            ),
            Self::NoToken => (
                401,
                "no_token",
                "a token is needed",
                "send `Authorization: Bearer TOKEN`, one of `admin.tokens`; commands take --token-file or $NEXUS_TOKEN",
            ),
            Self::ReadOnlyToken => (
                403,
                "read_only_token",
                "this token may only read",
                "use a token with `role: write`",
            ),
            Self::ReadOnly => (
                403,
                "read_only",
                "changes need a token, and none is configured",
                "add one: `admin: { tokens: [{ name: ops, token: \"${file:admin.token}\", role: write }] }`",
            ),
        }
    }
}

/// Returns the name of whoever asks for a call of this `role`.
///
/// # Errors
///
/// Says why it is not allowed.
pub fn allow<'a>(admin: &'a Admin, role: Role, words: Words<'_>) -> Result<&'a str, Denial> {
    let host = words.host.unwrap_or_default();
    if !words.is_local && !is_own_name(admin, host) {
        return Err(Denial::UnknownHost);
    }
    if words.origin.is_some_and(|origin| origin != format!("http://{host}")) {
        return Err(Denial::CrossOrigin);
    }
    // Of a GET that a page only embeds, browsers tell no origin, but this. A link to what is open to
    // everybody may be on any page.
    let is_foreign = words.fetch_site.is_some_and(|site| site != "same-origin" && site != "none");
    if is_foreign && !(role == Role::Open && words.is_visit) {
        return Err(Denial::CrossOrigin);
    }
    let token = words.authorization.and_then(|said| known(&admin.tokens, said));
    match (role, token) {
        (Role::Open, _) => Ok("anybody"),
        (Role::Read, None) if admin.tokens.is_empty() => Ok("anybody"),
        (Role::Write, None) if admin.tokens.is_empty() => Err(Denial::ReadOnly),
        (_, None) => Err(Denial::NoToken),
        (Role::Write, Some(token)) if !token.may_write => Err(Denial::ReadOnlyToken),
        (_, Some(token)) => Ok(&token.name),
    }
}

/// Says whether a `Host` cannot be a name that somebody else gave this address.
fn is_own_name(admin: &Admin, host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    port.is_none_or(|port| port.parse::<u16>().is_ok())
        && (bare.parse::<std::net::IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || admin.hosts.iter().any(|known| known.matches(name.as_bytes())))
}

/// Finds the token that an `Authorization` field shows.
fn known<'a>(tokens: &'a [Token], said: &str) -> Option<&'a Token> {
    let (scheme, secret) = said.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    // All are compared to the end: how long it takes tells nothing.
    let mut found = None;
    for token in tokens {
        if is_same(token.secret.as_bytes(), secret.trim().as_bytes()) {
            found = Some(token);
        }
    }
    found.filter(|_| is_bearer)
}

/// Compares secrets in a time that depends on the length of the second alone.
fn is_same(secret: &[u8], shown: &[u8]) -> bool {
    let differs = |(at, byte): (usize, &u8)| byte ^ secret.get(at).copied().unwrap_or(0);
    let difference = shown.iter().enumerate().map(differs).fold(0, |all, one| all | one);
    std::hint::black_box(difference) == 0 && secret.len() == shown.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::HostPattern;
    use crate::settings::Address;

    fn admin(tokens: &[(&str, &str, bool)]) -> Admin {
        let token = |(name, secret, may_write): &(&str, &str, bool)| Token {
            name: (*name).to_owned(),
            secret: (*secret).to_owned(),
            may_write: *may_write,
        };
        Admin {
            address: Address::Tcp("127.0.0.1:9900".parse().unwrap()),
            hosts: vec![HostPattern::parse("nexus.internal").unwrap()],
            tokens: tokens.iter().map(token).collect(),
        }
    }

    const LOCAL: Words<'_> = Words {
        host: Some("127.0.0.1:9900"),
        origin: None,
        authorization: None,
        fetch_site: None,
        is_visit: false,
        is_local: false,
    };

    #[test]
    fn without_tokens_everybody_reads_and_nobody_writes() {
        let admin = admin(&[]);
        assert_eq!(allow(&admin, Role::Open, LOCAL), Ok("anybody"));
        assert_eq!(allow(&admin, Role::Read, LOCAL), Ok("anybody"));
        assert_eq!(allow(&admin, Role::Write, LOCAL), Err(Denial::ReadOnly));
    }

    #[test]
    fn with_tokens_everybody_shows_one() {
        let admin = admin(&[
            ("eyes", "e".repeat(16).as_str(), false),
            ("ops", "o".repeat(16).as_str(), true),
        ]);
        let with =
            |said: &str, role| allow(&admin, role, Words { authorization: Some(said), ..LOCAL });
        let (eyes, ops) =
            (format!("Bearer {}", "e".repeat(16)), format!("bearer {}", "o".repeat(16)));
        assert_eq!(allow(&admin, Role::Open, LOCAL), Ok("anybody"));
        assert_eq!(allow(&admin, Role::Read, LOCAL), Err(Denial::NoToken));
        assert_eq!(with(&eyes, Role::Read), Ok("eyes"));
        assert_eq!(with(&eyes, Role::Write), Err(Denial::ReadOnlyToken));
        assert_eq!(with(&ops, Role::Write), Ok("ops"));
        for wrong in
            ["", "Bearer", "Bearer ", "Basic oooooooooooooooo", &eyes[..20], &format!("{ops}o")]
        {
            assert_eq!(with(wrong, Role::Read), Err(Denial::NoToken), "{wrong}");
        }
    }

    #[test]
    fn a_name_that_a_stranger_gave_the_address_is_refused() {
        let admin = admin(&[]);
        let by = |host: &str| allow(&admin, Role::Read, Words { host: Some(host), ..LOCAL });
        for host in [
            "127.0.0.1",
            "[::1]:9900",
            "10.1.2.3:1",
            "localhost:9900",
            "LOCALHOST",
            "nexus.internal:80",
        ] {
            assert_eq!(by(host), Ok("anybody"), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil:9900", "127.0.0.1:x"]
        {
            assert_eq!(by(host), Err(Denial::UnknownHost), "{host}");
        }
        let unix = Words { host: Some("anything"), is_local: true, ..LOCAL };
        assert_eq!(allow(&admin, Role::Read, unix), Ok("anybody"));
    }

    #[test]
    fn a_page_of_another_origin_may_not_ask() {
        let admin = admin(&[]);
        let from = |origin| allow(&admin, Role::Read, Words { origin: Some(origin), ..LOCAL });
        assert_eq!(from("http://127.0.0.1:9900"), Ok("anybody"));
        for origin in
            ["http://evil.example", "null", "https://127.0.0.1:9900", "http://127.0.0.1:80"]
        {
            assert_eq!(from(origin), Err(Denial::CrossOrigin), "{origin}");
        }
    }

    #[test]
    fn what_a_browser_tells_of_its_page_counts_and_a_link_may_lead_here() {
        let admin = admin(&[]);
        let by = |site, is_visit, role| {
            allow(&admin, role, Words { fetch_site: Some(site), is_visit, ..LOCAL })
        };
        for site in ["same-origin", "none"] {
            assert_eq!(by(site, false, Role::Read), Ok("anybody"), "{site}");
        }
        for site in ["cross-site", "same-site", "", "Same-Origin", "anything"] {
            assert_eq!(by(site, false, Role::Open), Err(Denial::CrossOrigin), "{site}");
            assert_eq!(by(site, true, Role::Open), Ok("anybody"), "{site}");
            assert_eq!(by(site, true, Role::Read), Err(Denial::CrossOrigin), "{site}");
        }
    }
}
