//! `gembok report`: what the law on personal data asks for, as CSV and as a page to print.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::desk::answer::Done;
use crate::desk::report::{Period, Report, ReportWanted};
use crate::desk::report_words::Language;
use crate::desk::request::Request;

use super::error::CliError;
use super::files::NewFile;
use super::run::{Session, print};
use super::say_answer as say;
use super::say_trouble::fixed;
use super::subject;

#[derive(Args)]
pub(super) struct ReportVerb {
    #[command(subcommand)]
    of: Of,
    /// A new file, mode 0600: a page where its name ends in .html, CSV otherwise; CSV to standard output without
    #[arg(long, global = true, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Of {
    /// Which endpoints did what on which objects (article 31)
    Processing(When),
    /// One person's trail (article 32); the value, such as a NIK, is read from standard input
    Subject {
        #[command(flatten)]
        when: When,
        /// The person as records show it, instead of a value
        #[arg(long, value_name = "HEX")]
        pseudonym: Option<String>,
    },
    /// What an endpoint, an API key or a certificate did, from where, to whom (article 46)
    Incident {
        #[command(flatten)]
        when: When,
        /// Only this endpoint of the project
        #[arg(long)]
        endpoint: Option<String>,
        /// Only this API key
        #[arg(long, value_name = "ID")]
        api_key: Option<String>,
        /// Only this certificate, by its digest
        #[arg(long, value_name = "DIGEST")]
        certificate: Option<String>,
    },
    /// What protects the data now (article 35)
    Posture,
    /// What is offered for erasure, and what is not yet (articles 43 to 45)
    Erasure,
}

#[derive(Args)]
struct When {
    /// Only of this project
    #[arg(long)]
    project: Option<String>,
    /// From this moment on, like 2030-12-31T23:59:59Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Where a report before broke off
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
}

impl Of {
    fn into_wanted(self) -> Result<ReportWanted, CliError> {
        Ok(match self {
            Self::Processing(When { project, since, until, from }) => {
                ReportWanted::Processing(Period { project, since, until, from })
            }
            Self::Subject { when: When { project, since, until, from }, pseudonym } => {
                let project = project.ok_or_else(|| CliError::Own(fixed::NAME_PROJECT.into()))?;
                ReportWanted::Subject { project, subject: subject::of(pseudonym)?, since, until, from }
            }
            Self::Incident { when: When { project, since, until, from }, endpoint, api_key, certificate } => {
                ReportWanted::Incident { project, endpoint, api_key, certificate, since, until, from }
            }
            Self::Posture => ReportWanted::Posture,
            Self::Erasure => ReportWanted::Erasure,
        })
    }
}

impl Session {
    pub(super) fn report(&self, verb: ReportVerb) -> Result<(), CliError> {
        let ReportVerb { of, output } = verb;
        let language = self.language.as_deref().and_then(|tag| tag.parse().ok()).unwrap_or_default();
        let file = output.as_deref().map(NewFile::reserve).transpose()?;
        let answered = self.ask(&Request::Report(of.into_wanted()?))?;
        let Done::Report(report) = &answered.answer else { return Err(CliError::Answer) };
        if let (Some(file), Some(path)) = (file, &output) {
            file.fill(written(report, path, language).as_bytes())?;
            self.tell(say::report_in(path.display()));
        } else if !self.json {
            return print(&report.csv());
        }
        if self.json { print(&answered.line) } else { Ok(()) }
    }
}

fn written(report: &Report, path: &Path, language: Language) -> String {
    let is_page = path.extension().is_some_and(|extension| extension == "html");
    if is_page { report.page(language) } else { report.csv() }
}
