//! gRPC: the standard health check, and an echo of four kinds.

use http::Request;

use crate::harness::Backend;
use crate::wire2::{Answer, Client, post};

fn call(client: &mut Client, path: &str, messages: &[&str]) -> Answer {
    let mut request = post(path);
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    client.ask(request, Some(&messages.concat())).unwrap()
}

/// How a call ended, by trailers or by the head alone.
fn status(answer: &Answer) -> &str {
    let trailers = answer.trailers.as_ref().unwrap_or(&answer.headers);
    trailers["grpc-status"].to_str().unwrap()
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const ANY: &str = "\0\0\0\0\0";
const ONE: &str = "\0\0\0\0\x03one";
const TWO: &str = "\0\0\0\0\x03two";

#[test]
fn a_check_says_what_the_health_endpoint_says() {
    let backend = Backend::start(&["--health-path", "/healthz"]);
    let mut client = Client::plain(&backend);
    for (says, byte) in [("ok", 1), ("fail", 2), ("ok", 1)] {
        backend.call("PUT", "/health", &format!(r#"{{"health":"{says}"}}"#));
        for named in [ANY, "\0\0\0\0\x0b\x0a\x09echo.Echo"] {
            let answer = call(&mut client, CHECK, &[named]);
            assert_eq!(answer.body, [0, 0, 0, 0, 2, 8, byte]);
            assert_eq!((status(&answer), answer.status), ("0", 200));
            assert_eq!(answer.field("content-type"), "application/grpc");
        }
    }
    let unknown = call(&mut client, CHECK, &["\0\0\0\0\x05\x0a\x03who"]);
    assert_eq!((status(&unknown), unknown.body.len()), ("5", 0));
    let stats = backend.stats();
    assert_eq!((&stats["requests"], &stats["health_checks"]), (&0.into(), &7.into()));
}

#[test]
fn without_a_health_endpoint_it_is_serving_and_no_fault_befalls_the_check() {
    let backend = Backend::start(&["--fault", "close"]);
    let answer = call(&mut Client::plain(&backend), CHECK, &[ANY]);
    assert_eq!(answer.body, [0, 0, 0, 0, 2, 8, 1]);
}

#[test]
fn messages_come_back_as_the_kind_of_the_call_has_it() {
    let backend = Backend::start(&[]);
    let mut client = Client::plain(&backend);
    for (method, sent, back) in [
        ("Unary", &[ONE][..], &[ONE][..]),
        ("Bidi", &[ONE, TWO, ONE], &[ONE, TWO, ONE]),
        ("ServerStream", &[TWO], &[TWO, TWO, TWO]),
        ("ClientStream", &[ONE, TWO], &[TWO]),
    ] {
        let answer = call(&mut client, &format!("/echo.Echo/{method}"), sent);
        assert_eq!((answer.text(), status(&answer)), (&*back.concat(), "0"), "{method}");
    }
    assert_eq!(backend.stats()["answers"]["200"], 4);
}

#[test]
fn the_caller_says_how_often_a_message_is_repeated() {
    let backend = Backend::start(&[]);
    let request = Request::post("http://b1/echo.Echo/ServerStream")
        .header("content-type", "application/grpc+proto")
        .header("x-fake-count", "100")
        .body(())
        .unwrap();
    let answer = Client::plain(&backend).ask(request, Some(ONE)).unwrap();
    assert_eq!(answer.text(), ONE.repeat(100));
}

#[test]
fn other_calls_are_not_implemented_and_broken_messages_an_error() {
    let backend = Backend::start(&[]);
    let mut client = Client::plain(&backend);
    let answer = call(&mut client, "/echo.Echo/None", &[ONE]);
    assert_eq!((status(&answer), answer.body.len(), answer.trailers.is_none()), ("12", 0, true));
    let answer = call(&mut client, "/echo.Echo/ClientStream", &["\0\0\0\0\x09half"]);
    assert_eq!(status(&answer), "13");
    let answer = call(&mut client, "/echo.Echo/ClientStream", &["\0\x7f\0\0\0"]);
    assert_eq!(status(&answer), "8");
}

#[test]
fn statuses_and_faults_apply_to_calls_as_to_any_request() {
    let backend = Backend::start(&["--status", "503"]);
    let answer = call(&mut Client::plain(&backend), "/echo.Echo/Unary", &[ONE]);
    assert_eq!((answer.status, answer.trailers), (503, None));
}
