//! Reading scenarios.

use super::*;

const LEAST: &str = "about = 'x'\n[load]\nworkers = 1\nrequests = 1\n[expect]\nfailed = 0\n";

fn wrong(text: &str) -> String {
    format!("{:#}", Scenario::parse("x", text).unwrap_err())
}

#[test]
fn the_least_scenario_has_three_backends_and_no_steps() {
    let scenario = Scenario::parse("least", LEAST).unwrap();
    assert_eq!(scenario.backend_ids(), ["b1", "b2", "b3"]);
    assert!(scenario.steps.is_empty());
    assert_eq!(scenario.load.flags(), ["--workers=1", "--requests=1"]);
}

#[test]
fn a_key_that_is_not_known_is_an_error_with_its_line() {
    let complaint = wrong(&format!("{LEAST}faild = 0\n"));
    assert!(complaint.contains("faild") && complaint.contains("line 7"), "{complaint}");
}

#[test]
fn steps_take_exactly_the_keys_of_their_verb() {
    let step = |keys: &str| format!("{LEAST}[[step]]\n{keys}\n");
    assert!(
        Scenario::parse("x", &step("at = '1s'\ndo = 'fault'\nbackend = 'b1'\nfault = 'hang'"))
            .is_ok()
    );
    assert!(wrong(&step("at = '1s'\ndo = 'fault'\nbackend = 'b1'")).contains("fault"));
    assert!(
        wrong(&step("at = '1s'\ndo = 'kill'\nbackend = 'b1'\nfault = 'hang'")).contains("fault")
    );
    assert!(wrong(&step("at = '1s'\ndo = 'explode'\nbackend = 'b1'")).contains("explode"));
    assert!(wrong(&step("at = '1s'\ndo = 'kill'\nbackend = 'b4'")).contains("b4"));
}

#[test]
fn a_reload_needs_files_a_rate_and_a_nexus_with_a_file() {
    let reload = "[[step]]\ndo = 'reload'\nwith = ['a', 'b']\nrate = 10\nlasts = '2s'\n";
    let text = format!("config = 'c'\n{LEAST}{reload}");
    let scenario = Scenario::parse("x", &text).unwrap();
    assert_eq!(scenario.steps[0].to_string(), "reload 10 times a second for 2s");
    assert!(wrong(&format!("{LEAST}{reload}")).contains("config"));
    assert!(wrong(&text.replace("rate = 10", "rate = 0")).contains("rate"));
    assert!(wrong(&text.replace("['a', 'b']", "[]")).contains("with"));
}

#[test]
fn companions_need_a_run_with_a_duration() {
    let text = format!("beside = ['websocket', 'download']\n{LEAST}");
    assert!(wrong(&text).contains("duration"));
    let text = text.replace("requests = 1", "duration = '2s'");
    let both = [Beside::Websocket, Beside::Download];
    assert_eq!(Scenario::parse("x", &text).unwrap().beside, both);
}

#[test]
fn protocols_are_said_for_clients_and_for_backends() {
    let backends = "[backends]\nprotocol = 'h2c'\n";
    let text = format!("{backends}{LEAST}")
        .replace("requests = 1", "requests = 1\nprotocol = 'h2c'\nstreams = 8");
    let text = format!("about = 'x'\n{}", text.replacen("about = 'x'\n", "", 1));
    let scenario = Scenario::parse("x", &text).unwrap();
    assert_eq!(scenario.backends.protocol, BackendProtocol::H2c);
    let flags = ["--workers=1", "--http2", "--streams=8", "--requests=1"];
    assert_eq!(scenario.load.flags(), flags);
    assert!(wrong(&text.replace("streams = 8", "streams = 0")).contains("streams"));
    assert!(wrong(&text.replace("'h2c'", "'h3'")).contains("h3"));
    for (h2c, tls) in [
        ("protocol = 'h2c'\nstreams", "protocol = 'h2'\nstreams"),
        (backends, "[backends]\nprotocol = 'https'\n"),
    ] {
        assert!(wrong(&text.replace(h2c, tls)).contains("config"));
    }
}

#[test]
fn what_is_for_later_is_left_out_like_what_is_long() {
    let tagged = |tag: &str| {
        Scenario::parse("x", &format!("tags = ['{tag}']\n{LEAST}")).unwrap().is_left_out()
    };
    assert!(tagged("later") && tagged("long") && !tagged("short"));
}

#[test]
fn steps_come_in_the_order_of_their_times() {
    let steps = "[[step]]\nat = '2s'\ndo = 'kill'\nbackend = 'b1'\n\
                 [[step]]\nat = '1s'\ndo = 'start'\nbackend = 'b1'\n";
    assert!(wrong(&format!("{LEAST}{steps}")).contains("before"));
}

#[test]
fn what_cannot_be_known_cannot_be_expected() {
    let killed = "run_twice = 0\n[[step]]\nat = '1s'\ndo = 'kill'\nbackend = 'b1'\n";
    assert!(wrong(&format!("{LEAST}{killed}")).contains("journal"));
    assert!(wrong(&format!("{LEAST}share = {{ b9 = '1/3' }}\n")).contains("b9"));
    assert!(wrong(&format!("{LEAST}p99 = '< 5'\n")).contains("p99"));
}

#[test]
fn health_checks_are_told_what_they_can_be_told() {
    let step =
        |says: &str| format!("{LEAST}[[step]]\ndo = 'health'\nbackend = 'b1'\nsays = '{says}'\n");
    let scenario = Scenario::parse("x", &step("fail")).unwrap();
    assert_eq!(scenario.steps[0].to_string(), "health checks of b1: fail");
    assert!(wrong(&step("ill")).contains("ok, fail or hang"));
}

#[test]
fn calm_is_asked_of_a_nexus_with_an_admin_address() {
    let text = format!("{LEAST}[[step]]\ndo = 'await_calm'\nwithin = '1s'\n");
    assert!(wrong(&text).contains("config"));
    Scenario::parse("x", &format!("config = 'c'\n{text}")).unwrap();
}

#[test]
fn times_and_bounds_are_filled_in_before_they_are_read() {
    let health = "[health]\ninterval = '1s'\ntimeout = '1s'\n";
    let step = "[[step]]\nat = \"1s + detect\"\ndo = 'kill'\nbackend = 'b1'\n";
    let scenario = Scenario::parse("x", &format!("{LEAST}{step}{health}")).unwrap();
    assert_eq!(scenario.steps[0].at, Some(Duration::from_millis(3100)));
    assert!(wrong(&format!("{LEAST}{step}")).contains("[health]"));
}
