//! Proves floor 0 from outside: its formats against `tests/vectors`, which a second implementation wrote; its algorithms
//! against Project Wycheproof, the C2SP vectors and other people's libraries; its laws against random input.

mod laws;
mod oracles;
mod testkit;
mod vectors;
mod wiped;
mod wycheproof;
mod xaes;
