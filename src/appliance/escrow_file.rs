//! The escrow log as a file: read from its beginning, checked on the way, and appended to, durable before it is believed.
//! [`read_escrow`] is for whoever restores from one, too.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::crypto::escrow::{Broken, Entry, LogHash};

use super::fault::{Fault, Stop};

/// Bytes asked of the disk at a time.
const READ_BYTES: usize = 1 << 20;

/// What a log came to.
pub struct EscrowRead {
    /// Entries that are whole.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes behind them: an entry that was cut off by an interrupted write.
    pub cut_off: u64,
    /// What is wrong behind them, if it is more than that.
    pub broken: Option<&'static str>,
    hash: LogHash,
}

/// Reads a log from its beginning and hands over every whole entry, up to what is wrong.
///
/// # Errors
/// The file's, and those of `visit`.
pub fn read_escrow(
    from: impl Read,
    mut visit: impl FnMut(Entry<'_>) -> Result<(), Stop>,
) -> Result<EscrowRead, Stop> {
    let unreadable = |error: io::Error| Fault::new(format!("the escrow log cannot be read: {error}"));
    let mut from = BufReader::with_capacity(READ_BYTES, from);
    let mut read = EscrowRead { entries: 0, bytes: 0, cut_off: 0, broken: None, hash: LogHash::default() };
    let mut entry = Vec::new();
    loop {
        entry.clear();
        from.by_ref().take(4).read_to_end(&mut entry).map_err(unreadable)?;
        if let Some(length) = entry.first_chunk::<4>().map(|length| u32::from_be_bytes(*length)) {
            // No further than an entry can be long: a rotten length must not fill the memory.
            let length = u64::from(length).min(crate::crypto::escrow::ENTRY_BYTES_MAX as u64);
            from.by_ref().take(length).read_to_end(&mut entry).map_err(unreadable)?;
        }
        match read.hash.read(&entry) {
            Ok(None) => return Ok(read),
            Ok(Some((found, used))) => {
                visit(found)?;
                read.entries += 1;
                read.bytes += used as u64;
            }
            Err(broken) => {
                let rest = io::copy(&mut from, &mut io::sink()).map_err(unreadable)?;
                read.cut_off = entry.len() as u64 + rest;
                if let Broken::Wrong(why) = broken {
                    read.broken = Some(why);
                }
                return Ok(read);
            }
        }
    }
}

/// The log is a file, not a link to one.
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// A log that is appended to.
pub(super) struct EscrowFile {
    file: File,
    path: PathBuf,
    hash: LogHash,
    pub(super) entries: u64,
}

impl EscrowFile {
    /// Opens the log, or begins one, mode 0600. An entry that was cut off is saved beside it and taken away.
    ///
    /// # Errors
    /// A fault that names the file: also where it is none of ours any more, which is never written to.
    pub(super) fn open(path: &Path, visit: impl FnMut(Entry<'_>) -> Result<(), Stop>) -> Result<Self, Stop> {
        let fault = |doing: &'static str| {
            move |error: io::Error| {
                Fault::new(format!(
                    "the escrow log {} cannot be {doing}: {error}; see that its folder exists and belongs to the user this \
                     program runs as",
                    path.display()
                ))
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NO_LINK)
            .open(path)
            .map_err(fault("opened"))?;
        let read = read_escrow(&file, visit)?;
        if let Some(why) = read.broken {
            return Err(Fault::new(format!(
                "the escrow log {} is not as it was written, from byte {} on: {why}; keep it, and move it away: a new one is \
                 begun with every key there is",
                path.display(),
                read.bytes
            ))
            .into());
        }
        if read.cut_off > 0 {
            let beside = PathBuf::from(format!("{}.cut-{}", path.display(), read.bytes));
            file.seek(SeekFrom::Start(read.bytes)).map_err(fault("read"))?;
            // Never through a link that somebody laid there.
            std::fs::remove_file(&beside)
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
                .map_err(fault("mended"))?;
            let mut saved = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside)
                .map_err(fault("mended"))?;
            io::copy(&mut file, &mut saved).map_err(fault("mended"))?;
            saved.sync_all().map_err(fault("mended"))?;
            file.set_len(read.bytes).map_err(fault("mended"))?;
            file.sync_all().map_err(fault("mended"))?;
            tracing::warn!(
                log = %path.display(), bytes = read.cut_off, saved = %beside.display(),
                "the last entry of the escrow log was cut off; it is saved beside it and written anew"
            );
        }
        file.seek(SeekFrom::End(0)).map_err(fault("read"))?;
        sync_folder(path);
        Ok(Self { file, path: path.to_owned(), hash: read.hash, entries: read.entries })
    }

    /// Appends entries, durable when this returns.
    ///
    /// # Errors
    /// A fault that names the file. What was appended is not known then: the log has to be opened again.
    pub(super) fn append<'a>(&mut self, entries: impl IntoIterator<Item = Entry<'a>>) -> Result<(), Stop> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        self.check_place()?;
        for entry in entries {
            bytes.extend(self.hash.append(&entry).map_err(|malformed| Fault::new(malformed.0))?);
            count += 1;
        }
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_all());
        written.map_err(|error| {
            Fault::new(format!(
                "the escrow log {} cannot be written: {error}; free or repair its disk, it is tried again by itself",
                self.path.display()
            ))
        })?;
        self.entries += count;
        Ok(())
    }
}

impl EscrowFile {
    /// Whether it is on the file system of a folder, as far as that can be seen.
    pub(super) fn lies_beside(&self, folder: &Path) -> bool {
        let beside =
            std::fs::metadata(folder).and_then(|folder| Ok((folder.dev(), self.file.metadata()?.dev())));
        beside.is_ok_and(|(folder, file)| folder == file)
    }

    /// Whether the file that is open is the one that lies there: one that was moved away, or whose disk is, is no second place.
    fn check_place(&self) -> Result<(), Stop> {
        let place = |file: &std::fs::Metadata| (file.dev(), file.ino());
        let there = std::fs::metadata(&self.path)
            .and_then(|there| Ok(place(&there) == place(&self.file.metadata()?)));
        let why = match there {
            Ok(true) => return Ok(()),
            Ok(false) => "another file lies in its place".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(Fault::new(format!("the escrow log {} is not there any more: {why}", self.path.display())).into())
    }
}

/// A file that was made just now is there after a crash, too. Where the file system does not do that, nothing is lost by trying.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
        Entry { table: 5, key, value }
    }

    fn keys(path: &Path) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let log = EscrowFile::open(path, |entry| {
            keys.push(entry.key.to_vec());
            Ok(())
        });
        assert_eq!(log.unwrap().entries, keys.len() as u64);
        keys
    }

    #[test]
    fn a_log_goes_on_where_it_was_cut_off_and_keeps_what_that_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("escrow");
        let mut log = EscrowFile::open(&path, |_| Ok(())).unwrap();
        log.append([entry(b"a", b"one"), entry(b"b", b"two")]).unwrap();
        drop(log);
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let found = keys(&path);
            let cut = std::fs::read(
                folder.path().join(format!("escrow.cut-{}", std::fs::metadata(&path).unwrap().len())),
            );
            let kept = std::fs::read(&path).unwrap();
            let whole_again = [kept, cut.unwrap_or_default()].concat();
            if ![0, whole.len() / 2].contains(&end) {
                assert_eq!(whole_again[..end], whole[..end], "nothing is thrown away at {end}");
            }
            let mut log = EscrowFile::open(&path, |_| Ok(())).unwrap();
            log.append([entry(b"c", b"three")]).unwrap();
            drop(log);
            assert_eq!(keys(&path).len(), found.len() + 1);
        }
    }

    #[test]
    fn what_is_no_log_of_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("escrow");
        let mut log = EscrowFile::open(&path, |_| Ok(())).unwrap();
        log.append([entry(b"a", b"one"), entry(b"b", b"two")]).unwrap();
        drop(log);
        let mut bent = std::fs::read(&path).unwrap();
        bent[10] ^= 1;
        std::fs::write(&path, &bent).unwrap();
        let said = EscrowFile::open(&path, |_| Ok(())).err().unwrap().to_string();
        assert!(said.contains("from byte 0 on") && said.contains("move it away"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), bent);
    }
}
