//! libFuzzer over one law: `GEMBOK_FUZZ_TARGET` names it. Built and started by `fuzz/run.sh`.
#![no_main]

use std::sync::LazyLock;

use gembok_fuzz::laws::TARGETS;

static LAW: LazyLock<fn(&[u8]) -> bool> = LazyLock::new(|| {
    let name = std::env::var("GEMBOK_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("GEMBOK_FUZZ_TARGET is {name:?}, which is no law")).law
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(LAW(bytes)));
