//! A key version as its row holds it: one map, as it was before there was a [`Life`]. Members that contradict each other are no key
//! version, so nobody acts on a half of them.

use std::borrow::Cow;
use std::fmt;

use minicbor::{Decode, Encode};

use crate::crypto::algorithm::Algorithm;

use super::key_life::{Doom, Gone, KeyState, Life, Standing, Wrapped};
use super::key_move::Move;
use super::key_place::KeyPlace;
use super::key_version::KeyVersion;
use super::timestamp::Timestamp;

/// What lies under `key id u32 | version u32`; what a member means is said at [`KeyVersion`] and [`Life`].
#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored<'a> {
    #[n(0)]
    key_id: u32,
    #[n(1)]
    version: u32,
    #[n(2)]
    algorithm: Algorithm,
    #[n(3)]
    state: KeyState,
    /// That wraps the key; of one that is destroyed the last that did.
    #[n(4)]
    kek_version: u32,
    /// Empty once destroyed.
    #[cbor(n(5), with = "minicbor::bytes")]
    wrapped: Cow<'a, [u8]>,
    #[n(6)]
    uses_reserved: u64,
    #[n(7)]
    created: Timestamp,
    #[n(8)]
    encrypt_until: Option<Timestamp>,
    #[n(9)]
    decrypt_until: Option<Timestamp>,
    /// From when an end is set on, also once it is past.
    #[n(10)]
    doom: Option<StoredDoom>,
    /// Once it was destroyed.
    #[n(11)]
    gone: Option<Gone>,
    #[n(12)]
    moves: Option<Cow<'a, [Move]>>,
    /// Where it is disabled, or was when an end was set.
    #[n(13)]
    enabled_as: Option<KeyState>,
}

#[derive(Clone, Copy, Encode, Decode)]
#[cbor(map)]
struct StoredDoom {
    #[n(0)]
    at: Timestamp,
    #[n(1)]
    back: KeyState,
}

/// Members of a row that cannot be true together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contradiction {
    of: KeyPlace,
    what: &'static str,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, what } = self;
        write!(out, "{of} contradicts itself: {what}")
    }
}

impl std::error::Error for Contradiction {}

impl Stored<'_> {
    fn standing(&self) -> Result<Standing, &'static str> {
        let (stands, enabled_as) = (self.doom.map_or(self.state, |doom| doom.back), self.enabled_as);
        match (stands, enabled_as) {
            (KeyState::Disabled, Some(before)) => {
                let enabled_as = before.open().ok_or("what it is to be enabled as is closed")?;
                Ok(Standing::Disabled { enabled_as })
            }
            (KeyState::Disabled, None) => Err("it is disabled, and what it was before is missing"),
            (_, Some(_)) => Err("it is not disabled, and is to be enabled all the same"),
            (open, None) => open.open().map(Standing::Open).ok_or("where it is to go back to is an end, too"),
        }
    }

    /// Where it stands, by all members that tell of it.
    fn life(&self) -> Result<Life, &'static str> {
        use KeyState::{DestroyScheduled, Destroyed};
        let key = self.wrapped.as_ref();
        let wrapped = || Wrapped { kek_version: self.kek_version, key: key.to_owned() };
        let doom = |at| self.standing().map(|back| Doom { at, back });
        match (self.state, self.doom, self.gone) {
            (Destroyed, ..) if !key.is_empty() => Err("it is destroyed, and has a wrapped key"),
            (Destroyed, Some(StoredDoom { at, .. }), Some(gone)) if gone.kek_version == self.kek_version => {
                Ok(Life::Destroyed { doom: doom(at)?, gone })
            }
            (Destroyed, Some(_), Some(_)) => Err("it was wrapped last by two versions of its KEK"),
            (Destroyed, None, _) => Err("it is destroyed, and no end was set"),
            (Destroyed, _, None) => Err("it is destroyed, and since when is missing"),
            (_, _, Some(_)) => Err("it is not destroyed, and its key is gone"),
            _ if key.is_empty() => Err("it is not destroyed, and has no wrapped key"),
            (DestroyScheduled, Some(StoredDoom { at, .. }), None) => {
                Ok(Life::DestroyScheduled { doom: doom(at)?, wrapped: wrapped() })
            }
            (DestroyScheduled, None, _) => Err("its end is set, and when is missing"),
            (_, Some(_), _) => Err("its end is not set, and falls due"),
            (_, None, None) => Ok(Life::Kept { standing: self.standing()?, wrapped: wrapped() }),
        }
    }
}

impl<'a> From<&'a KeyVersion> for Stored<'a> {
    fn from(version: &'a KeyVersion) -> Self {
        let life = &version.life;
        Self {
            key_id: version.key_id,
            version: version.version,
            algorithm: version.algorithm,
            state: life.state(),
            kek_version: life.kek_version(),
            wrapped: Cow::Borrowed(life.wrapped().map_or(&[], |wrapped| &wrapped.key)),
            uses_reserved: version.uses_reserved,
            created: version.created,
            encrypt_until: version.encrypt_until,
            decrypt_until: version.decrypt_until,
            doom: life.doom().map(|doom| StoredDoom { at: doom.at, back: doom.back.state() }),
            gone: life.gone(),
            moves: version.moves.as_deref().map(Cow::Borrowed),
            enabled_as: match life.standing() {
                Standing::Disabled { enabled_as } => Some(enabled_as.state()),
                Standing::Open(_) => None,
            },
        }
    }
}

impl TryFrom<Stored<'_>> for KeyVersion {
    type Error = Contradiction;

    fn try_from(stored: Stored<'_>) -> Result<Self, Contradiction> {
        let Stored { key_id, version, .. } = stored;
        let life =
            stored.life().map_err(|what| Contradiction { of: KeyPlace::new(key_id, version), what })?;
        Ok(Self {
            key_id,
            version,
            algorithm: stored.algorithm,
            life,
            uses_reserved: stored.uses_reserved,
            created: stored.created,
            encrypt_until: stored.encrypt_until,
            decrypt_until: stored.decrypt_until,
            moves: stored.moves.map(Cow::into_owned),
        })
    }
}

impl<C> Encode<C> for KeyVersion {
    fn encode<W: minicbor::encode::Write>(
        &self,
        out: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        Stored::from(self).encode(out, context)
    }
}

impl<'b, C> Decode<'b, C> for KeyVersion {
    fn decode(from: &mut minicbor::Decoder<'b>, context: &mut C) -> Result<Self, minicbor::decode::Error> {
        Stored::decode(from, context)?.try_into().map_err(minicbor::decode::Error::custom::<Contradiction>)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::cbor;
    use crate::domain::id::ProjectId;
    use crate::domain::key_life::Open;
    use crate::domain::key_moves::tests::{at, because, version};

    /// Rows as they were written before there was a [`Life`].
    const ROWS: [(&str, &str); 11] = [
        (
            "pre_active",
            "a90007010202020300040305430101010600071a000f42400c81a500000100021a000f4240036673797374656d0463756a69",
        ),
        (
            "active",
            "a90007010202020301040305430101010600071a000f42400c81a500000101021a000f4240036673797374656d0463756a69",
        ),
        (
            "decrypt_only",
            "a90007010202020302040305430101010600071a000f42400c82a500000101021a000f4240036673797374656d0463756a69\
            a500010102021a001e8480036673797374656d0463756a69",
        ),
        (
            "disabled",
            "aa0007010202020303040305430101010600071a000f42400c82a500000101021a000f4240036673797374656d0463756a69\
            a500020103021a001e8480036673797374656d0463756a690d01",
        ),
        (
            "destroy_scheduled",
            "aa0007010202020304040305430101010600071a000f42400aa2001a02faf08001010c82a500000101021a000f4240036673\
            797374656d0463756a69a500050104021a001e8480036673797374656d0463756a69",
        ),
        (
            "destroyed",
            "ab0007010202020305040305400600071a000f42400aa2001a02faf08001010ba3001a02faf080010302010c83a500000101\
            021a000f4240036673797374656d0463756a69a500050104021a001e8480036673797374656d0463756a69a500070105021a\
            02faf080036673797374656d0463756a69",
        ),
        (
            "compromised",
            "a90007010202020306040305430101010600071a000f42400c82a500000101021a000f4240036673797374656d0463756a69\
            a500040106021a001e8480036673797374656d0463756a69",
        ),
        // Of before there were moves; of one that was disabled before its end was set; and once its object was deleted.
        ("decrypt_only", "a80007010202020302040305430101010600071a000f4240"),
        (
            "destroy_scheduled",
            "ab0007010202020304040305430101010600071a000f42400aa2001a02faf08001030c83a500000101021a000f4240036673\
            797374656d0463756a69a500020103021a001e8480036673797374656d0463756a69a500050104021a002dc6c00366737973\
            74656d0463756a690d01",
        ),
        (
            "destroyed",
            "ac0007010202020305040305400600071a000f42400aa2001a02faf08001030ba3001a02faf080010302010c84a500000101\
            021a000f4240036673797374656d0463756a69a500020103021a001e8480036673797374656d0463756a69a500050104021a\
            002dc6c0036673797374656d0463756a69a500070105021a02faf080036673797374656d0463756a690d01",
        ),
        (
            "destroyed",
            "aa0007010202020305040305400600071a000f42400aa2001a02faf08001010ba5001a02faf0800103020104500909090909\
            0909090909090909090909051a02625a00",
        ),
    ];

    const OPEN: [Open; 4] = [Open::PreActive, Open::Active, Open::DecryptOnly, Open::Compromised];

    /// Everything that there may be where it stands.
    fn lives(wrapped: &Wrapped, doomed: Timestamp, gone: Gone) -> Vec<Life> {
        let disabled = OPEN.map(|enabled_as| Standing::Disabled { enabled_as });
        let standing = OPEN.map(Standing::Open).into_iter().chain(disabled);
        let lives = standing.flat_map(|standing| {
            let (wrapped, doom) = (wrapped.clone(), Doom { at: doomed, back: standing });
            [
                Life::Kept { standing, wrapped: wrapped.clone() },
                Life::DestroyScheduled { doom, wrapped },
                Life::Destroyed { doom, gone },
            ]
        });
        lives.collect()
    }

    #[test]
    fn rows_of_before_are_read_and_written_as_they_were() {
        for (state, row) in ROWS {
            let byte = |at| u8::from_str_radix(&row[at..at + 2], 16).unwrap();
            let row: Vec<u8> = (0..row.len()).step_by(2).map(byte).collect();
            let read: KeyVersion = cbor::decode(&row).unwrap();
            assert_eq!(read.life.state().name(), state);
            assert_eq!(cbor::encode(&read), row, "{state}");
            assert_eq!(read.life.gone().is_none(), read.life.wrapped().is_some());
        }
    }

    #[test]
    fn of_all_that_members_could_say_only_what_is_a_life_is_read() {
        let other = Gone::at(at(60), 4, 1);
        let mut legal = lives(&Wrapped { kek_version: 3, key: vec![1] }, at(50), Gone::at(at(60), 3, 1));
        let states = || KeyState::ALL.map(Some).into_iter().chain([None]);
        let base = version(KeyState::Active);
        let (mut refused, mut whys) = (0, std::collections::BTreeSet::new());
        for (state, back, enabled_as) in KeyState::ALL
            .into_iter()
            .flat_map(|state| states().flat_map(move |back| states().map(move |as_| (state, back, as_))))
        {
            for (gone, key) in [None, Some(Gone::at(at(60), 3, 1)), Some(other)]
                .into_iter()
                .flat_map(|gone| [(gone, vec![]), (gone, vec![1])])
            {
                let doom = back.map(|back| StoredDoom { at: at(50), back });
                let stored =
                    Stored { state, wrapped: key.into(), doom, gone, enabled_as, ..Stored::from(&base) };
                let row = minicbor::to_vec(&stored).unwrap();
                match cbor::decode::<KeyVersion>(&row) {
                    Ok(read) => {
                        let known = legal.iter().position(|life| *life == read.life);
                        legal.remove(known.unwrap_or_else(|| panic!("{:?}", read.life)));
                    }
                    Err(why) => {
                        let why = why.to_string();
                        assert!(why.contains("version 2 of key 00000007 contradicts itself: "), "{why}");
                        refused += 1;
                        whys.insert(why);
                    }
                }
            }
        }
        assert_eq!((legal, refused, whys.len()), (Vec::new(), 7 * 8 * 8 * 6 - 24, 12));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            which in 0..24usize,
            (key_id, number, kek_version, master_key) in any::<(u32, u32, u32, u32)>(),
            key in prop::collection::vec(any::<u8>(), 1..80),
            (uses_reserved, created, doomed, here) in any::<(u64, u64, u64, u64)>(),
            ends in any::<[Option<u64>; 4]>(),
            (orphan_of, moves) in (any::<Option<[u8; 16]>>(), 0..4usize),
        ) {
            let when = Timestamp::from_micros;
            let [encrypt_until, decrypt_until, unrecoverable, written] = ends.map(|end| end.map(when));
            let orphan_of = orphan_of.map(ProjectId::from_bytes);
            let gone = Gone { here: when(here), kek_version, master_key, unrecoverable, orphan_of, written };
            let life = lives(&Wrapped { kek_version, key }, when(doomed), gone).remove(which);
            let told = version(KeyState::Destroyed).asked_by("user:siti").moves.unwrap();
            let version = KeyVersion {
                key_id,
                version: number,
                life,
                uses_reserved,
                created: when(created),
                encrypt_until,
                decrypt_until,
                moves: (moves > 0).then(|| told[..moves].to_vec()),
                ..version(KeyState::Active)
            };
            prop_assert_eq!(cbor::decode::<KeyVersion>(&cbor::encode(&version)), Ok(version));
        }
    }

    #[test]
    fn whoever_reads_one_that_contradicts_itself_learns_what_does() {
        let active = version(KeyState::Active).disable(because(2)).unwrap().unwrap();
        let stored = Stored { enabled_as: None, ..Stored::from(&active) };
        let why = cbor::decode::<KeyVersion>(&minicbor::to_vec(&stored).unwrap()).unwrap_err();
        assert_eq!(
            why.to_string(),
            "the record is not the deterministic CBOR of its type: version 2 of key 00000007 contradicts itself: \
             it is disabled, and what it was before is missing"
        );
    }
}
