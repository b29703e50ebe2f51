//! x
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]
pub mod api;
pub mod appliance;
pub mod ceremony;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod daemon;
pub mod domain;
pub mod hsm;
pub mod store;
