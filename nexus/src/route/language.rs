//! What expressions have in common, decided exactly: their automata are walked side by side.

use std::collections::{HashMap, VecDeque};

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};
use regex_syntax::hir::{Look, literal};

/// Bytes of one automaton; expressions for paths have a few thousand.
const AUTOMATON_BYTES_MAX: usize = 1 << 20;
/// Automata in one check: at most a second or so.
const AUTOMATA_MAX: usize = 500;
/// Steps in one check: at most a second or so.
const STEPS_MAX: usize = 20_000_000;

/// Returns the text that every path begins with in which `pattern` is found; often empty.
pub(super) fn literal_prefix(pattern: &str) -> Vec<u8> {
    let Ok(hir) = parser().build().parse(pattern) else { return Vec::new() };
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return Vec::new();
    }
    let prefixes = literal::Extractor::new().kind(literal::ExtractKind::Prefix).extract(&hir);
    prefixes.longest_common_prefix().unwrap_or_default().to_vec()
}

fn parser() -> regex_syntax::ParserBuilder {
    let mut parser = regex_syntax::ParserBuilder::new();
    parser.utf8(false);
    parser
}

/// Which texts are looked at: those that clients send. None beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Texts that begin with `/`.
    Path,
    /// Texts with spaces.
    Value,
}

/// Whether there is a text of some kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exists {
    /// There is none.
    No,
    /// This is the shortest.
    Yes(String),
    /// It would take too long to find out.
    Unknown,
}

/// Automata, built when first asked about.
#[derive(Debug)]
pub(super) struct Languages {
    automata: HashMap<String, Option<dense::DFA<Vec<u32>>>>,
    steps_left: usize,
}

/// Where one automaton stands; `None` once its expression has been found.
type At = Option<StateID>;

/// Where two stand.
type Pair = (At, At);

impl Languages {
    pub(super) fn new() -> Self {
        Self { automata: HashMap::new(), steps_left: STEPS_MAX }
    }

    /// Looks for a text in which `a` is found, and `b` is (or is not, if so asked).
    pub(super) fn find(&mut self, a: &str, b: &str, b_too: bool, alphabet: Alphabet) -> Exists {
        self.prepare(a);
        self.prepare(b);
        let (Some(Some(a)), Some(Some(b))) = (self.automata.get(a), self.automata.get(b)) else {
            return Exists::Unknown;
        };
        let (Some(start_a), Some(start_b)) = (start(a), start(b)) else { return Exists::Unknown };
        let mut search = Search { a, b, b_too, seen: HashMap::new(), queue: VecDeque::new() };
        match alphabet {
            Alphabet::Value => search.visit((start_a, start_b), None),
            Alphabet::Path => {
                search.visit((step(a, start_a, b'/'), step(b, start_b, b'/')), None);
            }
        }
        let bytes: Vec<u8> = match alphabet {
            Alphabet::Path => (b'!'..=b'~').filter(|byte| !b"#?".contains(byte)).collect(),
            Alphabet::Value => (b' '..=b'~').collect(),
        };
        let found = search.run(&bytes, &mut self.steps_left);
        match found {
            Exists::Yes(text) if alphabet == Alphabet::Path => Exists::Yes(format!("/{text}")),
            found => found,
        }
    }

    fn prepare(&mut self, pattern: &str) {
        if self.automata.len() < AUTOMATA_MAX && !self.automata.contains_key(pattern) {
            self.automata.insert(pattern.to_owned(), build(pattern));
        }
    }
}

fn build(pattern: &str) -> Option<dense::DFA<Vec<u32>>> {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Unanchored)
        .accelerate(false)
        .unicode_word_boundary(true)
        .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
        .determinize_size_limit(Some(AUTOMATON_BYTES_MAX));
    dense::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false))
        .thompson(thompson::Config::new().utf8(false))
        .build(pattern)
        .ok()
}

fn start(automaton: &dense::DFA<Vec<u32>>) -> Option<At> {
    let state = automaton.start_state_forward(&Input::new(b"")).ok()?;
    Some(seen_match(automaton, state))
}

fn step(automaton: &dense::DFA<Vec<u32>>, at: At, byte: u8) -> At {
    seen_match(automaton, automaton.next_state(at?, byte))
}

fn seen_match(automaton: &dense::DFA<Vec<u32>>, state: StateID) -> At {
    (!automaton.is_match_state(state)).then_some(state)
}

fn is_found_at_end(automaton: &dense::DFA<Vec<u32>>, at: At) -> bool {
    at.is_none_or(|state| automaton.is_match_state(automaton.next_eoi_state(state)))
}

/// A search, breadth first, through the pairs of states that two automata can be in.
struct Search<'a> {
    a: &'a dense::DFA<Vec<u32>>,
    b: &'a dense::DFA<Vec<u32>>,
    b_too: bool,
    /// How each pair was come to first.
    seen: HashMap<Pair, Option<(Pair, u8)>>,
    queue: VecDeque<Pair>,
}

impl Search<'_> {
    fn visit(&mut self, pair: Pair, from: Option<(Pair, u8)>) {
        if let std::collections::hash_map::Entry::Vacant(free) = self.seen.entry(pair) {
            free.insert(from);
            self.queue.push_back(pair);
        }
    }

    fn run(&mut self, bytes: &[u8], steps_left: &mut usize) -> Exists {
        while let Some((a, b)) = self.queue.pop_front() {
            if is_found_at_end(self.a, a) && is_found_at_end(self.b, b) == self.b_too {
                return Exists::Yes(self.text((a, b)));
            }
            let is_dead = a.is_some_and(|a| self.a.is_dead_state(a))
                || if self.b_too {
                    b.is_some_and(|b| self.b.is_dead_state(b))
                } else {
                    b.is_none()
                };
            if is_dead {
                continue;
            }
            if *steps_left < bytes.len() {
                return Exists::Unknown;
            }
            *steps_left -= bytes.len();
            for byte in bytes {
                let next = (step(self.a, a, *byte), step(self.b, b, *byte));
                self.visit(next, Some(((a, b), *byte)));
            }
        }
        Exists::No
    }

    fn text(&self, mut pair: Pair) -> String {
        let mut text = Vec::new();
        while let Some(Some((before, byte))) = self.seen.get(&pair) {
            text.push(char::from(*byte));
            pair = *before;
        }
        text.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, expected: &str) {
        let both = Languages::new().find(a, b, true, Alphabet::Path);
        let expected =
            if expected.is_empty() { Exists::No } else { Exists::Yes(expected.to_owned()) };
        assert_eq!(both, expected, "{a} and {b}");
    }

    #[test]
    fn what_two_expressions_have_in_common_is_shown_or_is_nothing() {
        check(r"^/users/\d+$", r"^/users/[^/]+$", "/users/0");
        check(r"^/users/\d+$", r"^/users/[a-z]+$", "");
        check(r"\.php$", r"^/admin/", "/admin/.php");
        check(r"\.php$", r"\.html$", "");
        check(r"\bapi\b", r"^/api$", "/api");
        check(r"(?i)^/ABC$", r"^/abc$", "/abc");
        check(r"a b", r"", "");
        check("", "", "/");
    }

    #[test]
    fn one_expression_is_inside_another_if_nothing_of_it_is_outside() {
        let outside = |a: &str, b: &str| Languages::new().find(a, b, false, Alphabet::Path);
        assert_eq!(outside(r"^/a/\d+$", "^/a/"), Exists::No);
        assert_eq!(outside("^/api(/|$)", "^/api"), Exists::No);
        assert_eq!(outside("^/api(/|$)", "^/api/"), Exists::Yes("/api".into()));
    }

    #[test]
    fn the_text_in_front_is_known_where_there_is_one() {
        let prefix = |pattern: &str| String::from_utf8(literal_prefix(pattern)).unwrap();
        assert_eq!(prefix(r"^/users/(\d+)$"), "/users/");
        assert_eq!(prefix("^/(users|uploads)/x"), "/u");
        assert_eq!(prefix("^/a|^/b"), "/");
        assert_eq!(prefix("^/a|b"), "");
        assert_eq!(prefix("/users"), "");
        assert_eq!(prefix("(?m)^/users"), "");
    }
}
