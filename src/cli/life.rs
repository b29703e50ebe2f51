//! What becomes of projects, objects and endpoints: the same five verbs for each, and a project's next KEK.

use clap::Subcommand;

use crate::desk::request::{self, LifeOf, LifeOfProject};

/// Of a project.
#[derive(Subcommand)]
pub(super) enum ProjectLife {
    /// Give it another name; the old one is free then
    Rename { name: String, to: String },
    /// Say what it is for, in one line; nothing any more without
    Describe { name: String, text: Option<String> },
    /// Take it out of service with all that is in it: its endpoints are refused until it is reinstated
    Retire { name: String },
    /// Put it in service again
    Reinstate { name: String },
    /// Make the next version of its KEK; all its keys are wrapped anew by it, then the ones before are destroyed
    RotateKek {
        name: String,
        /// Why, for the audit trail
        #[arg(long)]
        reason: Option<String>,
    },
    /// End it for good; only when it has neither objects nor endpoints
    Delete { name: String },
}

/// Of an object.
#[derive(Subcommand)]
pub(super) enum ObjectLife {
    /// Give it another name; what was encrypted opens as before, and the old name is free then
    Rename {
        name: String,
        to: String,
        #[arg(long)]
        project: String,
    },
    /// Say what it is for, in one line; nothing any more without
    Describe {
        name: String,
        text: Option<String>,
        #[arg(long)]
        project: String,
    },
    /// Encrypt nothing new for it until it is reinstated; what there is opens
    Retire {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// Encrypt for it again
    Reinstate {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// Let an object's key become so old and no older; then the next version takes over by itself
    Rotation {
        name: String,
        #[arg(long)]
        project: String,
        /// Days; 0 for any age, the policy's without
        #[arg(long)]
        after_days: Option<u32>,
    },
    /// End it for good, once it was retired for a minute and, beyond that, as long as the configuration lets a call to the token take;
    /// only where nothing can be lost by that
    Delete {
        name: String,
        #[arg(long)]
        project: String,
    },
}

/// Of an endpoint.
#[derive(Subcommand)]
pub(super) enum EndpointLife {
    /// Give it another name, from now on also in its URLs; the old one is free then
    Rename {
        name: String,
        to: String,
        #[arg(long)]
        project: String,
    },
    /// Say what it is for, in one line; nothing any more without
    Describe {
        name: String,
        text: Option<String>,
        #[arg(long)]
        project: String,
    },
    /// Refuse it until it is reinstated; what it has stays
    Retire {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// Let it in again
    Reinstate {
        name: String,
        #[arg(long)]
        project: String,
    },
    /// End it for good, with its API keys and grants; its certificates are revoked
    Delete {
        name: String,
        #[arg(long)]
        project: String,
    },
}

impl From<ProjectLife> for request::Project {
    fn from(verb: ProjectLife) -> Self {
        Self::Life(match verb {
            ProjectLife::Rename { name, to } => LifeOfProject::Rename { name, to },
            ProjectLife::Describe { name, text } => LifeOfProject::Describe { name, text },
            ProjectLife::Retire { name } => LifeOfProject::Retire { name },
            ProjectLife::Reinstate { name } => LifeOfProject::Reinstate { name },
            ProjectLife::RotateKek { name, reason } => return Self::RotateKek { name, reason },
            ProjectLife::Delete { name } => LifeOfProject::Delete { name },
        })
    }
}

impl From<ObjectLife> for request::Object {
    fn from(verb: ObjectLife) -> Self {
        Self::Life(match verb {
            ObjectLife::Rotation { name, project, after_days } => {
                return Self::Rotation { project, name, after_days };
            }
            ObjectLife::Rename { name, to, project } => LifeOf::Rename { project, name, to },
            ObjectLife::Describe { name, text, project } => LifeOf::Describe { project, name, text },
            ObjectLife::Retire { name, project } => LifeOf::Retire { project, name },
            ObjectLife::Reinstate { name, project } => LifeOf::Reinstate { project, name },
            ObjectLife::Delete { name, project } => LifeOf::Delete { project, name },
        })
    }
}

impl From<EndpointLife> for request::Endpoint {
    fn from(verb: EndpointLife) -> Self {
        Self::Life(match verb {
            EndpointLife::Rename { name, to, project } => LifeOf::Rename { project, name, to },
            EndpointLife::Describe { name, text, project } => LifeOf::Describe { project, name, text },
            EndpointLife::Retire { name, project } => LifeOf::Retire { project, name },
            EndpointLife::Reinstate { name, project } => LifeOf::Reinstate { project, name },
            EndpointLife::Delete { name, project } => LifeOf::Delete { project, name },
        })
    }
}
