//! What stands in a cookie: which backend, since when, and proof that a Nexus wrote it.
//!
//! ```text
//! issued: 4 bytes │ backend: 8 bytes │ proof: 12 bytes   → 32 letters of base64url
//! ```
//!
//! The backend is a keyed hash (HMAC-SHA-256, RFC 2104) of its pool and URL, so that nobody learns
//! an address from it and every Nexus with the same key knows it with no store. The proof is one of
//! the other two: nobody can make a token for a backend of their choice, nor prolong one.

use std::fmt;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Bytes of the proof: 2^96 guesses.
const PROOF_BYTES: usize = 12;
const BYTES: usize = 12 + PROOF_BYTES;

/// A key, ready to be used.
#[derive(Clone)]
struct Key(Hmac<Sha256>);

/// What tokens are signed with, the first, and may have been signed with, the others.
#[derive(Clone)]
pub struct Keys {
    secrets: Vec<String>,
    keys: Vec<Key>,
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// When it was written, in seconds since 1970.
    pub issued: u32,
    /// Which backend, as [`Keys::backends`] numbers it.
    pub backend: u64,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("a key of any length will do"))
    }

    fn hash(&self, parts: [&[u8]; 3]) -> [u8; 32] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Says whether a proof is this key's, in a time that does not tell how near it is.
    fn is_proved(&self, said: &[u8], proof: &[u8]) -> bool {
        let mut mac = self.0.clone();
        mac.update(b"token\0");
        mac.update(said);
        mac.verify_truncated_left(proof).is_ok()
    }

    fn backend(&self, pool: &str, url: &str) -> u64 {
        let hash = self.hash([b"backend\0", format!("{pool}\0").as_bytes(), url.as_bytes()]);
        u64::from_be_bytes(hash[..8].try_into().expect("eight bytes"))
    }
}

impl Keys {
    /// Takes secrets; without any, one that this process makes up.
    pub fn new(secrets: Vec<String>) -> Self {
        static MADE_UP: OnceLock<[u8; 32]> = OnceLock::new();
        let made_up = || *MADE_UP.get_or_init(random);
        let keys = match secrets.is_empty() {
            true => vec![Key::new(&made_up())],
            false => secrets.iter().map(|secret| Key::new(secret.as_bytes())).collect(),
        };
        Self { secrets, keys }
    }

    /// Returns the numbers that stand for a backend, one for each key.
    pub fn backends(&self, pool: &str, url: &str) -> Vec<u64> {
        self.keys.iter().map(|key| key.backend(pool, url)).collect()
    }

    /// Writes a token, for a number under the first key.
    pub fn write(&self, token: Token) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend(token.issued.to_be_bytes());
        bytes.extend(token.backend.to_be_bytes());
        let proof = self.keys[0].hash([b"token\0", &bytes, b""]);
        bytes.extend(&proof[..PROOF_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token; `None` is none of a Nexus with one of these keys.
    pub fn read(&self, text: &[u8]) -> Option<Token> {
        let mut bytes = [0; BYTES];
        // Whatever else the client says must not cost anything.
        let is_whole = text.len() == BYTES / 3 * 4
            && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).is_ok_and(|len| len == BYTES);
        let (said, proof) = bytes.split_at(12);
        let is_proved = || self.keys.iter().any(|key| key.is_proved(said, proof));
        (is_whole && is_proved()).then(|| Token {
            issued: u32::from_be_bytes(said[..4].try_into().expect("four bytes")),
            backend: u64::from_be_bytes(said[4..].try_into().expect("eight bytes")),
        })
    }
}

/// Makes a key: the seeds of the standard library's hashes are the system's.
fn random() -> [u8; 32] {
    use std::hash::{BuildHasher, RandomState};
    let mut bytes = [0; 32];
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&RandomState::new().hash_one(part.as_ptr()).to_be_bytes());
    }
    bytes
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.secrets == other.secrets
    }
}

impl Eq for Keys {}

/// The secrets are not shown.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.secrets.len() {
            0 => f.write_str("made up"),
            count => write!(f, "{count} given"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(secrets: &[&str]) -> Keys {
        Keys::new(secrets.iter().map(ToString::to_string).collect())
    }

    const TOKEN: Token = Token { issued: 1_700_000_000, backend: 0x0123_4567_89ab_cdef };

    #[test]
    fn a_token_is_read_by_everybody_with_its_key_and_by_nobody_else() {
        let text = keys(&["a secret"]).write(TOKEN);
        assert_eq!(text.len(), 32);
        assert_eq!(keys(&["a secret"]).read(text.as_bytes()), Some(TOKEN));
        assert_eq!(keys(&["a newer one", "a secret"]).read(text.as_bytes()), Some(TOKEN));
        assert_eq!(keys(&["another"]).read(text.as_bytes()), None);
        assert_eq!(keys(&[]).read(text.as_bytes()), None);
        assert_eq!(
            keys(&[]).read(keys(&[]).write(TOKEN).as_bytes()),
            Some(TOKEN),
            "of this process"
        );
    }

    #[test]
    fn a_backend_has_another_number_in_another_pool_and_under_another_key() {
        let number = |secret, pool, url| keys(&[secret]).backends(pool, url)[0];
        let one = number("a", "web", "http://10.0.0.1:80");
        assert_eq!(one, number("a", "web", "http://10.0.0.1:80"));
        assert_ne!(one, number("b", "web", "http://10.0.0.1:80"));
        assert_ne!(one, number("a", "api", "http://10.0.0.1:80"));
        assert_ne!(one, number("a", "web", "http://10.0.0.2:80"));
    }

    proptest! {
        #[test]
        fn a_token_with_any_bit_changed_is_none(at in 0..BYTES * 8) {
            let keys = keys(&["a secret"]);
            let mut bytes = URL_SAFE_NO_PAD.decode(keys.write(TOKEN)).unwrap();
            bytes[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(keys.read(URL_SAFE_NO_PAD.encode(bytes).as_bytes()), None);
        }

        #[test]
        fn whatever_else_is_sent_is_none(text in prop::collection::vec(any::<u8>(), 0..50)) {
            prop_assert_eq!(keys(&["a secret"]).read(&text), None);
        }
    }
}
