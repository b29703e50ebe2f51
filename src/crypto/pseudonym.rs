//! Subject pseudonyms: what a record says of whom a value is about. Equal within a project for equal subjects, and nothing
//! else; across projects unlike. Whoever has the subject key can try values; nobody can without.
//!
//! ```text
//! HMAC-SHA-256(subject key, "gembok/subject/v1" 00 | project 16 | value)[..16]
//! ```

use std::fmt;

use super::derive::MacKey;
use super::hex::to_hex;
use super::secret::SecretKey;

const LABEL: &[u8] = b"gembok/subject/v1\0";

/// The key that makes pseudonyms.
pub struct SubjectKey(MacKey);

/// Stands for one subject of one project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym(pub [u8; 16]);

impl SubjectKey {
    /// Over the random key that the boot row keeps wrapped.
    #[must_use]
    pub fn of(key: &SecretKey) -> Self {
        Self(MacKey::of(key))
    }

    /// Of a subject of a project.
    #[must_use]
    pub fn pseudonym(&self, project: &[u8; 16], value: &str) -> Pseudonym {
        let tag = self.0.tag(&[LABEL, project, value.as_bytes()]);
        let mut pseudonym = [0; 16];
        pseudonym.copy_from_slice(&tag[..16]);
        Pseudonym(pseudonym)
    }
}

/// 32 lower-case hex digits.
impl fmt::Display for Pseudonym {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&to_hex(&self.0))
    }
}
