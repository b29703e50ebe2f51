//! What tests of several floors need.
#![allow(dead_code, reason = "each test file is a crate of its own and uses its part")]

pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod mount;
pub(crate) mod recount;
pub(crate) mod shim;
pub(crate) mod softhsm;
