//! `${NAME}`, `${NAME:-default}` and `${file:PATH}` in values; `$${` is `${`.
//!
//! A value that is made so counts as unquoted: `workers: ${N}` is a number if `N` is.

use crate::config::node::{Node, Origin, Value};
use crate::config::problem::{Problem, Step};
use crate::config::yaml;

/// Replaces everything that has to be replaced in a tree; `env` and `file` find values.
pub fn apply(
    node: &mut Node,
    env: &dyn Fn(&str) -> Option<String>,
    file: &dyn Fn(&str) -> Result<String, String>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(node, &Finders { env, file }, &mut problems);
    problems
}

struct Finders<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    file: &'a dyn Fn(&str) -> Result<String, String>,
}

fn walk(node: &mut Node, finders: &Finders<'_>, problems: &mut Vec<Problem>) {
    match &mut node.value {
        Value::List(nodes) => nodes.iter_mut().for_each(|node| walk(node, finders, problems)),
        Value::Table(entries) => {
            entries.iter_mut().for_each(|entry| walk(&mut entry.node, finders, problems));
        }
        Value::Text(text) if text.contains("${") => match replaced(text, finders) {
            Ok((text, Origin::Written)) => node.value = Value::Text(text),
            Ok((text, origin)) => {
                node.value = match yaml::plain(&text) {
                    Value::Empty => Value::Text(text),
                    value => value,
                };
                node.origin = origin;
            }
            Err((cause, hint)) => {
                node.origin = Origin::Missing;
                problems.push(Problem::error(Step::Meaning, node.span, cause, hint));
            }
        },
        Value::Empty | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// Returns the text with everything replaced, and where it is from; or cause and hint.
fn replaced(text: &str, finders: &Finders<'_>) -> Result<(String, Origin), (String, String)> {
    let mut out = String::new();
    let mut origin = Origin::Written;
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let Some((inner, after)) = from[2..].split_once('}') else {
            let hint = "close it with `}`, or write `$${` for the two characters";
            return Err((format!("`{from}` has no end"), hint.to_owned()));
        };
        rest = after;
        // The groups of an expression are not variables.
        if inner.bytes().all(|byte| byte.is_ascii_digit()) && !inner.is_empty() {
            out.push_str(&from[..inner.len() + 3]);
        } else if let Some(path) = inner.strip_prefix("file:") {
            out.push_str(&secret(path, finders)?);
            origin = Origin::Secret;
        } else {
            out.push_str(&variable(inner, finders)?);
            if origin == Origin::Written {
                origin = Origin::Environment;
            }
        }
    }
    out.push_str(rest);
    Ok((out, origin))
}

fn secret(path: &str, finders: &Finders<'_>) -> Result<String, (String, String)> {
    let text = (finders.file)(path).map_err(|why| {
        let hint = "create the file, or correct the path; it is relative to this file";
        (format!("cannot read `{path}`: {why}"), hint.to_owned())
    })?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn variable(inner: &str, finders: &Finders<'_>) -> Result<String, (String, String)> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name {
        let hint = "write `${NAME}`, `${NAME:-default}` or `${file:PATH}`, or `$${` for the two characters";
        return Err((format!("`${{{inner}}}` names no variable"), hint.to_owned()));
    }
    let value = (finders.env)(name).filter(|value| !(value.is_empty() && default.is_some()));
    value.or_else(|| default.map(ToOwned::to_owned)).ok_or_else(|| {
        let hint = format!("set it, or give a default: `${{{name}:-…}}`");
        (format!("the environment variable `{name}` is not set"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let env = |name: &str| match name {
            "PORT" => Some("8000".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let file = |path: &str| match path {
            "token" => Ok("abc\n".to_owned()),
            _ => Err("no such file".to_owned()),
        };
        let found = replaced(text, &Finders { env: &env, file: &file });
        match (found, expected) {
            (Ok((found, _)), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err((cause, _)), Err(part)) => assert!(cause.contains(part), "{text}: {cause}"),
            (found, expected) => panic!("{text}: {found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn variables_and_files_are_put_in() {
        check(":${PORT}", Ok(":8000"));
        check("${PORT}${PORT}", Ok("80008000"));
        check("${HOST:-localhost}:${PORT}", Ok("localhost:8000"));
        check("${EMPTY:-x}${EMPTY}", Ok("x"));
        check("${HOST:-}", Ok(""));
        check("Bearer ${file:token}", Ok("Bearer abc"));
        check("/v2/${1}", Ok("/v2/${1}"));
        check("$${PORT} costs $5", Ok("${PORT} costs $5"));
    }

    #[test]
    fn what_is_missing_is_named() {
        check("${HOST}", Err("`HOST` is not set"));
        check("${PORT", Err("has no end"));
        check("${a b}", Err("names no variable"));
        check("${file:none}", Err("no such file"));
    }
}
