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
    format!(
        "global
    nbthread 1
    maxconn 6000
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
    bind {address} backlog 4096 defer-accept
    option forwardfor
    http-request set-header X-Forwarded-Proto http
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
