//! Requests over TLS: whom to trust, what is agreed on, and how often hands are shaken.

use std::sync::atomic::Ordering;

use crate::server2::{Does, Server};
use crate::{errors, run};

fn server(alpn: &[&str]) -> Server {
    Server::tls(alpn, |_| Does::Answer("https://b1"))
}

#[test]
fn both_versions_are_agreed_on_as_asked() {
    let server = server(&["h2", "http/1.1"]);
    for args in ["-c 2 -n 20 --groups x25519,secp256r1", "-c 2 -n 20 --http2 --streams 2"] {
        let (code, report) = run(&format!("{args} {}", server.flags()));
        assert_eq!((code, &report["totals"]["ok"]), (0, &20.into()), "{args}");
        assert_eq!(report["backends"][0]["name"], "https://b1");
        assert_eq!(report["config"]["tls"], true);
    }
    assert_eq!(server.seqs().len(), 20, "half of them came over HTTP/2");
}

#[test]
fn a_new_connection_is_a_full_handshake_unless_sessions_are_resumed() {
    let server = server(&["http/1.1"]);
    let shaken = |args: &str| {
        let (code, report) =
            run(&format!("-c 1 -n 10 --disable-keepalive {args} {}", server.flags()));
        assert_eq!(code, 0);
        assert_eq!(report["latency"]["handshake"]["count"], 10);
        let of = |key: &str| report["connections"][key].as_u64().unwrap();
        (of("handshakes_full"), of("handshakes_resumed"))
    };
    assert_eq!(shaken(""), (10, 0));
    assert_eq!(shaken("--resume --no-resume"), (10, 0));
    assert_eq!(server.seen.resumed.load(Ordering::SeqCst), 0);
    assert_eq!(shaken("--resume"), (1, 9));
    assert_eq!(server.seen.resumed.load(Ordering::SeqCst), 9);
}

#[test]
fn a_certificate_that_is_not_trusted_is_a_failure_of_its_own_class() {
    let server = server(&["http/1.1"]);
    let other = crate::server2::Server::tls(&["http/1.1"], |_| Does::Hang);
    let trusts = |ca: &str| {
        let url = format!("https://localhost:{}/", server.address.port());
        run(&format!("-n 2 {ca} {url}"))
    };
    let (code, report) = trusts(&format!("--ca {}", other.ca.as_ref().unwrap().display()));
    assert_eq!((code, errors(&report)), (3, vec![("tls_failed", 2)]));
    assert!(report["errors"][0]["sample"].as_str().unwrap().contains("certificate"));
    assert_eq!(trusts("--insecure").0, 0);
}

#[test]
fn a_name_that_is_not_the_certificates_is_not_trusted_wherever_it_leads() {
    let server = server(&["http/1.1"]);
    let ca = server.ca.as_ref().unwrap().display();
    let to = |host: &str| {
        run(&format!("-n 1 --ca {ca} --connect-to {} https://{host}/", server.address))
    };
    assert_eq!(to("localhost").0, 0);
    assert_eq!(errors(&to("example.com").1), [("tls_failed", 1)]);
}

#[test]
fn http2_that_was_not_agreed_on_is_not_spoken() {
    let server = server(&["http/1.1"]);
    let (code, report) = run(&format!("-n 1 --http2 {}", server.flags()));
    assert_eq!((code, errors(&report)), (3, vec![("tls_failed", 1)]));
}
