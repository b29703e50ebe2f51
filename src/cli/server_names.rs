//! The verbs on the server's names.

use clap::Subcommand;

use crate::desk::answer;
use crate::desk::request;

use super::say_answer::{self as say, fixed};

#[derive(Subcommand)]
pub(super) enum ServerNames {
    /// Give the server these names and no others, with a new certificate at once; the configuration's count no more
    Set {
        /// Host names and IP addresses that clients use
        #[arg(required = true, value_name = "NAME|ADDRESS")]
        names: Vec<String>,
    },
    /// Show them
    Show,
}

impl From<ServerNames> for request::Request {
    fn from(verb: ServerNames) -> Self {
        Self::ServerNames(match verb {
            ServerNames::Set { names } => request::ServerNames::Set { names },
            ServerNames::Show => request::ServerNames::Show,
        })
    }
}

/// For eyes.
pub(super) fn text(shown: &answer::ServerNames) -> String {
    let from = if shown.from_configuration { fixed::OF_CONFIGURATION } else { fixed::OF_COMMAND };
    say::names(shown.names.join(" "), from).into()
}
