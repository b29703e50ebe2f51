//! Key schedules are wiped when dropped only while the ciphers' `zeroize` features are on, and they are off by default.
//! This file does not compile when one is lost.

use zeroize::ZeroizeOnDrop;

const fn wiped_when_dropped<T: ZeroizeOnDrop>() {}

const _: () = {
    wiped_when_dropped::<aes::Aes256>();
    wiped_when_dropped::<aes_gcm::Aes256Gcm>();
    wiped_when_dropped::<chacha20poly1305::XChaCha20Poly1305>();
    wiped_when_dropped::<cmac::block_api::CmacCore<aes::Aes256>>();
    wiped_when_dropped::<sha2::Sha256>();
    wiped_when_dropped::<xaes_256_gcm::Xaes256Gcm>();
    // Two do not say so of themselves: an aes_gcm_siv::Aes256GcmSiv is one aes::Aes256, an hmac::Hmac<Sha256> is the
    // states of two sha2::Sha256.
};
