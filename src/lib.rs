pub mod crypto;
pub mod store;
