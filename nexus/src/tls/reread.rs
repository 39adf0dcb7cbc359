//! Notices that files of certificates and keys changed on disk, and serves the new ones.
//!
//! # Why is that no reload?
//!
//! Certificates are renewed by programs that know nothing of Nexus, every few weeks, and whoever
//! forgets a hook learns of it when they expire. So their files are always looked at, whatever
//! `watch` says, in the manner of [`crate::watch`]: once a second, and a change counts when two
//! looks agree on it. A new file that cannot be used changes nothing and is said once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::config::disk::{self, Looks};
use crate::settings::Settings;
use crate::snapshot::Published;
use crate::tls::expiry::{self, Standing};
use crate::tls::facts::CertificateFacts;
use crate::tls::files::{Fault, Reader};
use crate::tls::{Back, Front};
use crate::watch::Watching;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps what is served as the files are, for ever.
pub async fn keep_current(published: Arc<Published>) {
    let mut keeper = Keeper::default();
    loop {
        let snapshot = published.current();
        if sides(&snapshot.settings).next().is_some() {
            // Reading takes milliseconds that probes do not have.
            let looked = tokio::task::spawn_blocking(move || {
                keeper.look(&snapshot.settings, SystemTime::now());
                keeper
            });
            let Ok(back) = looked.await else { return };
            keeper = back;
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// One listener's or pool's TLS.
#[derive(Clone)]
enum Side {
    Front(Arc<Front>),
    Back(Arc<Back>),
}

impl Side {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Front(one), Self::Front(other)) => Arc::ptr_eq(one, other),
            (Self::Back(one), Self::Back(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    fn paths(&self) -> Vec<&str> {
        match self {
            Self::Front(front) => front.settings().paths(),
            Self::Back(back) => back.settings().paths(),
        }
    }

    fn reread(&self, read: Reader<'_>) -> Result<(bool, Vec<Fault>), Vec<Fault>> {
        match self {
            Self::Front(front) => front.reread(read),
            Self::Back(back) => back.reread(read),
        }
    }

    fn certificates(&self) -> Vec<CertificateFacts> {
        match self {
            Self::Front(front) => front.serving().certificates.clone(),
            Self::Back(back) => back.certificate().into_iter().collect(),
        }
    }

    fn is_insecure(&self) -> bool {
        matches!(self, Self::Back(back) if back.settings().insecure)
    }
}

/// What is known of one side.
struct Watched {
    side: Side,
    /// What its files looked like when they were read; nothing at first, so that a change between
    /// the first reading and the first look is seen.
    read: Looks,
    watching: Watching,
    /// When its certificates were last spoken of.
    said: Option<SystemTime>,
}

/// Keeps all sides of a snapshot as their files are.
#[derive(Default)]
struct Keeper {
    watched: BTreeMap<String, Watched>,
}

impl Keeper {
    /// Looks at all files once.
    fn look(&mut self, settings: &Settings, now: SystemTime) {
        let mut before = std::mem::take(&mut self.watched);
        for (what, side) in sides(settings) {
            let known = before.remove(&what).filter(|known| known.side.is(&side));
            let mut watched = known.unwrap_or_else(|| Watched::new(&what, side));
            watched.look(&what);
            watched.speak(&what, now);
            self.watched.insert(what, watched);
        }
    }
}

/// Returns all that speaks TLS, by what it is called.
fn sides(settings: &Settings) -> impl Iterator<Item = (String, Side)> {
    let fronts = settings.listeners.iter().filter_map(|listener| {
        let front = Arc::clone(listener.tls.as_ref()?);
        Some((format!("listener {}", listener.address), Side::Front(front)))
    });
    let backs = settings.pools.iter().filter_map(|pool| {
        let back = Arc::clone(pool.tls.as_ref()?);
        Some((format!("pool {}", pool.name), Side::Back(back)))
    });
    fronts.chain(backs)
}

impl Watched {
    fn new(what: &str, side: Side) -> Self {
        if side.is_insecure() {
            tracing::warn!(
                what,
                "certificates of backends are not verified: whoever is between can read and change everything"
            );
        }
        Self { side, read: Looks::new(), watching: Watching::default(), said: None }
    }

    /// Reads the files again if they have changed.
    fn look(&mut self, what: &str) {
        let now = disk::look_at(self.side.paths().into_iter().map(Into::into).collect());
        if !self.watching.see(&self.read, now.clone()) {
            return;
        }
        self.read = now;
        match self.side.reread(&disk::bytes) {
            Ok((true, odd)) => {
                self.said = None;
                if self.side.is_insecure() {
                    tracing::warn!(what, "certificates of backends are still not verified");
                }
                tracing::info!(what, certificates = self.titles(), "new files are in use");
                // Those out of their time are spoken of with the others.
                for Fault { cause, .. } in odd.iter().filter(|fault| !fault.is_of_time) {
                    tracing::warn!(what, "{cause}");
                }
            }
            Ok((false, _)) => {}
            Err(faults) => {
                for Fault { cause, hint, .. } in faults.iter().filter(|fault| fault.is_error) {
                    tracing::error!(
                        what,
                        hint,
                        "new files cannot be used, the old ones stay: {cause}"
                    );
                }
            }
        }
    }

    fn titles(&self) -> String {
        let title = |facts: &CertificateFacts| {
            let until = humantime::format_rfc3339_seconds(facts.not_after);
            format!("{} until {until}", facts.title())
        };
        self.side.certificates().iter().map(title).collect::<Vec<_>>().join("; ")
    }

    /// Speaks of certificates that are about to expire, or have.
    fn speak(&mut self, what: &str, now: SystemTime) {
        if !expiry::is_time(self.said, now) {
            return;
        }
        self.said = Some(now);
        for facts in self.side.certificates() {
            let (names, path) = (facts.title(), &facts.path);
            let until = humantime::format_rfc3339_seconds(facts.not_after);
            match Standing::of(&facts, now) {
                Standing::Fine => {}
                standing @ (Standing::EndsIn(_) | Standing::Early) => {
                    tracing::warn!(what, names, path, %until, "certificate {standing}");
                }
                standing @ Standing::Expired => {
                    tracing::error!(what, names, path, %until, "certificate {standing}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::settings::ListenerSettings;
    use crate::tls::issue::{Authority, Order, Pair};
    use crate::tls::{CertificateFiles, ListenerTls};

    /// A folder that is gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("nexus-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn put(&self, name: &str, text: &str) -> String {
            // Renamed into its place, as programs that renew certificates do it.
            let (new, path) = (self.0.join("new"), self.0.join(name));
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
            path.to_str().unwrap().to_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn pair(authority: &Authority, names: &[&str]) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        authority.issue(&Order::server(&names, 90)).unwrap()
    }

    /// Settings with one listener, and that.
    fn settings(cert: &Path, key: &Path) -> (Settings, Arc<Front>) {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let files = CertificateFiles { cert: path(cert), key: path(key), ocsp: None };
        let (front, faults) = Front::read(ListenerTls::new(vec![files]), &disk::bytes);
        let front = Arc::new(front.unwrap_or_else(|| panic!("{faults:?}")));
        let address: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        let listener = ListenerSettings { tls: Some(Arc::clone(&front)), ..address.into() };
        let flags = crate::cli::Cli::read(["nexus".into()]).unwrap().0.flags;
        (Settings { listeners: vec![listener], ..flags.settings() }, front)
    }

    fn names(front: &Front) -> Vec<String> {
        front.serving().certificates[0].names.clone()
    }

    #[test]
    fn a_certificate_that_is_renewed_on_disk_is_served_without_a_reload() {
        let (folder, ca) = (Folder::new("renewed"), Authority::make().unwrap());
        let (old, new) = (pair(&ca, &["a.test"]), pair(&ca, &["a.test", "b.test"]));
        let cert = folder.put("a.pem", &old.cert);
        let key = folder.put("a.key", &old.key);
        let (settings, front) = settings(Path::new(&cert), Path::new(&key));
        let (mut keeper, now) = (Keeper::default(), SystemTime::now());
        let mut look = || (0..2).for_each(|_| keeper.look(&settings, now));
        look();
        assert_eq!(names(&front), ["a.test"]);
        folder.put("a.pem", &new.cert);
        look();
        assert_eq!(names(&front), ["a.test"], "without its key it cannot be used");
        folder.put("a.key", &new.key);
        look();
        assert_eq!(names(&front), ["a.test", "b.test"]);
        fs::remove_file(&cert).unwrap();
        look();
        assert_eq!(names(&front), ["a.test", "b.test"], "what is gone stays in use");
    }

    #[test]
    fn a_change_before_the_first_look_is_seen() {
        let (folder, ca) = (Folder::new("early"), Authority::make().unwrap());
        let (old, new) = (pair(&ca, &["a.test"]), pair(&ca, &["b.test"]));
        let both = |pair: &Pair| format!("{}{}", pair.cert, pair.key);
        let path = folder.put("a.pem", &both(&old));
        let (settings, front) = settings(Path::new(&path), Path::new(&path));
        folder.put("a.pem", &both(&new));
        let mut keeper = Keeper::default();
        (0..2).for_each(|_| keeper.look(&settings, SystemTime::now()));
        assert_eq!(names(&front), ["b.test"]);
    }
}
