//! The calls as an OpenAPI document: made of the table and of the types that are answered with.
//!
//! Nothing is said here that the table or a type says: a call that is not in the table is not in the
//! document, and the other way round.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value as Json, json};

use super::table::{Answer, CALLS, Call, Kind, Param};
use crate::admin::rights::Role;

/// What is answered when a call has no result.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "for the schema alone")]
struct Error {
    error: Problem,
}

/// Why a call has no result.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "for the schema alone")]
struct Problem {
    /// Stable.
    code: String,
    /// What is wrong, for people.
    message: String,
    /// What to do about it.
    hint: String,
    /// All problems of a configuration, if it is about one.
    problems: Option<Vec<Json>>,
}

/// Makes the document.
pub fn document() -> Json {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for call in CALLS {
        let operation = operation(call, &mut generator);
        let at = paths.entry(call.path).or_insert_with(|| json!({}));
        at[call.method.to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Nexus admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What an operator asks of a running Nexus, and tells it. Reading needs a token if any is configured; writing always needs one with `role: write`.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(call: &Call, generator: &mut SchemaGenerator) -> Json {
    let mut operation = json!({
        "operationId": operation_id(call),
        "summary": call.meaning,
        "description": format!("Right: {}.", call.role.name()),
        "security": security(call.role),
        "parameters": call.params.iter().map(parameter).collect::<Vec<_>>(),
        "responses": {
            "200": { "description": "The result.", "content": content(&call.answer, generator) },
            "default": {
                "description": "Why there is no result.",
                "content": { "application/json": { "schema": generator.subschema_for::<Error>() } },
            },
        },
    });
    if let Some(schema) = call.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema(generator) } },
        });
    }
    operation
}

/// `GET /v1/log-level` is `get_log_level`.
fn operation_id(call: &Call) -> String {
    let path = call.path.strip_prefix("/v1").unwrap_or(call.path).trim_matches('/');
    let name = if path.is_empty() { "page" } else { path };
    format!("{}_{}", call.method.to_lowercase(), name.replace(['-', '/', '.'], "_"))
}

fn security(role: Role) -> Json {
    match role {
        Role::Open => json!([]),
        // An empty one is: none is needed, as long as none is configured.
        Role::Read => json!([{ "token": [] }, {}]),
        Role::Write => json!([{ "token": [] }]),
    }
}

fn parameter(param: &Param) -> Json {
    let schema = match param.kind {
        Kind::Text(example) => json!({ "type": "string", "examples": [example] }),
        Kind::Number(max) => json!({ "type": "integer", "minimum": 0, "maximum": max }),
        Kind::Time => {
            json!({ "type": "string", "pattern": "^([0-9]+ *[a-z]+ *)+$", "examples": ["30s", "5m", "500ms"] })
        }
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
    };
    json!({
        "name": param.name,
        "in": "query",
        "required": param.is_required,
        "description": param.meaning,
        "schema": schema,
    })
}

fn content(answer: &Answer, generator: &mut SchemaGenerator) -> Json {
    let text = || json!({ "schema": { "type": "string" } });
    match answer {
        Answer::Text(content_type) => json!({ *content_type: text() }),
        Answer::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        Answer::Stream(schema) => json!({
            "text/event-stream": text(),
            "application/json": { "schema": schema(generator) },
        }),
    }
}

/// Names the schema of a type, for the table.
pub(super) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A JSON object of any kind.
pub(super) fn any(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}
