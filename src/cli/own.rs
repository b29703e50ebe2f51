//! `gembok sign-in`, `sign-out` and `password`: people who come in by password. The token of a session lies beside the profile
//! that it belongs to, for its owner's eyes only; what is secret is asked on the terminal, or read from standard input.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::api::control::Way;
use crate::config::{SecretFileError, read_secret};
use crate::desk::answer::Issued;
use crate::domain::refusal::Code;

use super::control::Control;
use super::error::CliError;
use super::files::NewFile;
use super::say_trouble::{self as say, fixed};
use super::secrets::Secrets;
use super::totp::Totp;

/// What a sign-in answers.
#[derive(Deserialize)]
struct Begun<'a> {
    token: &'a str,
    session: Value,
    user: String,
    role: String,
}

/// What people do with their own credentials.
#[derive(Subcommand)]
pub(super) enum Own {
    /// Sign in by password; asked on the terminal, or read from standard input: the password, then a code of the second factor
    SignIn {
        /// Of the account
        name: String,
    },
    /// End the session that sign-in began
    SignOut,
    /// Change your own password; asked, or read from standard input: the present one, the new one, then a code
    Password,
    /// Your own second factor: a code of a telephone beside the password
    #[command(subcommand)]
    Totp(Totp),
}

impl Own {
    /// Does it; what there is to show, which may be a secret.
    pub(super) fn perform(
        &self,
        control: &Control,
        json: bool,
    ) -> Result<Option<Zeroizing<String>>, CliError> {
        match self {
            Self::SignIn { name } => sign_in(control, name, json).map(Zeroizing::new).map(Some),
            Self::SignOut => sign_out(control).map(|()| None),
            Self::Password => change_password(control).map(|()| None),
            Self::Totp(verb) => verb.perform(control, json).map(Some),
        }
    }
}

/// The control plane, for what is done there alone.
pub(super) fn plane(control: Option<Control>) -> Result<Control, CliError> {
    control.ok_or_else(|| CliError::Own(fixed::NO_PLANE.into()))
}

/// What is sent, for as long as it takes.
#[derive(Serialize)]
struct Sent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<&'a str>,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<&'a str>,
}

/// Signs in, and keeps the session's token. What there is to show.
fn sign_in(control: &Control, name: &str, json: bool) -> Result<String, CliError> {
    let file = control.session_file().ok_or_else(|| CliError::Own(fixed::BY_CERTIFICATE.into()))?;
    let mut secrets = Secrets::begin();
    let password = secrets.ask("password: ")?;
    let code = secrets.ask("code of the second factor (Enter where there is none): ")?;
    let sent = Sent { name: Some(name), current: None, password: &password, totp: some(&code) };
    let body = exchange(control, "POST", "/v1/session", Some(&sent), None)?;
    let Begun { token, session, user, role } = serde_json::from_slice(&body).map_err(|_| CliError::Answer)?;
    keep(file, token)?;
    if json {
        return Ok(json!({ "user": user, "role": role, "session": session }).to_string());
    }
    let ends = session["ends"].as_str().unwrap_or_default();
    Ok(format!("signed in as {user} ({role}); without another command until {ends}"))
}

/// Ends the session, and forgets its token.
fn sign_out(control: &Control) -> Result<(), CliError> {
    let file = control.session_file().ok_or_else(|| CliError::Own(fixed::NO_SESSION.into()))?;
    let token = control.token()?;
    match exchange::<Sent<'_>>(
        control,
        "DELETE",
        "/v1/session",
        None,
        token.as_ref().map(|token| token.as_str()),
    ) {
        // One that has ended by itself has ended.
        Err(CliError::Refused(refused)) if refused.code == Code::SessionEnded.as_str() => {}
        ended => drop(ended?),
    }
    fs::remove_file(file).map_err(CliError::file(file))
}

/// Sets the own password.
fn change_password(control: &Control) -> Result<(), CliError> {
    let token = control.token()?;
    let mut secrets = Secrets::begin();
    let current = secrets.ask("present password (Enter where there is none): ")?;
    let new = secrets.ask("new password: ")?;
    if secrets.is_terminal() && *secrets.ask("the same again: ")? != *new {
        return Err(CliError::Own(fixed::NOT_THE_SAME.into()));
    }
    let code = secrets.ask("code of the second factor (Enter where there is none): ")?;
    let sent = Sent { name: None, current: some(&current), password: &new, totp: some(&code) };
    let token = token.as_ref().map(|token| token.as_str());
    exchange(control, "PUT", "/v1/password", Some(&sent), token).map(drop)
}

/// Whether a session signs in as the user `name`: then only the password shown again gets it a certificate.
pub(super) fn is_session_of(control: &Control, name: &str) -> Result<bool, CliError> {
    #[derive(Deserialize)]
    struct Who {
        user: String,
    }
    let Some(token) = control.token()? else { return Ok(false) };
    let body = exchange::<Sent<'_>>(control, "GET", "/v1/session", None, Some(token.as_str()))?;
    let Who { user } = serde_json::from_slice(&body).map_err(|_| CliError::Answer)?;
    Ok(user == name)
}

/// A certificate of one's own, for a session: the password is asked for again.
pub(super) fn own_certificate(control: &Control, csr: &str) -> Result<Issued, CliError> {
    #[derive(Serialize)]
    struct Wanted<'a> {
        csr: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        current: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        totp: Option<&'a str>,
    }
    let token = control.token()?;
    let mut secrets = Secrets::begin();
    let current = secrets.ask("password: ")?;
    let code = secrets.ask("code of the second factor (Enter where there is none): ")?;
    let sent = Wanted { csr, current: some(&current), totp: some(&code) };
    let token = token.as_ref().map(|token| token.as_str());
    let body = exchange(control, "POST", "/v1/certificate", Some(&sent), token)?;
    serde_json::from_slice(&body).map_err(|_| CliError::Answer)
}

/// The token of the session beside a profile.
pub(super) fn token(file: &Path) -> Result<Zeroizing<String>, CliError> {
    let bytes = read_secret(file).map_err(|error| match &error {
        SecretFileError::Unreadable(_, source) if source.kind() == ErrorKind::NotFound => {
            CliError::Own(fixed::NOBODY_SIGNED_IN.into())
        }
        SecretFileError::OpenToOthers(..) => CliError::Own(say::open_token(error)),
        _ => CliError::Foreign(format!("{error}\n  {}", error.hint())),
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| CliError::Answer)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// In place of the one before, never in between, and never for others to read.
fn keep(file: &Path, token: &str) -> Result<(), CliError> {
    let new = file.with_extension(format!("session-{}", std::process::id()));
    NewFile::write(&new, token.as_bytes())?.keep();
    fs::rename(&new, file).map_err(CliError::file(file))
}

pub(super) fn some(text: &Zeroizing<String>) -> Option<&str> {
    Some(text.as_str()).filter(|text| !text.is_empty())
}

/// Sends what is secret as JSON; the body that comes back.
pub(super) fn exchange<T: Serialize>(
    control: &Control,
    method: &str,
    target: &str,
    sent: Option<&T>,
    token: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let sent = sent.map(serde_json::to_vec).transpose().map_err(|_| CliError::Answer)?;
    let sent = Zeroizing::new(sent.unwrap_or_default());
    let (status, body) = control.send(method, target, &sent, token)?;
    if status < 300 {
        return Ok(body);
    }
    Err(Way::refused(&body).map_or(CliError::Answer, CliError::Refused))
}
