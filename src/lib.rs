pub mod api;
pub mod appliance;
pub mod config;
pub mod crypto;
pub mod daemon;
pub mod domain;
pub mod hsm;
pub mod store;
