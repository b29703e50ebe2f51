//! Randomness comes from the kernel at every draw. A generator in this process could repeat itself after a fork or when
//! a virtual machine is resumed twice from one snapshot; one repeated GCM nonce gives an attacker the authentication key.

use zeroize::Zeroizing;

/// Bytes of the longest nonce any algorithm takes.
pub const NONCE_MAX: usize = 24;

/// The kernel gave no randomness. Nothing may be sealed or made until it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the kernel's random generator gave no bytes")
    }
}

impl std::error::Error for NoRandomness {}

/// Fills `out` from the kernel's generator.
///
/// # Errors
/// [`NoRandomness`] when the kernel refuses; `out` is then unspecified and must not be used.
pub fn fill(out: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(out).map_err(|_| NoRandomness)
}

/// `N` random bytes that are no secret: identifiers, serial numbers, salts.
///
/// # Errors
/// [`NoRandomness`] when the kernel refuses.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

/// A nonce nobody else has: drawn here, moved into the one seal that uses it, and gone.
pub struct Nonce([u8; NONCE_MAX]);

impl Nonce {
    /// One fresh nonce.
    ///
    /// # Errors
    /// [`NoRandomness`] when the kernel refuses.
    pub fn draw() -> Result<Self, NoRandomness> {
        bytes().map(Self)
    }

    /// A nonce of the caller's choice: only to reproduce published vectors. Sealing data with one breaks the key.
    #[doc(hidden)]
    #[must_use]
    pub fn dangerous_fixed(bytes: [u8; NONCE_MAX]) -> Self {
        Self(bytes)
    }

    /// The first `N` bytes, for an algorithm whose nonce has that length.
    pub(crate) fn spend<const N: usize>(self) -> [u8; N] {
        const { assert!(N <= NONCE_MAX) };
        let mut out = [0; N];
        out.copy_from_slice(&self.0[..N]);
        out
    }
}

/// Nonces for a batch, drawn with one call to the kernel: a call costs as much as sealing a short field.
pub struct Nonces {
    drawn: Zeroizing<Vec<u8>>,
    spent: usize,
}

impl Nonces {
    /// Fresh nonces for `count` seals.
    ///
    /// # Errors
    /// [`NoRandomness`] when the kernel refuses.
    pub fn draw(count: usize) -> Result<Self, NoRandomness> {
        let mut drawn = Zeroizing::new(vec![0; count * NONCE_MAX]);
        fill(&mut drawn)?;
        Ok(Self { drawn, spent: 0 })
    }

    /// The next unspent nonce; draws another when more are asked for than were announced.
    ///
    /// # Errors
    /// [`NoRandomness`] when the kernel refuses.
    #[expect(clippy::should_implement_trait, reason = "an iterator ends quietly; nonces never end")]
    pub fn next(&mut self) -> Result<Nonce, NoRandomness> {
        let Some(bytes) = self.drawn[self.spent..].first_chunk::<NONCE_MAX>() else {
            return Nonce::draw();
        };
        self.spent += NONCE_MAX;
        Ok(Nonce(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_never_repeats_a_nonce_even_past_its_count() {
        let mut nonces = Nonces::draw(3).unwrap();
        let drawn: std::collections::HashSet<[u8; 24]> =
            (0..6).map(|_| nonces.next().unwrap().spend()).collect();
        assert_eq!(drawn.len(), 6);
    }
}
