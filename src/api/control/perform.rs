//! A request on its way through the desk, with the two things that HTTP lets it depend on: that what it changes is still what
//! its sender saw (`If-Match`), and that it was not carried out before (`Idempotency-Key`).

use http::{HeaderName, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::api::credentials::{Conditions, Form};
use crate::api::{Answer, problem};
use crate::appliance::{Appliance, Fault, Once, OnceKey, Operational, Stop};
use crate::desk::answer::Done;
use crate::desk::asker::Asker;
use crate::desk::prepare::Prepared;
use crate::desk::report_words::Language;
use crate::desk::request::Request;
use crate::domain::made_once::MadeOnce;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::row::Row;
use super::{table, tag, words};

/// Forms of a report beside JSON.
pub(in crate::api) mod report_form {
    pub(in crate::api) const CSV: &str = "text/csv; charset=utf-8; header=present";
    pub(in crate::api) const PAGE: &str = "text/html; charset=utf-8";
}

/// With an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Whoever asks, before an unlocked appliance.
pub(super) struct Desk<'a> {
    pub appliance: &'a Appliance,
    pub operational: &'a Operational,
    pub asker: Asker,
    pub now: Now,
}

/// What is asked.
pub(super) struct Asked {
    pub row: &'static Row,
    pub request: Result<Request, Refusal>,
    /// What was made ahead for it.
    pub prepared: Prepared,
    /// In which form a report is wanted.
    pub form: Form,
}

/// What there is to show.
#[derive(Default)]
pub(super) struct Shown {
    /// JSON; none where there is nothing.
    json: Option<Vec<u8>>,
    tag: Option<String>,
    is_replayed: bool,
    /// In place of JSON: its type, and itself.
    written: Option<(&'static str, String)>,
    /// What was made before and is shown once.
    gone: Option<Refusal>,
}

impl Desk<'_> {
    pub(super) fn perform(&self, asked: Asked, path: &str, conditions: Conditions) -> Result<Shown, Stop> {
        let Conditions { if_match, idempotency_key } = conditions;
        let Asked { row, request, prepared, form } = asked;
        let request = request?;
        let once = || match idempotency_key.filter(|_| row.makes_something()) {
            Some(key) => self.once(row, (request, prepared), &key),
            None => match (self.ask(request, prepared)?, form) {
                (Done::Report(report), Form::Csv) => Ok(Shown::written(report_form::CSV, report.csv())),
                (Done::Report(report), Form::Page) => {
                    Ok(Shown::written(report_form::PAGE, report.page(Language::Indonesian)))
                }
                (done, _) => Shown::of(row, &done),
            },
        };
        match if_match.filter(|_| row.is_change()) {
            // Seen and changed with nobody in between.
            Some(tags) => self.operational.exclusively(|| {
                self.check(path, &tags)?;
                once()
            }),
            None => once(),
        }
    }

    fn ask(&self, request: Request, prepared: Prepared) -> Result<Done, Stop> {
        request.perform_with(self.appliance, &self.asker, prepared, self.now)
    }

    fn once(
        &self,
        row: &'static Row,
        (request, prepared): (Request, Prepared),
        key: &str,
    ) -> Result<Shown, Stop> {
        let Asker::User(asker) = &self.asker else { return Shown::of(row, &self.ask(request, prepared)?) };
        let said = serde_json::to_vec(&request).map_err(|_| Fault::new("a request does not become JSON"))?;
        let once = OnceKey { asker, key, request: Sha256::digest(&said).into() };
        let tell_again = |done: &Done| match done {
            Done::ApiKeyMade(_) | Done::ApiKeyRotated(_) | Done::Link(_) => None,
            done => words::inside(done).ok(),
        };
        match self.operational.once(&once, self.now, || self.ask(request, prepared), tell_again)? {
            Once::Now(done) => Shown::of(row, &done),
            Once::Before(made) => Ok(Shown::again(made)),
        }
    }

    /// Refuses where what is to be changed is not what `tags` name any more.
    fn check(&self, path: &str, tags: &[String]) -> Result<(), Stop> {
        let Some((row, path)) = table::changed_at(path) else {
            let detail = "What this changes has no ETag; send the request without If-Match.";
            return Err(Refusal::new(Code::BadRequest).detail(detail).into());
        };
        let found = tag::of(&self.ask(words::request(row, path, None, &[])?, Prepared::Nothing)?)?;
        if tags.iter().any(|tag| tag == "*" || *tag == found) {
            return Ok(());
        }
        let detail = format!("{path} has the ETag {found} now.");
        Err(Refusal::new(Code::ChangedMeanwhile).detail(detail).into())
    }
}

impl Shown {
    fn of(row: &Row, done: &Done) -> Result<Self, Stop> {
        if matches!(done, Done::Changed) {
            return Ok(Self::default());
        }
        let tag = row.is_tagged.then(|| tag::of(done)).transpose()?;
        Ok(Self { json: Some(words::inside(done)?), tag, ..Self::default() })
    }

    fn written(content_type: &'static str, text: String) -> Self {
        Self { written: Some((content_type, text)), ..Self::default() }
    }

    fn again(made: MadeOnce) -> Self {
        let again = Self { is_replayed: true, ..Self::default() };
        match made.answer {
            Some(answer) => Self { json: Some(answer.into()), ..again },
            None => {
                let what = made.id.map_or_else(String::new, |id| format!(" Its id is {id}."));
                let detail = format!("It was made at {}, and cannot be shown again.{what}", made.time);
                Self { gone: Some(Refusal::new(Code::ShownOnce).detail(detail)), ..again }
            }
        }
    }

    /// As the row answers it.
    pub(super) fn answer(self, row: &Row) -> Answer {
        if let Some((content_type, text)) = self.written {
            let mut answer = problem::respond(row.status(), content_type, text.into_bytes());
            // A page is one because we say so, and nothing else is.
            answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, problem::value("nosniff"));
            return answer;
        }
        let mut answer = match (&self.gone, self.json) {
            (Some(refusal), _) => problem::answer(refusal),
            (None, Some(json)) => problem::respond(row.status(), "application/json", json),
            (None, None) => problem::nothing(),
        };
        if self.is_replayed {
            answer.headers_mut().insert(REPLAYED, problem::value("true"));
        }
        if let Some(tag) = self.tag.filter(|_| answer.status() == StatusCode::OK) {
            answer.headers_mut().insert(header::ETAG, problem::value(&tag));
        }
        answer
    }
}
