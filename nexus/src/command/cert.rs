//! `nexus cert`: an authority for development and what it issues, as files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::cli::cert::Cert;
use crate::command::Outcome;
use crate::tls::CertificateFacts;
use crate::tls::issue::{Authority, KeyKind, Order, Pair};

/// What the authority's files are called.
const AUTHORITY: &str = "nexus-ca";

/// Who may read a certificate: everybody.
const CERT_MODE: u32 = 0o644;

/// Who may read a key: whoever made it.
const KEY_MODE: u32 = 0o600;

/// Makes a certificate.
pub fn cert(how: &Cert) -> Outcome {
    match make(how) {
        Ok(text) => Outcome::fine(text),
        Err(why) => Outcome { text: format!("{why}\n"), code: 1 },
    }
}

/// The files of a certificate and its key.
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn named(folder: &Path, name: &str) -> Self {
        // `.` in front of a path says nothing.
        let folder = if folder == Path::new(".") { Path::new("") } else { folder };
        Self { cert: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
    }

    fn put(&self, pair: &Pair) -> Result<(), String> {
        // The key first: whoever watches the certificate finds the key that belongs to it.
        put(&self.key, &pair.key, KEY_MODE)?;
        put(&self.cert, &pair.cert, CERT_MODE)
    }
}

fn make(how: &Cert) -> Result<String, String> {
    let name = how.client.clone().unwrap_or_else(|| file_name(&how.names[0]));
    if name == AUTHORITY {
        return Err(format!("`{name}` is what the authority is called\n  hint: use another name"));
    }
    let files = Files::named(&how.out, &name);
    let found = [&files.cert, &files.key].into_iter().find(|path| path.exists());
    if let (Some(path), false) = (found, how.force) {
        let path = path.display();
        return Err(format!("{path} is there already\n  hint: --force replaces it"));
    }
    let made = |why| format!("{} cannot be made: {why}", how.out.display());
    fs::create_dir_all(&how.out).map_err(made)?;
    let ours = Files::named(&how.out, AUTHORITY);
    let (authority, is_new) = authority(&ours)?;
    let pair = issue(how, &authority)?;
    files.put(&pair)?;
    Ok(told(how, &ours, is_new, &files, &facts(&files.cert, &pair.cert)?))
}

/// Returns what the files of a certificate for a name are called.
fn file_name(name: &str) -> String {
    name.replace("*.", "wildcard.").replace(':', "-").trim_start_matches('-').to_owned()
}

/// Takes up the authority that is there, or makes one; says whether it is new.
fn authority(files: &Files) -> Result<(Authority, bool), String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|why| cannot("read", path, &why));
    let (cert, key) = (files.cert.display(), files.key.display());
    match (files.cert.exists(), files.key.exists()) {
        (false, false) => {
            let new =
                Authority::make().map_err(|why| format!("no authority can be made: {why}"))?;
            files.put(new.pem())?;
            Ok((new, true))
        }
        (true, true) => {
            let pair = Pair { cert: read(&files.cert)?, key: read(&files.key)? };
            if facts(&files.cert, &pair.cert)?.not_after <= SystemTime::now() {
                let hint = "remove it and its key; clients must trust the new one";
                return Err(format!("{cert} has expired\n  hint: {hint}"));
            }
            let old = Authority::of(pair).map_err(|why| {
                format!("{cert} and {key} are no authority: {why}\n  hint: remove both")
            })?;
            Ok((old, false))
        }
        (true, false) => {
            Err(format!("{key} is missing beside {cert}\n  hint: put it back, or remove both"))
        }
        (false, true) => {
            Err(format!("{cert} is missing beside {key}\n  hint: put it back, or remove both"))
        }
    }
}

fn issue(how: &Cert, authority: &Authority) -> Result<Pair, String> {
    let client: Vec<_> = how.client.iter().cloned().collect();
    let order = match client.is_empty() {
        true => Order::server(&how.names, how.days),
        false => Order::client(&client, how.days),
    };
    let key = if how.rsa { KeyKind::Rsa } else { KeyKind::Ecdsa };
    let pair = authority.issue(&Order { key, ..order });
    pair.map_err(|why| format!("no certificate can be made: {why}"))
}

fn facts(path: &Path, pem: &str) -> Result<CertificateFacts, String> {
    let read = CertificateDer::from_pem_slice(pem.as_bytes()).ok();
    let facts = read.and_then(|der| CertificateFacts::read(&path.display().to_string(), &der));
    facts.ok_or_else(|| format!("{} is no certificate\n  hint: remove it", path.display()))
}

/// Writes a file beside its place and puts it there whole.
fn put(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let write = || {
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().map_err(|why| cannot("write", path, &why))
}

fn cannot(what: &str, path: &Path, why: &std::io::Error) -> String {
    format!("cannot {what} {}: {why}", path.display())
}

/// Says what was made and what to do with it.
fn told(
    how: &Cert,
    authority: &Files,
    is_new: bool,
    files: &Files,
    facts: &CertificateFacts,
) -> String {
    let until = humantime::format_rfc3339_seconds(facts.not_after).to_string();
    let until = until.split('T').next().unwrap_or_default();
    let (ca, cert, key) = (authority.cert.display(), files.cert.display(), files.key.display());
    let mut text = String::new();
    if is_new {
        text += &format!("{ca}: an authority of your own; trust it where your clients are\n");
        text += &format!("{}: its key; who has it can pose as anybody\n", authority.key.display());
    }
    text +=
        &format!("{cert}: a certificate for {}, until {until}\n{key}: its key\n", facts.title());
    match how.client {
        Some(_) => {
            text += &format!(
                "\nIn nexus.yaml, beside the `cert` of a listener:\n  client_auth: {ca}\n\n\
                 Try it:\n  curl --cacert {ca} --cert {cert} --key {key} https://localhost:8443/\n"
            );
        }
        None => {
            let host = how.names[0].replace("*.", "www.");
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            text += &format!(
                "\nIn nexus.yaml:\n  listeners:\n    - address: :8443\n      tls: {{ cert: {cert}, key: {key} }}\n\n\
                 Try it:\n  curl --cacert {ca} https://{host}:8443/\n"
            );
        }
    }
    text
}
