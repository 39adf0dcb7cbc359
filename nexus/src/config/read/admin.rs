//! The admin address.

use crate::config::node::Origin;
use crate::config::problem::{Problem, Step};
use crate::config::section::Section;
use crate::settings::{Address, Admin, Token};

/// Reads where operators ask, and who may.
pub(super) fn read(section: &Section<'_>, problems: &mut Vec<Problem>) -> Option<Admin> {
    let address = section.address("address")?;
    let hosts = section.hosts("hosts");
    let mut tokens: Vec<Token> = Vec::new();
    for token in section.sections("tokens") {
        let (name, secret) = (token.text("name"), token.text("token"));
        if tokens.iter().any(|other| other.name == name || other.secret == secret) {
            let hint = "give each token its own name and its own secret";
            let cause = format!("the token `{name}` is there twice");
            problems.push(Problem::error(Step::Meaning, token.place("name"), cause, hint));
        }
        if token.written("token").is_some_and(|node| node.origin == Origin::Written) {
            let cause = format!("the secret of the token `{name}` stands in the file");
            let hint =
                "put it into a file of its own that only Nexus can read: `${file:admin.token}`";
            problems.push(Problem::warning(token.place("token"), cause, hint));
        }
        tokens.push(Token { name, secret, may_write: token.text("role") == "write" });
    }
    let is_far = matches!(&address, Address::Tcp(address) if !address.ip().is_loopback());
    if is_far && tokens.is_empty() {
        let cause = format!("everybody who reaches {address} may read there what runs");
        let hint = "use 127.0.0.1 or a Unix socket, or add `tokens`";
        problems.push(Problem::warning(section.place("address"), cause, hint));
    }
    Some(Admin { address, hosts, tokens })
}
