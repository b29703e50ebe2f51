//! Laws that hold for every input: two bindings never give the same associated data, and parsing undoes writing as
//! writing undoes parsing.

use std::borrow::Cow;

use gembok::crypto::aad::{self, CONTEXT_BYTES_MAX, Context, ContextError};
use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::block::{self, BlockHeader, Leaves};
use gembok::crypto::data_key::DataKey;
use gembok::crypto::envelope::{Envelope, Header};
use gembok::crypto::random::Nonce;
use gembok::crypto::record::{OVERHEAD, Record, RecordKey};
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{AAD_LEN, Binding, WrappedKey, WrappingKey};
use proptest::prelude::*;

type Pairs = Vec<(String, String)>;

/// Everything a field is bound to. Equal contexts are equal sets of pairs, so these are kept sorted.
#[derive(Debug, Clone, PartialEq)]
struct Bound {
    header: [u8; 12],
    project: [u8; 16],
    object: [u8; 16],
    pairs: Pairs,
}

impl Bound {
    fn aad(&self) -> Vec<u8> {
        let mut out = Vec::new();
        aad::write(&mut out, &self.header, &self.project, &self.object, &context(&self.pairs).unwrap());
        out
    }
}

fn context(pairs: &Pairs) -> Result<Context<'_>, ContextError> {
    Context::new(pairs.iter().map(|(name, value)| (Cow::from(name), Cow::from(value))).collect())
}

/// Few letters, among them those that length bytes are made of, so that collisions would be found if there were any.
fn word(least: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'b', 'é']), least..5)
        .prop_map(String::from_iter)
}

fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::btree_map(word(1), word(0), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

fn bound() -> impl Strategy<Value = Bound> {
    (any::<[u8; 12]>(), any::<[u8; 16]>(), any::<[u8; 16]>(), pairs())
        .prop_map(|(header, project, object, pairs)| Bound { header, project, object, pairs })
}

/// One step to a neighbour that a careless encoding would not tell from the first.
#[derive(Debug, Clone)]
enum Step {
    /// The last letter of a name becomes the first of its value.
    NameIntoValue(prop::sample::Index),
    /// The last letter of a value becomes the first of the next name.
    ValueIntoName(prop::sample::Index),
    /// Two pairs become one, whose value spells out the second with its lengths.
    Merge(prop::sample::Index),
    /// A name and its value change places.
    Exchange(prop::sample::Index),
    /// The last byte of the project id becomes the first of the object id, and so on round all the fixed parts.
    Rotate(usize),
    /// One bit of the fixed parts.
    Flip(prop::sample::Index),
    /// A pair more, of empty value.
    Add(String),
    /// A pair less.
    Remove(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Step::NameIntoValue),
        index().prop_map(Step::ValueIntoName),
        index().prop_map(Step::Merge),
        index().prop_map(Step::Exchange),
        (1usize..44).prop_map(Step::Rotate),
        index().prop_map(Step::Flip),
        word(1).prop_map(Step::Add),
        index().prop_map(Step::Remove),
    ]
}

impl Step {
    /// `None` where the step does not apply, or leads to what is no context.
    fn from(&self, here: &Bound) -> Option<Bound> {
        let mut there = here.clone();
        let pairs = &mut there.pairs;
        let count = pairs.len();
        let pick = |index: &prop::sample::Index, few: usize| {
            count.checked_sub(few).map(|past| index.index(past + 1))
        };
        match self {
            Self::NameIntoValue(index) => {
                let (name, value) = &mut pairs[pick(index, 1)?];
                value.insert(0, name.pop()?);
            }
            Self::ValueIntoName(index) => {
                let at = pick(index, 2)?;
                let letter = pairs[at].1.pop()?;
                pairs[at + 1].0.insert(0, letter);
            }
            Self::Merge(index) => {
                let at = pick(index, 2)?;
                let (name, value) = pairs.remove(at + 1);
                let lengths =
                    [name.len(), value.len()].map(|len| ['\0', char::from(u8::try_from(len).unwrap())]);
                let spelled =
                    lengths[0].into_iter().chain(name.chars()).chain(lengths[1]).chain(value.chars());
                pairs[at].1.extend(spelled);
            }
            Self::Exchange(index) => {
                let pair = &mut pairs[pick(index, 1)?];
                *pair = (pair.1.clone(), pair.0.clone());
            }
            Self::Rotate(by) => there.change_fixed(|fixed| fixed.rotate_right(*by)),
            Self::Flip(bit) => {
                there.change_fixed(|fixed| fixed[bit.index(8 * 44) / 8] ^= 1 << (bit.index(8 * 44) % 8));
            }
            Self::Add(name) => pairs.push((name.clone(), String::new())),
            Self::Remove(index) => {
                pairs.remove(pick(index, 1)?);
            }
        }
        there.pairs.sort();
        context(&there.pairs).is_ok().then_some(there)
    }
}

impl Bound {
    fn change_fixed(&mut self, change: impl FnOnce(&mut [u8])) {
        let mut fixed = [&self.header[..], &self.project, &self.object].concat();
        change(&mut fixed);
        self.header.copy_from_slice(&fixed[..12]);
        self.project.copy_from_slice(&fixed[12..28]);
        self.object.copy_from_slice(&fixed[28..]);
    }
}

/// Reads associated data back. That this can be written proves that nothing is lost in writing it.
fn read_aad(bytes: &[u8]) -> Option<Bound> {
    fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
        let (head, tail) = rest.split_first_chunk()?;
        *rest = tail;
        Some(*head)
    }
    fn counted(rest: &mut &[u8]) -> Option<String> {
        let length = u16::from_be_bytes(take(rest)?);
        let (head, tail) = rest.split_at_checked(length.into())?;
        *rest = tail;
        String::from_utf8(head.to_vec()).ok()
    }
    let mut rest = bytes.strip_prefix(b"gembok/aad/v1\0")?;
    let (header, project, object) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?);
    let count = u16::from_be_bytes(take(&mut rest)?);
    let pairs =
        (0..count).map(|_| Some((counted(&mut rest)?, counted(&mut rest)?))).collect::<Option<_>>()?;
    rest.is_empty().then_some(Bound { header, project, object, pairs })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_bindings_never_give_the_same_aad(one in bound(), steps in prop::collection::vec(step(), 1..4)) {
        let other = steps.iter().try_fold(one.clone(), |here, step| step.from(&here));
        if let Some(other) = other {
            prop_assert_eq!(one == other, one.aad() == other.aad(), "{:?}", other);
        }
    }

    #[test]
    fn two_unrelated_contexts_never_give_the_same_aad(one in pairs(), other in pairs()) {
        let [one, other] =
            [one, other].map(|pairs| Bound { header: [0; 12], project: [0; 16], object: [0; 16], pairs });
        prop_assert_eq!(one == other, one.aad() == other.aad());
    }

    #[test]
    fn an_aad_reads_back(bound in bound()) {
        prop_assert_eq!(read_aad(&bound.aad()), Some(bound));
    }

    #[test]
    fn the_order_of_pairs_does_not_matter(pairs in pairs().prop_flat_map(|pairs| {
        (Just(pairs.clone()), Just(pairs).prop_shuffle())
    })) {
        prop_assert_eq!(context(&pairs.0), context(&pairs.1));
        let context = context(&pairs.1).unwrap();
        for (name, value) in &pairs.0 {
            prop_assert_eq!(context.value(name), Some(value.as_str()));
        }
    }

    #[test]
    fn a_context_refuses_exactly_empty_repeated_and_too_long(
        pairs in prop::collection::vec((word(0), word(0)), 0..6),
        longest in prop::option::of(CONTEXT_BYTES_MAX - 40..CONTEXT_BYTES_MAX + 10),
    ) {
        let mut pairs = pairs;
        // Lengthens the last value until the whole takes as many bytes as was drawn.
        let bytes = |pairs: &Pairs| 2 + pairs.iter().map(|(n, v)| 4 + n.len() + v.len()).sum::<usize>();
        if let Some(longest) = longest {
            let missing = longest.saturating_sub(bytes(&pairs));
            if let Some(last) = pairs.last_mut() {
                last.1.push_str(&"v".repeat(missing));
            }
        }
        let names = pairs.iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>();
        let expected = if names.iter().any(|name| name.is_empty()) {
            Err(ContextError::EmptyName)
        } else if names.len() < pairs.len() {
            Err(ContextError::RepeatedName)
        } else if bytes(&pairs) > CONTEXT_BYTES_MAX {
            Err(ContextError::TooLong)
        } else {
            Ok(pairs.is_empty())
        };
        prop_assert_eq!(context(&pairs).map(|context| context.is_empty()), expected);
    }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(Algorithm::ALL.to_vec())
}

/// Valid bytes with a few changed, and some cut off or put on: what a parser must either refuse or give back unchanged.
fn spoiled(valid: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (valid, changes, 0usize..4, prop::collection::vec(any::<u8>(), 0..3)).prop_map(
        |(mut bytes, changes, cut, more)| {
            for (at, byte) in changes {
                // The first bytes are where formats differ.
                let near = bytes.len().min(16);
                bytes[at.index(near)] = byte;
            }
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            bytes.extend(more);
            bytes
        },
    )
}

fn envelope() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 40..90);
    (algorithm(), 1u32.., 1u32.., body).prop_map(|(algorithm, key_id, key_version, body)| {
        [&Header { algorithm, key_id, key_version }.to_bytes()[..], &body].concat()
    })
}

fn wrapped_key() -> impl Strategy<Value = Vec<u8>> {
    let in_process = (any::<u32>(), any::<[u8; 32]>()).prop_map(|(version, key)| {
        let key = SecretKey::take(&mut { key });
        let wrapped = WrappingKey::new(version, &key).wrap(&key, &Binding::name_key(version));
        wrapped.unwrap().to_bytes()
    });
    let in_token = (any::<u32>(), any::<[u8; 12]>(), prop::collection::vec(any::<u8>(), 48)).prop_map(
        |(version, nonce, sealed)| WrappedKey::from_token(version, &nonce, &sealed).unwrap().to_bytes(),
    );
    prop_oneof![in_process, in_token]
}

fn block_header() -> impl Strategy<Value = BlockHeader> {
    let hashes = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    (any::<[u8; 16]>(), any::<u32>(), any::<u64>(), 1u32.., any::<u64>(), hashes).prop_map(
        |(chain, epoch, first_sequence, count, time_us, (previous, root, state))| BlockHeader {
            chain,
            epoch,
            first_sequence,
            count,
            time_us,
            previous,
            root,
            state,
        },
    )
}

fn record() -> impl Strategy<Value = Vec<u8>> {
    (any::<u32>(), any::<[u8; 24]>(), prop::collection::vec(any::<u8>(), 0..50)).prop_map(
        |(generation, nonce, plaintext)| {
            let store_key = RecordKey::new(generation, &SecretKey::take(&mut [7; 32]));
            store_key.seal_with(Nonce::dangerous_fixed(nonce), 2, b"row", &plaintext).unwrap()
        },
    )
}

fn record_bytes(record: &Record<'_>) -> Vec<u8> {
    [&[1][..], &record.generation.to_be_bytes(), record.nonce, record.sealed].concat()
}

fn leaves() -> impl Strategy<Value = Vec<(u16, u16, Vec<u8>)>> {
    prop::collection::vec((any::<u16>(), any::<u16>(), prop::collection::vec(any::<u8>(), 0..30)), 0..6)
}

fn write_leaves(leaves: &[(u16, u16, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, version, body) in leaves {
        block::write_leaf(&mut bytes, *kind, *version, body);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_envelope_reads_back(
        algorithm in algorithm(), key_id in 1u32.., key_version in 1u32..,
        key in any::<[u8; 32]>(), nonce in any::<[u8; 24]>(),
        aad in prop::collection::vec(any::<u8>(), 0..50), plaintext in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let header = Header { algorithm, key_id, key_version };
        let key = DataKey::new(algorithm, &SecretKey::take(&mut { key }));
        let whole = key.seal(&header.to_bytes(), Nonce::dangerous_fixed(nonce), &aad, &plaintext).unwrap();
        let envelope = Envelope::parse(&whole).unwrap();
        prop_assert_eq!(envelope.header, header);
        prop_assert_eq!(envelope.nonce, &nonce[..algorithm.nonce_len()]);
        prop_assert_eq!(envelope.to_bytes(), whole.as_slice());
        prop_assert_eq!(&*key.open(&envelope, &aad).unwrap(), &plaintext);
    }

    #[test]
    fn an_envelope_is_written_as_it_was_read(bytes in spoiled(envelope())) {
        if let Ok(envelope) = Envelope::parse(&bytes) {
            prop_assert_eq!(envelope.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_wrapped_key_reads_back(bytes in wrapped_key()) {
        prop_assert_eq!(WrappedKey::parse(&bytes).unwrap().to_bytes(), bytes);
    }

    #[test]
    fn a_wrapped_key_is_written_as_it_was_read(bytes in spoiled(wrapped_key())) {
        if let Ok(wrapped) = WrappedKey::parse(&bytes) {
            prop_assert_eq!(wrapped.to_bytes(), bytes);
        }
    }

    #[test]
    fn two_places_never_give_a_wrapped_key_the_same_aad(
        ids in any::<([u8; 16], [u8; 16])>(), numbers in (0u32..3, 0u32..3, 0u32..3), algorithm in algorithm(),
    ) {
        let ((project, object), (key_id, version, under)) = (ids, numbers);
        let places = [
            Binding::kek(project, version, under),
            Binding::kek(object, version, under),
            Binding::store_key(version, under),
            Binding::data_key(algorithm, project, object, key_id, version, under),
            Binding::data_key(algorithm, object, project, key_id, version, under),
            Binding::data_key(algorithm, project, object, version, key_id, under),
            Binding::data_key(algorithm, project, object, key_id, under, version),
            Binding::index_root(project, object, key_id, version, under),
            Binding::backup_key(version, under),
            Binding::backup_key(under, version),
            Binding::name_key(under),
            Binding::subject_key(under),
        ];
        for one in &places {
            prop_assert_eq!(one.aad().len(), AAD_LEN);
            for other in &places {
                prop_assert_eq!(one == other, one.aad() == other.aad(), "{:?} {:?}", one, other);
            }
        }
    }

    #[test]
    fn a_block_header_reads_back(header in block_header()) {
        prop_assert_eq!(BlockHeader::parse(&header.to_bytes()), Ok(header));
    }

    #[test]
    fn a_block_header_is_written_as_it_was_read(
        bytes in spoiled(block_header().prop_map(|header| header.to_bytes().to_vec())),
    ) {
        if let Ok(header) = BlockHeader::parse(&bytes) {
            prop_assert_eq!(header.to_bytes().to_vec(), bytes);
        }
    }

    #[test]
    fn a_record_reads_back(bytes in record()) {
        let record = Record::parse(&bytes).unwrap();
        prop_assert_eq!(record_bytes(&record), bytes.as_slice());
        let store_key = RecordKey::new(record.generation, &SecretKey::take(&mut [7; 32]));
        prop_assert_eq!(store_key.open(2, b"row", &record).unwrap().len() + OVERHEAD, bytes.len());
    }

    #[test]
    fn a_record_is_written_as_it_was_read(bytes in spoiled(record())) {
        if let Ok(record) = Record::parse(&bytes) {
            prop_assert_eq!(record_bytes(&record), bytes);
        }
    }

    #[test]
    fn leaves_read_back(leaves in leaves()) {
        let bytes = write_leaves(&leaves);
        let read: Vec<_> = Leaves::new(&bytes)
            .map(|leaf| leaf.map(|leaf| (leaf.kind, leaf.version, leaf.body.to_vec())))
            .collect::<Result<_, _>>()
            .unwrap();
        prop_assert_eq!(read, leaves);
    }

    #[test]
    fn leaves_are_written_as_they_were_read(bytes in spoiled(leaves().prop_map(|leaves| {
        [write_leaves(&leaves), write_leaves(&[(1, 1, vec![0; 3])])].concat()
    }))) {
        if let Ok(read) = Leaves::new(&bytes).collect::<Result<Vec<_>, _>>() {
            let whole: Vec<u8> = read.iter().flat_map(|leaf| leaf.bytes).copied().collect();
            prop_assert_eq!(&whole, &bytes);
            let again: Vec<_> = read.iter().map(|leaf| (leaf.kind, leaf.version, leaf.body.to_vec())).collect();
            prop_assert_eq!(write_leaves(&again), bytes);
        }
    }
}
