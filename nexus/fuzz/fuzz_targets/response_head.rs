//! An answer's head: what is sent on must read back as what was let in, whoever asked for it.
#![no_main]

mod lines;

use libfuzzer_sys::fuzz_target;
use nexus::http1::body::Framing;
use nexus::http1::egress::{self, Reply};
use nexus::http1::head::{RESPONSE_FIELDS_MAX, Version, parse_response};
use nexus::http1::response::{self, Response};

/// Fields that an answer has when it leaves and had not when it came.
const ADDED_MAX: usize = 4;

fuzz_target!(|input: &[u8]| {
    let Some((setting, bytes)) = input.split_first() else {
        return;
    };
    let Ok(Some(head)) = parse_response(bytes) else {
        return;
    };
    let len = head.len;
    assert!(len <= bytes.len());
    assert!(
        matches!(parse_response(&bytes[..len - 1]), Ok(None)),
        "a head ends with its last byte"
    );
    if head.fields.len() > RESPONSE_FIELDS_MAX - ADDED_MAX {
        return; // With what Nexus adds it would be too many for Nexus itself.
    }
    let to_head = setting & 1 != 0;
    let Ok(response) = response::admit(bytes, head, to_head) else {
        return;
    };
    if response.is_interim() {
        check_interim(bytes, &response);
    } else {
        check(bytes, &response, to_head, *setting);
    }
});

fn check_interim(bytes: &[u8], response: &Response) {
    let mut out = Vec::new();
    egress::interim(&mut out, bytes, response);
    let written = lines::Head::strict(&out);
    assert!(
        written.all("content-length").is_empty() && written.all("transfer-encoding").is_empty()
    );
    let again = parse_response(&out).expect("it is a head").expect("it is whole");
    assert_eq!((again.status, again.len), (response.head.status, out.len()));
}

fn check(bytes: &[u8], response: &Response, to_head: bool, setting: u8) {
    let version = if setting & 2 != 0 { Version::Http10 } else { Version::Http11 };
    let framing = match (version, response.body) {
        (Version::Http11, Framing::UntilClose) => Framing::Chunked,
        (Version::Http10, Framing::Chunked) => Framing::UntilClose,
        (_, as_it_is) => as_it_is,
    };
    let keep_alive = setting & 4 != 0 && framing != Framing::UntilClose;
    let reply = Reply {
        framing,
        version,
        keep_alive,
        trailers: setting & 8 != 0,
        own: b"X-Backend-Server: b\r\n",
        date: b"now",
    };
    let mut out = Vec::new();
    egress::response(&mut out, bytes, response, reply);

    let written = lines::Head::strict(&out);
    assert!(written.first.starts_with(b"HTTP/1.1 "));
    assert_eq!(written.all("x-backend-server"), [b"b"]);
    assert!(written.all("x-nexus-error").is_empty());
    assert!(!written.all("date").is_empty());
    written.assert_framing_is_plain();
    written.assert_hop_is_over();

    let head = parse_response(&out).expect("it is a head").expect("it is whole");
    assert_eq!((head.status, head.len), (response.head.status, out.len()));
    let again = response::admit(&out, head, to_head).expect("it may pass");
    assert_eq!(again.body, framing);
    assert_eq!(again.keep_alive, keep_alive || (response.head.status == 101));
}
