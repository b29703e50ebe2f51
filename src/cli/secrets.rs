//! Secrets that are typed: asked on the terminal without an echo, else read from standard input, one a line. Never an argument.

#![expect(clippy::print_stderr, reason = "a question is for whoever sits there")]

use std::io::{BufRead, IsTerminal, Read, Stdin, Write, stderr, stdin};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::error::CliError;
use super::say_trouble as say;

/// Bytes of a line: more than the longest password has, in any script.
const LINE_BYTES_MAX: usize = 1_024;

/// Where secrets come from.
pub(super) struct Secrets {
    from: Stdin,
    is_terminal: bool,
}

/// A terminal that shows nothing of what is typed, until it is dropped.
struct Silent<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl Secrets {
    pub(super) fn begin() -> Self {
        let from = stdin();
        Self { is_terminal: from.is_terminal(), from }
    }

    pub(super) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// The next one; empty where standard input has ended, or nothing was typed.
    pub(super) fn ask(&mut self, question: &str) -> Result<Zeroizing<String>, CliError> {
        let failed = CliError::file(Path::new("standard input"));
        // Never grown: a string that grows would leave copies behind.
        let mut line = Zeroizing::new(String::with_capacity(LINE_BYTES_MAX));
        let mut read = || self.from.lock().take(LINE_BYTES_MAX as u64).read_line(&mut line);
        let read = if self.is_terminal {
            // Silent before the question: who answers fast is not shown either, and is heard.
            let silent = Silent::begin(&self.from);
            let read = silent.and_then(|_silent| {
                eprint!("{question}");
                stderr().flush()?;
                read()
            });
            eprintln!();
            read
        } else {
            read()
        };
        read.map_err(failed)?;
        if line.len() == LINE_BYTES_MAX && !line.ends_with('\n') {
            return Err(CliError::Own(say::long_secret(LINE_BYTES_MAX)));
        }
        let length = line.trim_end_matches(['\n', '\r']).len();
        line.truncate(length);
        Ok(line)
    }
}

impl<'a> Silent<'a> {
    fn begin(terminal: &'a Stdin) -> std::io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // What was typed ahead is shown already, and is no answer.
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
