//! The files that a configuration was read from, to show their lines.

use crate::config::node::{FileId, Span};

/// All files read, in the order of reading.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
    /// Where its lines begin: of a long file thousands of places are asked for.
    lines: Vec<usize>,
}

/// Where a span begins, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file's name as it was given or included.
    pub file: &'a str,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The whole line; empty if the file could not be read.
    pub text: &'a str,
    /// How many characters of this line are meant; at least 1.
    pub width: usize,
}

impl Sources {
    /// Adds a file; its text is empty if it could not be read.
    pub fn add(&mut self, name: &str, text: &str) -> FileId {
        let id = u16::try_from(self.files.len()).expect("includes are limited to fewer files");
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        self.files.push(Source { name: name.to_owned(), text: text.to_owned(), lines });
        FileId(id)
    }

    /// Makes sure that what is at these places is never shown.
    pub fn hide(&mut self, secrets: &[Span]) {
        for span in secrets {
            let text = &mut self.files[usize::from(span.file.0)].text;
            let (start, end) = (floor(text, span.start), floor(text, span.end));
            let end = start + text[start..end.max(start)].trim_end().len();
            if start < end {
                // As many characters as before, so that columns stay right.
                let stars = "*".repeat(text[start..end].chars().count());
                text.replace_range(start..end, &format!("{stars:<width$}", width = end - start));
            }
        }
    }

    /// Returns a file's name.
    pub fn name(&self, file: FileId) -> &str {
        &self.files[usize::from(file.0)].name
    }

    /// Returns how many files there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Returns where a span begins.
    pub fn place(&self, span: Span) -> Place<'_> {
        let source = &self.files[usize::from(span.file.0)];
        let text = source.text.as_str();
        let start = floor(text, span.start);
        let line = source.lines.partition_point(|begin| *begin <= start);
        let begin = source.lines[line - 1];
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let meant = &text[start..floor(text, span.end).clamp(start, end)];
        Place {
            file: &source.name,
            line,
            column: text[begin..start].chars().count() + 1,
            text: text[begin..end].trim_end(),
            width: meant.trim_end().chars().count().max(1),
        }
    }
}

/// Returns the start of the character that `at` is in.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters_and_shows_its_line() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "ä: ü\nworkers: 0\n");
        let place = sources.place(Span { file, start: 16, end: 17 });
        assert_eq!((place.line, place.column, place.width), (2, 10, 1));
        assert_eq!(place.text, "workers: 0");
        let umlaut = sources.place(Span { file, start: 4, end: 6 });
        assert_eq!((umlaut.line, umlaut.column), (1, 4));
        let beyond = sources.place(Span { file, start: 99, end: 99 });
        assert_eq!((beyond.line, beyond.column, beyond.text), (3, 1, ""));
    }
}
