use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, ServerConnection};

use super::issue::{Authority, KeyKind, Order, Pair};
use super::*;

/// Files that exist in a test only.
#[derive(Default)]
struct Disk(Mutex<HashMap<String, Vec<u8>>>);

impl Disk {
    fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().insert(path.to_owned(), bytes.into());
    }

    fn put_pair(&self, name: &str, pair: &Pair) {
        self.put(&format!("{name}.pem"), pair.cert.as_bytes());
        self.put(&format!("{name}.key"), pair.key.as_bytes());
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.lock().unwrap().get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn front(&self, settings: ListenerTls) -> Front {
        let (front, faults) = Front::read(settings, &|path| self.read(path));
        front.unwrap_or_else(|| panic!("{faults:?}"))
    }

    /// Returns what is wrong and odd with the files.
    fn causes(&self, settings: ListenerTls) -> Vec<String> {
        let (_, faults) = Front::read(settings, &|path| self.read(path));
        faults.into_iter().map(|fault| fault.cause).collect()
    }
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

fn issue(authority: &Authority, all: &[&str]) -> Pair {
    authority.issue(&Order::server(&names(all), 90)).unwrap()
}

fn files(name: &str) -> CertificateFiles {
    CertificateFiles { cert: format!("{name}.pem"), key: format!("{name}.key"), ocsp: None }
}

fn settings(all: &[&str]) -> ListenerTls {
    ListenerTls::new(all.iter().map(|name| files(name)).collect())
}

/// What came of a handshake, seen by the client.
#[derive(Debug)]
struct Shaken {
    /// The names of the certificate that it got.
    names: Vec<String>,
    version: Option<ProtocolVersion>,
    alpn: Option<Vec<u8>>,
    resumed: bool,
    /// What the server knows of the client.
    client: Option<ClientCertificate>,
    /// Whether the client got an OCSP response along.
    server: ServerConnection,
}

/// Lets a client and a server shake hands, without a socket.
fn shake(client: Arc<ClientConfig>, front: &Front, name: &str) -> Result<Shaken, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name)?;
    let mut server = ServerConnection::new(Arc::clone(&front.serving().config))?;
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    let certificate = &client.peer_certificates().unwrap()[0];
    let shown = server.peer_certificates().and_then(|all| all.first());
    Ok(Shaken {
        names: CertificateFacts::read("", certificate).unwrap().names,
        version: client.protocol_version(),
        alpn: client.alpn_protocol().map(<[u8]>::to_vec),
        resumed: client.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        client: shown.and_then(|der| ClientCertificate::read(der)),
        server,
    })
}

/// A client that trusts an authority.
fn client(disk: &Disk, authority: &Authority) -> Arc<ClientConfig> {
    disk.put("ca.pem", authority.pem().cert.as_bytes());
    back(disk, BackendTls { ca: Some("ca.pem".to_owned()), ..BackendTls::default() }).config()
}

fn back(disk: &Disk, settings: BackendTls) -> Back {
    let (back, faults) = Back::read(settings, &|path| disk.read(path));
    back.unwrap_or_else(|| panic!("{faults:?}"))
}

fn world() -> (Disk, Authority) {
    (Disk::default(), Authority::make().unwrap())
}

#[test]
fn the_name_that_is_asked_for_decides() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test", "127.0.0.1"]));
    disk.put_pair("any", &issue(&ca, &["*.b.test", "b.test"]));
    disk.put_pair("x", &issue(&ca, &["x.b.test"]));
    let front = disk.front(settings(&["a", "any", "x"]));
    let client = client(&disk, &ca);
    let got = |name: &str| shake(Arc::clone(&client), &front, name).map(|shaken| shaken.names);
    assert_eq!(got("a.test").unwrap(), ["a.test", "127.0.0.1"]);
    assert_eq!(got("A.TEST").unwrap(), ["a.test", "127.0.0.1"], "in any case");
    assert_eq!(got("y.b.test").unwrap(), ["*.b.test", "b.test"]);
    assert_eq!(got("b.test").unwrap(), ["*.b.test", "b.test"]);
    assert_eq!(got("x.b.test").unwrap(), ["x.b.test"], "a whole name before a wildcard");
    assert_eq!(got("127.0.0.1").unwrap(), ["a.test", "127.0.0.1"], "no name is the default");
    assert!(got("z.y.b.test").is_err(), "a wildcard is one label, and the default is for another");
    let facts = front.serving().certificates.clone();
    assert!(facts[0].is_default && !facts[1].is_default);
    assert_eq!((facts[0].path.as_str(), facts[0].key.as_str()), ("a.pem", "ECDSA 256"));
    assert_eq!(facts[0].subject, "CN=a.test");
}

#[test]
fn an_unknown_name_can_be_refused_with_the_alert_for_it() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test", "127.0.0.1"]));
    let refuse = ListenerTls { unknown_name: UnknownName::Refuse, ..settings(&["a"]) };
    let (front, client) = (disk.front(refuse), client(&disk, &ca));
    let why = shake(Arc::clone(&client), &front, "b.test").unwrap_err();
    let alert = refusal(&why).unwrap();
    assert_eq!(alert[5..], [2, u8::from(rustls::AlertDescription::UnrecognisedName)]);
    assert!(shake(Arc::clone(&client), &front, "127.0.0.1").is_ok(), "no name is not unknown");
    let other = rustls::Error::General("another".to_owned());
    assert_eq!(refusal(&other), None);
}

#[test]
fn of_two_certificates_for_a_name_the_client_gets_what_it_can_verify() {
    let (disk, ca) = world();
    let both = names(&["a.test"]);
    let rsa = ca.issue(&Order { key: KeyKind::Rsa, ..Order::server(&both, 9) }).unwrap();
    disk.put_pair("rsa", &rsa);
    disk.put_pair("ecdsa", &issue(&ca, &["a.test"]));
    let front = disk.front(settings(&["rsa", "ecdsa"]));
    let key = |config: &Arc<ClientConfig>, name: &str| {
        let shaken = shake(Arc::clone(config), &front, name).unwrap();
        shaken.server.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap()
    };
    let mut old = provider().as_ref().clone();
    old.cipher_suites.retain(|suite| format!("{:?}", suite.suite()).contains("TLS_ECDHE_RSA"));
    let old = ClientConfig::builder_with_provider(Arc::new(old))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(super::back::Anybody))
        .with_no_client_auth();
    assert!(key(&Arc::new(old), "a.test").contains("RSA"));
    assert_eq!(front.serving().certificates[0].key, "RSA 2048");
    let modern = shake(client(&disk, &ca), &front, "a.test").unwrap();
    assert_eq!(modern.version, Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn profiles_decide_on_versions() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    client(&disk, &ca);
    let old = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(super::back::Anybody))
        .with_no_client_auth();
    let old = Arc::new(old);
    let intermediate = shake(Arc::clone(&old), &disk.front(settings(&["a"])), "a.test").unwrap();
    assert_eq!(intermediate.version, Some(ProtocolVersion::TLSv1_2));
    let modern = ListenerTls { profile: Profile::Modern, ..settings(&["a"]) };
    assert!(shake(old, &disk.front(modern), "a.test").is_err());
}

#[test]
fn the_suites_of_tls_1_2_have_forward_secrecy_and_authenticated_encryption() {
    for suite in &provider().cipher_suites {
        let name = format!("{:?}", suite.suite());
        let is_old = !name.starts_with("TLS13_");
        let is_sound = name.contains("GCM") || name.contains("CHACHA20_POLY1305");
        assert!(is_sound && (!is_old || name.starts_with("TLS_ECDHE_")), "{name}");
    }
}

#[test]
fn protocols_are_agreed_on_in_the_order_of_the_settings() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    client(&disk, &ca);
    let ca = Some("ca.pem".to_owned());
    let offers = |alpn: Vec<Protocol>| {
        back(&disk, BackendTls { ca: ca.clone(), alpn, ..BackendTls::default() }).config()
    };
    let front = disk.front(settings(&["a"]));
    let agreed = |alpn| shake(offers(alpn), &front, "a.test").unwrap().alpn;
    assert_eq!(agreed(vec![Protocol::Http1, Protocol::Http2]).as_deref(), Some(&b"h2"[..]));
    assert_eq!(agreed(vec![Protocol::Http1]).as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(agreed(vec![]), None);
}

#[test]
fn sessions_are_resumed_until_what_is_asked_of_clients_changes() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    disk.put_pair("me", &ca.issue(&Order::client(&names(&["me"]), 9)).unwrap());
    disk.put("clients.pem", ca.pem().cert.as_bytes());
    let auth =
        ClientAuth { mode: ClientAuthMode::Require, ca: "clients.pem".to_owned(), crl: None };
    let front = disk.front(ListenerTls { client_auth: Some(auth), ..settings(&["a"]) });
    client(&disk, &ca);
    let mine = BackendTls {
        ca: Some("ca.pem".to_owned()),
        certificate: Some(files("me")),
        ..BackendTls::default()
    };
    let mine = back(&disk, mine).config();
    let shake = || shake(Arc::clone(&mine), &front, "a.test").unwrap();
    let first = shake();
    assert!(!first.resumed && first.alpn.as_deref() == Some(b"http/1.1"));
    assert_eq!(first.client.unwrap().subject, "CN=me");
    assert!(shake().resumed);
    disk.put_pair("a", &issue(&ca, &["a.test", "b.test"]));
    assert!(front.reread(&|path| disk.read(path)).unwrap().0);
    assert!(shake().resumed, "another certificate of the server changes nothing for clients");
    let more = format!("{}{}", ca.pem().cert, Authority::make().unwrap().pem().cert);
    disk.put("clients.pem", more);
    assert!(front.reread(&|path| disk.read(path)).unwrap().0);
    assert!(!shake().resumed, "a session says nothing of who counts now");
}

#[test]
fn shared_ticket_keys_resume_a_session_at_another_machine() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    disk.put("tickets", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    let shared = ListenerTls { ticket_keys: Some("tickets".to_owned()), ..settings(&["a"]) };
    let (here, there) = (disk.front(shared.clone()), disk.front(shared));
    let (alone, none) = (
        disk.front(settings(&["a"])),
        disk.front(ListenerTls { tickets: false, ..settings(&["a"]) }),
    );
    let resumed = |first: &Front, second: &Front| {
        let client = client(&disk, &ca);
        shake(Arc::clone(&client), first, "a.test").unwrap();
        shake(client, second, "a.test").unwrap().resumed
    };
    assert!(resumed(&here, &there));
    assert!(resumed(&alone, &alone) && !resumed(&alone, &here) && !resumed(&none, &none));
}

#[test]
fn clients_without_a_certificate_that_counts_are_turned_away() {
    let (disk, ca) = world();
    let other = Authority::make().unwrap();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    disk.put_pair("me", &ca.issue(&Order::client(&names(&["me"]), 9)).unwrap());
    disk.put_pair("you", &other.issue(&Order::client(&names(&["you"]), 9)).unwrap());
    client(&disk, &ca);
    let who = |name: Option<&str>| {
        let certificate = name.map(files);
        let ca = Some("ca.pem".to_owned());
        back(&disk, BackendTls { ca, certificate, ..BackendTls::default() }).config()
    };
    for (mode, without) in [(ClientAuthMode::Require, false), (ClientAuthMode::Optional, true)] {
        let auth = ClientAuth { mode, ca: "ca.pem".to_owned(), crl: None };
        let front = disk.front(ListenerTls { client_auth: Some(auth), ..settings(&["a"]) });
        assert_eq!(shake(who(None), &front, "a.test").is_ok(), without, "{mode:?}");
        assert!(shake(who(Some("me")), &front, "a.test").is_ok(), "{mode:?}");
        assert!(shake(who(Some("you")), &front, "a.test").is_err(), "{mode:?}");
    }
}

/// Writes the list of an authority on which one certificate stands.
fn revocation_list(authority: &Authority, revoked: &Pair) -> String {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let der = CertificateDer::from_pem_slice(revoked.cert.as_bytes()).unwrap();
    let (_, parsed) = X509Certificate::from_der(&der).unwrap();
    let revoked = rcgen::RevokedCertParams {
        serial_number: rcgen::SerialNumber::from_slice(parsed.raw_serial()),
        revocation_time: rcgen::date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = rcgen::CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2024, 1, 1),
        next_update: rcgen::date_time_ymd(2049, 1, 1),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    };
    list.signed_by(authority.issuer()).unwrap().pem().unwrap()
}

#[test]
fn a_revoked_certificate_counts_no_more() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    let pair = |name: &str| ca.issue(&Order::client(&names(&[name]), 9)).unwrap();
    let (me, you) = (pair("me"), pair("you"));
    disk.put_pair("me", &me);
    disk.put_pair("you", &you);
    disk.put("revoked.crl", revocation_list(&ca, &you));
    client(&disk, &ca);
    let auth = ClientAuth {
        mode: ClientAuthMode::Require,
        ca: "ca.pem".to_owned(),
        crl: Some("revoked.crl".to_owned()),
    };
    let front = disk.front(ListenerTls { client_auth: Some(auth), ..settings(&["a"]) });
    let who = |name: &str| {
        let (certificate, ca) = (Some(files(name)), Some("ca.pem".to_owned()));
        back(&disk, BackendTls { ca, certificate, ..BackendTls::default() }).config()
    };
    assert!(shake(who("me"), &front, "a.test").is_ok());
    assert!(shake(who("you"), &front, "a.test").is_err());
}

#[test]
fn a_new_file_is_served_and_a_bad_one_changes_nothing() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    let front = disk.front(settings(&["a"]));
    // Each is a new client: who resumes a session is shown no certificate.
    let got = || shake(client(&disk, &ca), &front, "a.test").map(|shaken| shaken.names);
    let read = |path: &str| disk.read(path);
    assert_eq!(front.reread(&read), Ok((false, vec![])), "nothing is new");
    let new = issue(&ca, &["a.test", "b.test"]);
    disk.put("a.pem", new.cert.as_bytes());
    let why = front.reread(&read).unwrap_err();
    assert_eq!(why[0].cause, "`a.key` is not the key of the certificate in `a.pem`");
    assert_eq!(got().unwrap(), ["a.test"]);
    disk.put("a.key", new.key.as_bytes());
    assert_eq!(front.reread(&read), Ok((true, vec![])));
    assert_eq!(got().unwrap(), ["a.test", "b.test"]);
    assert_eq!(front.serving().certificates[0].names, ["a.test", "b.test"]);
}

#[test]
fn two_fronts_are_the_same_if_settings_and_files_are() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    let first = disk.front(settings(&["a"]));
    assert_eq!(first, disk.front(settings(&["a"])));
    assert_ne!(first, disk.front(ListenerTls { tickets: false, ..settings(&["a"]) }));
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    let second = disk.front(settings(&["a"]));
    assert_ne!(first, second);
    assert!(first.adopt(&second) && !first.adopt(&second));
    assert_eq!(first, second);
}

#[test]
fn backends_are_verified_by_the_given_authority_and_name() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test", "127.0.0.1"]));
    let front = disk.front(settings(&["a"]));
    client(&disk, &ca);
    disk.put("other.pem", Authority::make().unwrap().pem().cert.as_bytes());
    let calls = |settings: BackendTls, host: &str| {
        let back = back(&disk, settings);
        let name = back.server_name(host).unwrap();
        shake(back.config(), &front, &name.to_str()).is_ok()
    };
    let by = |ca: &str| BackendTls { ca: Some(ca.to_owned()), ..BackendTls::default() };
    assert!(calls(by("ca.pem"), "a.test") && calls(by("ca.pem"), "127.0.0.1"));
    assert!(!calls(by("other.pem"), "a.test"), "another authority");
    assert!(!calls(by("ca.pem"), "b.test"), "another name");
    assert!(calls(BackendTls { name: Some("a.test".to_owned()), ..by("ca.pem") }, "10.0.0.7"));
    assert!(calls(BackendTls { insecure: true, ..by("other.pem") }, "b.test"));
}

#[test]
fn a_name_for_a_backend_is_a_host_or_an_address() {
    let disk = Disk::default();
    let back = back(&disk, BackendTls { insecure: true, ..BackendTls::default() });
    let name = |host: &str| back.server_name(host).map(|name| name.to_str().into_owned());
    assert_eq!(name("a.test").as_deref(), Some("a.test"));
    assert_eq!(name("[::1]").as_deref(), Some("::1"));
    assert_eq!(name("10.0.0.1").as_deref(), Some("10.0.0.1"));
    assert_eq!(name("not a name"), None);
}

#[test]
fn what_is_wrong_with_files_is_said_all_at_once() {
    let (disk, ca) = world();
    let (a, b) = (issue(&ca, &["a.test"]), issue(&ca, &["b.test"]));
    disk.put_pair("a", &a);
    disk.put_pair("b", &b);
    disk.put("swapped.pem", a.key.as_bytes());
    disk.put("swapped.key", a.cert.as_bytes());
    disk.put("der.pem", [0x30, 0x82, 1, 1]);
    disk.put("der.key", a.key.as_bytes());
    disk.put("locked.pem", a.cert.as_bytes());
    disk.put("locked.key", a.key.replace(" PRIVATE", " ENCRYPTED PRIVATE"));
    disk.put("cut.pem", &a.cert.as_bytes()[..a.cert.len() - 30]);
    disk.put("cut.key", a.key.as_bytes());
    disk.put("reversed.pem", format!("{}{}", ca.pem().cert, a.cert));
    disk.put("reversed.key", a.key.as_bytes());
    disk.put("other.pem", a.cert.as_bytes());
    disk.put("other.key", b.key.as_bytes());
    let all = ["none", "swapped", "der", "locked", "cut", "reversed", "other"];
    assert_eq!(
        disk.causes(settings(&all)),
        [
            "cannot read `none.pem`: no such file",
            "cannot read `none.key`: no such file",
            "`swapped.pem` holds a private key, and no certificate",
            "`swapped.key` holds no private key in PEM form",
            "`der.pem` holds no certificate in PEM form",
            "the key in `locked.key` is locked with a passphrase",
            "`cut.pem` is not PEM: a part has a beginning and no end",
            "`reversed.key` is the key of certificate 2 in `reversed.pem`",
            "`other.key` is not the key of the certificate in `other.pem`",
        ]
    );
}

/// Returns the time, as exact as a certificate has it.
fn whole_second() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[test]
fn a_certificate_out_of_its_time_is_served_with_a_warning() {
    let (disk, ca) = world();
    let (now, day) = (whole_second(), Duration::from_secs(86_400));
    let all = names(&["a.test"]);
    let order = Order::server(&all, 1);
    let old = Order { from: now - 9 * day, until: now - day, ..order.clone() };
    let early = Order { from: now + day, until: now + 9 * day, ..order };
    disk.put_pair("old", &ca.issue(&old).unwrap());
    disk.put_pair("early", &ca.issue(&early).unwrap());
    let causes = disk.causes(settings(&["old", "early"]));
    assert!(causes[0].starts_with("the certificate in `old.pem` expired at 2"), "{causes:?}");
    assert!(causes[1].starts_with("the certificate in `early.pem` counts only from "));
    let front = disk.front(settings(&["old"]));
    assert_eq!(front.serving().certificates[0].not_after, now - day);
}

#[test]
fn certificate_and_key_may_be_in_one_file() {
    let (disk, ca) = world();
    let Pair { cert, key } = issue(&ca, &["a.test"]);
    disk.put("both.pem", format!("{key}{cert}{}", ca.pem().cert));
    let both = CertificateFiles { cert: "both.pem".into(), key: "both.pem".into(), ocsp: None };
    let front = disk.front(ListenerTls::new(vec![both]));
    assert_eq!(front.settings().paths(), ["both.pem"]);
    assert!(shake(client(&disk, &ca), &front, "a.test").is_ok());
}

#[test]
fn an_ocsp_response_is_stapled_if_it_is_one() {
    let (disk, ca) = world();
    disk.put_pair("a", &issue(&ca, &["a.test"]));
    disk.put("a.ocsp", [0x30, 3, 0x0a, 1, 0]);
    let with = |ocsp: &str| {
        ListenerTls::new(vec![CertificateFiles { ocsp: Some(ocsp.into()), ..files("a") }])
    };
    assert_eq!(disk.causes(with("a.ocsp")), [""; 0]);
    assert_eq!(disk.causes(with("a.pem")), ["`a.pem` is no successful OCSP response in DER form"]);
    disk.put("later.ocsp", [0x30, 3, 0x0a, 1, 3]);
    assert_eq!(disk.causes(with("later.ocsp")).len(), 1, "`tryLater` is no good news");
}

#[test]
fn a_client_is_named_as_its_certificate_says() {
    let ca = Authority::make().unwrap();
    let mut params = rcgen::CertificateParams::new(names(&["a.test", "10.0.0.1"])).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CountryName, "DE");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Müller, Söhne+\r\nX-Admin: 1");
    params.distinguished_name.push(rcgen::DnType::CommonName, " #me ");
    let uri = "spiffe://a/b,c".try_into().unwrap();
    params.subject_alt_names.push(rcgen::SanType::URI(uri));
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca.issuer()).unwrap();
    let read = ClientCertificate::read(certificate.der()).unwrap();
    assert_eq!(read.subject, r"CN=\ #me\ ,O=M\C3\BCller\, S\C3\B6hne\+\0D\0AX-Admin: 1,C=DE");
    assert_eq!(read.san, ["DNS:a.test", "IP:10.0.0.1", r"URI:spiffe://a/b\2Cc"]);
    assert_eq!(read.fingerprint.len(), 64);
    let all = [&[read.subject, read.fingerprint], &read.san[..2]].concat().concat();
    assert!(all.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
}

#[test]
fn what_is_too_long_for_a_field_is_left_out_and_not_cut_off() {
    let many: Vec<String> = (0..40).map(|at| format!("{at}.test")).collect();
    let mut params = rcgen::CertificateParams::new(many).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "x".repeat(2000));
    let key = rcgen::KeyPair::generate().unwrap();
    let read = ClientCertificate::read(params.self_signed(&key).unwrap().der()).unwrap();
    assert_eq!((read.subject.as_str(), read.san.len()), ("", 16));
}

#[test]
fn no_damage_to_a_certificate_is_a_panic() {
    let ca = Authority::make().unwrap();
    let pair = issue(&ca, &["a.test"]);
    let der = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
    assert_eq!(ClientCertificate::read(b""), None);
    for at in 0..der.len() {
        assert_eq!(ClientCertificate::read(&der[..at]), None);
        for bit in 0..8 {
            let mut damaged = der.to_vec();
            damaged[at] ^= 1 << bit;
            let _ = ClientCertificate::read(&damaged);
        }
    }
}
