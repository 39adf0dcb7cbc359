//! The name that a request has in every log it comes by. Pure.

use crate::route::{Fields, HeadFields};

/// Bytes of a name at most: longer ones are no names, and fill logs.
const BYTES_MAX: usize = 128;

/// Returns the name that a trusted proxy gave a request in the field called `header`, if it is sane.
pub fn given<'h>(header: &str, head: &'h HeadFields<'_>) -> Option<&'h str> {
    let value = head.first(header.as_bytes())?;
    let is_sane = (1..=BYTES_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(value).ok().filter(|_| is_sane)
}

/// Makes a name of `dice`: 32 digits, as traces have them.
pub fn made(dice: u128) -> Box<str> {
    format!("{dice:032x}").into()
}

/// Turns a name into a number below `below` that is the same wherever it is asked for: with it, all
/// who keep a part of the requests keep the same ones.
///
/// FNV-1a (Fowler, Noll and Vo), folded by a multiplication, whose upper half depends on all bytes.
pub fn share(name: &[u8], below: u32) -> u32 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, step);
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((u128::from(mixed) * u128::from(below)) >> 64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::head::parse_request;

    #[test]
    fn a_sane_name_is_kept_and_any_other_is_not() {
        let check = |value: &str, expected: Option<&str>| {
            let bytes = format!("GET / HTTP/1.1\r\nx-request-id: {value}\r\n\r\n").into_bytes();
            let head = parse_request(&bytes).unwrap().unwrap();
            let head = HeadFields { bytes: &bytes, fields: &head.fields };
            assert_eq!(given("X-Request-Id", &head), expected, "{value}");
        };
        check("7f3c-A_b.9", Some("7f3c-A_b.9"));
        let (fits, too_long) = ("a".repeat(128), "a".repeat(129));
        check(&fits, Some(&fits));
        check(&too_long, None);
        check("", None);
        check("two words", None);
        check("\u{e9}", None);
        assert_eq!(given("X-Request-Id", &HeadFields::default()), None);
        assert_eq!(&*made(0xab), "000000000000000000000000000000ab");
    }

    #[test]
    fn names_spread_evenly_and_always_alike() {
        let kept = (0..10_000u128).filter(|dice| share(made(*dice).as_bytes(), 100) < 10).count();
        assert!((900..1100).contains(&kept), "{kept} of 10,000 are a tenth");
        assert_eq!(share(b"same", 1_000_000), share(b"same", 1_000_000));
    }
}
