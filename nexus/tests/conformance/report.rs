//! Runs the rows and prints what came of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::case::{Case, Start};
use crate::cases;
use crate::client::Client;
use crate::expect::{Kept, Outcome};
use crate::floods::{FLOODS, Flood, STALLS};
use crate::known;
use crate::server::{Server, Subject, serve};

/// How many rows run at a time: they wait more than they work.
const AT_ONCE: usize = 8;

/// Which rows run, and what is asked of them.
pub(crate) struct Wanted {
    parts: Vec<String>,
    is_strict: bool,
    is_list: bool,
    subject: Subject,
}

impl Wanted {
    /// Reads what follows `--`; what only the harness of other tests knows is left out.
    pub(crate) fn from_args(args: impl Iterator<Item = String>) -> Self {
        let (options, parts): (Vec<_>, Vec<_>) = args.partition(|arg| arg.starts_with("--"));
        let has = |option: &str| options.iter().any(|found| found == option);
        let subject = if has("--bare") { Subject::Bare } else { Subject::Nexus };
        Self { parts, is_strict: has("--strict"), is_list: has("--list"), subject }
    }

    fn takes(&self, row: &Row) -> bool {
        let has =
            |part: &String| row.from.contains(part.as_str()) || row.name.contains(part.as_str());
        self.parts.is_empty() || self.parts.iter().any(has)
    }
}

/// Something to be run.
struct Row {
    from: &'static str,
    name: &'static str,
    run: Box<dyn Fn(&Server) -> Outcome + Sync>,
}

/// Runs all that is wanted.
pub(crate) fn run(wanted: &Wanted) -> ExitCode {
    let begun = Instant::now();
    let groups = [
        ("HTTP/2 and HPACK", AT_ONCE, cases::all().into_iter().map(of_case).collect::<Vec<_>>()),
        ("floods", 1, FLOODS.iter().map(of_flood).collect()),
        ("stalls", AT_ONCE, STALLS.iter().map(of_flood).collect()),
    ];
    let mut tally = Tally::default();
    let server = serve(wanted.subject);
    for (title, at_once, rows) in groups {
        let rows: Vec<_> = rows.into_iter().filter(|row| wanted.takes(row)).collect();
        if wanted.is_list {
            rows.iter().for_each(|row| println!("{}: {}: test", row.from, row.name));
            continue;
        }
        println!("\n{title}: {} rows", rows.len());
        for (row, outcome) in rows.iter().zip(all_of(&rows, at_once, &server)) {
            println!("{}", tally.line(row, outcome, wanted));
        }
    }
    if wanted.is_list {
        return ExitCode::SUCCESS;
    }
    tally.print(begun);
    ExitCode::from(u8::from(tally.failed > 0))
}

fn of_case(case: &'static Case) -> Row {
    Row { from: case.rfc, name: case.name, run: Box::new(|server| beside_another(case, server)) }
}

fn of_flood(flood: &'static Flood) -> Row {
    Row { from: flood.known, name: flood.name, run: Box::new(flood.run) }
}

/// Runs one case, beside a bystander that was connected before and is answered after.
fn beside_another(case: &Case, server: &Server) -> Outcome {
    let mut bystander = Client::shake_hands(server)?;
    let mut client = match case.start {
        Start::Shaken => Client::shake_hands(server)?,
        Start::Raw => Client::connect(server),
    };
    let outcome = (case.run)(&mut client);
    bystander.get(1, &[]);
    bystander.answered(1, "200").map_err(|what| format!("the bystander: {what}"))?;
    outcome
}

fn all_of(rows: &[Row], at_once: usize, server: &Server) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<_> = rows.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(row) = rows.get(at) else { return };
            let outcome = catch_unwind(AssertUnwindSafe(|| (row.run)(server)));
            let outcome = outcome.unwrap_or_else(|_| Err("the row panicked".to_owned()));
            *outcomes[at].lock().expect("nobody panics here") = Some(outcome);
        }
    };
    std::thread::scope(|scope| {
        (0..at_once).for_each(|_| drop(scope.spawn(work)));
    });
    let take = |outcome: Mutex<Option<Outcome>>| outcome.into_inner().ok().flatten();
    outcomes.into_iter().map(|outcome| take(outcome).expect("every row has run")).collect()
}

/// What came of all rows.
#[derive(Default)]
struct Tally {
    strictly: u32,
    loosely: u32,
    known: u32,
    failed: u32,
}

impl Tally {
    /// Counts a row, and returns its line.
    fn line(&mut self, row: &Row, outcome: Outcome, wanted: &Wanted) -> String {
        let known = known::why(row.name, wanted.subject);
        let (mark, count, note) = match (outcome, known) {
            (Ok(Kept::Strictly), None) => ("ok   ", &mut self.strictly, String::new()),
            (Ok(Kept::Loosely(note)), None) if wanted.is_strict => {
                ("FAIL ", &mut self.failed, note)
            }
            (Ok(Kept::Loosely(note)), None) => ("~    ", &mut self.loosely, note),
            (Ok(_), Some(_)) if known::is_chance(row.name) => {
                ("ok   ", &mut self.strictly, String::new())
            }
            (Ok(_), Some(_)) => ("FAIL ", &mut self.failed, "passes, but is listed".to_owned()),
            (Err(what), Some(why)) => ("known", &mut self.known, format!("{what}; {why}")),
            (Err(what), None) => ("FAIL ", &mut self.failed, what),
        };
        *count += 1;
        let note = if note.is_empty() { note } else { format!("\n{:20}[{note}]", "") };
        format!("{mark} {:<13} {}{note}", row.from, row.name)
    }

    fn print(&self, begun: Instant) {
        let Self { strictly, loosely, known, failed } = self;
        let result = if *failed == 0 { "ok" } else { "FAILED" };
        println!("\n{strictly} strictly, {loosely} loosely, {known} known not to, {failed} failed");
        println!(
            "test result: {result}. {} passed; {failed} failed; {known} ignored; 0 measured; \
             finished in {:.2}s",
            strictly + loosely,
            begun.elapsed().as_secs_f64()
        );
    }
}
