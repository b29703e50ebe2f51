//! The command line: the daemon's one verb, `serve`, and the operator's, which go over the local socket.
//!
//! Exit status: 0 done; 1 refused, or a fault; 2 a command line nobody understands; 3 no daemon to speak to. Every error
//! says what happened, then what to do. No secret is ever taken from the command line, where every process could read it.

mod api_key;
mod approval;
mod arguments;
mod audit_arguments;
mod budget;
mod bundle;
mod client;
mod columns;
mod control;
mod data_url;
mod download;
mod echoed;
mod endpoint_shown;
mod enrol;
mod error;
mod escrow;
mod evidence;
mod export;
mod files;
mod first_boot;
mod heads;
mod index;
mod issue;
mod items;
mod key;
mod key_verify;
mod keys;
mod life;
mod machine;
mod own;
mod p12;
mod page;
mod people;
mod policy;
mod renewal;
mod report;
mod report_verb;
mod roll_ca;
mod run;
mod say_answer;
mod say_echoed;
mod say_key;
mod say_proof;
mod say_trouble;
mod schema;
mod secrets;
mod server_names;
mod session;
mod show;
mod show_people;
mod show_roots;
mod statistics;
mod subject;
mod table;
mod totp;
mod trail;
mod verify;
mod words;

pub use run::run;
