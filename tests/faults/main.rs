//! The token floor against a module that fails on command: every class of return code at every function, once and for
//! ever. What is repaired is repaired unseen; what is not is called by its right name; and the token heals from all of it.

mod bench;
mod healing;
mod opening;
#[path = "../support/mod.rs"]
mod support;
mod table;
