//! What the kernel says of a process and of the machine: processor time and resident memory.

use std::fs;
use std::io;
use std::time::Duration;

/// `USER_HZ`: the unit of /proc/*/stat, 100 per second on every Linux this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Processor time used up to a moment.
#[derive(Clone, Copy)]
pub struct Usage {
    pub server: Duration,
    pub load: Duration,
    pub machine: Duration,
    pub stolen: Duration,
}

impl Usage {
    /// # Errors
    ///
    /// The server is gone, or /proc is not there.
    pub fn read(server_pid: u32) -> io::Result<Usage> {
        let machine = fs::read_to_string("/proc/stat")?;
        let total = machine.lines().next().unwrap_or_default();
        // cpu user nice system idle iowait irq softirq steal …
        let columns = [1, 2, 3, 6, 7].map(|column| ticks(total, column));
        Ok(Usage {
            server: process(&server_pid.to_string())?,
            load: process("self")?,
            machine: columns.into_iter().sum(),
            stolen: ticks(total, 8),
        })
    }

    pub fn since(self, earlier: Usage) -> Usage {
        Usage {
            server: self.server.saturating_sub(earlier.server),
            load: self.load.saturating_sub(earlier.load),
            machine: self.machine.saturating_sub(earlier.machine),
            stolen: self.stolen.saturating_sub(earlier.stolen),
        }
    }
}

/// User and system time of all threads of a process, as in proc(5).
fn process(pid: &str) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second column is the command in parentheses and may hold anything.
    let after_command = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(ticks(after_command, 11) + ticks(after_command, 12))
}

fn ticks(line: &str, column: usize) -> Duration {
    let count = line
        .split_ascii_whitespace()
        .nth(column)
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or_default();
    Duration::from_millis(count * 1_000 / TICKS_PER_SECOND)
}

/// Resident memory of a process in KiB, now and at most.
#[derive(Clone, Copy)]
pub struct Memory {
    pub resident_kib: u64,
    pub peak_kib: u64,
}

impl Memory {
    /// # Errors
    ///
    /// The process is gone, or /proc is not there.
    pub fn read(pid: u32) -> io::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .and_then(|rest| rest.split_ascii_whitespace().next())
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| io::Error::other(format!("/proc/{pid}/status has no {name}")))
        };
        Ok(Memory { resident_kib: kib("VmRSS:")?, peak_kib: kib("VmHWM:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn own_work_is_counted() {
        let pid = std::process::id();
        let before = Usage::read(pid).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(start);
        }
        let used = Usage::read(pid).unwrap().since(before);
        assert!(used.server >= Duration::from_millis(50), "{:?}", used.server);
        assert!(used.machine >= Duration::from_millis(50), "{:?}", used.machine);
        let memory = Memory::read(pid).unwrap();
        assert!(memory.resident_kib > 0 && memory.peak_kib >= memory.resident_kib);
    }
}
