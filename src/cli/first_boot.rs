//! What is asked at the first boot: by what names and addresses clients reach the server. On a terminal, and with a proposal;
//! elsewhere the options say it, or the configuration.

#![expect(clippy::print_stderr, reason = "a question is for whoever sits there")]

use std::io::{IsTerminal, Write, stderr, stdin};
use std::net::{IpAddr, UdpSocket};

use super::say_answer as say;

/// The names to begin with; none where the configuration's are to count.
pub(super) fn server_names(said: Vec<String>, is_for_machines: bool) -> Vec<String> {
    if !said.is_empty() || is_for_machines || !stdin().is_terminal() || !stderr().is_terminal() {
        return said;
    }
    let proposed = proposal();
    eprint!("{}", say::ask_names(proposed.join(" ")));
    let mut line = String::new();
    let is_read = stderr().flush().is_ok() && stdin().read_line(&mut line).is_ok();
    let typed: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if is_read && !typed.is_empty() { typed } else { proposed }
}

/// This machine's name, the addresses that others would see, and what leads here from here.
fn proposal() -> Vec<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    let addresses = ["192.0.2.1:9", "[2001:db8::1]:9"].into_iter().filter_map(own_address);
    let own = [name].into_iter().filter(|name| !name.is_empty() && name != "localhost");
    let own = own.chain(addresses.map(|address| address.to_string()));
    own.chain(["localhost", "127.0.0.1"].map(str::to_owned)).collect()
}

/// From where a datagram to `elsewhere` would go. None is sent.
fn own_address(elsewhere: &str) -> Option<IpAddr> {
    let any = if elsewhere.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(elsewhere).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proposed_leads_here() {
        let names = proposal();
        assert!(names.ends_with(&["localhost".to_owned(), "127.0.0.1".to_owned()]), "{names:?}");
        assert!(
            names.iter().all(|name| rustls::pki_types::ServerName::try_from(name.as_str()).is_ok()),
            "{names:?}"
        );
        assert_eq!(server_names(vec!["gembok.lan".into()], false), ["gembok.lan"]);
        assert_eq!(server_names(Vec::new(), true), Vec::<String>::new());
    }
}
