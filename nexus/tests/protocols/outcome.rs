//! How a cell ended: well, or with words that say what came instead.

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

impl<E: std::error::Error> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// How a cell, or a part of it, ended.
pub(crate) type Outcome<T = ()> = Result<T, Wrong>;

/// Fails.
pub(crate) fn wrong<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Wrong(what.into()))
}

/// Fails unless both are the same.
#[expect(clippy::needless_pass_by_value, reason = "it reads like a sentence without references")]
pub(crate) fn same<T, U>(what: &str, found: T, expected: U) -> Outcome
where
    T: PartialEq<U> + std::fmt::Debug,
    U: std::fmt::Debug,
{
    if found == expected { Ok(()) } else { wrong(format!("{what}: {found:?}, not {expected:?}")) }
}

/// Returns bytes as text, for people to compare.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fails unless it holds.
pub(crate) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { wrong(what()) }
}
