//! Which certificate a client gets: by the name that it asks for, and by what it can verify.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::certificate::Certificate;
use crate::tls::settings::UnknownName;

/// Certificates for one name: those with small, fast keys first.
type Candidates = Vec<Arc<CertifiedKey>>;

/// The certificates of a listener, by name.
#[derive(Debug)]
pub(super) struct Resolver {
    /// By whole name.
    exact: HashMap<String, Candidates>,
    /// By what comes after the `*.`, which stands for one label (RFC 6125 §6.4.3).
    wildcards: HashMap<String, Candidates>,
    /// For who asks for no name.
    default: Candidates,
    unknown: UnknownName,
}

impl Resolver {
    /// Sorts certificates by name; the first is the default, and those for the same names with it.
    pub(super) fn new(certificates: &[Certificate], unknown: UnknownName) -> Self {
        let mut all: Vec<&Certificate> = certificates.iter().collect();
        // Among those that a client can verify the fast one is taken.
        all.sort_by_key(|one| one.key.key.algorithm() == SignatureAlgorithm::RSA);
        let (mut exact, mut wildcards) = (HashMap::new(), HashMap::new());
        for Certificate { key, facts } in &all {
            for name in &facts.names {
                let (map, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut wildcards, parent),
                    None => (&mut exact, name.as_str()),
                };
                let candidates: &mut Candidates = map.entry(name.to_owned()).or_default();
                candidates.push(Arc::clone(key));
            }
        }
        let first = certificates.first();
        let is_default = |one: &&&Certificate| {
            first.is_some_and(|first| {
                Arc::ptr_eq(&first.key, &one.key)
                    || (!first.facts.names.is_empty() && first.facts.names == one.facts.names)
            })
        };
        let default = all.iter().filter(is_default).map(|one| Arc::clone(&one.key)).collect();
        Self { exact, wildcards, default, unknown }
    }

    /// Returns the certificates for a name; `None` if there are none and it is to be refused.
    fn candidates(&self, name: Option<&str>) -> Option<&Candidates> {
        let Some(name) = name else { return Some(&self.default) };
        let name = name.to_ascii_lowercase();
        let wildcard = || self.wildcards.get(name.split_once('.')?.1);
        let default = || (self.unknown == UnknownName::Default).then_some(&self.default);
        self.exact.get(&name).or_else(wildcard).or_else(default)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let candidates = self.candidates(hello.server_name())?;
        let schemes = hello.signature_schemes();
        let can_verify = |one: &&Arc<CertifiedKey>| one.key.choose_scheme(schemes).is_some();
        // If it can verify none, rustls says so better than nothing would.
        candidates.iter().find(can_verify).or(candidates.first()).cloned()
    }
}
