//! The other end of the local socket, and whether it is that or the control plane that is asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::api::control::Way;
use crate::config::Config;
use crate::desk::answer::Answer;
use crate::desk::request::Request;

use super::control::Control;
use super::download::Download;
use super::error::CliError;
use super::say_trouble::fixed;

/// Bytes of an answer at most: a list of some hundred thousand certificates.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// More than any answer but a long list.
const ANSWER_BYTES_USUAL: usize = 8_192;
/// For a verb to be done; an unlock reads the whole store.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

/// The daemon: by the control plane, where one is named and the verb is served there, else by its socket.
pub(super) struct Client {
    config: PathBuf,
    control: Option<Control>,
}

/// The line as it came, which may hold an API key, and what it means.
pub(super) struct Answered<T> {
    pub(super) line: Zeroizing<String>,
    pub(super) answer: T,
}

impl Client {
    pub(super) fn new(config: &Path, control: Option<Control>) -> Self {
        Self { config: config.to_owned(), control }
    }

    /// The control plane, where it is asked.
    pub(super) const fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    /// Only who asks over the socket needs the configuration.
    fn socket(&self) -> Result<PathBuf, CliError> {
        Config::local_socket(&self.config).map_err(CliError::Config)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&self, request: &Request) -> Result<Answered<Answer>, CliError> {
        let by_control = self.control.as_ref().zip(Way::of(request));
        let line = match by_control {
            Some((control, way)) => control.ask(&way)?,
            None => {
                let socket = self.socket()?;
                exchange(&socket, request).map_err(|error| CliError::Unreachable(socket, error))?
            }
        };
        let answer = serde_json::from_str(&line).map_err(|_| CliError::Answer)?;
        Ok(Answered { line, answer })
    }

    /// Asks the control plane for an export; none where the socket is to be asked.
    pub(super) fn download(&self, request: &Request) -> Result<Option<Result<Download, Answer>>, CliError> {
        let Some((control, way)) = self.control.as_ref().zip(Way::of(request)) else { return Ok(None) };
        let refused =
            |line: Zeroizing<String>| serde_json::from_str::<Answer>(&line).map_err(|_| CliError::Answer);
        Ok(Some(match control.download(&way)? {
            Ok(download) => Ok(download),
            Err(line) => Err(refused(line)?),
        }))
    }

    /// Asks the socket for a stream: the line at its head, and what follows.
    pub(super) fn open_stream(&self, request: &Request) -> Result<(Answer, Pieces), CliError> {
        let socket = self.socket()?;
        let lost = |error| CliError::Unreachable(socket.clone(), error);
        let mut stream = UnixStream::connect(&socket).map_err(lost)?;
        let begun = (|| {
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            let mut line = serde_json::to_vec(request)?;
            line.push(b'\n');
            // Whoever refuses us may answer without reading, and close: the answer counts.
            let _ = stream.write_all(&line);
            let mut pieces = Pieces { from: BufReader::new(stream), left: 0, ended: false };
            Ok((pieces.line()?, pieces))
        })();
        let (line, pieces) = begun.map_err(lost)?;
        Ok((serde_json::from_slice(&line).map_err(|_| CliError::Answer)?, pieces))
    }
}

fn exchange(socket: &Path, request: &Request) -> io::Result<Zeroizing<String>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // Whoever refuses us may answer without reading, and close: the answer counts.
    let sent = stream.write_all(&line);
    // It may hold an API key; a string that grows would leave copies behind.
    let mut answer = Zeroizing::new(String::with_capacity(ANSWER_BYTES_USUAL));
    match stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer) {
        Ok(0) => Err(sent.err().unwrap_or_else(|| io::Error::other(fixed::NO_ANSWER.text()))),
        Ok(_) => Ok(answer),
        Err(_) if answer.ends_with('\n') => Ok(answer),
        Err(error) => Err(error),
    }
}

/// The pieces of a stream, read as one; then a last line.
pub(super) struct Pieces {
    from: BufReader<UnixStream>,
    /// Of the present piece.
    left: usize,
    ended: bool,
}

impl Pieces {
    /// What the daemon says at the end.
    pub(super) fn finish(mut self) -> Result<Answer, CliError> {
        let line = self.line().map_err(|_| CliError::Answer)?;
        serde_json::from_slice(&line).map_err(|_| CliError::Answer)
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.from.by_ref().take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.ends_with(b"\n") { Ok(line) } else { Err(io::Error::other(fixed::HALF_ANSWER.text())) }
    }
}

impl Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.ended {
            let mut length = [0; 4];
            self.from.read_exact(&mut length)?;
            self.left = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
            self.ended = self.left == 0;
        }
        let wanted = to.len().min(self.left);
        if wanted == 0 {
            return Ok(0);
        }
        match self.from.read(&mut to[..wanted])? {
            0 => Err(io::Error::other(fixed::HALF_EXPORT.text())),
            read => {
                self.left -= read;
                Ok(read)
            }
        }
    }
}
