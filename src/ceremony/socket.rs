//! The local socket: mode 0600 in a directory nobody else may write, and on every connection the kernel is asked who is
//! there. Root and the daemon's own user are admitted.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::appliance::{Appliance, RefusedAct};
use crate::domain::actor::Actor;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::stream;
use crate::desk::answer::Answer;
use crate::desk::request::{Audit, REQUEST_BYTES_MAX, Request};

/// Connections served at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: u32 = 16;
/// More than any answer but a long list.
const ANSWER_BYTES_USUAL: usize = 8_192;
/// For a request to arrive whole, and for an answer to be taken.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept: there may be no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bound socket. Its file goes when it is dropped.
pub struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
    /// The user that the daemon runs as.
    owner: u32,
}

impl LocalSocket {
    /// Binds at `path`. A socket that nobody answers at is left over from a crash and makes room.
    ///
    /// # Errors
    /// [`SocketError`]: the directory is open to others, somebody answers there, or the system refuses.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let system = |source| SocketError::System(path.to_owned(), source);
        prepare_directory(path.parent().unwrap_or(Path::new("/")))?;
        match fs::symlink_metadata(path) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(system(source)),
            Ok(about) if !about.file_type().is_socket() => {
                return Err(SocketError::NotASocket(path.to_owned()));
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(SocketError::Answered(path.to_owned()));
            }
            Ok(_) => fs::remove_file(path).map_err(system)?,
        }
        let listener = UnixListener::bind(path).map_err(system)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(system)?;
        Ok(Self { listener, path: path.to_owned(), owner: rustix::process::geteuid().as_raw() })
    }

    /// Serves until `stop` is ready; verbs under way are answered first. `clock` is read once per request.
    pub async fn serve(self, appliance: Arc<Appliance>, clock: fn() -> Now, stop: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.as_mut() => break,
                accepted = self.accept(&places) => accepted,
            };
            let Some((stream, place)) = accepted else { continue };
            let (appliance, owner) = (Arc::clone(&appliance), self.owner);
            tokio::spawn(async move {
                let _place = place;
                if let Err(error) = attend(stream, owner, appliance, clock).await {
                    tracing::debug!(%error, "local connection lost");
                }
            });
        }
        // Fails only on a closed semaphore, and nobody closes it.
        drop(places.acquire_many(CONNECTIONS_MAX).await);
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> Option<(UnixStream, impl Send + use<>)> {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, _)) => Some((stream, place)),
            Err(error) => {
                tracing::warn!(%error, "the local socket cannot accept; raise LimitNOFILE");
                sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the local socket's file could not be removed");
        }
    }
}

/// One connection: who, what, the answer.
async fn attend(
    stream: UnixStream,
    owner: u32,
    appliance: Arc<Appliance>,
    clock: fn() -> Now,
) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let mut stream = BufReader::new(stream);
    let answer = if uid == 0 || uid == owner {
        let request = read_request(&mut stream).await?;
        let is_sandbox = appliance.may_be_sandbox();
        match request.and_then(|request| request.check_local(is_sandbox).map(|()| request)) {
            Ok(Request::Audit(Audit::Export(wanted))) => {
                stream::send(wanted, appliance, uid, clock, &mut stream).await?;
                return within_line(stream.shutdown()).await;
            }
            Ok(request) => perform(request, appliance, uid, clock).await,
            Err(refusal) => refusal.into(),
        }
    } else {
        tracing::warn!(uid, "a user who may not was refused at the local socket");
        let refused = RefusedAct {
            actor: Actor::Local(uid).to_string(),
            act: "local-socket".into(),
            on: None,
            address: None,
            code: Code::Forbidden,
        };
        // Whether it could be recorded is in the log.
        let _ = spawn_blocking(move || appliance.record_refused(refused, clock())).await;
        Refusal::new(Code::Forbidden)
            .detail(format!("The local socket admits root and uid {owner}; this is uid {uid}."))
            .into()
    };
    // It may hold an API key; a vector that grows would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(ANSWER_BYTES_USUAL));
    serde_json::to_writer(&mut *line, &answer)?;
    line.push(b'\n');
    within_line(async {
        stream.write_all(&line).await?;
        stream.shutdown().await
    })
    .await
}

async fn within_line(sent: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(LINE_TIMEOUT, sent).await?
}

async fn read_request(stream: &mut BufReader<UnixStream>) -> io::Result<Result<Request, Refusal>> {
    let mut line = Vec::new();
    let bounded = REQUEST_BYTES_MAX as u64 + 1;
    timeout(LINE_TIMEOUT, stream.take(bounded).read_until(b'\n', &mut line)).await??;
    if line.len() > REQUEST_BYTES_MAX {
        return Ok(Err(Refusal::new(Code::BodyTooLarge)
            .detail(format!("The request is longer than {REQUEST_BYTES_MAX} bytes."))));
    }
    // The parser quotes what it was sent; only where it stopped is told.
    Ok(serde_json::from_slice(&line).map_err(|error| {
        Refusal::new(Code::BadRequest).detail(format!(
            "The daemon does not know this request, from column {} on. The gembok that asks may be of another version than \
             the one that runs.",
            error.column()
        ))
    }))
}

async fn perform(request: Request, appliance: Arc<Appliance>, uid: u32, clock: fn() -> Now) -> Answer {
    // The client may go away meanwhile; the verb is finished all the same.
    let performed = spawn_blocking(move || request.perform(&appliance, uid, clock())).await;
    performed.unwrap_or_else(|_| {
        Answer::Fault(
            "the verb broke off by a bug; see the log, then look what was done before repeating it".into(),
        )
    })
}

/// Made when missing; refused when others could put their own socket there.
fn prepare_directory(directory: &Path) -> Result<(), SocketError> {
    let system = |source| SocketError::System(directory.to_owned(), source);
    if !directory.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(system)?;
    }
    let directory_is = fs::metadata(directory).map_err(system)?;
    let (mode, owner) = (directory_is.permissions().mode(), directory_is.uid());
    if mode & 0o022 == 0 && [0, rustix::process::geteuid().as_raw()].contains(&owner) {
        Ok(())
    } else {
        Err(SocketError::OpenToOthers(directory.to_owned(), mode & 0o7777))
    }
}

/// Why there is no local socket.
#[derive(Debug)]
pub enum SocketError {
    /// Another daemon is there.
    Answered(PathBuf),
    /// Something else has the name.
    NotASocket(PathBuf),
    /// Others may write into its directory.
    OpenToOthers(PathBuf, u32),
    /// The system's reason.
    System(PathBuf, io::Error),
}

impl fmt::Display for SocketError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(path) => {
                write!(
                    out,
                    "somebody answers at {}; stop that gembok, or name another socket in [local]",
                    path.display()
                )
            }
            Self::NotASocket(path) => {
                write!(
                    out,
                    "{} is there and is no socket; move it away, or name another in [local]",
                    path.display()
                )
            }
            Self::OpenToOthers(directory, mode) => write!(
                out,
                "{} (mode {mode:04o}) can be written by others or belongs to somebody else, who could put a socket there; \
                 make it yours, chmod 700 it",
                directory.display()
            ),
            Self::System(path, source) => write!(
                out,
                "the local socket cannot be made at {}: {source}; see that its directory exists and is ours",
                path.display()
            ),
        }
    }
}

impl std::error::Error for SocketError {}
