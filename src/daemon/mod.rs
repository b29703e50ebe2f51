//! The shell around the appliance: what owns sockets, the log and the process's memory. It knows connections and
//! certificates, and nothing of keys, requests or answers.
//!
//! [`memory`] and [`telemetry`] come first at start-up; [`tls`] turns files into configurations and swaps them;
//! [`listener`] accepts where `places` has room, and hands each connection to one of the [`workers`], where `connection`
//! serves it and ends it when its `pulse` says so; `frames` counts what HTTP/2 clients send, `purse` what their requests hold in memory until the `answer` was
//! taken. [`certificate`] reads who is at the other end, `standing` asks whether it is still trusted, and `complaints`
//! tells of failed handshakes. [`serve`] wires all of it to the appliance and the edges, and `planes` opens and closes the
//! two listeners as the appliance's state wants them.

mod answer;
pub mod certificate;
pub(crate) mod clock;
mod complaints;
mod connection;
mod frames;
mod header;
pub mod listener;
pub mod memory;
mod places;
mod planes;
mod pulse;
mod purse;
pub mod serve;
mod settings;
mod standing;
pub mod telemetry;
pub mod tls;
pub mod workers;
