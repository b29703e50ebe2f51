//! Certificates on their way to whoever will hold them: into a folder, into a bundle for an application, or into a PKCS #12
//! file for a browser. Keys are made here and never in the daemon; what holds one is a new file, mode 0600. When it cannot be
//! written, what was issued is taken back: nobody holds it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::desk::answer::{Answer, Done, Issued, Listed, MadeApiKey, Page};
use crate::desk::request::{self, Request};

use super::bundle::{Bundle, Url};
use super::client::Answered;
use super::error::CliError;
use super::files::{MadeKey, NewFile, NewKey, keep_ca, make_directory};
use super::own::{is_session_of, own_certificate};
use super::p12::{Passphrase, pack};
use super::run::{Session, print};
use super::say_answer as say;
use super::say_trouble::fixed;

#[derive(Args)]
pub(super) struct NewCertificate {
    /// The endpoint's project
    #[arg(long, requires = "endpoint")]
    project: Option<String>,
    #[arg(long, requires = "project", required_unless_present = "user")]
    endpoint: Option<String>,
    /// A user of the control plane, such as the admin; whoever is signed in by password is asked for it again, for its own
    #[arg(long, conflicts_with_all = ["project", "endpoint"], value_name = "NAME")]
    user: Option<String>,
    /// Where client.pem (a user's: user.pem) and ca.pem go, and client.key unless there is a signing request
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    /// A PEM signing request made elsewhere; without, a key is made here
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Write an endpoint's bundle without an API key to a new file instead: see gembok endpoint bundle
    #[arg(long, conflicts_with_all = ["out", "csr", "user", "p12"], value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// What the bundle calls the data plane
    #[arg(long, requires = "bundle")]
    url: Option<Url>,
    /// Write certificate, key and CA to a new PKCS #12 file instead, for browsers; its passphrase is shown once
    #[arg(long, conflicts_with_all = ["out", "csr"], value_name = "FILE")]
    p12: Option<PathBuf>,
    /// Read the passphrase from this file (mode 0600) instead of making one
    #[arg(long, requires = "p12", value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct NewBundle {
    #[arg(long)]
    project: String,
    #[arg(long)]
    endpoint: String,
    /// The new file (mode 0600); whoever has it comes in as the endpoint
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What the API key in it is called
    #[arg(long, default_value = "bundle")]
    label: String,
    /// What it calls the data plane, like `https://gembok.lan:8443`; from the server's names without
    #[arg(long)]
    url: Option<Url>,
}

/// Whose certificate.
enum Holder {
    Endpoint { project: String, endpoint: String },
    User(String),
}

impl Holder {
    fn request(&self, csr: String) -> Request {
        Request::Certificate(match self {
            Self::Endpoint { project, endpoint } => {
                request::Certificate::Issue { project: project.clone(), endpoint: endpoint.clone(), csr }
            }
            Self::User(user) => request::Certificate::IssueUser { user: user.clone(), csr },
        })
    }

    fn name(&self) -> &str {
        match self {
            Self::Endpoint { endpoint, .. } => endpoint,
            Self::User(user) => user,
        }
    }
}

impl Session {
    /// `certificate issue`
    pub(super) fn issue_certificate(&self, new: NewCertificate) -> Result<(), CliError> {
        let NewCertificate { project, endpoint, user, out, csr, bundle, url, p12, passphrase_file } = new;
        let holder = match (user, project.zip(endpoint)) {
            (Some(user), _) => Holder::User(user),
            (None, Some((project, endpoint))) => Holder::Endpoint { project, endpoint },
            (None, None) => {
                return Err(CliError::Own(fixed::NAME_HOLDER.into()));
            }
        };
        if let Some(file) = bundle {
            return self.issue_bundle(&holder, &file, url, None);
        }
        match p12 {
            Some(file) => self.issue_p12(&holder, &file, passphrase_file.as_deref()),
            None => self.issue_files(&holder, &out, csr.as_deref()),
        }
    }

    /// `endpoint bundle`
    pub(super) fn bundle(&self, new: NewBundle) -> Result<(), CliError> {
        let NewBundle { project, endpoint, out, label, url } = new;
        self.issue_bundle(&Holder::Endpoint { project, endpoint }, &out, url, Some(&label))
    }

    fn issue_files(&self, holder: &Holder, out: &Path, csr: Option<&Path>) -> Result<(), CliError> {
        let name = if matches!(holder, Holder::User(_)) { "user" } else { "client" };
        make_directory(out)?;
        let (key, csr) = if let Some(file) = csr {
            (None, fs::read_to_string(file).map_err(CliError::file(file))?)
        } else {
            let key = NewKey::make(&out.join(format!("{name}.key")))?;
            let csr = key.csr().to_owned();
            (Some(key), csr)
        };
        // Another's, or the one that still counts, is not to be lost: found out before anything is issued.
        let file = NewFile::reserve_open(&out.join(format!("{name}.pem")))?;
        let answered = self.ask_certificate(holder, csr)?;
        let made_here = key.is_some();
        if let Some(key) = key {
            key.keep();
        }
        let Issued { certificate_pem, ca_pem, .. } = issued(&answered)?;
        file.fill(certificate_pem.as_bytes())?;
        if let Some(beside) = keep_ca(out, ca_pem)? {
            self.tell(say::other_ca(beside.display()));
        }
        self.show(&answered)?;
        let folder = out.display();
        self.tell(if made_here {
            say::key_and_certificate_in(name, folder)
        } else {
            say::certificate_in(name, folder)
        });
        Ok(())
    }

    fn issue_bundle(
        &self,
        holder: &Holder,
        path: &Path,
        url: Option<Url>,
        label: Option<&str>,
    ) -> Result<(), CliError> {
        let url = url.map_or_else(|| self.data_url(), Ok)?;
        let file = NewFile::reserve(path)?;
        let key = MadeKey::make()?;
        let answered = self.ask(&holder.request(key.csr.clone()))?;
        let issued = issued(&answered)?;
        let mut made = None;
        let filled = (|| {
            made = label.map(|label| self.make_api_key(holder, label)).transpose()?;
            let bundle = Bundle {
                url: &url,
                endpoint: holder.name(),
                issued,
                key: &key,
                api_key: made.as_ref().map(|made| made.text.expose()),
            };
            file.fill(&bundle.pack()?)
        })();
        if let Err(error) = filled {
            self.take_back(issued, made.as_ref());
            return Err(error);
        }
        self.show(&answered)?;
        if let Some(MadeApiKey { api_key, text: _ }) = made {
            // The same without the key, which is in the bundle and nowhere else.
            let answer =
                Answer::Done(Done::ApiKeys(Page { items: vec![Listed::Sound(api_key)], next: None }));
            let line = serde_json::to_string(&answer).map_err(|_| CliError::Answer)?.into();
            let Answer::Done(done) = answer else { return Err(CliError::Answer) };
            self.show(&Answered { line, answer: done })?;
        }
        let path = path.display();
        self.tell(if url.leads_elsewhere() {
            say::bundle_in(path, url.as_str())
        } else {
            say::bundle_here(path, url.as_str())
        });
        Ok(())
    }

    fn issue_p12(
        &self,
        holder: &Holder,
        path: &Path,
        passphrase_file: Option<&Path>,
    ) -> Result<(), CliError> {
        if self.json && passphrase_file.is_none() {
            return Err(CliError::Own(fixed::NAME_PASSPHRASE_FILE.into()));
        }
        let passphrase = passphrase_file.map_or_else(Passphrase::make, Passphrase::read)?;
        let file = NewFile::reserve(path)?;
        let key = MadeKey::make()?;
        let answered = self.ask_certificate(holder, key.csr.clone())?;
        let issued = issued(&answered)?;
        let filled = pack(holder.name(), issued, &key, &passphrase).and_then(|packed| file.fill(&packed));
        if let Err(error) = filled {
            self.take_back(issued, None);
            return Err(error);
        }
        self.show(&answered)?;
        self.tell(say::p12_in(path.display()));
        match passphrase_file {
            Some(_) => Ok(()),
            None => print(&passphrase.told()),
        }
    }

    /// Whoever is signed in by password is asked for it again, where the certificate is its own.
    fn ask_certificate(&self, holder: &Holder, csr: String) -> Result<Answered<Done>, CliError> {
        match (holder, self.client.control()) {
            (Holder::User(name), Some(control)) if is_session_of(control, name)? => {
                let answer = Answer::Done(Done::CertificateIssued(own_certificate(control, &csr)?));
                let line = serde_json::to_string(&answer).map_err(|_| CliError::Answer)?.into();
                self.done(Answered { line, answer })
            }
            _ => self.ask(&holder.request(csr)),
        }
    }

    fn make_api_key(&self, holder: &Holder, label: &str) -> Result<MadeApiKey, CliError> {
        let Holder::Endpoint { project, endpoint } = holder else { return Err(CliError::Answer) };
        let create = request::ApiKey::Create {
            project: project.clone(),
            endpoint: endpoint.clone(),
            label: label.to_owned(),
            expires: None,
            limits: request::Limits::default(),
        };
        match self.ask(&Request::ApiKey(create))?.answer {
            Done::ApiKeyMade(made) => Ok(*made),
            _ => Err(CliError::Answer),
        }
    }

    /// What nobody holds must not count.
    fn take_back(&self, issued: &Issued, made: Option<&MadeApiKey>) {
        let revoke = request::Certificate::Revoke { spki: issued.spki.clone(), only: false };
        let api_key =
            made.map(|made| Request::ApiKey(request::ApiKey::Revoke { id: made.api_key.id.clone() }));
        for request in [Some(Request::Certificate(revoke)), api_key].into_iter().flatten() {
            if self.ask(&request).is_err() {
                self.tell(fixed::NOT_TAKEN_BACK);
            }
        }
    }
}

fn issued(answered: &Answered<Done>) -> Result<&Issued, CliError> {
    match &answered.answer {
        Done::CertificateIssued(issued) => Ok(issued),
        _ => Err(CliError::Answer),
    }
}
