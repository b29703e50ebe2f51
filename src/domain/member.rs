//! A membership: this user owns that project, together with its other members.

use minicbor::{Decode, Encode};

use super::id::{ProjectId, UserId};
use super::timestamp::Timestamp;

/// A membership as it is stored under its [`Member::row_key`]; that it exists is what counts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Member {
    /// Since when.
    #[n(0)]
    pub created: Timestamp,
}

impl Member {
    /// `project id 16 | user id 16`.
    #[must_use]
    pub fn row_key(project: ProjectId, user: UserId) -> [u8; 32] {
        let mut key = [0; 32];
        key[..16].copy_from_slice(project.as_bytes());
        key[16..].copy_from_slice(user.as_bytes());
        key
    }

    /// The project and the user in a row key.
    #[must_use]
    pub fn from_row_key(key: &[u8]) -> Option<(ProjectId, UserId)> {
        let key: &[u8; 32] = key.try_into().ok()?;
        Some((ProjectId::from_bytes(*key.first_chunk()?), UserId::from_bytes(*key.last_chunk()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_key_leads_back() {
        let (project, user) = (ProjectId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let key = Member::row_key(project, user);
        assert_eq!(Member::from_row_key(&key), Some((project, user)));
        assert_eq!(Member::from_row_key(&key[1..]), None);
    }
}
