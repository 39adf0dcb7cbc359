//! What would become of a request, and why: the way that it would take, told instead of gone.
//!
//! It asks the very functions that answer requests (the gate, the table, [`Way`], the pool, the
//! retry policy), and takes nobody's turn. For a file that no Nexus runs, a snapshot is built of it.

mod pool;
mod question;
mod text;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use pool::pool;

pub use question::{BadQuestion, Question};

use crate::http1::gate::Request;
use crate::http1::origin;
use crate::reason::Reason;
use crate::route::{self, Action, Facts, HeadFields, Modifiers, Route, Split, Table};
use crate::snapshot::Snapshot;
use crate::way::{Next, Way};

/// Routes that are told of besides the one that is taken: of 10,000 nobody wants to read all.
const OTHERS_MAX: usize = 20;

/// What would become of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Explanation {
    /// The request in one line.
    pub request: String,
    /// The route that it takes; `None` is none, or there are no routes.
    pub route: Option<String>,
    /// Other routes, those that come closest first, and why they are not taken.
    pub others: Vec<Other>,
    /// How many more there are.
    pub others_left_out: usize,
    /// What becomes of it, in one line.
    pub outcome: String,
    /// The reason code, if it is refused.
    pub refused: Option<String>,
    /// What the route changes, a line each.
    pub changes: Vec<String>,
    /// Who may answer: one pool, or one for each side of a split that chance decides.
    pub pools: Vec<PoolExplained>,
}

/// A route that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Other {
    /// Its name.
    pub route: String,
    /// Why it is not.
    pub why: String,
}

/// A pool that may answer.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct PoolExplained {
    /// Its name.
    pub pool: String,
    /// Its part of the requests, if chance decides: `10 of 100`.
    pub share: Option<String>,
    /// How a backend is picked, with the numbers.
    pub picked: String,
    /// The backend that is picked next; `None` is nobody, or nobody knows.
    pub next: Option<String>,
    /// Every backend.
    pub backends: Vec<Candidate>,
    /// The times that are allowed, a line each.
    pub timeouts: Vec<String>,
    /// What follows which failure, a line each.
    pub retry: Vec<String>,
}

/// A backend that could be picked, or could not.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Candidate {
    /// Where it is.
    pub url: String,
    /// Whether it may be picked.
    pub is_available: bool,
    /// Why, or why not.
    pub why: String,
}

/// Where a snapshot comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is run with.
    Running,
    /// It was built of a file: nothing is known of the backends.
    File,
}

/// The request that is explained.
struct Asked<'a> {
    request: &'a Request,
    facts: &'a Facts<'a>,
}

/// Explains what would become of a request.
///
/// # Errors
///
/// Fails if no such request can be sent.
pub fn explain(
    snapshot: &Snapshot,
    origin: Origin,
    question: &Question,
) -> Result<Explanation, BadQuestion> {
    let bytes = question.bytes()?;
    let mut told = Explanation { request: question.line(), ..Explanation::default() };
    let request = match question.admit(&bytes)? {
        Ok(request) => request,
        Err(reason) => {
            told.refuse(reason);
            return Ok(told);
        }
    };
    let fields = HeadFields { bytes: &bytes, fields: &request.head.fields };
    let trusts = |ip| snapshot.settings.trusts(ip);
    let (peer, said_by) = (question.client, snapshot.settings.forwarded_fields);
    let who = origin::Origin::find(peer, &bytes, &request.head.fields, said_by, trusts);
    let client = who.ip;
    if client != peer {
        told.request += &format!(" for {client}");
    }
    let facts = route::Facts::of(&request, &fields, client);
    let asked = Asked { request: &request, facts: &facts };
    let Some(table) = &snapshot.settings.routes else {
        "goes to the only pool: there are no routes".clone_into(&mut told.outcome);
        told.pools.push(pool(snapshot, origin, &asked, None, 0));
        return Ok(told);
    };
    others(&mut told, table, &facts);
    let way = Way::find(table, &request, &facts, 0, || 0);
    let route = way.route.map(|at| &table.routes()[at]);
    told.route = route.map(|route| route.name.clone());
    told.changes = route.map(|route| changes(snapshot, &route.modifiers)).unwrap_or_default();
    if let Some(limiter) = snapshot.limiter(way.route) {
        told.changes.push(format!("rate is {}", limiter.limit()));
        if let Err(seconds) = limiter.peek(&facts) {
            told.refuse(Reason::RateLimited);
            told.outcome += &format!(" ({seconds} s)");
            return Ok(told);
        }
    }
    follow(&mut told, snapshot, origin, &asked, way, route);
    Ok(told)
}

impl Explanation {
    fn refuse(&mut self, reason: Reason) {
        let facts = reason.facts();
        self.refused = Some(facts.code.to_owned());
        self.outcome =
            format!("is refused with {} {}: {}", facts.status, facts.code, facts.sentence);
    }
}

/// Tells of the other routes: those that match, then those for this host, then the rest.
fn others(told: &mut Explanation, table: &Table, facts: &Facts<'_>) {
    let mut all = table.explain(facts);
    all.retain(|one| one.verdict != route::Verdict::Taken);
    all.sort_by_key(|one| match one.verdict {
        route::Verdict::Taken | route::Verdict::LessSpecific => 0,
        route::Verdict::No(route::WhyNot::Host) => 3,
        route::Verdict::No(route::WhyNot::Path) => 2,
        route::Verdict::No(_) => 1,
    });
    told.others_left_out = all.len().saturating_sub(OTHERS_MAX);
    let other =
        |one: &route::Explained<'_>| Other { route: one.route.name.clone(), why: one.to_string() };
    told.others = all.iter().take(OTHERS_MAX).map(other).collect();
}

fn follow(
    told: &mut Explanation,
    snapshot: &Snapshot,
    origin: Origin,
    request: &Asked<'_>,
    way: Way,
    route: Option<&Route>,
) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    told.outcome = match (way.next, route.map(|route| &route.action)) {
        (Next::Refuse(reason), _) => return told.refuse(reason),
        (Next::Wait(_), _) => return told.refuse(Reason::RateLimited),
        (Next::Redirect { status, location }, _) => {
            format!("is sent with {status} to {}", text(&location))
        }
        (Next::Respond, Some(Action::Respond(fixed))) => {
            format!("is answered by the route: {}, {} bytes", fixed.status, fixed.body.len())
        }
        (Next::Respond, _) => "is answered by the route".to_owned(),
        (Next::Ask { pool: at, target }, action) => {
            if let Some(target) = target {
                told.changes.insert(0, format!("target becomes {}", text(&target)));
            }
            let modifiers = route.map(|route| &route.modifiers);
            match action {
                Some(Action::Split(split)) if !split.is_by_client() => {
                    told.pools = by_chance(snapshot, origin, request, modifiers, split);
                    "goes to a pool by chance".to_owned()
                }
                action => {
                    told.pools = vec![pool(snapshot, origin, request, modifiers, at)];
                    let is_split = matches!(action, Some(Action::Split(_)));
                    let by = if is_split { ", as always for this client" } else { "" };
                    format!("goes to pool {}{by}", told.pools[0].pool)
                }
            }
        }
    };
}

fn by_chance(
    snapshot: &Snapshot,
    origin: Origin,
    request: &Asked<'_>,
    modifiers: Option<&Modifiers>,
    split: &Split,
) -> Vec<PoolExplained> {
    let total: u64 = split.shares().map(|(_, weight)| weight).sum();
    let one = |(id, weight): (route::PoolId, u64)| PoolExplained {
        share: Some(format!("{weight} of {total}")),
        ..pool(snapshot, origin, request, modifiers, usize::from(id.0))
    };
    split.shares().map(one).collect()
}

fn changes(snapshot: &Snapshot, modifiers: &Modifiers) -> Vec<String> {
    let mut lines = Vec::new();
    let sides = [("request", &modifiers.request_headers), ("answer", &modifiers.response_headers)];
    for (side, rules) in sides {
        let removed = rules.remove.iter().map(|name| format!("{side} loses header {name}"));
        let set =
            rules.set.iter().map(|(name, value)| format!("{side} has header {name}: {value}"));
        let added =
            rules.add.iter().map(|(name, value)| format!("{side} gets header {name}: {value}"));
        lines.extend(removed.chain(set).chain(added));
    }
    lines.extend(modifiers.body_bytes_max.map(|max| format!("body has {max} bytes at most")));
    lines.extend(modifiers.mirror.map(|mirror| {
        let pool = &snapshot.pools[usize::from(mirror.pool.0)].settings.name;
        format!("copied to pool {pool}: {} of 100", mirror.percent)
    }));
    lines
}

#[cfg(test)]
mod tests;
