//! What an auditor brings to a verification besides the export: checkpoints that were kept elsewhere, and the public key
//! that somebody noted.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use crate::crypto::checkpoint::{Checkpoint, CheckpointKey};

use super::echoed::echoed;
use super::error::CliError;
use super::say_trouble::{self as say, fixed};

const TITLE: &str = "gembok/checkpoint/v1";
/// Bytes of a file of checkpoints at most: a year of logs.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Every checkpoint in a file: as seven lines, or on one line with anything around it, as logs and response headers have
/// them.
pub(super) fn read_checkpoints(path: &Path) -> Result<Vec<Checkpoint>, CliError> {
    let about = fs::metadata(path).map_err(CliError::file(path))?;
    let text = match about.len() {
        0..=FILE_BYTES_MAX => fs::read_to_string(path).map_err(CliError::file(path))?,
        _ => {
            return Err(own(path, fixed::TOO_LONG));
        }
    };
    let found = find_checkpoints(&text)
        .map_err(|(line, why)| CliError::Own(say::in_line(path.display(), line, echoed(why))))?;
    if found.is_empty() {
        return Err(own(path, fixed::NO_CHECKPOINT));
    }
    Ok(found)
}

/// Every key in a PEM file.
pub(super) fn read_keys(path: &Path) -> Result<Vec<CheckpointKey>, CliError> {
    let text = fs::read_to_string(path).map_err(CliError::file(path))?;
    let blocks = pem::parse_many(text).map_err(|_| own(path, fixed::NO_KEYS))?;
    if blocks.is_empty() || blocks.iter().any(|block| block.tag() != "PUBLIC KEY") {
        return Err(own(path, fixed::NO_KEYS));
    }
    let keys = blocks.iter().map(|block| CheckpointKey::from_spki(block.contents()));
    keys.collect::<Result<_, _>>().map_err(|why| own(path, echoed(why.0)))
}

fn own(path: &Path, what: impl Display) -> CliError {
    CliError::Own(say::of_file(path.display(), what))
}

fn find_checkpoints(text: &str) -> Result<Vec<Checkpoint>, (usize, &'static str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(TITLE) {
        let here = &rest[at..];
        // No further than one checkpoint can reach: a log may be one long line.
        let (length, parsed) = match here.as_bytes().get(TITLE.len()) {
            Some(b'\n') => {
                let length = here.match_indices('\n').nth(6).map_or(here.len(), |(end, _)| end + 1);
                (length, Checkpoint::parse(&here[..length]))
            }
            _ => {
                let mut blanks = 0;
                let length = here.find(|c: char| {
                    blanks += usize::from(c == ' ');
                    // What stands behind the signature is not ours.
                    blanks == 8 || !c.is_ascii_alphanumeric() && !" /+=".contains(c)
                });
                let length = length.unwrap_or(here.len());
                (length, Checkpoint::parse_line(&here[..length]))
            }
        };
        let line = || text[..text.len() - here.len()].matches('\n').count() + 1;
        found.push(parsed.map_err(|why| (line(), why.0))?);
        rest = &here[length..];
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::crypto::checkpoint::Statement;

    fn sample(next_sequence: u64) -> Checkpoint {
        let statement = Statement { chain: [7; 16], epoch: 0, next_sequence, hash: [9; 32], time_us: 5 };
        statement.signed([1; 8], [0xfb; 64])
    }

    #[test]
    fn checkpoints_are_found_in_whatever_kept_them() {
        let (one, two, three, four) = (sample(1), sample(2), sample(3), sample(4));
        let kept = format!(
            "{}{{\"checkpoint\":\"{two}\",\"level\":\"info\"}}\r\nGembok-Checkpoint: {three}\r\nlog {four} and more\n{}",
            one.to_text(),
            one.to_text(),
        );
        assert_eq!(find_checkpoints(&kept), Ok(vec![one, two, three, four, one]));
        assert_eq!(find_checkpoints("nothing"), Ok(Vec::new()));
        let cut = format!("a\nb {}", &two.to_line()[..90]);
        assert_eq!(find_checkpoints(&cut).unwrap_err().0, 2);
        assert!(find_checkpoints(&one.to_text()[..200]).is_err());
    }

    /// What this thread has worked, whatever else the machine had to do: in hundredths of a second, as Linux counts it.
    fn worked() -> Duration {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// A log of a year has five times as many. Whatever looks at all that was read for each one takes hours of it.
    #[test]
    fn a_long_log_is_read_in_one_pass() {
        const LINES: usize = 100_000;
        const TAKES_MAX: Duration = Duration::from_secs(30);
        let line = format!("level=info checkpoint=\"{}\"\n", sample(1));
        let one_line = format!("{} ", sample(1));
        for (log, name) in [
            (line.repeat(LINES), "lines"),
            (sample(1).to_text().repeat(LINES), "texts"),
            (one_line.repeat(LINES), "one line"),
        ] {
            let start = worked();
            let found = find_checkpoints(&log).unwrap();
            let took = worked().saturating_sub(start);
            assert_eq!(found.len(), LINES, "{name}");
            println!("{name}: {took:?}");
            assert!(took < TAKES_MAX, "{name}: {took:?}");
            // The line is told all the same.
            let broken = format!("{log}\n{TITLE} x");
            assert_eq!(find_checkpoints(&broken).unwrap_err().0, broken.lines().count(), "{name}");
        }
    }
}
