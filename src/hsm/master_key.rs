//! The master key: AES-256 in the token, where it stays. It wraps with `CKM_AES_GCM` through `C_Encrypt` (SP 800-38D,
//! 12-byte nonce, 128-bit tag), because that binds a key to its place and `C_WrapKey` does not.
//!
//! A master key is used only if its attributes keep it in the token and keep others from taking keys out through it.

use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use zeroize::Zeroizing;

use super::error::{Code, TokenError};
use super::session::{Failure, Name, Session};
use super::token::Token;
use crate::crypto::kcv::{self, Kcv};
use crate::crypto::random;
use crate::crypto::secret::SecretKey;
use crate::crypto::wrapped_key::{Binding, How, WrappedKey};

const LABEL: &str = "gembok-mk-";
/// How a label ends whose key was never finished.
const PENDING: &str = "-pending";
const KEY_LEN: u64 = 32;
const NONCE_LEN: usize = 12;
const TAG_BITS: u64 = 128;
const CMAC_LEN: usize = 16;

/// One generation of the master key. It holds no key bytes, only where to ask.
#[derive(Clone)]
pub struct MasterKey {
    token: Token,
    generation: u32,
}

impl Token {
    /// Makes generation `generation` in the token: `gembok-mk-<generation>`, sensitive, non-extractable, for GCM and CMAC
    /// only, never to wrap with.
    ///
    /// # Errors
    /// [`TokenError::Exists`] when that generation does; [`TokenError::NonConforming`] when the token made another key
    /// than it was asked for (it is destroyed again); after [`TokenError::Deadline`] look whether it was made.
    pub fn generate_master_key(&self, generation: u32) -> Result<MasterKey, TokenError> {
        self.change(move |session| {
            let name = name(generation);
            session.expect_absent(&name)?;
            let made = session.raw().generate_key(&Mechanism::AesKeyGen, &template(generation))?;
            check(session, made, &name).or_else(|failure| {
                session.destroy(made)?;
                Err(failure)
            })
        })?;
        Ok(MasterKey { token: self.clone(), generation })
    }

    /// Finds generation `generation`.
    ///
    /// # Errors
    /// [`TokenError::NotFound`] from a healthy token only; [`TokenError::Ambiguous`] when two keys have its label;
    /// [`TokenError::NonConforming`] when it could leave the token or let others out.
    pub fn master_key(&self, generation: u32) -> Result<MasterKey, TokenError> {
        self.call(move |session| {
            // Looked up anew, whatever this session has seen: a second key may have come since.
            let name = name(generation);
            let handle = session.find(&name)?;
            check(session, handle, &name)
        })?;
        Ok(MasterKey { token: self.clone(), generation })
    }

    /// Destroys every master key whose making was broken off (`gembok-mk-…-pending`), and says how many there were.
    ///
    /// # Errors
    /// Those of any call.
    pub fn destroy_pending(&self) -> Result<usize, TokenError> {
        self.change(|session| {
            let keys = [Attribute::Token(true), Attribute::Class(ObjectClass::SECRET_KEY)];
            let mut destroyed = 0;
            for key in session.raw().find_objects(&keys)? {
                let told = session.attributes(key, &[AttributeType::Label])?;
                let [Attribute::Label(label)] = &told[..] else { continue };
                if label.starts_with(LABEL.as_bytes()) && label.ends_with(PENDING.as_bytes()) {
                    session.destroy(key)?;
                    destroyed += 1;
                }
            }
            Ok(destroyed)
        })
    }
}

impl MasterKey {
    /// Its generation.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Wraps `key` for its place. Count the calls: one generation wraps at most 2^31 keys.
    ///
    /// # Errors
    /// [`TokenError::Unexpected`] when `binding` names another generation; [`TokenError::NonConforming`] when the token used
    /// another nonce length; else those of any call.
    pub fn wrap(&self, key: &SecretKey, binding: &Binding) -> Result<WrappedKey, TokenError> {
        let generation = self.generation;
        if binding.wrapping_version() != generation {
            return Err(TokenError::Unexpected(Code::words(format!(
                "a key bound to master key generation {} was to be wrapped under {generation}",
                binding.wrapping_version()
            ))));
        }
        let plain = Zeroizing::new(key.expose().to_vec());
        let aad = binding.aad();
        self.token.call(move |session| {
            let handle = usable(session, generation)?;
            let mut nonce = random::bytes::<NONCE_LEN>().map_err(|error| {
                TokenError::Unexpected(Code::words(format!("no nonce could be drawn: {error}")))
            })?;
            let mut mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, &aad, TAG_BITS.into())?);
            let sealed = session.raw().encrypt(&mechanism, handle, &plain)?;
            // Some modules choose the nonce themselves and leave it in the parameter.
            let used = match mechanism {
                Mechanism::AesGcm(ref mut used) => used.iv(),
                _ => &mut [],
            };
            WrappedKey::from_token(generation, used, &sealed)
                .map_err(|malformed| TokenError::NonConforming(malformed.to_string()).into())
        })
    }

    /// Opens what [`MasterKey::wrap`] made for the same place.
    ///
    /// # Errors
    /// [`TokenError::Data`] when this generation did not wrap it for this place, or it was altered: the token was asked
    /// and is well. [`TokenError::Away`] when it is not; else those of any call.
    pub fn unwrap(&self, wrapped: &WrappedKey, binding: &Binding) -> Result<SecretKey, TokenError> {
        let generation = self.generation;
        // A token opens under nonces of any length and tags of none, so what it is given is settled here.
        if wrapped.how() != How::InToken
            || wrapped.nonce().len() != NONCE_LEN
            || wrapped.wrapping_version() != generation
            || binding.wrapping_version() != generation
        {
            return Err(TokenError::Data);
        }
        let nonce = wrapped.nonce().to_vec();
        let sealed = *wrapped.sealed();
        let aad = binding.aad();
        self.token.call(move |session| {
            let handle = usable(session, generation)?;
            let mut nonce = nonce.clone();
            let mechanism = Mechanism::AesGcm(GcmParams::new(&mut nonce, &aad, TAG_BITS.into())?);
            let plain = Zeroizing::new(session.raw().decrypt(&mechanism, handle, &sealed)?);
            SecretKey::take_slice(plain).ok_or(Failure::Ours(TokenError::Data))
        })
    }

    /// Its KCV, computed in the token. For eyes only; that this is the right key is proved by unwrapping.
    ///
    /// # Errors
    /// Those of any call.
    pub fn kcv(&self) -> Result<Kcv, TokenError> {
        let generation = self.generation;
        self.token.call(move |session| {
            let handle = usable(session, generation)?;
            let mac = session.raw().sign(&Mechanism::AesCMac, handle, &kcv::BLOCK)?;
            Kcv::from_cmac(&mac).filter(|_| mac.len() == CMAC_LEN).ok_or_else(|| {
                TokenError::NonConforming("the token's AES-CMAC is not 16 bytes long".into()).into()
            })
        })
    }
}

fn name(generation: u32) -> Name {
    Name::Secret(format!("{LABEL}{generation}"))
}

/// The key of this generation, its attributes checked when this session sees it first.
fn usable(session: &mut Session, generation: u32) -> Result<ObjectHandle, Failure> {
    let name = name(generation);
    session.find_checked(&name, |session, handle| check(session, handle, &name))
}

fn template(generation: u32) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(KEY_LEN.into()),
        Attribute::Label(format!("{LABEL}{generation}").into_bytes()),
        Attribute::Id(generation.to_be_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Sign(true),
        Attribute::Verify(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::AllowedMechanisms(vec![MechanismType::AES_GCM, MechanismType::AES_CMAC]),
        // Nothing is left to change, and WRAP could be set later on a key that can be modified.
        Attribute::Modifiable(false),
    ]
}

/// Refuses a master key that could leave the token, or under which others could be taken out of it.
fn check(session: &Session, handle: ObjectHandle, name: &Name) -> Result<(), Failure> {
    let required = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(KEY_LEN.into()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Sign(true),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
    ];
    session.require(handle, name, &required)?;
    let told = session.attributes(handle, &[AttributeType::AllowedMechanisms])?;
    let bound = match &told[..] {
        [Attribute::AllowedMechanisms(allowed)] => {
            allowed.len() == 2
                && allowed.contains(&MechanismType::AES_GCM)
                && allowed.contains(&MechanismType::AES_CMAC)
        }
        _ => false,
    };
    if !bound {
        return Err(TokenError::NonConforming(format!("{name} is not bound to AES-GCM and AES-CMAC")).into());
    }
    Ok(())
}
