//! Flags about what is spoken on connections, and how it is wrapped.

use std::path::PathBuf;

use clap::Args;

use crate::tls::Wanted;

/// What is spoken, and how it is wrapped.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Protocols")]
pub struct Protocols {
    /// Serve over TLS, with a certificate that is made now and signs itself.
    #[arg(long)]
    pub tls: bool,

    /// Serve over TLS with this certificate (PEM, the chain behind it).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Write the certificate that was made here, for those who are to trust it.
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "cert")]
    pub cert_out: Option<PathBuf>,

    /// Write its key here, for another program to serve with.
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "cert")]
    pub key_out: Option<PathBuf>,

    /// Protocols to offer over TLS, the first one preferred.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "h2,http/1.1",
        value_parser = ["h2", "http/1.1"]
    )]
    pub alpn: Vec<String>,

    /// Requests at once on an HTTP/2 connection.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub streams: u32,

    /// Expect a PROXY header (version 1 or 2) at the begin of every connection.
    #[arg(long)]
    pub proxy_protocol: bool,
}

impl Protocols {
    /// Whether TLS is asked for.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls || self.cert.is_some()
    }

    /// What TLS is made of.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            files: self.cert.clone().zip(self.key.clone()),
            cert_out: self.cert_out.clone(),
            key_out: self.key_out.clone(),
            alpn: self.alpn.clone(),
        }
    }
}
