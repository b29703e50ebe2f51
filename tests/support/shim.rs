//! The module of `tests/pkcs11-shim`: built when first asked for, steered by a folder. What an order says is drawn in its
//! `desk.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::softhsm::MODULE;

static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    // Beside the test itself, with the same profile.
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--package", "pkcs11-shim", "--target-dir"]);
    build.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the PKCS#11 shim does not build");
    profile.join("libpkcs11_shim.so")
});

static ORDERS: AtomicU64 = AtomicU64::new(0);

/// A folder of orders and calls.
pub(crate) struct Shim {
    folder: PathBuf,
}

impl Shim {
    /// Where the module is.
    pub(crate) fn module() -> &'static Path {
        &BUILT
    }

    /// A desk in `folder`, which the process that is to be steered finds by [`Shim::environment`].
    pub(crate) fn at(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("PKCS11_SHIM", self.folder.clone()), ("PKCS11_SHIM_MODULE", MODULE.into())]
    }

    /// Puts these orders in force instead of those before, and releases what hangs by them.
    pub(crate) fn order(&self, orders: &[&str]) {
        let number = ORDERS.fetch_add(1, Ordering::SeqCst);
        let text = format!("{}-{number}\n{}\n", std::process::id(), orders.join("\n"));
        let fresh = self.folder.join("orders-fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.folder.join("orders")).unwrap();
    }

    /// Lets every call through.
    pub(crate) fn obey(&self) {
        self.order(&[]);
    }

    /// A place in the account of calls.
    pub(crate) fn mark(&self) -> usize {
        self.calls().len()
    }

    /// How many lines behind `mark` are this one: `C_Login begun`, `C_Login 160`.
    pub(crate) fn count(&self, mark: usize, line: &str) -> usize {
        self.calls()[mark..].lines().filter(|told| *told == line).count()
    }

    /// Fails if the module was ever finalized with a call in flight.
    pub(crate) fn assert_orderly(&self) {
        let calls = self.calls();
        assert!(!calls.contains("VIOLATION"), "{calls}");
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.folder.join("calls")).unwrap_or_default()
    }
}
