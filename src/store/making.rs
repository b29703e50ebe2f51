//! A store file that was not there before, or takes another's place: made beside it and moved there whole. redb begins a file by stretching
//! it, and what a crash leaves then cannot be told from a file that is no store: the next start would refuse it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// What the file before is called, until it is wiped.
const OLD: &str = "redb-old";
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
    let kept = path.with_extension("redb-damaged");
    let new = fill_beside(path, fill)?;
    match fs::hard_link(path, &kept) {
        // An older one is the better evidence.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(unopenable(error)),
        _ => {}
    }
    fs::rename(&new, path).and_then(|()| folder.sync_all()).map_err(unopenable)?;
    Ok(kept)
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
        // Half of a copy is of no use, and takes room.
        let _ = fs::remove_file(path.with_extension("redb-new"));
    })?;
    fs::hard_link(path, path.with_extension(OLD)).map_err(unopenable)?;
    fs::rename(&new, path).and_then(|()| folder.sync_all()).map_err(unopenable)
}

/// Writes over what [`exchange_whole`] left beside the file at `path`, and takes it away; also what a crash in between left. A
/// file that is the one at `path` itself, because the exchange did not come so far, only loses its second name.
pub(super) fn wipe_old(path: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::Disk { doing: "wipe the old file", why: error.to_string() };
    let old = path.with_extension(OLD);
    let found = match fs::metadata(&old) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed)?,
    };
    let current = fs::metadata(path).map_err(failed)?;
    if (found.dev(), found.ino()) != (current.dev(), current.ino()) {
        let mut file = File::options().write(true).open(&old).map_err(failed)?;
        let zeros = vec![0; WIPE_BYTES];
        let mut left = found.len();
        while left > 0 {
            let part = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(&zeros[..part]).map_err(failed)?;
            left -= part as u64;
        }
        file.sync_all().map_err(failed)?;
    }
    fs::remove_file(&old).and_then(|()| folder_of(path)?.sync_all()).map_err(failed)
}

fn fill_beside(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<PathBuf, StoreError> {
    let half_made = path.with_extension("redb-new");
    match fs::remove_file(&half_made) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unopenable(path, &error)),
        _ => {}
    }
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
