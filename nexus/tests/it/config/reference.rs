//! The documents that are made from the model, and the complete examples.

use std::path::Path;

use nexus::command::init;
use nexus::config::{docs, print, schema};

use super::{Folder, Values, loaded, same_as_file};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn the_reference_is_what_the_model_says() {
    let is_same = same_as_file(&root().join("docs/configuration.md"), &docs::page());
    assert!(is_same, "docs/configuration.md is old (UPDATE=1 cargo test -p nexus reference)");
}

#[test]
fn every_example_can_be_run_and_the_schema_accepts_it() {
    let validator = jsonschema::validator_for(&schema::schema()).unwrap();
    let folder = Folder::of("../examples");
    let names = folder.names();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let loaded = nexus::config::load(&name, &folder);
        assert!(loaded.problems.is_empty(), "{name}: {:?}", loaded.problems);
        let value = schema::value(&loaded.root.unwrap());
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn the_starter_file_can_be_run_with_and_without_its_comments() {
    let starter = init::init().text;
    let (head, body) = starter.split_at(starter.find("listeners:").unwrap());
    let uncommented = |line: &str| match line.strip_prefix('#') {
        // A key at the top, a sentence, or a part of something.
        Some(rest) if rest.starts_with(" Which") => String::new(),
        Some(rest) if rest[1..].starts_with(|c: char| c.is_ascii_lowercase()) => {
            rest[1..].to_owned()
        }
        Some(rest) => format!(" {rest}"),
        None => line.to_owned(),
    };
    let with: Vec<_> = body.lines().map(uncommented).collect();
    let with = with.join("\n").replace("conf.d/*.yaml", "[]").replace("pool: api", "pool: web");
    for text in [starter.clone(), format!("{head}{with}\n")] {
        let loaded = nexus::config::load("nexus.yaml", &Values::of(&[("nexus.yaml", &text)]));
        assert!(loaded.problems.is_empty(), "{text}\n{:?}", loaded.problems);
    }
}

#[test]
fn printing_shows_every_value_and_where_it_came_from() {
    let text = "pools:\n  web:\n    backends: [\"http://${HOST}:1\"]\n    timeouts: { connect: 1s }\n\
        routes:\n  - pool: web\n    request_headers: { set: { X-Key: \"${file:key}\" } }\n";
    let world = Values::of(&[("nexus.yaml", text), ("key", "hunter2\n")]).with("HOST", "a");
    let read = nexus::config::load("nexus.yaml", &world);
    let printed = print::text(&read.root.unwrap(), &read.sources);
    let line = |path: &str| {
        let line = printed.lines().find(|line| line.split_whitespace().next() == Some(path));
        let words: Vec<_> = line.unwrap_or_else(|| panic!("{path}")).split_whitespace().collect();
        words[1..].join(" ")
    };
    assert_eq!(line("pools.web.backends[0].url"), "http://a:1 nexus.yaml:3, with the environment");
    assert_eq!(line("pools.web.timeouts.connect"), "1s nexus.yaml:4");
    assert_eq!(line("pools.web.timeouts.response"), "30s default");
    assert_eq!(line("listeners[0].address"), ":8000 default");
    assert_eq!(line("routes[0].request_headers.set.X-Key"), "(secret) nexus.yaml:7, from a file");
    assert!(!printed.contains("hunter2"));
    assert_eq!(loaded(&world, "nexus.yaml").pools[0].backends[0].to_string(), "http://a:1");
}
