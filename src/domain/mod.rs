//! Floor 1: the nouns and their rules. Pure: no input or output, no clock, no async. What is stored says so and how.

pub mod access_record;
pub mod actor;
pub mod api_key;
pub mod audit_record;
pub mod budget;
pub mod cbor;
pub mod certificate;
pub mod chain;
pub mod chain_report;
pub mod chain_witness;
pub mod details;
pub mod endpoint;
pub mod gap;
pub mod grant;
pub mod id;
pub mod key_version;
pub mod limits;
pub mod name;
pub mod object;
pub mod operation;
pub mod peer;
pub mod project;
pub mod refusal;
pub mod statistics;
pub mod timestamp;
pub mod user;
