//! What of a change needs the token, made before the change keeps others out: a token that hangs holds up whoever asked for
//! that, and nobody who takes a right away. What was made ahead counts for nothing by itself; the change looks at everything
//! again and takes it, or makes its own where things are others by then.

use crate::crypto::random;
use crate::domain::actor::Actor;
use crate::domain::id::{ProjectId, UserId};
use crate::domain::limits::PROJECTS_MADE_PER_USER_MAX;
use crate::domain::name::Name;
use crate::domain::peer::Identity;
use crate::domain::project::{Kek, Project};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;
use crate::store::Table;

use super::approvals::user_of;
use super::fault::Stop;
use super::operational::Operational;
use super::pki::Signed;
use super::signing_request::RequestedKey;

/// The id and the first KEK of a project that is to be made.
pub struct NewKek {
    pub(super) id: ProjectId,
    pub(super) kek: Kek,
}

/// A certificate that is enrolled for nobody yet.
pub struct SignedAhead {
    identity: Identity,
    signed: Signed,
}

impl SignedAhead {
    /// The certificate, where it is the one that would be signed now.
    pub(super) fn fitting(self, identity: Identity, key: &RequestedKey, generation: u32) -> Option<Signed> {
        let Self { identity: named, signed } = self;
        (named == identity && signed.spki == key.spki() && signed.generation == generation).then_some(signed)
    }
}

impl Operational {
    /// Wraps the first KEK of a project that could be made at this moment; the wrap is counted.
    ///
    /// # Errors
    /// As of [`Operational::create_project`].
    pub fn wrap_ahead(&self, actor: Actor, name: &Name, now: Now) -> Result<NewKek, Stop> {
        self.check_new_project(user_of(actor), name)?;
        let id = ProjectId::from_random(random::bytes()?);
        let (kek, _) = self.new_kek(actor, id, 1, now)?;
        Ok(NewKek { id, kek })
    }

    /// Refuses a name that is taken, and another project to a user who has made as many as there may be. Those count that are there, whoever is a member.
    pub(super) fn check_new_project(&self, maker: Option<UserId>, name: &Name) -> Result<(), Stop> {
        let name_key = self.store.name_key(Table::Projects, &[0; 16], name.as_str());
        if self.store.get(Table::Names, &name_key)?.is_some() {
            return Err(Code::AlreadyExists.into());
        }
        let Some(maker) = maker else { return Ok(()) };
        let mut made = 0;
        self.each_listed(Table::Projects, &[], |_, row| {
            let project = row.decode::<Project>()?.sound();
            made += usize::from(project.is_some_and(|project| project.maker == Some(maker)));
            Ok(())
        })?;
        if made < PROJECTS_MADE_PER_USER_MAX {
            return Ok(());
        }
        let detail = format!(
            "There are {made} projects that this user has made; a user may make {PROJECTS_MADE_PER_USER_MAX}."
        );
        Err(Refusal::new(Code::TooManyProjects).detail(detail).into())
    }

    /// Has the KEK of a project in memory, so that a key can be made under it.
    ///
    /// # Errors
    /// `not-found`, `token-away`.
    pub fn unwrap_ahead(&self, project: &str, now: Now) -> Result<(), Stop> {
        self.load_kek(&self.project_named(project)?, now).map(drop)
    }

    /// Signs what an endpoint's signing request asks for.
    ///
    /// # Errors
    /// As of [`Operational::issue_certificate`].
    pub fn sign_ahead(
        &self,
        project: &str,
        endpoint: &str,
        csr_pem: &str,
        now: Now,
    ) -> Result<SignedAhead, Stop> {
        let endpoint = self.live_endpoint(project, endpoint)?;
        self.sign_for(Identity::Endpoint(endpoint.id.uuid()), csr_pem, now)
    }

    /// The same for a user.
    ///
    /// # Errors
    /// As of [`Operational::issue_certificate`].
    pub fn sign_user_ahead(&self, user: &str, csr_pem: &str, now: Now) -> Result<SignedAhead, Stop> {
        let user = self.user_named(user)?;
        self.sign_for(Identity::User(user.id.uuid()), csr_pem, now)
    }

    fn sign_for(&self, identity: Identity, csr_pem: &str, now: Now) -> Result<SignedAhead, Stop> {
        let signed = self.sign_requested(identity, &RequestedKey::from_csr(csr_pem)?, now)?;
        Ok(SignedAhead { identity, signed })
    }
}
