//! Every law, by the name of its corpus.

pub mod api_key;
pub mod block;
pub mod checkpoint;
pub mod config;
pub mod envelope;
pub mod escrow;
pub mod json;
pub mod normalise;
pub mod record;
pub mod signing_request;

/// A law, and words of its format for the mutations.
pub struct Target {
    /// Its folder in `corpus/`.
    pub name: &'static str,
    /// Panics when the law is broken. Whether there was something to read in the input.
    pub law: fn(&[u8]) -> bool,
    /// Pieces that the format knows.
    pub words: &'static [&'static [u8]],
}

/// All there are.
pub const TARGETS: [Target; 11] = [
    Target { name: "envelope", law: envelope::hold, words: &[b"GB\x01", b"R0IB", b"\0\0\0\x01", b"="] },
    Target {
        name: "v1-body",
        law: json::v1,
        words: &[
            b"\"object\":\"k\"",
            b"\"plaintext\":\"\"",
            b"\"ciphertext\":\"R0IB\"",
            b"\"context\":{}",
            b"\"ref\":\"1\"",
            b"\"field\":\"nik\"",
            b"\"items\":[]",
            b"null",
            b"\\u0000",
            b"\\ud800",
            b"1e999",
            b",",
            b"{",
            b"}",
            b"[",
            b"]",
        ],
    },
    Target {
        name: "published-body",
        law: json::published,
        words: &[
            b"\"api-key\":\"gbk_\"",
            b"\"objek\":\"k\"",
            b"\"aksi\":\"enkrip\"",
            b"\"plaintext\":\"\"",
            b"\"ciphertext\":\"\"",
            b"\"chiptext\":\"\"",
            b"\\n",
            b"null",
            b"{",
            b"}",
            b",",
        ],
    },
    Target {
        name: "record",
        law: record::hold,
        words: &[b"\x01\0\0\0\x01", b"\xa0", b"\xbf", b"\xff", b"\x18\x05", b"\xf6", b"\x40", b"\x60"],
    },
    Target {
        name: "escrow",
        law: escrow::hold,
        words: &[b"\0\0\0\x24", b"\0\x05\0\x08", b"\xff\xff\xff\xff"],
    },
    Target { name: "api-key", law: api_key::hold, words: &[b"gbk_", b"0", b"z", b"\xc3\xa9"] },
    Target {
        name: "config",
        law: config::hold,
        words: &[
            b"[tls]\n",
            b"[token]\nlabel = \"a\"\n",
            b"connections_max = 1\n",
            b"idle_timeout_ms = 100\n",
            b"= 18446744073709551615\n",
            b"= -1\n",
            b"listen = \"[::]:0\"\n",
        ],
    },
    Target {
        name: "block",
        law: block::hold,
        words: &[b"GK\x01", b"\0\x01\0\x01\0\0\0\0", b"\xff\xff\xff\xff"],
    },
    Target {
        name: "checkpoint",
        law: checkpoint::hold,
        words: &[b"gembok/checkpoint/v1\n", b"\n", b" ", b"0", b"18446744073709551616", b"="],
    },
    Target {
        name: "signing-request",
        law: signing_request::hold,
        words: &[b"\x30\x82", b"\x30\x80", b"\x06\x08", b"\x03\x42\0\x04", b"\x02\x01\0", b"\xa0\0"],
    },
    Target {
        name: "normalise",
        law: normalise::hold,
        words: &[
            b"-",
            b".",
            b" ",
            b"+62",
            b"@",
            b"2000-02-29",
            b"\xc3\x9f",
            b"\xe3\x80\x80",
            b"\xcc\x81",
            b"\xcd\x85",
        ],
    },
];
