use super::*;
use crate::config::{self, World};

/// A world of one file.
struct File<'t>(&'t str);

impl World for File<'_> {
    fn read(&self, _: &str) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn list(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

fn settings(text: &str) -> Settings {
    let loaded = config::load("nexus.yaml", &File(text));
    let problems: Vec<_> = loaded.problems.iter().map(|problem| problem.cause.clone()).collect();
    loaded.config.unwrap_or_else(|| panic!("{problems:?}")).into_settings()
}

/// All are UP but those named.
struct Down(&'static [&'static str]);

impl Facts for Down {
    fn is_up(&self, _: &str, backend: &str) -> Option<bool> {
        Some(!self.0.contains(&backend))
    }
}

const BASE: &str = "
listen: 127.0.0.1:8000
workers: 2
pools:
  web: { backends: [http://b1:1, http://b2:1, http://b3:1] }
  api: { backends: [http://b4:1] }
routes:
  - { name: api, match: { path: /api }, pool: api }
  - { name: all, pool: web }
";

/// Plans `BASE` with some of its text replaced.
fn planned(replaced: &[(&str, &str)], facts: &dyn Facts) -> Plan {
    let new = replaced.iter().fold(BASE.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old} is in the base");
        text.replace(old, new)
    });
    Plan::of(&settings(BASE), &settings(&new), facts)
}

fn shown(replaced: &[(&str, &str)]) -> String {
    planned(replaced, &Down(&[])).to_string()
}

#[test]
fn the_same_settings_change_nothing() {
    let plan = planned(&[], &Down(&[]));
    assert!(plan.is_empty());
    assert_eq!(plan.to_string(), "nothing changes");
}

#[test]
fn listeners_come_and_go() {
    let plan = shown(&[("listen: 127.0.0.1:8000", "listen: 127.0.0.1:8001")]);
    assert_eq!(
        plan,
        "  listener 127.0.0.1:8001 is added\n\
         ! listener 127.0.0.1:8000 is removed: accepts nobody, and its connections are closed \
         after their next answer"
    );
}

#[test]
fn what_only_a_restart_can_do_is_a_refusal() {
    let plan = planned(&[("workers: 2", "workers: 3")], &Down(&[]));
    assert_eq!(plan.to_string(), "✗ workers 2 → 3: needs a restart");
    assert_eq!(plan.refusal().map(|change| change.what.as_str()), Some("workers"));
}

#[test]
fn routes_are_added_removed_and_changed_by_name() {
    let more =
        "\n  - { name: img, match: { path: /img }, pool: web }\n  - { name: all, pool: api }";
    let plan = shown(&[
        ("\n  - { name: api, match: { path: /api }, pool: api }", ""),
        ("\n  - { name: all, pool: web }", more),
    ]);
    assert_eq!(plan, "  routes added: img\n  routes removed: api\n  routes changed: all");
}

#[test]
fn many_routes_are_counted_not_listed() {
    let route = |at| format!("\n  - {{ name: r{at:02}, match: {{ path: /r{at} }}, pool: web }}");
    let many: String = (0..12).map(route).collect();
    let plan = shown(&[("\nroutes:", &format!("\nroutes:{many}"))]);
    assert!(plan.ends_with("r08, r09, and 2 more"), "{plan}");
}

#[test]
fn a_lost_backend_is_lost_capacity() {
    let plan = shown(&[("http://b2:1, ", "")]);
    assert_eq!(
        plan,
        "! pool web: http://b2:1 is removed: requests under way are finished, its idle \
         connections closed\n! pool web loses capacity: 3 → 2 backends UP"
    );
}

#[test]
fn a_dead_backend_is_no_capacity() {
    let plan = planned(&[("http://b2:1, ", "")], &Down(&["http://b2:1"])).to_string();
    assert!(!plan.contains("capacity"), "{plan}");
    let plan = planned(&[("[http://b4:1]", "[http://b5:1]")], &Down(&["http://b5:1"])).to_string();
    assert!(plan.contains("1 → 0 backends UP: nobody is left to answer"), "{plan}");
}

#[test]
fn pools_come_and_go() {
    let new = "  api: { backends: [http://b4:1] }\n  new: { backends: [http://b5:1] }";
    let plan = shown(&[
        ("  api: { backends: [http://b4:1] }", new),
        ("{ name: all, pool: web }", "{ name: all, pool: new }"),
    ]);
    assert!(plan.contains("  pool new is added, with 1 backend: probed at once"), "{plan}");
}

#[test]
fn secrets_are_not_shown() {
    let admin = |secret: &str| {
        let token = format!("{{ name: ops, token: {secret}, role: write }}");
        format!("workers: 2\nadmin: {{ address: 127.0.0.1:9900, tokens: [{token}] }}")
    };
    let (old, new) = (admin("0123456789abcdef"), admin("fedcba9876543210"));
    let text = |admin: &str| settings(&BASE.replace("workers: 2", admin));
    let plan = Plan::of(&text(&old), &text(&new), &Down(&[])).to_string();
    assert_eq!(plan, "  admin.tokens have new secrets");
    let plan = Plan::of(&text("workers: 2"), &text(&old), &Down(&[])).to_string();
    assert_eq!(plan, "  admin.address nowhere → 127.0.0.1:9900\n  admin.tokens [] → [ops (write)]");
}

#[test]
fn values_are_shown_before_and_after() {
    let plan = shown(&[("workers: 2", "workers: 2\ntimeouts: { idle: 30s }\nmax_connections: 7")]);
    assert!(plan.contains("  timeouts.idle 60s → 30s"), "{plan}");
    assert!(plan.contains("→ 7"), "{plan}");
}

#[test]
fn a_health_check_is_told_by_its_keys_and_without_what_may_be_secret() {
    let check = "[http://b4:1], health_check: { type: http, initial: down, path: /up, headers: { X-Key: hidden } }";
    let said = shown(&[("[http://b4:1]", check)]);
    for part in [
        "health_check.type tcp → http",
        "health_check.path / → /up",
        "health_check.initial up → down",
        "health_check.headers change",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(!said.contains("hidden"), "{said}");
}

#[test]
fn what_is_said_to_other_proxies_and_by_them_changes_in_words() {
    let listener = "listeners: [{ address: 127.0.0.1:8000, protocol: http1, proxy_protocol: true }]\ntrusted_proxies: [10.0.0.0/8]\nforwarded_fields: both";
    let pool = "backends: [http://b4:1], proxy_protocol: v2";
    let plan = shown(&[("listen: 127.0.0.1:8000", listener), ("backends: [http://b4:1]", pool)]);
    assert_eq!(
        plan,
        "  listener 127.0.0.1:8000: proxy_protocol false → true
  listener 127.0.0.1:8000: protocol auto → http1
  pool api: proxy_protocol none → v2: its backends are probed anew, as new ones
  trusted_proxies [] → [10.0.0.0/8]
  forwarded_fields x_forwarded → both"
    );
}
