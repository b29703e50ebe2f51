//! The files of policies as they were read: which bytes each had, by digest, so that the trail says which were in force when.
//! `access.cedarschema` is none of them: it is the program's, and one that says anything else is refused.

use sha2::{Digest, Sha256};

/// How many there are.
const FILES: usize = 3;

/// The digests of `access.cedar`, `crypto.toml` and `limits.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyFiles([[u8; 32]; FILES]);

impl PolicyFiles {
    /// What they are called, in the order of [`PolicyFiles::of`].
    pub const NAMES: [&'static str; FILES] = ["access.cedar", "crypto.toml", "limits.toml"];

    /// Of their texts, byte for byte.
    #[must_use]
    pub fn of(access: &str, crypto: &str, limits: &str) -> Self {
        Self([access, crypto, limits].map(|text| Sha256::digest(text.as_bytes()).into()))
    }

    /// Each by its name.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, [u8; 32])> {
        Self::NAMES.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_its_own_digest() {
        let files = PolicyFiles::of("satu", "dua", "tiga");
        let changed = PolicyFiles::of("satu", "dua ", "tiga");
        let differ = files.each().zip(changed.each()).filter(|(before, after)| before != after);
        assert_eq!(differ.map(|((name, _), _)| name).collect::<Vec<_>>(), ["crypto.toml"]);
    }
}
