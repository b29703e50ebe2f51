//! Proves floor 0 from outside, and the boot row beside it: the formats against `tests/vectors`, which a second
//! implementation wrote; the algorithms against Project Wycheproof, the C2SP vectors and other people's libraries; the
//! laws against random input.

mod boot;
mod injective;
mod inverse;
mod oracles;
mod testkit;
mod vectors;
mod wiped;
mod wycheproof;
mod xaes;
