//! What of the circumstances policies read. A decision may be kept for as long as nothing that it was made from changes; so
//! whoever keeps one must know what that is. It is found out once per set, from the rules themselves.

use std::net::IpAddr;

use serde_json::Value;

use super::question::Circumstances;

/// Which circumstances a set of policies reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Where a request comes from.
    pub address: bool,
    /// When.
    pub time: bool,
}

/// The circumstances, as far as they are read: two requests of one key get one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Circumstantial {
    address: Option<IpAddr>,
    minute: Option<u64>,
}

impl Reads {
    /// Whether decisions depend on any of it.
    #[must_use]
    pub const fn any(self) -> bool {
        self.address || self.time
    }

    /// What of `circumstances` is read.
    #[must_use]
    pub fn key(self, circumstances: &Circumstances) -> Circumstantial {
        Circumstantial {
            address: circumstances.address.filter(|_| self.address),
            minute: self.time.then_some(circumstances.minute),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { address: self.address || other.address, time: self.time || other.time }
    }

    /// What a rule reads, by its JSON form. Whatever is done with the context but reading a member by name counts as
    /// reading all of it.
    pub(super) fn of(rule: &Value) -> Self {
        let Value::Object(members) = rule else {
            let Value::Array(items) = rule else { return Self::default() };
            return items.iter().map(Self::of).fold(Self::default(), Self::and);
        };
        if members.get("Var").is_some_and(|var| var == "context") {
            return Self { address: true, time: true };
        }
        let member = |operator: &str| {
            let operands = members.get(operator)?;
            let is_context = operands.get("left")?.get("Var")? == "context";
            is_context.then(|| operands.get("attr").and_then(Value::as_str)).flatten()
        };
        match member(".").or_else(|| member("has")) {
            Some("address") => Self { address: true, time: false },
            Some("time") => Self { address: false, time: true },
            _ => members.values().map(Self::of).fold(Self::default(), Self::and),
        }
    }
}
