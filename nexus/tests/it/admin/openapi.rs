//! The document of all calls: it has them all, and what is answered is what it says.

use std::io::Write;

use nexus::admin::calls::{Answer, CALLS, openapi};
use serde_json::{Value as Json, json};

use super::{Filed, WRITE, asking, bearer, file};
use crate::world::{Backend, Client, Next, lines, until};

/// Makes a schema of the document one that stands alone.
fn standing_alone(document: &Json, schema: &Json) -> jsonschema::Validator {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn the_document_has_every_call_of_the_table_and_no_other() {
    let document = openapi::document();
    assert_eq!(document["openapi"], "3.1.0");
    for call in CALLS {
        let operation = &document["paths"][call.path][call.method.to_lowercase()];
        assert_eq!(operation["summary"], call.meaning, "{call:?}");
        let names: Vec<_> = call.params.iter().map(|param| json!(param.name)).collect();
        let said: Vec<_> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].clone())
            .collect();
        assert_eq!(said, names, "{call:?}");
        assert_eq!(operation["requestBody"].is_object(), call.body.is_some(), "{call:?}");
        let needs_token = operation["security"] == json!([{ "token": [] }]);
        assert_eq!(needs_token, call.role.name() == "write", "{call:?}");
        for param in operation["parameters"].as_array().unwrap() {
            assert!(param["schema"]["type"].is_string(), "{param}");
            assert!(param["description"].as_str().unwrap().ends_with('.'), "{param}");
        }
    }
    let operations = document["paths"].as_object().unwrap().values();
    let operations: Vec<_> =
        operations.flat_map(|path| path.as_object().unwrap().values()).collect();
    assert_eq!(operations.len(), CALLS.len());
    let ids: std::collections::BTreeSet<_> =
        operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), CALLS.len(), "each has an id of its own: {ids:?}");
}

#[test]
fn a_parameter_that_a_meaning_names_is_in_the_table() {
    for call in CALLS {
        let words = call.meaning.split(['`', '?', '&']).filter(|word| word.contains('='));
        for name in words.filter_map(|word| word.split('=').next()) {
            assert!(call.params.iter().any(|param| param.name == name), "{name}: {call:?}");
        }
    }
}

#[test]
fn what_is_answered_is_what_the_document_says() {
    let backend = Backend::new(|stream, seen| {
        if seen.head.starts_with("GET /fails") {
            return Next::Close;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        Next::Continue
    });
    let filed = Filed::start("openapi", &file(&[&backend]));
    until("it is ready", || filed.call("GET", "/readyz", "", "").0 == 200);
    // So that there is something to tell.
    Client::connect(&filed.nexus).ask(&lines("GET /fails HTTP/1.1|Host: a||"));
    until("it is told", || filed.json("/v1/failures")["failures"][0].is_object());
    filed.nexus.reread("test").unwrap();
    let document = filed.json("/v1/openapi.json");
    assert_eq!(document, openapi::document());
    for call in CALLS {
        let (path, body) = asking(call, &backend);
        let (status, _, answer) = filed.call(call.method, &path, &bearer(WRITE), &body);
        let operation = &document["paths"][call.path][call.method.to_lowercase()];
        let said = if status == 200 { "200" } else { "default" };
        let content = &operation["responses"][said]["content"];
        if status == 200 && matches!(call.answer, Answer::Text(_)) {
            continue;
        }
        let answer: Json = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        let validator = standing_alone(&document, &content["application/json"]["schema"]);
        let problems: Vec<_> =
            validator.iter_errors(&answer).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{call:?}\n{answer:#}\n{problems:#?}");
        if let Some(schema) = operation["requestBody"]["content"]["application/json"].get("schema")
        {
            let body: Json = serde_json::from_str(&body).unwrap();
            assert!(standing_alone(&document, schema).is_valid(&body), "{call:?}: {body}");
        }
    }
}

#[test]
fn a_schema_says_more_than_that_something_is_there() {
    let document = openapi::document();
    let schema = &document["paths"]["/v1/failures"]["get"]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    let validator = standing_alone(&document, schema);
    assert!(validator.is_valid(&json!({ "failures": [] })));
    for wrong in [json!({}), json!({ "failures": [{}] }), json!({ "failures": 1 }), json!([])] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}
