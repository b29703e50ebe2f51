//! Floor 2: the token, through PKCS#11 (OASIS PKCS #11 2.40; `SoftHSM` 2 is the default module). What the floors above see is
//! a [`Token`], its [`MasterKey`]s and its [`Signer`]s; no session, no handle and no slot number leaves this floor.
//!
//! ```text
//! Token ─ queue ─> workers (one thread, one session each) ─> the module
//!    └─ anchor session: holds the login for as long as the token is open
//! ```
//!
//! A call costs a hop to a worker's thread and blocks its caller for at most [`TokenConfig::deadline`]; never call from
//! an async thread. What went wrong is a [`TokenError`]; [`TokenError::class`] says who has to do something about it.
//!
//! What is deliberately not here: no `C_Logout` (it takes every session's keys away), no `C_WrapKey` (it binds to no
//! associated data), no choice by slot number (it changes), and nothing is ever deleted because it was not found.

mod anchor;
mod error;
mod master_key;
mod module;
mod pin;
mod pool;
mod session;
mod signer;
mod token;

pub use anchor::{ANCHOR_LEN, Anchor};
pub use error::{Class, Code, PinProblem, TokenError};
pub use master_key::MasterKey;
pub use pin::{PIN_LEN_MAX, Pin, PinBackoff};
pub use pool::QUEUED_JOBS_MAX;
pub use signer::{Signer, to_der};
pub use token::{Healing, Token, TokenChoice, TokenConfig, WORKER_SESSIONS_MAX};
