//! Session tickets that several machines can read, by keys from a file that they share.
//!
//! ```text
//! file: one secret a line, base64 of 32 bytes or more; the first seals, all open
//!
//! ticket: key's name (16) │ salt (16) │ AES-256-GCM of (time (8), state) │ tag (16)
//! ```
//!
//! Every ticket has a key of its own, derived from the secret, its salt and the policy on client
//! certificates (HKDF, RFC 5869): machines may seal as many as they like without ever meeting the
//! limit on random nonces, and a ticket from a listener that asked for no certificate opens nothing
//! at one that does. How are keys rotated? Put a new one in front; when [`LIFETIME`] is over, remove
//! the last.

use std::time::{Duration, SystemTime};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::server::ProducesTickets;

use crate::tls::files::Sum;

/// For how long a ticket opens a session: as long as rustls' own. Whoever steals the keys can read
/// what was said in this time.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// How far the clocks of machines that share keys may differ.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(300);

/// Bytes of a secret at least: what the cipher's key has.
const SECRET_BYTES_MIN: usize = 32;

/// Keys in a file at most: each but the first only opens tickets of the last hours.
const KEYS_MAX: usize = 16;

const NAME_BYTES: usize = 16;
const SALT_BYTES: usize = 16;
const TIME_BYTES: usize = 8;

/// The keys of a file.
pub struct TicketKeys {
    keys: Vec<Key>,
    policy: Sum,
}

struct Key {
    name: [u8; NAME_BYTES],
    secret: Prk,
}

/// No secret is shown.
impl std::fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ticket keys", self.keys.len())
    }
}

impl TicketKeys {
    /// Reads a file of keys; its tickets are for listeners with this `policy` on client
    /// certificates alone.
    ///
    /// # Errors
    ///
    /// Says which line is wrong and how.
    pub fn read(text: &[u8], policy: Sum) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is no text".to_owned())?;
        let mut keys = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let secret =
                STANDARD.decode(line).map_err(|_| format!("line {} is not base64", at + 1))?;
            if secret.len() < SECRET_BYTES_MIN {
                let (line, has) = (at + 1, secret.len());
                return Err(format!("line {line} has {has} bytes, fewer than {SECRET_BYTES_MIN}"));
            }
            keys.push(Key::new(&secret, &policy).ok_or("a key cannot be derived")?);
        }
        match keys.len() {
            0 => Err("it has no key".to_owned()),
            1..=KEYS_MAX => Ok(Self { keys, policy }),
            more => Err(format!("it has {more} keys, more than {KEYS_MAX}")),
        }
    }

    /// Seals a session's state at this time.
    fn seal(&self, state: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).ok()?;
        let mut sealed = seconds(now).to_be_bytes().to_vec();
        sealed.extend_from_slice(state);
        key.cipher(&salt, &self.policy)?
            .seal_in_place_append_tag(nonce(), Aad::from(key.name), &mut sealed)
            .ok()?;
        Some([&key.name[..], &salt, &sealed].concat())
    }

    /// Opens a ticket, which may be anything, at this time.
    fn open(&self, ticket: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let (salt, sealed) = rest.split_first_chunk::<SALT_BYTES>()?;
        let key = self.keys.iter().find(|key| key.name == *name)?;
        let mut sealed = sealed.to_vec();
        let opened = key
            .cipher(salt, &self.policy)?
            .open_in_place(nonce(), Aad::from(key.name), &mut sealed)
            .ok()?;
        let (time, state) = opened.split_first_chunk::<TIME_BYTES>()?;
        let (made, now) = (u64::from_be_bytes(*time), seconds(now));
        let is_fresh = made <= now.saturating_add(CLOCKS_DIFFER_MAX.as_secs())
            && now.saturating_sub(made) <= LIFETIME.as_secs();
        is_fresh.then(|| state.to_vec())
    }
}

impl Key {
    fn new(secret: &[u8], policy: &Sum) -> Option<Self> {
        let secret = Salt::new(HKDF_SHA256, b"nexus session tickets 1").extract(secret);
        let mut name = [0; 32];
        secret.expand(&[b"name", policy], HKDF_SHA256).ok()?.fill(&mut name).ok()?;
        let (name, _) = name.split_first_chunk()?;
        Some(Self { name: *name, secret })
    }

    /// Returns the cipher of the one ticket with this salt.
    fn cipher(&self, salt: &[u8; SALT_BYTES], policy: &Sum) -> Option<LessSafeKey> {
        let mut key = [0; 32];
        self.secret.expand(&[b"key", policy, salt], HKDF_SHA256).ok()?.fill(&mut key).ok()?;
        Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?))
    }
}

/// A cipher is used once, so its nonce may be any.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl ProducesTickets for TicketKeys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, SystemTime::now())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher, SystemTime::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const B: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn keys(text: &str) -> TicketKeys {
        TicketKeys::read(text.as_bytes(), [0; 32]).unwrap()
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    #[test]
    fn what_one_machine_seals_another_opens() {
        let ticket = keys(A).seal(b"state", now()).unwrap();
        assert_eq!(keys(A).open(&ticket, now()).as_deref(), Some(&b"state"[..]));
        assert_ne!(keys(A).seal(b"state", now()).unwrap(), ticket, "each has its own salt");
    }

    #[test]
    fn keys_rotate_by_a_new_one_in_front() {
        let (old, both, new) = (keys(A), keys(&format!("# new\n{B}\n\n{A}\n")), keys(B));
        let (before, after) = (old.seal(b"x", now()).unwrap(), both.seal(b"x", now()).unwrap());
        assert!(both.open(&before, now()).is_some() && new.open(&after, now()).is_some());
        assert!(old.open(&after, now()).is_none() && new.open(&before, now()).is_none());
    }

    #[test]
    fn a_ticket_opens_for_its_lifetime_and_no_longer() {
        let (keys, later) = (keys(A), |seconds| now() + Duration::from_secs(seconds));
        let ticket = keys.seal(b"x", now()).unwrap();
        assert!(keys.open(&ticket, later(LIFETIME.as_secs())).is_some());
        assert!(keys.open(&ticket, later(LIFETIME.as_secs() + 1)).is_none());
        assert!(keys.open(&ticket, now() - CLOCKS_DIFFER_MAX).is_some());
        assert!(keys.open(&ticket, now() - CLOCKS_DIFFER_MAX * 2).is_none(), "from the future");
    }

    #[test]
    fn a_ticket_opens_nothing_under_another_policy_on_client_certificates() {
        let ticket = keys(A).seal(b"x", now()).unwrap();
        let other = TicketKeys::read(A.as_bytes(), [1; 32]).unwrap();
        assert!(other.open(&ticket, now()).is_none());
    }

    #[test]
    fn no_damage_to_a_ticket_is_overlooked() {
        let keys = keys(A);
        let ticket = keys.seal(b"state", now()).unwrap();
        for at in 0..ticket.len() {
            let mut damaged = ticket.clone();
            damaged[at] ^= 1;
            assert!(keys.open(&damaged, now()).is_none(), "byte {at}");
            assert!(keys.open(&ticket[..at], now()).is_none(), "{at} bytes");
        }
    }

    #[test]
    fn a_broken_file_says_which_line_is_wrong() {
        let why = |text: &str| TicketKeys::read(text.as_bytes(), [0; 32]).unwrap_err();
        assert_eq!(why(""), "it has no key");
        assert_eq!(why(&format!("{A}\nnot base64!")), "line 2 is not base64");
        assert_eq!(why("AAAA"), "line 1 has 3 bytes, fewer than 32");
        assert_eq!(why(&format!("{A}\n").repeat(17)), "it has 17 keys, more than 16");
    }
}
