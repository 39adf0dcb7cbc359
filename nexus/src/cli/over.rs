//! Flags win over the file: what was said on the command line replaces what the file says.

use std::collections::HashSet;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::log::{AccessLog, LogFormat, Output};
use crate::settings::Settings;

use super::{Cli, Command, Flags};

/// The flags that were really said, by their field's name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Said(HashSet<String>);

impl Said {
    /// Says whether a flag was said; those that were not have their defaults.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl Cli {
    /// Reads a command line, and which flags were said on it.
    ///
    /// # Errors
    ///
    /// Fails on what no command line may say, and on `--help`.
    pub fn read(
        words: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<(Self, Said), clap::Error> {
        let matches = Self::command().try_get_matches_from(words)?;
        let inner = matches.subcommand_matches("run").unwrap_or(&matches);
        let said = said(inner);
        let mut cli = Self::from_arg_matches(&matches)?;
        if let Some(Command::Run(flags)) = cli.command {
            cli = Self { command: None, flags };
        }
        Ok((cli, said))
    }
}

fn said(matches: &ArgMatches) -> Said {
    let is_said =
        |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    Said(matches.ids().filter(is_said).map(|id| id.as_str().to_owned()).collect())
}

impl Flags {
    /// Puts what was said over what a file says. What concerns backends goes to every pool.
    ///
    /// # Errors
    ///
    /// Fails if a flag cannot be meant: backends, if the file has several pools.
    pub fn over(self, said: &Said, mut settings: Settings) -> Result<Settings, String> {
        let count = settings.pools.len();
        if said.has("backend") && count != 1 {
            return Err(format!(
                "--backend cannot say which of the {count} pools of the file is meant\n  hint: name the backends in the file"
            ));
        }
        let backends: Vec<_> = self.backend.iter().cloned().map(Into::into).collect();
        let format = LogFormat::from(self.log_format);
        let log = self.access_log.0.clone();
        let flags = self.settings();
        let (ours, timeouts) = (&flags.pools[0], &mut settings.timeouts);
        let put = |name: &str, put: &mut dyn FnMut()| {
            if said.has(name) {
                put();
            }
        };
        put("listen", &mut || settings.listeners.clone_from(&flags.listeners));
        put("workers", &mut || settings.workers = flags.workers);
        put("max_connections", &mut || settings.connections_max = flags.connections_max);
        put("trusted_proxy", &mut || settings.trusted.clone_from(&flags.trusted));
        put("allow_half_close", &mut || settings.half_close = flags.half_close);
        put("head_timeout", &mut || timeouts.head = flags.timeouts.head);
        put("idle_timeout", &mut || timeouts.idle = flags.timeouts.idle);
        put("stall_timeout", &mut || timeouts.stall = flags.timeouts.stall);
        put("tunnel_timeout", &mut || timeouts.tunnel = flags.timeouts.tunnel);
        put("backend_idle_timeout", &mut || timeouts.idle_backend = flags.timeouts.idle_backend);
        put("shutdown_timeout", &mut || timeouts.shutdown = flags.timeouts.shutdown);
        put("watch", &mut || settings.watch = flags.watch);
        put("admin", &mut || {
            let ours = flags.admin.clone();
            let theirs = settings.admin.take();
            settings.admin = ours.map(|mut ours| {
                let theirs = theirs.map(|theirs| (theirs.hosts, theirs.tokens)).unwrap_or_default();
                ours.hosts.extend(theirs.0);
                ours.tokens.extend(theirs.1);
                ours
            });
        });
        for pool in &mut settings.pools {
            put("algorithm", &mut || pool.algorithm = ours.algorithm);
            put("backend", &mut || pool.backends.clone_from(&backends));
            put("health_interval", &mut || pool.probing.interval = ours.probing.interval);
            put("health_timeout", &mut || pool.probing.timeout = ours.probing.timeout);
            put("attempts", &mut || pool.retry.attempts_max = ours.retry.attempts_max);
            put("retry_on_timeout", &mut || pool.retry.on.response_timeout = true);
            put("connect_timeout", &mut || pool.timeouts.connect = ours.timeouts.connect);
            put("response_timeout", &mut || pool.timeouts.response = ours.timeouts.response);
        }
        settings.access_log = access_log(said, settings.access_log, log, format);
        Ok(settings)
    }
}

fn access_log(
    said: &Said,
    file: Option<AccessLog>,
    output: Option<Output>,
    format: LogFormat,
) -> Option<AccessLog> {
    let mut log = match (said.has("access_log"), output, file) {
        (false, _, file) => file?,
        (true, output, file) => {
            let others = file.unwrap_or_else(|| format.clone().into());
            AccessLog { output: output?, ..others }
        }
    };
    if said.has("log_format") {
        log.format = format;
    }
    Some(log)
}
