//! What a request is known by across programs: its name and its trace.
//!
//! Off, all of it is empty: nothing is made, nothing is written.

use std::time::Instant;

use crate::connection::Client;
use crate::http1::egress::Mark;
use crate::log::WHOLE;
use crate::reason::Reason;
use crate::record::{Record, Stations};
use crate::request_id;
use crate::route::{Fields, HeadFields};
use crate::settings::Settings;
use crate::spans::{self, Kind, Recording};
use crate::trace::{self, Dice, Parent, SpanId, Trace};
use crate::worker::View;

/// The fields of a trace, in lower case as the standard has them.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// What a request is known by.
#[derive(Default)]
pub struct Known {
    /// What it is called.
    pub id: Option<Box<str>>,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
    /// What is written down of it, if its trace is recorded.
    pub recording: Option<Box<Recording>>,
}

impl Known {
    /// Finds out what a request is known by whose head is `fields`, if anybody wants to know.
    pub fn of(
        client: &Client,
        view: &View,
        fields: HeadFields<'_>,
        began: Option<Instant>,
    ) -> Self {
        let settings = &view.settings;
        if settings.request_id.is_none() && settings.tracing.is_none() {
            return Self::default();
        }
        let trace = settings.tracing.as_ref().map(|tracing| {
            let is_believed = tracing.believes_all || client.origin.is_trusted;
            let (mut said, mut count) = (None, 0);
            fields.each(TRACEPARENT.as_bytes(), &mut |value| {
                (said, count) = (Parent::parse(value), count + 1);
            });
            let dice = Dice {
                trace: fastrand::u128(1..),
                span: fastrand::u64(1..),
                sample: fastrand::u32(..WHOLE),
            };
            Trace::begin(said.filter(|_| count == 1), is_believed, tracing.sample, dice)
        });
        let is_recorded = trace.is_some_and(|trace| trace.own.is_sampled());
        let began = began.filter(|_| is_recorded);
        Self {
            id: id_of(settings, client, &fields),
            trace,
            recording: began.map(|began| Box::new(Recording::since(began))),
        }
    }

    /// Returns what a backend is told of it, by an attempt with this span.
    pub fn told<'k>(&'k self, view: &'k View, span: Option<SpanId>) -> Told<'k> {
        let traceparent = self.trace.and_then(|trace| trace.told(span));
        let drops_state = self.trace.is_some_and(|trace| trace.drops_state());
        Told { id: self.mark(&view.settings), traceparent, drops_state }
    }

    /// Returns the field with what it is called.
    pub fn mark<'k>(&'k self, settings: &'k Settings) -> Option<Mark<'k>> {
        let (name, id) = (settings.request_id.as_ref()?, self.id.as_ref()?);
        Some(Mark { name, value: id.as_bytes() })
    }

    /// Returns the span of the attempt under way.
    pub fn span(&self) -> Option<SpanId> {
        self.recording.as_ref()?.span()
    }

    /// Returns the time, if what begins is written down.
    pub fn begin(&self) -> Option<Instant> {
        self.recording.as_ref().map(|_| Instant::now())
    }

    /// Writes down what began then and is over; `kind` is asked only if it is.
    pub fn step(
        &self,
        began: Option<Instant>,
        reason: Option<Reason>,
        kind: impl FnOnce() -> Kind,
    ) {
        if let (Some(recording), Some(began)) = (&self.recording, began) {
            recording.step(kind(), began, reason);
        }
    }

    /// Writes something down, if anything is.
    pub fn record(&self, write: impl FnOnce(&Recording)) {
        if let Some(recording) = &self.recording {
            write(recording);
        }
    }

    /// Hands what was written down to the exporter, with what is known of the request.
    pub fn finish(&self, client: &Client, record: &Record<'_>, stations: &Stations<'_>) {
        if let (Some(recording), Some(trace)) = (&self.recording, &self.trace) {
            client.worker.export(recording.finish(trace, record, stations));
        }
    }
}

/// Returns what a request is called whose head is `fields`: what a trusted proxy says, or a new name.
pub fn id_of(settings: &Settings, client: &Client, fields: &HeadFields<'_>) -> Option<Box<str>> {
    let header = settings.request_id.as_deref()?;
    let said = request_id::given(header, fields).filter(|_| client.origin.is_trusted);
    Some(said.map_or_else(|| request_id::made(fastrand::u128(..)), Into::into))
}

/// What a backend is told.
pub struct Told<'k> {
    id: Option<Mark<'k>>,
    traceparent: Option<[u8; trace::LEN]>,
    drops_state: bool,
}

impl Told<'_> {
    /// Returns it as fields.
    pub fn marks(&self) -> Marks<'_> {
        let mut marks = Marks { all: [Mark { name: "", value: b"" }; 3], len: 0 };
        let traceparent = self.traceparent.as_ref();
        let traceparent = traceparent.map(|value| Mark { name: TRACEPARENT, value });
        let state = self.drops_state.then_some(Mark { name: TRACESTATE, value: b"" });
        for mark in [self.id, traceparent, state].into_iter().flatten() {
            marks.all[marks.len] = mark;
            marks.len += 1;
        }
        marks
    }
}

/// A few fields.
pub struct Marks<'m> {
    all: [Mark<'m>; 3],
    len: usize,
}

impl<'m> Marks<'m> {
    /// Returns them.
    pub fn as_slice(&self) -> &[Mark<'m>] {
        &self.all[..self.len]
    }
}

/// Draws the name of a span, if there is one to draw.
pub fn new_span(known: &Known) -> Option<SpanId> {
    known.recording.as_ref().map(|_| spans::new_id())
}
