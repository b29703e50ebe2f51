//! A certificate with its key in a PKCS #12 file, as browsers and openssl import it: PBES2 with AES-256 and a MAC by
//! HMAC-SHA-256. The passphrase is made here and shown once, or read from a file; it never stands on a command line.

use std::path::Path;

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};
use zeroize::Zeroizing;

use crate::config::read_secret;
use crate::crypto::random;
use crate::desk::answer::Issued;

use super::error::CliError;
use super::files::MadeKey;
use super::say_answer;
use super::say_trouble::{self as say, fixed};

/// Of PBKDF2 and of the MAC's key: a passphrase from a file may be a weak one.
const ITERATIONS: u32 = 100_000;
/// Characters of a passphrase from a file, at least.
const PASSPHRASE_CHARS_MIN: usize = 12;
/// Characters of one that is made: five groups of five, 125 random bits.
const PASSPHRASE_CHARS: usize = 25;
const PASSPHRASE_GROUP: usize = 5;
/// No two of them look alike.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What opens the file.
pub(super) struct Passphrase(Zeroizing<String>);

impl Passphrase {
    pub(super) fn make() -> Result<Self, CliError> {
        let mut drawn = Zeroizing::new([0; PASSPHRASE_CHARS]);
        random::fill(drawn.as_mut_slice()).map_err(|_| CliError::Own(fixed::NO_RANDOM.into()))?;
        let mut text =
            Zeroizing::new(String::with_capacity(PASSPHRASE_CHARS + PASSPHRASE_CHARS / PASSPHRASE_GROUP));
        for (at, byte) in drawn.iter().enumerate() {
            if at > 0 && at % PASSPHRASE_GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Ok(Self(text))
    }

    /// The first line of a file that nobody else may read.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let bytes =
            read_secret(path).map_err(|error| CliError::Foreign(format!("{error}\n  {}", error.hint())))?;
        let text = std::str::from_utf8(&bytes).ok().and_then(|text| text.lines().next()).unwrap_or_default();
        if text.chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(CliError::Own(say::short_passphrase(path.display(), PASSPHRASE_CHARS_MIN)));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// For eyes, once.
    pub(super) fn told(&self) -> Zeroizing<String> {
        Zeroizing::new(say_answer::passphrase(self.0.as_str()).into())
    }
}

/// The file's bytes.
pub(super) fn pack(
    name: &str,
    issued: &Issued,
    key: &MadeKey,
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let flaw = |error: p12_keystore::error::Error| CliError::Own(say::no_p12(error));
    let certificate = |pem_text: &str| {
        let block = pem::parse(pem_text).map_err(|_| CliError::Answer)?;
        Certificate::from_der(block.contents()).map_err(flaw)
    };
    let chain = [certificate(&issued.certificate_pem)?, certificate(&issued.ca_pem)?];
    let private = PrivateKey::from_der(&key.der).map_err(flaw)?;
    let mut store = KeyStore::new();
    // The id is what ties key and certificate together in the file.
    let entry = PrivateKeyChain::new(issued.spki.as_str(), private, chain);
    store.add_entry(&format!("gembok {name}"), KeyStoreEntry::PrivateKeyChain(entry));
    let packed = store
        .writer(&passphrase.0)
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(ITERATIONS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(ITERATIONS)
        .write();
    packed.map(Zeroizing::new).map_err(flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_passphrase_is_five_groups_of_five() {
        let (one, other) = (Passphrase::make(), Passphrase::make());
        let (Ok(one), Ok(other)) = (one, other) else { panic!("none was made") };
        assert_ne!(*one.0, *other.0);
        let groups: Vec<&str> = one.0.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 5]);
        assert!(one.0.bytes().all(|byte| byte == b'-' || ALPHABET.contains(&byte)));
    }
}
