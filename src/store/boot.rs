//! The boot row: the only clear value in the store, so that a locked appliance can be unlocked. It lies as
//!
//! ```text
//! deterministic CBOR map (RFC 8949 §4.2, integer keys) | HMAC-SHA-256(boot MAC key, that CBOR) 32
//! ```
//!
//! Before the MAC is checked, at unlock, it is a claim: good enough to ask the token for the store key, and for nothing
//! else. Absent optional parts are left out of the map; unknown keys and any other encoding of the same content are
//! refused.

use minicbor::{Decode, Encode};

use super::disk::guarded;
use super::error::StoreError;
use super::table::Table;
use super::{Inner, Store};
use crate::crypto::derive::MacKey;

const MAC_LEN: usize = 32;
/// Longest boot row, bytes: escrow blobs and share commitments of many generations stay far below.
pub const BOOT_BYTES_MAX: usize = 1 << 20;

/// What is known of an appliance before it is unlocked. Keys in it are wrapped; nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Boot {
    /// The store's format when this row was written.
    #[n(0)]
    pub format_version: u32,
    /// The appliance's UUID, which is also its chain's id.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub appliance_id: [u8; 16],
    /// Counts restores.
    #[n(2)]
    pub epoch: u32,
    /// Serial number of the token that holds the master key.
    #[n(3)]
    pub token_serial: String,
    /// Every generation of the master key there ever was, oldest first.
    #[n(4)]
    pub master_keys: Vec<MasterKeyEntry>,
    /// Every generation of the store key that rows still name.
    #[n(5)]
    pub store_keys: Vec<StoreKeyEntry>,
    /// The generation that seals, and whose MAC is on this row.
    #[n(6)]
    pub current_store_key: u32,
    /// The name key, wrapped under the current store key.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub name_key: Vec<u8>,
    /// The subject key, wrapped under the current store key.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub subject_key: Vec<u8>,
    /// The backup key, wrapped under the master key.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub backup_key: Option<Vec<u8>>,
    /// The CA's key in the token.
    #[n(10)]
    pub ca_key: CaKeyEntry,
    /// The keys that sign checkpoints, one per epoch.
    #[n(11)]
    pub checkpoint_keys: Vec<CheckpointKeyEntry>,
    /// What recovery shares are checked against.
    #[n(12)]
    pub share_sets: Vec<ShareSet>,
    /// Sealed shares of the PIN, for an unlock by officers.
    #[n(13)]
    pub unlock_slots: Vec<Blob>,
    /// Officers' verifiers.
    #[n(14)]
    pub officers: Vec<Blob>,
    /// Whether one person alone made this store; it can never become a real one.
    #[n(15)]
    pub sandbox: bool,
}

/// One generation of the master key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MasterKeyEntry {
    /// From 1.
    #[n(0)]
    pub generation: u32,
    /// Its label in the token.
    #[n(1)]
    pub label: String,
    /// Its check value, for eyes only.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub kcv: [u8; 3],
    /// Where it is in its life.
    #[n(3)]
    pub state: MasterKeyState,
    /// The key wrapped under the backup key, if it can be recovered.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub escrow: Option<Vec<u8>>,
}

/// Where a generation of the master key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum MasterKeyState {
    /// It wraps.
    #[n(1)]
    Current,
    /// It only unwraps.
    #[n(2)]
    Retiring,
    /// It is gone from the token.
    #[n(3)]
    Destroyed,
}

/// One generation of the store key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct StoreKeyEntry {
    /// From 1.
    #[n(0)]
    pub generation: u32,
    /// The key, wrapped under the master key ([`crate::crypto::wrapped_key`]).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub wrapped: Vec<u8>,
}

/// The CA's key pair.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CaKeyEntry {
    /// Its label in the token.
    #[n(0)]
    pub label: String,
    /// The private key wrapped under the backup key, if it can be recovered.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub escrow: Option<Vec<u8>>,
}

/// A key pair that signs checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CheckpointKeyEntry {
    /// The epoch it was made for.
    #[n(0)]
    pub epoch: u32,
    /// Its label in the token.
    #[n(1)]
    pub label: String,
    /// The public key, `SubjectPublicKeyInfo` in DER.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub spki: Vec<u8>,
}

/// The commitments of one set of recovery shares.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ShareSet {
    /// The set's random id, which every share of it carries.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub id: [u8; 8],
    /// One commitment per share, 32 bytes, in order of index.
    #[n(1)]
    pub commitments: Vec<Blob>,
}

/// A byte string whose layout belongs to whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Blob(
    /// The bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub Vec<u8>,
);

impl Boot {
    /// The CBOR that the MAC is over.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        // Cannot fail: the map is written to memory.
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Reads the CBOR; the inverse of [`Boot::to_cbor`].
    ///
    /// # Errors
    /// [`StoreError::BootMalformed`] for anything but the one deterministic encoding of a boot row.
    pub fn parse(cbor: &[u8]) -> Result<Self, StoreError> {
        let boot: Self = minicbor::decode(cbor)
            .map_err(|_| StoreError::BootMalformed("it is not the CBOR map this program knows"))?;
        if boot.to_cbor() == cbor {
            Ok(boot)
        } else {
            Err(StoreError::BootMalformed("it is not deterministic CBOR, or has members not known here"))
        }
    }

    /// A stored row that was kept elsewhere, without its MAC: a claim.
    #[must_use]
    pub fn logged(row: &[u8]) -> Option<Self> {
        Self::claimed(row).ok()
    }

    /// The stored row.
    pub(super) fn to_row(&self, boot_mac_key: &MacKey) -> Vec<u8> {
        let mut row = self.to_cbor();
        let mac = boot_mac_key.tag(&[&row]);
        row.extend_from_slice(&mac);
        row
    }

    /// Reads a stored row without its MAC: a claim.
    pub(super) fn claimed(row: &[u8]) -> Result<Self, StoreError> {
        Self::parse(parts(row)?.0)
    }

    /// Reads a stored row whose MAC fits, checked before anything in it is looked at.
    pub(super) fn authentic(row: &[u8], boot_mac_key: &MacKey) -> Result<Self, StoreError> {
        let (cbor, mac) = parts(row)?;
        if boot_mac_key.verifies(&[cbor], mac) { Self::parse(cbor) } else { Err(StoreError::BootAltered) }
    }
}

impl Inner {
    /// The boot row, if it is of the key in force.
    pub(super) fn boot(&self) -> Result<Boot, StoreError> {
        guarded("read the boot row", || {
            let rows = self.disk.read()?;
            let row = rows.at(&Table::Boot.place(&[]))?.ok_or(StoreError::NotInitialised)?;
            Boot::authentic(row.value(), &self.keys().boot)
        })
    }
}

impl Store {
    /// The boot row, authenticated. Waits for a commit only where another generation of the store key begins just now.
    ///
    /// # Errors
    /// [`StoreError::BootAltered`], [`StoreError::NotInitialised`], [`StoreError::Disk`]; [`StoreError::Stopped`] where a write
    /// failed with which another generation may have begun.
    pub fn boot(&self) -> Result<Boot, StoreError> {
        match self.0.boot() {
            Err(StoreError::BootAltered) => {}
            read => return read,
        }
        // Row and key were seen at two moments, and there may have been a turn in between; none is while this is held.
        let chain = self.0.chain.lock();
        chain.gate.admit(true)?;
        self.0.boot()
    }
}

fn parts(row: &[u8]) -> Result<(&[u8], &[u8; MAC_LEN]), StoreError> {
    row.split_last_chunk().ok_or(StoreError::BootMalformed("it is shorter than its MAC"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::crypto::derive::boot_mac_key;
    use crate::crypto::secret::SecretKey;

    /// A boot row with something in every part.
    pub(in crate::store) fn sample() -> Boot {
        Boot {
            format_version: 1,
            appliance_id: [0xA1; 16],
            epoch: 2,
            token_serial: "5f3c0a1b".into(),
            master_keys: vec![MasterKeyEntry {
                generation: 1,
                label: "gembok-mk-1".into(),
                kcv: [1, 2, 3],
                state: MasterKeyState::Current,
                escrow: Some(vec![4; 40]),
            }],
            store_keys: vec![StoreKeyEntry { generation: 1, wrapped: vec![5; 67] }],
            current_store_key: 1,
            name_key: vec![6; 79],
            subject_key: vec![7; 79],
            backup_key: Some(vec![8; 67]),
            ca_key: CaKeyEntry { label: "gembok-ca".into(), escrow: None },
            checkpoint_keys: vec![CheckpointKeyEntry {
                epoch: 2,
                label: "gembok-checkpoint-2".into(),
                spki: vec![9; 91],
            }],
            share_sets: vec![ShareSet { id: [10; 8], commitments: vec![Blob(vec![11; 32])] }],
            unlock_slots: vec![Blob(vec![12; 5])],
            officers: vec![Blob(Vec::new())],
            sandbox: true,
        }
    }

    #[test]
    fn parse_is_the_inverse() {
        let empty = Boot {
            master_keys: vec![],
            backup_key: None,
            share_sets: vec![],
            unlock_slots: vec![],
            officers: vec![],
            sandbox: false,
            ..sample()
        };
        for boot in [sample(), empty] {
            assert_eq!(Boot::parse(&boot.to_cbor()).unwrap(), boot);
        }
    }

    #[test]
    fn the_map_has_integer_keys_from_0_in_order_and_leaves_absent_parts_out() {
        let cbor = Boot { backup_key: None, ..sample() }.to_cbor();
        // A map of 15 pairs: 16 members, key 9 is absent.
        assert_eq!(cbor[..5], [0xAF, 0x00, 0x01, 0x01, 0x50]);
        let mut decoder = minicbor::Decoder::new(&cbor);
        let members = decoder.map().unwrap().unwrap();
        let keys: Vec<u8> = (0..members)
            .map(|_| {
                let key = decoder.u8().unwrap();
                decoder.skip().unwrap();
                key
            })
            .collect();
        assert_eq!(keys, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15]);
    }

    #[test]
    fn any_other_encoding_of_the_same_is_refused() {
        let cbor = sample().to_cbor();
        let mut longer_number = cbor.clone();
        longer_number.splice(2..3, [0x18, 0x01]);
        let mut one_more_member = cbor.clone();
        one_more_member.splice(0..1, [0xB1]);
        one_more_member.extend([0x18, 0x63, 0x00]);
        let mut trailing = cbor.clone();
        trailing.push(0);
        for other in [longer_number, one_more_member, trailing, cbor[..cbor.len() - 1].to_vec(), vec![]] {
            assert!(matches!(Boot::parse(&other), Err(StoreError::BootMalformed(_))));
        }
    }

    #[test]
    fn only_its_own_key_authenticates_it() {
        let key = |byte| boot_mac_key(&SecretKey::take(&mut [byte; 32]));
        let row = sample().to_row(&key(1));
        assert_eq!(Boot::authentic(&row, &key(1)).unwrap(), sample());
        assert_eq!(Boot::claimed(&row).unwrap(), sample());
        assert!(matches!(Boot::authentic(&row, &key(2)), Err(StoreError::BootAltered)));
    }
}
