//! TLS in configurations: what it is read to, what changes, what is sent to a Nexus that runs.

use nexus::cli::{Cli, Command};
use nexus::command::remote;
use nexus::command::run::Configured;
use nexus::config::render::Colour;
use nexus::config::{self, Files, document};
use nexus::plan::{Facts, Plan};
use nexus::reload::Source;
use nexus::settings::Settings;
use nexus::tls::{ClientAuthMode, Profile, Protocol, UnknownName};

use super::{Values, causes, loaded, yaml};

/// Everybody is UP.
struct Up;

impl Facts for Up {
    fn is_up(&self, _: &str, _: &str) -> Option<bool> {
        Some(true)
    }
}

fn settings(text: &str) -> Settings {
    yaml(text).into_settings()
}

#[track_caller]
fn planned(old: &str, new: &str) -> String {
    Plan::of(&settings(old), &settings(new), &Up).to_string()
}

#[test]
fn everything_of_tls_is_read() {
    let text = "
listeners:
  - address: :8443
    tls:
      certificates: [site.pem, { cert: shop.crt, key: shop.key, ocsp: site.ocsp }]
      profile: modern
      alpn: http/1.1
      unknown_name: refuse
      client_auth: { ca: clients.pem, mode: optional, crl: clients.crl }
      ticket_keys: tickets.key
      handshake_timeout: 3s
    hsts: { max_age: 7d, subdomains: true }
  - { address: \":8080\", redirect_https: 8443 }
max_handshakes: 70
backends: [http://a:1]
";
    let config = yaml(text);
    let [https, http] = &config.listeners[..] else { panic!("two listeners") };
    let tls = https.tls.as_ref().unwrap().settings();
    assert_eq!(
        (tls.certificates[0].cert.as_str(), tls.certificates[0].key.as_str()),
        ("site.pem", "site.pem")
    );
    assert_eq!(tls.certificates[1].ocsp.as_deref(), Some("site.ocsp"));
    assert_eq!((tls.profile, tls.unknown_name), (Profile::Modern, UnknownName::Refuse));
    assert_eq!((&tls.alpn[..], tls.tickets), (&[Protocol::Http1][..], true));
    let auth = tls.client_auth.as_ref().unwrap();
    assert_eq!((auth.mode, auth.crl.as_deref()), (ClientAuthMode::Optional, Some("clients.crl")));
    assert_eq!(
        (tls.ticket_keys.as_deref(), tls.handshake_timeout.as_secs()),
        (Some("tickets.key"), 3)
    );
    assert_eq!(https.hsts.unwrap().value(), "max-age=604800; includeSubDomains");
    assert_eq!(http.redirect.unwrap().port, 8443);
    assert_eq!((config.handshakes_max, http.tls.is_none()), (70, true));
}

#[test]
fn a_short_form_says_the_same_as_the_long_one() {
    let tls = |text: &str| {
        let config = yaml(&format!("listeners: [{{ address: \":1\", tls: {text} }}]"));
        config.listeners[0].tls.clone().unwrap()
    };
    let short = tls("site.pem");
    for long in
        ["{ cert: site.pem }", "{ certificates: [site.pem] }", "{ cert: site.pem, key: site.pem }"]
    {
        assert_eq!(short, tls(long), "{long}");
    }
    let auth = |text: &str| tls(&format!("{{ cert: site.pem, client_auth: {text} }}"));
    assert_eq!(auth("clients.pem"), auth("{ ca: clients.pem, mode: require }"));
    assert_ne!(auth("clients.pem"), short);
}

#[test]
fn a_redirect_may_be_off() {
    let redirect = |text: &str| yaml(text).listeners[0].redirect.map(|redirect| redirect.port);
    assert_eq!(redirect("listeners: [{ address: \":1\", redirect_https: true }]"), Some(443));
    assert_eq!(redirect("listeners: [{ address: \":1\", redirect_https: false }]"), None);
}

#[test]
fn files_are_beside_the_file_that_names_them() {
    let world = Values::of(&[
        ("etc/nexus.yaml", "include: sites/*.yaml\nbackends: [http://a:1]"),
        (
            "etc/sites/a.yaml",
            "listeners: [{ address: \":1\", tls: certs/site.pem }, { address: \":2\", tls: /srv/site.pem }]",
        ),
    ]);
    let config = loaded(&world, "etc/nexus.yaml");
    let path = |at: usize| config.listeners[at].tls.as_ref().unwrap().settings().paths().concat();
    assert_eq!((path(0), path(1)), ("etc/sites/certs/site.pem".into(), "/srv/site.pem".into()));
}

#[test]
fn a_pool_speaks_tls_as_it_is_told() {
    let text = "pools: { web: { backends: [http://a:1], tls: { ca: backends.pem, name: web.internal, cert: site.crt, key: site.key, alpn: [h2, http/1.1] } } }\nroutes: [{ pool: web }]";
    let config = yaml(text);
    let back = config.pools[0].tls.as_ref().unwrap();
    let tls = back.settings();
    assert_eq!(
        (tls.ca.as_deref(), tls.name.as_deref()),
        (Some("backends.pem"), Some("web.internal"))
    );
    assert_eq!(tls.certificate.as_ref().unwrap().key, "site.key");
    assert_eq!(tls.alpn, [Protocol::Http2, Protocol::Http1]);
    assert_eq!(back.server_name("a").unwrap().to_str(), "web.internal");
}

const BASE: &str = "
listeners: [{ address: \":8443\", tls: site.pem }, \":8000\"]
pools: { web: { backends: [http://a:1], tls: { ca: backends.pem } } }
routes: [{ pool: web }]
";

#[test]
fn a_plan_says_what_changes_of_tls() {
    let with = |old: &str, new: &str| planned(BASE, &BASE.replace(old, new));
    assert_eq!(planned(BASE, BASE), "nothing changes");
    assert_eq!(
        with("tls: site.pem", "tls: { cert: site.pem, tickets: false }"),
        "  listener 0.0.0.0:8443: tls.tickets true → false".replace("0.0.0.0", &address())
    );
    assert_eq!(
        with("tls: site.pem", "tls: { cert: site.crt, key: site.key }"),
        "  listener 0.0.0.0:8443: tls.certificates [site.pem] → [site.crt + site.key]"
            .replace("0.0.0.0", &address())
    );
    assert!(
        with(", tls: site.pem", "").contains("speaks TLS no more: clients that do are refused")
    );
    assert!(
        with(", tls: { ca: backends.pem }", "")
            .contains("pool web speaks plain HTTP to its backends")
    );
    assert_eq!(
        with("{ ca: backends.pem }", "{ ca: backends.pem, name: b }"),
        "  pool web: tls.name None → Some(\"b\")"
    );
}

/// Returns the address that stands for all of this machine's.
fn address() -> String {
    let shown = settings("listen: :8000").listeners[0].address.to_string();
    shown.rsplit_once(':').unwrap().0.to_owned()
}

#[test]
fn a_plan_names_the_certificate_that_is_new() {
    let world = |cert: &'static str| {
        let text = "listeners: [{ address: \":8443\", tls: a.pem }]";
        Values::of(&[("nexus.yaml", text), ("a.pem", &super::certificates::file(cert).unwrap())])
    };
    let read = |cert| loaded(&world(cert), "nexus.yaml").into_settings();
    let (old, mut new) = (read("site.pem"), read("other.pem"));
    let plan = Plan::of(&old, &new, &Up).to_string();
    assert!(plan.contains(": tls has a new certificate: other.test (until "), "{plan}");
    new.keep_tls(&old);
    assert!(Plan::of(&old, &new, &Up).is_empty(), "the same front, with what is new");
    let names = &old.listeners[0].tls.as_ref().unwrap().serving().certificates[0].names;
    assert_eq!(names[..], ["other.test"]);
}

#[test]
fn a_document_that_is_sent_has_no_key_in_it_and_plans_the_same() {
    let world = Values::of(&[("etc/nexus.yaml", BASE)]);
    let loaded = config::load("etc/nexus.yaml", &world);
    let files = Files { world: &world, sources: &loaded.sources };
    let document = document::write(&loaded.root.unwrap(), files).to_string();
    assert!(
        document.contains("etc/site.pem") && document.contains("etc/backends.pem"),
        "{document}"
    );
    assert!(!document.contains("PRIVATE"));
    let (cli, said) = Cli::read(["nexus", "-c", "etc/nexus.yaml"].map(Into::into)).unwrap();
    let configured = Configured::new(*cli.flags, said);
    let running = configured.read_from(&world, Colour::Off).map_err(|all| all.text).unwrap();
    let sent = configured.read_text(&document).map_err(|all| all.text).unwrap();
    assert_eq!(Plan::of(&running.settings, &sent.settings, &Up).to_string(), "nothing changes");
}

#[test]
fn an_error_in_a_file_is_an_error_of_the_configuration() {
    let text = "listeners: [{ address: \":1\", tls: { cert: site.crt, client_auth: site.key } }]";
    assert_eq!(
        causes(text),
        [
            "`site.crt` holds no private key in PEM form",
            "`site.key` holds a private key, and no certificate",
        ]
    );
}

#[test]
fn who_asks_a_running_nexus_needs_no_keys() {
    let text = "listeners: [{ address: \":1\", tls: missing.pem }]\nadmin: 127.0.0.1:1";
    let world = Values::of(&[("nexus.yaml", text)]);
    let asked = Cli::read(["nexus", "status", "-c", "nexus.yaml"].map(Into::into)).unwrap().0;
    let Some(Command::Status(how)) = asked.command else { panic!("{asked:?}") };
    let outcome = remote::status(&how, &world);
    assert_eq!(outcome.code, 3, "nobody answers there: {}", outcome.text);
}
