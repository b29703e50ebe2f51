//! Where applications reach the data plane, for what they are given: as the appliance itself says it, so that neither a
//! configuration nor an option is needed by whoever asks over the control plane.

use serde::Deserialize;

use crate::config::Config;
use crate::desk::answer::Done;
use crate::desk::request::{self, Request};

use super::bundle::Url;
use super::control::Control;
use super::error::CliError;
use super::run::Session;

/// What `/v1/info` tells of it.
#[derive(Deserialize)]
struct Info {
    server: Option<Server>,
}

#[derive(Deserialize)]
struct Server {
    names: Vec<String>,
    data_port: u16,
}

impl Session {
    /// Where the data plane is, as far as the appliance knows; over the local socket, and its configuration.
    pub(super) fn data_url(&self) -> Result<Url, CliError> {
        if let Some(control) = self.client.control() {
            return by_control(control);
        }
        match self.ask(&Request::ServerNames(request::ServerNames::Show))?.answer {
            Done::ServerNames(shown) => {
                let config = Config::load(&self.config).map_err(CliError::Config)?;
                Url::of(&shown.names, config.data.listen.port())
            }
            _ => Err(CliError::Answer),
        }
    }
}

/// By the server's names; by the one that whoever asks calls it, where the others lead to the appliance's own machine only.
fn by_control(control: &Control) -> Result<Url, CliError> {
    let (status, body) = control.send("GET", "/v1/info", &[], None)?;
    let info: Info = serde_json::from_slice(&body).ok().filter(|_| status == 200).ok_or(CliError::Answer)?;
    let Server { names, data_port } = info.server.ok_or(CliError::Answer)?;
    let by_names = Url::of(&names, data_port);
    if by_names.as_ref().is_ok_and(Url::leads_elsewhere) {
        return by_names;
    }
    let by_host = Url::of(&[control.host().to_owned()], data_port)?;
    if by_host.leads_elsewhere() { Ok(by_host) } else { by_names }
}
