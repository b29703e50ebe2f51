//! One session and what it knows: the handles of the keys it has found. Handles never outlive their session, so nothing
//! stale is ever used; losing a session costs one look-up per key.

use std::collections::HashMap;
use std::fmt;

use cryptoki::error::Error as ModuleError;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session as RawSession, SessionState};

use super::error::{Code, TokenError};
use super::module::Access;

/// An object's name in the token: its class and label. A key's is unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Data(String),
    Private(String),
    Public(String),
    Secret(String),
}

impl Name {
    fn label(&self) -> &str {
        match self {
            Self::Data(label) | Self::Private(label) | Self::Public(label) | Self::Secret(label) => label,
        }
    }

    fn template(&self) -> [Attribute; 3] {
        let class = match self {
            Self::Data(_) => ObjectClass::DATA,
            Self::Private(_) => ObjectClass::PRIVATE_KEY,
            Self::Public(_) => ObjectClass::PUBLIC_KEY,
            Self::Secret(_) => ObjectClass::SECRET_KEY,
        };
        [Attribute::Token(true), Attribute::Class(class), Attribute::Label(self.label().as_bytes().to_vec())]
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self {
            Self::Data(_) => "data object",
            Self::Private(_) => "private key",
            Self::Public(_) => "public key",
            Self::Secret(_) => "secret key",
        };
        write!(out, "the {class} `{}`", self.label())
    }
}

/// Why a piece of work stopped; a worker decides what to do about it.
pub(super) enum Failure {
    /// The token has gone.
    Away(Code),
    /// The login has gone.
    LoggedOut,
    /// The module said no.
    Module(ModuleError),
    /// The answer is known and final.
    Ours(TokenError),
}

impl From<ModuleError> for Failure {
    fn from(error: ModuleError) -> Self {
        Self::Module(error)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::Ours(error)
    }
}

/// A session of a worker.
pub(super) struct Session {
    raw: RawSession,
    checked: HashMap<Name, ObjectHandle>,
    // After `raw`: fields drop in order, and a session must be closed before its access ends.
    access: Access,
}

impl Session {
    pub(super) fn open(access: &Access) -> Result<Self, ModuleError> {
        Ok(Self { raw: access.open_session()?, checked: HashMap::new(), access: access.clone() })
    }

    /// The session itself, for cryptography.
    pub(super) const fn raw(&self) -> &RawSession {
        &self.raw
    }

    /// Lets go of a session whose handle the module calls void, without closing it: the number may be another's by now.
    pub(super) fn forget(self) {
        std::mem::forget(self.raw);
    }

    /// The one object of this name.
    ///
    /// # Errors
    /// `NotFound` only when the token is well and logged in; `Ambiguous` when there are more.
    pub(super) fn find(&self, name: &Name) -> Result<ObjectHandle, Failure> {
        match self.find_all(name)?[..] {
            [] => Err(TokenError::NotFound(name.to_string()).into()),
            [handle] => Ok(handle),
            ref more => Err(TokenError::Ambiguous { what: name.to_string(), count: more.len() }.into()),
        }
    }

    /// The one object of this name that passes `check`; both are asked once per session.
    pub(super) fn find_checked(
        &mut self,
        name: &Name,
        check: impl Fn(&Self, ObjectHandle) -> Result<(), Failure>,
    ) -> Result<ObjectHandle, Failure> {
        if let Some(handle) = self.checked.get(name) {
            return Ok(*handle);
        }
        let handle = self.find(name)?;
        check(self, handle)?;
        self.checked.insert(name.clone(), handle);
        Ok(handle)
    }

    /// Makes sure that a key of this name can be made.
    pub(super) fn expect_absent(&self, name: &Name) -> Result<(), Failure> {
        match self.find_all(name)?[..] {
            [] => Ok(()),
            _ => Err(TokenError::Exists(name.to_string()).into()),
        }
    }

    /// Every object of this name; none only when that is believed.
    pub(super) fn find_all(&self, name: &Name) -> Result<Vec<ObjectHandle>, Failure> {
        let found = self.raw.find_objects(&name.template())?;
        if found.is_empty() {
            self.check_health()?;
        }
        Ok(found)
    }

    /// Whether the token is well and we are logged in: one that is not also says "no such object".
    pub(super) fn check_health(&self) -> Result<(), Failure> {
        self.access.check_health().map_err(Failure::Away)?;
        match self.raw.get_session_info()?.session_state() {
            SessionState::RoUser | SessionState::RwUser => Ok(()),
            _ => Err(Failure::LoggedOut),
        }
    }

    /// The attributes of an object that the token is willing to tell.
    pub(super) fn attributes(
        &self,
        handle: ObjectHandle,
        wanted: &[AttributeType],
    ) -> Result<Vec<Attribute>, Failure> {
        Ok(self.raw.get_attributes(handle, wanted)?)
    }

    /// Refuses an object that lacks one of these attributes or has another value in it.
    pub(super) fn require(
        &self,
        handle: ObjectHandle,
        name: &Name,
        required: &[Attribute],
    ) -> Result<(), Failure> {
        let kinds: Vec<AttributeType> = required.iter().map(Attribute::attribute_type).collect();
        let told = self.attributes(handle, &kinds)?;
        match required.iter().find(|wanted| !told.contains(wanted)) {
            None => Ok(()),
            Some(wanted) => {
                Err(TokenError::NonConforming(format!("{name} in the token lacks {wanted:?}")).into())
            }
        }
    }

    /// Destroys an object and forgets its handle.
    pub(super) fn destroy(&mut self, handle: ObjectHandle) -> Result<(), Failure> {
        self.checked.retain(|_, known| *known != handle);
        Ok(self.raw.destroy_object(handle)?)
    }
}
