//! `gembok user` and `gembok project member`: people with an account, and what they own.

use clap::Subcommand;

use crate::desk::request;

use super::page::Page;

#[derive(Subcommand)]
pub(super) enum User {
    /// Make an account; it comes in with a certificate: gembok certificate issue --user
    Create {
        name: String,
        /// user, admin, officer, auditor or backup
        #[arg(long)]
        role: String,
    },
    /// List users
    List(Page),
    /// Show a user with its projects and certificates
    Show { name: String },
    /// Let a user in again who was disabled, by an operator or by a new epoch
    Enable { name: String },
    /// Refuse a user from now on, until it is enabled again
    Disable { name: String },
    /// End an account for good, with its memberships and certificates
    Delete { name: String },
    /// Give a user another role
    ChangeRole {
        name: String,
        /// user, admin, officer, auditor or backup
        #[arg(long)]
        role: String,
    },
    /// Make a one-time link that sets a user's password; the first one, or another when it is lost
    Reset {
        name: String,
        /// Using it takes the second factor away, too
        #[arg(long)]
        drop_totp: bool,
    },
    /// Demand a second factor (TOTP) beside a user's password
    EnforceTotp {
        name: String,
        /// Demand it no more
        #[arg(long)]
        off: bool,
    },
    /// Ask again for a second person to confirm an account whose credentials somebody else had in hand
    AskConfirmation { name: String },
    /// When all admins are lost: ask an officer; once one has approved, make the account an admin and show its one-time link
    Recover { name: String },
}

#[derive(Subcommand)]
pub(super) enum Member {
    /// Make a user a member: it owns the project with the others
    Add {
        user: String,
        #[arg(long)]
        project: String,
    },
    /// Ask a second person to let a user in
    Propose {
        user: String,
        #[arg(long)]
        project: String,
    },
    /// List the members of a project
    List {
        #[arg(long)]
        project: String,
        #[command(flatten)]
        page: Page,
    },
    /// End a membership
    Remove {
        user: String,
        #[arg(long)]
        project: String,
    },
}

impl From<User> for request::Request {
    fn from(verb: User) -> Self {
        Self::User(match verb {
            User::Create { name, role } => request::User::Create { name, role },
            User::List(Page { after, limit }) => request::User::List { after, limit },
            User::Show { name } => request::User::Show { name },
            User::Enable { name } => request::User::Enable { name },
            User::Disable { name } => request::User::Disable { name },
            User::Delete { name } => request::User::Delete { name },
            User::ChangeRole { name, role } => request::User::ChangeRole { name, role },
            User::Reset { name, drop_totp } => request::User::Reset { name, drop_totp },
            User::EnforceTotp { name, off } => request::User::EnforceTotp { name, demanded: !off },
            User::AskConfirmation { name } => request::User::AskConfirmation { name },
            User::Recover { name } => request::User::Recover { name },
        })
    }
}

impl From<Member> for request::Member {
    fn from(verb: Member) -> Self {
        match verb {
            Member::Add { user, project } => Self::Add { project, user },
            Member::Propose { user, project } => Self::Propose { project, user },
            Member::List { project, page: Page { after, limit } } => Self::List { project, after, limit },
            Member::Remove { user, project } => Self::Remove { project, user },
        }
    }
}
