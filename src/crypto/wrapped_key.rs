//! A key under another key:
//!
//! ```text
//! 01 | how u8 | wrapping version u32 | nonce length u8 | nonce | ciphertext 32 | tag 16
//! ```
//!
//! `how` is 1 for XAES-256-GCM in process (79 bytes), 2 for AES-256-GCM in the token (67). What is wrapped is bound to
//! its place by the associated data, absent parts zero:
//!
//! ```text
//! "gembok/wrap/v1" 00 | kind u8 | algorithm u8 | project 16 | object 16 | key id u32 | version u32 | wrapping version u32
//! ```

use aead::KeyInit;
use xaes_256_gcm::Xaes256Gcm;
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, TAG_LEN};
use super::data_key;
use super::random::{NoRandomness, Nonce};
use super::secret::SecretKey;
use super::{Malformed, NotAuthentic, take};

const FORMAT: u8 = 1;
/// Bytes of a wrapped key without its nonce's: the ciphertext of 32 and the tag.
const SEALED_LEN: usize = 32 + TAG_LEN;
/// Bytes of [`Binding::aad`].
pub const AAD_LEN: usize = 15 + 2 + 32 + 12;

/// Who wrapped it, and so whose nonce length it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum How {
    /// XAES-256-GCM under a key of this process, 24-byte nonce.
    InProcess = 1,
    /// AES-256-GCM under a key of the token, 12-byte nonce.
    InToken = 2,
}

impl How {
    const fn nonce_len(self) -> usize {
        match self {
            Self::InProcess => 24,
            Self::InToken => 12,
        }
    }
}

/// What kind of key is wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A project's KEK, under the MK.
    Kek = 1,
    /// A store key generation, under the MK.
    Store = 2,
    /// A data key, under its project's KEK.
    Dek = 3,
    /// An index root, under its project's KEK.
    IndexRoot = 4,
    /// The backup key, under the MK.
    Backup = 5,
    /// The name key, under the store key.
    Name = 6,
    /// The subject key, under the store key.
    Subject = 7,
}

/// The place a wrapped key belongs to; it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    kind: Kind,
    algorithm: u8,
    project: [u8; 16],
    object: [u8; 16],
    key_id: u32,
    version: u32,
    wrapping_version: u32,
}

impl Binding {
    const fn bare(kind: Kind, version: u32, wrapping_version: u32) -> Self {
        Self { kind, algorithm: 0, project: [0; 16], object: [0; 16], key_id: 0, version, wrapping_version }
    }

    /// Version `version` of a project's KEK, under MK generation `mk`.
    #[must_use]
    pub const fn kek(project: [u8; 16], version: u32, mk: u32) -> Self {
        Self { project, ..Self::bare(Kind::Kek, version, mk) }
    }

    /// Store key generation `generation`, under MK generation `mk`.
    #[must_use]
    pub const fn store_key(generation: u32, mk: u32) -> Self {
        Self::bare(Kind::Store, generation, mk)
    }

    /// A key version's data key, under its project's KEK version `kek`.
    #[must_use]
    pub const fn data_key(
        algorithm: Algorithm,
        project: [u8; 16],
        object: [u8; 16],
        key_id: u32,
        version: u32,
        kek: u32,
    ) -> Self {
        Self { algorithm: algorithm.id(), project, object, key_id, ..Self::bare(Kind::Dek, version, kek) }
    }

    /// An index root's version, under its project's KEK version `kek`.
    #[must_use]
    pub const fn index_root(
        project: [u8; 16],
        object: [u8; 16],
        key_id: u32,
        version: u32,
        kek: u32,
    ) -> Self {
        Self { project, object, key_id, ..Self::bare(Kind::IndexRoot, version, kek) }
    }

    /// The backup key, generation `version`, under MK generation `mk`.
    #[must_use]
    pub const fn backup_key(version: u32, mk: u32) -> Self {
        Self::bare(Kind::Backup, version, mk)
    }

    /// The name key, under store key generation `store`.
    #[must_use]
    pub const fn name_key(store: u32) -> Self {
        Self::bare(Kind::Name, 1, store)
    }

    /// The subject key, under store key generation `store`.
    #[must_use]
    pub const fn subject_key(store: u32) -> Self {
        Self::bare(Kind::Subject, 1, store)
    }

    /// The version of the wrapping key it asks for.
    #[must_use]
    pub const fn wrapping_version(&self) -> u32 {
        self.wrapping_version
    }

    /// The associated data.
    #[must_use]
    pub fn aad(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(AAD_LEN);
        out.extend_from_slice(b"gembok/wrap/v1\0");
        out.extend_from_slice(&[self.kind as u8, self.algorithm]);
        out.extend_from_slice(&self.project);
        out.extend_from_slice(&self.object);
        for number in [self.key_id, self.version, self.wrapping_version] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out
    }
}

/// A wrapped key as it is stored. Public bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    how: How,
    wrapping_version: u32,
    nonce: Vec<u8>,
    sealed: [u8; SEALED_LEN],
}

impl WrappedKey {
    /// What the token made: a 12-byte nonce, then 32 bytes of ciphertext and 16 of tag.
    ///
    /// # Errors
    /// [`Malformed`] when the token used another nonce length or gave another length back.
    pub fn from_token(wrapping_version: u32, nonce: &[u8], sealed: &[u8]) -> Result<Self, Malformed> {
        if nonce.len() != How::InToken.nonce_len() {
            return Err(Malformed("the token used a nonce that is not 12 bytes long"));
        }
        let sealed = sealed
            .try_into()
            .map_err(|_| Malformed("the token's ciphertext is not 32 bytes and a 16-byte tag"))?;
        Ok(Self { how: How::InToken, wrapping_version, nonce: nonce.to_vec(), sealed })
    }

    /// Who wrapped it.
    #[must_use]
    pub const fn how(&self) -> How {
        self.how
    }

    /// The generation or version of the key it is wrapped under.
    #[must_use]
    pub const fn wrapping_version(&self) -> u32 {
        self.wrapping_version
    }

    /// The nonce: 24 or 12 bytes by [`WrappedKey::how`].
    #[must_use]
    pub fn nonce(&self) -> &[u8] {
        &self.nonce
    }

    /// Ciphertext and tag, 48 bytes.
    #[must_use]
    pub const fn sealed(&self) -> &[u8; SEALED_LEN] {
        &self.sealed
    }

    /// The stored bytes.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the nonce is 12 or 24 bytes long")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let version = self.wrapping_version.to_be_bytes();
        [&[FORMAT, self.how as u8][..], &version, &[self.nonce.len() as u8], &self.nonce, &self.sealed]
            .concat()
    }

    /// Reads the stored bytes; the inverse of [`WrappedKey::to_bytes`].
    ///
    /// # Errors
    /// [`Malformed`] for another format, an unknown `how`, or any other length.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        const SHORT: Malformed = Malformed("the wrapped key has not the length of its kind");
        let mut rest = bytes;
        let [format, how] = take(&mut rest).ok_or(SHORT)?;
        if format != FORMAT {
            return Err(Malformed("the wrapped key's format is not known"));
        }
        let how = match how {
            1 => How::InProcess,
            2 => How::InToken,
            _ => return Err(Malformed("the wrapped key's way of wrapping is not known")),
        };
        let wrapping_version = u32::from_be_bytes(take(&mut rest).ok_or(SHORT)?);
        let [nonce_len] = take(&mut rest).ok_or(SHORT)?;
        if usize::from(nonce_len) != how.nonce_len() || rest.len() != how.nonce_len() + SEALED_LEN {
            return Err(SHORT);
        }
        let (nonce, sealed) = rest.split_at(how.nonce_len());
        let sealed = sealed.try_into().map_err(|_| SHORT)?;
        Ok(Self { how, wrapping_version, nonce: nonce.to_vec(), sealed })
    }
}

/// A key of this process that wraps others: a KEK, or a store key in its second role.
pub struct WrappingKey {
    version: u32,
    cipher: Box<Xaes256Gcm>,
}

impl WrappingKey {
    /// Expands `key`, which is version (or generation) `version` of its kind.
    #[must_use]
    pub fn new(version: u32, key: &SecretKey) -> Self {
        Self { version, cipher: Box::new(Xaes256Gcm::new(key.expose().into())) }
    }

    /// Its own version or generation.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Wraps `key` for its place.
    ///
    /// # Errors
    /// [`NoRandomness`] when no nonce can be drawn.
    pub fn wrap(&self, key: &SecretKey, binding: &Binding) -> Result<WrappedKey, NoRandomness> {
        // The wrapping version is this key's own, or nobody could open what was wrapped.
        let binding = Binding { wrapping_version: self.version, ..*binding };
        let nonce = Nonce::draw()?;
        let bytes = data_key::seal::<_, 24>(&*self.cipher, &[], nonce, &binding.aad(), key.expose())
            .map_err(|_| NoRandomness)?;
        let (nonce, sealed) = bytes.split_at(24);
        let sealed = sealed.try_into().map_err(|_| NoRandomness)?;
        Ok(WrappedKey { how: How::InProcess, wrapping_version: self.version, nonce: nonce.to_vec(), sealed })
    }

    /// Opens what [`WrappingKey::wrap`] made for the same place.
    ///
    /// # Errors
    /// [`NotAuthentic`] when it was wrapped by the token, by another version, for another place, or altered.
    pub fn unwrap(&self, wrapped: &WrappedKey, binding: &Binding) -> Result<SecretKey, NotAuthentic> {
        if wrapped.how != How::InProcess
            || wrapped.wrapping_version != self.version
            || binding.wrapping_version != self.version
        {
            return Err(NotAuthentic);
        }
        let mut key: Zeroizing<Vec<u8>> =
            data_key::open(&*self.cipher, &wrapped.nonce, &wrapped.sealed, &binding.aad())?;
        SecretKey::take_slice(std::mem::take(&mut key)).ok_or(NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_key_opens_only_in_its_place() {
        let kek = WrappingKey::new(3, &SecretKey::generate().unwrap());
        let key = SecretKey::generate().unwrap();
        let place = Binding::data_key(Algorithm::Xaes256Gcm, [1; 16], [2; 16], 7, 1, 3);
        let wrapped = kek.wrap(&key, &place).unwrap();
        assert_eq!(wrapped.to_bytes().len(), 79);
        assert_eq!(kek.unwrap(&wrapped, &place).unwrap().expose(), key.expose());
        for elsewhere in [
            Binding::data_key(Algorithm::Aes256Gcm, [1; 16], [2; 16], 7, 1, 3),
            Binding::data_key(Algorithm::Xaes256Gcm, [1; 16], [3; 16], 7, 1, 3),
            Binding::data_key(Algorithm::Xaes256Gcm, [1; 16], [2; 16], 7, 2, 3),
            Binding::index_root([1; 16], [2; 16], 7, 1, 3),
        ] {
            assert!(kek.unwrap(&wrapped, &elsewhere).is_err());
        }
    }

    #[test]
    fn parse_is_the_inverse_and_refuses_the_rest() {
        let token = WrappedKey::from_token(1, &[9; 12], &[8; 48]).unwrap();
        assert_eq!(token.to_bytes().len(), 67);
        assert_eq!(WrappedKey::parse(&token.to_bytes()), Ok(token.clone()));
        assert!(WrappedKey::from_token(1, &[9; 16], &[8; 48]).is_err());
        let mut longer = token.to_bytes();
        longer.push(0);
        assert!(WrappedKey::parse(&longer).is_err());
        let mut claims_in_process = token.to_bytes();
        claims_in_process[1] = 1;
        assert!(WrappedKey::parse(&claims_in_process).is_err());
    }
}
