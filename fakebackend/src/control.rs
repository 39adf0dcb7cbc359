//! The control port: everything can be asked and changed while it runs, and no fault touches it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::calls::{self, Refused};
use crate::gate::GateKeeper;
use crate::rules::Shared;

/// Longest body of a call.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// How long accepting rests after an error.
const REST_AFTER_ERROR: Duration = Duration::from_millis(20);

/// What the calls work on.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) shared: Arc<Shared>,
    pub(crate) gate: GateKeeper,
    stop: mpsc::Sender<()>,
}

impl Room {
    pub(crate) fn new(shared: &Arc<Shared>, gate: &GateKeeper, stop: mpsc::Sender<()>) -> Self {
        Self { shared: Arc::clone(shared), gate: gate.clone(), stop }
    }
}

/// Serves the control port until the program ends.
pub(crate) async fn serve(listener: TcpListener, room: Room) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(TokioIo::new(stream), room.clone()));
            }
            Err(_) => tokio::time::sleep(REST_AFTER_ERROR).await,
        }
    }
}

async fn connection(stream: TokioIo<tokio::net::TcpStream>, room: Room) {
    let (stops, mut stopped) = mpsc::channel(1);
    let service = service_fn(|request| answer(request, &room, &stops));
    let mut http = hyper::server::conn::http1::Builder::new();
    let _ = http.timer(TokioTimer::new()).serve_connection(stream, service).await;
    if stopped.try_recv().is_ok() {
        // Only now, so that the answer is out before the program is.
        let _ = room.stop.try_send(());
    }
}

async fn answer(
    request: Request<Incoming>,
    room: &Room,
    stops: &mpsc::Sender<()>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().trim_end_matches('/');
    if (&head.method, path) == (&Method::POST, "/shutdown") {
        let _ = stops.try_send(());
        let mut response = json(StatusCode::OK, &json!({ "at": now(), "stopping": true }));
        response.headers_mut().insert(CONNECTION, hyper::header::HeaderValue::from_static("close"));
        return Ok(response);
    }
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        return Ok(error(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broke off"));
    };
    let query = head.uri.query().unwrap_or_default();
    Ok(match calls::call(room, &head.method, path, query, &body.to_bytes()).await {
        Ok(value) => json(StatusCode::OK, &value),
        Err(Refused::Wrong(why)) => error(StatusCode::BAD_REQUEST, &why),
        Err(Refused::Failed(why)) => error(StatusCode::CONFLICT, &why),
        Err(Refused::NoSuchCall) => error(StatusCode::NOT_FOUND, "no such call; GET / lists all"),
        Err(Refused::NoSuchMethod(allowed)) => {
            let mut response =
                error(StatusCode::METHOD_NOT_ALLOWED, &format!("this call knows {allowed}"));
            response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static(allowed));
            response
        }
    })
}

/// The time of day, as every change is stamped with.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

fn error(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    json(status, &json!({ "error": why }))
}

fn json(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{value}\n")));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
