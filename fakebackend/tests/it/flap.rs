//! Going up and down by the clock.

use crate::harness::{Backend, until};

#[test]
fn it_goes_down_and_comes_back_again_and_again() {
    let backend = Backend::start(&[]);
    backend.call("PUT", "/flap", r#"{"flap":"up=20ms,down=20ms"}"#);
    for _ in 0..3 {
        until("it is down", || backend.refuses());
        until("it is up", || !backend.refuses());
    }
    until("it has counted", || backend.call("GET", "/state", "")["downs"].as_u64() >= Some(3));
    let state = backend.call("PUT", "/flap", r#"{"flap":null}"#);
    assert_eq!(state["enabled"], true);
    assert_eq!(backend.get("/").text(), "b1\n");
}

#[test]
fn a_rhythm_may_hang_instead_of_refusing() {
    let backend = Backend::start(&["--flap", "up=1ms,down=1h,mode=hang"]);
    until("it is down", || backend.call("GET", "/state", "")["enabled"] == false);
    let mut client = backend.connect();
    client.send("GET / HTTP/1.1\r\n\r\n");
    backend.wait_in_flight(1);
    assert!(client.is_quiet());
}

#[test]
fn being_told_to_be_down_goes_before_the_rhythm() {
    let backend = Backend::start(&["--flap", "up=1h,down=1h"]);
    backend.call("PUT", "/state", r#"{"enabled":false}"#);
    assert!(backend.refuses());
    let state = backend.call("PUT", "/flap", r#"{"flap":"up=1ms,down=1ms"}"#);
    assert_eq!((&state["enabled"], &state["mode"]), (&false.into(), &"refuse".into()));
    let downs = backend.call("PUT", "/flap", r#"{"flap":null}"#)["downs"].clone();
    assert_eq!(downs, 1);
}
