//! What tests of several floors need.

pub(crate) mod softhsm;
