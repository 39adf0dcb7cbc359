//! The rows, a file per part of the RFCs.

mod data;
mod extensions;
mod fields;
mod frames;
mod headers;
mod hpack;
mod messages;
mod preface;
mod settings;
mod short;
mod streams;
mod windows;

use crate::case::Case;

/// All of them, in the order of the RFCs.
pub(crate) fn all() -> Vec<&'static Case> {
    let parts: [&'static [Case]; 12] = [
        preface::CASES,
        frames::CASES,
        streams::CASES,
        data::CASES,
        headers::CASES,
        settings::CASES,
        short::CASES,
        windows::CASES,
        messages::CASES,
        fields::CASES,
        extensions::CASES,
        hpack::CASES,
    ];
    parts.into_iter().flatten().collect()
}
