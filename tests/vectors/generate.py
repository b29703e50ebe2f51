#!/usr/bin/env python3
"""Writes the vectors in this folder from ARCHITECTURE.md's formats, without a line of the product's code.

    python3 -m pip install -r tests/requirements.txt
    python3 tests/vectors/generate.py            writes the files
    python3 tests/vectors/generate.py --check    writes nothing; exit status 1 when a file differs

The bytes around the ciphers are laid here, by hand; the ciphers and signatures are OpenSSL's and
libsodium's (tests/crypto/oracle.py).
Files that a release has shipped never change: a new format version gets a new file.
"""

import base64
import hashlib
import hmac
import pathlib
import struct
import sys
import unicodedata
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "crypto"))
sys.dont_write_bytecode = True

from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: E402

from oracle import aes_cmac, hmac_sha256, seal  # noqa: E402

ALGORITHMS = ["xaes-256-gcm", "aes-256-gcm", "aes-256-gcm-siv", "xchacha20-poly1305"]
NONCE_LEN = {"xaes-256-gcm": 24, "aes-256-gcm": 12, "aes-256-gcm-siv": 12, "xchacha20-poly1305": 24}

FORM = """# One `name: value` a line, a blank line between cases, names repeated where the format repeats. Numbers are decimal,
# bytes lower-case hex, other values UTF-8 to the end of the line. Made by generate.py, a second implementation."""


def fixed(label, length):
    """Bytes that look random and are the same each time."""
    return hashlib.shake_256(b"gembok/vectors/v1\x00" + label.encode()).digest(length)


def u8(number):
    return struct.pack(">B", number)


def u16(number):
    return struct.pack(">H", number)


def u32(number):
    return struct.pack(">I", number)


def u64(number):
    return struct.pack(">Q", number)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def file_of(about, cases):
    """The text of a file: what it is about as comments, then the cases, each a list of (name, value)."""
    lines = ["# " + line if line else "#" for line in about.strip().splitlines()] + ["#", FORM]
    for case in cases:
        lines.append("")
        for name, value in case:
            shown = value.hex() if isinstance(value, bytes) else str(value)
            lines.append(f"{name}: {shown}".rstrip())
    return "\n".join(lines) + "\n"


# --- envelopes and what they are bound to -------------------------------------------------------------------------

NIK = b"3602041211870001"


def header(algorithm, key_id, key_version):
    return b"GB\x01" + u8(ALGORITHMS.index(algorithm) + 1) + u32(key_id) + u32(key_version)


def aad(head, project, object_, pairs):
    out = b"gembok/aad/v1\x00" + head + project + object_ + u16(len(pairs))
    for name, value in sorted((name.encode(), value.encode()) for name, value in pairs):
        out += u16(len(name)) + name + u16(len(value)) + value
    return out


def pair_lines(pairs):
    return [line for name, value in pairs for line in (("name", name), ("value", value))]


def aads():
    project, object_ = fixed("project", 16), fixed("object", 16)
    head = header("xaes-256-gcm", 0x01020304, 7)
    sets = [
        ("no context", []),
        ("one pair", [("row", "4711")]),
        ("given out of order", [("row", "4711"), ("column", "nik"), ("table", "karyawan")]),
        ("an empty value", [("row", "")]),
        ("a name that begins with another", [("row id", "1"), ("row", "2"), ("rowid", "3")]),
        ("capitals before small letters", [("a", "1"), ("Z", "2"), ("_", "3")]),
        ("values do not take part in the order", [("b", "1"), ("a", "2")]),
        # UTF-16 would put the emoji (D83D) before the full-width letter (FF5A); bytes put it behind.
        ("sorted by UTF-8 bytes, not by UTF-16 units", [("😀", "1"), ("ｚ", "2"), ("é", "3"), ("z", "4")]),
        ("never normalised: composed and decomposed are two names", [("e\u0301", "1"), ("\u00e9", "2")]),
        ("non-ASCII values", [("nama", "Siti Nurhaliza Ñandú"), ("kota", "東京")]),
    ]
    for case, pairs in sets:
        yield [("case", case), ("header", head), ("project", project), ("object", object_), *pair_lines(pairs),
               ("aad", aad(head, project, object_, pairs))]
    for algorithm in ALGORITHMS[1:]:
        head = header(algorithm, 0xFFFFFFFF, 0xFFFFFFFF)
        yield [("case", f"the header of {algorithm}, largest numbers"), ("header", head), ("project", bytes(16)),
               ("object", b"\xff" * 16), ("aad", aad(head, bytes(16), b"\xff" * 16, []))]
    for why, pairs in [
        ("empty name", [("", "x")]),
        ("empty name", [("row", "1"), ("", "")]),
        ("repeated name", [("row", "1"), ("row", "2")]),
        ("repeated name", [("a", "1"), ("b", "2"), ("a", "1")]),
    ]:
        yield [("case", f"refused: {why}"), *pair_lines(pairs), ("refused", why)]


def envelopes():
    project, object_ = fixed("project", 16), fixed("object", 16)
    row = [("row", "4711"), ("column", "nik")]

    def made(algorithm, label, plaintext, pairs, key_id=0x5EED0001, key_version=3):
        key, nonce = fixed(f"{algorithm} key", 32), fixed(f"{algorithm} nonce {label}", NONCE_LEN[algorithm])
        head = header(algorithm, key_id, key_version)
        bound = aad(head, project, object_, pairs)
        whole = head + nonce + seal(algorithm, key, nonce, bound, plaintext)
        return key, nonce, bound, whole, [
            ("case", f"{algorithm}, {label}"), ("algorithm", algorithm), ("key", key), ("key-id", key_id),
            ("key-version", key_version), ("project", project), ("object", object_), *pair_lines(pairs),
            ("nonce", nonce), ("plaintext", plaintext), ("aad", bound), ("envelope", whole),
            ("text", base64.b64encode(whole).decode()), ("expect", "opens"),
        ]

    for algorithm in ALGORITHMS:
        yield made(algorithm, "a NIK without context", NIK, [])[4]
        yield made(algorithm, "a NIK with context", NIK, row)[4]
        yield made(algorithm, "an empty field", b"", [])[4]
        yield made(algorithm, "an empty field with context", b"", row)[4]
        yield made(algorithm, "an address", "Jl. Kebon Jeruk № 7, Serang".encode(), [("row", "é")])[4]
        yield made(algorithm, "300 bytes, largest numbers", fixed("long", 300), row, 0xFFFFFFFF, 0xFFFFFFFF)[4]

    for algorithm in ALGORITHMS:
        key, nonce, bound, whole, _ = made(algorithm, "to be spoiled", NIK, row)
        other_row = aad(whole[:12], project, object_, [("row", "4712"), ("column", "nik")])
        other_object = aad(whole[:12], project, fixed("other object", 16), row)
        at_nonce, at_text, at_tag = 12, 12 + len(nonce), len(whole) - 1
        flipped = {at: whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:] for at in (at_nonce, at_text, at_tag)}
        for why, with_key, with_aad, envelope in [
            ("a bit of the nonce", key, bound, flipped[at_nonce]),
            ("a bit of the ciphertext", key, bound, flipped[at_text]),
            ("a bit of the tag", key, bound, flipped[at_tag]),
            ("a byte less", key, bound, whole[:-1]),
            ("a byte more", key, bound, whole + b"\x00"),
            ("another row", key, other_row, whole),
            ("another object", key, other_object, whole),
            ("another key", fixed("another key", 32), bound, whole),
            ("the key version in the header raised", key, bound, whole[:11] + u8(whole[11] + 1) + whole[12:]),
        ]:
            # Whoever opens makes the associated data from the header that lies before him.
            with_aad = with_aad[:14] + envelope[:12] + with_aad[26:]
            yield [("case", f"{algorithm}, spoiled: {why}"), ("algorithm", algorithm), ("key", with_key),
                   ("aad", with_aad), ("envelope", envelope), ("expect", "not authentic")]

    whole = made("xaes-256-gcm", "to be cut", b"", [])[3]
    short = made("aes-256-gcm", "to be cut", b"", [])[3]
    for why, envelope in [
        ("nothing at all", b""),
        ("the magic alone", whole[:3]),
        ("the header alone", whole[:12]),
        ("a byte short of nonce and tag, 24-byte nonce", whole[:-1]),
        ("a byte short of nonce and tag, 12-byte nonce", short[:-1]),
        ("the 24-byte algorithm over a 12-byte body", short[:3] + b"\x01" + short[4:]),
        ("another magic", b"GK" + whole[2:]),
        ("version 2", b"GB\x02" + whole[3:]),
        ("algorithm 0", whole[:3] + b"\x00" + whole[4:]),
        ("algorithm 5", whole[:3] + b"\x05" + whole[4:]),
        ("key id 0", whole[:4] + bytes(4) + whole[8:]),
        ("key version 0", whole[:8] + bytes(4) + whole[12:]),
        ("a byte before it", b"\x00" + whole),
    ]:
        yield [("case", f"malformed: {why}"), ("envelope", envelope), ("expect", "malformed")]


# --- keys ---------------------------------------------------------------------------------------------------------

def wrap_aad(kind, algorithm=0, project=bytes(16), object_=bytes(16), key_id=0, version=1, wrapping_version=1):
    return (b"gembok/wrap/v1\x00" + u8(kind) + u8(algorithm) + project + object_
            + u32(key_id) + u32(version) + u32(wrapping_version))


def wrapped_keys():
    project, object_ = fixed("project", 16), fixed("object", 16)
    place = {"project": project, "object": object_, "key-id": 0x5EED0001}
    kinds = [
        ("kek", 1, 2, {"project": project, "version": 4, "wrapping-version": 2}),
        ("store key", 2, 2, {"version": 3, "wrapping-version": 2}),
        *(("data key", 3, 1, {"algorithm": name, **place, "version": 9, "wrapping-version": 4}) for name in ALGORITHMS),
        ("index root", 4, 1, {**place, "version": 5, "wrapping-version": 4}),
        ("backup key", 5, 2, {"version": 6, "wrapping-version": 2}),
        ("name key", 6, 1, {"version": 1, "wrapping-version": 3}),
        ("subject key", 7, 1, {"version": 1, "wrapping-version": 3}),
        ("data key", 3, 1, {"algorithm": ALGORITHMS[0], "project": b"\xff" * 16, "object": b"\xff" * 16,
                            "key-id": 0xFFFFFFFF, "version": 0xFFFFFFFF, "wrapping-version": 0xFFFFFFFF}),
    ]
    for number, (kind, code, how, parts) in enumerate(kinds):
        wrapping_key, key = fixed(f"wrapping key {number}", 32), fixed(f"wrapped key {number}", 32)
        algorithm, nonce_len = [("xaes-256-gcm", 24), ("aes-256-gcm", 12)][how - 1]
        nonce = fixed(f"wrapping nonce {number}", nonce_len)
        algorithm_id = ALGORITHMS.index(parts["algorithm"]) + 1 if "algorithm" in parts else 0
        named = {name.replace("-", "_").replace("object", "object_"): value
                 for name, value in parts.items() if name != "algorithm"}
        bound = wrap_aad(code, algorithm_id, **named)
        sealed = seal(algorithm, wrapping_key, nonce, bound, key)
        whole = b"\x01" + u8(how) + u32(parts["wrapping-version"]) + u8(nonce_len) + nonce + sealed
        yield [("case", f"{kind}, wrapped {['in process', 'in the token'][how - 1]}"), ("kind", kind), *parts.items(),
               ("how", ["in process", "in the token"][how - 1]), ("wrapping-key", wrapping_key), ("nonce", nonce),
               ("key", key), ("aad", bound), ("wrapped", whole), ("expect", "opens")]

    in_process, in_token = whole, b"\x01\x02" + u32(1) + u8(12) + bytes(12 + 48)
    for why, wrapped in [
        ("nothing at all", b""),
        ("format 2", b"\x02" + in_process[1:]),
        ("how 0", b"\x01\x00" + in_process[2:]),
        ("how 3", b"\x01\x03" + in_process[2:]),
        ("in process with the token's nonce length", b"\x01\x01" + in_token[2:]),
        ("in the token with a 24-byte nonce", b"\x01\x02" + in_process[2:]),
        ("a nonce length that lies", in_process[:6] + u8(12) + in_process[7:]),
        ("a byte less", in_process[:-1]),
        ("a byte more", in_token + b"\x00"),
    ]:
        yield [("case", f"malformed: {why}"), ("wrapped", wrapped), ("expect", "malformed")]


def kcvs():
    for case, key in [("zero bytes", bytes(32)), ("one", b"\x01" * 32), ("random", fixed("kcv key", 32)),
                      ("the key of SP 800-38B, D.3", bytes.fromhex(
                          "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))]:
        cmac = aes_cmac(key, bytes(16))
        yield [("case", case), ("key", key), ("cmac", cmac), ("kcv", cmac[:3].hex().upper())]


def expand(key, label):
    """HKDF-Expand for one block of output, as RFC 5869 §2.3 has it: T(1) = HMAC(PRK, info | 01)."""
    return hmac_sha256(key, label + b"\x01")


def derived():
    for number in range(3):
        store_key, message = fixed(f"store key {number}", 32), fixed(f"message {number}", 40 * number)
        state_key, boot_key = expand(store_key, b"gembok/state/v1\x00"), expand(store_key, b"gembok/boot/v1\x00")
        yield [("case", f"store key {number}"), ("store-key", store_key), ("state-key", state_key),
               ("boot-mac-key", boot_key), ("message", message), ("state-tag", hmac_sha256(state_key, message)),
               ("boot-tag", hmac_sha256(boot_key, message))]


def row_keys():
    name_key, parent = fixed("name key", 32), fixed("parent", 16)
    for case, table, parent, name in [
        ("a name without parent", 2, bytes(16), "kepegawaian"),
        ("a name under a parent", 3, parent, "karyawan"),
        ("the same name in another table", 4, parent, "karyawan"),
        ("another letter case is another name", 3, parent, "Karyawan"),
        ("a non-ASCII name", 0xFFFE, parent, "données"),
    ]:
        row_key = hmac_sha256(name_key, u16(table) + parent + name.encode())[:16]
        yield [("case", case), ("name-key", name_key), ("table", table), ("parent", parent), ("name", name),
               ("row-key", row_key)]


def pseudonyms():
    subject_key, project = fixed("subject key", 32), fixed("project", 16)
    for case, project_, value in [
        ("a NIK", project, "3175091203840001"),
        ("the same NIK in another project", fixed("other project", 16), "3175091203840001"),
        ("one digit further", project, "3175091203840002"),
        ("a value is not normalised", project, "3175.0912.0384.0001"),
        ("a non-ASCII value", project, "Bu Désirée"),
        ("a long value", project, "x" * 4000),
    ]:
        tag = hmac_sha256(subject_key, b"gembok/subject/v1\x00" + project_ + value.encode())
        yield [("case", case), ("subject-key", subject_key), ("project", project_), ("value", value), ("pseudonym", tag[:16])]


# --- blind indexes ------------------------------------------------------------------------------------------------

IGNORED = [(0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
           (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
           (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)]
WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def repertoire():
    """What Unicode 14.0 assigns: by a Python of just that version (3.11), else as that one found it. Newer tables give the
    same for these characters, older ones do not know all of them."""
    if unicodedata.unidata_version == "14.0.0":
        return {sign for sign in map(chr, range(0x110000)) if unicodedata.category(sign) not in ("Cn", "Co", "Cs")}
    if tuple(map(int, unicodedata.unidata_version.split("."))) < (14,):
        sys.exit(f"Unicode {unicodedata.unidata_version} is older than the 14.0 of text-fold; take Python 3.11 or newer")
    signs = set()
    listed = (HERE.parent.parent / "src/domain/unicode-14.txt").read_text().splitlines()
    for run in " ".join(line for line in listed if not line.startswith("#")).split():
        first, last = (run.split("-") * 2)[:2]
        signs.update(map(chr, range(int(first, 16), int(last, 16) + 1)))
    return signs


ASSIGNED = repertoire()


def seen(text):
    return "".join(sign for sign in text if not any(first <= ord(sign) <= last for first, last in IGNORED))


def nfkc_casefold(sign):
    while True:
        then = seen(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen(sign)).casefold()))
        if then == sign:
            return sign
        sign = then


def text_fold(text):
    if not set(text) <= ASSIGNED:
        return None
    folded = unicodedata.normalize("NFC", "".join(map(nfkc_casefold, text)))
    return " ".join(word for word in "".join(" " if sign in WHITE else sign for sign in folded).split(" ") if word)


def normalised(normaliser, value, length):
    """None where the value is refused."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    if normaliser == "digits":
        text = text.replace(" ", "").replace(".", "").replace("-", "")
        return text.encode() if len(text) == length and set(text) <= set("0123456789") else None
    if normaliser == "date-iso":
        if len(text) != 10 or text[4] + text[7] != "--" or not set(text[:4] + text[5:7] + text[8:]) <= set("0123456789"):
            return None
        year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        text = text if 1 <= month <= 12 and 1 <= day <= days[month - 1] else ""
    elif normaliser == "text-fold":
        text = text_fold(text)
    elif normaliser == "email":
        text = text.strip(" \t\n\r\f").translate({upper: upper + 32 for upper in range(0x41, 0x5B)})
        sides = text.split("@")
        visible = all("!" <= sign <= "~" for sign in text)
        text = text if len(sides) == 2 and all(sides) and visible else ""
    elif normaliser == "phone-id":
        for sign in " .-()":
            text = text.replace(sign, "")
        for prefix in ("+62", "62", "0"):
            if text.startswith(prefix):
                number = text[len(prefix):]
                good = number and number[0] != "0" and set(number) <= set("0123456789")
                text = "+62" + number if good else ""
                break
        else:
            text = ""
    return text.encode() if text and len(text.encode()) <= length else None


def normalisations():
    values = {
        ("digits", 16): [b"3602041211870001", b"36.02.04 121187-0001", b" 3602041211870001 ", b"360204121187000",
                         b"36020412118700012", b"360204121187000x", b"36/02/041211870001", "360204121187000\u0661".encode(), b"",
                         b"3602041211870001\n", "\uff13602041211870001".encode()],
        ("digits", 1): [b"7", b"-", b"77"],
        ("date-iso", 10): [b"1987-11-12", b"2000-02-29", b"1900-02-29", b"2024-02-29", b"2023-02-29", b"1987-04-31",
                           b"1987-13-01", b"1987-00-10", b"1987-01-00", b"0000-02-29", b"9999-12-31", b"12-11-1987",
                           b"1987-11-12 ", b"1987-1-12", b"1987/11/12", b"19871112", "1987-11-1\u0662".encode()],
        ("text-fold", 64): [name.encode() for name in [
            "Siti Nurhaliza", "  siti\t NURHALIZA\n", "SITI\u00a0\u3000NURHALIZA", "\uff33\uff29\uff34\uff29", "Stra\u00dfe",
            "STRASSE", "\u1e9e", "e\u0301", "\u00c9", "\ufb01sh", "so\u00adft", "a\u200db", "I\u0307", "\u0130", "\u212b",
            "\u2121", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u1fb3", "\u3392", "\u00a8", "a\u00a8b", "\u1112\u1161\u11ab",
            "q\u0307\u0323", "\u0345\u0301", "\ufdfa", "\U0001f600", "\u3164", "\u00ad", "", "   ", "\u0378", "\ue000",
            "\U000e0001x", "\u2065", "\u10fd", "\u13a0", "\uab70", "\u1c90", "a\x00b"]] + [b"\xff\xfe", b"\xed\xa0\x80"],
        ("text-fold", 5): [b"abcde", b"abcdef", b" ab  cd ", "\u00e9\u00e9\u00e9".encode()],
        ("email", 40): [b"Siti.Aminah@Contoh.ID", b"  siti@contoh.id\r\n", b"siti", b"@contoh.id", b"siti@", b"a@b@c",
                        b"si ti@contoh.id", "sit\u00ed@contoh.id".encode(), b"a@b", b"", b"s\x7f@b",
                        b"x" * 37 + b"@id", b"x" * 38 + b"@id", b"\x0b siti@contoh.id"],
        ("phone-id", 20): [b"0812-3456-7890", b"+62 812 3456 7890", b"62812 3456 7890", b"(0812) 3456.7890", b"8123456789",
                           b"+62 0812", b"00812", b"0", b"+62", b"+1 202 555 0100", b"0812x", b"", b"0812/3456",
                           "081\u0662".encode(), b"08" + b"1" * 16, b"08" + b"1" * 17, b"+622112345", b"6221-12345"],
    }
    for (normaliser, length), tried in values.items():
        for value in tried:
            out = normalised(normaliser, value, length)
            case = [("case", f"{normaliser} {length}"), ("normaliser", normaliser), ("length", length), ("value", value)]
            yield [*case, ("expect", "refused")] if out is None else [*case, ("expect", "normalised"), ("normalised", out)]


def foldings():
    digest, signs = hashlib.sha256(), sorted(ASSIGNED)
    for sign in signs:
        digest.update(u32(ord(sign)) + text_fold(f"a{sign}b").encode() + b"\xff")
    yield [("case", "every character"), ("unicode", "14.0.0"), ("assigned", len(signs)), ("digest", digest.digest())]


NORMALISERS = ["digits", "date-iso", "text-fold", "email", "phone-id"]


def index_value(root, version, index, normaliser, bits, value):
    key = expand(root, b"gembok/index/v1\x00" + index + u8(NORMALISERS.index(normaliser) + 1) + u8(bits))
    number = int.from_bytes(hmac_sha256(key, value), "big") >> (256 - bits)
    size = (bits + 7) // 8
    return u32(version) + (number << (8 * size - bits)).to_bytes(size, "big")


def indexes():
    root, other, index = fixed("index root", 32), fixed("other index root", 32), fixed("index", 16)
    nik = ("digits", 16, 128, b"36.02.04.121187.0001")
    cases = [("a NIK", root, 1, index, *nik), ("the same without dots", root, 1, index, "digits", 16, 128, NIK),
             ("under the next version of the root", other, 2, index, *nik),
             ("of another object: another root", fixed("third index root", 32), 1, index, *nik),
             ("of another field: another index", root, 1, fixed("other index", 16), *nik),
             ("the largest version", root, 0xFFFFFFFF, index, *nik),
             ("a birth date of 12 bits", root, 1, index, "date-iso", 10, 12, b"1987-11-12"),
             ("a name of 63 bits", root, 1, index, "text-fold", 200, 63, "SITI  N\u00fcrhaliza".encode()),
             ("the same name, written otherwise", root, 1, index, "text-fold", 200, 63, " siti nu\u0308rhaliza".encode()),
             ("8 bits", root, 1, index, "email", 60, 8, b"Siti@Contoh.id"), ("1 bit", root, 1, index, "email", 60, 1, b"a@b.id"),
             ("9 bits", root, 1, index, "phone-id", 20, 9, b"0812-3456-7890"),
             ("128 bits of a telephone number", root, 1, index, "phone-id", 20, 128, b"+62 812 3456 7890")]
    known = set()
    for case, root_, version, index_, normaliser, length, bits, value in cases:
        made = index_value(root_, version, index_, normaliser, bits, normalised(normaliser, value, length))
        equal = [("equal", "to one before")] if made in known else []
        known.add(made)
        yield [("case", case), ("root", root_), ("root-version", version), ("index", index_), ("normaliser", normaliser),
               ("length", length), ("bits", bits), ("value", value), ("index-value", made), *equal]


# --- the store and its journal ------------------------------------------------------------------------------------

def record_aad(table, key):
    return b"gembok/record/v1\x00" + u16(table) + u16(len(key)) + key


def records():
    for number, (case, generation, table, key, plaintext) in enumerate([
        ("a short row", 1, 2, fixed("row", 16), b"\xa1\x00\x01"),
        ("an empty value", 1, 2, fixed("row", 16), b""),
        ("a long row under a hash", 7, 0x0105, sha256(b"row"), fixed("row value", 500)),
        ("an empty row key, largest numbers", 0xFFFFFFFF, 0xFFFE, b"", b"value"),
        ("the longest row key", 2, 1, fixed("longest row key", 255), b"value"),
    ]):
        store_key, nonce = fixed("store key", 32), fixed(f"record nonce {number}", 24)
        bound = record_aad(table, key)
        whole = b"\x01" + u32(generation) + nonce + seal("xaes-256-gcm", store_key, nonce, bound, plaintext)
        lines = [("store-key", store_key), ("generation", generation), ("table", table), ("row-key", key)]
        yield [("case", case), *lines, ("nonce", nonce), ("plaintext", plaintext), ("aad", bound), ("record", whole),
               ("expect", "opens")]
        if number == 0:
            for why, at, value in [("another table", 2, 3), ("another row key", 3, sha256(b"other")[:16]),
                                   ("another generation", 1, 2)]:
                moved = list(lines)
                moved[at] = (moved[at][0], value)
                yield [("case", f"spoiled: {why}"), *moved, ("record", whole), ("expect", "not authentic")]
            yield [("case", "malformed: format 2"), ("record", b"\x02" + whole[1:]), ("expect", "malformed")]
            yield [("case", "malformed: a byte short of nonce and tag"), ("record", whole[:44]),
                   ("expect", "malformed")]


def escrow_logs():
    rows = [(0, b"", fixed("escrowed boot row", 300)), (6, fixed("project", 16) + u32(1), fixed("escrowed kek", 140)),
            (5, u32(0x5EED0001) + u32(1), fixed("escrowed key version", 160)), (5, u32(0x5EED0001) + u32(2), b"")]
    log, ends = b"", [0]
    for table, key, value in rows:
        rest = u16(table) + u16(len(key)) + key + value
        log += u32(len(rest) + 32) + rest
        log += sha256(log)
        ends.append(len(log))

    def case(why, whole, entries, expect):
        told = [(name, value) for table, key, value in rows[:entries]
                for name, value in [("table", table), ("row-key", key), ("value", value)]]
        return [("case", why), ("log", whole), *told, ("entries", entries), ("bytes", ends[entries]), ("expect", expect)]

    yield case("nothing yet", b"", 0, "whole")
    for entries in range(1, len(ends)):
        yield case(f"entries: {entries}", log[:ends[entries]], entries, "whole")
    for why, end, entries in [("within a length", ends[2] + 2, 2), ("behind a length", ends[2] + 4, 2),
                              ("within a value", ends[3] - 40, 2), ("within a hash", ends[3] - 1, 2), ("in the first", 7, 0)]:
        yield case(f"cut off {why}", log[:end], entries, "cut off")
    flipped = bytearray(log)
    flipped[ends[1] + 20] ^= 1
    yield case("spoiled: a bit of the second entry", bytes(flipped), 1, "wrong")
    yield case("spoiled: the second entry taken out", log[:ends[1]] + log[ends[2]:], 1, "wrong")
    yield case("spoiled: the first entry twice", log[:ends[1]] + log[:ends[1]], 1, "wrong")
    yield case("spoiled: a length that none can have", log[:ends[1]] + u32(35) + bytes(35), 1, "wrong")
    yield case("spoiled: a length beyond the longest", log[:ends[1]] + u32(0xFFFFFFFF) + bytes(64), 1, "wrong")
    short = u32(36) + u16(5) + u16(1)
    yield case("spoiled: a row key longer than its entry", short + sha256(short), 0, "wrong")


def state_digests():
    for case, count in [("no rows", 0), ("one row", 1), ("two rows", 2), ("40 rows", 40)]:
        store_key = fixed("store key", 32)
        state_key = expand(store_key, b"gembok/state/v1\x00")
        total, rows = 0, []
        for number in range(count):
            # Row 0 is boot's: table 0, and of the others some have empty keys or values.
            table, key = number % 5, fixed(f"digest key {number}", number % 17)
            value = fixed(f"digest value {number}", 3 * number % 50)
            rows += [("table", table), ("row-key", key), ("stored", value)]
            total += int.from_bytes(hmac_sha256(state_key, u16(table) + u16(len(key)) + key + value), "big")
        whole = (total % 2**256).to_bytes(32, "big")
        yield [("case", case), ("store-key", store_key), *rows, ("sum", whole),
               ("sealed", hmac_sha256(state_key, b"\xff\xff" + whole))]


class Omitted:
    """Stands for the value of an optional member that is left out of its map."""


def cbor(value):
    """Deterministic CBOR (RFC 8949 §4.2): shortest heads, map keys in ascending order of their encodings, definite lengths."""
    def head(major, number):
        for size, extra, pack in [(24, None, None), (1 << 8, 24, u8), (1 << 16, 25, u16), (1 << 32, 26, u32)]:
            if number < size:
                return u8(major << 5 | (number if extra is None else extra)) + (pack(number) if pack else b"")
        return u8(major << 5 | 27) + u64(number)

    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    members = sorted((cbor(key), cbor(item)) for key, item in value.items() if item is not Omitted)
    return head(5, len(members)) + b"".join(key + item for key, item in members)


def boots():
    states = {"current": 1, "retiring": 2, "destroyed": 3}

    def opaque(label, length):
        return fixed(f"boot {label}", length)

    sandbox = {
        "epoch": 0, "serial": "0123456789abcdef", "sandbox": True, "backup": Omitted, "ca-label": "gembok-ca",
        "ca-escrow": Omitted, "current": 1, "masters": [(1, "gembok-mk-1", "current", Omitted)], "stores": [1],
        "checkpoints": [(0, "gembok-checkpoint-0")], "shares": [], "slots": [], "officers": [],
    }
    grown = {
        "epoch": 3, "serial": "", "sandbox": False, "backup": opaque("backup key", 67), "ca-label": "gembok-ca",
        "ca-escrow": opaque("CA escrow", 300), "current": 0x01000000,
        "masters": [(1, "gembok-mk-1", "destroyed", Omitted), (2, "gembok-mk-2", "retiring", opaque("escrow 2", 79)),
                    (300, "kunci induk № 300", "current", opaque("escrow 300", 79))],
        "stores": [24, 0x01000000], "checkpoints": [(0, "gembok-checkpoint-0"), (3, "gembok-checkpoint-3")],
        "shares": [[opaque(f"commitment {index}", 32) for index in range(3)], []],
        "slots": [opaque("slot 0", 20), b""], "officers": [opaque("officer", 23), opaque("officer 2", 24)],
    }
    for case, row in [("a fresh sandbox", sandbox), ("restored, rotated, with officers", grown)]:
        lines = [("case", case), ("format-version", 1), ("appliance-id", fixed("chain", 16)), ("epoch", row["epoch"]),
                 ("token-serial", row["serial"])]
        masters = []
        for generation, label, state, escrow in row["masters"]:
            kcv = opaque(f"kcv {generation}", 3)
            masters.append({0: generation, 1: label, 2: kcv, 3: states[state], 4: escrow})
            lines += [("mk-generation", generation), ("mk-label", label), ("mk-kcv", kcv), ("mk-state", state),
                      ("mk-escrow", "none" if escrow is Omitted else escrow)]
        stores = []
        for generation in row["stores"]:
            wrapped = opaque(f"store key {generation}", 67)
            stores.append({0: generation, 1: wrapped})
            lines += [("store-generation", generation), ("store-wrapped", wrapped)]
        name_key, subject_key = opaque("name key", 79), opaque("subject key", 79)
        lines += [("current-store-key", row["current"]), ("name-key", name_key), ("subject-key", subject_key),
                  ("backup-key", "none" if row["backup"] is Omitted else row["backup"]), ("ca-label", row["ca-label"]),
                  ("ca-escrow", "none" if row["ca-escrow"] is Omitted else row["ca-escrow"])]
        checkpoints = []
        for epoch, label in row["checkpoints"]:
            spki = opaque(f"spki {epoch}", 91)
            checkpoints.append({0: epoch, 1: label, 2: spki})
            lines += [("checkpoint-epoch", epoch), ("checkpoint-label", label), ("checkpoint-spki", spki)]
        shares = []
        for number, commitments in enumerate(row["shares"]):
            set_id = opaque(f"share set {number}", 8)
            shares.append({0: set_id, 1: commitments})
            lines += [("share-set", set_id), ("share-commitments", b"".join(commitments))]
        lines += [("unlock-slot", slot) for slot in row["slots"]]
        lines += [("officer", officer) for officer in row["officers"]]
        encoded = cbor({
            0: 1, 1: fixed("chain", 16), 2: row["epoch"], 3: row["serial"], 4: masters, 5: stores, 6: row["current"],
            7: name_key, 8: subject_key, 9: row["backup"], 10: {0: row["ca-label"], 1: row["ca-escrow"]},
            11: checkpoints, 12: shares, 13: row["slots"], 14: row["officers"], 15: row["sandbox"],
        })
        store_key = fixed("store key", 32)
        mac = hmac_sha256(expand(store_key, b"gembok/boot/v1\x00"), encoded)
        yield [*lines, ("sandbox", str(row["sandbox"]).lower()), ("cbor", encoded), ("store-key", store_key),
               ("mac", mac), ("expect", "parses")]

    # What a decoder might let pass, but only one encoding of a boot row is its own.
    for why, malformed in [
        ("nothing at all", b""),
        ("a byte less", encoded[:-1]),
        ("a byte more", encoded + b"\x00"),
        ("a map of indefinite length", b"\xbf" + encoded[1:] + b"\xff"),
        ("a number longer than it need be", encoded[:2] + b"\x18\x01" + encoded[3:]),
        ("a member not known", u8(encoded[0] + 1) + encoded[1:] + cbor(16) + cbor(0)),
    ]:
        yield [("case", f"malformed: {why}"), ("cbor", malformed), ("expect", "malformed")]


def tree_root(leaves):
    """RFC 6962 §2.1, as it is written there."""
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return sha256(b"\x00", leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01", tree_root(leaves[:split]), tree_root(leaves[split:]))


def blocks():
    chain, previous, sequence = fixed("chain", 16), bytes(32), 0
    for number, count in enumerate([1, 2, 3, 5, 7, 8, 13]):
        leaves, lines = [], []
        for index in range(count):
            kind, version = 1 + (number + index) % 3, 1
            body = fixed(f"body {number} {index}", 11 * index)
            leaf = u16(kind) + u16(version) + u32(len(body)) + body
            leaves.append(leaf)
            lines += [("kind", kind), ("version", version), ("body", body), ("leaf", leaf)]
        epoch, time_us, state = number // 4, 1_735_689_600_000_000 + 20_000 * number, fixed(f"state {number}", 32)
        root = tree_root(leaves)
        head = (b"GK\x01" + chain + u32(epoch) + u64(sequence) + u32(count) + u64(time_us) + previous + root + state)
        own = sha256(b"gembok/block/v1\x00", head)
        yield [("case", f"block {number}, {count} leaves"), ("chain", chain), ("epoch", epoch),
               ("first-sequence", sequence), ("count", count), ("time-us", time_us), ("previous", previous),
               ("state", state), *lines, ("root", root), ("header", head), ("hash", own), ("expect", "parses")]
        previous, sequence = own, sequence + count
    for why, malformed in [("nothing at all", b""), ("a byte less", head[:-1]), ("a byte more", head + b"\x00"),
                           ("another magic", b"GB" + head[2:]), ("version 2", b"GK\x02" + head[3:]),
                           ("count 0", head[:31] + bytes(4) + head[35:])]:
        yield [("case", f"malformed: {why}"), ("header", malformed), ("expect", "malformed")]


def p256(label):
    """A P-256 key that is the same each time, and its SPKI in DER."""
    private = ec.derive_private_key(int.from_bytes(fixed(label, 31), "big") + 1, ec.SECP256R1())
    public, form = private.public_key(), serialization.PublicFormat.SubjectPublicKeyInfo
    return private, public.public_bytes(serialization.Encoding.DER, form)


def sign(private, message):
    """ECDSA over SHA-256 as r | s, deterministic (RFC 6979), so that the vectors stay the same."""
    der = private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(der))


def checkpoint(private, spki, chain, epoch, next_sequence, own, time_us):
    """The statement, and the seven lines."""
    statement = f"gembok/checkpoint/v1\n{chain.hex()}\n{epoch}\n{next_sequence}\n{own.hex()}\n{time_us}\n"
    signature = base64.b64encode(sign(private, statement.encode())).decode()
    return statement, f"{statement}{sha256(spki)[:8].hex()} {signature}\n"


def checkpoints():
    chain, most, start = fixed("chain", 16), 2**64 - 1, 1_735_689_600_000_000
    for number, (epoch, next_sequence, time_us) in enumerate(
            [(0, 1, start), (3, 1_000_000, start + 60_000_000), (2**32 - 1, most, most), (0, 0, 0)]):
        private, spki = p256(f"checkpoint key {number}")
        own = fixed(f"head {number}", 32)
        statement, text = checkpoint(private, spki, chain, epoch, next_sequence, own, time_us)
        yield [("case", f"checkpoint {number}"), ("spki", spki), ("chain", chain), ("epoch", epoch),
               ("next-sequence", next_sequence), ("hash", own), ("time-us", time_us),
               ("digest", sha256(statement.encode())), ("text", text.encode()),
               ("line", " ".join(text.split("\n")[:-1])), ("fingerprint", sha256(spki)), ("expect", "verifies")]
    (private, spki), (other, other_spki) = p256("checkpoint key 0"), p256("another key")
    statement, text = checkpoint(private, spki, chain, 0, 7, own, 1_000)
    seal = text.split("\n")[6]
    foreign = base64.b64encode(sign(other, statement.encode())).decode()
    for why, wrong in [
        ("another sequence than was signed", text.replace("\n7\n", "\n8\n")),
        ("another epoch than was signed", text.replace("\n0\n", "\n1\n")),
        ("signed by another key in this one's name", f"{statement}{seal.split()[0]} {foreign}\n"),
        ("signed by another key in its own name", f"{statement}{sha256(other_spki)[:8].hex()} {foreign}\n"),
    ]:
        yield [("case", why), ("spki", spki), ("text", wrong.encode()), ("expect", "not authentic")]
    for why, wrong in [
        ("nothing at all", ""),
        ("no LF at the end", text[:-1]),
        ("a LF more", text + "\n"),
        ("CR LF", text.replace("\n", "\r\n")),
        ("version 2", text.replace("/v1", "/v2")),
        ("a line less", "\n".join(text.split("\n")[:6]) + "\n"),
        ("hex in capitals", text.replace(chain.hex(), chain.hex().upper())),
        ("a chain too short", text.replace(chain.hex(), chain.hex()[2:])),
        ("a zero before a number", text.replace("\n7\n", "\n07\n")),
        ("a sign before a number", text.replace("\n7\n", "\n+7\n")),
        ("a number too large", text.replace("\n0\n", f"\n{2**32}\n")),
        ("an empty number", text.replace("\n7\n", "\n\n")),
        ("a number that is none", text.replace("\n7\n", "\nseven\n")),
        ("two spaces before the signature", text.replace(seal, seal.replace(" ", "  "))),
        ("base64 without padding", text.replace("==", "")),
        ("spare bits in base64", text[:-4] + chr(ord(text[-4]) + 1) + "==\n"),
        ("a signature a byte short", f"{statement}{'00' * 8} {base64.b64encode(bytes(63)).decode()}\n"),
        ("one line instead of seven", text[:-1].replace("\n", " ") + "\n"),
    ]:
        assert wrong != text, why
        yield [("case", f"malformed: {why}"), ("text", wrong.encode()), ("expect", "malformed")]


def tree_path(index, leaves):
    """RFC 6962 §2.1.1, as it is written there: the hashes from a leaf up to the root."""
    if len(leaves) <= 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return tree_path(index, leaves[:split]) + [tree_root(leaves[split:])]
    return tree_path(index - split, leaves[split:]) + [tree_root(leaves[:split])]


def leaf_of(kind, body):
    return u16(kind) + u16(1) + u32(len(body)) + body


def audit_leaf(time_us, act, details):
    body = cbor(0) + cbor(time_us) + cbor(1) + cbor("local:0") + cbor(2) + cbor(act) + cbor(3) + cbor(details)
    return leaf_of(2, u8(0xa4) + body)


def journal():
    start = 1_735_689_600_000_000
    details = [
        {},
        {"to": "2", "from": "0", "at": "kantor"},
        {"name": "", "uses-reserved": "1024", "key-id": "0000002a", "version": "1", "naam": "é"},
        {letter * length: f"{length}" for length in [1, 23, 24, 255, 256] for letter in "zaé"},
    ]
    for number, named in enumerate(details):
        body = audit_leaf(start, "test.audit", named)[8:]
        in_order = sorted(named, key=lambda name: (len(name.encode()), name.encode()))
        lines = [line for name in in_order for line in (("name", name), ("value", named[name]))]
        yield [("case", f"audit record {number}"), ("kind", 2), ("version", 1), ("time-us", start),
               ("actor", "local:0"), ("act", "test.audit"), *lines, ("body", body), ("expect", "parses")]
    ordered = cbor({"to": "2", "from": "0"})
    body = audit_leaf(start, "test.audit", {"to": "2", "from": "0"})[8:]
    by_text = u8(0xa2) + cbor("from") + cbor("0") + cbor("to") + cbor("2")
    twice = u8(0xa2) + (cbor("to") + cbor("2")) * 2
    for why, malformed in [("names in the order of their text", body.replace(ordered, by_text)),
                           ("a name twice", body.replace(ordered, twice)),
                           ("a byte less", body[:-1]), ("nothing at all", b"")]:
        yield [("case", f"malformed audit record: {why}"), ("kind", 2), ("body", malformed), ("expect", "malformed")]

    endpoint, object_ = fixed("endpoint", 16), fixed("object", 16)
    groups = [[object_, 3, 0, 2, 32, []], [None, 0, 50, 1, 0, []]]
    latencies = {bucket_of(latency): count for latency, count in [(9, 1), (150, 40), (90_000_000, 1)]}
    # Given out of order, and one of them twice.
    subjects = [fixed(f"subject {number}", 16) for number in [3, 1, 2, 1]]
    some, many = sorted(set(subjects)), [number.to_bytes(16, "big") for number in range(1000)]
    for label, told, named in [("access record about three", [("pseudonym", subject) for subject in subjects], some),
                               ("access record about 1,000", [("subjects", 1000)], many),
                               ("access record about more than are named", [("subjects", 1001)], "many")]:
        members = {0: start, 1: endpoint, 3: fixed("spki", 32), 4: bytes([192, 0, 2, 1]), 5: 1, 6: 150, 7: 36,
                   8: [[object_, 3, 0, 2, 32, named], groups[1]]}
        yield [("case", label), ("kind", 1), ("version", 1), ("time-us", start), ("endpoint", endpoint),
               ("object", object_), ("certificate", fixed("spki", 32)), *told, ("body", cbor(members)), ("expect", "parses")]
    # The seventh member says under what they are now, the eighth that they came with force.
    for label, anew in [("access record of a reencrypt", [4]), ("access record of a forced reencrypt", [4, True]),
                        ("access record of a forced reencrypt that sealed nothing", [0, True])]:
        members = {0: start, 1: endpoint, 3: fixed("spki", 32), 4: bytes([192, 0, 2, 1]), 5: 1, 6: 150, 7: 36,
                   8: [[*groups[0], *anew], groups[1]]}
        yield [("case", label), ("kind", 1), ("version", 1), ("time-us", start), ("endpoint", endpoint),
               ("object", object_), ("certificate", fixed("spki", 32)), ("anew", anew[0]), ("forced", len(anew) - 1),
               ("body", cbor(members)), ("expect", "parses")]
    for label, more in [("access record", {}),
                        ("access record that stands for many", {9: 41, 10: latencies, 11: 90_000_000}),
                        ("access record that stands for many, of before there were histograms", {9: 41})]:
        members = {0: start, 1: endpoint, 3: fixed("spki", 32), 4: bytes([192, 0, 2, 1]), 5: 1, 6: 150, 7: 36,
                   8: [] if more else groups, **more}
        told = [("more", more[9])] if more else []
        told += [("latency", f"{edge} {count}") for edge, count in more.get(10, {}).items()]
        told += [("latency-max-us", more[11])] if 11 in more else []
        yield [("case", label), ("kind", 1), ("version", 1), ("time-us", start), ("endpoint", endpoint),
               ("object", object_), ("certificate", fixed("spki", 32)), *told, ("body", cbor(members)), ("expect", "parses")]

    def gap_of(time_us, last_block_us, fields_max):
        return cbor({0: time_us, 1: last_block_us, 2: fields_max})

    for number, values in enumerate([(start + 5_000_000, start, 1 << 18), (0, 0, 0), (2**64 - 1, 2**64 - 1, 2**64 - 1)]):
        yield [("case", f"gap {number}"), ("kind", 3), ("version", 1), ("time-us", values[0]),
               ("last-block-us", values[1]), ("fields-max", values[2]), ("body", gap_of(*values)), ("expect", "parses")]
    good = gap_of(24, 23, 1 << 18)
    for why, malformed in [("a byte less", good[:-1]), ("a byte more", good + b"\x00"), ("nothing at all", b""),
                           ("a member less", cbor({0: 24, 1: 23})), ("a member not known", cbor({0: 24, 1: 23, 2: 1, 3: 0})),
                           ("members in another order", u8(0xa3) + b"\x01\x17\x00\x18\x18\x02\x01"),
                           ("a number longer than it need be", good.replace(b"\x01\x17", b"\x01\x18\x17"))]:
        assert malformed != good, why
        yield [("case", f"malformed gap: {why}"), ("kind", 3), ("body", malformed), ("expect", "malformed")]


def key_uses():
    start = 1_795_000_000_000_000

    def row(sealed, last_sealed, opened, last_opened, since):
        return {0: sealed, 1: last_sealed or Omitted, 2: opened, 3: last_opened or Omitted, 4: since}

    for label, sealed, last_sealed, opened, last_opened, since in [
            ("never used", 0, 0, 0, 0, 0), ("sealed alone", 7, start, 0, 0, 0),
            ("sealed and opened", 2**40, start, 1_000_000, start + 5, 40),
            ("opened alone", 0, 0, 2**64 - 1, start, 2**64 - 1)]:
        told = [("last-sealed-us", last_sealed)] if last_sealed else []
        told += [("last-opened-us", last_opened)] if last_opened else []
        members = {key: value for key, value in row(sealed, last_sealed, opened, last_opened, since).items()
                   if value is not Omitted}
        yield [("case", label), ("sealed", sealed), ("opened", opened), ("opened-since", since), *told,
               ("row", cbor(members)), ("expect", "parses")]
    good = cbor({0: 7, 1: start, 2: 0, 4: 0})
    for why, malformed in [("a byte less", good[:-1]), ("a byte more", good + b"\x00"), ("nothing at all", b""),
                           ("a member less", cbor({0: 7, 1: start, 2: 0}))]:
        yield [("case", f"malformed: {why}"), ("row", malformed), ("expect", "malformed")]
    for label, gaps in [("one gap", [(start, 1 << 18)]), ("three gaps", [(start + at, at * 10) for at in (1, 2, 9)])]:
        told = [line for found, fields in gaps for line in [("found-us", found), ("fields-max", fields)]]
        yield [("case", label), *told, ("row", cbor({0: [list(gap) for gap in gaps]}))]


EDGES = [(4 + step) * 2 ** octave for octave in range(2, 22) for step in range(4)] + [2 ** 24]


def bucket_of(latency_us):
    """The first bucket whose edge the latency does not exceed; the one behind the last edge otherwise."""
    return next((bucket for bucket, edge in enumerate(EDGES) if latency_us <= edge), len(EDGES))


def statistics():
    assert len(EDGES) == 81
    for latency in sorted({edge + step for edge in EDGES for step in [0, 1]} | {0, 2**40, 2**64 - 1}):
        yield [("case", f"{latency} us"), ("latency-us", latency), ("bucket", bucket_of(latency))]
    starts = {1: 1_795_824_060, 2: 1_795_824_000, 3: 1_795_824_000, 4: 1_793_491_200}
    for resolution, start in starts.items():
        for object_ in [bytes(16), fixed("object", 16)]:
            key = (u8(resolution) + u64(start) + fixed("endpoint", 16) + object_ + u8(2) + u16(52))
            yield [("case", f"row key of resolution {resolution}"), ("resolution", resolution), ("start", start),
                   ("time", 1_795_824_119), ("endpoint", fixed("endpoint", 16)), ("object", object_), ("key", key)]

    def row(requests, fields, bytes_, sum_us, max_us, latencies):
        return {0: requests, 1: fields, 2: bytes_, 3: sum_us, 4: max_us, 5: latencies or Omitted}

    rows = [("fields", (0, 1000, 16_000, 0, 0, {})),
            ("requests", (3, 0, 0, 440, 200, {10: 2, 13: 1})),
            ("requests in the first and the last bucket", (300, 0, 0, 2**40, 2**39, {0: 44, 81: 256})),
            ("requests of before there were histograms", (3, 0, 0, 440, 200, {}))]
    names = ["requests", "fields", "bytes", "latency-sum-us", "latency-max-us"]
    for label, values in rows:
        told = [("latency", f"{bucket} {count}") for bucket, count in values[5].items()]
        yield [("case", f"row of {label}"), *zip(names, values), *told, ("row", cbor(row(*values))), ("expect", "parses")]
    good = row(3, 0, 0, 440, 200, {10: 2, 13: 1})
    out_of_order = cbor(good).replace(cbor({10: 2, 13: 1}), b"\xa2\x0d\x01\x0a\x02")
    for why, malformed in [("an empty bucket", cbor({**good, 5: {10: 0}})), ("no bucket at all", cbor({**good, 5: {}})),
                           ("a bucket behind the last", cbor({**good, 5: {82: 1}})), ("buckets out of order", out_of_order),
                           ("a member not known", cbor({**good, 6: 1})), ("a byte less", cbor(good)[:-1])]:
        yield [("case", f"malformed row: {why}"), ("row", malformed), ("expect", "malformed")]


class Chain:
    """Blocks, each chained to the one before."""

    def __init__(self):
        self.sequence, self.previous, self.blocks = 0, bytes(32), []

    def add(self, leaves, epoch=0, time_us=None, previous=None, count=None, root=None, chain=None):
        time_us = 1_735_689_600_000_000 + 20_000 * len(self.blocks) if time_us is None else time_us
        head = (b"GK\x01" + (chain or fixed("chain", 16)) + u32(epoch) + u64(self.sequence)
                + u32(len(leaves) if count is None else count) + u64(time_us) + (previous or self.previous)
                + (root or tree_root(leaves)) + fixed(f"state {len(self.blocks)}", 32))
        self.sequence += len(leaves)
        self.previous = sha256(b"gembok/block/v1\x00", head)
        self.blocks.append((head, leaves))
        return self.sequence, self.previous

    def whole(self, *numbers):
        chosen = [self.blocks[number] for number in numbers] if numbers else self.blocks
        return b"".join(cbor({0: head, 1: leaves}) for head, leaves in chosen)


def in_part(block, wanted):
    head, leaves = block
    chosen = [[index, leaf, tree_path(index, leaves)] for index, leaf in enumerate(leaves) if wanted(leaf)]
    return cbor({0: head, 2: chosen})


def end_of(texts, keys):
    return cbor({3: texts, 4: keys})


def exports():
    keys = [p256(f"checkpoint key {number}") for number in range(2)]
    chain_id, start = fixed("chain", 16), 1_735_689_600_000_000
    access = [leaf_of(1, fixed(f"access {number}", 40)) for number in range(8)]

    def chain_of(epochs=(0, 0, 0)):
        chain, heads = Chain(), []
        for epoch, leaves in zip(epochs, [
                [audit_leaf(start, "appliance.init", {}), access[0]],
                [access[1], audit_leaf(start, "project.create", {"name": "kantor"}), *access[2:5]],
                [access[5], audit_leaf(start, "journal.prune", {"from": "0", "to": "2"}), access[6]]]):
            heads.append(chain.add(leaves, epoch))
        return chain, heads

    def signed(head, key=0, epoch=0, time_us=start + 1_000_000, chain=chain_id):
        return checkpoint(*keys[key], chain, epoch, head[0], head[1], time_us)[1]

    def case(label, bytes_, expect, **more):
        return [("case", label), ("export", bytes_), *more.items(), ("expect", expect)]

    chain, heads = chain_of()
    end = end_of([signed(heads[2])], [keys[0][1]])
    good = chain.whole() + end

    def proved(name, bytes_, blocks, first, following, whole, single, left_out, pruned, unsigned, anchored):
        return case(name, bytes_, "proved", blocks=blocks, first=first, next=following, whole=whole, proved=single,
                    pruned=pruned, unsigned=unsigned, anchored=str(anchored).lower(), **{"left-out": left_out})

    yield proved("whole", good, 3, 0, 10, 10, 0, 0, 0, 0, False)
    parts = b"".join(in_part(block, lambda leaf: leaf[:2] == b"\x00\x02") for block in chain.blocks)
    yield proved("audit records alone", parts + end, 3, 0, 10, 0, 3, 7, 0, 0, False)
    some = in_part(chain.blocks[0], lambda leaf: False) + in_part(chain.blocks[1], lambda leaf: True) + chain.whole(2)
    yield proved("none of one block, all of one, and one whole", some + end, 3, 0, 10, 3, 5, 2, 0, 0, False)
    anchored = end_of([signed(heads[0]), signed(heads[2])], [keys[0][1]])
    yield proved("from behind a checkpoint on", chain.whole(1, 2) + anchored, 2, 2, 10, 8, 0, 0, 0, 0, True)
    yield proved("from a later block on, signed only behind it", chain.whole(1, 2) + end, 2, 2, 10, 8, 0, 0, 0, 0, False)
    bare = cbor({0: chain.blocks[0][0]})
    yield proved("the first block pruned, and the record of it", bare + chain.whole(1, 2) + end, 3, 0, 10, 8, 0, 0, 2, 0,
                 False)
    unsigned = end_of([signed(heads[1])], [keys[0][1]])
    yield proved("three records behind the last checkpoint", chain.whole() + unsigned, 3, 0, 10, 10, 0, 0, 0, 3, False)
    later, later_heads = chain_of((0, 1, 1))
    two = end_of([signed(later_heads[0]), signed(later_heads[2], 1, 1)], [key for _, key in keys])
    yield proved("two epochs and a key of each", later.whole() + two, 3, 0, 10, 10, 0, 0, 0, 0, False)
    left = end_of([signed(heads[2]), signed(later_heads[2], 1, 1)], [key for _, key in keys])
    yield proved("a checkpoint of an epoch that a restore left behind", later.whole() + left, 3, 0, 10, 10, 0, 0, 0, 0, False)
    behind = end_of([signed(heads[1]), signed((99, bytes(32)), time_us=start + 2_000_000)], [keys[0][1]])
    yield proved("a later checkpoint than its end", chain.whole() + behind, 3, 0, 10, 10, 0, 0, 0, 3, False)

    def bad(label, bytes_, kind, block=None):
        return case(label, bytes_, kind, **({} if block is None else {"block": block}))

    def broken(label, kind, block, *blocks):
        other, last = Chain(), None
        for leaves, changes in blocks:
            last = other.add(leaves, **changes)
        return bad(label, other.whole() + end_of([signed(last)], [keys[0][1]]), kind, block)

    one, two = ([access[0]], {}), ([access[1], access[2]], {})
    yield broken("another chain's block", "chain", 1, one, ([access[1]], {"chain": fixed("other chain", 16)}))
    yield broken("a block that follows another", "previous", 1, one, ([access[1]], {"previous": fixed("other", 32)}))
    yield broken("a first block that follows one", "previous", 0, ([access[1]], {"previous": fixed("other", 32)}))
    yield broken("an epoch that goes back", "epoch", 1, ([access[0]], {"epoch": 1}), two)
    yield broken("a time that goes back", "time", 1, one, ([access[1]], {"time_us": start - 1}))
    yield broken("a root over other records", "records", 1, one, ([access[1]], {"root": fixed("root", 32)}))
    yield broken("a count that is not that of its records", "records", 1, one, ([access[1], access[2]], {"count": 3}))
    yield bad("a block left out", chain.whole(0, 2) + end, "missing", 7)
    yield bad("a block twice", chain.whole(0, 0, 1, 2) + end, "sequence", 0)
    head, leaves = chain.blocks[1]
    yield bad("two records in the other order",
              chain.whole(0) + cbor({0: head, 1: [leaves[1], leaves[0], *leaves[2:]]}) + chain.whole(2) + end, "records", 2)
    yield bad("a record altered",
              chain.whole(0) + cbor({0: head, 1: [access[7], *leaves[1:]]}) + chain.whole(2) + end, "records", 2)
    path = tree_path(1, leaves)
    for label, entries in [
        ("a proved record altered", [[1, access[7], path]]),
        ("a proved record in another place", [[2, leaves[1], path]]),
        ("a path cut short", [[1, leaves[1], path[:-1]]]),
        ("a path too long", [[1, leaves[1], path + [bytes(32)]]]),
        ("a place behind the block", [[5, leaves[1], path]]),
        ("proved records out of order", [[1, leaves[1], path], [0, leaves[0], tree_path(0, leaves)]]),
        ("a proved record twice", [[1, leaves[1], path], [1, leaves[1], path]]),
    ]:
        yield bad(label, chain.whole(0) + cbor({0: head, 2: entries}) + chain.whole(2) + end, "records", 2)
    yield bad("records taken away without a prune record", chain.whole(0) + cbor({0: head}) + chain.whole(2) + end, "removed", 2)
    yield bad("records taken away beside pruned ones", bare + cbor({0: head}) + chain.whole(2) + end, "removed", 2)
    yield bad("pruned, and the record of it not in the export", bare + chain.whole(1) + unsigned, "removed", 0)
    yield bad("pruned, and no signature behind the record of it", bare + chain.whole(1, 2) + unsigned, "removed", 0)
    hidden, hidden_heads = chain_of()
    hidden.add([audit_leaf(start, "journal.prune", {"from": "2", "to": "10"})])
    hiding = bare + cbor({0: head}) + hidden.whole(2, 3)
    yield bad("records taken away, and a block made up behind the last signature that says they were pruned",
              hiding + end_of([signed(hidden_heads[2])], [keys[0][1]]), "removed", 2)
    made_up = Chain()
    made_up.add(chain.blocks[0][1])
    made_up.add([audit_leaf(start, "journal.prune", {"from": "0", "to": "2"})])
    own_key = end_of([signed(hidden_heads[2]), signed((hidden.sequence, hidden.previous), 1)], [key for _, key in keys])
    yield proved("records hidden by a block that is signed with another key", hiding + own_key, 4, 0, 11, 4, 0, 0, 7, 0, False)
    yield bad("the same between two signed blocks", bare + made_up.whole(1) + chain.whole(1, 2) + end, "sequence", 2)
    made_up.add(chain.blocks[1][1][1:])
    yield bad("the same in the place of a signed one", bare + made_up.whole(1, 2) + chain.whole(2) + anchored, "previous", 7)
    more = Chain()
    for records in [[access[0]], [audit_leaf(start, "journal.prune", {"from": "0", "to": "99"})], [access[1]]]:
        more_head = more.add(records)
    barest = [cbor({0: block}) for block, _ in more.blocks]
    more_end = end_of([signed(more_head)], [keys[0][1]])
    yield proved("a prune record that says more than there was", barest[0] + more.whole(1, 2) + more_end, 3, 0, 3, 2, 0, 0, 1,
                 0, False)
    yield bad("its own block without records, and one behind it", barest[0] + more.whole(1) + barest[2] + more_end, "removed",
              2)
    twice, twice_heads = Chain(), []
    for records in [[access[0], access[1]], [access[2]], [audit_leaf(start, "journal.prune", {"from": "0", "to": "2"})],
                    [access[3]], [audit_leaf(start, "journal.prune", {"from": "2", "to": "3"})], [access[4]]]:
        twice_heads.append(twice.add(records))
    barest = [cbor({0: block}) for block, _ in twice.blocks]

    def twice_end(*numbers):
        return end_of([signed(twice_heads[number]) for number in numbers], [keys[0][1]])

    yield proved("pruned twice", barest[0] + barest[1] + twice.whole(2, 3, 4, 5) + twice_end(3, 5), 6, 0, 7, 4, 0, 0, 3, 0, False)
    yield proved("pruned twice, by records that were signed together",
                 barest[0] + barest[1] + twice.whole(2, 3, 4, 5) + twice_end(5), 6, 0, 7, 4, 0, 0, 3, 0, False)
    yield proved("pruned once, and a second record behind the last signature",
                 barest[0] + twice.whole(1, 2, 3, 4, 5) + twice_end(3), 6, 0, 7, 5, 0, 0, 2, 2, False)
    yield bad("pruned twice, and only one record of it signed", barest[0] + barest[1] + twice.whole(2, 3, 4, 5) + twice_end(3),
              "removed", 2)
    yield proved("from where it was pruned to", twice.whole(2, 3, 4, 5) + twice_end(1, 5), 4, 3, 7, 4, 0, 0, 0, 0, True)
    yield proved("from a pruned block on", barest[1] + twice.whole(2, 3, 4, 5) + twice_end(0, 5), 5, 2, 7, 4, 0, 0, 1, 0, True)
    yield bad("no block", end, "empty")
    yield bad("no checkpoint", chain.whole() + end_of([], [keys[0][1]]), "unsigned")
    yield bad("a checkpoint of another chain",
              chain.whole() + end_of([signed(heads[2], chain=fixed("other chain", 16))], [keys[0][1]]), "chain")
    yield bad("a checkpoint with another hash", chain.whole() + end_of([signed((10, bytes(32)))], [keys[0][1]]), "fork", 7)
    yield bad("a checkpoint in the middle of a block",
              chain.whole() + end_of([signed((4, heads[0][1]))], [keys[0][1]]), "fork", 2)
    yield bad("a checkpoint with another hash before the start",
              chain.whole(1, 2) + end_of([signed((2, bytes(32))), signed(heads[2])], [keys[0][1]]), "fork", 2)
    yield bad("two checkpoints that contradict one another behind the end",
              chain.whole() + end_of([signed(heads[2]), signed((50, bytes(32))), signed((50, heads[0][1]))], [keys[0][1]]),
              "fork", 50)
    yield bad("a checkpoint with another epoch", chain.whole() + end_of([signed(heads[2], epoch=1)], [keys[0][1]]),
              "checkpoint", 7)
    flipped = Chain()
    flipped.add(chain.blocks[0][1])
    flipped.add(chain.blocks[1][1], 7)
    sealed_by_an_older = end_of([signed(heads[0]), signed(heads[1])], [keys[0][1]])
    yield bad("an epoch that nothing signed speaks of, to explain away a checkpoint", flipped.whole() + sealed_by_an_older,
              "left-behind", 2)
    newer = end_of([signed(heads[0]), signed(later_heads[1], 1, 1)], [key for _, key in keys])
    yield bad("a chain that a restore left behind", chain.whole() + newer, "left-behind", 2)
    yield bad("an end that was cut off, though signed earlier",
              chain.whole() + end_of([signed(heads[2]), signed((99, bytes(32)), time_us=start)], [keys[0][1]]), "cut-off")
    yield bad("a signer whose key is not here", chain.whole() + end_of([signed(heads[2])], [keys[1][1]]), "signer")
    text = signed(heads[2])
    forged = text.replace(str(start + 1_000_000), str(start + 2_000_000))
    yield bad("a signature over something else", chain.whole() + end_of([forged], [keys[0][1]]), "signature")
    for label, malformed in [
        ("no end", chain.whole()),
        ("cut off in the middle of an item", good[:-1]),
        ("nothing at all", b""),
        ("something behind the end", good + chain.whole(0)),
        ("a number longer than it need be", good.replace(b"\xa2\x00\x58", b"\xa2\x18\x00\x58", 1)),
        ("a map of indefinite length", b"\xbf" + cbor({0: head, 1: leaves})[1:] + b"\xff" + end),
        ("a member not known", cbor({0: head, 5: leaves}) + end),
        ("no header", cbor({1: leaves}) + end),
        ("a header a byte short", cbor({0: head[:-1], 1: leaves}) + end),
        ("two leaves in one", cbor({0: head, 1: [leaves[0] + leaves[1], *leaves[2:]]}) + end),
        ("a leaf a byte short", cbor({0: head, 1: [leaves[0][:-1], *leaves[1:]]}) + end),
        ("a hash a byte short", cbor({0: head, 2: [[1, leaves[1], [path[0][:-1], *path[1:]]]]}) + end),
        ("an end with a key that is none", chain.whole() + end_of([text], [keys[0][1][:-1]])),
        ("an end with a checkpoint that is none", chain.whole() + end_of([text[:-1]], [keys[0][1]])),
        ("text instead of bytes", b"an export of the journal"),
    ]:
        yield case(f"malformed: {label}", malformed, "malformed")


FILES = {
    "aad.txt": (aads, """
What an envelope is bound to (big-endian):

    "gembok/aad/v1" 00 | header 12 | project id 16 | object id 16 | count u16 | ( length u16, name, length u16, value )*

sorted by the UTF-8 bytes of the names; nothing is normalised. `name` and `value` come in the order a caller gave them.
Empty and repeated names, and more than 4,096 bytes from the count on, are refused."""),
    "envelope.txt": (envelopes, """
Envelope v1 (big-endian):

    "GB" 01 | algorithm u8 | key id u32 | key version u32 | nonce 24 or 12 | ciphertext | tag 16

Algorithms: 1 xaes-256-gcm (24), 2 aes-256-gcm (12), 3 aes-256-gcm-siv (12), 4 xchacha20-poly1305 (24). `text` is the
envelope in standard base64 with padding. `aad` is made as in aad.txt. `expect` is `opens`, `not authentic` (it has the
form, but does not open under this key and AAD) or `malformed` (it has not even the form)."""),
    "wrapped-key.txt": (wrapped_keys, """
A key under another key (big-endian):

    01 | how u8 | wrapping version u32 | nonce length u8 | nonce | ciphertext 32 | tag 16

how 1: XAES-256-GCM in process, 24-byte nonce; how 2: AES-256-GCM in the token, 12-byte nonce. Associated data:

    "gembok/wrap/v1" 00 | kind u8 | algorithm u8 | project 16 | object 16 | key id u32 | version u32 | wrapping version u32

Kinds: 1 kek, 2 store key, 3 data key, 4 index root, 5 backup key, 6 name key, 7 subject key. What a case does not name
is zero in the associated data."""),
    "kcv.txt": (kcvs, """
Key check value: the first three bytes of AES-256-CMAC over 16 zero bytes, as six hex digits in capitals."""),
    "derive.txt": (derived, """
Derived keys: HKDF-Expand-SHA-256 (RFC 5869) of the store key, 32 bytes, info "gembok/state/v1" 00 for the state key and
"gembok/boot/v1" 00 for the boot MAC key. The tags are HMAC-SHA-256 of `message` under them."""),
    "row-key.txt": (row_keys, """
Row keys that reveal no name: HMAC-SHA-256(name key, table u16 | parent 16 | name)[..16], parent zero if there is none."""),
    "subject.txt": (pseudonyms, """
Subject pseudonyms: HMAC-SHA-256(subject key, "gembok/subject/v1" 00 | project 16 | value)[..16], the value in UTF-8 as it
was sent."""),
    "normalise.txt": (normalisations, """
How values are written before they are compared (the rules stand in src/domain/normalise.rs). `length` is what the field
declares: exactly so many digits, or at most so many bytes of what comes out. `expect` is `normalised` or `refused`."""),
    "text-fold.txt": (foldings, """
The text-fold of every character that Unicode 14.0 assigns (surrogates and private use left out), between two letters: the digest
is SHA-256 over `character u32 | text-fold of "a", the character, "b" in UTF-8 | ff` of each in order. By Python's unicodedata."""),
    "index.txt": (indexes, """
Blind indexes: ik = HKDF-Expand-SHA-256(root, "gembok/index/v1" 00 | index id 16 | normaliser u8 | bits u8); the value is
`root version u32 |` the leftmost bits of HMAC-SHA-256(ik, normalised value), in whole bytes, spare low bits zero."""),
    "record.txt": (records, """
A stored record (big-endian):

    01 | store key generation u32 | nonce 24 | ciphertext | tag 16

under XAES-256-GCM with the associated data "gembok/record/v1" 00 | table u16 | length u16 | row key."""),
    "state-digest.txt": (state_digests, """
State digest: the sum modulo 2^256 (`sum`, big-endian) of HMAC-SHA-256(state key, table u16 | length u16 | key | stored
value) over all rows; in a block header it stands as `sealed`, HMAC-SHA-256(state key, FF FF | sum). The state key is
derived from the store key as in derive.txt."""),
    "boot.txt": (boots, """
The boot row: a deterministic CBOR map (RFC 8949 §4.2) with integer keys, then HMAC-SHA-256(boot MAC key, that CBOR).
Optional members that are `none` are left out. The wrapped keys and blobs here have the lengths of real ones, but open
nowhere: whoever only knows the row does not look inside.

    0 format version        4 master keys [{0 generation, 1 label, 2 KCV, 3 state (1 current, 2 retiring, 3 destroyed),
    1 appliance id 16                       4 escrow?}]
    2 epoch                 5 store keys [{0 generation, 1 wrapped}]     6 current store key generation
    3 token serial          7 name key      8 subject key      9 backup key?      10 CA key {0 label, 1 escrow?}
                           11 checkpoint keys [{0 epoch, 1 label, 2 SPKI}]
                           12 share sets [{0 id 8, 1 [commitment 32]}]
                           13 unlock slots [bytes]     14 officers' verifiers [bytes]     15 sandbox

`share-commitments` are the commitments of the set before it, one behind the other."""),
    "block.txt": (blocks, """
Blocks of the journal, each chained to the one before (big-endian):

    "GK" 01 | chain id 16 | epoch u32 | first sequence u64 | count u32 | time us u64
            | previous hash 32 | records root 32 | state digest 32

139 bytes; its hash is SHA-256("gembok/block/v1" 00 | header). A leaf is `kind u16 | version u16 | length u32 | body`,
the root that of the RFC 6962 tree over the leaves. The bodies here are no CBOR: the tree does not look inside."""),
    "journal.txt": (journal, """
Bodies of the journal's records, deterministic CBOR:

    kind 1, access   {0: time us, 1: endpoint, 3: SPKI's digest, 4: address, 5: operation, 6: latency us, 7: outcome,
                      8: [groups], 9: more, 10: {bucket: requests}, 11: highest latency us}
    kind 2, audit    {0: time us, 1: actor, 2: act, 3: {name: value ...}}       names in the order of their encodings
    kind 3, gap      {0: time us, 1: time us of the last block before the end, 2: most fields that may be unrecorded}

`name` and `value` are the details in that order. `expect` is `parses` or `malformed`. Access records are of an encryption from
192.0.2.1, refused as api-key-unknown after 150 us; groups are of the object and of none; `latency` is a bucket and its
requests. `anew` is the key version that sealed the object's items anew, 0 where nothing was sealed, and `forced` 1 where they
came with force. The object's items are about each `pseudonym`, which may come twice, or about the numbers below `subjects`, as 16
bytes each."""),
    "escrow.txt": (escrow_logs, """
Escrow logs (big-endian), entries one behind the other:

    length u32 | table u16 | length u16 | row key | sealed value | SHA-256 of all that stands before it in the log 32

The first length counts what follows it, the hash included. `table`, `row-key` and `value` are those of the entries that are
whole, in order; `entries` counts them, `bytes` is where they end. `expect` is `whole`, `cut off` (what is behind them is the
beginning of an entry) or `wrong`."""),
    "statistics.txt": (statistics, """
Statistics rows, big-endian key and deterministic CBOR:

    key    resolution u8 (1 minute, 2 hour, 3 day, 4 month) | start u64, s | endpoint 16 | object 16 | operation u8 | outcome u16
    row    {0: requests, 1: fields, 2: bytes, 3: sum of latencies us, 4: highest latency us, 5: {bucket: requests ...}}

Keys are of operation 2, outcome 52, and of the bucket in which `time` (s since 1970) is. `latency` is a bucket and its requests;
without any member 5 is left out. Bucket 0 holds latencies up to 16 us, bucket i those above edge i-1 up to edge i, the
edges being 16, 20, 24, 28, 32, 40, ... 2^24 us, four an octave; bucket 81 holds the rest."""),
    "key_uses.txt": (key_uses, """
Uses of key versions, deterministic CBOR:

    row    {0: sealed, 1: last sealed us, 2: opened, 3: last opened us, 4: opened since it last sealed}
    gaps   {0: [[found us, most fields] ...]}

Moments that there were none of are left out. `expect` is `parses` or `malformed`."""),
    "checkpoint.txt": (checkpoints, """
Checkpoints: seven lines, each ended by LF, numbers decimal, hex lower-case:

    gembok/checkpoint/v1 | chain id | epoch | next sequence | block hash | time us | signer, a space, base64 of r|s

The signature is ECDSA P-256 over SHA-256 of the first six lines with their LFs (`digest`), signer = SHA-256(SPKI)[..8],
`fingerprint` = SHA-256(SPKI). `text` is the whole in hex, `line` the lines joined by single spaces. `expect` is
`verifies`, `not authentic` (it has the form, but `spki` did not sign it) or `malformed`."""),
    "export.txt": (exports, """
Exports of the journal: a sequence (RFC 8742) of deterministic CBOR items, one a block, then one at the end:

    {0: header, 1: [leaf ...]}                               with all of its records
    {0: header, 2: [[index, leaf, [hash ...]] ...]}          with some, each with its RFC 6962 path; also none
    {0: header}                                              its records were pruned
    {3: [checkpoint text ...], 4: [SPKI ...]}                the end

Headers and leaves are those of block.txt, checkpoints those of checkpoint.txt; audit records are maps, access records here
are no CBOR. `expect` is `proved` (then the numbers say of how many records), `malformed` (the sequence has not the form or
does not come to its end) or the first flaw that a verification must find, `block` naming the first record of the block it is
in."""),
}


# --- what people and their applications sign in with ---------------------------------------------------------------

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRETS = {"api-key": ("gbk_", b"gembok/api-key/v1\x00"), "session": ("gbs_", b"gembok/session/v1\x00"),
           "link": ("gbr_", b"gembok/reset/v1\x00")}


def checked_text(prefix, seed):
    """34 characters of base62 behind the prefix, and six of the CRC-32 of what stands before them."""
    body = prefix + "".join(BASE62[byte % 62] for byte in fixed(seed, 34))
    number, check = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        check = BASE62[digit] + check
    return body + check


def secrets():
    for kind, (prefix, label) in SECRETS.items():
        for seed in ["one", "two", "three"]:
            text = checked_text(prefix, f"{kind} {seed}")
            yield [("case", f"{kind} {seed}"), ("kind", kind), ("text", text),
                   ("digest", sha256(label, text.encode())), ("expect", "parses")]
        text = checked_text(prefix, f"{kind} one")
        other = next(other for other, _ in SECRETS.values() if other != prefix)
        swapped = text[:5] + text[6] + text[5] + text[7:]
        for why, wrong in [("another kind's prefix", other + text[4:]), ("a letter in small", text[:-1] + text[-1].swapcase()
                            if text[-1].isalpha() else text[:-1] + "x"), ("two letters swapped", swapped),
                           ("a character less", text[:-1]), ("a character more", text + "0"),
                           ("a blank", " " + text), ("what is no base62", text[:10] + "-" + text[11:])]:
            yield [("case", f"{kind}: {why}"), ("kind", kind), ("text", wrong + "|"), ("expect", "mistyped")]


def second_factors():
    for number in range(3):
        secret = b"12345678901234567890" if number == 0 else fixed(f"totp {number}", 20)
        encoded = base64.b32encode(secret).decode()
        for step in [0, 1, 0x23523EC, 0x27BC86AA, 2**40]:
            tag = hmac.new(secret, u64(step), hashlib.sha1).digest()
            at = tag[19] & 15
            code = (struct.unpack(">I", tag[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000
            yield [("case", f"secret {number}, step {step}"), ("secret", secret), ("base32", encoded),
                   ("step", step), ("code", f"{code:06}")]
    for number in range(3):
        letters = base64.b32encode(fixed(f"recovery {number}", 10)).decode()
        digest = sha256(b"gembok/recovery/v1\x00", letters.encode())
        grouped = "-".join(letters[at:at + 4] for at in range(0, 16, 4))
        for written in [letters, grouped, grouped.lower(), grouped.replace("-", " ")]:
            yield [("case", f"recovery code {number} as {written}"), ("recovery", written), ("digest", digest)]


def people():
    def password(seed):
        return {0: fixed(f"salt {seed}", 16), 1: fixed(f"hash {seed}", 32), 2: 65_536, 3: 3, 4: 4, 5: 1_795_824_000_000_000}

    def totp(seed, codes, confirmed):
        recovery = [sha256(b"gembok/recovery/v1\x00", base64.b32encode(fixed(f"{seed} {code}", 10))) for code in range(codes)]
        return {0: fixed(f"totp {seed}", 20), 1: 1_795_824_000_000_000, 2: 59_860_800, 3: recovery, 4: confirmed}

    def link(maker, drops, seconded):
        return {0: sha256(b"gembok/reset/v1\x00", checked_text("gbr_", "link one").encode()), 1: 1_795_910_400_000_000,
                2: f"user:{maker}" if maker else "local:0", 3: fixed("maker", 16) if maker else Omitted, 4: drops, 5: seconded}

    whole = {0: password("a"), 1: totp("a", 2, True), 2: link("x", True, False), 3: 1_795_824_000_000_001, 4: totp("b", 0, False)}
    names = ["password", "totp", "link", "enforced", "pending"]
    rows = [("nothing", {}), ("a password", {0: password("a")}), ("everything", whole),
            ("a link of the operator's, seconded", {2: link("", False, True)}),
            ("a second factor that waits", {0: password("a"), 4: totp("b", 10, False)})]
    for label, row in rows:
        told = [("has", names[key]) for key in row]
        yield [("case", f"credentials: {label}"), ("kind", "credentials"), ("row", cbor(row)), *told, ("expect", "parses")]
    for why, malformed in [("a member not known", cbor({**whole, 5: 1})), ("a byte less", cbor(whole)[:-1]),
                           ("an absent member as null", cbor({0: password("a"), 1: None})),
                           ("a salt too short", cbor({0: {**password("a"), 0: bytes(15)}})),
                           ("members out of order", b"\xa2" + cbor(3) + cbor(1) + cbor(0) + cbor(password("a")))]:
        yield [("case", f"credentials: {why}"), ("kind", "credentials"), ("row", malformed), ("expect", "malformed")]

    def approval(kind, state, project=True, requester=True, decided=True):
        return {0: fixed("approval", 16), 1: kind, 2: fixed("subject", 16), 3: fixed("project", 16) if project else Omitted,
                4: fixed("requester", 16) if requester else Omitted, 5: "user:x" if requester else "local:0",
                6: 1_795_824_000_000_000, 7: 1_796_083_200_000_000, 8: state,
                9: 1_795_824_060_000_000 if decided else Omitted, 10: "user:y" if decided else Omitted}

    kinds, states = ["member", "confirmation", "recovery"], ["waiting", "approved", "refused", "withdrawn", "used"]
    for kind, kind_name in enumerate(kinds):
        for state, state_name in enumerate(states):
            options = {"project": kind == 0, "requester": kind != 2, "decided": state != 0}
            told = [("has", option) for option, there in options.items() if there]
            yield [("case", f"approval: {kind_name}, {state_name}"), ("kind", "approval"),
                   ("row", cbor(approval(kind, state, **options))), ("of", kind_name), ("standing", state_name), *told,
                   ("expect", "parses")]
    good = approval(0, 1)
    for why, malformed in [("a kind not known", cbor({**good, 1: 4})), ("a state not known", cbor({**good, 8: 5})),
                           ("no id", cbor({**good, 0: Omitted})), ("a member not known", cbor({**good, 12: 1})),
                           ("a byte more", cbor(good) + b"\x00")]:
        yield [("case", f"approval: {why}"), ("kind", "approval"), ("row", malformed), ("expect", "malformed")]

    session = {0: fixed("session", 16), 1: fixed("subject", 16), 2: 1_795_824_000_000_000, 3: "10.0.0.7"}
    yield [("case", "session"), ("kind", "session"), ("row", cbor(session)), ("address", "10.0.0.7"), ("expect", "parses")]
    yield [("case", "session: no address"), ("kind", "session"), ("row", cbor({**session, 3: Omitted})), ("expect", "malformed")]


FILES.update({
    "secrets.txt": (secrets, """Secrets that are made here and sent back: API keys, session tokens, one-time links; ARCHITECTURE.md, "API key" and
"Session token, one-time link".

`digest` is what is stored, SHA-256 over the kind's label and the text. Where `expect` is `mistyped` the text is all before
the bar at its end."""),
    "second-factor.txt": (second_factors, """Second factors and recovery codes; ARCHITECTURE.md, "Password".

`code` is that of `step` by RFC 6238 with HMAC-SHA-1 and six digits, `base32` the secret as an authenticator takes it (the
first is RFC 6238's own). `digest` is what is stored of a recovery code, however it is written."""),
    "people.txt": (people, """Stored rows of people: credentials, approvals, sessions; ARCHITECTURE.md, "Password", and the members in src/domain.

`has` names the optional members that are there. A row that is `malformed` is refused, and never read as another."""),
})


def main():
    check = sys.argv[1:] == ["--check"]
    differing = []
    for name, (make, about) in FILES.items():
        text = file_of(about, make())
        path = HERE / name
        if check and (not path.exists() or path.read_bytes() != text.encode()):
            differing.append(name)
        elif not check:
            path.write_bytes(text.encode())
    if differing:
        sys.exit(f"not what generate.py makes: {', '.join(differing)}; a released file must not change, "
                 "an unreleased one is written anew by tests/vectors/generate.py")


if __name__ == "__main__":
    main()
