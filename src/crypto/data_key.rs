//! Sealing and opening fields under one key version's data key.

use aead::{AeadInOut, KeyInit, Nonce as AeadNonce, Tag};
use aes_gcm::Aes256Gcm;
use aes_gcm_siv::Aes256GcmSiv;
use chacha20poly1305::XChaCha20Poly1305;
use xaes_256_gcm::Xaes256Gcm;
use zeroize::Zeroizing;

use super::NotAuthentic;
use super::algorithm::{Algorithm, TAG_LEN};
use super::envelope::{Envelope, HEADER_LEN};
use super::random::Nonce;
use super::secret::SecretKey;

/// A data key ready for use: key schedules expanded once, wiped when dropped.
pub struct DataKey(Cipher);

// Boxed, so that moving a DataKey leaves no copy of a key schedule behind.
enum Cipher {
    Xaes256Gcm(Box<Xaes256Gcm>),
    Aes256Gcm(Box<Aes256Gcm>),
    Aes256GcmSiv(Box<Aes256GcmSiv>),
    XChaCha20Poly1305(Box<XChaCha20Poly1305>),
}

impl DataKey {
    /// Expands `key` for `algorithm`.
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &SecretKey) -> Self {
        let key = key.expose().into();
        Self(match algorithm {
            Algorithm::Xaes256Gcm => Cipher::Xaes256Gcm(Box::new(Xaes256Gcm::new(key))),
            Algorithm::Aes256Gcm => Cipher::Aes256Gcm(Box::new(Aes256Gcm::new(key))),
            Algorithm::Aes256GcmSiv => Cipher::Aes256GcmSiv(Box::new(Aes256GcmSiv::new(key))),
            Algorithm::XChaCha20Poly1305 => Cipher::XChaCha20Poly1305(Box::new(XChaCha20Poly1305::new(key))),
        })
    }

    /// The algorithm it was expanded for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Cipher::Xaes256Gcm(_) => Algorithm::Xaes256Gcm,
            Cipher::Aes256Gcm(_) => Algorithm::Aes256Gcm,
            Cipher::Aes256GcmSiv(_) => Algorithm::Aes256GcmSiv,
            Cipher::XChaCha20Poly1305(_) => Algorithm::XChaCha20Poly1305,
        }
    }

    /// Seals `plaintext` into a whole envelope whose header is `header`. The caller has made `header` for this key and
    /// written it into `aad`.
    ///
    /// # Errors
    /// [`NotAuthentic`] only for lengths past the algorithm's (2^36 bytes), which no request reaches.
    pub fn seal(
        &self,
        header: &[u8; HEADER_LEN],
        nonce: Nonce,
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, NotAuthentic> {
        match &self.0 {
            Cipher::Xaes256Gcm(cipher) => seal::<_, 24>(&**cipher, header, nonce, aad, plaintext),
            Cipher::Aes256Gcm(cipher) => seal::<_, 12>(&**cipher, header, nonce, aad, plaintext),
            Cipher::Aes256GcmSiv(cipher) => seal::<_, 12>(&**cipher, header, nonce, aad, plaintext),
            Cipher::XChaCha20Poly1305(cipher) => seal::<_, 24>(&**cipher, header, nonce, aad, plaintext),
        }
    }

    /// Opens what [`DataKey::seal`] made with the same `aad`.
    ///
    /// # Errors
    /// [`NotAuthentic`] when anything at all differs; nothing of the plaintext is left then.
    pub fn open(&self, envelope: &Envelope<'_>, aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        if envelope.header.algorithm != self.algorithm() {
            return Err(NotAuthentic);
        }
        match &self.0 {
            Cipher::Xaes256Gcm(cipher) => open(&**cipher, envelope.nonce, envelope.sealed, aad),
            Cipher::Aes256Gcm(cipher) => open(&**cipher, envelope.nonce, envelope.sealed, aad),
            Cipher::Aes256GcmSiv(cipher) => open(&**cipher, envelope.nonce, envelope.sealed, aad),
            Cipher::XChaCha20Poly1305(cipher) => open(&**cipher, envelope.nonce, envelope.sealed, aad),
        }
    }
}

/// Bytes from which buffers come in powers of two.
const LARGE_BUFFER_BYTES: usize = 1 << 15;

/// How large a buffer to ask for that takes `len` bytes. Blocks of the journal are never of one length twice, and an allocator
/// keeps some memory for every size class it has seen; so large buffers share few.
pub(crate) const fn buffer_capacity(len: usize) -> usize {
    if len < LARGE_BUFFER_BYTES { len } else { len.next_power_of_two() }
}

/// `head | nonce | ciphertext | tag`, in one buffer and in place.
pub(super) fn seal<C: AeadInOut, const N: usize>(
    cipher: &C,
    head: &[u8],
    nonce: Nonce,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, NotAuthentic> {
    let nonce: [u8; N] = nonce.spend();
    let body = head.len() + N;
    let mut out = Vec::with_capacity(buffer_capacity(body + plaintext.len() + TAG_LEN));
    out.extend_from_slice(head);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plaintext);
    let nonce = <&AeadNonce<C>>::try_from(&nonce[..]).map_err(|_| NotAuthentic)?;
    let sealed = cipher.encrypt_inout_detached(nonce, aad, (&mut out[body..]).into());
    match sealed {
        Ok(tag) => {
            out.extend_from_slice(&tag);
            Ok(out)
        }
        Err(_) => {
            zeroize::Zeroize::zeroize(&mut out);
            Err(NotAuthentic)
        }
    }
}

/// The plaintext of `ciphertext | tag`.
pub(super) fn open<C: AeadInOut>(
    cipher: &C,
    nonce: &[u8],
    sealed: &[u8],
    aad: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let nonce = <&AeadNonce<C>>::try_from(nonce).map_err(|_| NotAuthentic)?;
    let at = sealed.len().checked_sub(TAG_LEN).ok_or(NotAuthentic)?;
    let tag = <&Tag<C>>::try_from(&sealed[at..]).map_err(|_| NotAuthentic)?;
    let mut plaintext = Zeroizing::new(sealed[..at].to_vec());
    cipher
        .decrypt_inout_detached(nonce, aad, plaintext.as_mut_slice().into(), tag)
        .map_err(|_| NotAuthentic)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::envelope::Header;

    #[test]
    fn only_the_same_key_and_binding_open_an_envelope() {
        for algorithm in Algorithm::ALL {
            let key = DataKey::new(algorithm, &SecretKey::generate().unwrap());
            let other = DataKey::new(algorithm, &SecretKey::generate().unwrap());
            let header = Header { algorithm, key_id: 9, key_version: 1 }.to_bytes();
            let sealed = key.seal(&header, Nonce::draw().unwrap(), b"row 1", b"3602041211870001").unwrap();
            let envelope = Envelope::parse(&sealed).unwrap();
            assert_eq!(key.open(&envelope, b"row 1").unwrap().as_slice(), b"3602041211870001");
            assert!(key.open(&envelope, b"row 2").is_err());
            assert!(other.open(&envelope, b"row 1").is_err());
            for at in HEADER_LEN..sealed.len() {
                let mut bent = sealed.clone();
                bent[at] ^= 1;
                assert!(
                    key.open(&Envelope::parse(&bent).unwrap(), b"row 1").is_err(),
                    "{algorithm:?} byte {at}"
                );
            }
        }
    }
}
