//! `gembok totp`: one's own second factor. What a telephone is given is shown once, as the address that such programs read; a code
//! is typed on the terminal, or read from standard input, and stands on no command line.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::control::Control;
use super::error::CliError;
use super::own::{exchange, some};
use super::say_answer::{self as say, fixed};
use super::secrets::Secrets;

#[derive(Subcommand)]
pub(super) enum Totp {
    /// Make a second factor; asked, or read from standard input: the present password, then a code of the present one
    Enrol,
    /// Show by a code that it works: sign-ins by password need one from then on
    Confirm,
    /// Take it away, by a code of it or a recovery code
    Remove,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<&'a str>,
}

#[derive(Serialize)]
struct OneCode<'a> {
    code: &'a str,
}

/// What is shown once.
#[derive(Deserialize)]
struct SecondFactor<'a> {
    uri: &'a str,
    recovery_codes: Vec<&'a str>,
}

impl Totp {
    /// Does it; what there is to show, which may be a secret.
    pub(super) fn perform(&self, control: &Control, json: bool) -> Result<Zeroizing<String>, CliError> {
        let token = control.token()?;
        let token = token.as_ref().map(|token| token.as_str());
        let mut secrets = Secrets::begin();
        let path = match self {
            Self::Enrol => {
                let current = secrets.ask("present password (Enter where there is none): ")?;
                let code = secrets.ask("code of the present second factor (Enter where there is none): ")?;
                let sent = Shown { current: some(&current), totp: some(&code) };
                let body = exchange(control, "POST", "/v1/totp", Some(&sent), token)?;
                return shown(&body, json);
            }
            Self::Confirm => "/v1/totp/confirm",
            Self::Remove => "/v1/totp/remove",
        };
        let code = secrets.ask("code of the second factor: ")?;
        exchange(control, "POST", path, Some(&OneCode { code: &code }), token)?;
        Ok(Zeroizing::new(if json {
            r#"{"done":"changed"}"#.to_owned()
        } else {
            match self {
                Self::Remove => fixed::NO_SECOND_FACTOR.to_string(),
                Self::Enrol | Self::Confirm => fixed::SECOND_FACTOR_COUNTS.to_string(),
            }
        }))
    }
}

fn shown(body: &Zeroizing<Vec<u8>>, json: bool) -> Result<Zeroizing<String>, CliError> {
    let text = std::str::from_utf8(body).map_err(|_| CliError::Answer)?;
    if json {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    let SecondFactor { uri, recovery_codes } = serde_json::from_str(text).map_err(|_| CliError::Answer)?;
    Ok(Zeroizing::new(say::second_factor(uri, recovery_codes.join("\n")).into()))
}
