//! CPUs and what processes used of them, and of memory: read from `/proc`, so Linux only.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The first two CPUs that we may use.
pub(super) fn two() -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(None).context("cannot ask for our CPUs")?;
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let two = cpus.next().zip(cpus.next());
    two.context("two CPUs are needed: one for the proxy, one for everything else")
}

/// Does something on one CPU; processes started by it stay there.
pub(super) fn on<T>(cpu: usize, start: impl FnOnce() -> T) -> Result<T> {
    let before = sched_getaffinity(None).context("cannot ask for our CPUs")?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).context("cannot choose a CPU")?;
    let started = start();
    sched_setaffinity(None, &before).context("cannot choose a CPU")?;
    Ok(started)
}

/// CPU time that all threads of all processes of a group have used. Whoever ends meanwhile is left
/// out.
pub(super) fn used(group: u32) -> Result<Duration> {
    let mut nanos = 0;
    for process in members(group)? {
        let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for task in tasks.flatten() {
            let Ok(times) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            nanos += times
                .split_whitespace()
                .next()
                .and_then(|running| running.parse::<u64>().ok())
                .context("schedstat has no time")?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

/// Time that a CPU has been busy, whoever used it.
pub(super) fn busy(cpu: usize) -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("this needs Linux's /proc")?;
    busy_in(&stat, cpu).with_context(|| format!("/proc/stat does not know CPU {cpu}"))
}

/// `cpu0 user nice system idle iowait irq softirq steal …`, in hundredths of a second.
fn busy_in(stat: &str, cpu: usize) -> Option<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    let ticks: Vec<u32> = line.split_whitespace().map_while(|ticks| ticks.parse().ok()).collect();
    let is_busy = [true, true, true, false, false, true, true, true];
    let busy = ticks.iter().zip(is_busy).filter(|(_, is_busy)| *is_busy).map(|(ticks, _)| ticks);
    Some(TICK * busy.sum())
}

/// Memory of all processes of a group in KiB, what they share counted in parts (PSS).
pub(super) fn memory_kib(group: u32) -> Result<u64> {
    let mut sum = 0;
    for process in members(group)? {
        let Ok(rollup) = fs::read_to_string(format!("/proc/{process}/smaps_rollup")) else {
            continue;
        };
        sum += pss(&rollup).context("smaps_rollup has no Pss")?;
    }
    Ok(sum)
}

fn members(group: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("this needs Linux's /proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may be gone by now.
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        if group_of(&stat) == Some(group) {
            found.push(id);
        }
    }
    Ok(found)
}

/// The process group in `/proc/PID/stat`: `pid (name) state parent group …`
fn group_of(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(2)?.parse().ok()
}

fn pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_behind_any_name() {
        assert_eq!(group_of("7 (nginx: x) y) S 6 42 42 0 -1"), Some(42));
        assert_eq!(group_of(""), None);
    }

    #[test]
    fn waiting_is_not_busy() {
        let stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 1000 1000 4 5 6 0 0\nintr 1\n";
        assert_eq!(busy_in(stat, 0), Some(Duration::from_millis(210)));
        assert_eq!(busy_in(stat, 1), None);
    }

    #[test]
    fn pss_is_in_kib() {
        let rollup = "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:  99 kB\nPss:     1234 kB\nPss_Dirty: 7 kB\n";
        assert_eq!(pss(rollup), Some(1234));
    }

    #[test]
    fn our_own_group_has_used_time_and_memory() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        let group = u32::try_from(group).unwrap();
        assert!(used(group).unwrap() > Duration::ZERO);
        assert!(memory_kib(group).unwrap() > 0);
    }
}
