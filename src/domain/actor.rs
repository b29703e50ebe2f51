//! Who did something, as every audit record says it.

use std::fmt;

use super::id::{EndpointId, UserId};

/// The one who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// An enrolled client system.
    Endpoint(EndpointId),
    /// Whoever opened the local socket, by the uid the kernel gave.
    Local(u32),
    /// The appliance itself: leases, daily lists, expiry.
    System,
    /// A person, by certificate or session.
    User(UserId),
}

/// `endpoint:<uuid>`, `local:<uid>`, `system`, `user:<uuid>`.
impl fmt::Display for Actor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(id) => write!(out, "endpoint:{id}"),
            Self::Local(uid) => write!(out, "local:{uid}"),
            Self::System => out.write_str("system"),
            Self::User(id) => write!(out, "user:{id}"),
        }
    }
}
