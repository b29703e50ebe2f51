//! `gembok session`, and how one-time links are shown.

use clap::Subcommand;

use crate::desk::answer::{Link, SessionLine};
use crate::desk::request;

use super::show::Table;

#[derive(Subcommand)]
pub(super) enum Session {
    /// List the live sessions of a user
    List { user: String },
    /// End a session
    End { id: String },
}

impl From<Session> for request::Request {
    fn from(verb: Session) -> Self {
        Self::Session(match verb {
            Session::List { user } => request::Session::List { user },
            Session::End { id } => request::Session::End { id },
        })
    }
}

/// A table of sessions.
pub(super) fn list(sessions: &[SessionLine]) -> String {
    let mut table = Table::new(["SESSION", "USER", "FROM", "CREATED", "LAST USED", "ENDS"]);
    for SessionLine { id, user, address, created, seen, ends } in sessions {
        table.row([id.clone(), user.clone(), address.clone(), created.clone(), seen.clone(), ends.clone()]);
    }
    table.text()
}

/// A link, and what to do with it.
pub(super) fn link(link: &Link) -> String {
    format!(
        "user          {}\ntoken         {}\npath          {}\nvalid until   {}\n\
         It is shown this once and can be used once: give it to nobody but the user.",
        link.user,
        link.token.expose(),
        link.path.expose(),
        link.expires
    )
}
