//! The backends of a scenario: what they speak, and how the configuration names them.

use std::path::Path;

use anyhow::Result;

use super::file::{BackendProtocol, Scenario};
use crate::backend::{Backend, Speaks};
use crate::cargo::Programs;
use crate::identity::Identity;

/// Starts the backends, each speaking what it is to speak.
pub(super) fn backends(
    scenario: &Scenario,
    programs: &Programs,
    identity: Option<&Identity>,
    folder: &Path,
) -> Result<Vec<Backend>> {
    let speaks = match scenario.backends.protocol {
        BackendProtocol::Http => Speaks::Http,
        BackendProtocol::H2c => Speaks::H2c,
        BackendProtocol::Https => Speaks::Https,
        BackendProtocol::Unix => Speaks::Unix(folder.to_owned()),
    };
    let mut flags = scenario.backends.flags.clone();
    if let (Speaks::Https, Some(identity)) = (&speaks, identity) {
        flags.extend(identity.serve_flags());
    }
    let start =
        |id: String| Backend::start_speaking(speaks.clone(), &programs.fakebackend, &id, &flags);
    scenario.backend_ids().into_iter().map(start).collect()
}

/// A configuration file with the backends' URLs in it, and where the certificate is.
pub(super) fn filled(text: &str, backends: &[Backend], identity: Option<&Identity>) -> String {
    let text = backends.iter().fold(text.to_owned(), |text, backend| {
        text.replace(&format!("{{{}}}", backend.id), &backend.url())
    });
    let Some(Identity { certificate, key, .. }) = identity else { return text };
    let certificate = certificate.display().to_string();
    text.replace("{cert}", &certificate)
        .replace("{ca}", &certificate)
        .replace("{key}", &key.display().to_string())
}
