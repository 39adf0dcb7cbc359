//! HAProxy as its experts would configure it for this job.

use std::fmt::Write;
use std::path::Path;

use super::Site;

pub(super) fn args(configuration: &Path) -> Vec<String> {
    vec!["-db".into(), "-f".into(), configuration.display().to_string()]
}

/// From this size on larger buffers help; below, they cost (each was tried).
const LARGE: usize = 512 * 1024;

/// Connections to backends are shared by all clients. No splicing: on a loopback it costs more than
/// it saves, at every size here. Clients are accepted once they have spoken, as Nexus does it.
pub(super) fn configuration(site: &Site<'_>) -> String {
    let mut servers = String::new();
    for (number, backend) in site.backends.iter().enumerate() {
        let _ = writeln!(servers, "    server b{} {} check inter 10s", number + 1, backend.listen);
    }
    let (log_to, log) = match site.with_log {
        true => ("    log stdout format raw local0\n", "    log global\n    option httplog\n"),
        false => ("", ""),
    };
    let buffers = match site.row.body_bytes {
        Some(LARGE..) => "    tune.bufsize 65536\n",
        _ => "",
    };
    let spoken = match (site.row.is_tls, site.row.streams) {
        (true, Some(_)) => format!(" ssl crt {} alpn h2", site.identity.both.display()),
        (true, None) => format!(" ssl crt {} alpn http/1.1", site.identity.both.display()),
        (false, Some(_)) => " proto h2".to_owned(),
        (false, None) => String::new(),
    };
    let scheme = if site.row.is_tls { "https" } else { "http" };
    format!(
        "global
    nbthread 1
    maxconn 6000
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-bind-ciphersuites TLS_AES_256_GCM_SHA384
    ssl-default-bind-curves X25519
{buffers}{log_to}
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 30s
    timeout http-keep-alive 60s
    option http-keep-alive
    http-reuse always
{log}
frontend clients
    bind {address} backlog 4096 defer-accept{spoken}
    option forwardfor
    http-request set-header X-Forwarded-Proto {scheme}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-response set-header X-Backend-Server http://%si:%sp
    http-response set-header X-Forwarded-By HAProxy
    default_backend pool

backend pool
    balance roundrobin
{servers}",
        address = site.address
    )
}
