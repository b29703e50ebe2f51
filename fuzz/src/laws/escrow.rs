//! Escrow logs: what is read is written back as it was, each hash is that of everything before it, and nothing behind the first
//! thing that is wrong counts.

use gembok::appliance::read_escrow;
use gembok::crypto::escrow::{Broken, LogHash};
use sha2::{Digest, Sha256};

/// For any bytes as a log. Whether there was an entry in it.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    let (mut reader, mut writer, mut at, mut entries) = (LogHash::default(), LogHash::default(), 0, 0);
    let end = loop {
        match reader.read(&bytes[at..]) {
            Ok(None) => break Ok(()),
            Ok(Some((entry, used))) => {
                assert_eq!(
                    writer.append(&entry).unwrap(),
                    bytes[at..at + used],
                    "read and write are inverse"
                );
                let (before, hash) = bytes[..at + used].split_at(at + used - 32);
                assert_eq!(hash, Sha256::digest(before).as_slice());
                at += used;
                entries += 1;
            }
            Err(broken) => break Err(broken),
        }
    };
    // The whole file, as a restore reads it, comes to the same.
    let read = read_escrow(bytes, |_| Ok(())).unwrap();
    assert_eq!((read.entries, read.bytes), (entries, at as u64));
    assert_eq!(read.cut_off, (bytes.len() - at) as u64);
    assert_eq!(read.broken.is_some(), matches!(end, Err(Broken::Wrong(_))));
    entries > 0
}
