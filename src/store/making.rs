//! A store file that was not there before: made beside its place and moved there whole. redb begins a file by stretching
//! it, and what a crash leaves then cannot be told from a file that is no store: the next start would refuse it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::error::StoreError;

/// If nothing lies at `path`, lets `make` make it under another name. Its name is durable when this returns: else a power
/// cut could lose a store that was answered for.
pub(super) fn make_whole(
    path: &Path,
    make: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let unopenable =
        |error: io::Error| StoreError::Unopenable { path: path.to_owned(), why: error.to_string() };
    if path.try_exists().map_err(unopenable)? {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = File::open(parent.unwrap_or(Path::new("."))).map_err(unopenable)?;
    // Until the folder is closed nobody else makes a store in it.
    folder.lock().map_err(unopenable)?;
    if path.try_exists().map_err(unopenable)? {
        return Ok(());
    }
    let half_made = path.with_extension("redb-new");
    match fs::remove_file(&half_made) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unopenable(error)),
        _ => {}
    }
    make(&half_made)?;
    fs::rename(&half_made, path).and_then(|()| folder.sync_all()).map_err(unopenable)
}
