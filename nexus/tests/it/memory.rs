//! The worst that one HTTP/2 connection can make Nexus hold, as `docs/http2.md` states it, and that
//! nothing of it stays once the connection or its streams are gone.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use nexus::buffer::MEDIUM;
use nexus::http1::head::HEAD_BYTES_MAX;
use nexus::http2::{SEND_BYTES_MAX, STREAMS_MAX, WINDOW_CONNECTION_BYTES};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::cli::Running;
use crate::world::{PATIENCE, Reader, raw, until};

/// The buffers of both directions of a stream, and heads: its own, and its text.
const ENGINE_BYTES: usize = 2 * MEDIUM + 2 * HEAD_BYTES_MAX;
/// The largest buffers, which all connections of a worker share: see `buffer`.
const LARGEST_BYTES: usize = 64 * 512 * 1024;
/// Frames that bring a byte each, which nobody has read: as many as the narrow window has bytes, and
/// those before it was narrowed. `h2` keeps some 400 bytes for each.
const CRUMBS_BYTES: usize = (65_535 + 16_384) * 400;
/// What an allocator keeps for itself, of what came and went.
const MARGIN_BYTES: usize = 16 * 1024 * 1024;

/// The bound that `docs/http2.md` states.
const WORST_BYTES: usize = WINDOW_CONNECTION_BYTES as usize
    + STREAMS_MAX as usize * (SEND_BYTES_MAX + ENGINE_BYTES)
    + LARGEST_BYTES
    + CRUMBS_BYTES;

/// An answer must have come so far before it is not read any more: buffers grow while it comes.
const READ_BYTES: usize = 2 * 1024 * 1024;
/// Nothing has moved for so long: all that can be full is.
const STUCK: Duration = Duration::from_secs(1);

/// What a client does at its worst.
#[derive(Clone, Copy)]
struct Worst {
    uploads: bool,
    downloads: bool,
}

/// A backend that reads heads and no bodies, but at `/sink`; if it answers, it does so for ever.
fn greedy(answers: bool) -> SocketAddr {
    raw(move |mut stream| {
        let mut reader = Reader::new(stream.try_clone().unwrap());
        let Some(head) = reader.head() else { return };
        if head.starts_with("GET /quick") {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            return;
        }
        if head.starts_with("POST /sink") {
            let _ = reader.rest();
        }
        let block = vec![7; 64 * 1024];
        if answers {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
            while stream.write_all(&block).is_ok() {}
        }
        // What was sent to it lies unread in the socket, and hides the end.
        std::thread::park();
    })
}

/// A client with a connection of its own, whose windows are so large that only reading stops
/// answers.
async fn client(address: &str) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 30)
        .handshake(stream)
        .await
        .unwrap();
    spawn_local(connection);
    client
}

/// Asks for something short.
async fn quick(client: &mut SendRequest<Bytes>) {
    let request = Request::get("http://a.test/quick").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
}

/// One upload that has moved when `moved` has.
async fn upload(mut body: SendStream<Bytes>, moved: Rc<Cell<u64>>) {
    let block = Bytes::from_static(&[7; 16 * 1024]);
    loop {
        body.reserve_capacity(block.len());
        match poll_fn(|cx| body.poll_capacity(cx)).await {
            Some(Ok(capacity)) => {
                let len = capacity.min(block.len());
                moved.set(moved.get() + len as u64);
                if body.send_data(block.slice(..len), false).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// One answer, read so far and no further.
async fn download(response: ResponseFuture, moved: Rc<Cell<u64>>) {
    let mut body = response.await.unwrap().into_body();
    let mut read = 0;
    while read < READ_BYTES {
        let data = body.data().await.unwrap().unwrap();
        read += data.len();
        moved.set(moved.get() + data.len() as u64);
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    std::future::pending::<()>().await; // It is still wanted.
}

/// Begins with as many requests as there may be, and goes on until all is full.
async fn fill(client: &mut SendRequest<Bytes>, worst: Worst) -> Vec<JoinHandle<()>> {
    let moved = Rc::new(Cell::new(0));
    let mut tasks = Vec::new();
    for _ in 0..STREAMS_MAX {
        let request = Request::post("http://a.test/").body(()).unwrap();
        let mut ready = client.clone().ready().await.unwrap();
        let (response, body) = ready.send_request(request, !worst.uploads).unwrap();
        if worst.uploads {
            tasks.push(spawn_local(upload(body, Rc::clone(&moved))));
        }
        if worst.downloads {
            tasks.push(spawn_local(download(response, Rc::clone(&moved))));
        } else {
            tasks.push(spawn_local(async move { drop(response.await) }));
        }
    }
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < STUCK {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if moved.get() != last {
            (last, since) = (moved.get(), Instant::now());
        }
    }
    tasks
}

/// Does the worst that can be done on one connection; memory stays below the bound, and nothing is
/// left of it.
#[track_caller]
fn check(worst: Worst) {
    let backend = greedy(worst.downloads);
    let running = Running::start(&[
        "--backend",
        &format!("http://{backend}"),
        "--access-log=off",
        "--workers=1",
        "--health-interval=1h",
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tasks = LocalSet::new();
    let (mut hostile, before, files) = tasks.block_on(&runtime, async {
        let mut hostile = client(&running.address).await;
        quick(&mut hostile).await;
        quick(&mut client(&running.address).await).await;
        (hostile, running.status("VmRSS"), running.files())
    });
    let streams = tasks.block_on(&runtime, fill(&mut hostile, worst));
    // From here on nobody drives the client: it reads nothing.
    let full = running.status("VmHWM") - before;
    assert!(running.files() > files + STREAMS_MAX as usize - 9, "{} files", running.files());
    assert!(full as usize * 1024 < WORST_BYTES + MARGIN_BYTES, "{full} KiB more");

    // Others are answered all the same.
    let others = LocalSet::new();
    others.block_on(&runtime, async { quick(&mut client(&running.address).await).await });

    // Streams that are reset leave nothing behind; nor does the connection. Whose upload nobody
    // takes, has its stall timeout all the same.
    streams.iter().for_each(JoinHandle::abort);
    tasks.block_on(&runtime, async {
        let is_calm = || running.files() < files + 9;
        let deadline = Instant::now() + PATIENCE;
        while !is_calm() {
            assert!(Instant::now() < deadline, "{} files", running.files());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        quick(&mut hostile).await;
    });
    drop((hostile, tasks));
    until("the connection is gone", || running.files() < files + 8);
}

#[test]
fn uploads_that_nobody_takes_are_bounded() {
    check(Worst { uploads: true, downloads: false });
}

#[test]
fn answers_that_nobody_reads_are_bounded() {
    check(Worst { uploads: false, downloads: true });
}

#[test]
fn both_at_once_are_bounded() {
    check(Worst { uploads: true, downloads: true });
}

/// Sends all of it; says whether the windows had room for it.
async fn push(body: &mut SendStream<Bytes>, mut bytes: Bytes) -> bool {
    while !bytes.is_empty() {
        body.reserve_capacity(bytes.len());
        let capacity = tokio::time::timeout(STUCK, poll_fn(|cx| body.poll_capacity(cx))).await;
        let Ok(Some(Ok(capacity))) = capacity else { return false };
        let piece = bytes.split_to(capacity.min(bytes.len()));
        if body.send_data(piece, false).is_err() {
            return false;
        }
    }
    true
}

/// Begins an upload.
async fn begin(client: &SendRequest<Bytes>, path: &str) -> SendStream<Bytes> {
    let request = Request::post(format!("http://a.test{path}")).body(()).unwrap();
    let (response, body) =
        client.clone().ready().await.unwrap().send_request(request, false).unwrap();
    spawn_local(async move { drop(response.await) });
    body
}

/// Each byte is a frame, and nobody reads any: for what large frames of another upload make up for,
/// `h2` would keep a million.
#[test]
fn small_pieces_that_nobody_takes_are_bounded() {
    let backend = greedy(false);
    let folder = std::env::temp_dir().join(format!("nexus-memory-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("nexus.yaml");
    // Whoever waits for a place is not read.
    let text = format!(
        "pools:
  full:
    backends: [{{ url: http://{backend}, max_requests: 1 }}]
    queue: {{ timeout: 60s, max: 500 }}
  open: {{ backends: [http://{backend}] }}
routes:
  - {{ match: {{ path: /sink }}, pool: open }}
  - {{ match: {{ path: /quick }}, pool: open }}
  - {{ pool: full }}
"
    );
    std::fs::write(&file, text).unwrap();
    let running =
        Running::start(&["--config", file.to_str().unwrap(), "--access-log=off", "--workers=1"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let full = LocalSet::new().block_on(&runtime, async {
        let mut hostile = client(&running.address).await;
        quick(&mut hostile).await;
        let before = running.status("VmRSS");
        let _first = begin(&hostile, "/").await;
        let mut waiting = Vec::new();
        for _ in 0..4 {
            waiting.push(begin(&hostile, "/").await);
        }
        let mut sink = begin(&hostile, "/sink").await;
        let large = Bytes::from_static(&[7; 16 * 1024]);
        let mut small = 0;
        'all: while small < 2 * WINDOW_CONNECTION_BYTES {
            for at in 0..60 {
                if !push(&mut waiting[at % 4], large.slice(..1)).await {
                    break 'all;
                }
                small += 1;
            }
            if !push(&mut sink, large.clone()).await {
                break;
            }
        }
        quick(&mut client(&running.address).await).await;
        running.status("VmHWM") - before
    });
    std::fs::remove_dir_all(folder).unwrap();
    assert!(full as usize * 1024 < CRUMBS_BYTES + MARGIN_BYTES, "{full} KiB more");
}
