//! Metrics as text: OpenMetrics for who asks for it, else the older format of Prometheus.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::families::{FAMILIES, Family, Kind, Value, Whole};

/// Borders of times that are shown: powers of two of microseconds, from 256 µs to 67 s.
const DOUBLINGS: std::ops::RangeInclusive<u32> = 8..=26;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Prometheus,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
}

impl Format {
    /// Returns the format that an `Accept` field asks for.
    pub fn accepted(accept: &str) -> Self {
        let wants = accept.contains("application/openmetrics-text");
        if wants { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Returns the type of what is written.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes all metrics.
pub fn write(whole: Whole, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Told(whole)));
    let mut out = String::new();
    let written = match format {
        Format::Prometheus => prometheus_text::encode(&mut out, &registry),
        Format::OpenMetrics => text::encode(&mut out, &registry),
    };
    written.expect("writing to memory cannot fail");
    out
}

/// What a registry asks for its metrics.
struct Told(Whole);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        FAMILIES.iter().try_for_each(|family| encode(family, &self.0, &mut encoder))
    }
}

fn encode(family: &Family, whole: &Whole, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    // The library puts the ending back.
    let name = family.name.strip_suffix("_total").unwrap_or(family.name);
    let help = family.help.trim_end_matches('.');
    let mut encoder = encoder.encode_descriptor(name, help, None, kind)?;
    let mut outcome = Ok(());
    (family.put)(whole, &mut |values, value| {
        debug_assert_eq!(values.len(), family.labels.len(), "{}", family.name);
        let labels: Vec<_> = family.labels.iter().copied().zip(values.iter().copied()).collect();
        let put = encoder.encode_family(&labels).and_then(|mut encoder| match value {
            Value::Count(count) => encoder.encode_counter::<NoLabelSet, _, u64>(&count, None),
            Value::Number(number) if family.kind == Kind::Counter => {
                encoder.encode_counter::<NoLabelSet, _, f64>(&number, None)
            }
            Value::Number(number) => encoder.encode_gauge(&number),
            Value::Times(times) => {
                let borders = DOUBLINGS.map(|doublings| 1_u64 << doublings);
                let (sum, count) = (times.seconds(), times.count());
                encoder.encode_histogram::<NoLabelSet>(sum, count, &times.between(borders), None)
            }
        });
        outcome = outcome.and(put);
    });
    outcome
}
