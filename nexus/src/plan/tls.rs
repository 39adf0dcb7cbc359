//! What changes of TLS: settings, and what the files say.

use std::fmt::Debug;

use super::{Listed, Plan, Weight, Word};
use crate::tls::settings::{BackendTls, CertificateFiles, ListenerTls};
use crate::tls::{Back, CertificateFacts, Front, Protocol};

impl Plan {
    /// Compares TLS of a listener.
    pub(super) fn front(&mut self, what: &str, old: Option<&Front>, new: Option<&Front>) {
        let (old, new) = match (old, new) {
            (None, None) => return,
            (None, Some(_)) => {
                let how = "begins to speak TLS: clients that speak plain HTTP are refused";
                return self.add(Weight::Warning, what, how);
            }
            (Some(_), None) => {
                let how = "speaks TLS no more: clients that do are refused";
                return self.add(Weight::Warning, what, how);
            }
            (Some(old), Some(new)) => (old, new),
        };
        if old.settings() == new.settings() {
            if old != new {
                let (old, new) = (&old.serving().certificates, &new.serving().certificates);
                self.add(Weight::Note, format!("{what}: tls"), news(old, new));
            }
            return;
        }
        self.listener_settings(what, old.settings(), new.settings());
    }

    fn listener_settings(&mut self, what: &str, old: &ListenerTls, new: &ListenerTls) {
        let paths = |tls: &ListenerTls| tls.certificates.iter().map(shown).collect::<Vec<_>>();
        let mut value = |name: &str, old: &dyn Debug, new: &dyn Debug| {
            self.value(what, &format!("tls.{name}"), old, new);
        };
        value("certificates", &Listed(&paths(old)), &Listed(&paths(new)));
        value("profile", &Word(old.profile.name()), &Word(new.profile.name()));
        value("alpn", &Listed(&names(&old.alpn)), &Listed(&names(&new.alpn)));
        let unknown = |tls: &ListenerTls| tls.unknown_name.name();
        value("unknown_name", &Word(unknown(old)), &Word(unknown(new)));
        value("client_auth", &old.client_auth, &new.client_auth);
        value("tickets", &old.tickets, &new.tickets);
        value("ticket_keys", &old.ticket_keys, &new.ticket_keys);
        value("handshake_timeout", &old.handshake_timeout, &new.handshake_timeout);
    }

    /// Compares TLS of a pool.
    pub(super) fn back(&mut self, what: &str, old: Option<&Back>, new: Option<&Back>) {
        let (old, new) = match (old, new) {
            (None, None) => return,
            (None, Some(_)) => {
                return self.add(Weight::Note, what, "speaks TLS to its backends from now on");
            }
            (Some(_), None) => {
                let how = "speaks plain HTTP to its backends from now on";
                return self.add(Weight::Warning, what, how);
            }
            (Some(old), Some(new)) => (old, new),
        };
        if old.settings() == new.settings() {
            if old != new {
                let facts = |back: &Back| back.certificate().into_iter().collect::<Vec<_>>();
                self.add(Weight::Note, format!("{what}: tls"), news(&facts(old), &facts(new)));
            }
            return;
        }
        self.backend_settings(what, old.settings(), new.settings());
    }

    fn backend_settings(&mut self, what: &str, old: &BackendTls, new: &BackendTls) {
        let mut value = |name: &str, old: &dyn Debug, new: &dyn Debug| {
            self.value(what, &format!("tls.{name}"), old, new);
        };
        let own = |tls: &BackendTls| tls.certificate.as_ref().map(shown);
        value("ca", &old.ca, &new.ca);
        value("name", &old.name, &new.name);
        value("cert", &own(old), &own(new));
        value("insecure", &old.insecure, &new.insecure);
        value("alpn", &Listed(&names(&old.alpn)), &Listed(&names(&new.alpn)));
    }
}

fn names(protocols: &[Protocol]) -> Vec<&'static str> {
    protocols.iter().map(|protocol| protocol.name()).collect()
}

/// Writes the files of a certificate.
fn shown(files: &CertificateFiles) -> String {
    let CertificateFiles { cert, key, ocsp } = files;
    let others = [Some(key).filter(|key| *key != cert), ocsp.as_ref()].into_iter().flatten();
    others.fold(cert.clone(), |all, other| format!("{all} + {other}"))
}

/// Says what is new of files that have the same names as before.
fn news(old: &[CertificateFacts], new: &[CertificateFacts]) -> String {
    let renewed = new.iter().filter(|new| !old.contains(new)).map(|new| {
        let until = humantime::format_rfc3339_seconds(new.not_after);
        format!("{} (until {until})", new.title())
    });
    match renewed.collect::<Vec<_>>() {
        none if none.is_empty() => "has new files".to_owned(),
        all => format!("has a new certificate: {}", all.join("; ")),
    }
}
