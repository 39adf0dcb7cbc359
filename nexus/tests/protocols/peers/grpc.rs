//! tonic on both sides: gRPC calls of every kind, and how they fail.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{PathAndQuery, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::each;
use crate::outcome::{Outcome, Wrong, ensure, same, wrong};
use crate::wire::{self, Io, Wire};
use crate::world::{Running, World};

/// What is said.
#[derive(Clone, PartialEq, prost::Message)]
struct Word {
    #[prost(string, tag = "1")]
    text: String,
}

fn word(text: impl Into<String>) -> Word {
    Word { text: text.into() }
}

type Codec = ProstCodec<Word, Word>;
type Words = ReceiverStream<Result<Word, Status>>;

/// A method, of a function.
#[derive(Clone)]
struct Method<F>(F);

impl<F, Asked, Answered> Service<Request<Asked>> for Method<F>
where
    F: Fn(Request<Asked>) -> BoxFuture<Response<Answered>, Status>,
{
    type Response = Response<Answered>;
    type Error = Status;
    type Future = BoxFuture<Response<Answered>, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        (self.0)(request)
    }
}

/// A service with a method of every kind.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Codec::default());
            Ok(match request.uri().path() {
                "/test.Echo/Say" => grpc.unary(Method(say), request).await,
                "/test.Echo/Count" => grpc.server_streaming(Method(count), request).await,
                "/test.Echo/Join" => grpc.client_streaming(Method(join), request).await,
                "/test.Echo/Talk" => grpc.streaming(Method(talk), request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

fn say(request: Request<Word>) -> BoxFuture<Response<Word>, Status> {
    Box::pin(async move {
        match request.get_ref().text.as_str() {
            "wrong" => Err(Status::not_found("no such word: 50 % of ä")),
            "wait" => std::future::pending().await,
            text => {
                let mut response = Response::new(word(format!("you said {text}")));
                let id = request.metadata().get_bin("id-bin").cloned();
                response.metadata_mut().insert_bin("id-bin", id.ok_or(Status::internal("no id"))?);
                Ok(response)
            }
        }
    })
}

/// Says as many words as asked for, and ends badly after a hundred.
fn count(request: Request<Word>) -> BoxFuture<Response<Words>, Status> {
    Box::pin(async move {
        let most: u32 = request.into_inner().text.parse().unwrap_or_default();
        let (said, words) = channel(1);
        tokio::spawn(async move {
            for at in 0..most.min(100) {
                let _ = said.send(Ok(word(at.to_string()))).await;
            }
            if most > 100 {
                let _ = said.send(Err(Status::resource_exhausted("enough"))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(words)))
    })
}

fn join(request: Request<Streaming<Word>>) -> BoxFuture<Response<Word>, Status> {
    Box::pin(async move {
        let (mut words, mut all) = (request.into_inner(), String::new());
        while let Some(word) = words.message().await? {
            all += &word.text;
        }
        Ok(Response::new(word(all)))
    })
}

fn talk(request: Request<Streaming<Word>>) -> BoxFuture<Response<Words>, Status> {
    Box::pin(async move {
        let (said, words) = channel(1);
        let mut heard = request.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(Word { text })) = heard.next().await {
                let _ = said.send(Ok(word(format!("you said {text}")))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(words)))
    })
}

/// A connection, for tonic.
struct Carried(Io);

impl Connected for Carried {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Carried {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Carried {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Connects a channel to Nexus.
#[derive(Clone)]
struct Connector(std::net::SocketAddr, Option<Arc<rustls::ClientConfig>>);

impl Service<Uri> for Connector {
    type Response = TokioIo<Carried>;
    type Error = std::io::Error;
    type Future = BoxFuture<TokioIo<Carried>, std::io::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self(address, tls) = self.clone();
        Box::pin(async move {
            let connected = wire::connect(address, tls).await;
            let io = connected.map_err(|wrong| std::io::Error::other(wrong.0))?;
            Ok(TokioIo::new(Carried(io)))
        })
    }
}

/// Takes connections from a backend that listens, for a server of tonic's.
async fn serve(connections: Receiver<std::io::Result<Carried>>) -> Outcome {
    let incoming = ReceiverStream::new(connections);
    Ok(Server::builder().serve_with_incoming(Echo, incoming).await?)
}

type Grpc = tonic::client::Grpc<Channel>;

async fn client(world: &World, nexus: &Running) -> Outcome<Grpc> {
    let tls = world.front.is_tls().then(|| world.secrets.client("h2"));
    let endpoint = Endpoint::from_static("http://nexus.test");
    let channel = endpoint.connect_with_connector(Connector(nexus.address, tls)).await?;
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    Ok(grpc)
}

fn path(method: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(method)
}

async fn unary(grpc: &mut Grpc, request: Request<Word>) -> Result<Response<Word>, Status> {
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    grpc.unary(request, path("/test.Echo/Say"), Codec::default()).await
}

/// A call whose answer has binary data beside it.
async fn says(grpc: &mut Grpc) -> Outcome {
    let mut request = Request::new(word("hello"));
    let id = tonic::metadata::MetadataValue::from_bytes(&[0, 255, 13, 10]);
    request.metadata_mut().insert_bin("id-bin", id.clone());
    let response = unary(grpc, request).await?;
    same("id", response.metadata().get_bin("id-bin"), Some(&id))?;
    same("said", response.into_inner().text, "you said hello")
}

async fn fails(grpc: &mut Grpc) -> Outcome {
    let Err(status) = unary(grpc, Request::new(word("wrong"))).await else {
        return wrong("it is ok");
    };
    same("status", (status.code(), status.message()), (Code::NotFound, "no such word: 50 % of ä"))?;
    let request = Request::new(word(""));
    grpc.ready().await?;
    let gone =
        grpc.unary::<Word, Word, _>(request, path("/test.Echo/None"), Codec::default()).await;
    same("status", gone.map(drop).map_err(|status| status.code()), Err(Code::Unimplemented))
}

/// A call that is not answered in its time, after which the channel goes on.
async fn is_late(grpc: &mut Grpc) -> Outcome {
    let mut request = Request::new(word("wait"));
    request.set_timeout(Duration::from_millis(100));
    let Err(status) = unary(grpc, request).await else { return wrong("it is in time") };
    let is_late = matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
    ensure(is_late, || format!("{status:?}"))
}

async fn counts(grpc: &mut Grpc) -> Outcome {
    for most in [0, 1, 100, 101] {
        grpc.ready().await?;
        let request = Request::new(word(most.to_string()));
        let words = grpc.server_streaming(request, path("/test.Echo/Count"), Codec::default());
        let mut words: Streaming<Word> = words.await?.into_inner();
        for at in 0..most.min(100) {
            same("word", words.message().await?, Some(word(at.to_string())))?;
        }
        let end = words.message().await.map_err(|status| status.code());
        same("the end", end, if most > 100 { Err(Code::ResourceExhausted) } else { Ok(None) })?;
    }
    Ok(())
}

async fn joins(grpc: &mut Grpc) -> Outcome {
    grpc.ready().await?;
    let text = "x".repeat(10_000);
    let words = tokio_stream::iter(vec![word(text); 100]);
    let joined =
        grpc.client_streaming(Request::new(words), path("/test.Echo/Join"), Codec::default());
    let joined: Word = joined.await?.into_inner();
    same("length", joined.text.len(), 1_000_000)
}

async fn talks(grpc: &mut Grpc) -> Outcome {
    grpc.ready().await?;
    let (say, said): (Sender<Word>, _) = channel(1);
    let said = Request::new(ReceiverStream::new(said));
    let heard = grpc.streaming(said, path("/test.Echo/Talk"), Codec::default());
    let mut heard: Streaming<Word> = heard.await?.into_inner();
    for turn in 0..20 {
        say.send(word(turn.to_string())).await?;
        same("heard", heard.message().await?, Some(word(format!("you said {turn}"))))?;
    }
    drop(say);
    same("the end", heard.message().await?, None)
}

async fn calls(world: World) -> Outcome {
    let (connected, connections) = channel(8);
    let backend = world.raw(move |io, _| {
        let connected = connected.clone();
        async move { connected.send(Ok(Carried(io))).await.map_err(|_| Wrong("over".to_owned())) }
    })?;
    world.backends.spawn(serve(connections));
    let nexus = world.nexus(&[&backend]).await?;
    let mut grpc = client(&world, &nexus).await?;
    says(&mut grpc).await?;
    fails(&mut grpc).await?;
    is_late(&mut grpc).await?;
    counts(&mut grpc).await?;
    joins(&mut grpc).await?;
    talks(&mut grpc).await?;
    says(&mut grpc).await
}

#[test]
fn tonic_calls_tonic() {
    let http2 = [Wire::Http2, Wire::H2c];
    each(&http2, &http2, calls);
}
