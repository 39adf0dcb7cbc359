//! Peers that nobody here wrote, each through Nexus: what they demand is what users meet.

mod curl;
mod grpc;
mod h2load;
mod openssl;
mod websocket;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::process::Command;
use tokio::runtime::{Builder, Handle};

use crate::outcome::{Outcome, ensure, text};
use crate::secure::Secrets;
use crate::table::runtime;
use crate::wire::{PATIENCE, Wire};
use crate::world::World;

/// The world of these tests, between two protocols.
fn world(front: Wire, back: Wire) -> World {
    static SHARED: OnceLock<(Arc<Secrets>, Handle)> = OnceLock::new();
    let (secrets, backends) = SHARED.get_or_init(|| (Arc::new(Secrets::new()), runtime()));
    World { front, back, secrets: Arc::clone(secrets), backends: backends.clone() }
}

/// Runs a story for pairs of protocols, one after the other.
#[track_caller]
pub(crate) fn each<F>(fronts: &[Wire], backs: &[Wire], story: fn(World) -> F)
where
    F: Future<Output = Outcome> + Send + 'static,
{
    for (front, back) in
        fronts.iter().flat_map(|front| backs.iter().map(move |back| (*front, *back)))
    {
        run(&format!("{} > {}", front.name(), back.name()), story(world(front, back)));
    }
}

/// Runs one story.
#[track_caller]
fn run<F: Future<Output = Outcome> + Send + 'static>(name: &str, story: F) {
    let clients = Builder::new_current_thread().enable_all().build().unwrap();
    let ended = clients.block_on(async { tokio::time::timeout(PATIENCE, story).await });
    clients.shutdown_background();
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(what)) => panic!("{name}: {}", what.0),
        Err(_) => panic!("{name}: it does not end"),
    }
}

/// Says whether a program is there. Without it its tests say so aloud, and fail where everything is
/// to be run: `.ci/run` sets `NEXUS_PEERS` once it has installed them.
fn has(program: &str) -> bool {
    let is_there = std::process::Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        let _ = writeln!(std::io::stderr(), "protocols: not run, this machine lacks {program}");
        assert!(
            std::env::var_os("NEXUS_PEERS").is_none(),
            "{program} must be there where everything is run"
        );
    }
    is_there
}

/// Runs a program, and returns what it has printed.
async fn program<A: AsRef<OsStr>>(
    name: &str,
    args: impl IntoIterator<Item = A>,
) -> Outcome<String> {
    let mut command = Command::new(name);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let Output { status, stdout, stderr } = command.output().await?;
    ensure(status.success(), || format!("{name}: {status}: {}", text(&stderr)))?;
    Ok(text(&stdout))
}

/// A folder for files of a test, until it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Outcome<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("protocols-{}-{count}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Writes a file, and returns its path.
    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> Outcome<String> {
        fs::write(self.0.join(name), content)?;
        Ok(self.path(name))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
