//! Blocks: headers and leaves are written back as they were read, and the tree's root is that of RFC 6962's own words.

use gembok::crypto::block::{BlockHeader, Leaf, Leaves, merkle_root, write_leaf};
use sha2::{Digest, Sha256};

/// For any bytes as a header, and as leaves.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    let header = BlockHeader::parse(bytes);
    if let Ok(header) = &header {
        assert_eq!(header.to_bytes(), bytes, "parse and write are inverse");
        assert!(header.count > 0);
        let labelled = [b"gembok/block/v1\0", bytes].concat();
        assert_eq!(header.hash().as_slice(), Sha256::digest(labelled).as_slice());
    }
    let Ok(leaves) = Leaves::new(bytes).collect::<Result<Vec<Leaf<'_>>, _>>() else {
        return header.is_ok();
    };
    let mut written = Vec::new();
    for leaf in &leaves {
        write_leaf(&mut written, leaf.kind, leaf.version, leaf.body);
    }
    assert_eq!(written, bytes, "leaves are written as they were read");
    let hashed: Vec<&[u8]> = leaves.iter().map(|leaf| leaf.bytes).collect();
    assert_eq!(merkle_root(hashed.iter().copied()).as_slice(), root(&hashed).as_slice());
    true
}

/// RFC 6962 section 2.1, as it is written there.
fn root(leaves: &[&[u8]]) -> Vec<u8> {
    match leaves {
        [] => Sha256::digest([]).to_vec(),
        [leaf] => Sha256::digest([&[0], *leaf].concat()).to_vec(),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256::digest([&[1][..], &root(left), &root(right)].concat()).to_vec()
        }
    }
}
