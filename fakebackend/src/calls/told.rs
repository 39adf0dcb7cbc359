//! What the calls of the control port answer with.

use serde_json::{Value, json};

use crate::control::Room;
use crate::gate::View;
use crate::rules::Rules;

pub(super) fn state(room: &Room, view: View) -> Value {
    let shared = &room.shared;
    let rules = shared.rules.load();
    json!({
        "id": shared.id,
        "listen": room.gate.place.to_string(),
        "enabled": view.down.is_none(),
        "mode": view.down.map(|down| down.mode),
        "listening": view.is_listening,
        "downs": view.downs,
        "flap": view.flap.map(|flap| flap.to_string()),
        "latency": humantime::format_duration(rules.latency).to_string(),
        "jitter": humantime::format_duration(rules.jitter).to_string(),
        "slots": slots(&rules),
        "status": rules.statuses.to_string(),
        "health": rules.health.as_ref().map(|rule| json!({ "path": rule.path(), "says": rule.says })),
        "faults": rules.faults.iter().map(|armed| armed.rule.to_string()).collect::<Vec<_>>(),
        "connections": shared.connections.active(),
        "in_flight": shared.stats.in_flight(),
        "uptime_s": shared.started.elapsed().as_millis() as f64 / 1000.0,
    })
}

pub(super) fn faults(room: &Room) -> Value {
    let rules = room.shared.rules.load();
    let one = |armed: &std::sync::Arc<crate::rules::ArmedFault>| json!({ "fault": armed.rule.to_string(), "fired": armed.fired() });
    json!({ "faults": rules.faults.iter().map(one).collect::<Vec<_>>() })
}

pub(super) fn slots(rules: &Rules) -> Value {
    rules.slots.as_ref().map_or(Value::Null, |slots| {
        json!({
            "count": slots.count,
            "queue": slots.queue_max,
            "taken": slots.taken(),
            "waiting": slots.waiting(),
            "turned_away": slots.turned_away(),
        })
    })
}

pub(super) fn stats(room: &Room) -> Result<Value, serde_json::Error> {
    let shared = &room.shared;
    let counts = serde_json::to_value(shared.stats.read())?;
    let mut stats = json!({
        "id": shared.id,
        "connections": { "accepted": shared.connections.accepted(), "open": shared.connections.active() },
    });
    if let (Value::Object(stats), Value::Object(counts)) = (&mut stats, counts) {
        stats.extend(counts);
    }
    Ok(stats)
}

pub(super) fn seqs(room: &Room, query: &str) -> Value {
    let name = query.split('&').find_map(|pair| pair.strip_prefix("run="));
    let Some(run) = room.shared.journal.find(name) else {
        return json!({ "run": name, "ranges": [], "total": 0, "beyond": 0 });
    };
    let ranges = run.ranges();
    let total: u64 =
        ranges.iter().map(|&(first, last, times)| (last - first + 1) * u64::from(times)).sum();
    json!({ "run": run.name(), "ranges": ranges, "total": total, "beyond": run.beyond() })
}
