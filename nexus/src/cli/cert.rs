//! What can be said of certificates for development.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use crate::config::Scalar;

const CERT_EXAMPLES: &str = "\
Examples:
  nexus cert
      For localhost: localhost.pem, localhost.key, and the authority that they are from, nexus-ca.pem
      and nexus-ca.key. One that is there already is used again.
  nexus cert shop.test '*.shop.test' 10.0.0.5 --out certs
      For these names, in shop.test.pem and shop.test.key.
  nexus cert --client alice
      For a client that shows who it is (`client_auth: nexus-ca.pem`).
  nexus cert --force
      Renews localhost.pem; a Nexus that runs takes it by itself.

For development and tests: nobody but whoever trusts nexus-ca.pem accepts these certificates.

Exit codes:
  0  made   1  something is there already, or cannot be written   2  bad command line";

/// What certificate to make.
#[derive(Debug, Args)]
#[command(after_help = CERT_EXAMPLES)]
pub struct Cert {
    /// Hosts and addresses that it is for; `*.` in front stands for one label
    #[arg(value_name = "NAME", value_parser = host, default_values = ["localhost", "127.0.0.1", "::1"])]
    pub names: Vec<String>,

    /// Make one for a client of this name instead
    #[arg(long, value_name = "NAME", value_parser = client, conflicts_with = "names")]
    pub client: Option<String>,

    /// Folder for the files; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,

    /// Days that it counts
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,

    /// A key of RSA instead of ECDSA, for clients that know nothing else
    #[arg(long)]
    pub rsa: bool,

    /// Replace certificate and key if they are there; never the authority
    #[arg(long)]
    pub force: bool,
}

/// Reads a name for a server.
fn host(text: &str) -> Result<String, String> {
    let is_address = text.parse::<IpAddr>().is_ok();
    if is_address || (Scalar::Host.read(text).is_ok() && !text.contains(['[', '~'])) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("use a host such as shop.test or *.shop.test, or an address, without a port".to_owned())
    }
}

/// Reads a name for a client, which is that of its files, too.
fn client(text: &str) -> Result<String, String> {
    Scalar::Name.read(text).map(|_| text.to_owned()).map_err(|complaint| complaint.hint)
}
