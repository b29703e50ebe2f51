//! `gembok session`, and how one-time links are shown.

use clap::Subcommand;

use crate::desk::answer::{Link, Page, SessionLine};
use crate::desk::request;

use super::columns::{Table, all};
use super::heads;
use super::say_answer as say;

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
    let mut table =
        Table::new([heads::SESSION, heads::USER, heads::FROM, heads::CREATED, heads::LAST_USED, heads::ENDS]);
    table.rows(all(&sessions.items), |SessionLine { id, user, address, created, seen, ends }| {
        [id, user, address, created, seen, ends].map(Clone::clone)
    });
    table.text()
}

/// A link, and what to do with it.
pub(super) fn link(link: &Link) -> String {
    say::link(&link.user, link.token.expose(), link.path.expose(), &link.expires).into()
}
