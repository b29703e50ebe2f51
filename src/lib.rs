pub mod api;
pub mod appliance;
pub mod crypto;
pub mod domain;
pub mod hsm;
pub mod store;
