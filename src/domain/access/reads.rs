//! What of the circumstances policies read. A decision may be kept for as long as nothing that it was made from changes; so
//! whoever keeps one must know what that is. It is found out once per set, from the rules themselves.

use std::net::IpAddr;

use serde_json::Value;

use super::question::Circumstances;

/// What a set of policies reads, beyond who asks for which operation and in which project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// Where a request comes from.
    pub address: bool,
    /// When.
    pub time: bool,
    /// Which object it is about, or anything of it but its project. Else all objects of a project are alike.
    pub object: bool,
}

/// The circumstances, as far as they are read: two requests of one key get one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Circumstantial {
    address: Option<IpAddr>,
    minute: Option<u64>,
}

impl Reads {
    /// Whether decisions depend on where or when.
    #[must_use]
    pub const fn circumstances(self) -> bool {
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
        Self {
            address: self.address || other.address,
            time: self.time || other.time,
            object: self.object || other.object,
        }
    }

    /// What a rule reads, by its JSON form.
    pub(super) fn of(rule: &Value) -> Self {
        let scope = &rule["resource"];
        let names_kind = scope["op"] == "All" || (scope["op"] == "is" && scope.get("in").is_none());
        Self { object: !names_kind || reads_object(&rule["conditions"]), ..Self::of_context(rule) }
    }

    /// Whatever is done with the context but reading a member by name counts as reading all of it.
    fn of_context(rule: &Value) -> Self {
        let Value::Object(members) = rule else {
            let Value::Array(items) = rule else { return Self::default() };
            return items.iter().map(Self::of_context).fold(Self::default(), Self::and);
        };
        if members.get("Var").is_some_and(|var| var == "context") {
            return Self { address: true, time: true, object: false };
        }
        let member = |operator: &str| {
            let operands = members.get(operator)?;
            let is_context = operands.get("left")?.get("Var")? == "context";
            is_context.then(|| operands.get("attr").and_then(Value::as_str)).flatten()
        };
        match member(".").or_else(|| member("has")) {
            Some("address") => Self { address: true, ..Self::default() },
            Some("time") => Self { time: true, ..Self::default() },
            _ => members.values().map(Self::of_context).fold(Self::default(), Self::and),
        }
    }
}

/// Whether an expression reads more of the resource than its kind and its project.
fn reads_object(expression: &Value) -> bool {
    let Value::Object(members) = expression else {
        return expression.as_array().is_some_and(|items| items.iter().any(reads_object));
    };
    if members.get("Var").is_some_and(|var| var == "resource") {
        return true;
    }
    let of_resource =
        |operator: &str| members.get(operator).filter(|operands| operands["left"]["Var"] == "resource");
    let reads_project = of_resource(".").is_some_and(|operands| operands["attr"] == "project");
    let asks_kind = of_resource("is").is_some_and(|operands| operands.get("in").is_none());
    !reads_project && !asks_kind && members.values().any(reads_object)
}
