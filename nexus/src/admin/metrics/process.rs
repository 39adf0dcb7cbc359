//! What the system says of this process.

/// Figures that every exporter has, by the names that Prometheus gives them.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Time on processors, in seconds.
    pub cpu_seconds: f64,
    /// Memory that is in use, in bytes.
    pub resident_bytes: u64,
    /// Memory that was asked for, in bytes.
    pub virtual_bytes: u64,
    /// Files and sockets that are open.
    pub open_fds: u64,
    /// How many may be.
    pub max_fds: u64,
    /// Threads.
    pub threads: u64,
    /// When it began, in seconds since 1970.
    pub start_time: f64,
}

impl Process {
    /// Asks the system; `None` where it does not say.
    #[cfg(target_os = "linux")]
    pub fn read() -> Option<Self> {
        use procfs::{CurrentSI, WithCurrentSystemInfo};

        let own = procfs::process::Process::myself().ok()?;
        let stat = own.stat().ok()?;
        let ticks = procfs::ticks_per_second() as f64;
        let boot = procfs::KernelStats::current().ok()?.btime;
        let limit = own.limits().ok()?.max_open_files.soft_limit;
        Some(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            resident_bytes: stat.rss_bytes().get(),
            virtual_bytes: stat.vsize,
            open_fds: own.fd_count().ok()? as u64,
            max_fds: match limit {
                procfs::process::LimitValue::Value(most) => most,
                procfs::process::LimitValue::Unlimited => u64::MAX,
            },
            threads: u64::try_from(stat.num_threads).unwrap_or(0),
            start_time: boot as f64 + stat.starttime as f64 / ticks,
        })
    }

    /// Asks the system; `None` where it does not say.
    #[cfg(not(target_os = "linux"))]
    pub fn read() -> Option<Self> {
        None
    }
}
