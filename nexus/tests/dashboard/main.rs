//! The dashboard in a real browser: what people see when a backend dies, and what they can do there.
//!
//! Pictures are kept in `target/artefacts`. Without Chromium this says so and passes, unless
//! `NEXUS_PEERS` wants it: `.ci/run` sets that once it has installed what is needed.

#![allow(clippy::unwrap_used, reason = "a test may fail wherever it is")]

mod chromium;
#[path = "../it/world.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nexus::app::Nexus;
use nexus::settings::{Address, Admin, Settings, Token};

use chromium::Chromium;
use world::{Backend, Client, settings, start};

const TOKEN: &str = "write-write-write-write";

fn artefact(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/artefacts").join(name)
}

/// A Nexus before three backends that is asked all the time, in the background.
struct Scene {
    nexus: Arc<Nexus>,
    backends: [Backend; 3],
    is_over: Arc<AtomicBool>,
}

impl Scene {
    fn start() -> Self {
        let backends = ["a", "b", "c"].map(Backend::named);
        let addresses = [0, 1, 2].map(|at: usize| backends[at].address);
        let token = Token { name: "ops".to_owned(), secret: TOKEN.to_owned(), may_write: true };
        let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
        let admin = Admin { address, hosts: vec![], tokens: vec![token] };
        let mut wanted = Settings { admin: Some(admin), ..settings(&addresses) };
        wanted.pools[0].probing.interval = Duration::from_millis(200);
        let (nexus, is_over) = (Arc::new(start(wanted)), Arc::new(AtomicBool::new(false)));
        let (asked, over) = (Arc::clone(&nexus), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let mut client = Client::connect(&asked);
            while !over.load(Ordering::Relaxed) {
                client.get("/shop?item=7");
                std::thread::park_timeout(Duration::from_millis(5));
            }
        });
        Self { nexus, backends, is_over }
    }

    fn admin(&self) -> SocketAddr {
        match self.nexus.admin() {
            Some(Address::Tcp(address)) => *address,
            other => panic!("{other:?}"),
        }
    }

    /// Returns an expression for the row of a backend.
    fn row(&self, at: usize) -> String {
        let address = self.backends[at].address;
        format!(
            "[...document.querySelectorAll('tr.backend')].find((row) => row.textContent.includes('{address}'))"
        )
    }

    fn is_draining(&self, at: usize) -> bool {
        self.nexus.snapshot().pools[0].backends()[at].orders.is_draining()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn people_see_a_backend_die_and_return_and_can_drain_another() {
    let Some(program) = chromium::program() else {
        println!("Chromium is not here: the dashboard is not looked at (apt-get install chromium)");
        assert!(std::env::var_os("NEXUS_PEERS").is_none(), "Chromium is missing");
        return;
    };
    let scene = Scene::start();
    let mut page = Chromium::start(program).await;
    let url = format!("http://{}/", scene.admin());
    sign_in(&mut page, &url).await;
    for at in 0..3 {
        page.until(&format!("{}?.dataset.state === 'up'", scene.row(at))).await;
    }
    // Enough of a line to look at.
    page.until(
        "[...document.querySelectorAll('#tiles')].some((tiles) => /[1-9]/.test(tiles.textContent))",
    )
    .await;
    page.picture(&artefact("dashboard-light.png")).await;
    dies_and_returns(&mut page, &scene).await;
    drains_by_click(&mut page, &scene).await;
    undrains_by_key(&mut page, &scene).await;
    says_what_backends_have_seen(&mut page, &scene).await;
    page.prefer("dark").await;
    page.picture(&artefact("dashboard-dark.png")).await;
    page.open(&url, (390, 844)).await;
    page.until("document.querySelectorAll('tr.backend').length === 3").await;
    let is_wider = page.value("document.documentElement.scrollWidth > innerWidth").await;
    page.picture(&artefact("dashboard-phone.png")).await;
    assert_eq!(is_wider, false, "nothing sticks out on a phone");
    let stranger =
        page.asked.iter().find(|asked| !asked.starts_with(&url) && *asked != "about:blank");
    assert_eq!(stranger, None, "nobody else is asked");
    // A refused call is written to the console by the browser itself: that is the token form.
    let complaints = page.complaints.iter().filter(|one| !one.contains("401"));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Opens the dashboard, which asks for a token first.
async fn sign_in(page: &mut Chromium, url: &str) {
    page.prefer("light").await;
    page.open(url, (1440, 900)).await;
    page.until("document.getElementById('gate') && !document.getElementById('gate').hidden").await;
    page.picture(&artefact("dashboard-token.png")).await;
    let enter = format!(
        "document.getElementById('token').value = '{TOKEN}'; document.getElementById('token-form').requestSubmit()"
    );
    page.value(&enter).await;
    page.until("document.querySelectorAll('tr.backend').length === 3").await;
}

async fn dies_and_returns(page: &mut Chromium, scene: &Scene) {
    let (row, address) = (scene.row(1), scene.backends[1].address);
    scene.backends[1].stop();
    // From the moment that Nexus itself knows it.
    world::until("Nexus finds it DOWN", || !scene.nexus.snapshot().pools[0].backends()[1].is_up());
    let took = page.until(&format!("{row}.dataset.state === 'down'")).await;
    assert!(took < Duration::from_secs(1), "seen after {took:?}");
    page.until(&format!(
        "{row}.textContent.includes('connect_refused') || {row}.textContent.includes('backend_')"
    ))
    .await;
    page.until("/DOWN/.test(document.getElementById('events').textContent)").await;
    page.picture(&artefact("dashboard-down.png")).await;
    let _again = Backend::at(address, move |stream, _| {
        use std::io::Write;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb").unwrap();
        world::Next::Continue
    });
    page.until(&format!("{row}.dataset.state === 'up'")).await;
}

async fn drains_by_click(page: &mut Chromium, scene: &Scene) {
    let row = scene.row(2);
    page.value(&format!("{row}.querySelector('.backend-act button').click()")).await;
    page.until(&format!("{row}.dataset.state === 'draining'")).await;
    assert!(scene.is_draining(2), "Nexus has heard it");
}

/// The page's numbers are the backends' own.
async fn says_what_backends_have_seen(page: &mut Chromium, scene: &Scene) {
    scene.is_over.store(true, Ordering::Relaxed);
    for at in [0, 2] {
        let row = scene.row(at);
        page.value(&format!("{row}.querySelector('.backend-name').click()")).await;
        // The last ones may still be under way.
        let count = || scene.backends[at].count();
        let shown = |count| {
            format!(
                "document.getElementById('backend').textContent.includes('Answered{count}, 0 of them errors')"
            )
        };
        let began = Instant::now();
        while page.value(&shown(count())).await != true {
            assert!(began.elapsed() < world::PATIENCE, "the page never says {}", count());
        }
        page.value("document.getElementById('backend-close').click()").await;
    }
}

/// Goes to the button with the tabulator alone, and presses it with Enter.
async fn undrains_by_key(page: &mut Chromium, scene: &Scene) {
    page.value("document.activeElement.blur(); scrollTo(0, 0)").await;
    let label = format!("Undrain http://{}", scene.backends[2].address);
    let is_there = format!("document.activeElement.getAttribute('aria-label') === '{label}'");
    for _ in 0..60 {
        if page.value(&is_there).await == true {
            break;
        }
        page.press("Tab", 9, "").await;
    }
    assert_eq!(page.value(&is_there).await, true, "the tabulator comes to {label}");
    page.press("Enter", 13, "\r").await;
    page.until(&format!("{}.dataset.state === 'up'", scene.row(2))).await;
    assert!(!scene.is_draining(2), "Nexus has heard it");
}
