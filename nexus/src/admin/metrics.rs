//! What was counted, as Prometheus reads it.

pub mod exposition;
pub mod families;
pub mod process;
