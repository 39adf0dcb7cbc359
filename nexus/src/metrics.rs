//! What is counted: by each worker for itself, read by whoever asks at the admin address.
//!
//! # What does it cost?
//!
//! A request counts at its listener, route, pool and backend and in all: some thirty additions to
//! memory that no other worker writes to, and four looks at the clock. Without an admin address, or
//! with `metrics: false`, nothing is counted and no clock is read.
//!
//! # How many series can there be?
//!
//! Labels are names from the configuration and codes from closed lists. Nothing that a client sends
//! becomes a label.

pub mod counter;
pub mod counts;
pub mod histogram;
pub mod history;
pub mod reading;
