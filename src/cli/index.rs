//! `gembok index`: the rotation of index roots. What is found by them, applications ask.

use clap::Subcommand;

use crate::desk::request;

#[derive(Subcommand)]
pub(super) enum Index {
    /// Make the next version of an object's index root; answers carry the values under both until the rotation is finished
    RotateRoot {
        object: String,
        #[arg(long)]
        project: String,
    },
    /// End the version before, once every row is indexed anew: what was made under it is found no more
    FinishRotation {
        object: String,
        #[arg(long)]
        project: String,
    },
}

impl From<Index> for request::Request {
    fn from(verb: Index) -> Self {
        Self::Index(match verb {
            Index::RotateRoot { object, project } => request::Index::RotateRoot { project, object },
            Index::FinishRotation { object, project } => request::Index::FinishRotation { project, object },
        })
    }
}
