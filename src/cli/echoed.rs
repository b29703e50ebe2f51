//! What other floors say in whole sentences, in English as they come, said in the language spoken: a sentence of the catalogue
//! ([`super::say_echoed`]) is found by its English, and its values go over into the Indonesian one. What is not in the catalogue
//! stays as it came.

use std::io;

use crate::desk::report_words::Language;

use super::say_echoed::{HINTS, PARTS, SENTENCES, WORDS};
use super::words::spoken;

/// A sentence of another floor.
pub(super) fn echoed(english: &str) -> String {
    match spoken() {
        Language::English => english.to_owned(),
        Language::Indonesian => indonesian(english),
    }
}

/// A word that stands for a state, in a table or a line for people; machines get the word itself.
pub(super) fn word(english: &str) -> &str {
    let said = WORDS.iter().filter(|_| spoken() == Language::Indonesian);
    said.copied().find(|(word, _)| *word == english).map_or(english, |(_, indonesian)| indonesian)
}

/// What the system says of a file or a connection.
pub(super) fn of_system(error: &io::Error) -> String {
    let said = match error.kind() {
        io::ErrorKind::AlreadyExists => "sudah ada",
        io::ErrorKind::NotFound => "tidak ada",
        io::ErrorKind::PermissionDenied => "akses tidak diizinkan",
        io::ErrorKind::ConnectionRefused => "sambungan ditolak",
        io::ErrorKind::StorageFull => "disk penuh",
        io::ErrorKind::IsADirectory => "ini sebuah direktori",
        io::ErrorKind::NotADirectory => "salah satu bagian alamatnya bukan direktori",
        io::ErrorKind::InvalidData => "isinya bukan teks",
        _ => return error.to_string(),
    };
    match (spoken(), error.raw_os_error()) {
        (Language::English, _) => error.to_string(),
        (Language::Indonesian, Some(number)) => format!("{said} (os error {number})"),
        (Language::Indonesian, None) => said.to_owned(),
    }
}

fn indonesian(english: &str) -> String {
    let mut known = SENTENCES.iter().chain(HINTS).chain(PARTS);
    known
        .find_map(|(from, to)| Some(filled(to, &values(from, english)?)))
        .unwrap_or_else(|| english.to_owned())
}

/// The values of `said` by their names, where it is the sentence `template`.
fn values<'a>(template: &'a str, said: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut pieces = template.split('{');
    let mut rest = said.strip_prefix(pieces.next()?)?;
    let mut found = Vec::new();
    for piece in pieces {
        let (name, after) = piece.split_once('}')?;
        let end = if after.is_empty() { rest.len() } else { rest.find(after)? };
        found.push((name, &rest[..end]));
        rest = &rest[end + after.len()..];
    }
    rest.is_empty().then_some(found)
}

/// The sentence with its values, each in Indonesian where it is itself a sentence of the catalogue, or, called `state`, a word.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut pieces = template.split('{');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let Some((name, after)) = piece.split_once('}') else { continue };
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        match WORDS.iter().find(|(word, _)| name == "state" && *word == value) {
            Some((_, word)) => text.push_str(word),
            None => text.push_str(&indonesian(value)),
        }
        text.push_str(after);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appliance::StateName;
    use crate::domain::expiry::{Ending, Expiry};
    use crate::domain::id::{ApiKeyId, EndpointId, UserId};
    use crate::domain::key_life::KeyState;
    use crate::domain::key_place::KeyPlace;
    use crate::domain::timestamp::Timestamp;

    /// Where the sentences come from.
    const SOURCES: [&str; 12] = [
        include_str!("../domain/chain.rs"),
        include_str!("../domain/chain_report.rs"),
        include_str!("../domain/chain_witness.rs"),
        include_str!("../domain/expiry.rs"),
        include_str!("../crypto/block.rs"),
        include_str!("../crypto/checkpoint.rs"),
        include_str!("../crypto/export.rs"),
        include_str!("../appliance/explain.rs"),
        include_str!("verify.rs"),
        include_str!("items.rs"),
        include_str!("run.rs"),
        include_str!("export.rs"),
    ];

    #[test]
    fn sentences_are_found_by_their_english() {
        for (english, said) in [
            (
                "its records are not those its header was made over",
                "catatannya bukan yang menjadi dasar kepala bloknya",
            ),
            (
                "an item of an export is not deterministic CBOR (byte 17)",
                "sebuah bagian ekspor bukan CBOR deterministik (byte 17)",
            ),
            ("records 3 to 7 are missing before it", "catatan 3 sampai 7 sebelum blok ini tidak ada"),
            ("The request is withdrawn.", "Permintaan itu ditarik kembali."),
            ("something of tomorrow", "something of tomorrow"),
        ] {
            assert_eq!(indonesian(english), said);
        }
    }

    /// A sentence that is said otherwise by now would be said in English to everybody.
    #[test]
    fn every_sentence_is_said_somewhere() {
        let all = SOURCES.concat().replace("\\\n", "");
        let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for (english, indonesian) in SENTENCES.iter().chain(HINTS).chain(PARTS) {
            for piece in
                english.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, after)| after))
            {
                let piece = piece.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(all.contains(&piece), "{english}: nobody says {piece:?}");
            }
            let names = |template: &str| {
                let mut names: Vec<_> = template
                    .split('{')
                    .skip(1)
                    .filter_map(|piece| Some(piece.split_once('}')?.0.to_owned()))
                    .collect();
                names.sort();
                names
            };
            assert_eq!(names(english), names(indonesian), "{english}");
        }
    }

    #[test]
    fn every_hint_at_an_end_is_said_in_indonesian() {
        let ends = [
            Ending::Ca,
            Ending::OutsideCa,
            Ending::OutsideCrl,
            Ending::CaRoll,
            Ending::Crl,
            Ending::Server,
            Ending::KeyVersion(KeyPlace::new(1, 1)),
            Ending::Endpoint(EndpointId::from_bytes([1; 16])),
            Ending::User(UserId::from_bytes([1; 16])),
            Ending::ApiKey(ApiKeyId::from_bytes([1; 16])),
        ];
        for of in ends {
            let expiry = Expiry { of, name: None, spki: None, not_after: Timestamp::from_seconds(1) };
            assert_ne!(indonesian(expiry.hint()), expiry.hint());
        }
    }

    #[test]
    fn every_state_has_its_word() {
        let keys = [
            KeyState::PreActive,
            KeyState::Active,
            KeyState::DecryptOnly,
            KeyState::Disabled,
            KeyState::DestroyScheduled,
            KeyState::Destroyed,
            KeyState::Compromised,
        ];
        let states =
            [StateName::Unprovisioned, StateName::Locked, StateName::Operational, StateName::Degraded];
        let approvals = ["waiting", "expired", "approved", "refused", "withdrawn", "used"];
        let all = keys.map(KeyState::name).into_iter().chain(states.map(StateName::as_str)).chain(approvals);
        for state in all {
            assert!(WORDS.iter().any(|(word, _)| *word == state), "{state}");
        }
    }
}
