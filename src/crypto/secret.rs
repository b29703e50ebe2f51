//! A secret has a type that cannot speak: no `Debug`, no `Clone`, no `Serialize`; its bytes are wiped when it is dropped,
//! and reading them takes a word that can be searched for.

use secrecy::{ExposeSecret, SecretBox};
use zeroize::{Zeroize, Zeroizing};

use super::random::{self, NoRandomness};

/// 256 bits of key: a KEK, a data key, a store key, an index root, before it is made into a cipher.
pub struct SecretKey(SecretBox<[u8; 32]>);

impl SecretKey {
    /// A new key from the kernel's generator.
    ///
    /// # Errors
    /// [`NoRandomness`] when the kernel refuses.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut drawn = Ok(());
        let key = SecretBox::init_with_mut(|bytes: &mut [u8; 32]| drawn = random::fill(bytes));
        drawn.map(|()| Self(key))
    }

    /// Takes the key out of `bytes` and wipes them.
    #[must_use]
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let key = SecretBox::init_with_mut(|key: &mut [u8; 32]| key.copy_from_slice(bytes));
        bytes.zeroize();
        Self(key)
    }

    /// Takes the key out of a buffer that must hold exactly 32 bytes; `None` when it does not. The buffer is wiped.
    #[must_use]
    pub fn take_slice(bytes: Zeroizing<Vec<u8>>) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.as_slice().try_into().ok()?;
        Some(Self(SecretBox::init_with_mut(|key: &mut [u8; 32]| key.copy_from_slice(bytes))))
    }

    /// The bytes, for the ciphers and the token only.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}
