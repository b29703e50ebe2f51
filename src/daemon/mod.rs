//! The shell around the appliance: what owns sockets, the log and the process's memory. It knows connections and
//! certificates, and nothing of keys, requests or answers.
//!
//! [`memory`] and [`telemetry`] come first at start-up; [`tls`] turns files into configurations and swaps them;
//! [`listener`] accepts, and hands each connection to `connection`, which keeps its time limits; [`certificate`] reads who
//! is at the other end, `standing` asks whether it is still trusted, and `complaints` tells of failed handshakes. [`serve`] wires all of it to the appliance and the edges, and `planes` opens and closes the two
//! listeners as the appliance's state wants them.

pub mod certificate;
mod clock;
mod complaints;
mod connection;
pub mod listener;
pub mod memory;
mod planes;
pub mod serve;
mod settings;
mod standing;
pub mod telemetry;
pub mod tls;
