//! A request head: what is forwarded must read back as what was let in.
#![no_main]

mod lines;

use libfuzzer_sys::fuzz_target;
use nexus::http1::body::Framing;
use nexus::http1::egress::{self, Changes, Client};
use nexus::http1::forwarded::ForwardedFields;
use nexus::http1::gate::{self, Admission, Request, Target};
use nexus::http1::head::{REQUEST_FIELDS_MAX, parse_request};

/// Fields that a request has when it leaves and may not have had when it came.
const ADDED_MAX: usize = 6;

const BACKEND: &[u8] = b"backend:81";

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(head)) = parse_request(bytes) else {
        return;
    };
    let len = head.len;
    assert!(len <= bytes.len());
    assert!(matches!(parse_request(&bytes[..len - 1]), Ok(None)), "a head ends with its last byte");
    if head.fields.len() > REQUEST_FIELDS_MAX - ADDED_MAX {
        return; // With what Nexus adds it would be too many for Nexus itself.
    }
    if let Ok(Admission::Forward(request)) = gate::admit(bytes, head) {
        for is_trusted in [false, true] {
            check(bytes, &request, is_trusted);
        }
    }
});

fn check(bytes: &[u8], request: &Request, is_trusted: bool) {
    let mut out = Vec::new();
    let ip = [10, 0, 0, 7].into();
    let told_by = ForwardedFields::Both;
    let client = Client { ip, is_trusted, told_by, is_secured: false, certificate: None };
    egress::request(&mut out, bytes, request, client, BACKEND, Changes::default());

    let written = lines::Head::strict(&out);
    assert_eq!(written.all("host").len(), 1);
    assert!(!written.all("x-forwarded-for").is_empty());
    assert_eq!(written.first.iter().filter(|byte| **byte == b' ').count(), 2);
    written.assert_framing_is_plain();
    written.assert_hop_is_over();

    let head = parse_request(&out).expect("it is a head").expect("it is whole");
    assert_eq!(head.len, out.len());
    if written.all("max-forwards").contains(&&b"0"[..]) {
        return; // The next hop answers it.
    }
    let Ok(Admission::Forward(again)) = gate::admit(&out, head) else {
        panic!("refused: {}", out.escape_ascii());
    };
    let method = |bytes, request: &Request| request.head.method.of(bytes).to_vec();
    assert_eq!(method(&out, &again), method(bytes, request));
    assert_eq!(target(&out, &again), target(bytes, request));
    let host = if request.host.is_empty() { BACKEND } else { request.host.of(bytes) };
    assert_eq!(again.host.of(&out), host);
    assert_eq!(again.body, request.body);
    assert!(again.body != Framing::UntilClose);
    assert_eq!(again.expects_continue, request.expects_continue);
    assert_eq!(again.takes_trailers, request.takes_trailers);
    let offer = |bytes, request: &Request| request.upgrade.map(|offer| offer.of(bytes).to_vec());
    assert_eq!(offer(&out, &again), offer(bytes, request));
}

fn target(bytes: &[u8], request: &Request) -> Vec<u8> {
    match request.target {
        Target::Path(path) => path.of(bytes).to_vec(),
        Target::Query(query) => [b"/", query.of(bytes)].concat(),
        Target::Root => b"/".to_vec(),
        Target::Asterisk => b"*".to_vec(),
    }
}
