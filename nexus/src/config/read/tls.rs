//! TLS of listeners and pools, and what listeners say of https.
//!
//! Certificates and keys are read here, so that all that is wrong with them comes up with the rest.

use std::sync::Arc;

use rustls::pki_types::ServerName;

use crate::config::Files;
use crate::config::node::Span;
use crate::config::problem::{Problem, Step};
use crate::config::section::Section;
use crate::settings::{Hsts, HttpsRedirect, ListenerSettings};
use crate::tls::{
    Back, BackendTls, CertificateFiles, ClientAuth, ClientAuthMode, Fault, Front, ListenerTls,
    Part, Profile, Protocol, UnknownName,
};

/// Reads TLS of a listener.
pub(super) fn front(
    section: &Section<'_>,
    files: Files<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Front>> {
    let several = section.sections("certificates");
    let certificates = certificates(section, &several, files, problems);
    // That there must be one was said of the table's shape.
    if certificates.is_empty() {
        if section.written("certificates").is_some() && several.is_empty() {
            let hint = "add one, such as `- { cert: site.pem, key: site.key }`";
            let place = section.place("certificates");
            problems.push(Problem::error(Step::Meaning, place, "there is no certificate", hint));
        }
        return None;
    }
    let settings = listener(section, certificates, files);
    if let (false, Some(span)) = (settings.tickets, section.key_span("ticket_keys")) {
        let cause = "`ticket_keys` has no effect with `tickets: false`";
        problems.push(Problem::warning(span, cause, "remove one of the two"));
    }
    if !files.world.has_files() {
        return Some(Arc::new(Front::unread(settings)));
    }
    let (front, faults) = Front::read(settings, &|path| files.world.bytes(path));
    let auth = section.section("client_auth");
    let place = |part| match part {
        Part::Ca => auth.place("ca"),
        Part::Crl => auth.place("crl"),
        Part::TicketKeys => section.place("ticket_keys"),
        Part::Certificate(at) => of_pair(several.get(at).unwrap_or(section), "cert"),
        Part::Key(at) => of_pair(several.get(at).unwrap_or(section), "key"),
        Part::Ocsp(at) => several.get(at).unwrap_or(section).place("ocsp"),
    };
    problems.extend(faults.into_iter().map(|fault| problem(fault, place)));
    front.map(Arc::new)
}

fn listener(
    section: &Section<'_>,
    certificates: Vec<CertificateFiles>,
    files: Files<'_>,
) -> ListenerTls {
    let auth = section.section_if("client_auth");
    ListenerTls {
        certificates,
        profile: Profile::called(&section.text("profile")).unwrap_or_default(),
        alpn: protocols(section),
        unknown_name: match section.text("unknown_name").as_str() {
            "refuse" => UnknownName::Refuse,
            _ => UnknownName::Default,
        },
        client_auth: auth.and_then(|auth| client_auth(&auth, files)),
        tickets: section.bool("tickets"),
        ticket_keys: path(section, "ticket_keys", files),
        handshake_timeout: section.time("handshake_timeout"),
    }
}

fn client_auth(section: &Section<'_>, files: Files<'_>) -> Option<ClientAuth> {
    Some(ClientAuth {
        mode: match section.text("mode").as_str() {
            "optional" => ClientAuthMode::Optional,
            _ => ClientAuthMode::Require,
        },
        ca: path(section, "ca", files)?,
        crl: path(section, "crl", files),
    })
}

/// Reads the one certificate, or the several.
fn certificates(
    section: &Section<'_>,
    several: &[Section<'_>],
    files: Files<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<CertificateFiles> {
    if section.written("cert").is_some() {
        return with_ocsp(section, files).into_iter().collect();
    }
    for key in ["key", "ocsp"] {
        if let Some(span) = section.key_span(key) {
            let cause = format!("`{key}` has no effect here: it belongs to one certificate");
            let hint = format!("write it beside its `cert`: `- {{ cert: site.pem, {key}: … }}`");
            problems.push(Problem::error(Step::Meaning, span, cause, hint));
        }
    }
    several.iter().filter_map(|section| with_ocsp(section, files)).collect()
}

fn certificate(section: &Section<'_>, files: Files<'_>) -> Option<CertificateFiles> {
    let cert = path(section, "cert", files)?;
    let key = path(section, "key", files).unwrap_or_else(|| cert.clone());
    Some(CertificateFiles { cert, key, ocsp: None })
}

fn with_ocsp(section: &Section<'_>, files: Files<'_>) -> Option<CertificateFiles> {
    let ocsp = path(section, "ocsp", files);
    Some(CertificateFiles { ocsp, ..certificate(section, files)? })
}

/// Returns the path of the file that a key names, if it names one.
fn path(section: &Section<'_>, name: &str, files: Files<'_>) -> Option<String> {
    section.text_if(name)?;
    section.written(name).map(|node| files.path(node))
}

fn protocols(section: &Section<'_>) -> Vec<Protocol> {
    section.texts("alpn").iter().filter_map(|name| Protocol::called(name)).collect()
}

/// Returns where a certificate or its key is named: one that is not written is in the other's file.
fn of_pair(section: &Section<'_>, name: &str) -> Span {
    section.written(name).map_or_else(|| section.place("cert"), |node| node.span)
}

fn problem(fault: Fault, place: impl Fn(Part) -> Span) -> Problem {
    let Fault { part, is_error, cause, hint, .. } = fault;
    if is_error {
        Problem::error(Step::Meaning, place(part), cause, hint)
    } else {
        Problem::warning(place(part), cause, hint)
    }
}

/// Reads TLS of a pool.
pub(super) fn back(
    section: &Section<'_>,
    files: Files<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Arc<Back>> {
    let name = section.text_if("name");
    if let Some(name) = name.as_ref().filter(|name| ServerName::try_from(name.as_str()).is_err()) {
        let cause = format!("`{name}` can be the name of no certificate");
        let hint = "write a host such as `web.internal`, or an address, without port";
        problems.push(Problem::error(Step::Meaning, section.place("name"), cause, hint));
    }
    let settings = BackendTls {
        ca: path(section, "ca", files),
        name,
        certificate: certificate(section, files),
        insecure: section.bool("insecure"),
        alpn: protocols(section),
    };
    odd(section, &settings, problems);
    if !files.world.has_files() {
        return Some(Arc::new(Back::unread(settings)));
    }
    let (back, faults) = Back::read(settings, &|path| files.world.bytes(path));
    let place = |part| match part {
        Part::Certificate(_) => of_pair(section, "cert"),
        Part::Key(_) => of_pair(section, "key"),
        _ => section.place("ca"),
    };
    problems.extend(faults.into_iter().map(|fault| problem(fault, place)));
    back.map(Arc::new)
}

fn odd(section: &Section<'_>, settings: &BackendTls, problems: &mut Vec<Problem>) {
    if settings.insecure {
        let cause = "certificates of backends are not verified: whoever is between can read and change everything";
        let hint = "name the authority of the backends with `ca`, and their name with `name`";
        problems.push(Problem::warning(section.place("insecure"), cause, hint));
    }
    if let (true, Some(span)) = (settings.insecure, section.key_span("ca")) {
        let cause = "`ca` has no effect with `insecure: true`";
        problems.push(Problem::warning(span, cause, "remove `insecure`"));
    }
    if let (None, Some(span)) = (&settings.certificate, section.key_span("key")) {
        let cause = "`key` has no effect without `cert`";
        let hint = "name the certificate that Nexus shows to backends with `cert`";
        problems.push(Problem::error(Step::Meaning, span, cause, hint));
    }
}

/// Reads where a listener redirects to, if it does.
pub(super) fn redirect(section: &Section<'_>) -> Option<HttpsRedirect> {
    let port = section.whole("redirect_https");
    (port != 0).then_some(HttpsRedirect { port })
}

/// Reads what a listener tells browsers of https.
pub(super) fn hsts(section: &Section<'_>) -> Option<Hsts> {
    let section = section.section_if("hsts")?;
    Some(Hsts { age: section.time("max_age"), has_subdomains: section.bool("subdomains") })
}

/// Says what is odd about a listener's https.
pub(super) fn check(
    section: &Section<'_>,
    listener: &ListenerSettings,
    problems: &mut Vec<Problem>,
) {
    let has_tls = section.written("tls").is_some();
    if let (true, true, Some(span)) =
        (has_tls, listener.redirect.is_some(), section.key_span("redirect_https"))
    {
        let cause = "this listener speaks TLS already: its redirect would go in a circle";
        let hint = "give `redirect_https` to another listener, such as `address: :80`";
        let problem = Problem::error(Step::Meaning, span, cause, hint);
        let tls = section.key_span("tls").unwrap_or(span);
        problems.push(problem.beside(tls, "TLS here"));
    }
    if let (true, Some(span)) = (has_tls, section.key_span("protocol")) {
        let cause = "`protocol` is for listeners without `tls`: with it both sides agree on one";
        let hint = "say with `tls.alpn` what is offered, such as `alpn: [http/1.1]`";
        let problem = Problem::error(Step::Meaning, span, cause, hint);
        let tls = section.key_span("tls").unwrap_or(span);
        problems.push(problem.beside(tls, "TLS here"));
    }
    if let (false, Some(span)) = (has_tls, section.key_span("hsts")) {
        let cause = "`hsts` has no effect without `tls`: browsers heed it over TLS only";
        let hint = "move it to the listener with `tls`; here, `redirect_https: true` may be meant";
        problems.push(Problem::warning(span, cause, hint));
    }
}
