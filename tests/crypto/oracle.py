#!/usr/bin/env python3
"""The second opinion: the product's algorithms from other people's code (OpenSSL through `cryptography`, libsodium
through PyNaCl), so that one mistake would have to be made twice.

Run as a program it answers JSON lines on standard input, one answer a line, bytes in hex:

    {"do": "seal", "algorithm": "xaes-256-gcm", "key": …, "nonce": …, "aad": …, "bytes": plaintext}
        -> {"bytes": ciphertext and tag}
    {"do": "open", … "bytes": ciphertext and tag}
        -> {"bytes": plaintext} or {"refused": true}

`tests/vectors/generate.py` uses it as a module. Needs Python 3.9 and tests/requirements.txt.
"""

import hashlib
import hmac
import json
import sys

try:
    import cryptography
    import nacl
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC
    from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode
    from nacl.bindings import (
        crypto_aead_xchacha20poly1305_ietf_decrypt,
        crypto_aead_xchacha20poly1305_ietf_encrypt,
    )
    from nacl.exceptions import CryptoError
except ImportError as missing:
    sys.exit(f"{missing}. Install the second implementations: {sys.executable} -m pip install -r tests/requirements.txt")


def xaes_parts(key, nonce):
    """The AES-256-GCM under a derived key that XAES-256-GCM is, in the words of SP 800-108r1: KBKDF in counter mode
    over CMAC, a 16-bit counter before label "X", 00, and the first half of the nonce as context."""
    assert len(nonce) == 24
    kdf = KBKDFCMAC(
        algorithm=AES, mode=Mode.CounterMode, length=32, rlen=2, llen=None,
        location=CounterLocation.BeforeFixed, label=None, context=None, fixed=b"X\x00" + nonce[:12],
    )
    return AESGCM(kdf.derive(key)), nonce[12:]


class XChaCha:
    def __init__(self, key):
        self.key = key

    def encrypt(self, nonce, plaintext, aad):
        return crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, nonce, self.key)

    def decrypt(self, nonce, sealed, aad):
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, aad, nonce, self.key)


CIPHERS = {
    "xaes-256-gcm": xaes_parts,
    "aes-256-gcm": lambda key, nonce: (AESGCM(key), nonce),
    "aes-256-gcm-siv": lambda key, nonce: (AESGCMSIV(key), nonce),
    "xchacha20-poly1305": lambda key, nonce: (XChaCha(key), nonce),
}


def seal(algorithm, key, nonce, aad, plaintext):
    """Ciphertext, then tag."""
    cipher, nonce = CIPHERS[algorithm](key, nonce)
    return cipher.encrypt(nonce, plaintext, aad)


def open_sealed(algorithm, key, nonce, aad, sealed):
    """The plaintext, or None when the tag does not fit."""
    cipher, nonce = CIPHERS[algorithm](key, nonce)
    try:
        return cipher.decrypt(nonce, sealed, aad)
    except (InvalidTag, CryptoError):
        return None


def hmac_sha256(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def aes_cmac(key, message):
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def answer(question):
    parts = [bytes.fromhex(question[part]) for part in ("key", "nonce", "aad", "bytes")]
    done = {"seal": seal, "open": open_sealed}[question["do"]](question["algorithm"], *parts)
    return {"refused": True} if done is None else {"bytes": done.hex()}


def main():
    print(json.dumps({"cryptography": cryptography.__version__, "pynacl": nacl.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
