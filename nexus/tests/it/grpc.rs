//! Stories of gRPC: what its statuses say of backends, its deadline, and answers of Nexus's own.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use nexus::app::Nexus;
use nexus::ejection::{Rules, Standing};
use nexus::settings::Settings;
use tokio::net::{TcpListener, TcpStream};

use crate::world::{Backend, PATIENCE, backend, settings, start, until};

const RULES: Rules = Rules { consecutive_gateway: 3, percent_max: 100, ..Rules::NEVER };

/// A backend that ends each call with this status: in its head alone, or behind a message; none is
/// never.
fn backend_saying(status: Option<&'static str>, alone: bool) -> SocketAddr {
    let (listens, is_listening) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listens.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    let mut waiting = Vec::new();
                    while let Some(Ok((_, mut respond))) = connection.accept().await {
                        let head = Response::builder().header("content-type", "application/grpc");
                        match status {
                            None => waiting.push(respond),
                            Some(status) if alone => {
                                let head = head.header("grpc-status", status).body(()).unwrap();
                                respond.send_response(head, true).unwrap();
                            }
                            Some(status) => {
                                let mut body =
                                    respond.send_response(head.body(()).unwrap(), false).unwrap();
                                body.send_data(Bytes::from_static(b"\0\0\0\0\x01x"), false)
                                    .unwrap();
                                let mut trailers = HeaderMap::new();
                                trailers.insert("grpc-status", status.parse().unwrap());
                                body.send_trailers(trailers).unwrap();
                            }
                        }
                    }
                });
            }
        });
    });
    is_listening.recv().unwrap()
}

fn before(address: SocketAddr, change: impl FnOnce(&mut Settings)) -> Nexus {
    let mut settings = settings(&[]);
    settings.pools[0].backends = vec![format!("h2c://{address}").parse().unwrap()];
    change(&mut settings);
    start(settings)
}

/// Makes a call, and returns its head's fields and its trailers.
fn call(nexus: &Nexus, fields: &[(&'static str, &'static str)]) -> (HeaderMap, HeaderMap) {
    let address = nexus.addresses()[0];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let call = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::post("http://a.test/pkg.Service/Method")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        while let Some(data) = body.data().await {
            let len = data.unwrap().len();
            let _ = body.flow_control().release_capacity(len);
        }
        (head.headers, body.trailers().await.unwrap().unwrap_or_default())
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, call).await.unwrap() })
}

#[test]
fn an_answer_of_nexus_has_the_status_of_grpc() {
    let nexus = before("127.0.0.1:1".parse().unwrap(), |_| {});
    until("it is DOWN", || !backend(&nexus, 0).is_up());
    let (head, _) = call(&nexus, &[]);
    assert_eq!(head["grpc-status"], "14", "{head:?}");
    assert!(head["grpc-message"].to_str().unwrap().contains("no backend"), "{head:?}");
}

#[test]
fn a_call_has_the_time_that_it_says() {
    let nexus = before(backend_saying(None, true), |_| {});
    let (head, _) = call(&nexus, &[("grpc-timeout", "200m")]);
    assert_eq!(head["grpc-status"], "4", "{head:?}");
}

#[test]
fn trailers_come_through() {
    let nexus = before(backend_saying(Some("0"), false), |_| {});
    assert_eq!(call(&nexus, &[]).1["grpc-status"], "0");
}

#[test]
fn a_backend_is_ejected_for_the_status_of_its_calls() {
    let fine = Backend::named("fine");
    for alone in [true, false] {
        let nexus = before(backend_saying(Some("14"), alone), |settings| {
            settings.pools[0].ejection = Some(RULES);
            // Never everybody is.
            settings.pools[0].backends.push(fine.address.to_string().parse().unwrap());
        });
        for _ in 0..6 {
            call(&nexus, &[]);
        }
        until("it is ejected", || backend(&nexus, 0).conduct.ejection().standing != Standing::In);
    }
    let nexus = before(backend_saying(Some("5"), true), |settings| {
        settings.pools[0].ejection = Some(RULES);
    });
    for _ in 0..5 {
        call(&nexus, &[("grpc-timeout", "9S")]);
    }
    assert_eq!(
        backend(&nexus, 0).conduct.ejection().standing,
        Standing::In,
        "not found is an answer"
    );
}
