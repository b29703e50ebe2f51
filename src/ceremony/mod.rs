//! Floor 5: what comes in by the local socket. The daemon alone owns token and store, so whoever stands at the machine
//! speaks to it through here: one JSON line in, one JSON line out, one verb per connection. An export alone is longer than a line (`stream`).
//!
//! ```text
//! connect ─ SO_PEERCRED: root or the daemon's own user? ─ Request (a line) ─ its acts allowed? ─ Appliance ─ Answer (a line) ─ close
//! ```
//!
//! Who was admitted is the actor of the audit record, by the uid the kernel gave: nothing in a request can say who asks.

pub mod socket;
mod stream;
