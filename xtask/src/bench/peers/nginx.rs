//! nginx as its experts would configure it for this job.

use std::fmt::Write;
use std::path::Path;

use super::Site;

pub(super) fn args(configuration: &Path, folder: &Path) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    vec!["-p".into(), text(folder), "-e".into(), "stderr".into(), "-c".into(), text(configuration)]
}

/// Connections to backends are kept for all clients at once, requests per connection are not
/// limited, nothing is written to disk but the log, which is buffered. A few large buffers cost less
/// than many: fresh memory for every request is what 1 MiB of them would be. Clients are accepted
/// once they have spoken, as Nexus does it.
pub(super) fn configuration(site: &Site<'_>) -> String {
    let folder = site.folder.display();
    let mut servers = String::new();
    for backend in site.backends {
        let _ = writeln!(servers, "        server {};", backend.listen);
    }
    let log = match site.with_log {
        true => format!("access_log {folder}/access.log combined buffer=64k"),
        false => "access_log off".to_owned(),
    };
    let keepalive = site.row.connections.max(128);
    let buffers = match site.row.body_bytes {
        None => "proxy_buffer_size 8k; proxy_buffers 8 8k;",
        Some(_) => "proxy_buffer_size 16k; proxy_buffers 4 64k; proxy_busy_buffers_size 128k;",
    };
    let is_http2 = if site.row.streams.is_some() { " http2" } else { "" };
    let (is_tls, tls) = match site.row.is_tls {
        true => (" ssl", tls(site)),
        false => ("", String::new()),
    };
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 20000; use epoll; }}
http {{
    {log};
    tcp_nodelay on;
    keepalive_timeout 75s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream pool {{
{servers}        keepalive {keepalive};
        keepalive_requests 1000000000;
        keepalive_timeout 60s;
    }}
    server {{
        listen {address}{is_tls}{is_http2} backlog=4096 deferred;
{tls}        location / {{
            proxy_pass http://pool;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            {buffers}
            proxy_max_temp_file_size 0;
            add_header X-Backend-Server http://$upstream_addr;
            add_header X-Forwarded-By nginx;
        }}
    }}
}}
",
        address = site.address
    )
}

/// TLS as all peers have it, so that none saves by a lesser cipher. With HTTP/1.1, nothing else is
/// agreed on.
fn tls(site: &Site<'_>) -> String {
    let (certificate, key) = (site.identity.certificate.display(), site.identity.key.display());
    format!(
        "        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
        ssl_ecdh_curve X25519;
        ssl_session_cache shared:tls:10m;
"
    )
}
