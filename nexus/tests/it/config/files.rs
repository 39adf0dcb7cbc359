//! Formats, includes, variables, and the form of a file in general.

use nexus::config::problem::Problem;
use nexus::config::{self, Loaded, print, render};
use proptest::prelude::*;

use super::{Values, causes, loaded, words, yaml};

const YAML: &str = "
listen: [\":8000\", \"127.0.0.1:9000\"]
workers: 3
pools:
  web:
    backends: [http://a:1, { url: http://b:2 }]
    health_check: { interval: 5s }
routes:
  - match: { host: \"*.example.com\", methods: GET }
    pool: web
    body_limit: 64KiB
  - pool: web
";

const TOML: &str = "
listen = [\":8000\", \"127.0.0.1:9000\"]
workers = 3

[pools.web]
backends = [\"http://a:1\", { url = \"http://b:2\" }]
health_check.interval = \"5s\"

[[routes]]
match = { host = \"*.example.com\", methods = \"GET\" }
pool = \"web\"
body_limit = \"64KiB\"

[[routes]]
pool = \"web\"
";

const JSON: &str = r#"{
  "listen": [":8000", "127.0.0.1:9000"],
  "workers": 3,
  "pools": { "web": {
    "backends": ["http://a:1", { "url": "http:\/\/b:2" }],
    "health_check": { "interval": "5s" }
  } },
  "routes": [
    { "match": { "host": "*.example.com", "methods": "GET" }, "pool": "web", "body_limit": "64KiB" },
    { "pool": "web" }
  ]
}"#;

#[test]
fn all_formats_say_the_same() {
    let world = Values::of(&[("a.yaml", YAML), ("a.toml", TOML), ("a.json", JSON)]);
    let read = |name: &str| words(&loaded(&world, name));
    assert_eq!(read("a.toml"), read("a.yaml"));
    assert_eq!(read("a.json"), read("a.yaml"));
}

#[test]
fn problems_have_the_same_places_in_all_formats() {
    let place = |name: &str, text: &str| {
        let world = Values::of(&[(name, text)]);
        let Loaded { problems, sources, .. } = config::load(name, &world);
        let place = sources.place(problems[0].span);
        (problems.len(), place.line, place.column, place.width)
    };
    assert_eq!(place("a.yaml", "\nlisten: [80000000]\n"), (1, 2, 10, 8));
    assert_eq!(place("a.toml", "\nlisten=[80000000]\n"), (1, 2, 9, 8));
    assert_eq!(place("a.json", "{\n\"listen\":[80000000]}\n"), (1, 2, 11, 8));
    assert_eq!(place("a.json", "[\"ü\u{12d8}\t\"]"), (1, 1, 4, 1));
    assert_eq!(place("a.yaml", "access_log: { ü: 1 }\n"), (1, 1, 15, 1));
}

#[test]
fn an_empty_file_is_as_good_as_none() {
    for text in ["", "# nothing\n", "---\n"] {
        let config = yaml(text);
        assert_eq!(config.listeners[0].address.tcp().unwrap().port(), 8000);
        assert_eq!(config.pools[0].name, "default");
        assert_eq!(config.pools[0].backends.len(), 3);
        assert!(config.into_settings().routes.is_none());
    }
}

#[test]
fn the_short_form_is_a_pool_and_a_route_to_it() {
    let config = yaml("backends: [http://a:1]\nroutes: [{ match: { path: /x }, respond: {} }]");
    let names: Vec<_> = config.routes.routes().iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["/x", "*"]);
    assert_eq!(config.pools[0].name, "default");
    assert!(config.into_settings().routes.is_some());
}

#[test]
fn a_route_that_says_anything_is_not_left_out() {
    for more in
        ["body_limit: 1KiB", "timeouts: { response: 1s }", "response_headers: { remove: Server }"]
    {
        let text = format!(
            "pools: {{ a: {{ backends: [\"http://a:1\"] }} }}\nroutes: [{{ pool: a, {more} }}]"
        );
        assert!(yaml(&text).into_settings().routes.is_some(), "{more}");
    }
    let plain = yaml("pools: { a: { backends: [\"http://a:1\"] } }\nroutes: [{ pool: a }]");
    assert!(plain.into_settings().routes.is_none());
}

#[test]
fn included_files_are_put_together() {
    let world = Values::of(&[
        ("etc/nexus.yaml", "include: [sites/*.toml, more.json]\nroutes: [{ pool: a }]"),
        (
            "etc/sites/b.toml",
            "[pools.b]\nbackends = [\"http://b:1\"]\n[[routes]]\nmatch.path_prefix = \"/b\"\npool = \"b\"",
        ),
        ("etc/sites/a.toml", "[pools.a]\nbackends = [\"http://a:1\"]"),
        ("etc/sites/.hidden.toml", "not TOML"),
        ("etc/more.json", "{ \"workers\": 5, \"timeouts\": { \"idle\": \"5s\" } }"),
    ]);
    let config = loaded(&world, "etc/nexus.yaml");
    let names: Vec<_> = config.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!((names, config.workers), (vec!["a", "b"], 5));
    assert_eq!(config.routes.routes().len(), 2);
}

#[test]
fn a_problem_in_an_included_file_is_shown_there() {
    let world = Values::of(&[("nexus.yaml", "include: a.yaml\n"), ("a.yaml", "\nworker: 1\n")]);
    let Loaded { problems, sources, .. } = config::load("nexus.yaml", &world);
    let place = sources.place(problems[0].span);
    assert_eq!((place.file, place.line), ("a.yaml", 2));
}

#[test]
fn variables_become_numbers_where_numbers_are_wanted() {
    let text = "workers: ${N}\nmax_connections: ${MAX:-77}\nlisten: \":${PORT}\"\nallow_half_close: ${YES}";
    let world =
        Values::of(&[("nexus.yaml", text)]).with("N", "4").with("PORT", "99").with("YES", "true");
    let config = loaded(&world, "nexus.yaml");
    assert_eq!((config.workers, config.connections_max), (4, Some(77)));
    assert_eq!(config.listeners[0].address.tcp().unwrap().port(), 99);
    assert!(config.half_close);
}

#[test]
fn a_secret_never_shows_in_a_problem() {
    let text = "routes: [{ respond: { content_type: \"${file:key}\", status: \"${file:key}\" } }]";
    let world = Values::of(&[("nexus.yaml", text), ("key", "hunter2")]);
    let problems = config::load("nexus.yaml", &world).problems;
    assert!(!problems.is_empty() && !format!("{problems:?}").contains("hunter2"), "{problems:?}");
}

#[test]
fn many_aliases_of_aliases_are_refused_in_time() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..20 {
        let all = vec![format!("*a{}", at - 1); 10].join(", ");
        text += &format!("a{at}: &a{at} [{all}]\n");
    }
    assert!(causes(&text)[0].contains("more than"), "{:?}", causes(&text)[0]);
}

#[test]
fn deep_nesting_is_refused_and_not_a_crash() {
    for (name, text) in [
        ("a.yaml", "[".repeat(100_000)),
        ("a.yaml", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        ("a.json", "[".repeat(100_000)),
        ("a.toml", format!("a = {}", "[".repeat(100_000))),
    ] {
        let world = Values::of(&[(name, &text)]);
        assert!(!config::load(name, &world).problems.is_empty(), "{name}");
    }
}

proptest! {
    #[test]
    fn no_damage_to_a_file_is_a_crash(
        which in 0..3usize,
        at in any::<prop::sample::Index>(),
        length in 0..40usize,
        put in "[\\PC\n\t]{0,12}|\\$\\{[A-Z:-]{0,4}\\}?|[*&!{}\\[\\],:#'\"-]{1,4}",
    ) {
        let (name, text) = [("a.yaml", YAML), ("a.toml", TOML), ("a.json", JSON)][which];
        let chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        let end = (at + length).min(chars.len());
        let damaged: String = chars[..at].iter().copied().chain(put.chars()).chain(chars[end..].iter().copied()).collect();
        let Loaded { config, problems, sources, root } = config::load(name, &Values::of(&[(name, &damaged)]));
        prop_assert_eq!(config.is_none(), problems.iter().any(Problem::is_error));
        render::text(&problems, &sources, render::Colour::On);
        if let (Some(root), Some(_)) = (root, config) {
            print::text(&root, &sources);
        }
    }
}

#[test]
fn ten_thousand_routes_are_read() {
    let mut text = "pools: { web: { backends: [http://a:1] } }\nroutes:\n".to_owned();
    for at in 0..10_000 {
        text += &format!(
            "  - match: {{ host: h{at}.example.com, path_prefix: /p{at} }}\n    pool: web\n"
        );
    }
    assert_eq!(yaml(&text).routes.routes().len(), 10_000);
}
