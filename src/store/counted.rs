//! How many rows are read and written. (Tests only: what a record costs is a number that must not grow unseen.)

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Store;

#[derive(Default)]
pub(super) struct Counted {
    read: AtomicUsize,
    written: AtomicUsize,
}

impl Counted {
    pub(super) fn read(&self, rows: usize) {
        self.read.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn written(&self, rows: usize) {
        self.written.fetch_add(rows, Ordering::Relaxed);
    }
}

impl Store {
    /// Rows that were asked for by their keys, and rows that batches put or took out, since the last time.
    pub(crate) fn take_counted(&self) -> (usize, usize) {
        let counted = &self.0.counted;
        (counted.read.swap(0, Ordering::Relaxed), counted.written.swap(0, Ordering::Relaxed))
    }
}
