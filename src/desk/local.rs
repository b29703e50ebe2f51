//! What is asked at the machine, whatever its store is for: what needs no name, because it happens before anybody can sign in
//! or is the machine's own affair. Everything else is a named user's, over the control plane; on a sandbox alone the local
//! socket serves it, too.

use super::request::{self, Request};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::user::Role;

impl Request {
    /// Refuses over the local socket what is a named user's.
    ///
    /// # Errors
    /// `use-the-control-plane`.
    pub fn check_local(&self, is_sandbox: bool) -> Result<(), Refusal> {
        if is_sandbox || self.is_of_the_machine() { Ok(()) } else { Err(Code::UseTheControlPlane.into()) }
    }

    /// An export may be taken at the machine, too, by whoever keeps its backups.
    fn is_of_the_machine(&self) -> bool {
        match self {
            Self::User(request::User::Create { role, .. }) => is_officer(role),
            Self::InitSandbox { .. }
            | Self::Unlock { .. }
            | Self::Lock
            | Self::Status
            | Self::Clock(_)
            | Self::Store(_)
            | Self::User(request::User::Recover { .. })
            // Officers are appointed on the host, and get their certificates there. Who else does, is asked where it is issued.
            | Self::Certificate(request::Certificate::IssueUser { .. })
            | Self::Audit(
                request::Audit::Export(_)
                | request::Audit::ExportShow { .. }
                | request::Audit::ExportKept { .. },
            ) => true,
            Self::Project(_)
            | Self::Object(_)
            | Self::Endpoint(_)
            | Self::Grant(_)
            | Self::ApiKey(_)
            | Self::Certificate(_)
            | Self::ServerNames(_)
            | Self::Key(_)
            | Self::StoreKey(_)
            | Self::Index(_)
            | Self::User(_)
            | Self::Policy(_)
            | Self::Budget(_)
            | Self::Audit(_)
            | Self::Statistics(_)
            | Self::Report(_)
            | Self::Session(_)
            | Self::Approval(_)
            | Self::Subject(_) => false,
        }
    }
}

fn is_officer(role: &str) -> bool {
    role == Role::Officer.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_named_users_is_served_at_the_machine_on_a_sandbox_alone() {
        let code = |request: &Request, is_sandbox| request.check_local(is_sandbox).err().map(|no| no.code);
        let list = || request::Project::List { after: None, limit: None };
        for request in [Request::Project(list()), Request::Audit(request::Audit::Keys)] {
            assert_eq!(code(&request, false), Some(Code::UseTheControlPlane));
            assert_eq!(code(&request, true), None);
        }
        let create =
            |role: &str| Request::User(request::User::Create { name: "x".into(), role: role.into() });
        assert_eq!(code(&create("officer"), false), None);
        assert_eq!(code(&create("admin"), false), Some(Code::UseTheControlPlane));
        for request in [Request::Lock, Request::Status, Request::Clock(request::Clock::Acknowledge)] {
            assert_eq!(code(&request, false), None);
        }
    }
}
