//! TLS: certificates and keys from files to what a handshake needs, on both sides of Nexus.
//!
//! ```text
//! settings + files ──read──▶ Front (clients) ──serving()──▶ rustls::ServerConfig, facts
//!                        └─▶ Back (backends) ──config()───▶ rustls::ClientConfig
//!                     ▲
//!                  reread: the same files, looked at once a second
//! ```
//!
//! What is it that can change without a reload? What the files say: [`Front`] and [`Back`] live as
//! long as their settings, and what they hold is swapped when a file changes. A handshake takes what
//! is current once and keeps it. There is no socket in here.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub mod back;
pub mod certificate;
pub mod client;
pub mod expiry;
pub mod facts;
pub mod files;
pub mod front;
pub mod issue;
pub mod reread;
pub mod resolver;
pub mod settings;
pub mod tickets;
pub mod words;

pub use back::Back;
pub use client::ClientCertificate;
pub use facts::CertificateFacts;
pub use files::{Fault, Part, Reader};
pub use front::{Front, Serving, refusal};
pub use settings::{
    BackendTls, CertificateFiles, ClientAuth, ClientAuthMode, ListenerTls, Profile, Protocol,
    UnknownName,
};

/// The cryptography that everything here is done with: never the process's default, which any
/// library may set.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests;
