//! A certificate for this machine: what all proxies of a benchmark serve with, so that none signs with
//! less, and what Nexus and the backends of a scenario do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::backend::Backend;

/// A certificate (ECDSA P-256) for this machine, its key, and both in one file.
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// As HAProxy wants them.
    pub(crate) both: PathBuf,
}

impl Identity {
    /// Has a backend make them, and leaves them in `folder`.
    pub(crate) fn make(fakebackend: &Path, folder: &Path) -> Result<Self> {
        let at = |name: &str| folder.join(name);
        let (certificate, key, both) = (at("site.pem"), at("site.key"), at("site.both.pem"));
        let flags = [
            "--tls".to_owned(),
            format!("--cert-out={}", certificate.display()),
            format!("--key-out={}", key.display()),
        ];
        drop(Backend::start(fakebackend, "maker", &flags)?);
        let read = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("no {}", path.display()))
        };
        std::fs::write(&both, read(&certificate)? + &read(&key)?)?;
        Ok(Self { certificate, key, both })
    }

    /// The flags that make `fakebackend` serve with it.
    pub(crate) fn serve_flags(&self) -> [String; 2] {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        [format!("--cert={certificate}"), format!("--key={key}")]
    }

    /// The flag that makes `loadtest` trust it.
    pub(crate) fn trust_flag(&self) -> String {
        format!("--ca={}", self.certificate.display())
    }
}
