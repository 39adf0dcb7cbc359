//! Commands to a Nexus that runs.

use std::fmt;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::Outcome;
use super::operator::{change, changed};
use crate::admin::client::{CallError, Remote};
use crate::cli::Format;
use crate::cli::remote::{
    Confirm, Drain, Explain, Named, Plan, Reload, Status, Undrain, Weight, Where,
};
use crate::config::render::Colour;
use crate::config::{self, Files, World, document, render};
use crate::explain::{self, Explanation, Origin, Question};
use crate::settings::{Address, Admin};
use crate::snapshot::Snapshot;

/// The exit code if nobody answers.
const UNREACHABLE: u8 = 3;

/// Where a Nexus is if nobody says.
const DEFAULT_ADDRESS: &str = "127.0.0.1:9900";

/// Finds the Nexus that is meant; `file` is asked if nobody says where it is.
pub(super) fn find(at: &Where, file: Option<&str>, world: &dyn World) -> Result<Remote, Outcome> {
    let mut admin: Option<Admin> = None;
    if let Some(path) = at.config.as_deref().or(file) {
        let loaded = config::load(path, &WithoutKeys(world));
        if loaded.config.is_none() && at.config.is_some() {
            let text = render::text(&loaded.problems, &loaded.sources, Colour::Off);
            return Err(Outcome { text, code: 1 });
        }
        admin = loaded.config.and_then(|config| config.admin);
    }
    let default = || crate::config::quantity::admin_address(DEFAULT_ADDRESS).ok();
    let by_file = admin.as_ref().map(|admin| admin.address.clone());
    let address = at.admin.clone().or(by_file).or_else(default).expect("the default is one");
    let token = token(at, admin.as_ref(), world)?;
    Ok(Remote { address: reachable(address), token })
}

/// A world in which files of certificates and keys are left alone: who asks a running Nexus may not
/// read them, and must be able to ask when they are broken.
struct WithoutKeys<'w>(&'w dyn World);

impl World for WithoutKeys<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.read(path)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        self.0.list(folder)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.0.env(name)
    }

    fn has_files(&self) -> bool {
        false
    }
}

/// An address that is listened on everywhere is called at home.
fn reachable(address: Address) -> Address {
    match address {
        Address::Tcp(mut address) if address.ip().is_unspecified() => {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            Address::Tcp(address)
        }
        address => address,
    }
}

/// Finds the token to show: that of the flag, of the environment, or the mightiest of the file.
fn token(at: &Where, admin: Option<&Admin>, world: &dyn World) -> Result<Option<String>, Outcome> {
    if let Some(path) = &at.token_file {
        return match world.read(path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(why) => {
                Err(Outcome { text: format!("cannot read --token-file {path}: {why}\n"), code: 1 })
            }
        };
    }
    let by_file = || {
        let tokens = &admin?.tokens;
        let token = tokens.iter().find(|token| token.may_write).or(tokens.first())?;
        Some(token.secret.clone())
    };
    Ok(world.env("NEXUS_TOKEN").or_else(by_file))
}

pub(super) fn failed(error: CallError) -> Outcome {
    match error {
        CallError::Unreachable(why) => Outcome {
            text: format!(
                "{why}\n  hint: does it run, and with an admin address (`admin:` in its file, or --admin)? Name it with --admin or -c\n"
            ),
            code: UNREACHABLE,
        },
        CallError::Refused { code, message, hint } => {
            Outcome { text: format!("{message}\n  refused: {code}\n  hint: {hint}\n"), code: 1 }
        }
    }
}

/// Tells what a running Nexus does.
pub fn status(how: &Status, world: &dyn World) -> Outcome {
    let remote = match find(&how.at, None, world) {
        Ok(remote) => remote,
        Err(outcome) => return outcome,
    };
    match remote.call("GET", "/v1/status", String::new()) {
        Ok(status) => {
            let text = match how.format {
                Format::Json => format!("{status:#}\n"),
                Format::Text => status_text(&status),
            };
            Outcome { text, code: u8::from(!all_up(&status)) }
        }
        Err(error) => failed(error),
    }
}

pub(super) fn list<'j>(value: &'j Json, name: &str) -> &'j [Json] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn all_up(status: &Json) -> bool {
    let mut backends = list(status, "pools").iter().flat_map(|pool| list(pool, "backends"));
    backends.all(|backend| backend["state"] == "UP")
}

fn status_text(status: &Json) -> String {
    let word = |value: &Json| value.as_str().unwrap_or("–").to_owned();
    let listeners: Vec<_> = list(status, "listeners").iter().map(word).collect();
    let uptime = Duration::from_secs(status["uptime_seconds"].as_u64().unwrap_or_default());
    let mut text = format!(
        "Nexus {}, process {}, up {}\nlistens on {}, {} connections open\n",
        word(&status["version"]),
        status["pid"],
        humantime::format_duration(uptime),
        listeners.join(", "),
        status["connections_open"],
    );
    let reloads = &status["reloads"];
    if let Some(last) = reloads["last"].as_object() {
        let (at, by, outcome) = (word(&last["at"]), word(&last["by"]), word(&last["outcome"]));
        text += &format!("last reload {at} by {by}: {outcome}\n");
    }
    if let Some(until) = reloads["confirm_until"].as_str() {
        text +=
            &format!("that reload is rolled back at {until} unless confirmed (`nexus confirm`)\n");
    }
    for pool in list(status, "pools") {
        let backends = list(pool, "backends");
        let waiting = pool["waiting"].as_u64().filter(|waiting| *waiting > 0);
        let waiting = waiting.map(|waiting| format!(", {waiting} waiting")).unwrap_or_default();
        text += &format!(
            "\npool {}, {} of {} UP{waiting}{}\n",
            word(&pool["name"]),
            pool["up"],
            backends.len(),
            unusual(pool),
        );
        let width = backends.iter().map(|backend| word(&backend["url"]).len()).max().unwrap_or(0);
        let states = backends.iter().map(|one| word(&one["state"]).len()).max().unwrap_or(0).max(4);
        for backend in backends {
            let (url, state, since) =
                (word(&backend["url"]), word(&backend["state"]), word(&backend["since"]));
            let notes = notes(backend);
            let line = format!("  {url:width$}  {state:states$}  since {since}  {notes}");
            text += line.trim_end();
            text += "\n";
        }
    }
    text
}

/// Says of a pool what is not as usual.
fn unusual(pool: &Json) -> String {
    let mode = match pool["mode"].as_str() {
        Some("panic") => ", in panic: all are used",
        Some("closed") => ", closed: too few are left",
        _ => "",
    };
    let circuit = match pool["circuit"].as_str() {
        Some("open") => ", circuit open",
        Some("half_open") => ", circuit half open",
        _ => "",
    };
    let limit = pool["limit"].as_u64().filter(|limit| *limit < u64::from(u32::MAX));
    let limit = limit.map(|limit| format!(", {} of {limit} under way", pool["under_way"]));
    let refused = pool["refused"].as_u64().filter(|refused| *refused > 0);
    let refused = refused.map(|refused| format!(", {refused} refused"));
    [mode.to_owned(), circuit.to_owned(), limit.unwrap_or_default(), refused.unwrap_or_default()]
        .concat()
}

/// Says of a backend what is not as usual, and what it has to do.
fn notes(backend: &Json) -> String {
    let cause = backend["cause"].as_str().map(str::to_owned);
    let flapping = (backend["is_flapping"] == true).then(|| "flapping".to_owned());
    let tier = backend["tier"].as_u64().filter(|tier| *tier > 0).map(|tier| format!("tier {tier}"));
    let draining = (backend["is_draining"] == true).then(|| "draining".to_owned());
    let disabled = (backend["is_disabled"] == true).then(|| "disabled".to_owned());
    let count = |name: &str, words: &str| match backend[name].as_u64() {
        Some(count) if count > 0 => Some(format!("{count} {words}")),
        _ => None,
    };
    let under_way = match draining.as_ref().or(disabled.as_ref()) {
        Some(_) => Some(format!("{} under way", backend["in_flight"])),
        None => count("in_flight", "under way"),
    };
    let sessions = count("sessions", "sessions");
    let tunnels = count("tunnels", "of them tunnels");
    let all = [cause, flapping, tier, disabled, draining, under_way, tunnels, sessions];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Tells what a file would change in a running Nexus.
pub fn plan(how: &Plan, world: &dyn World, colour: Colour) -> Outcome {
    let loaded = config::load(&how.file, world);
    let (Some(_), Some(root)) = (&loaded.config, &loaded.root) else {
        let text = match how.format {
            Format::Text => render::text(&loaded.problems, &loaded.sources, colour),
            Format::Json => format!("{:#}\n", render::json(&loaded.problems, &loaded.sources)),
        };
        return Outcome { text, code: 1 };
    };
    let remote = match find(&how.at, Some(&how.file), world) {
        Ok(remote) => remote,
        Err(outcome) => return outcome,
    };
    let document = document::write(root, Files { world, sources: &loaded.sources });
    match remote.call("POST", "/v1/plan", document.to_string()) {
        Ok(planned) => {
            let changes = list(&planned["plan"], "changes");
            let is_refused = changes.iter().any(|change| change["weight"] == "needs_restart");
            let text = match how.format {
                Format::Json => format!("{:#}\n", planned["plan"]),
                Format::Text => format!("{}\n", planned["text"].as_str().unwrap_or_default()),
            };
            Outcome { text, code: u8::from(is_refused) }
        }
        Err(error) => failed(error),
    }
}

/// Somebody who reads what is written and may answer.
pub struct Terminal<'t> {
    /// What they type.
    pub input: &'t mut dyn BufRead,
    /// What they read.
    pub output: &'t mut dyn Write,
}

/// Tells what would become of a request: with a file, or in a running Nexus.
pub fn explain(how: &Explain, world: &dyn World, colour: Colour) -> Outcome {
    let question = how.question();
    let told = match &how.file {
        Some(file) => explain_file(file, &question, world, colour),
        None => explain_running(how, &question, world),
    };
    match told {
        Ok(told) => {
            let text = match how.format {
                Format::Json => format!("{:#}\n", json!(told)),
                Format::Text => told.to_string(),
            };
            Outcome { text, code: u8::from(told.refused.is_some()) }
        }
        Err(outcome) => outcome,
    }
}

fn explain_file(
    file: &str,
    question: &Question,
    world: &dyn World,
    colour: Colour,
) -> Result<Explanation, Outcome> {
    let loaded = config::load(file, &WithoutKeys(world));
    let Some(config) = loaded.config else {
        let text = render::text(&loaded.problems, &loaded.sources, colour);
        return Err(Outcome { text, code: 1 });
    };
    let snapshot = Snapshot::build(config.into_settings(), None, &Arc::default(), 0);
    let bad = |error| Outcome { text: format!("{error}\n"), code: 1 };
    explain::explain(&snapshot, Origin::File, question).map_err(bad)
}

fn explain_running(
    how: &Explain,
    question: &Question,
    world: &dyn World,
) -> Result<Explanation, Outcome> {
    let remote = find(&how.at, None, world)?;
    let told = remote.call("POST", "/v1/explain", json!(question).to_string()).map_err(failed)?;
    let other =
        |error| Outcome { text: format!("not the answer of this version: {error}\n"), code: 1 };
    serde_json::from_value(told).map_err(other)
}

/// Lets a running Nexus read its file again. Whoever is at a `terminal` may confirm at once.
pub fn reload(how: &Reload, world: &dyn World, terminal: Option<Terminal<'_>>) -> Outcome {
    let remote = match find(&how.at, None, world) {
        Ok(remote) => remote,
        Err(outcome) => return outcome,
    };
    let query = how.confirm.map(|time| format!("?confirm={}ms", time.as_millis()));
    let path = format!("/v1/reload{}", query.unwrap_or_default());
    let report = match remote.call("POST", &path, String::new()) {
        Ok(report) => report,
        Err(error) => return failed(error),
    };
    let word = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    let text = format!("{}reloaded\n{}\n", word("warnings_text"), word("text"));
    let (Some(seconds), Some(Terminal { input, output })) =
        (report["confirm_within"].as_u64(), terminal)
    else {
        let confirm = how.confirm.map(|time| {
            let time = humantime::format_duration(time);
            format!("rolled back in {time} unless confirmed: nexus confirm\n")
        });
        return Outcome::fine(text + &confirm.unwrap_or_default());
    };
    let _ =
        write!(output, "{text}press Enter within {seconds} s to confirm, or it is rolled back: ");
    let _ = output.flush();
    let mut line = String::new();
    match input.read_line(&mut line) {
        Ok(read) if read > 0 => confirmed(&remote),
        _ => Outcome { text: "\nnot confirmed: it is rolled back\n".to_owned(), code: 1 },
    }
}

/// From one look at a backend that drains to the next.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Gives a backend nothing new. What is left is written to `progress` when it changes.
pub fn drain(how: &Drain, world: &dyn World, progress: &mut dyn Write) -> Outcome {
    let remote = match find(&how.at, None, world) {
        Ok(remote) => remote,
        Err(outcome) => return outcome,
    };
    let Named { pool, backend } = &how.backend;
    let path = format!("{}&deadline={}ms", change("drain", &how.backend), how.deadline.as_millis());
    let mut pools = match remote.call("POST", &path, String::new()) {
        Ok(pools) => pools,
        Err(error) => return failed(error),
    };
    let deadline = Instant::now() + how.deadline;
    let mut shown = None;
    loop {
        let left = Left::of(&pools, &how.backend);
        if !how.wait {
            return Outcome::fine(format!("{pool}/{backend} drains: {left}\n"));
        }
        if left == Left::default() {
            return Outcome::fine(format!("{pool}/{backend} is drained\n"));
        }
        if shown != Some(left) {
            let _ = writeln!(progress, "{left}");
            shown = Some(left);
        }
        if Instant::now() >= deadline {
            let text = format!("{pool}/{backend} is not drained at the deadline: {left}\n");
            return Outcome { text, code: 1 };
        }
        std::thread::sleep(LOOK_EVERY);
        pools = match remote.call("GET", "/v1/pools", String::new()) {
            Ok(pools) => pools,
            Err(error) => return failed(error),
        };
    }
}

/// What a backend still has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Left {
    requests: u64,
    tunnels: u64,
    sessions: u64,
}

impl Left {
    /// Finds it in a status; a backend that is gone has nothing left.
    fn of(pools: &Json, Named { pool, backend }: &Named) -> Self {
        let all = pools.as_array().into_iter().flatten().filter(|one| one["name"] == **pool);
        let is_it = |one: &&Json| {
            let url = one["url"].as_str().unwrap_or_default();
            url == backend || url.strip_prefix("http://") == Some(backend)
        };
        let Some(found) = all.flat_map(|pool| list(pool, "backends")).find(is_it) else {
            return Self::default();
        };
        let number = |name: &str| found[name].as_u64().unwrap_or(0);
        let tunnels = number("tunnels");
        let requests = number("in_flight").saturating_sub(tunnels);
        Self { requests, tunnels, sessions: number("sessions") }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, tunnels, sessions } = self;
        let all = [(requests, "request"), (tunnels, "tunnel"), (sessions, "session")];
        let word = |(count, what): (&u64, &str)| {
            format!("{count} {what}{}", if *count == 1 { "" } else { "s" })
        };
        write!(f, "{} left", all.map(word).join(", "))
    }
}

/// Gives a backend requests again.
pub fn undrain(how: &Undrain, world: &dyn World) -> Outcome {
    let Named { pool, backend } = &how.backend;
    let said = format!("{pool}/{backend} gets requests again\n");
    changed(&how.at, world, &change("undrain", &how.backend), said)
}

/// Gives a backend another weight, or the configured one again.
pub fn weight(how: &Weight, world: &dyn World) -> Outcome {
    let Named { pool, backend } = &how.backend;
    let mut path = change("weight", &how.backend);
    let said = match how.weight {
        Some(weight) => {
            path += &format!("&weight={weight}");
            format!("{pool}/{backend} has weight {weight}\n")
        }
        None => format!("{pool}/{backend} has its configured weight\n"),
    };
    changed(&how.at, world, &path, said)
}

/// Confirms a reload.
pub fn confirm(how: &Confirm, world: &dyn World) -> Outcome {
    match find(&how.at, None, world) {
        Ok(remote) => confirmed(&remote),
        Err(outcome) => outcome,
    }
}

fn confirmed(remote: &Remote) -> Outcome {
    match remote.call("POST", "/v1/confirm", String::new()) {
        Ok(_) => Outcome::fine("confirmed\n"),
        Err(error) => failed(error),
    }
}
