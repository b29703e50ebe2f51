//! The members of a body before it is known what they mean: an object in which, at every depth, each name comes once. The
//! parser's own values would keep the last of two and say nothing.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::api::request::parse;
use crate::domain::refusal::Refusal;

/// Reads a body.
///
/// # Errors
/// `malformed-json`, `repeated-member`.
pub(super) fn members(bytes: &[u8]) -> Result<Map<String, Value>, Refusal> {
    parse::<Once>(bytes).map(|Once(value)| match value {
        Value::Object(members) => members,
        _ => Map::new(),
    })
}

/// Any value, no name of it twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Once(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Once(value))) = map.next_entry::<String, Once>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate field"));
            }
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Code;

    #[test]
    fn a_name_comes_once_at_every_depth() {
        let code = |body: &str| members(body.as_bytes()).err().map(|refusal| refusal.code);
        assert_eq!(code(r#"{"a":{"b":[1,-1,0.5,true,null,"x"]},"b":{}}"#), None);
        for twice in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":[{"b":1,"b":2}]}"#] {
            assert_eq!(code(twice), Some(Code::RepeatedMember), "{twice}");
        }
        for malformed in ["", "[]", "null", "\"a\"", "{", "{} {}"] {
            assert_eq!(code(malformed), Some(Code::MalformedJson), "{malformed}");
        }
    }
}
