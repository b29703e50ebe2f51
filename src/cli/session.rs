//! `gembok session`, and how one-time links are shown.

use clap::Subcommand;

use crate::desk::answer::{Link, Page, SessionLine};
use crate::desk::request;

use super::columns::{Table, all};

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
pub(super) fn list(sessions: &Page<SessionLine>) -> String {
    let mut table = Table::new(["SESSION", "USER", "FROM", "CREATED", "LAST USED", "ENDS"]);
    table.rows(all(&sessions.items), |SessionLine { id, user, address, created, seen, ends }| {
        [id, user, address, created, seen, ends].map(Clone::clone)
    });
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
