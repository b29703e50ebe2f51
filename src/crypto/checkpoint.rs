//! A checkpoint: the head of the chain, signed in the token. Whoever keeps one can later show that the chain was changed
//! behind it, without any key of ours. Seven lines, each ended by LF:
//!
//! ```text
//! gembok/checkpoint/v1
//! <chain id, hex>
//! <epoch>
//! <next sequence>
//! <block hash, hex>
//! <time µs>
//! <signer, hex> <base64 of r‖s>
//! ```
//!
//! Numbers are decimal, hex is lower-case. The signature is ECDSA P-256 (FIPS 186-5) over the SHA-256 of the first six lines
//! with their LFs; signer = SHA-256(SPKI)[..8]. In a log or an HTTP header the lines are joined by single spaces.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::hex::{from_hex, to_hex};
use super::{Malformed, NotAuthentic};

const TITLE: &str = "gembok/checkpoint/v1";
/// What comes before the point in a P-256 `SubjectPublicKeyInfo` (RFC 5480), and the mark of an uncompressed point.
const SPKI_HEAD: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// Bytes of a P-256 `SubjectPublicKeyInfo`.
pub const SPKI_LEN: usize = SPKI_HEAD.len() + 64;

/// Where a chain stood: what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// The chain's id: the appliance's.
    pub chain: [u8; 16],
    /// Counts restores.
    pub epoch: u32,
    /// Sequence number of the next record.
    pub next_sequence: u64,
    /// Hash of the last block's header.
    pub hash: [u8; 32],
    /// When it was signed, microseconds since 1970 UTC; never before the time of the block or of the checkpoint made before
    /// it, whatever the clock said.
    pub time_us: u64,
}

/// A statement with its signature, which is not checked before [`Checkpoint::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it says.
    pub statement: Statement,
    /// Which key is to have signed it: [`CheckpointKey::id`].
    pub signer: [u8; 8],
    /// `r | s`, 32 bytes each.
    pub signature: [u8; 64],
}

/// The public half of a key that signs checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointKey([u8; SPKI_LEN]);

impl Statement {
    /// The first six lines: what the signature is over.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { chain, epoch, next_sequence, hash, time_us } = self;
        let (chain, hash) = (to_hex(chain), to_hex(hash));
        format!("{TITLE}\n{chain}\n{epoch}\n{next_sequence}\n{hash}\n{time_us}\n")
    }

    /// What the token signs: SHA-256 of [`Statement::to_text`].
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_text()).into()
    }

    /// The checkpoint that `signature`, made by the key called `signer`, makes of it.
    #[must_use]
    pub const fn signed(self, signer: [u8; 8], signature: [u8; 64]) -> Checkpoint {
        Checkpoint { statement: self, signer, signature }
    }
}

impl Checkpoint {
    /// The seven lines.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}{} {}\n", self.statement.to_text(), to_hex(&self.signer), STANDARD.encode(self.signature))
    }

    /// The seven lines joined by single spaces, for a log or an HTTP header.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.to_text().trim_end().replace('\n', " ")
    }

    /// Reads seven lines; the inverse of [`Checkpoint::to_text`].
    ///
    /// # Errors
    /// [`Malformed`] names the first thing that is not as it would have been written.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        const LINES: Malformed = Malformed("a checkpoint has seven lines, each ended by a line feed");
        let lines = text.strip_suffix('\n').ok_or(LINES)?;
        if lines.split('\n').count() != 7 {
            return Err(LINES);
        }
        let (statement, seal) = lines.rsplit_once('\n').ok_or(LINES)?;
        let (signer, signature) =
            seal.split_once(' ').ok_or(Malformed("a checkpoint ends with its signer and its signature"))?;
        Self::from_words(statement.split('\n').chain([signer, signature]))
    }

    /// Reads one line; the inverse of [`Checkpoint::to_line`].
    ///
    /// # Errors
    /// As [`Checkpoint::parse`].
    pub fn parse_line(line: &str) -> Result<Self, Malformed> {
        Self::from_words(line.split(' '))
    }

    fn from_words<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, Malformed> {
        let words: Vec<&str> = words.collect();
        let [title, chain, epoch, next_sequence, hash, time_us, signer, signature] = words[..] else {
            return Err(Malformed("a checkpoint has six lines, its signer and its signature"));
        };
        if title != TITLE {
            return Err(Malformed("a checkpoint begins with gembok/checkpoint/v1"));
        }
        let hex = Malformed("a checkpoint's chain, hash or signer is not lower-case hex of its length");
        let statement = Statement {
            chain: from_hex(chain).ok_or(hex)?,
            epoch: number(epoch)?,
            next_sequence: number(next_sequence)?,
            hash: from_hex(hash).ok_or(hex)?,
            time_us: number(time_us)?,
        };
        let signer = from_hex(signer).ok_or(hex)?;
        let bytes = STANDARD.decode(signature).ok().and_then(|bytes| bytes.try_into().ok());
        let signature = bytes.ok_or(Malformed("a checkpoint's signature is not 64 bytes in base64"))?;
        Ok(statement.signed(signer, signature))
    }

    /// Checks that `key` signed this.
    ///
    /// # Errors
    /// [`NotAuthentic`] when it names another signer, or the signature does not fit.
    pub fn verify(&self, key: &CheckpointKey) -> Result<(), NotAuthentic> {
        if self.signer != key.id() {
            return Err(NotAuthentic);
        }
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point())
            .verify(self.statement.to_text().as_bytes(), &self.signature)
            .map_err(|_| NotAuthentic)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.to_line())
    }
}

impl CheckpointKey {
    /// Reads a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`Malformed`] unless it is that of an uncompressed point of P-256. Whether the point lies on the curve shows when a
    /// signature is checked: none fits one that does not.
    pub fn from_spki(spki: &[u8]) -> Result<Self, Malformed> {
        const OTHER: Malformed = Malformed("a checkpoint key is an EC public key on P-256, uncompressed");
        let bytes: [u8; SPKI_LEN] = spki.try_into().map_err(|_| OTHER)?;
        if bytes.starts_with(&SPKI_HEAD) { Ok(Self(bytes)) } else { Err(OTHER) }
    }

    /// The `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub const fn spki(&self) -> &[u8; SPKI_LEN] {
        &self.0
    }

    /// SHA-256 of the SPKI: what people note and compare.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The first 8 bytes of the fingerprint: the signer in a checkpoint.
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        id.copy_from_slice(&self.fingerprint()[..8]);
        id
    }

    /// `04 | x 32 | y 32`.
    fn point(&self) -> &[u8] {
        &self.0[SPKI_HEAD.len() - 1..]
    }
}

/// A number as it is written: decimal, without a sign or zeros before it.
fn number<T: FromStr>(text: &str) -> Result<T, Malformed> {
    const WRONG: Malformed =
        Malformed("a number of a checkpoint is not decimal, is too large, or has zeros before it");
    let canonical = text == "0" || text.starts_with(|first: char| first.is_ascii_digit() && first != '0');
    if canonical { text.parse().map_err(|_| WRONG) } else { Err(WRONG) }
}
