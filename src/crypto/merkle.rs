//! The RFC 6962 §2.1 tree over the leaves of a block: its root stands in the header, and a path of hashes proves one leaf
//! without the others.
//!
//! ```text
//! leaf  SHA-256(00 | leaf)        node  SHA-256(01 | left | right)        left: the largest power of two below the count
//! ```

use sha2::{Digest, Sha256};

/// Most hashes in a path: a block counts its records in a u32.
pub const PATH_LEN_MAX: usize = 32;

/// The root of the tree over `leaves`; of none, the hash of nothing.
#[must_use]
pub fn merkle_root<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    // One hash per level that waits for its right-hand sibling, as in a binary counter: memory is log n.
    let mut waiting: Vec<Option<[u8; 32]>> = Vec::new();
    for leaf in leaves {
        let mut hash = leaf_hash(leaf);
        let mut level = 0;
        loop {
            match waiting.get_mut(level) {
                None => waiting.push(Some(hash)),
                Some(place @ None) => *place = Some(hash),
                Some(place) => {
                    if let Some(left) = place.take() {
                        hash = node(&left, &hash);
                    }
                    level += 1;
                    continue;
                }
            }
            break;
        }
    }
    waiting
        .into_iter()
        .flatten()
        .reduce(|right, left| node(&left, &right))
        .unwrap_or_else(|| Sha256::digest([]).into())
}

/// The whole tree, for proofs: every hash of every level, the leaves' first.
pub struct Tree(Vec<Vec<[u8; 32]>>);

impl Tree {
    /// Over `leaves`.
    #[must_use]
    pub fn over<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut level: Vec<[u8; 32]> = leaves.into_iter().map(leaf_hash).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            // A last one without a sibling moves up as it is: that is the split at the largest power of two.
            let above = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node(left, right),
                    [alone] => *alone,
                    _ => [0; 32],
                })
                .collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        Self(levels)
    }

    /// The hashes that lead from leaf `index` to the root: PATH(m, D\[n\]) of RFC 6962 §2.1.1.
    #[must_use]
    pub fn path(&self, index: usize) -> Vec<[u8; 32]> {
        let levels = self.0.iter().enumerate();
        levels.filter_map(|(height, level)| level.get((index >> height) ^ 1)).copied().collect()
    }
}

/// Whether `path` leads from `leaf`, at `index` of `count`, to `root` (RFC 9162 §2.1.3.2).
#[must_use]
pub fn is_included(root: &[u8; 32], count: u32, index: u32, leaf: &[u8], path: &[[u8; 32]]) -> bool {
    if index >= count {
        return false;
    }
    let (mut at, mut last) = (index, count - 1);
    let mut hash = leaf_hash(leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

fn leaf_hash(leaf: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, as it is written there.
    fn by_the_book(leaves: &[&[u8]]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => leaf_hash(leaf),
            _ => {
                let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
                node(&by_the_book(left), &by_the_book(right))
            }
        }
    }

    /// RFC 6962 §2.1.1, likewise.
    fn path_by_the_book(index: usize, leaves: &[&[u8]]) -> Vec<[u8; 32]> {
        if leaves.len() <= 1 {
            return Vec::new();
        }
        let split = 1 << (leaves.len() - 1).ilog2();
        let (left, right) = leaves.split_at(split);
        let (mut path, other) = if index < split {
            (path_by_the_book(index, left), right)
        } else {
            (path_by_the_book(index - split, right), left)
        };
        path.push(by_the_book(other));
        path
    }

    fn bodies() -> Vec<Vec<u8>> {
        (0..70u8).map(|n| vec![n; usize::from(n % 9)]).collect()
    }

    #[test]
    fn the_root_is_rfc_6962s_for_every_small_count() {
        let bodies = bodies();
        for count in 0..bodies.len() {
            let leaves: Vec<&[u8]> = bodies[..count].iter().map(Vec::as_slice).collect();
            assert_eq!(merkle_root(leaves.iter().copied()), by_the_book(&leaves), "{count} leaves");
        }
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proved_by_rfc_6962s_path_and_by_no_other() {
        let bodies = bodies();
        for count in 1..bodies.len() {
            let leaves: Vec<&[u8]> = bodies[..count].iter().map(Vec::as_slice).collect();
            let (root, tree) = (by_the_book(&leaves), Tree::over(leaves.iter().copied()));
            let size = u32::try_from(count).unwrap();
            for index in 0..size {
                let at = usize::try_from(index).unwrap();
                let path = tree.path(at);
                assert_eq!(path, path_by_the_book(at, &leaves), "leaf {index} of {count}");
                assert!(is_included(&root, size, index, leaves[at], &path), "leaf {index} of {count}");
                assert!(!is_included(&root, size, index, b"another", &path));
                assert!(!is_included(&root, size, size + index, leaves[at], &path));
                assert!(!is_included(&root, size, index ^ 1, leaves[at], &path) || count == 1);
                let longer = [&path[..], &[[0; 32]]].concat();
                assert!(!is_included(&root, size, index, leaves[at], &longer));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!is_included(&root, size, index, leaves[at], shorter));
                }
            }
        }
    }
}
