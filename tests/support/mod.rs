//! What tests of several floors need.

pub mod softhsm;
