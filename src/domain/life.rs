//! What becomes of projects, objects and endpoints in time. Whatever it is, the id stays: so envelopes, records and
//! statistics go on naming what they named.
//!
//! ```text
//! in service ⇄ retired ── delete ──> gone; its name is free, its id is never given again
//! ```

use super::access::Act;

/// What has a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A client system.
    Endpoint,
    /// A class of protected data.
    Object,
    /// A tenant.
    Project,
}

/// One step of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// For good.
    Delete,
    /// What it is for.
    Describe,
    /// In service again.
    Reinstate,
    /// Another name.
    Rename,
    /// Out of service.
    Retire,
}

impl Noun {
    /// The word in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Object => "object",
            Self::Project => "project",
        }
    }
}

impl Step {
    /// The act that it is.
    #[must_use]
    pub const fn act(self, of: Noun) -> Act {
        match (of, self) {
            (Noun::Endpoint, Self::Delete) => Act::EndpointDelete,
            (Noun::Endpoint, Self::Describe) => Act::EndpointDescribe,
            (Noun::Endpoint, Self::Reinstate) => Act::EndpointReinstate,
            (Noun::Endpoint, Self::Rename) => Act::EndpointRename,
            (Noun::Endpoint, Self::Retire) => Act::EndpointRetire,
            (Noun::Object, Self::Delete) => Act::ObjectDelete,
            (Noun::Object, Self::Describe) => Act::ObjectDescribe,
            (Noun::Object, Self::Reinstate) => Act::ObjectReinstate,
            (Noun::Object, Self::Rename) => Act::ObjectRename,
            (Noun::Object, Self::Retire) => Act::ObjectRetire,
            (Noun::Project, Self::Delete) => Act::ProjectDelete,
            (Noun::Project, Self::Describe) => Act::ProjectDescribe,
            (Noun::Project, Self::Reinstate) => Act::ProjectReinstate,
            (Noun::Project, Self::Rename) => Act::ProjectRename,
            (Noun::Project, Self::Retire) => Act::ProjectRetire,
        }
    }
}
