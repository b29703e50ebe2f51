//! Proves floor 0 from outside, and beside it the boot row, the journal's records and the verifier of chains: the formats against `tests/vectors`,
//! which a second implementation wrote; the algorithms against Project Wycheproof, the C2SP vectors and other people's
//! libraries; the laws against random input.

mod boot;
mod escrow;
mod export;
mod index;
mod injective;
mod inverse;
mod journal;
mod key_uses;
mod oracles;
mod people;
mod statistics;
mod testkit;
mod vectors;
mod wiped;
mod wycheproof;
mod xaes;
