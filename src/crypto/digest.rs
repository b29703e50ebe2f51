//! The state digest: one number that every row but blocks and statistics is part of, so that a row put back or taken out
//! shows. It is the sum modulo 2^256 of `HMAC-SHA-256(state key, table u16 | length u16 | key | stored value)`: adding and
//! taking away one row costs one HMAC each, whatever the size of the store. Blocks carry it sealed:
//! `HMAC-SHA-256(state key, FF FF | sum 32)`, and no table has the number FFFF.

use super::derive::MacKey;

/// The running sum. It is secret until sealed: with sums, rows could be forged to add up.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StateDigest([u64; 4]);

impl StateDigest {
    /// Takes one row in.
    pub fn add(&mut self, state_key: &MacKey, table: u16, key: &[u8], value: &[u8]) {
        self.merge(Self::term(state_key, table, key, value));
    }

    /// Takes in all rows of another digest: a scan can be shared out.
    pub fn merge(&mut self, term: Self) {
        let mut carry = false;
        for (sum, term) in self.0.iter_mut().zip(term.0) {
            let (partial, over) = sum.overflowing_add(term);
            let (total, over_again) = partial.overflowing_add(u64::from(carry));
            (*sum, carry) = (total, over | over_again);
        }
    }

    /// Takes one row out.
    pub fn remove(&mut self, state_key: &MacKey, table: u16, key: &[u8], value: &[u8]) {
        let term = Self::term(state_key, table, key, value);
        let mut borrow = false;
        for (sum, term) in self.0.iter_mut().zip(term.0) {
            let (partial, under) = sum.overflowing_sub(term);
            let (total, under_again) = partial.overflowing_sub(u64::from(borrow));
            (*sum, borrow) = (total, under | under_again);
        }
    }

    /// What a block header carries.
    #[must_use]
    pub fn seal(&self, state_key: &MacKey) -> [u8; 32] {
        state_key.tag(&[&[0xFF, 0xFF], &self.to_bytes()])
    }

    /// The sum, big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        let mut out = [0; 32];
        for (limb, bytes) in self.0.iter().rev().zip(out.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&limb.to_be_bytes());
        }
        out
    }

    #[expect(clippy::cast_possible_truncation, reason = "row keys are at most 255 bytes")]
    fn term(state_key: &MacKey, table: u16, key: &[u8], value: &[u8]) -> Self {
        let mac = state_key.tag(&[&table.to_be_bytes(), &(key.len() as u16).to_be_bytes(), key, value]);
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().rev().zip(mac.chunks_exact(8)) {
            *limb = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        }
        Self(limbs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::SecretKey;

    #[test]
    fn order_does_not_matter_and_removing_undoes_adding() {
        let key = MacKey::of(&SecretKey::generate().unwrap());
        let rows: Vec<([u8; 1], [u8; 1])> = (0..200).map(|n| ([n], [n ^ 0x55])).collect();
        let (mut forth, mut back) = (StateDigest::default(), StateDigest::default());
        for (row, value) in &rows {
            forth.add(&key, 2, row, value);
        }
        for (row, value) in rows.iter().rev() {
            back.add(&key, 2, row, value);
        }
        assert_eq!(forth.to_bytes(), back.to_bytes());
        for (row, value) in &rows {
            forth.remove(&key, 2, row, value);
        }
        assert_eq!(forth.to_bytes(), [0; 32]);
        let (mut one, mut other) = (StateDigest::default(), StateDigest::default());
        for (row, value) in &rows {
            if row[0] % 3 == 0 { one.add(&key, 2, row, value) } else { other.add(&key, 2, row, value) }
        }
        one.merge(other);
        assert_eq!(one.to_bytes(), back.to_bytes());
        back.remove(&key, 2, &rows[0].0, b"older value");
        back.add(&key, 2, &rows[0].0, &rows[0].1);
        assert_ne!(forth.seal(&key), back.seal(&key));
    }

    // Random rows never fill a limb with ones, so here the sum is laid beside the term by hand.
    #[test]
    fn a_carry_and_a_borrow_run_through_every_limb() {
        let key = MacKey::of(&SecretKey::take(&mut [1; 32]));
        let term = StateDigest::term(&key, 2, b"row", b"value");
        let mut sum = StateDigest(term.0.map(|limb| !limb));
        sum.0[0] += 1;
        sum.add(&key, 2, b"row", b"value");
        assert_eq!(sum.to_bytes(), [0; 32]);
        let mut sum = term;
        sum.0[0] -= 1;
        sum.remove(&key, 2, b"row", b"value");
        assert_eq!(sum.to_bytes(), [0xFF; 32]);
    }
}
