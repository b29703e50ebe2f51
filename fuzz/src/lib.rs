//! Laws: what must hold for every input of each parser that reads what others wrote. One law per format, a plain function
//! that panics when it is broken. The same functions are
//!
//! - replayed over the committed corpora and over mutations of them, on stable, by `cargo test`;
//! - driven by libFuzzer, with coverage and the address sanitizer, by `fuzz/run.sh TARGET SECONDS`.

pub mod laws;
pub mod mutate;
#[cfg(test)]
mod replay;
