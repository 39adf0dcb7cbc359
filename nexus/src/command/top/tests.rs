//! What is drawn, as pictures in `pictures/`, and what keys and answers do. After a change of what
//! is drawn: `UPDATE=1 cargo test -p nexus --lib top`, and look at what git says of them.

mod answers;
mod keys;
mod pictures;
mod samples;
