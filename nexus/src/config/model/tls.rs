//! The keys of TLS, on both sides.

use super::Default::{Absent, Is, Required};
use super::Kind::{Many, One, OneOrMany, Short};
use super::{Group, Kind, Table, key};
use crate::config::scalar::Scalar;
use crate::tls::{Profile, Protocol, UnknownName};

/// TLS of a listener.
pub(super) static LISTENER_TLS: Table = Table {
    name: "TLS of a listener",
    keys: &[
        key(
            "cert",
            One(Scalar::File),
            Absent("–"),
            "The only certificate: a PEM file of the chain, its own certificate first.",
            "site.pem",
        )
        .known_as(&["crt", "certificate", "ssl_certificate", "cert_file"]),
        key(
            "key",
            One(Scalar::File),
            Absent("in the file of `cert`"),
            "Its private key, a PEM file without a passphrase.",
            "other.pem",
        )
        .known_as(&["private_key", "ssl_certificate_key", "key_file"]),
        key(
            "ocsp",
            One(Scalar::File),
            Absent("none"),
            "An OCSP response of its issuer, as DER, to show along with it.",
            "site.ocsp",
        )
        .known_as(&["ocsp_file", "ssl_stapling_file", "staple"]),
        key(
            "certificates",
            Many(&A_CERTIFICATE),
            Absent("–"),
            "Several: the one for the name that the client asks for is taken, the first if there is none. Of several for one name clients get what they can verify, ECDSA before RSA.",
            "[{ cert: site.pem, key: other.pem }]",
        )
        .known_as(&["certs", "tls_certificates"]),
        key(
            "profile",
            One(Scalar::Choice(&Profile::NAMES)),
            Is("intermediate"),
            "`modern` is TLS 1.3 only; `intermediate` also 1.2, with forward secrecy and authenticated encryption only.",
            "modern",
        )
        .known_as(&["min_version", "ssl_protocols", "versions", "ssl_min_ver"]),
        key(
            "alpn",
            OneOrMany(Scalar::Choice(&Protocol::NAMES)),
            Is("[h2, http/1.1]"),
            "The protocols to agree on, the preferred first.",
            "http/1.1",
        )
        .known_as(&["protocols", "alpn_protocols"]),
        key(
            "unknown_name",
            One(Scalar::Choice(&UnknownName::NAMES)),
            Is("default"),
            "What becomes of a client that asks for a name of no certificate: it gets the first, or is refused. Who asks for no name gets the first.",
            "refuse",
        )
        .known_as(&["strict_sni", "sni_strict"]),
        key(
            "client_auth",
            Short(&One(Scalar::File), "ca", &CLIENT_AUTH),
            Absent("not asked for"),
            "Whose certificates clients show; in short a file of authorities, and they must.",
            "clients.pem",
        )
        .known_as(&["mtls", "ssl_verify_client", "client_ca", "verify"]),
        key(
            "tickets",
            One(Scalar::Bool),
            Is("true"),
            "Give clients tickets, so that their next connection needs half the time.",
            "false",
        )
        .known_as(&["session_tickets", "ssl_session_tickets"]),
        key(
            "ticket_keys",
            One(Scalar::File),
            Absent("made at start, new every 6h"),
            "A file of keys for tickets, one a line, base64 of 32 bytes: machines with the same file open each other's tickets. The first seals.",
            "tickets.key",
        )
        .known_as(&["session_ticket_keys", "ssl_session_ticket_key", "tls_ticket_keys"]),
        key(
            "handshake_timeout",
            One(Scalar::Time),
            Is("10s"),
            "From the first byte of a connection to the end of its handshake.",
            "5s",
        )
        .known_as(&["timeout", "transport_socket_connect_timeout"]),
    ],
    groups: &[Group { keys: &["cert", "certificates"], is_required: true }],
};

static A_CERTIFICATE: Kind = Short(&One(Scalar::File), "cert", &CERTIFICATE);

static CERTIFICATE: Table = Table {
    name: "a certificate",
    keys: &[
        key(
            "cert",
            One(Scalar::File),
            Required,
            "A PEM file of the chain, its own certificate first.",
            "site.pem",
        )
        .known_as(&["crt", "certificate", "cert_file"]),
        key(
            "key",
            One(Scalar::File),
            Absent("in the file of `cert`"),
            "Its private key, a PEM file without a passphrase.",
            "other.pem",
        )
        .known_as(&["private_key", "key_file"]),
        key(
            "ocsp",
            One(Scalar::File),
            Absent("none"),
            "An OCSP response of its issuer, as DER, to show along with it.",
            "site.ocsp",
        )
        .known_as(&["ocsp_file", "staple"]),
    ],
    groups: &[],
};

static CLIENT_AUTH: Table = Table {
    name: "certificates of clients",
    keys: &[
        key(
            "mode",
            One(Scalar::Choice(&["require", "optional"])),
            Is("require"),
            "Whether there is no connection without one; `optional` lets clients without one pass, but none with a wrong one.",
            "optional",
        )
        .known_as(&["verify"]),
        key(
            "ca",
            One(Scalar::File),
            Required,
            "A PEM file of the authorities whose certificates count.",
            "clients.pem",
        )
        .known_as(&["ca_file", "ssl_client_certificate", "trusted_ca"]),
        key(
            "crl",
            One(Scalar::File),
            Absent("none"),
            "A file of revocation lists, one of each authority: who stands on one does not count.",
            "clients.crl",
        )
        .known_as(&["crl_file", "ssl_crl"]),
    ],
    groups: &[],
};

/// What browsers are told.
pub(super) static HSTS: Table = Table {
    name: "the word to browsers to come by https only",
    keys: &[
        key("max_age", One(Scalar::Time), Required, "For how long they keep to it.", "365d"),
        key(
            "subdomains",
            One(Scalar::Bool),
            Is("false"),
            "Whether it is also for all hosts below this one.",
            "true",
        )
        .known_as(&["include_subdomains", "includeSubDomains"]),
    ],
    groups: &[],
};

/// TLS of a pool.
pub(super) static BACKEND_TLS: Table = Table {
    name: "TLS of a pool",
    keys: &[
        key(
            "ca",
            One(Scalar::File),
            Absent("whom the system trusts"),
            "A PEM file of the authorities whose certificates count.",
            "backends.pem",
        )
        .known_as(&["ca_file", "ca_certificate", "proxy_ssl_trusted_certificate"]),
        key(
            "name",
            One(Scalar::Text),
            Absent("the host of the backend's URL"),
            "The name to ask backends for and to find in their certificates.",
            "web.internal",
        )
        .known_as(&["sni", "server_name", "proxy_ssl_name"]),
        key(
            "cert",
            One(Scalar::File),
            Absent("none"),
            "The certificate that Nexus shows them: a PEM file of the chain.",
            "site.pem",
        )
        .known_as(&["crt", "certificate", "client_cert", "proxy_ssl_certificate"]),
        key(
            "key",
            One(Scalar::File),
            Absent("in the file of `cert`"),
            "Its private key, a PEM file without a passphrase.",
            "other.pem",
        )
        .known_as(&["private_key", "client_key", "proxy_ssl_certificate_key"]),
        key(
            "insecure",
            One(Scalar::Bool),
            Is("false"),
            "Take any certificate: whoever is between Nexus and a backend can then read and change everything.",
            "true",
        )
        .known_as(&["insecure_skip_verify", "skip_verify"]),
        key(
            "alpn",
            OneOrMany(Scalar::Choice(&Protocol::NAMES)),
            Is("http/1.1"),
            "The protocols to offer, the preferred first.",
            "[h2, http/1.1]",
        )
        .known_as(&["protocols", "alpn_protocols"]),
    ],
    groups: &[],
};
