//! A frozen subject: one person of one project whose data is not decrypted for the time being (UU PDP, articles 40 and 41).
//! Who that is, only the pseudonym says.

use minicbor::{Decode, Encode};

use crate::crypto::pseudonym::Pseudonym;

use super::id::ProjectId;
use super::timestamp::Timestamp;

/// A freeze as it is stored under its [`FrozenSubject::row_key`]; that it exists is what counts, damaged or not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FrozenSubject {
    /// Since when.
    #[n(0)]
    pub since: Timestamp,
}

impl FrozenSubject {
    /// `project id 16 | pseudonym 16`.
    #[must_use]
    pub fn row_key(project: ProjectId, subject: Pseudonym) -> [u8; 32] {
        let mut key = [0; 32];
        key[..16].copy_from_slice(project.as_bytes());
        key[16..].copy_from_slice(&subject.0);
        key
    }

    /// The project and the subject in a row key.
    #[must_use]
    pub fn from_row_key(key: &[u8]) -> Option<(ProjectId, Pseudonym)> {
        let key: &[u8; 32] = key.try_into().ok()?;
        Some((ProjectId::from_bytes(*key.first_chunk()?), Pseudonym(*key.last_chunk()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_key_leads_back() {
        let (project, subject) = (ProjectId::from_bytes([1; 16]), Pseudonym([2; 16]));
        let key = FrozenSubject::row_key(project, subject);
        assert_eq!(FrozenSubject::from_row_key(&key), Some((project, subject)));
        assert_eq!(FrozenSubject::from_row_key(&key[1..]), None);
    }
}
