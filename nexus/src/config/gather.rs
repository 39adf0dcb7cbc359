//! A file and everything that it includes, as one tree.

use crate::config::World;
use crate::config::node::{Entry, FileId, Node, Span, Value};
use crate::config::problem::{Problem, Step};
use crate::config::source::Sources;
use crate::config::{json, substitute, toml, yaml};

/// Files that one configuration may consist of.
const FILES_MAX: usize = 10_000;

/// Reads a file and what it includes. What cannot be read is left out, with a problem.
pub fn gather(path: &str, world: &dyn World) -> (Sources, Option<Node>, Vec<Problem>) {
    let mut gather =
        Gather { world, sources: Sources::default(), problems: Vec::new(), open: Vec::new() };
    let root = gather.file(path, None);
    (gather.sources, root, gather.problems)
}

struct Gather<'a> {
    world: &'a dyn World,
    sources: Sources,
    problems: Vec<Problem>,
    /// The files that are being read, each included by the one before.
    open: Vec<String>,
}

impl Gather<'_> {
    /// Reads a file that was named at `from`, or on the command line.
    fn file(&mut self, path: &str, from: Option<Span>) -> Option<Node> {
        let text = self.world.read(path);
        let file = self.sources.add(path, text.as_deref().unwrap_or_default());
        let here = Span { file, start: 0, end: 0 };
        let text = match text {
            Ok(text) => text,
            Err(why) => {
                let hint = "check path and permissions; `nexus init > nexus.yaml` makes a file to start from";
                let cause = format!("cannot read {path}: {why}");
                self.problems.push(Problem::error(Step::Syntax, from.unwrap_or(here), cause, hint));
                return None;
            }
        };
        let mut root = match parse(path, &text, file) {
            Ok(root) => root,
            Err(problems) => {
                self.problems.extend(problems);
                return None;
            }
        };
        let world = self.world;
        let secret = |name: &str| world.read(&beside(path, name));
        self.problems.extend(substitute::apply(&mut root, &|name| world.env(name), &secret));
        self.open.push(path.to_owned());
        self.includes(path, &mut root);
        self.open.pop();
        Some(root)
    }

    /// Reads what a file includes, and puts it into its tree.
    fn includes(&mut self, path: &str, root: &mut Node) {
        let patterns: Vec<(String, Span)> =
            match root.get("include").map(|node| (&node.value, node)) {
                Some((Value::List(nodes), _)) => nodes.iter().filter_map(pattern).collect(),
                Some((_, node)) => pattern(node).into_iter().collect(),
                None => return,
            };
        for (pattern, span) in patterns {
            for name in self.matches(&beside(path, &pattern), span) {
                if let Some(node) = self.included(&name, span) {
                    self.unite(root, node);
                }
            }
        }
    }

    fn included(&mut self, name: &str, span: Span) -> Option<Node> {
        if let Some(at) = self.open.iter().position(|open| open == name) {
            let circle: Vec<_> = self.open[at..].iter().map(String::as_str).chain([name]).collect();
            let cause = format!("files include each other in a circle: {}", circle.join(" → "));
            let hint = "remove one of the includes";
            self.problems.push(Problem::error(Step::Meaning, span, cause, hint));
            return None;
        }
        let is_known = (0..self.sources.count())
            .any(|at| u16::try_from(at).is_ok_and(|at| self.sources.name(FileId(at)) == name));
        if is_known {
            let cause = format!("{name} is included twice; it counts once");
            self.problems.push(Problem::warning(span, cause, "remove one of the includes"));
            return None;
        }
        if self.sources.count() >= FILES_MAX {
            let cause = format!("more than {FILES_MAX} files");
            self.problems.push(Problem::error(Step::Meaning, span, cause, "put several into one"));
            return None;
        }
        self.file(name, Some(span))
    }

    /// Returns the files that an `include` means, in the order of their names.
    fn matches(&mut self, pattern: &str, span: Span) -> Vec<String> {
        let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
        if folder.contains(['*', '?']) {
            let hint = "name each folder: only the file's name may have `*` and `?`";
            let cause = format!("`{pattern}` has `*` or `?` in a folder's name");
            self.problems.push(Problem::error(Step::Meaning, span, cause, hint));
            return Vec::new();
        }
        if !name.contains(['*', '?']) {
            return vec![pattern.to_owned()];
        }
        let mut names = match self.world.list(folder) {
            Ok(names) => names,
            Err(why) => {
                let cause = format!("cannot read folder {folder}: {why}");
                let hint = "create the folder, or correct the path; it is relative to this file";
                self.problems.push(Problem::error(Step::Syntax, span, cause, hint));
                return Vec::new();
            }
        };
        names.retain(|found| is_like(name.as_bytes(), found.as_bytes()) && !found.starts_with('.'));
        names.sort();
        if names.is_empty() {
            let cause = format!("no file is like `{pattern}`");
            let hint = "add one, correct the path, or remove the include";
            self.problems.push(Problem::warning(span, cause, hint));
        }
        names
            .into_iter()
            .map(|name| {
                pattern
                    .rsplit_once('/')
                    .map_or(name.clone(), |(folder, _)| format!("{folder}/{name}"))
            })
            .collect()
    }

    /// Puts an included tree into the one that includes it.
    fn unite(&mut self, root: &mut Node, other: Node) {
        let (Value::Table(all), Value::Table(more)) = (&mut root.value, other.value) else {
            return;
        };
        for entry in more.into_iter().filter(|entry| entry.key != "include") {
            let Some(known) = all.iter_mut().find(|known| known.key == entry.key) else {
                all.push(entry);
                continue;
            };
            match (&mut known.node.value, entry.node.value) {
                (Value::List(all), Value::List(more)) => all.extend(more),
                (Value::Table(all), Value::Table(more)) => {
                    for entry in more {
                        match all.iter().find(|known| known.key == entry.key) {
                            Some(known) => self.problems.push(twice(&entry, known.span)),
                            None => all.push(entry),
                        }
                    }
                }
                (_, value) => {
                    let entry = Entry { node: Node { value, ..entry.node }, ..entry };
                    self.problems.push(twice(&entry, known.span));
                }
            }
        }
    }
}

fn twice(entry: &Entry, first: Span) -> Problem {
    let cause = format!("`{}` is set in two files", entry.key);
    let hint = "keep one of the two";
    Problem::error(Step::Meaning, entry.span, cause, hint).beside(first, "first here")
}

fn pattern(node: &Node) -> Option<(String, Span)> {
    match &node.value {
        Value::Text(text) => Some((text.clone(), node.span)),
        _ => None,
    }
}

/// Reads a text in the format that its file's name says.
///
/// # Errors
///
/// Says where it is not of that format.
pub fn parse(path: &str, text: &str, file: FileId) -> Result<Node, Vec<Problem>> {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("yaml" | "yml") => yaml::read(text, file),
        Some("json") => json::read(text, file),
        Some("toml") => toml::read(text, file),
        _ => {
            let span = Span { file, start: 0, end: 0 };
            let cause = format!("{path} does not say what format it has");
            let hint = "let its name end in .yaml, .yml, .toml or .json";
            Err(vec![Problem::error(Step::Syntax, span, cause, hint)])
        }
    }
}

/// Returns the path of a file that is named in another.
pub(super) fn beside(path: &str, name: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, _)) if !name.starts_with('/') => {
            format!("{folder}/{}", name.strip_prefix("./").unwrap_or(name))
        }
        _ => name.strip_prefix("./").unwrap_or(name).to_owned(),
    }
}

/// Says whether a name is like a pattern, in which `*` is any letters and `?` is one.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // Where the last star was, and up to where it stands for the name.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                Some((before, upto)) => {
                    star = Some((before, upto + 1));
                    (at, in_name) = (before + 1, upto + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_letters_and_a_question_mark_is_one() {
        let check = |pattern: &str, name: &str| is_like(pattern.as_bytes(), name.as_bytes());
        assert!(check("*.yaml", "a.yaml"));
        assert!(check("*-?.y*", "a-b-1.yaml"));
        assert!(check("*", ""));
        assert!(!check("*.yaml", "a.yml"));
        assert!(!check("?", ""));
        assert!(!check("a*b", "ac"));
    }

    #[test]
    fn a_path_is_relative_to_the_file_that_names_it() {
        assert_eq!(beside("etc/nexus.yaml", "conf.d/*.yaml"), "etc/conf.d/*.yaml");
        assert_eq!(beside("etc/nexus.yaml", "./a.yaml"), "etc/a.yaml");
        assert_eq!(beside("nexus.yaml", "a.yaml"), "a.yaml");
        assert_eq!(beside("etc/nexus.yaml", "/a.yaml"), "/a.yaml");
    }
}
