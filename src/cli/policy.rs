//! `gembok policy`: access policies, read without putting them in force, and asked of the live appliance.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::check_access;
use crate::desk::request;

use super::error::CliError;
use super::say_answer as say;

#[derive(Subcommand)]
pub(super) enum Policy {
    /// Say what is wrong in files of access policies, by line; nothing is put in force
    Check {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Ask the live appliance whether somebody may do something, and which rule decides
    Explain(Explain),
}

#[derive(Args)]
pub(super) struct Explain {
    /// local, user:NAME or endpoint:PROJECT/NAME
    who: String,
    /// Such as decrypt or user.create; policies/access.cedarschema lists all
    act: String,
    /// appliance, project:NAME, object:PROJECT/NAME, endpoint:PROJECT/NAME, user:NAME, role:ROLE or approval:ID
    #[arg(default_value = "appliance")]
    what: String,
    /// As if the request came from there
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// As if it came then, like 2030-12-31T23:59:59Z; now without
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

impl From<Explain> for request::Request {
    fn from(asked: Explain) -> Self {
        let Explain { who, act, what, from, at } = asked;
        Self::Policy(request::Policy::Explain { who, act, on: what, address: from, time: at })
    }
}

/// `policy check`: a line for each file that is sound, and an error that names everything else.
pub(super) fn check(files: &[PathBuf]) -> Result<String, CliError> {
    let (mut sound, mut flawed) = (Vec::new(), Vec::new());
    for file in files {
        match check_access(file).map_err(CliError::Config)? {
            Ok(rules) => sound.push(String::from(say::policy_sound(file.display(), rules.len()))),
            Err((culprit, flaws)) => {
                flawed.extend(flaws.iter().map(|flaw| format!("{}, {flaw}", culprit.display())));
            }
        }
    }
    if flawed.is_empty() { Ok(sound.join("\n")) } else { Err(CliError::Foreign(flawed.join("\n"))) }
}
