//! The shell around the appliance: what owns sockets, the log and the process's memory. It knows connections and
//! certificates, and nothing of keys, requests or answers.
//!
//! [`memory`] and [`telemetry`] come first at start-up; [`tls`] turns files into configurations and swaps them;
//! [`listener`] accepts, and hands each connection to `connection`, which keeps its time limits; [`certificate`] reads who
//! is at the other end.

pub mod certificate;
mod connection;
pub mod listener;
pub mod memory;
pub mod telemetry;
pub mod tls;
