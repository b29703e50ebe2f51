//! Gembok, an encryption appliance for a LAN. Applications send it personal data over mutual TLS and get ciphertext back
//! to keep in their own database. The keys never leave it.
//!
//! This page is the map. The floors, a floor calling only downward and siblings never meeting:
//!
//! ```text
//! 6  main → cli → daemon → config     wires floors together; owns sockets, signals, threads
//! 5  api   ceremony                   edges: outside words <-> our words; no rules, no tables
//! 4  desk                             the control plane's verbs as they are asked and answered, for both doors
//! 3  appliance                        the verbs; the only floor that joins store, hsm and domain
//! 2  hsm        store                 the two outside worlds: the token, the database
//! 1  domain                           nouns and rules; no IO, no clock, no async
//! 0  crypto                           bytes in, bytes out; knows no product noun
//! ```
//!
//! To follow one field from the wire to its envelope and back, read in this order:
//!
//! | file | what it gives |
//! |---|---|
//! | [`daemon::listener`], [`daemon::tls`] | a connection whose client chain is verified, and its `Peer` |
//! | [`api`] | the whole route table on one page; `credentials` reads who asks, and when |
//! | `appliance/admission` | authenticate, authorize, meter: the only maker of [`appliance::Admitted`] |
//! | `appliance/keyring` | the data key, unwrapped once: MK, then KEK, then data key |
//! | `appliance/encrypt`, `decrypt` | the verbs; they take an `Admitted` and nothing else |
//! | [`crypto::envelope`], [`crypto::aad`] | the bytes that leave, and what they are bound to |
//! | `appliance/recorder`, [`domain::access_record`] | the record every request leaves, and its block |
//!
//! ARCHITECTURE.md draws every byte layout and gives the reason for each decision; SECURITY.md says what is promised and
//! what is not. `tests/tidy` holds the floors.

// In the product an item is seen no further than it is used. Test helpers need not say so.
#![warn(unreachable_pub)]
// Tests may; the product may not: a panic is an outage, and what goes to a terminal goes around the log.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

// Floor 0
pub mod crypto;

// Floor 1
pub mod domain;

// Floor 2
pub mod hsm;
pub mod store;

// Floor 3
pub mod appliance;

// Floor 4
pub mod desk;

// Floor 5
pub mod api;
pub mod ceremony;

// Floor 6
pub mod cli;
pub mod config;
pub mod daemon;
