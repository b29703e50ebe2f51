//! The appliance and its HTTP edge, end to end: the built program with a real token and a real store, asked over mutual TLS
//! and by the operator's verbs. One module per floor or promise.

mod admission;
mod api_key_timing;
mod attack;
mod authentication_limits;
mod budget_clock;
mod budgets;
mod client;
mod clock;
mod disk;
mod early;
mod expiries;
mod fixtures;
mod gaps;
mod journal;
mod keyring;
mod leases;
mod limits;
mod memory;
mod open_routes;
mod order;
mod published;
mod renewal;
mod resources;
mod retention;
mod revocation;
mod roles;
mod roll_up;
mod rollback;
mod rotten_rows;
mod smuggling;
mod states;
mod statistics;
mod store_damage;
mod strict;
#[path = "../support/mod.rs"]
mod support;
mod token_faults;
mod token_swap;
mod unlock_faults;
mod v1;
mod v1_limits;
mod vault;
mod verdicts;
mod witness;
mod world;
