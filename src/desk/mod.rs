//! Floor 4: the desk. Every verb of the control plane, as it is asked ([`request`]) and as it is answered ([`answer`]), once
//! for both doors: the local socket (`ceremony`) and HTTP (`api`). Between them lie what the access policies are asked
//! (`acts`) and the way to the appliance and back (`perform`). No rules here, and no tables: both are below.
//!
//! ```text
//! words of a door -> Request -> its acts allowed? -> Leave -> appliance -> Done -> words of that door
//! ```

mod acts;
pub mod answer;
mod api_key;
mod approval;
pub mod asker;
mod audit_answer;
pub mod audit_request;
mod budget;
mod certificate_answer;
mod certificate_request;
mod clock_answer;
mod destructions_answer;
mod endpoint_shown;
pub mod export;
mod index;
mod key;
mod key_shown;
pub mod key_verify;
mod keys_answer;
mod life;
mod local;
mod people;
mod perform;
mod perform_certificates;
mod perform_people;
pub mod prepare;
pub mod report;
mod report_csv;
mod report_page;
mod report_posture;
pub mod report_words;
pub mod request;
pub mod schema;
mod session;
pub mod statistics;
mod status_answer;
mod store_key;
pub mod subject;
mod view;
