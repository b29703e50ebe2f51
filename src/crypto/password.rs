//! Passwords at rest: Argon2id (RFC 9106), the second of its recommended choices: 64 MiB, three passes, four lanes, a random
//! salt of 16 bytes, 32 bytes out. This is the one home of those numbers; each hash is kept with its own, so they can be raised.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a salt.
pub const SALT_LEN: usize = 16;
/// Bytes of a hash.
pub const HASH_LEN: usize = 32;
/// Kibibytes that one hashing may be told to take: a stored row must not make us take all there are.
const MEMORY_KIB_MAX: u32 = 1 << 20;

/// What one hashing costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes of it.
    pub lanes: u32,
}

impl Cost {
    /// Of every password that is set now.
    pub const PRESENT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 4 };
}

/// There was no memory to hash in, or the stored cost is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotHashed;

impl std::fmt::Display for NotHashed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(
            "a password cannot be hashed: too little memory may be locked, or its stored cost is none",
        )
    }
}

impl std::error::Error for NotHashed {}

/// A password's hash, on its way to a row or to a comparison; wiped when dropped.
pub struct PasswordHash(Zeroizing<[u8; HASH_LEN]>);

impl PasswordHash {
    /// Hashes a password. Takes its time and its memory: whoever calls bounds how often at once.
    ///
    /// # Errors
    /// [`NotHashed`].
    pub fn of(password: &str, salt: &[u8; SALT_LEN], cost: Cost) -> Result<Self, NotHashed> {
        let Cost { memory_kib, passes, lanes } = cost;
        if memory_kib > MEMORY_KIB_MAX {
            return Err(NotHashed);
        }
        let params = Params::new(memory_kib, passes, lanes, Some(HASH_LEN)).map_err(|_| NotHashed)?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(params.block_count()).map_err(|_| NotHashed)?;
        memory.resize(params.block_count(), Block::default());
        let mut hash = Zeroizing::new([0; HASH_LEN]);
        let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
            password.as_bytes(),
            salt,
            hash.as_mut_slice(),
            &mut memory,
        );
        memory.iter_mut().for_each(Zeroize::zeroize);
        hashed.map(|()| Self(hash)).map_err(|_| NotHashed)
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn expose(&self) -> &[u8; HASH_LEN] {
        &self.0
    }

    /// Whether it is the stored one, in constant time.
    #[must_use]
    pub fn is(&self, stored: &[u8; HASH_LEN]) -> bool {
        self.0.as_slice().ct_eq(stored).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex::to_hex;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 3, lanes: 4 };

    #[test]
    fn it_is_the_reference_implementations_hash() {
        // python3, cryptography 50: Argon2id(salt=b"saltsaltsaltsalt", length=32, iterations=3, lanes=4, memory_cost=64)
        let hash = PasswordHash::of("kata sandi yang panjang", b"saltsaltsaltsalt", CHEAP).unwrap();
        assert_eq!(to_hex(hash.expose()), ARGON2_REFERENCE);
        assert!(hash.is(hash.expose()) && !hash.is(&[0; HASH_LEN]));
    }

    const ARGON2_REFERENCE: &str = "f3048cdfac3529c858b21b037c309cbbf861d426abca7b30738f48ff50fe203b";

    #[test]
    fn a_cost_that_is_none_is_refused() {
        for cost in [
            Cost { memory_kib: 1, ..CHEAP },
            Cost { passes: 0, ..CHEAP },
            Cost { lanes: 0, ..CHEAP },
            Cost { memory_kib: u32::MAX, ..CHEAP },
        ] {
            assert!(PasswordHash::of("x", &[0; 16], cost).is_err(), "{cost:?}");
        }
    }

    #[test]
    fn the_present_cost_is_the_recommended_one() {
        assert!(PasswordHash::of("x", &[0; 16], Cost::PRESENT).is_ok());
        let Cost { memory_kib, passes, lanes } = Cost::PRESENT;
        assert_eq!((memory_kib, passes, lanes), (65_536, 3, 4));
    }
}
