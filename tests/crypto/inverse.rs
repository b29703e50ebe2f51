//! Parsing undoes writing and writing undoes parsing, for every format, on random input.

use gembok::crypto::algorithm::Algorithm;
use gembok::crypto::block::{self, BlockHeader, Leaves};
use gembok::crypto::checkpoint::{Checkpoint, Statement};
use gembok::crypto::data_key::DataKey;
use gembok::crypto::envelope::{Envelope, Header};
use gembok::crypto::random::Nonce;
use gembok::crypto::record::{OVERHEAD, Record, RecordKey};
use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{AAD_LEN, Binding, WrappedKey, WrappingKey};
use proptest::prelude::*;

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

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let statement = (any::<[u8; 16]>(), any::<u32>(), any::<u64>(), any::<[u8; 32]>(), any::<u64>());
    (statement, any::<[u8; 8]>(), any::<[u8; 64]>()).prop_map(
        |((chain, epoch, next_sequence, hash, time_us), signer, signature)| {
            Statement { chain, epoch, next_sequence, hash, time_us }.signed(signer, signature)
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
    fn a_checkpoint_reads_back(checkpoint in checkpoint()) {
        prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint));
        prop_assert_eq!(Checkpoint::parse_line(&checkpoint.to_line()), Ok(checkpoint));
    }

    #[test]
    fn a_checkpoint_is_written_as_it_was_read(
        checkpoint in checkpoint(), at in any::<prop::sample::Index>(), character in "[0-9a-zA-Z+/= \n\r-]",
    ) {
        for (text, parse, write) in [
            (checkpoint.to_text(), Checkpoint::parse as fn(&str) -> _, Checkpoint::to_text as fn(&Checkpoint) -> _),
            (checkpoint.to_line(), Checkpoint::parse_line, Checkpoint::to_line),
        ] {
            let at = at.index(text.len());
            for spoiled in [
                [&text[..at], &character, &text[at + 1..]].concat(),
                [&text[..at], &character, &text[at..]].concat(),
                [&text[..at], &text[at + 1..]].concat(),
            ] {
                if let Ok(read) = parse(&spoiled) {
                    prop_assert_eq!(write(&read), spoiled);
                }
            }
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
