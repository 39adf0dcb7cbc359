//! Certificates and keys that lie beside configurations in tests: made when the tests run.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use nexus::tls::issue::{Authority, Order, Pair};
use rcgen::{CertificateParams, CertificateRevocationListParams, KeyIdMethod, KeyPair};
use rcgen::{SerialNumber, date_time_ymd};

static FILES: LazyLock<HashMap<&'static str, String>> = LazyLock::new(make);

/// Returns what a file says, if there is one of this name.
pub(super) fn file(path: &str) -> Option<String> {
    FILES.get(path.rsplit('/').next()?).cloned()
}

fn make() -> HashMap<&'static str, String> {
    let authority = Authority::make().unwrap();
    let issue = |name: &str| authority.issue(&Order::server(&[name.to_owned()], 90)).unwrap();
    let (site, alien) = (issue("site.test"), issue("alien.test"));
    let both = |pair: &Pair| format!("{}{}", pair.cert, pair.key);
    let ca = authority.pem().cert.clone();
    HashMap::from([
        ("site.pem", both(&site)),
        ("other.pem", again(&authority, &site)),
        ("expired.pem", both(&expired(&authority))),
        ("site.crt", site.cert.clone()),
        ("site.key", site.key.clone()),
        ("shop.crt", alien.cert.clone()),
        ("shop.key", alien.key.clone()),
        ("localhost.pem", site.cert.clone()),
        ("localhost.key", site.key.clone()),
        ("nexus-ca.pem", ca.clone()),
        ("site.ocsp", "0\x03\n\x01\0".to_owned()),
        ("clients.pem", ca.clone()),
        ("backends.pem", ca),
        ("clients.crl", list(&authority)),
        ("tickets.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".to_owned()),
    ])
}

/// Issues another certificate for the key of one.
fn again(authority: &Authority, pair: &Pair) -> String {
    let key = KeyPair::from_pem(&pair.key).unwrap();
    let params = CertificateParams::new(vec!["other.test".to_owned()]).unwrap();
    format!("{}{}", params.signed_by(&key, authority.issuer()).unwrap().pem(), pair.key)
}

fn expired(authority: &Authority) -> Pair {
    let names = ["site.test".to_owned()];
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200);
    let from = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    authority.issue(&Order { from, until, ..Order::server(&names, 1) }).unwrap()
}

/// Writes a list on which nobody stands.
fn list(authority: &Authority) -> String {
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2049, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(authority.issuer()).unwrap().pem().unwrap()
}
