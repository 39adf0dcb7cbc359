//! The calls of the control port, each from its arguments to its answer.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::control::{Room, now};
use crate::fault::FaultRule;
use crate::flap::{Down, Existing, Flap, Mode};
use crate::gate::{Ask, View};
use crate::health::Health;
use crate::quantity;
use crate::rules::Rules;
use crate::slots::Slots;
use crate::status::Statuses;

mod told;

/// Why a call was not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Its arguments are wrong.
    Wrong(String),
    /// It could not be done now.
    Failed(String),
    /// Nothing is at this path.
    NoSuchCall,
    /// The path knows other methods.
    NoSuchMethod(&'static str),
}

type Answer = Result<Value, Refused>;

const ALL: &[(&str, &str)] = &[
    ("GET /state", "what it is doing"),
    (
        "PUT /state",
        r#"{"enabled":false,"mode":"refuse|hang|reset|blackhole","existing":"keep|close|reset"} or {"enabled":true}"#,
    ),
    ("GET /faults", "the faults in force, and how often each has happened"),
    ("POST /faults", r#"{"fault":"hang@0.5#3"}: one more"#),
    ("DELETE /faults", "none any more"),
    ("PUT /latency", r#"{"latency":"5ms","jitter":"2ms"}"#),
    ("PUT /slots", r#"{"slots":5,"queue":100} or {"slots":null}: all at once again"#),
    ("PUT /status", r#"{"status":"503:5,200:95"}"#),
    ("PUT /health", r#"{"health":"ok|fail|hang"}: what health checks are told"#),
    ("PUT /flap", r#"{"flap":"up=5s,down=2s,mode=refuse"} or {"flap":null}"#),
    ("POST /reset", "up, healthy, fast: no faults, no flap, no latency, no slots, status 200"),
    ("GET /stats", "counters"),
    (
        "GET /journal/seqs",
        "sequence numbers seen, as [first,last,times]; ?run=ID for another run than the last",
    ),
    ("GET /journal/clients", "the last clients that a PROXY header named, as [client,requests]"),
    ("DELETE /journal", "forget all this"),
    ("POST /shutdown", "finish what is under way and end"),
];

/// Does a call.
pub(crate) async fn call(
    room: &Room,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> Answer {
    match (path, method.as_str()) {
        ("", "GET") => {
            Ok(ALL.iter().map(|&(call, what)| (call.to_owned(), Value::from(what))).collect())
        }
        ("/state", "GET") => ask(room, Ask::Look).await.map(|view| told::state(room, view)),
        ("/state", "PUT") => change(room, read::<State>(body)?.ask()?).await,
        ("/faults", "GET") => Ok(told::faults(room)),
        ("/faults", "POST") => add_fault(room, read(body)?).await,
        ("/faults", "DELETE") => remove_faults(room).await,
        ("/latency", "PUT") => set_latency(room, &read(body)?),
        ("/slots", "PUT") => Ok(set_slots(room, &read(body)?)),
        ("/status", "PUT") => set_status(room, &read(body)?),
        ("/health", "PUT") => set_health(room, &read(body)?),
        ("/flap", "PUT") => change(room, read::<FlapArgument>(body)?.ask()?).await,
        ("/reset", "POST") => reset(room).await,
        ("/stats", "GET") => told::stats(room).map_err(|error| Refused::Failed(error.to_string())),
        ("/journal/seqs", "GET") => Ok(told::seqs(room, query)),
        ("/journal/clients", "GET") => Ok(json!({ "clients": room.shared.clients.list() })),
        ("/journal", "DELETE") => {
            room.shared.journal.clear();
            room.shared.clients.clear();
            Ok(json!({ "at": now() }))
        }
        ("/state", _) => Err(Refused::NoSuchMethod("GET, PUT")),
        ("/faults", _) => Err(Refused::NoSuchMethod("GET, POST, DELETE")),
        ("/latency" | "/slots" | "/status" | "/health" | "/flap", _) => {
            Err(Refused::NoSuchMethod("PUT"))
        }
        ("/reset" | "/shutdown", _) => Err(Refused::NoSuchMethod("POST")),
        ("" | "/stats" | "/journal/seqs" | "/journal/clients", _) => {
            Err(Refused::NoSuchMethod("GET"))
        }
        ("/journal", _) => Err(Refused::NoSuchMethod("DELETE")),
        _ => Err(Refused::NoSuchCall),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body)
        .map_err(|error| Refused::Wrong(format!("the body is not what this call takes: {error}")))
}

async fn ask(room: &Room, ask: Ask) -> Result<View, Refused> {
    let place = &room.gate.place;
    let failed = |error: io::Error| Refused::Failed(format!("cannot listen on {place}: {error}"));
    room.gate.ask(ask).await.map_err(failed)
}

/// Has the gate changed, and answers with the state that it is in then.
async fn change(room: &Room, what: Ask) -> Answer {
    let view = ask(room, what).await?;
    let mut state = told::state(room, view);
    state["at"] = now().into();
    Ok(state)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    enabled: bool,
    mode: Option<Mode>,
    existing: Option<Existing>,
}

impl State {
    fn ask(self) -> Result<Ask, Refused> {
        match self {
            Self { enabled: true, mode: None, existing: None } => Ok(Ask::State(None)),
            Self { enabled: true, .. } => {
                Err(Refused::Wrong("mode and existing go with \"enabled\":false".to_owned()))
            }
            Self { mode, existing, .. } => {
                Ok(Ask::State(Some(Down::new(mode.unwrap_or_default(), existing))))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlapArgument {
    flap: Option<String>,
}

impl FlapArgument {
    fn ask(self) -> Result<Ask, Refused> {
        let flap: Option<Result<Flap, String>> = self.flap.map(|flap| flap.parse());
        flap.transpose().map(Ask::Flap).map_err(Refused::Wrong)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultArgument {
    fault: String,
}

async fn add_fault(room: &Room, argument: FaultArgument) -> Answer {
    let rule: FaultRule = argument.fault.parse().map_err(Refused::Wrong)?;
    change_faults(room, |rules| rules.add_fault(rule)).await
}

async fn remove_faults(room: &Room) -> Answer {
    change_faults(room, |rules| rules.faults.clear()).await
}

async fn change_faults(room: &Room, change: impl FnOnce(&mut Rules)) -> Answer {
    room.shared.change(change);
    ask(room, Ask::Faults).await?;
    let mut faults = told::faults(room);
    faults["at"] = now().into();
    Ok(faults)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LatencyArgument {
    latency: String,
    jitter: Option<String>,
}

fn set_latency(room: &Room, argument: &LatencyArgument) -> Answer {
    let latency = quantity::duration(&argument.latency).map_err(Refused::Wrong)?;
    let jitter = argument.jitter.as_deref().map_or(Ok(Duration::ZERO), quantity::duration);
    let jitter = jitter.map_err(Refused::Wrong)?;
    room.shared.change(|rules| (rules.latency, rules.jitter) = (latency, jitter));
    let text = |time| humantime::format_duration(time).to_string();
    Ok(json!({ "at": now(), "latency": text(latency), "jitter": text(jitter) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotsArgument {
    slots: Option<NonZeroU32>,
    #[serde(default = "queue_max")]
    queue: u64,
}

/// As the flag has it.
fn queue_max() -> u64 {
    1000
}

/// Those who wait for one of the old slots still get one.
fn set_slots(room: &Room, argument: &SlotsArgument) -> Value {
    let slots = argument.slots.map(|count| Arc::new(Slots::new(count.get(), argument.queue)));
    room.shared.change(|rules| rules.slots = slots);
    json!({ "at": now(), "slots": told::slots(&room.shared.rules.load()) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusArgument {
    status: String,
}

fn set_status(room: &Room, argument: &StatusArgument) -> Answer {
    let statuses: Statuses = argument.status.parse().map_err(Refused::Wrong)?;
    let text = statuses.to_string();
    room.shared.change(|rules| rules.set_statuses(statuses));
    Ok(json!({ "at": now(), "status": text }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthArgument {
    health: Health,
}

fn set_health(room: &Room, argument: &HealthArgument) -> Answer {
    if room.shared.rules.load().health.is_none() {
        let why = "there is no path for health checks: start with --health-path /healthz";
        return Err(Refused::Wrong(why.to_owned()));
    }
    room.shared.change(|rules| rules.set_health(argument.health));
    Ok(json!({ "at": now(), "health": argument.health }))
}

async fn reset(room: &Room) -> Answer {
    room.shared.change(|rules| {
        rules.faults.clear();
        (rules.latency, rules.jitter) = (Duration::ZERO, Duration::ZERO);
        rules.slots = None;
        rules.set_statuses(Statuses::default());
        rules.set_health(Health::Ok);
    });
    change(room, Ask::Reset).await
}
