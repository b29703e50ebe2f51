//! Files that hold a secret: read only when nobody else may read them, into memory that is wiped.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes of the longest secret file: a private key or a PIN.
const SECRET_BYTES_MAX: u64 = 65_536;
/// Any right of group and others.
const OTHERS: u32 = 0o077;
/// systemd opens a credential to the service's user by an ACL, whose mask stands in the group bits.
const OTHERS_OF_CREDENTIAL: u32 = 0o007;

/// Reads a file that only its owner may touch.
///
/// # Errors
/// [`SecretFileError`]: it cannot be read, others may touch it, or it is longer than 64 KiB.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    read(path, OTHERS)
}

pub(super) fn read_credential(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    read(path, OTHERS_OF_CREDENTIAL)
}

fn read(path: &Path, forbidden: u32) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable(path.to_owned(), source);
    let mut file = File::open(path).map_err(unreadable)?;
    // The open file is asked, not the path: the two may differ.
    let about = file.metadata().map_err(unreadable)?;
    refuse_open_to_others(path, &about, forbidden)?;
    if !about.is_file() || about.len() > SECRET_BYTES_MAX {
        return Err(SecretFileError::TooLong(path.to_owned()));
    }
    // Never grown: a growing vector would leave copies behind.
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(SECRET_BYTES_MAX).unwrap_or(usize::MAX)));
    let mut chunk = Zeroizing::new([0_u8; 4_096]);
    loop {
        match file.read(&mut chunk[..]) {
            Ok(0) => return Ok(bytes),
            Ok(read) if bytes.len() + read > bytes.capacity() => {
                return Err(SecretFileError::TooLong(path.to_owned()));
            }
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(unreadable(source)),
        }
    }
}

fn refuse_open_to_others(path: &Path, about: &Metadata, forbidden: u32) -> Result<(), SecretFileError> {
    let mode = about.permissions().mode() & 0o7777;
    if mode & forbidden == 0 { Ok(()) } else { Err(SecretFileError::OpenToOthers(path.to_owned(), mode)) }
}

/// Why a secret was not read. Never holds a byte of it.
#[derive(Debug)]
pub enum SecretFileError {
    /// Nothing but white space in it.
    Empty(String),
    /// A credential is configured, but systemd gave none.
    NoCredentials(String),
    /// Its mode lets group or others touch it.
    OpenToOthers(PathBuf, u32),
    /// Over 64 KiB, or no file at all.
    TooLong(PathBuf),
    /// The system's reason.
    Unreadable(PathBuf, io::Error),
}

impl SecretFileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Empty(_) => "write the PIN into it".into(),
            Self::NoCredentials(name) => {
                format!("start gembok as a unit with LoadCredentialEncrypted={name}:…, or use pin_file")
            }
            Self::OpenToOthers(path, _) => {
                format!("chmod 600 {}, and change the secret: it may have been read", path.display())
            }
            Self::TooLong(_) => "see that it is the right file".into(),
            Self::Unreadable(..) => "see that it exists and that the user that runs gembok owns it".into(),
        }
    }
}

impl fmt::Display for SecretFileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(name) => write!(out, "{name} is empty"),
            Self::NoCredentials(name) => {
                write!(out, "there is no $CREDENTIALS_DIRECTORY to read {name} from")
            }
            Self::OpenToOthers(path, mode) => {
                write!(out, "{} has mode {mode:04o}: others may touch it", path.display())
            }
            Self::TooLong(path) => {
                write!(out, "{} is not a file of at most {SECRET_BYTES_MAX} bytes", path.display())
            }
            Self::Unreadable(path, source) => write!(out, "{} cannot be read: {source}", path.display()),
        }
    }
}

impl std::error::Error for SecretFileError {}
