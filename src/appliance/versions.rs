//! The key versions of an object as requests come to need them. An object has thousands in time, and a request needs one or two:
//! the one that seals is read with the object, and every other when an envelope names it first. What was read stays as long as the
//! object itself is believed, so a look at it waits for nobody: entries are added, and never changed or taken out.

use std::sync::OnceLock;

use crate::domain::key_version::KeyVersion;
use crate::domain::refusal::Code;

use super::listed::Listed;

/// Chains that entries are spread over; a power of two.
const CHAINS: usize = 64;

/// What was read so far.
#[derive(Default)]
pub(super) struct Versions {
    /// The one that seals, if it is there.
    current: Option<Entry>,
    /// The others, by number: mostly none.
    others: OnceLock<Box<[Chain; CHAINS]>>,
}

type Chain = OnceLock<Box<Node>>;

struct Node {
    entry: Entry,
    next: Chain,
}

/// A version by its number, which a damaged one has, too.
struct Entry {
    number: u32,
    version: Listed<KeyVersion>,
}

impl Entry {
    fn of(number: u32, version: Listed<KeyVersion>) -> Self {
        // Nobody on the way of a request asks what became of it.
        let version = version.map(|version| KeyVersion { moves: None, ..version });
        Self { number, version }
    }

    fn at_hand(&self) -> Result<&KeyVersion, Code> {
        match &self.version {
            Listed::Sound(version) => Ok(version),
            Listed::Damaged(_) => Err(Code::Fault),
        }
    }
}

impl Versions {
    /// With the version that seals, if it is there.
    pub(super) fn new(number: u32, current: Option<Listed<KeyVersion>>) -> Self {
        Self { current: current.map(|version| Entry::of(number, version)), others: OnceLock::new() }
    }

    /// A version that was read already.
    ///
    /// # Errors
    /// `fault` when its row is damaged.
    pub(super) fn at_hand(&self, number: u32) -> Option<Result<&KeyVersion, Code>> {
        if let Some(current) = self.current.as_ref().filter(|current| current.number == number) {
            return Some(current.at_hand());
        }
        let mut chain = self.others.get()?.get(place(number))?;
        while let Some(node) = chain.get() {
            if node.entry.number == number {
                return Some(node.entry.at_hand());
            }
            chain = &node.next;
        }
        None
    }

    /// Keeps a version that was read. Where somebody else has kept it meanwhile, that one stays.
    pub(super) fn keep(&self, number: u32, version: Listed<KeyVersion>) {
        let mut node = Box::new(Node { entry: Entry::of(number, version), next: Chain::new() });
        let chains = self.others.get_or_init(|| Box::new([const { Chain::new() }; CHAINS]));
        let mut chain = chains.get(place(number));
        while let Some(link) = chain {
            let Err(again) = link.set(node) else { return };
            node = again;
            chain = link.get().filter(|kept| kept.entry.number != number).map(|kept| &kept.next);
        }
    }
}

const fn place(number: u32) -> usize {
    number as usize % CHAINS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::Algorithm;
    use crate::domain::key_move::Because;
    use crate::domain::key_place::KeyPlace;
    use crate::domain::timestamp::Timestamp;
    use crate::store::{RowName, Table};

    fn version(number: u32) -> Listed<KeyVersion> {
        let because = Because::system(Timestamp::from_seconds(1), "uji");
        Listed::Sound(KeyVersion::made(
            KeyPlace::new(7, number),
            Algorithm::Aes256Gcm,
            1,
            vec![1; 79],
            because,
        ))
    }

    fn number(found: Option<Result<&KeyVersion, Code>>) -> Option<Result<u32, Code>> {
        found.map(|found| found.map(|version| version.version))
    }

    #[test]
    fn each_is_found_by_its_number_once_it_was_kept() {
        let versions = Versions::new(9, Some(version(9)));
        assert_eq!(number(versions.at_hand(9)), Some(Ok(9)));
        assert!(versions.at_hand(9).unwrap().unwrap().moves.is_none());
        let all = [1, 65, 129, 2, 1_009, u32::MAX, 0];
        for (at, kept) in all.into_iter().enumerate() {
            assert_eq!(number(versions.at_hand(kept)), None);
            versions.keep(kept, version(kept));
            for known in &all[..=at] {
                assert_eq!(number(versions.at_hand(*known)), Some(Ok(*known)));
            }
        }
        versions.keep(65, Listed::Damaged(RowName::new(Table::KeyVersions, b"65")));
        assert_eq!(number(versions.at_hand(65)), Some(Ok(65)), "the first one stays");
        versions.keep(3, Listed::Damaged(RowName::new(Table::KeyVersions, b"3")));
        assert_eq!(number(versions.at_hand(3)), Some(Err(Code::Fault)));
        assert_eq!(number(Versions::new(9, None).at_hand(9)), None);
    }

    #[test]
    fn whoever_keeps_at_the_same_time_loses_nothing() {
        let versions = Versions::new(9_999, None);
        std::thread::scope(|scope| {
            for from in 0..4 {
                let versions = &versions;
                scope.spawn(move || {
                    for kept in 0..2_000 {
                        let kept = (kept + from * 500) % 2_000;
                        versions.keep(kept, version(kept));
                        assert_eq!(number(versions.at_hand(kept)), Some(Ok(kept)));
                    }
                });
            }
        });
        assert!((0..2_000).all(|kept| number(versions.at_hand(kept)) == Some(Ok(kept))));
    }
}
