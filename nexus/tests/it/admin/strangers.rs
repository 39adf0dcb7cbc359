//! Stories of those who may not ask: without a token, with too small a one, from a page of somebody
//! else. Each goes through the whole table, so that a new call is under test with its row.

use nexus::admin::calls::CALLS;
use nexus::admin::rights::Role;

use super::{Filed, READ, WRITE, asking, bearer, error_code, file};
use crate::world::Backend;

/// Says whether nothing was changed: neither a backend nor a reload.
fn is_untouched(filed: &Filed) -> bool {
    let status = filed.json("/v1/status");
    let backend = &status["pools"][0]["backends"][0];
    let is_as_before = backend["is_draining"] == false
        && backend["is_disabled"] == false
        && backend["weight"] == 1
        && backend["ejections"] == 0;
    is_as_before
        && status["reloads"]["last"].is_null()
        && filed.json("/v1/log-level")["level"] == "info"
}

#[test]
fn no_call_that_changes_anything_is_made_without_a_token_that_may() {
    let backend = Backend::named("ok");
    let filed = Filed::start("no-right", &file(&[&backend]));
    let writes: Vec<_> = CALLS.iter().filter(|call| call.role == Role::Write).collect();
    assert!(writes.len() >= 9);
    for call in writes {
        let (path, body) = asking(call, &backend);
        for (fields, status, code) in [
            (String::new(), 401, "no_token"),
            (bearer("wrong-wrong-wrong-wrong"), 401, "no_token"),
            (bearer(&WRITE[..WRITE.len() - 1]), 401, "no_token"),
            (bearer(WRITE).replace("Bearer", "Basic"), 401, "no_token"),
            (bearer(READ), 403, "read_only_token"),
        ] {
            let (got, _, told) = filed.call(call.method, &path, &fields, &body);
            assert_eq!((got, error_code(&told).as_str()), (status, code), "{call:?} {fields}");
        }
    }
    assert!(is_untouched(&filed));

    let text = file(&[&backend]);
    let end = text.find("  tokens:").unwrap();
    let without = format!("{}backends: [http://{}]\n", &text[..end], backend.address);
    let filed = Filed::start("no-tokens-at-all", &without);
    for call in CALLS.iter().filter(|call| call.role == Role::Write) {
        let (path, body) = asking(call, &backend);
        let (status, _, told) = filed.call(call.method, &path, &bearer(WRITE), &body);
        assert_eq!((status, error_code(&told).as_str()), (403, "read_only"), "{call:?}");
    }
    assert!(is_untouched(&filed));
}

#[test]
fn no_call_is_answered_to_a_page_of_somebody_else_whatever_token_it_has() {
    let backend = Backend::named("ok");
    let filed = Filed::start("pages", &file(&[&backend]));
    let token = format!("Authorization: Bearer {WRITE}\r\n");
    let here = filed.address();
    let here = format!("Host: {here}\r\n");
    let simple = "Content-Type: text/plain\r\n";
    for call in CALLS {
        let (path, body) = asking(call, &backend);
        for (fields, code) in [
            // DNS rebinding: the page's own name means this address now.
            ("Host: evil.example\r\n".to_owned(), "unknown_host"),
            (
                "Host: evil.example:9900\r\nOrigin: http://evil.example:9900\r\n".to_owned(),
                "unknown_host",
            ),
            ("Host: 127.0.0.1.evil.example\r\n".to_owned(), "unknown_host"),
            // CSRF: what a form or a simple fetch can send.
            (format!("{here}Origin: http://evil.example\r\n{simple}"), "cross_origin"),
            (format!("{here}Origin: null\r\n{simple}"), "cross_origin"),
            (format!("{here}Origin: http://localhost:3000\r\n"), "cross_origin"),
            (format!("{here}Origin: http://evil\u{e4}.example\r\n"), "cross_origin"),
            // What embeds tells no origin.
            (
                format!("{here}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
                "cross_origin",
            ),
            (format!("{here}Sec-Fetch-Site: same-site\r\n"), "cross_origin"),
            (
                format!(
                    "{here}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"
                ),
                "cross_origin",
            ),
        ] {
            let fields = fields + &token;
            let (status, head, told) = filed.call(call.method, &path, &fields, &body);
            assert_eq!((status, error_code(&told).as_str()), (403, code), "{call:?} {fields}");
            let head = head.to_lowercase();
            assert!(!head.contains("access-control-"), "no page is let in: {head}");
        }
    }
    assert!(is_untouched(&filed));
    // What is not there tells strangers nothing either.
    let (status, ..) = filed.call("GET", "/metrics-to-come", "Host: evil.example\r\n", "");
    assert_eq!(status, 403);
    // Asking first, as browsers do before other methods and fields, leads nowhere.
    let asks =
        format!("{here}Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n");
    let (status, head, _) = filed.call("OPTIONS", "/v1/drain", &asks, "");
    assert_eq!(status, 403);
    assert!(!head.to_lowercase().contains("access-control-"), "{head}");
}

#[test]
fn the_page_of_the_address_itself_and_a_link_to_what_is_open_are_answered() {
    let backend = Backend::named("ok");
    let filed = Filed::start("own-page", &file(&[&backend]));
    let here = filed.address();
    let own = format!(
        "Host: {here}\r\nOrigin: http://{here}\r\nSec-Fetch-Site: same-origin\r\nAuthorization: Bearer {READ}\r\n"
    );
    assert_eq!(filed.call("GET", "/v1/status", &own, "").0, 200);
    let typed = format!("Host: {here}\r\nSec-Fetch-Site: none\r\nAuthorization: Bearer {READ}\r\n");
    assert_eq!(filed.call("GET", "/v1/status", &typed, "").0, 200);
    let link = format!(
        "Host: {here}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
    );
    assert_eq!(filed.call("GET", "/healthz", &link, "").0, 200);
    let (status, _, told) =
        filed.call("GET", "/v1/status", &format!("{link}Authorization: Bearer {READ}\r\n"), "");
    assert_eq!((status, error_code(&told).as_str()), (403, "cross_origin"));
}
