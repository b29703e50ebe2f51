//! Verbs on certificates, the CA and the server's names, from a request's words to the appliance and back.

use crate::appliance::{Appliance, Reach, Stop};
use crate::domain::actor::Actor;
use crate::domain::timestamp::Now;

use super::answer::{self, Done};
use super::asker::Asker;
use super::perform::page;
use super::prepare::Prepared;
use super::request;

impl request::Certificate {
    pub(super) fn perform(
        self,
        (appliance, asker): (&Appliance, &Asker),
        actor: Actor,
        prepared: Prepared,
        now: Now,
    ) -> Result<Done, Stop> {
        let is_at_the_machine = matches!(asker, Asker::Local(_)) && !appliance.may_be_sandbox();
        let appliance = appliance.unlocked()?;
        Ok(match self {
            Self::Issue { project, endpoint, csr } => {
                let (of, ahead) = ((project.as_str(), endpoint.as_str()), prepared.certificate());
                Done::CertificateIssued(appliance.issue_certificate_with(actor, of, &csr, ahead, now)?.into())
            }
            Self::IssueUser { user, csr } => {
                if is_at_the_machine {
                    appliance.check_issued_at_the_machine(&user, now)?;
                }
                let ahead = prepared.certificate();
                let issued = match asker.itself(&user) {
                    Some(signed_in) => appliance.renew_user_certificate(signed_in, &csr, ahead, now),
                    None => appliance.issue_user_certificate_with(actor, &user, &csr, ahead, now),
                };
                Done::CertificateIssued(issued?.into())
            }
            Self::Enrol { project, endpoint, certificate } => {
                let enrolled = appliance.enrol_certificate(actor, &project, &endpoint, &certificate, now)?;
                Done::CertificateEnrolled(enrolled.into())
            }
            Self::EnrolUser { user, certificate } => {
                asker.itself(&user).map_or(Ok(()), |signed_in| appliance.check_own_enrolment(signed_in))?;
                let enrolled = appliance.enrol_user_certificate(actor, &user, &certificate, now)?;
                Done::CertificateEnrolled(enrolled.into())
            }
            Self::List { after, limit } => {
                Done::Certificates(appliance.certificates(&page(after.as_ref(), limit)?)?.into())
            }
            Self::Revoke { spki, only } => {
                let reach = if only { Reach::One } else { Reach::Descendants };
                Done::CertificatesRevoked(appliance.revoke_certificate(actor, &spki, reach, now)?.into())
            }
            Self::RollCa(request::RollCa::Start) => Done::Ca(appliance.roll_ca(actor, now)?.into()),
            Self::RollCa(request::RollCa::Finish { force }) => {
                Done::Ca(appliance.finish_ca_roll(actor, force, now)?.into())
            }
            Self::RollCa(request::RollCa::Show) => Done::Ca(appliance.ca()?.into()),
        })
    }
}

impl request::ServerNames {
    pub(super) fn perform(self, appliance: &Appliance, actor: Actor, now: Now) -> Result<Done, Stop> {
        let appliance = appliance.unlocked()?;
        let names = match self {
            Self::Set { names } => appliance.set_server_names(actor, &names, now)?,
            Self::Show => appliance.server_names()?,
        };
        Ok(Done::ServerNames(answer::ServerNames {
            names: names.names,
            from_configuration: names.are_configured,
        }))
    }
}
