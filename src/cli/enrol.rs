//! `gembok certificate enrol`: a certificate of an outside CA, from a file.

use std::path::PathBuf;

use clap::Args;

use crate::desk::request::{self, Request};

use super::error::CliError;
use super::say_trouble::fixed;

#[derive(Args)]
pub(super) struct Enrol {
    /// PEM; it names the endpoint or the user as ours do: urn:gembok:endpoint:ID or urn:gembok:user:ID, and nobody else
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The endpoint's project
    #[arg(long, requires = "endpoint")]
    project: Option<String>,
    #[arg(long, requires = "project", required_unless_present = "user")]
    endpoint: Option<String>,
    /// A user of the control plane
    #[arg(long, conflicts_with_all = ["project", "endpoint"], value_name = "NAME")]
    user: Option<String>,
}

impl Enrol {
    /// Reads the file.
    pub(super) fn into_request(self) -> Result<Request, CliError> {
        let Self { certificate: file, project, endpoint, user } = self;
        let certificate = std::fs::read_to_string(&file).map_err(CliError::file(&file))?;
        Ok(Request::Certificate(match (user, project.zip(endpoint)) {
            (Some(user), _) => request::Certificate::EnrolUser { user, certificate },
            (None, Some((project, endpoint))) => {
                request::Certificate::Enrol { project, endpoint, certificate }
            }
            (None, None) => {
                return Err(CliError::Own(fixed::NAME_HOLDER.into()));
            }
        }))
    }
}
