//! What lay in the store's file at each kill, and has to be gone from it at the end, because it was destroyed meanwhile.

use std::fs;

use gembok::store::{Boot, Table};

use crate::desk::Desk;
use crate::support::daemon::Sandbox;
use crate::vault::{row_keys, store_path, stored};

/// Bytes that were seen in a stopped store.
#[derive(Default)]
pub(crate) struct Seen(Vec<Vec<u8>>);

impl Seen {
    /// KEKs and index roots by their rows, which are sealed; store keys as they are wrapped in the boot row.
    fn now(sandbox: &Sandbox) -> Vec<Vec<u8>> {
        let rows = |table| row_keys(sandbox, table).into_iter().map(move |row_key| (table, row_key));
        let rows = rows(Table::Keks).chain(rows(Table::IndexRoots));
        let middles = rows.map(|(table, row_key)| stored(sandbox, table, &row_key)[32..64].to_vec());
        let boot = Boot::logged(&stored(sandbox, Table::Boot, &[])).unwrap();
        middles.chain(boot.store_keys.into_iter().map(|key| key.wrapped)).collect()
    }

    /// Looks at what there is.
    pub(crate) fn look(&mut self, sandbox: &Sandbox) {
        self.0.extend(Self::now(sandbox));
    }

    /// Waits until the file was written anew after the last record of `act`, stops the daemon, and looks for what is no more. How much
    /// that is.
    pub(crate) fn check_forgotten(&self, desk: &mut Desk, act: &str) -> usize {
        let last = |act: &str| {
            let listed = desk.sandbox.done(&["audit", "list", "--act", act, "--newest", "--limit", "1"]);
            listed["audit"]["entries"][0]["sequence"].as_u64()
        };
        desk.daemon.wait_until("the file was written anew", || last("store.rewrite") > last(act));
        desk.daemon.signal(rustix::process::Signal::TERM);
        assert!(desk.daemon.wait().success());
        let now = Self::now(&desk.sandbox);
        let file = fs::read(store_path(&desk.sandbox)).unwrap();
        let lies = |bytes: &[u8]| file.windows(bytes.len()).any(|found| found == bytes);
        assert!(now.iter().all(|bytes| lies(bytes)), "the test looks for what is there");
        let gone: Vec<_> = self.0.iter().filter(|bytes| !now.contains(bytes)).collect();
        let left = gone.iter().filter(|bytes| lies(bytes)).count();
        assert_eq!(left, 0, "of {} that are destroyed", gone.len());
        gone.len()
    }
}
