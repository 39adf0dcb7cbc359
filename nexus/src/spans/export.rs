//! The way of traces to their receiver: OTLP over HTTP, from a thread of its own.
//!
//! # What if the receiver is away?
//!
//! What waits is bounded; the newest is dropped and counted. The receiver is tried again after a
//! pause that grows. Requests notice nothing, and Nexus stops a second later at most.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::finish::Finish;

use super::{BLOCKS_MAX, Finished, Traces, Tracing, otlp};

/// Spans that are sent together at most; receivers take messages of 4 MiB.
const BATCH: usize = 512;

/// Spans that may wait to be sent: some 8 MiB.
const WAITING_MAX: usize = 8192;

/// How long a span may wait for others.
const DELAY: Duration = Duration::from_secs(1);

/// How long the receiver is left alone after the first failure in a row, and at most.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long the last spans may take when Nexus stops.
const FINISH: Duration = Duration::from_millis(800);

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The thread that sends; dropped, it tries once more to send what it has.
pub struct Exporter {
    blocks: Option<mpsc::Sender<Vec<Finished>>>,
    stop: Option<oneshot::Sender<()>>,
    dropped: Arc<AtomicU64>,
    finished: Finish,
}

impl Exporter {
    /// Starts a thread that sends to where `asked` says; spans that are lost are added to `dropped`.
    ///
    /// # Errors
    ///
    /// Fails if no thread or runtime can be made.
    pub fn start(asked: Tracing, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        let (blocks, given) = mpsc::channel(BLOCKS_MAX);
        let (stop, stopped) = oneshot::channel();
        let finished = Finish::default();
        let (bell, count) = (finished.clone(), Arc::clone(&dropped));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
            runtime.block_on(Courier::new(asked, count).run(given, stopped));
            runtime.shutdown_background();
            bell.tell();
        })?;
        Ok(Self { blocks: Some(blocks), stop: Some(stop), dropped, finished })
    }

    /// Gives a worker its end.
    pub fn traces(&self) -> Traces {
        let blocks = self.blocks.clone().expect("it is there until the drop");
        Traces { blocks, waiting: Vec::new(), dropped: Arc::clone(&self.dropped) }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        (self.blocks, self.stop) = (None, None);
        self.finished.wait(FINISH + Duration::from_millis(200));
    }
}

/// What runs on the thread.
struct Courier {
    to: Tracing,
    host: String,
    waiting: Vec<Span>,
    dropped: Arc<AtomicU64>,
    connection: Option<SendRequest<Full<Bytes>>>,
    /// When the next batch is to go.
    due: Instant,
    /// Failures in a row.
    failures: u32,
}

/// Why a batch was not taken.
enum Failure {
    /// It may be another time; not before this time, if the receiver says so.
    Later(String, Option<Duration>),
    /// It never will.
    Never(String),
}

impl Courier {
    fn new(to: Tracing, dropped: Arc<AtomicU64>) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (waiting, due) = (Vec::new(), Instant::now());
        Self { to, host, waiting, dropped, connection: None, due, failures: 0 }
    }

    async fn run(
        mut self,
        mut blocks: mpsc::Receiver<Vec<Finished>>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        tokio::select! {
            _ = &mut stopped => {}
            () = self.go_on(&mut blocks) => {}
        }
        while let Ok(block) = blocks.try_recv() {
            self.take(&block);
        }
        let last = async { while !self.waiting.is_empty() && self.send().await.is_ok() {} };
        let _ = timeout(FINISH, last).await;
        self.drop_spans(self.waiting.len());
    }

    /// Takes what comes and sends it, until nobody is left to come.
    async fn go_on(&mut self, blocks: &mut mpsc::Receiver<Vec<Finished>>) {
        loop {
            tokio::select! {
                block = blocks.recv() => match block {
                    Some(block) => self.take(&block),
                    None => return,
                },
                () = sleep_until(self.due), if !self.waiting.is_empty() => self.deliver().await,
            }
        }
    }

    fn take(&mut self, block: &[Finished]) {
        if self.waiting.is_empty() && self.failures == 0 {
            self.due = Instant::now() + DELAY;
        }
        for finished in block {
            if self.waiting.len() + 1 + finished.parts.len() > WAITING_MAX {
                self.drop_spans(1 + finished.parts.len());
            } else {
                self.waiting.extend(otlp::spans(finished));
            }
        }
        if self.waiting.len() >= BATCH && self.failures == 0 {
            self.due = Instant::now();
        }
    }

    fn drop_spans(&self, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Sends a batch, and sees to when the next one goes.
    async fn deliver(&mut self) {
        let outcome = self.send().await;
        let now = Instant::now();
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.failures) > 0 {
                    tracing::info!(endpoint = %self.to.endpoint, "traces are sent again");
                }
                let is_full = self.waiting.len() >= BATCH;
                self.due = if is_full { now } else { now + DELAY };
            }
            Err(why) => {
                let pause = PAUSE.saturating_mul(1 << self.failures.min(5)).min(PAUSE_MAX);
                let (why, pause) = match why {
                    Failure::Later(why, asked) => {
                        (why, asked.map_or(pause, |asked| asked.min(PAUSE_MAX).max(pause)))
                    }
                    Failure::Never(why) => {
                        let lost = self.waiting.len().min(BATCH);
                        self.waiting.drain(..lost);
                        self.drop_spans(lost);
                        (why, pause)
                    }
                };
                if self.failures == 0 {
                    tracing::warn!(endpoint = %self.to.endpoint, error = why, "traces cannot be sent, they wait and then are dropped");
                }
                self.failures += 1;
                // Those who lost the same receiver do not come back together.
                self.due = now + pause.mul_f64(0.75 + fastrand::f64() / 2.0);
            }
        }
    }

    /// Sends a batch, which goes when it was taken.
    async fn send(&mut self) -> Result<(), Failure> {
        let count = self.waiting.len().min(BATCH);
        let batch = self.waiting[..count].to_vec();
        let body = Bytes::from(otlp::request(&self.to.service, &self.host, batch).encode_to_vec());
        let limit = self.to.timeout;
        let late = || Failure::Later("no answer in time".to_owned(), None);
        let refused = timeout(limit, self.post(body)).await.unwrap_or_else(|_| {
            self.connection = None;
            Err(late())
        })?;
        self.waiting.drain(..count);
        self.drop_spans(usize::try_from(refused).unwrap_or(0).min(count));
        Ok(())
    }

    /// Posts a message; returns how many spans of it were refused.
    async fn post(&mut self, body: Bytes) -> Result<i64, Failure> {
        let later = |error: &dyn std::fmt::Display| Failure::Later(error.to_string(), None);
        let mut request = Request::post(&self.to.endpoint.path)
            .header("Host", &self.to.endpoint.authority)
            .header("Content-Type", "application/x-protobuf")
            .header("User-Agent", concat!("nexus/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.to.headers.0 {
            request = request.header(name, value);
        }
        let request =
            request.body(Full::new(body)).map_err(|error| Failure::Never(error.to_string()))?;
        let mut connection = match self.open().await {
            Some(open) => open,
            None => self.connect().await.map_err(|error| later(&error))?,
        };
        let answer = connection.send_request(request).await.map_err(|error| later(&error))?;
        let (status, fields) = (answer.status(), answer.headers().clone());
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        self.connection = Some(connection);
        if status.is_success() {
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let said = ExportTraceServiceResponse::decode(body).unwrap_or_default();
            return Ok(said.partial_success.map_or(0, |partial| partial.rejected_spans));
        }
        let why = format!("the receiver answers {status}");
        // Which may be tried again: OTLP, "Retryable Response Codes".
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let after = fields.get("retry-after").and_then(|value| value.to_str().ok());
                Failure::Later(why, after.and_then(|s| s.parse().ok()).map(Duration::from_secs))
            }
            _ => Failure::Never(why),
        })
    }

    /// Returns the connection of the last batch, if it is still good for another.
    async fn open(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let mut open = self.connection.take()?;
        open.ready().await.is_ok().then_some(open)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
        let stream = tokio::net::TcpStream::connect(&self.to.endpoint.authority).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
