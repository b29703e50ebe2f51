//! Signing keys in the token: EC P-256 pairs (FIPS 186-5), the CA's and the checkpoints'. The digest is made here, in
//! process, and `CKM_ECDSA` signs it; not every module can hash and sign in one.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectHandle};

use super::error::TokenError;
use super::session::{Failure, Name, Session};
use super::token::Token;

/// The object identifier of P-256, in DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// An uncompressed point of P-256: `04 | x 32 | y 32`.
const POINT_LEN: usize = 65;
/// What comes before the point in a `SubjectPublicKeyInfo` (RFC 5480): two sequences, `id-ecPublicKey`, P-256, a bit string.
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A signing key that stays in the token, and its public half.
#[derive(Clone)]
pub struct Signer {
    token: Token,
    label: String,
    spki: Vec<u8>,
}

impl Token {
    /// Makes an EC P-256 pair called `label`: the private key sensitive, non-extractable, for signatures only.
    ///
    /// # Errors
    /// [`TokenError::Exists`] when a private or public key of that label does; else as for [`Token::signer`].
    pub fn generate_signer(&self, label: &str) -> Result<Signer, TokenError> {
        let made = label.to_owned();
        self.change(move |session| {
            session.expect_absent(&Name::Private(made.clone()))?;
            session.expect_absent(&Name::Public(made.clone()))?;
            let (public, private) = templates(&made);
            session.raw().generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private)?;
            Ok(())
        })?;
        self.signer(label)
    }

    /// Finds the pair called `label` and proves, by a signature, that its halves belong together.
    ///
    /// # Errors
    /// [`TokenError::NotFound`] from a healthy token only; [`TokenError::Ambiguous`]; [`TokenError::NonConforming`] when the
    /// private key could leave the token, it is not P-256, or the public key is another's.
    pub fn signer(&self, label: &str) -> Result<Signer, TokenError> {
        let wanted = label.to_owned();
        let spki = self.call(move |session| {
            session.find(&Name::Private(wanted.clone()))?;
            let private = usable(session, &wanted)?;
            let name = Name::Public(wanted.clone());
            let public = session.find(&name)?;
            let spki = spki(session, public, &name)?;
            let digest = [0x5a; 32];
            let signature = session.raw().sign(&Mechanism::Ecdsa, private, &digest)?;
            session.raw().verify(&Mechanism::Ecdsa, public, &digest, &signature).map_err(|error| {
                use cryptoki::error::{Error::Pkcs11, RvError};
                match error {
                    Pkcs11(RvError::SignatureInvalid | RvError::SignatureLenRange, _) => Failure::Ours(
                        TokenError::NonConforming(format!("{name} does not belong to the private key")),
                    ),
                    other => other.into(),
                }
            })?;
            Ok(spki)
        })?;
        Ok(Signer { token: self.clone(), label: label.to_owned(), spki })
    }
}

impl Token {
    /// Destroys the pair called `label`, the private half first; whether there was one.
    ///
    /// # Errors
    /// Those of any call; what is left then can be destroyed by another.
    pub fn destroy_signer(&self, label: &str) -> Result<bool, TokenError> {
        let label = label.to_owned();
        self.change(move |session| {
            let mut was_there = false;
            for name in [Name::Private(label.clone()), Name::Public(label.clone())] {
                for half in session.find_all(&name)? {
                    session.destroy(half)?;
                    was_there = true;
                }
            }
            Ok(was_there)
        })
    }
}

impl Signer {
    /// Its label in the token.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The public key as `SubjectPublicKeyInfo` (RFC 5480), 91 bytes of DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The public key as a point, `04 | x 32 | y 32`.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.spki[SPKI_HEAD.len()..]
    }

    /// Signs a SHA-256 digest; gives `r | s`, 32 bytes each.
    ///
    /// # Errors
    /// Those of any call; [`TokenError::NonConforming`] when the signature has another length.
    pub fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 64], TokenError> {
        let digest = *digest;
        let label = self.label.clone();
        self.token.call(move |session| {
            let private = usable(session, &label)?;
            let signature = session.raw().sign(&Mechanism::Ecdsa, private, &digest)?;
            signature.try_into().map_err(|_| {
                TokenError::NonConforming("the token's ECDSA signature is not 64 bytes long".into()).into()
            })
        })
    }
}

/// A signature `r | s` as X.509 wants it: ECDSA-Sig-Value (RFC 3279 §2.2.3), a DER sequence of two integers.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "two integers of at most 33 bytes are under 128 bytes")]
pub fn to_der(signature: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(70);
    for number in signature.chunks_exact(32) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count().min(31);
        let digits = &number[zeros..];
        // An integer is signed: a leading one bit needs a zero byte before it.
        let padded = digits[0] >= 0x80;
        body.extend_from_slice(&[0x02, digits.len() as u8 + u8::from(padded)]);
        if padded {
            body.push(0);
        }
        body.extend_from_slice(digits);
    }
    [&[0x30, body.len() as u8][..], &body].concat()
}

/// The private key, its attributes checked when this session sees it first.
fn usable(session: &mut Session, label: &str) -> Result<ObjectHandle, Failure> {
    let name = Name::Private(label.to_owned());
    let required = [
        Attribute::KeyType(KeyType::EC),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
    ];
    session.find_checked(&name, |session, handle| session.require(handle, &name, &required))
}

fn templates(label: &str) -> (Vec<Attribute>, Vec<Attribute>) {
    let common = [
        Attribute::Token(true),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Id(label.as_bytes().to_vec()),
    ];
    let public = [
        Attribute::EcParams(P256.to_vec()),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::Encrypt(false),
        Attribute::Wrap(false),
    ];
    let private = [
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Decrypt(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
    ];
    ([&common[..], &public].concat(), [&common[..], &private].concat())
}

fn spki(session: &Session, public: ObjectHandle, name: &Name) -> Result<Vec<u8>, Failure> {
    session.require(public, name, &[Attribute::KeyType(KeyType::EC), Attribute::EcParams(P256.to_vec())])?;
    let told = session.attributes(public, &[AttributeType::EcPoint])?;
    let point = match &told[..] {
        [Attribute::EcPoint(point)] => point.as_slice(),
        _ => &[],
    };
    // The standard wraps the point in an OCTET STRING; some modules give it bare.
    match point {
        [0x04, 0x41, bare @ ..] | bare if bare.len() == POINT_LEN && bare[0] == 0x04 => {
            Ok([&SPKI_HEAD[..], bare].concat())
        }
        _ => Err(TokenError::NonConforming(format!("{name} is not an uncompressed point of P-256")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_integers_are_short_and_positive() {
        let mut signature = [0; 64];
        signature[0] = 0x80;
        signature[63] = 0x7f;
        let mut expected = vec![0x30, 38, 0x02, 33, 0, 0x80];
        expected.extend_from_slice(&[0; 31]);
        expected.extend_from_slice(&[0x02, 1, 0x7f]);
        assert_eq!(to_der(&signature), expected);
        assert_eq!(to_der(&[0; 64]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        assert_eq!(to_der(&[0xff; 64]).len(), 72);
    }
}
