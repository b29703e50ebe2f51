//! Sessions of people who signed in by password: how a token signs in, who has which, and how they end.
//!
//! When a session was last used is kept in memory alone: no request costs a commit for it. After a restart a session counts as
//! not used since it began, so it ends early rather than late.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::crypto::random;
use crate::domain::audit_record::AuditRecord;
use crate::domain::cbor;
use crate::domain::id::{SessionId, UserId};
use crate::domain::peer::Peer;
use crate::domain::refusal::Code;
use crate::domain::session::{Session, SessionDigest, SessionToken};
use crate::domain::timestamp::{Now, Timestamp};
use crate::domain::user::User;
use crate::store::{Batch, Table};

use super::access::Leave;
use super::accounts::{SignedBy, SignedIn};
use super::catalog::not_found;
use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// When each session was last used. One of a session that has ended goes with the next sign-in.
#[derive(Default)]
pub(super) struct LastSeen(Mutex<HashMap<SessionDigest, Timestamp>>);

/// A session in a list.
pub struct SessionView {
    /// What lists and records call it.
    pub id: SessionId,
    /// Name of the account.
    pub user: String,
    /// From where it began.
    pub address: String,
    /// Since when.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub seen: Timestamp,
    /// When it ends, if it is not used again.
    pub ends: Timestamp,
}

/// How a person proves who it is, beside the connection.
#[derive(Debug, Clone, Copy)]
pub struct Showing<'a> {
    /// The connection's other end.
    pub peer: &'a Arc<Peer>,
    /// Of the session whose token was sent, if one was.
    pub session: Option<SessionDigest>,
}

impl LastSeen {
    fn of(&self, digest: &SessionDigest, session: &Session) -> Timestamp {
        self.0.lock().get(digest).copied().unwrap_or(session.created).max(session.created)
    }

    fn note(&self, digest: SessionDigest, now: Timestamp) {
        self.0.lock().insert(digest, now);
    }

    fn keep(&self, live: &HashSet<SessionDigest>) {
        self.0.lock().retain(|digest, _| live.contains(digest));
    }
}

impl Operational {
    /// Signs in by session where a token was sent, else by certificate. Blocks.
    ///
    /// # Errors
    /// `session-ended`, `forbidden` for a disabled user; those of [`Operational::sign_in`].
    pub fn sign_in_by(&self, showing: Showing<'_>, now: Now) -> Result<SignedIn, Stop> {
        let Showing { peer, session } = showing;
        match session {
            None => self.sign_in(peer, now),
            Some(digest) => self.limit_failures(peer, now.instant, || self.resume(digest, peer, now)),
        }
    }

    fn resume(&self, digest: SessionDigest, peer: &Peer, now: Now) -> Result<SignedIn, Stop> {
        let session: Session = self.read(Table::Sessions, &digest)?.ok_or(Code::SessionEnded)?;
        if !self.is_live(&digest, &session, now.time) {
            return Err(Code::SessionEnded.into());
        }
        let user: User = self.read(Table::Users, session.user.as_bytes())?.ok_or(Code::SessionEnded)?;
        if user.disabled.is_some() {
            return Err(Code::Forbidden.into());
        }
        self.last_seen.note(digest, now.time);
        Ok(SignedIn::new(self.person(&user)?, peer.address, now.time, SignedBy::Session(digest)))
    }

    fn is_live(&self, digest: &SessionDigest, session: &Session, now: Timestamp) -> bool {
        now < session.ends(self.last_seen.of(digest, session), self.settings.sessions)
    }

    /// Puts a new session into a batch, and takes those out that have ended. Where a user has as many as it may, the one that
    /// was idle longest makes room.
    pub(super) fn begin_session(
        &self,
        mut batch: Batch,
        user: &User,
        peer: &Peer,
        now: Now,
    ) -> Result<(Batch, SessionToken, Session), Stop> {
        let limits = self.settings.sessions;
        let (mut own, mut live) = (Vec::new(), HashSet::new());
        for (digest, session) in self.all_sessions()? {
            let Some(session) = session.sound().filter(|session| self.is_live(&digest, session, now.time))
            else {
                batch = batch.delete(Table::Sessions, &digest);
                continue;
            };
            live.insert(digest);
            if session.user == user.id {
                own.push((self.last_seen.of(&digest, &session), digest));
            }
        }
        own.sort_unstable();
        let excess = (own.len() + 1).saturating_sub(limits.per_user_max);
        for (_, digest) in own.iter().take(excess) {
            live.remove(digest);
            batch = batch.delete(Table::Sessions, digest);
        }
        if live.len() >= limits.sessions_max {
            return Err(Code::TooManySessions.into());
        }
        self.last_seen.keep(&live);
        let token = SessionToken::generate()?;
        let session = Session {
            id: SessionId::from_random(random::bytes()?),
            user: user.id,
            created: now.time,
            address: peer.address.to_canonical().to_string(),
        };
        let digest = token.digest();
        let batch = batch.expect_absent(Table::Sessions, &digest);
        Ok((batch.put(Table::Sessions, &digest, cbor::encode(&session)), token, session))
    }

    /// Puts the end of all sessions of a user into a batch.
    pub(super) fn end_sessions_of(&self, batch: Batch, user: UserId) -> Result<Batch, Stop> {
        self.end_other_sessions_of(batch, user, None)
    }

    /// The same but for the one of `kept`.
    pub(super) fn end_other_sessions_of(
        &self,
        batch: Batch,
        user: UserId,
        kept: Option<SessionDigest>,
    ) -> Result<Batch, Stop> {
        let all = self.all_sessions()?.into_iter().filter(|(digest, _)| Some(*digest) != kept);
        // One that does not open may be its, and signs nobody in.
        let ended = all.filter(|(_, session)| !matches!(session, Listed::Sound(of) if of.user != user));
        Ok(ended.fold(batch, |batch, (digest, _)| batch.delete(Table::Sessions, &digest)))
    }

    /// The live sessions of a user, the latest first.
    ///
    /// # Errors
    /// `not-found`.
    pub fn sessions(&self, user: &str, now: Now) -> Result<Vec<SessionView>, Stop> {
        let user = self.user_named(user)?;
        let all = self.all_sessions()?.into_iter();
        let own = all.filter_map(|(digest, session)| Some((digest, session.sound()?)));
        let own = own
            .filter(|(digest, session)| session.user == user.id && self.is_live(digest, session, now.time));
        let mut views: Vec<SessionView> =
            own.map(|(digest, session)| self.session_view(&digest, session, &user)).collect();
        views.sort_unstable_by_key(|view| std::cmp::Reverse((view.created, view.id)));
        Ok(views)
    }

    /// The session that somebody signed in by; none for a certificate.
    ///
    /// # Errors
    /// The store's.
    pub fn session_of(&self, signed_in: &SignedIn) -> Result<Option<SessionView>, Stop> {
        let Some(digest) = signed_in.session() else { return Ok(None) };
        let session: Session = self.read(Table::Sessions, &digest)?.ok_or(Code::SessionEnded)?;
        let user: User = self.read(Table::Users, session.user.as_bytes())?.ok_or(Code::SessionEnded)?;
        Ok(Some(self.session_view(&digest, session, &user)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// `not-found`.
    pub fn end_session(&self, leave: Leave, id: SessionId, now: Now) -> Result<(), Stop> {
        self.withdraw(now, |batch| {
            let (digest, session) = self.session_row(id)?;
            let audit = AuditRecord::new(now.time, leave.actor(), "session.end")
                .with("id", session.id)
                .with("user", session.user);
            Ok((batch.delete(Table::Sessions, &digest), audit, ()))
        })
    }

    /// The user of a session.
    pub(super) fn owner_of(&self, id: SessionId) -> Result<User, Stop> {
        let (_, session) = self.session_row(id)?;
        let user = self.read(Table::Users, session.user.as_bytes())?;
        user.ok_or_else(|| not_found("session", &id.to_string()))
    }

    fn session_row(&self, id: SessionId) -> Result<(SessionDigest, Session), Stop> {
        let mut all = self.all_sessions()?.into_iter();
        let found = all.find_map(|(digest, session)| {
            session.sound().filter(|session| session.id == id).map(|session| (digest, session))
        });
        found.ok_or_else(|| not_found("session", &id.to_string()))
    }

    fn session_view(&self, digest: &SessionDigest, session: Session, user: &User) -> SessionView {
        let seen = self.last_seen.of(digest, &session);
        let ends = session.ends(seen, self.settings.sessions);
        let Session { id, created, address, .. } = session;
        let seen = Timestamp::from_seconds(seen.seconds() / 60 * 60).max(created);
        SessionView { id, user: user.name.to_string(), address, created, seen, ends }
    }

    /// Bounded by the most sessions there may be.
    fn all_sessions(&self) -> Result<Vec<(SessionDigest, Listed<Session>)>, Stop> {
        let mut all = Vec::new();
        self.each_listed(Table::Sessions, &[], |row_key, row| {
            if let Ok(digest) = row_key.try_into() {
                all.push((digest, row.decode()?));
            }
            Ok(())
        })?;
        Ok(all)
    }
}
