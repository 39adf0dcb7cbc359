//! Stories of `nexus cert`: what it makes, what it leaves alone, and that Nexus takes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use nexus::tls::{Back, BackendTls, CertificateFacts, ClientCertificate};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A folder that is gone with the test, and Nexus in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nexus-cert-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Runs Nexus there; returns its exit code and what it said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let mut nexus = Command::new(env!("CARGO_BIN_EXE_nexus"));
        let Output { status, stdout, stderr } =
            nexus.args(args).current_dir(&self.0).output().unwrap();
        let said = [stdout, stderr].concat();
        (status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn der(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.read(name).as_bytes()).unwrap()
    }

    fn facts(&self, name: &str) -> CertificateFacts {
        CertificateFacts::read(name, &self.der(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.0.join(name)).unwrap().permissions().mode() & 0o777
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn one_word_makes_all_that_localhost_needs() {
    let folder = Folder::new("localhost");
    let (code, said) = folder.run(&["cert"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("curl --cacert nexus-ca.pem https://localhost:8443/"), "{said}");
    assert_eq!(folder.facts("localhost.pem").names, ["localhost", "127.0.0.1", "::1"]);
    assert_eq!(folder.facts("localhost.pem").key, "ECDSA 256");
    assert_eq!((folder.mode("localhost.key"), folder.mode("nexus-ca.key")), (0o600, 0o600));
    // What it says to write can be run as it stands.
    let lines = said.lines().skip_while(|line| *line != "In nexus.yaml:").skip(1);
    let text: Vec<_> = lines.take_while(|line| !line.is_empty()).map(|line| &line[2..]).collect();
    fs::write(folder.0.join("nexus.yaml"), text.join("\n")).unwrap();
    let (code, said) = folder.run(&["check", "nexus.yaml"]);
    assert_eq!((code, said.lines().count()), (0, 1), "{said}");
}

#[test]
fn nothing_that_is_there_is_lost() {
    let folder = Folder::new("kept");
    assert_eq!(folder.run(&["cert"]).0, 0);
    let (ca, cert) = (folder.read("nexus-ca.pem"), folder.read("localhost.pem"));
    let (code, said) = folder.run(&["cert"]);
    assert_eq!(code, 1);
    assert!(said.contains("localhost.pem is there already") && said.contains("--force"), "{said}");
    assert_eq!(folder.read("localhost.pem"), cert);
    assert_eq!(folder.run(&["cert", "--force"]).0, 0);
    assert_ne!(folder.read("localhost.pem"), cert);
    assert_eq!(folder.read("nexus-ca.pem"), ca, "the authority is used again");
    fs::remove_file(folder.0.join("nexus-ca.key")).unwrap();
    let (code, said) = folder.run(&["cert", "a.test"]);
    assert!(code == 1 && said.contains("nexus-ca.key is missing"), "{said}");
    assert!(!folder.0.join("a.test.pem").exists());
}

#[test]
fn names_days_folder_and_key_are_chosen() {
    let folder = Folder::new("chosen");
    let args = ["cert", "*.Shop.test", "10.0.0.5", "--out", "a/b", "--days", "9", "--rsa"];
    let (code, said) = folder.run(&args);
    assert_eq!(code, 0, "{said}");
    let facts = folder.facts("a/b/wildcard.shop.test.pem");
    assert_eq!(
        (facts.names.join(" "), facts.key.as_str()),
        ("*.shop.test 10.0.0.5".into(), "RSA 2048")
    );
    let days = facts.not_after.duration_since(facts.not_before).unwrap().as_secs() / 86_400;
    assert_eq!(days, 9);
    assert!(said.contains("curl --cacert a/b/nexus-ca.pem https://www.shop.test:8443/"), "{said}");
}

#[test]
fn a_client_gets_one_with_its_name() {
    let folder = Folder::new("client");
    assert_eq!(folder.run(&["cert", "--client", "alice"]).0, 0);
    let read = ClientCertificate::read(&folder.der("alice.pem")).unwrap();
    assert_eq!((read.subject.as_str(), read.san.len()), ("CN=alice", 0));
}

#[test]
fn what_can_be_no_name_is_refused_with_what_to_write() {
    let folder = Folder::new("refused");
    for (args, hint) in [
        (&["cert", "localhost:8443"][..], "without a port"),
        (&["cert", "a b"], "without a port"),
        (&["cert", "--client", "../alice"], "use letters"),
        (&["cert", "--client", "alice", "a.test"], "cannot be used with"),
        (&["cert", "--days", "0"], "1..=3650"),
    ] {
        let (code, said) = folder.run(args);
        assert!(code == 2 && said.contains(hint), "{args:?}: {said}");
    }
    let (code, said) = folder.run(&["cert", "--client", "nexus-ca"]);
    assert!(code == 1 && said.contains("what the authority is called"), "{said}");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn the_authority_vouches_for_backends() {
    let folder = Folder::new("backends");
    assert_eq!(folder.run(&["cert", "web.internal"]).0, 0);
    let path = folder.0.join("nexus-ca.pem").to_str().unwrap().to_owned();
    let settings = BackendTls { ca: Some(path), ..BackendTls::default() };
    let (back, faults) = Back::read(settings, &nexus::config::disk::bytes);
    assert!(back.is_some() && faults.is_empty(), "{faults:?}");
}
