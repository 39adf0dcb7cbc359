//! Configuration files: text in, a checked [`Config`] or every problem out.
//!
//! ```text
//! file ──yaml, json, toml──▶ Node ──gather──▶ Node ──shape──▶ problems
//!                                               └────read───▶ Config, more problems
//! ```
//!
//! What does a file look like? `docs/configuration.md` has every key; it is made from [`model`], as
//! are the schema, the defaults and the check for unknown keys. Nothing here touches the outside:
//! files and variables come from a [`World`].

use std::sync::Arc;

use ipnet::IpNet;

use crate::http1::forwarded::ForwardedFields;
use crate::listen;
use crate::log::AccessLog;
use crate::route::{Action, Modifiers, PathPattern, RouteTimeouts, Table};
use crate::settings::{Admin, ListenerSettings, PoolSettings, Settings, Timeouts};
use crate::spans::Tracing;

pub mod disk;
pub mod docs;
pub mod document;
pub mod gather;
pub mod json;
pub mod model;
pub mod nearest;
pub mod node;
pub mod print;
pub mod problem;
pub mod quantity;
pub mod read;
pub mod render;
pub mod scalar;
pub mod schema;
pub mod section;
pub mod shape;
pub mod source;
pub mod substitute;
pub mod toml;
pub mod yaml;

pub use scalar::Scalar;

use node::Node;
use problem::Problem;
use source::Sources;

/// What a configuration is read from.
pub trait World {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Says why it cannot.
    fn read(&self, path: &str) -> Result<String, String>;

    /// Lists the names of the files in a folder.
    ///
    /// # Errors
    ///
    /// Says why it cannot.
    fn list(&self, folder: &str) -> Result<Vec<String>, String>;

    /// Returns a variable of the environment.
    fn env(&self, name: &str) -> Option<String>;

    /// Reads a file that need not be text.
    ///
    /// # Errors
    ///
    /// Says why it cannot.
    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        self.read(path).map(String::into_bytes)
    }

    /// Returns the path by which a file is found from anywhere.
    fn absolute(&self, path: &str) -> String {
        path.to_owned()
    }

    /// Says whether files of certificates and keys are here. Where they are not, as in a document
    /// that was sent, they count as readable.
    fn has_files(&self) -> bool {
        true
    }
}

/// A configuration without errors: checked values, no `Option` that means "the default".
#[derive(Debug)]
pub struct Config {
    /// Where clients connect to.
    pub listeners: Vec<ListenerSettings>,
    /// Who answers; routes number them.
    pub pools: Vec<PoolSettings>,
    /// Which requests go where.
    pub routes: Table,
    /// Threads that carry requests.
    pub workers: usize,
    /// The timeouts that are not a pool's.
    pub timeouts: Timeouts,
    /// Proxies that are believed whom their requests are from.
    pub trusted: Vec<IpNet>,
    /// By which fields that is said, and backends are told.
    pub forwarded_fields: ForwardedFields,
    /// Whether a client that has closed its sending side still gets its answer.
    pub half_close: bool,
    /// Whether requests are counted.
    pub metrics: bool,
    /// Client connections open at once; `None` is as many as the limit of open files allows.
    pub connections_max: Option<usize>,
    /// TLS handshakes under way at once.
    pub handshakes_max: usize,
    /// The request log; `None` is off.
    pub access_log: Option<AccessLog>,
    /// The field that says what a request is called; `None` is that they have no names.
    pub request_id: Option<String>,
    /// Where traces go; `None` is that Nexus has no part in them.
    pub tracing: Option<Tracing>,
    /// Where a running Nexus can be asked and told; `None` is nowhere.
    pub admin: Option<Admin>,
    /// Whether a change of the files is a reload.
    pub watch: bool,
}

/// What came of reading a file.
pub struct Loaded {
    /// The configuration, if there is no error.
    pub config: Option<Config>,
    /// The files, merged; `None` if one of them cannot be read at all.
    pub root: Option<Node>,
    /// The files' texts.
    pub sources: Sources,
    /// All problems, in the order of the files.
    pub problems: Vec<Problem>,
}

/// Where files that values name are looked for: beside the file that names them.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// What is read.
    pub world: &'a dyn World,
    /// The files of the configuration.
    pub sources: &'a Sources,
}

impl Files<'_> {
    /// Returns the path of the file that a value names.
    pub fn path(&self, node: &Node) -> String {
        self.beside(node, node.text().unwrap_or_default())
    }

    /// Returns the path of a file called `name` in a value.
    pub fn beside(&self, node: &Node, name: &str) -> String {
        self.world.absolute(&gather::beside(self.sources.name(node.span.file), name))
    }
}

/// Reads a configuration file and everything that it includes.
pub fn load(path: &str, world: &dyn World) -> Loaded {
    let (mut sources, root, mut problems) = gather::gather(path, world);
    let config = root.as_ref().map(|root| {
        let shape = shape::check(root);
        problems.extend(shape.problems);
        sources.hide(&shape.secrets);
        read::read(root, Files { world, sources: &sources }, &mut problems)
    });
    problems.sort_by_key(|problem| (problem.span, problem.severity));
    problems.dedup();
    let config = config.filter(|_| !problems.iter().any(Problem::is_error));
    Loaded { config, root, sources, problems }
}

impl Config {
    /// Turns a configuration into what Nexus starts with.
    pub fn into_settings(self) -> Settings {
        let is_plain = self.routes_say_nothing();
        Settings {
            listeners: self.listeners,
            pools: self.pools,
            routes: (!is_plain).then(|| Arc::new(self.routes)),
            workers: self.workers,
            timeouts: self.timeouts,
            trusted: self.trusted,
            forwarded_fields: self.forwarded_fields,
            half_close: self.half_close,
            metrics: self.metrics,
            connections_max: self.connections_max.unwrap_or_else(listen::connections_that_fit),
            handshakes_max: self.handshakes_max,
            access_log: self.access_log,
            request_id: self.request_id,
            tracing: self.tracing,
            admin: self.admin,
            watch: self.watch,
        }
    }

    /// Says whether there is nothing to route: everything goes to the only pool, unchanged.
    fn routes_say_nothing(&self) -> bool {
        let [route] = self.routes.routes() else { return false };
        let is_catch_all = route.matcher.hosts.is_empty()
            && matches!(route.matcher.path, PathPattern::Any)
            && route.matcher.conditions() == 0;
        let Modifiers {
            rewrite,
            request_headers,
            response_headers,
            timeouts,
            retry,
            body_bytes_max,
            mirror,
            rate_limit,
            priority,
        } = &route.modifiers;
        is_catch_all
            && matches!(route.action, Action::Pool(_))
            && self.pools.len() == 1
            && rewrite.is_none()
            && (request_headers.is_empty() && response_headers.is_empty())
            && *timeouts == RouteTimeouts::default()
            && retry.is_none()
            && body_bytes_max.is_none()
            && mirror.is_none()
            && rate_limit.is_none()
            && priority.is_none()
    }
}
