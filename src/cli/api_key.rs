//! `gembok api-key`: the credentials of endpoints. A key that is made leaves by the answer, or into a new file, and nowhere else.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::desk::answer::{self, Answer, ApiKey as Shown, ApiKeyWhole, Done, Listed, ShownOnce};
use crate::desk::request::{self, Request};

use super::budget::seconds;
use super::client::Answered;
use super::columns::{Line, Table};
use super::error::CliError;
use super::files::NewFile;
use super::heads;
use super::page::Page;
use super::run::Session;
use super::say_answer::{self as say, fixed};
use super::show::budgets;

#[derive(Subcommand)]
pub(super) enum ApiKey {
    /// Make an API key; it is shown once
    Create(NewApiKey),
    /// List the API keys of an endpoint
    List {
        #[arg(long)]
        project: String,
        #[arg(long)]
        endpoint: String,
        #[command(flatten)]
        page: Page,
    },
    /// Show an API key with its endpoint and its budgets
    Show { id: String },
    /// Let an API key count again that a new epoch disabled
    Enable { id: String },
    /// Refuse an API key from now on
    Revoke { id: String },
    /// Make the API key that takes another's place, with the same label and limits; both count for a time
    Rotate(Rotate),
    /// Give an API key another end
    Expire {
        id: String,
        /// Like 2030-12-31T23:59:59Z
        #[arg(required_unless_present = "never", value_name = "TIME")]
        at: Option<String>,
        /// It does not end by itself any more
        #[arg(long, conflicts_with = "at")]
        never: bool,
    },
    /// Give an API key other limits, from now on; what is not said stays
    Limits {
        id: String,
        #[command(flatten)]
        limits: Limits,
    },
}

#[derive(Args)]
pub(super) struct Rotate {
    /// As the list shows it
    pub(super) id: String,
    /// For how long the old one still counts, like 7d; s, m, h and d are known
    #[arg(long, default_value = "7d", value_name = "TIME", value_parser = seconds)]
    overlap: u64,
    /// When the new one ends; after as long as the old one was made for without
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Write the key to a new file (mode 0600) instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Args)]
#[group(id = "said", required = true, multiple = true)]
pub(super) struct Limits {
    /// Requests a second on average
    #[arg(long, value_name = "N")]
    requests_per_s: Option<u32>,
    /// Requests at once
    #[arg(long, value_name = "N")]
    requests_burst: Option<u32>,
    /// Fields a second on average
    #[arg(long, value_name = "N")]
    fields_per_s: Option<u32>,
    /// Fields at once
    #[arg(long, value_name = "N")]
    fields_burst: Option<u32>,
}

#[derive(Args)]
pub(super) struct NewApiKey {
    #[arg(long)]
    pub(super) project: String,
    #[arg(long)]
    pub(super) endpoint: String,
    /// What its owner calls it
    #[arg(long)]
    pub(super) label: String,
    /// When it ends, like 2030-12-31T23:59:59Z; never without
    #[arg(long, value_name = "TIME")]
    pub(super) expires: Option<String>,
    /// Requests a second on average; the policy's default without
    #[arg(long, value_name = "N")]
    pub(super) requests_per_s: Option<u32>,
    /// Requests at once
    #[arg(long, value_name = "N")]
    pub(super) requests_burst: Option<u32>,
    /// Fields a second on average
    #[arg(long, value_name = "N")]
    pub(super) fields_per_s: Option<u32>,
    /// Fields at once
    #[arg(long, value_name = "N")]
    pub(super) fields_burst: Option<u32>,
    /// Write the key to a new file (mode 0600) instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

impl Session {
    /// `api-key …`
    pub(super) fn api_key(&self, verb: ApiKey) -> Result<(), CliError> {
        let request = Request::ApiKey(match verb {
            ApiKey::Create(new) => return self.make_key(&(&new).into(), new.out.as_deref()),
            ApiKey::Rotate(Rotate { id, overlap, expires, out }) => {
                let rotate = request::ApiKey::Rotate { id, overlap_s: overlap, expires };
                return self.make_key(&Request::ApiKey(rotate), out.as_deref());
            }
            ApiKey::List { project, endpoint, page: Page { after, limit } } => {
                request::ApiKey::List { project, endpoint, after, limit }
            }
            ApiKey::Show { id } => request::ApiKey::Show { id },
            ApiKey::Enable { id } => request::ApiKey::Enable { id },
            ApiKey::Revoke { id } => request::ApiKey::Revoke { id },
            ApiKey::Expire { id, at, never: _ } => request::ApiKey::Expire { id, expires: at },
            ApiKey::Limits { id, limits } => request::ApiKey::Limits { id, limits: limits.into() },
        });
        self.show(&self.ask(&request)?)
    }

    fn make_key(&self, request: &Request, out: Option<&Path>) -> Result<(), CliError> {
        let file = out.map(NewFile::reserve).transpose()?;
        let answered = self.ask(request)?;
        let Some((file, path)) = file.zip(out) else { return self.show(&answered) };
        let (keys, text) = match answered.answer {
            Done::ApiKeyMade(made) => (vec![made.api_key], made.text),
            Done::ApiKeyRotated(rotated) => (vec![rotated.api_key, rotated.replaced], rotated.text),
            _ => return Err(CliError::Answer),
        };
        file.fill(written(&text).as_bytes())?;
        // The same without the key.
        let items = keys.into_iter().map(Listed::Sound).collect();
        let answer = Answer::Done(Done::ApiKeys(answer::Page { items, next: None }));
        let line = Zeroizing::new(serde_json::to_string(&answer).map_err(|_| CliError::Answer)?);
        let Answer::Done(done) = answer else { return Err(CliError::Answer) };
        self.show(&Answered { line, answer: done })?;
        self.tell(say::key_in(path.display()));
        Ok(())
    }
}

fn written(text: &ShownOnce) -> Zeroizing<String> {
    Zeroizing::new(format!("{}\n", text.expose()))
}

/// For eyes.
pub(super) fn table<'a>(listed: impl IntoIterator<Item = Line<'a, Shown>>) -> String {
    let mut table = Table::new([
        heads::LABEL,
        heads::ID,
        heads::REQUESTS_PER_S,
        heads::FIELDS_PER_S,
        heads::EXPIRES,
        heads::LAST_USED,
        heads::REPLACED_BY,
        heads::REVOKED,
        heads::DISABLED,
        heads::CREATED,
    ]);
    table.rows(listed, |key| {
        let from = key.last_used_from.as_deref().unwrap_or_default();
        [
            key.label.clone(),
            key.id.clone(),
            say::at_once(key.requests_per_s, key.requests_burst).into(),
            say::at_once(key.fields_per_s, key.fields_burst).into(),
            key.expires.clone().unwrap_or_else(|| fixed::NEVER.to_string()),
            key.last_used.as_ref().map(|time| say::used_from(time, from).into()).unwrap_or_default(),
            // Enough to find it in the column of ids.
            key.replaced_by.as_deref().and_then(|id| id.get(..8)).unwrap_or_default().to_owned(),
            key.revoked.clone().unwrap_or_default(),
            key.disabled.clone().unwrap_or_default(),
            key.created.clone(),
        ]
    });
    table.text()
}

/// The same with what belongs to it.
pub(super) fn whole(shown: &ApiKeyWhole) -> String {
    let of = [&shown.project, &shown.endpoint].map(|name| name.clone().unwrap_or_default());
    let mut endpoint = Table::new([heads::PROJECT, heads::ENDPOINT]);
    endpoint.row(of);
    format!("{}\n{}\n{}", table([Ok(&shown.api_key)]), endpoint.text(), budgets(&shown.budgets))
}

impl From<Limits> for request::Limits {
    fn from(limits: Limits) -> Self {
        let Limits { requests_per_s, requests_burst, fields_per_s, fields_burst } = limits;
        Self { requests_per_s, requests_burst, fields_per_s, fields_burst }
    }
}

impl From<&NewApiKey> for request::Request {
    fn from(new: &NewApiKey) -> Self {
        Self::ApiKey(request::ApiKey::Create {
            project: new.project.clone(),
            endpoint: new.endpoint.clone(),
            label: new.label.clone(),
            expires: new.expires.clone(),
            limits: request::Limits {
                requests_per_s: new.requests_per_s,
                requests_burst: new.requests_burst,
                fields_per_s: new.fields_per_s,
                fields_burst: new.fields_burst,
            },
        })
    }
}
