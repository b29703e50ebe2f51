//! A store file that was not there before, or takes another's place: made beside it and moved there whole. redb begins a file by stretching
//! it, and what a crash leaves then cannot be told from a file that is no store: the next start would refuse it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// What the file before is called, until it is wiped.
const OLD: &str = "redb-old";
/// What a file is called while it is filled. A kill leaves it: with every row, wrapped keys included.
const NEW: &str = "redb-new";
/// What a damaged file is called that another took the place of.
const DAMAGED: &str = "redb-damaged";
/// Bytes written over at a time.
const WIPE_BYTES: usize = 1 << 20;

/// If nothing lies at `path`, lets `fill` fill an empty file, its owner's alone, under another name. Its name is durable when this returns: else a power
/// cut could lose a store that was answered for.
pub(super) fn make_whole(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let unopenable = |error: io::Error| unopenable(path, &error);
    if path.try_exists().map_err(unopenable)? {
        return Ok(());
    }
    let folder = folder_of(path).map_err(unopenable)?;
    // Until the folder is closed nobody else makes a store in it.
    folder.lock().map_err(unopenable)?;
    if path.try_exists().map_err(unopenable)? {
        return Ok(());
    }
    let half_made = fill_beside(path, fill)?;
    fs::rename(&half_made, path).and_then(|()| folder.sync_all()).map_err(unopenable)
}

/// Lets `fill` fill an empty file that takes the place of the one at `path`, at one stroke. The old one is kept beside it,
/// under the name that is returned.
pub(super) fn replace_whole(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<PathBuf, StoreError> {
    let unopenable = |error: io::Error| unopenable(path, &error);
    let folder = folder_of(path).map_err(unopenable)?;
    folder.lock().map_err(unopenable)?;
    let kept = path.with_extension(DAMAGED);
    let new = fill_beside(path, fill)?;
    match fs::hard_link(path, &kept) {
        // An older one is the better evidence.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unopenable(error)),
        _ => {}
    }
    fs::rename(&new, path).and_then(|()| folder.sync_all()).map_err(unopenable)?;
    Ok(kept)
}

/// The damaged file that lies beside the one at `path`, kept by [`replace_whole`] until an operator takes it away. It has the
/// wrapped keys that the store had when it was kept, whatever was destroyed since. Where nobody can look, it counts as there.
#[must_use]
pub fn kept_damaged(path: &Path) -> Option<PathBuf> {
    let kept = path.with_extension(DAMAGED);
    kept.try_exists().unwrap_or(true).then_some(kept)
}

/// Lets `fill` fill an empty file that takes the place of the one at `path`, at one stroke. The old one stays beside it until
/// [`wipe_old`].
pub(super) fn exchange_whole(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let unopenable = |error: io::Error| unopenable(path, &error);
    let folder = folder_of(path).map_err(unopenable)?;
    folder.lock().map_err(unopenable)?;
    let new = fill_beside(path, fill).inspect_err(|_| {
        // Half of a copy is of no use, takes room, and has wrapped keys.
        let _ = wipe(&path.with_extension(NEW), path);
    })?;
    fs::hard_link(path, path.with_extension(OLD)).map_err(unopenable)?;
    fs::rename(&new, path).and_then(|()| folder.sync_all()).map_err(unopenable)
}

/// Writes over what [`exchange_whole`] left beside the file at `path`, and takes it away; also what a crash in between left.
pub(super) fn wipe_old(path: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::Disk { doing: "wipe the old file", why: error.to_string() };
    if wipe(&path.with_extension(OLD), path).map_err(failed)? {
        folder_of(path).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// Writes over the file at `at` and takes it away. One that is the file at `current` itself, because an exchange did not come so
/// far, only loses its second name. Whether there was any.
fn wipe(at: &Path, current: &Path) -> io::Result<bool> {
    let metadata = |path: &Path| match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    };
    let Some(found) = metadata(at)? else { return Ok(false) };
    let is_current = metadata(current)?
        .is_some_and(|current| (found.dev(), found.ino()) == (current.dev(), current.ino()));
    if !is_current {
        let mut file = File::options().write(true).open(at)?;
        let zeros = vec![0; WIPE_BYTES];
        let mut left = found.len();
        while left > 0 {
            let part = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(&zeros[..part])?;
            left -= part as u64;
        }
        file.sync_all()?;
    }
    fs::remove_file(at)?;
    Ok(true)
}

fn fill_beside(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<PathBuf, StoreError> {
    let half_made = path.with_extension(NEW);
    wipe(&half_made, path).map_err(|error| unopenable(path, &error))?;
    let made = File::options().write(true).create_new(true).mode(0o600).open(&half_made);
    made.map_err(|error| unopenable(path, &error))?;
    fill(&half_made)?;
    Ok(half_made)
}

fn folder_of(path: &Path) -> io::Result<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))
}

fn unopenable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unopenable { path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a wrapped key";

    /// A folder with a store in it.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gembok.redb");
        fs::write(&path, b"whole").unwrap();
        (folder, path)
    }

    fn half(new: &Path) {
        fs::write(new, KEY).unwrap();
        fs::hard_link(new, new.with_extension("seen")).unwrap();
    }

    fn is_wiped(path: &Path) -> bool {
        !path.with_extension(NEW).exists() && fs::read(path.with_extension("seen")).unwrap() == [0; KEY.len()]
    }

    #[test]
    fn what_a_kill_left_half_made_is_written_over_before_it_goes() {
        let (_folder, path) = folder();
        half(&path.with_extension(NEW));
        let fill = |new: &Path| {
            assert_eq!(fs::read(new).unwrap(), b"", "it begins anew");
            fs::write(new, b"other").map_err(|error| unopenable(new, &error))
        };
        exchange_whole(&path, fill).unwrap();
        assert!(is_wiped(&path));
        assert_eq!(fs::read(&path).unwrap(), b"other");
        wipe_old(&path).unwrap();
        assert!(!path.with_extension(OLD).exists());
    }

    #[test]
    fn a_copy_that_could_not_be_made_is_written_over_and_the_file_stays() {
        let (_folder, path) = folder();
        let no_room = |new: &Path| {
            half(new);
            Err(StoreError::Disk { doing: "write a record", why: "no room".into() })
        };
        assert!(exchange_whole(&path, no_room).is_err());
        assert!(is_wiped(&path));
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn a_second_name_of_the_file_itself_goes_and_the_file_stays() {
        let (_folder, path) = folder();
        fs::hard_link(&path, path.with_extension(OLD)).unwrap();
        wipe_old(&path).unwrap();
        assert!(!path.with_extension(OLD).exists());
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn a_damaged_file_is_kept_and_told_of_until_somebody_takes_it_away() {
        let (_folder, path) = folder();
        assert_eq!(kept_damaged(&path), None);
        let kept =
            replace_whole(&path, |new| fs::write(new, b"mended").map_err(|error| unopenable(new, &error)));
        let kept = kept.unwrap();
        assert_eq!(kept_damaged(&path).as_ref(), Some(&kept));
        assert_eq!((fs::read(&path).unwrap(), fs::read(&kept).unwrap()), (b"mended".into(), b"whole".into()));
        fs::remove_file(&kept).unwrap();
        assert_eq!(kept_damaged(&path), None);
    }
}
