//! `gembok certificate roll-ca`: another CA in the place of the present one.

use clap::Subcommand;

use crate::desk::answer;
use crate::desk::request;

use super::say_answer as say;

#[derive(Subcommand)]
pub(super) enum RollCa {
    /// Make a new CA, which signs from now on; both are trusted until the roll is finished, for 90 days at most
    Start,
    /// Trust the old CA no more and destroy its key in the token; what was renewed is revoked with it, and while certificates of it
    /// count that were not it is refused
    Finish {
        /// Though some do: they are revoked, too. Users who then have none wait for confirmation with the next that they are issued:
        /// where officers are among them, appoint another before (gembok user create --role officer), and issue anew after
        #[arg(long)]
        force: bool,
    },
    /// Show which CA signs, and how many certificates hang on the old one: count and were not renewed
    Show,
}

impl From<RollCa> for request::Request {
    fn from(verb: RollCa) -> Self {
        Self::Certificate(request::Certificate::RollCa(match verb {
            RollCa::Start => request::RollCa::Start,
            RollCa::Finish { force } => request::RollCa::Finish { force },
            RollCa::Show => request::RollCa::Show,
        }))
    }
}

/// For eyes.
pub(super) fn text(shown: &answer::Ca) -> String {
    let signs = String::from(say::ca_signs(shown.generation));
    let rolls = shown
        .retiring
        .iter()
        .map(|old| String::from(say::ca_rolls(old.generation, &old.since, &old.until, old.certificates)));
    let left = shown.keys_left.iter().map(|generation| String::from(say::ca_key_left(generation)));
    std::iter::once(signs).chain(rolls).chain(left).collect::<Vec<_>>().join("\n")
}
