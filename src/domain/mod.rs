pub mod peer;
pub mod timestamp;
