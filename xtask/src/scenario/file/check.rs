//! What a scenario must fulfil beyond its shape: backends that exist, bounds of the right kind,
//! expectations that can be known.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Scenario, Step, Verb};
use crate::scenario::bound::{Bound, Measured};

pub(super) fn check(scenario: &Scenario) -> Result<()> {
    if scenario.backends.count == 0 {
        bail!("backends: count must be at least 1");
    }
    if scenario.load.requests.is_none() && scenario.load.duration.is_none() {
        bail!("load: needs requests or duration");
    }
    if !scenario.beside.is_empty() && scenario.load.duration.is_none() {
        bail!("beside: needs a load with a duration, to last as long");
    }
    protocols(scenario)?;
    let ids = scenario.backend_ids();
    if let Some(id) = scenario.expect.may_be_left.iter().find(|id| !ids.contains(id)) {
        bail!("expect: there is no backend {id}");
    }
    steps(scenario)?;
    kinds(scenario)?;
    knowable(scenario)
}

fn protocols(scenario: &Scenario) -> Result<()> {
    let load = &scenario.load;
    if load.streams == 0 {
        bail!("load: streams must be at least 1");
    }
    if scenario.needs_identity() && scenario.config.is_none() {
        bail!(
            "protocol: TLS needs a config that has {{cert}} and {{key}}, or {{ca}}, where they belong"
        );
    }
    let restarts = |step: &Step| step.verb == Verb::RestartNexus;
    if load.protocol.is_tls() && scenario.steps.iter().any(restarts) {
        bail!("restart_nexus: a listener of the config has another port then");
    }
    Ok(())
}

fn steps(scenario: &Scenario) -> Result<()> {
    let ids = scenario.backend_ids();
    let mut before = Duration::ZERO;
    for step in &scenario.steps {
        if let Some(id) = &step.backend
            && id != "all"
            && !ids.contains(id)
        {
            bail!("step {step}: there is no backend {id}");
        }
        if step.verb.needs_admin() && scenario.config.is_none() {
            bail!("step {step}: needs a config, and with it an admin address");
        }
        if let Some(at) = step.at {
            if at < before {
                bail!("step {step}: at {at:?} is before the step above it");
            }
            before = at;
        }
    }
    Ok(())
}

fn kinds(scenario: &Scenario) -> Result<()> {
    let expect = &scenario.expect;
    let (count, share, time) =
        (Measured::Count(0, 0), Measured::Share(0, 0), Measured::Millis(0.0));
    let mut bounds = vec![
        ("sent", &expect.sent, count),
        ("ok", &expect.ok, count),
        ("failed", &expect.failed, count),
        ("lost", &expect.lost, count),
        ("aborted", &expect.aborted, count),
        ("run_twice", &expect.run_twice, count),
        ("amplification", &expect.amplification, Measured::Ratio(0, 0)),
        ("nexus_memory", &expect.nexus_memory, Measured::Bytes(0)),
        ("p50", &expect.p50, time),
        ("p99", &expect.p99, time),
        ("max", &expect.max, time),
    ];
    let mut shares = vec![&expect.share];
    for window in &expect.window {
        bounds.extend([
            ("ok", &window.ok, count),
            ("failed", &window.failed, count),
            ("p99", &window.p99, time),
        ]);
        shares.push(&window.share);
    }
    for (name, bound, kind) in bounds {
        if let Some(bound) = bound
            && !bound.suits(kind)
        {
            bail!("expect: {name} cannot be {bound}");
        }
    }
    for bound in expect.status.values() {
        if !bound.suits(count) {
            bail!("expect: a number of answers cannot be {bound}");
        }
    }
    for bound in expect.p99_of.values() {
        if !bound.suits(time) {
            bail!("expect: p99_of cannot be {bound}");
        }
    }
    let ids = scenario.backend_ids();
    if let Some(id) = expect.p99_of.keys().find(|id| !ids.contains(id)) {
        bail!("expect: there is no backend {id}");
    }
    shares.into_iter().try_for_each(|by_id| check_shares(scenario, by_id, [count, share]))
}

fn check_shares(
    scenario: &Scenario,
    by_id: &BTreeMap<String, Bound>,
    kinds: [Measured; 2],
) -> Result<()> {
    let ids = scenario.backend_ids();
    for (id, bound) in by_id {
        if !ids.contains(id) {
            bail!("expect: there is no backend {id}");
        }
        if !kinds.iter().any(|kind| bound.suits(*kind)) {
            bail!("expect: a share cannot be {bound}");
        }
    }
    Ok(())
}

/// A journal dies with its backend, and with it what the backend has seen.
fn knowable(scenario: &Scenario) -> Result<()> {
    let expect = &scenario.expect;
    let is_counted =
        expect.lost.is_some() || expect.run_twice.is_some() || expect.amplification.is_some();
    let ends = |verb: &Verb| matches!(verb, Verb::Kill | Verb::Terminate);
    if is_counted && let Some(step) = scenario.steps.iter().find(|step| ends(&step.verb)) {
        bail!(
            "expect: lost, run_twice and amplification are read from the backends' journals, \
             and \"{step}\" ends one; use do = \"down\""
        );
    }
    let stops = |verb: &Verb| matches!(verb, Verb::StopNexus | Verb::RestartNexus);
    if expect.nexus_memory.is_some()
        && let Some(step) = scenario.steps.iter().find(|step| stops(&step.verb))
    {
        bail!("expect: nexus_memory is read at the end, and \"{step}\" ends Nexus before");
    }
    Ok(())
}
