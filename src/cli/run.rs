//! From the command line to an exit status.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command answers whoever typed it")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use clap_complete::{Shell, generate};
use zeroize::Zeroizing;

use crate::api::openapi;
use crate::config::Config;
use crate::daemon::serve::{end_process, serve};
use crate::desk::answer::{Answer, Done, ExportEnded, Issued};
use crate::desk::request::{self, Request};

use super::arguments::{self, Arguments, CONFIG_FILE, Command, Init};
use super::client::{Answered, Client};
use super::error::CliError;
use super::escrow::{self, Escrow};
use super::export;
use super::files::{NewKey, make_directory, write_certificate};
use super::first_boot;
use super::own;
use super::page::Page;
use super::policy::{self, Policy};
use super::report::Verification;
use super::say_answer as say;
use super::say_trouble;
use super::show;
use super::verify::{Evidence, compare};
use super::words::{self, Said};

/// Does what the command line asks.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    words::speak(arguments.language.as_deref());
    let is_daemon = matches!(arguments.command, Command::Serve);
    let status = match arguments.execute() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("gembok: {error}");
            error.status()
        }
    };
    if is_daemon {
        end_process(status);
    }
    status.into()
}

impl Arguments {
    fn execute(self) -> Result<(), CliError> {
        let Self { config, json, language, control, command } = self;
        let control = || control.control(config != Path::new(CONFIG_FILE));
        let open = || {
            Ok::<_, CliError>(Session {
                client: Client::new(&config, control()?),
                config: config.clone(),
                json,
                language: language.clone(),
            })
        };
        let request = match command {
            Command::Serve => return serve(&config).map_err(|error| CliError::Foreign(error.to_string())),
            Command::Config(arguments::Config::Check { file }) => return check(&file.unwrap_or(config)),
            Command::Escrow(Escrow::Check { file }) => return print(&escrow::check(&file)?),
            Command::Init(init) => return open()?.init(init),
            Command::ApiKey(verb) => return open()?.api_key(verb),
            Command::Certificate(arguments::Certificate::Issue(new)) => {
                return open()?.issue_certificate(new);
            }
            Command::Audit(arguments::Audit::Verify(wanted)) => return verify(&wanted, json),
            Command::Policy(Policy::Check { files }) => return print(&policy::check(&files)?),
            Command::Policy(Policy::Explain(asked)) => asked.into(),
            Command::Unlock(accepted) => accepted.into(),
            Command::Completions { shell } => return completions(&shell),
            Command::Openapi => return print(openapi::document()),
            Command::Lock => Request::Lock,
            Command::Status => Request::Status,
            Command::Project(verb) => verb.into(),
            Command::Object(verb) => verb.into_request()?,
            Command::Endpoint(verb) => match verb.into_request() {
                Ok(request) => request,
                Err(new) => return open()?.bundle(new),
            },
            Command::Grant(verb) => verb.into(),
            Command::Budget(verb) => verb.into(),
            Command::Key(super::key::Key::Verify(wanted)) => return open()?.verify_keys(&wanted),
            Command::Key(verb) => verb.into(),
            Command::Index(verb) => verb.into(),
            Command::ServerNames(verb) => verb.into(),
            Command::User(verb) => verb.into(),
            Command::Approval(verb) => verb.into(),
            Command::Own(verb) => {
                let told = verb.perform(&own::plane(control()?)?, json)?;
                return told.map_or(Ok(()), |told| print(&told));
            }
            Command::Session(verb) => verb.into(),
            Command::Report(verb) => return open()?.report(verb),
            Command::Subject(verb) => verb.into_request()?,
            Command::Certificate(arguments::Certificate::Enrol(enrol)) => enrol.into_request()?,
            Command::Certificate(arguments::Certificate::RollCa(verb)) => verb.into(),
            Command::Certificate(arguments::Certificate::List(Page { after, limit })) => {
                Request::Certificate(request::Certificate::List { after, limit })
            }
            Command::Certificate(arguments::Certificate::Revoke { spki, only }) => {
                Request::Certificate(request::Certificate::Revoke { spki, only })
            }
            Command::Statistics(wanted) => wanted.into(),
            Command::Clock(arguments::Clock::Acknowledge) => Request::Clock(request::Clock::Acknowledge),
            Command::StoreKey(verb) => verb.into(),
            Command::Store(arguments::Store::Compact) => Request::Store(request::Store::Compact),
            Command::Audit(arguments::Audit::Export(wanted)) => {
                return open()?.export(&wanted);
            }
            Command::Audit(arguments::Audit::Check { from, to, evidence }) => {
                return open()?.check(from, to, &evidence);
            }
            Command::Audit(arguments::Audit::List(wanted)) => {
                Request::Audit(request::Audit::List(wanted.into()))
            }
            Command::Audit(arguments::Audit::Key) => Request::Audit(request::Audit::Keys),
            Command::Audit(arguments::Audit::Prune { to, before }) => {
                Request::Audit(request::Audit::Prune { to, before })
            }
        };
        let session = open()?;
        let answered = session.ask(&request)?;
        session.show(&answered)
    }
}

/// A daemon to ask and a way to show what it answers.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) config: PathBuf,
    pub(super) json: bool,
    /// The tag of `--language`.
    pub(super) language: Option<String>,
}

impl Session {
    /// Asks for something to be done. The raw answer is printed even when it is a no.
    pub(super) fn ask(&self, request: &Request) -> Result<Answered<Done>, CliError> {
        self.done(self.client.ask(request)?)
    }

    /// What was asked, done.
    pub(super) fn done(&self, answered: Answered<Answer>) -> Result<Answered<Done>, CliError> {
        let Answered { line, answer } = answered;
        let no = match answer {
            Answer::Done(done) => return Ok(Answered { line, answer: done }),
            Answer::Refused(refused) => CliError::Refused(refused),
            Answer::Fault(what) => CliError::Fault(what),
        };
        if self.json {
            print(&line)?;
        }
        Err(no)
    }

    fn init(&self, init: Init) -> Result<(), CliError> {
        let Init { admin, out, sandbox: _, server_names } = init;
        let server_names = first_boot::server_names(server_names, self.json);
        make_directory(&out)?;
        let key = NewKey::make(&out.join("admin.key"))?;
        let answered =
            self.ask(&Request::InitSandbox { admin, admin_csr: key.csr().to_owned(), server_names })?;
        key.keep();
        let Done::Initialised(made) = &answered.answer else { return Err(CliError::Answer) };
        write_issued(&made.admin, &out, "admin.pem")?;
        self.show(&answered)?;
        self.tell(say::admin_in(out.display()));
        Ok(())
    }

    fn export(&self, wanted: &arguments::Export) -> Result<(), CliError> {
        let Some(path) = &wanted.output else {
            let ended = export::to_output(&self.client, wanted.into())?;
            return whole(&ended);
        };
        let ended = export::to_file(&self.client, wanted.into(), path)?;
        self.tell(say::records_in(ended.first, ended.next.saturating_sub(1), ended.blocks, path.display()));
        let accept_damage = wanted.accept_damage;
        let kept = request::Audit::ExportKept { id: ended.id.clone(), accept_damage };
        self.show(&self.ask(&Request::Audit(kept))?)?;
        if accept_damage { Ok(()) } else { whole(&ended) }
    }

    fn check(
        &self,
        from: Option<u64>,
        to: Option<u64>,
        evidence: &arguments::Evidence,
    ) -> Result<(), CliError> {
        let evidence = Evidence::read(&evidence.checkpoint_key, &evidence.checkpoint)?;
        let wanted = request::ExportOf { from, to, kind: None, project: None, endpoint: None };
        let report = export::check(&self.client, wanted, &evidence)?;
        show_verification(&Verification::new(vec![("the journal".into(), report)], Vec::new()), self.json)
    }

    pub(super) fn show(&self, answered: &Answered<Done>) -> Result<(), CliError> {
        if self.json { print(&answered.line) } else { print(&Zeroizing::new(show::text(&answered.answer))) }
    }

    /// A word beside the answer, to standard error.
    pub(super) fn tell(&self, what: impl Into<Said>) {
        if !self.json {
            eprintln!("{}", what.into());
        }
    }
}

/// To standard output. A reader that has seen enough closes the pipe; that is no error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::File(PathBuf::from("standard output"), error))
        }
        _ => Ok(()),
    }
}

fn write_issued(issued: &Issued, out: &Path, name: &str) -> Result<(), CliError> {
    write_certificate(&out.join(name), &issued.certificate_pem)?;
    write_certificate(&out.join("ca.pem"), &issued.ca_pem)
}

/// `audit verify`
fn verify(wanted: &arguments::Verify, json: bool) -> Result<(), CliError> {
    let arguments::Verify { files, evidence } = wanted;
    let evidence = Evidence::read(&evidence.checkpoint_key, &evidence.checkpoint)?;
    let mut reports = Vec::new();
    let mut comparisons = Vec::new();
    for (at, file) in files.iter().enumerate() {
        reports.push((file.display().to_string(), evidence.verify(file)?));
        for other in &files[..at] {
            comparisons.push(compare(other, file)?);
        }
    }
    show_verification(&Verification::new(reports, comparisons), json)
}

/// `completions`
fn completions(shell: &str) -> Result<(), CliError> {
    let shell = shell.parse::<Shell>().map_err(CliError::Foreign)?;
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "gembok", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// An export of a damaged journal is made, and is a failure all the same.
fn whole(ended: &ExportEnded) -> Result<(), CliError> {
    if ended.damaged == 0 {
        return Ok(());
    }
    Err(CliError::Own(say_trouble::damaged_export(ended.damaged, ended.damage.join("\n  "))))
}

fn show_verification(verification: &Verification, json: bool) -> Result<(), CliError> {
    if json {
        print(&serde_json::to_string(verification).map_err(|_| CliError::Answer)?)?;
    } else {
        print(&verification.text())?;
    }
    verification.first_flaw().map_or(Ok(()), |flaw| Err(CliError::Own(flaw)))
}

/// `config check`
fn check(file: &Path) -> Result<(), CliError> {
    let config = Config::load(file).map_err(CliError::Config)?;
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let findings = config.check(credentials.as_deref());
    if findings.is_empty() {
        let (data, control) = (config.data.listen, config.control.listen);
        println!("{}", say::config_sound(file.display(), data, control, config.state.directory.display()));
        return Ok(());
    }
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(CliError::Own(say_trouble::findings(file.display(), said.join("\n"))))
}
