//! A real browser without a window, told what to do by the DevTools protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>).

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long something is waited for: far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(40);

/// A browser with one page; dropped, it ends.
pub(crate) struct Chromium {
    process: Child,
    profile: PathBuf,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    last: u64,
    /// What the console has said that is no good, and errors that nobody caught.
    pub(crate) complaints: Vec<String>,
    /// What the page has asked for.
    pub(crate) asked: Vec<String>,
}

/// Returns the browser's program, if there is one.
pub(crate) fn program() -> Option<&'static str> {
    let is_there = |name: &&&str| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    };
    ["chromium", "chromium-browser", "google-chrome"].iter().find(is_there).copied()
}

impl Chromium {
    /// Starts it.
    pub(crate) async fn start(program: &str) -> Self {
        let profile = std::env::temp_dir().join(format!("nexus-chromium-{}", std::process::id()));
        let mut process = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
            .args(["--disable-component-update", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it was asked for its version a moment ago");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let address = lines
            .find_map(|line| line.ok()?.strip_prefix("DevTools listening on ").map(str::to_owned))
            .expect("it says where it listens");
        // Whatever else it says is read, or it would wait for that.
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) = connect_async(address).await.unwrap();
        let (complaints, asked) = (Vec::new(), Vec::new());
        let session = String::new();
        let mut browser = Self { process, profile, socket, session, last: 0, complaints, asked };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach).await;
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// Has something done; returns what came of it.
    pub(crate) async fn call(&mut self, method: &str, params: Json) -> Json {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        self.socket.send(Message::text(message.to_string())).await.unwrap();
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            let heard = heard.unwrap_or_else(|_| panic!("no answer to {method}"));
            let Message::Text(text) = heard.unwrap().unwrap() else { continue };
            let heard: Json = serde_json::from_str(&text).unwrap();
            if heard["id"] == self.last {
                assert!(heard["error"].is_null(), "{method}: {}", heard["error"]);
                return heard["result"].clone();
            }
            self.note(&heard);
        }
    }

    fn note(&mut self, heard: &Json) {
        let params = &heard["params"];
        match heard["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => {
                self.complaints.push(params["exceptionDetails"].to_string());
            }
            "Runtime.consoleAPICalled" if params["type"] == "error" => {
                self.complaints.push(params["args"].to_string());
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                self.complaints.push(params["entry"].to_string());
            }
            "Network.requestWillBeSent" => {
                self.asked.push(params["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }

    /// Opens a page in a window of this size.
    pub(crate) async fn open(&mut self, url: &str, (width, height): (u32, u32)) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        self.call("Page.navigate", json!({ "url": url })).await;
    }

    /// Chooses the system's colours.
    pub(crate) async fn prefer(&mut self, colours: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Returns what an expression comes to in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Json {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let told = self.call("Runtime.evaluate", params).await;
        assert!(told["exceptionDetails"].is_null(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page; returns how long that took.
    pub(crate) async fn until(&mut self, expression: &str) -> Duration {
        let began = Instant::now();
        while self.value(&format!("Boolean({expression})")).await != true {
            assert!(began.elapsed() < PATIENCE, "never true: {expression}\n{:?}", self.complaints);
            tokio::task::yield_now().await;
        }
        began.elapsed()
    }

    /// Presses a key.
    pub(crate) async fn press(&mut self, key: &str, code: u32, text: &str) {
        let pressed =
            json!({ "type": "keyDown", "key": key, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", pressed).await;
        let released = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", released).await;
    }

    /// Keeps a picture of the page.
    pub(crate) async fn picture(&mut self, path: &Path) {
        use base64::Engine;

        let told = self.call("Page.captureScreenshot", json!({ "format": "png" })).await;
        let picture = told["data"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}
