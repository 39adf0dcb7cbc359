//! Broken files and what is said of them, word for word.
//!
//! The files are in `tests/gallery`, beside each what `nexus check` says. `UPDATE=1 cargo test -p
//! nexus gallery` writes what it says now; read the difference before you commit it.

use nexus::config::node::FileId;
use nexus::config::problem::{Problem, Step};
use nexus::config::render::{self, Colour};
use nexus::config::{self, Loaded, World, gather, schema};

use super::{Folder, same_as_file};

fn gallery() -> Vec<(String, Loaded)> {
    let folder = Folder::of("tests/gallery");
    let load = |name: String| (config::load(&name, &folder), name);
    folder.names().into_iter().map(load).map(|(loaded, name)| (name, loaded)).collect()
}

#[test]
fn what_is_said_of_broken_files_is_what_was_agreed() {
    let folder = Folder::of("tests/gallery");
    let all = gallery();
    assert!(all.len() >= 25, "{} files", all.len());
    let differs = all.iter().filter(|(name, loaded)| {
        let text = render::text(&loaded.problems, &loaded.sources, Colour::Off);
        !same_as_file(&folder.0.join(format!("{name}.txt")), &text)
    });
    let differs: Vec<_> = differs.map(|(name, _)| name).collect();
    assert!(differs.is_empty(), "other messages than in tests/gallery (UPDATE=1): {differs:?}");
}

#[test]
fn every_message_names_place_cause_and_remedy() {
    for (name, loaded) in gallery() {
        assert!(!loaded.problems.is_empty(), "{name} is not broken");
        for problem in &loaded.problems {
            let place = loaded.sources.place(problem.span);
            let Problem { cause, hint, .. } = problem;
            assert!(!place.file.is_empty() && place.line > 0 && place.column > 0, "{name}");
            assert!(cause.len() > 10 && !cause.contains('\n'), "{name}: {cause}");
            assert!(hint.len() > 10 && !hint.contains('\n'), "{name}: {hint}");
        }
    }
}

#[test]
fn the_schema_refuses_what_check_refuses_for_its_shape() {
    let validator = jsonschema::validator_for(&schema::schema()).unwrap();
    for (name, loaded) in gallery() {
        // As it is written: variables and included files are not for a schema to know.
        let text = Folder::of("tests/gallery").read(&name).unwrap();
        let Ok(root) = gather::parse(&name, &text, FileId(0)) else { continue };
        let is_misshapen = loaded.problems.iter().any(|problem| problem.step == Step::Shape);
        let value = schema::value(&root);
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(is_misshapen, !errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn problems_as_json_say_the_same() {
    for (name, loaded) in gallery() {
        let json = render::json(&loaded.problems, &loaded.sources);
        let all = json["problems"].as_array().unwrap();
        assert_eq!(all.len(), loaded.problems.len(), "{name}");
        for (json, problem) in all.iter().zip(&loaded.problems) {
            assert_eq!(json["cause"], problem.cause.as_str(), "{name}");
            assert_eq!(json["hint"], problem.hint.as_str(), "{name}");
            assert!(json["line"].as_u64().unwrap() > 0, "{name}");
        }
    }
}
