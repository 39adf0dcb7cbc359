//! `cargo xtask bench --routes`: does a request cost more where there are more routes?

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::table::median;
use super::{Bench, cpu, measure, peers, rows, write_json};
use crate::Outcome;
use crate::backend::Backend;

const COUNTS: [usize; 2] = [10, 10_000];

/// Nexus with so many routes.
#[derive(Default, Serialize)]
struct Routed {
    routes: usize,
    cpu_us: Vec<f64>,
    start_ms: Vec<f64>,
    /// Of all its memory, when it has answered a load (PSS).
    memory_kib: u64,
}

/// Runs the command.
pub(super) fn run(bench: &Bench, rounds: u32) -> Result<Outcome> {
    let row = rows::named(&["small".to_owned()]).map_err(anyhow::Error::msg)?.remove(0);
    let backends = bench.backends(&row)?;
    let mut all = COUNTS.map(|routes| Routed { routes, ..Routed::default() });
    for round in 1..=rounds {
        for one in &mut all {
            let (cost, start) = measure(bench, &row, &backends, one)?;
            one.cpu_us.push(cost);
            one.start_ms.push(start.as_secs_f64() * 1e3);
            println!("round {round}  {:6} routes  {cost:.1} µs", one.routes);
        }
    }
    println!("\nNexus, small answer, {rounds} rounds in turn, medians\n");
    println!(
        "| routes | CPU per request, µs | from start to listening, ms | memory, MiB |\n|---|---|---|---|"
    );
    for one in &all {
        let (cost, start) = (middle(&one.cpu_us), middle(&one.start_ms));
        let memory = one.memory_kib as f64 / 1024.0;
        println!("| {} | {cost:.1} | {start:.0} | {memory:.1} |", one.routes);
    }
    let [few, many] = all.each_ref().map(|one| middle(&one.cpu_us));
    println!("\n10,000 routes cost {:.3} × 10 routes", many / few);
    println!("All measurements: {}", write_json(&bench.folder, &all)?.display());
    Ok(Outcome::Passed)
}

fn measure(
    bench: &Bench,
    row: &rows::Row,
    backends: &[Backend],
    one: &mut Routed,
) -> Result<(f64, Duration)> {
    let path = bench.folder.join(format!("{}-routes.yaml", one.routes));
    fs::write(&path, file(one.routes, backends))?;
    let flags = ["--listen=127.0.0.1:0".to_owned(), format!("--config={}", path.display())];
    let began = Instant::now();
    let proxy = cpu::on(bench.cpus.0, || peers::nexus(bench, &flags))??;
    let start = began.elapsed();
    // One in the middle: neither the first nor the last that could be found.
    let target = format!("{}/items/17?page=2", prefix(one.routes / 2));
    let cell = measure::cost(bench, &proxy, row, &target)?;
    one.memory_kib = cpu::memory_kib(proxy.group())?;
    proxy.stop();
    Ok((cell.cpu_us, start))
}

/// A file with so many routes by prefix, as a company with many services has them.
fn file(routes: usize, backends: &[Backend]) -> String {
    let urls: Vec<_> = backends.iter().map(Backend::url).collect();
    let mut text = format!("pools: {{ web: {{ backends: [{}] }} }}\nroutes:\n", urls.join(", "));
    for number in 0..routes {
        let _ = writeln!(text, "  - {{ match: {{ path_prefix: {} }}, pool: web }}", prefix(number));
    }
    text
}

fn middle(values: &[f64]) -> f64 {
    median(values.to_vec()).unwrap_or(f64::NAN)
}

fn prefix(number: usize) -> String {
    format!("/team-{}/service-{number}", number % 97)
}
