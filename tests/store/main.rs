//! The store on a real database in a temporary directory: rows, the chain, the file, tampering, a model, crashes.

mod chain;
mod crash;
mod file;
mod model;
mod rewrite;
mod rot;
mod rot_after_stop;
mod rows;
mod support;
mod tampering;
mod turn;
