//! The other direction, for whoever asks over HTTP: from a request of the desk to method, address and body by the route table,
//! and from what came back to an answer of the desk.

use std::fmt::Write;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::desk::answer::Refused;
use crate::desk::request::Request;

use super::export;
use super::row::{Gives, Query, Row, Step};
use super::table::ROWS;

/// How a request is asked over HTTP.
pub struct Way {
    row: &'static Row,
    /// Path and query.
    target: String,
    body: Option<Zeroizing<Vec<u8>>>,
}

/// What a problem document says.
#[derive(Deserialize)]
struct Problem {
    title: String,
    detail: Option<String>,
    code: String,
    hint: String,
}

impl Way {
    /// The way of a request; none where it is asked at the machine only.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let said = serde_json::to_value(request).ok()?;
        ROWS.iter().find_map(|row| Self::by(row, &said))
    }

    /// Its method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.row.method.name()
    }

    /// Its path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether it makes something: an `Idempotency-Key` keeps that from being made twice.
    #[must_use]
    pub const fn makes_something(&self) -> bool {
        self.row.makes_something()
    }

    /// Its body, JSON; none where there is none.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_ref().map(|body| body.as_slice())
    }

    /// What came back, as the local socket would have said it: one line of JSON, which may hold an API key. None where it is
    /// not understood.
    #[must_use]
    pub fn line(&self, status: u16, body: &[u8]) -> Option<Zeroizing<String>> {
        if status == self.row.status().as_u16() {
            let Gives::Json(name) = self.row.gives else {
                return Some(Zeroizing::new(r#"{"done":"changed"}"#.into()));
            };
            let body = std::str::from_utf8(body).ok()?;
            // In one piece: a string that grows would leave copies behind.
            let mut line = Zeroizing::new(String::with_capacity(body.len() + name.len() + 16));
            // Writing to a string does not fail.
            let _ = write!(line, r#"{{"done":{{"{name}":{body}}}}}"#);
            return Some(line);
        }
        let refused = serde_json::to_string(&Self::refused(body)?).ok()?;
        Some(Zeroizing::new(format!(r#"{{"refused":{refused}}}"#)))
    }

    /// What a problem document says; none where it is no such document.
    #[must_use]
    pub fn refused(body: &[u8]) -> Option<Refused> {
        let Problem { title, detail, code, hint } = serde_json::from_slice(body).ok()?;
        Some(Refused { code, detail: detail.unwrap_or(title), hint })
    }

    /// The name of the export that comes, by the head of its answer; none where it was refused.
    #[must_use]
    pub fn export(&self, status: StatusCode, headers: &HeaderMap) -> Option<String> {
        let name = headers.get(export::NAME).filter(|_| status == self.row.status())?;
        name.to_str().ok().map(str::to_owned)
    }

    fn by(row: &'static Row, said: &Value) -> Option<Self> {
        let members = if row.is_bare {
            let (outer, last) =
                row.verb.rsplit_once(' ').map_or((None, row.verb), |(outer, last)| (Some(outer), last));
            let found = outer.map_or(Some(said), |outer| inside(said, outer))?;
            (found.as_str() == Some(last)).then(Map::new)?
        } else {
            inside(said, row.verb)?.as_object()?.clone()
        };
        let mut left = members.clone();
        let mut take = |dotted: &str| {
            left.remove(dotted.split('.').next().unwrap_or(dotted));
            dotted.split('.').try_fold(None, |found: Option<&Value>, word| {
                Some(Some(found.map_or_else(|| members.get(word), |found| found.get(word))?))
            })?
        };
        let mut target = String::new();
        for step in row.steps() {
            target.push('/');
            match step {
                Step::Word(word) => target.push_str(word),
                Step::Member { is, .. } => encode(&mut target, take(is)?.as_str()?),
            }
        }
        let mut mark = '?';
        for query in row.query {
            let Some(value) = take(query.name()).filter(|value| !value.is_null()) else { continue };
            target.push(mark);
            target.push_str(query.name());
            target.push('=');
            match (query, value) {
                (Query::Words(_), Value::Array(words)) => {
                    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
                    encode(&mut target, &words.join(","));
                }
                (_, Value::String(text)) => encode(&mut target, text),
                (_, other) => encode(&mut target, &other.to_string()),
            }
            mark = '&';
        }
        left.retain(|_, value| !value.is_null());
        let whole = match row.whole {
            Some(name) => Some(left.remove(name)?),
            None => None,
        };
        let body = if let Some(whole) = whole.filter(|_| left.is_empty()) {
            Some(Zeroizing::new(serde_json::to_vec(&without_nulls(whole)).ok()?))
        } else if row.has_body() {
            Some(Zeroizing::new(serde_json::to_vec(&left).ok()?))
        } else if left.is_empty() {
            None
        } else {
            return None;
        };
        Some(Self { row, target, body })
    }
}

/// An object without the members that say nothing.
fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// What stands under words that are one inside the other.
fn inside<'a>(said: &'a Value, words: &str) -> Option<&'a Value> {
    words.split(' ').try_fold(said, |found, word| found.get(word))
}

/// Percent-encoding of everything but what needs none anywhere (RFC 3986 section 2.3), and commas.
fn encode(target: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~,:".contains(&byte) {
            target.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{table, words};
    use super::*;

    /// Anything of a shape, with every member it may have.
    fn any(shape: &Value) -> Value {
        let one_of = shape["oneOf"].as_array().or_else(|| shape["anyOf"].as_array());
        if let Some(first) = one_of.and_then(|shapes| shapes.first()) {
            return any(first);
        }
        let value = shape.get("const").or_else(|| shape["enum"].get(0));
        if let Some(value) = value {
            return value.clone();
        }
        match shape["type"].as_str().or_else(|| shape["type"][0].as_str()).unwrap_or_default() {
            "string" => "a b/c".into(),
            "integer" => 7.into(),
            "boolean" => true.into(),
            "array" => vec![any(&shape["items"])].into(),
            "object" => shape["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, shape)| (name.clone(), any(shape)))
                .collect::<Map<_, _>>()
                .into(),
            _ => Value::Null,
        }
    }

    #[test]
    fn every_row_is_found_again_by_the_request_it_makes() {
        let document: Value = serde_json::from_str(crate::api::openapi::document()).unwrap();
        for row in ROWS {
            let (members, plain): (Vec<_>, Vec<_>) = row
                .steps()
                .map(|step| match step {
                    Step::Word(word) => (word.to_owned(), word.to_owned()),
                    Step::Member { called, .. } => ("x%20y".to_owned(), format!("{{{called}}}")),
                })
                .unzip();
            let [path, template] = [members, plain].map(|steps| format!("/{}", steps.join("/")));
            let query = row.query.iter().map(|query| match query {
                Query::Number(name) => format!("{name}=7"),
                Query::Flag(name) => format!("{name}=true"),
                Query::Text(name) => format!("{name}=a%20b"),
                Query::Words(name) => format!("{name}=encrypt,decrypt"),
            });
            let query = query.collect::<Vec<_>>().join("&");
            let said = &document["paths"][&template][row.method.name().to_lowercase()];
            let shape = &said["requestBody"]["content"]["application/json"]["schema"];
            let body = if row.has_body() { any(shape).to_string() } else { String::new() };
            let asked = words::request(row, &path, Some(&query), body.as_bytes())
                .unwrap_or_else(|refusal| panic!("{} {path} {body}: {refusal}", row.method.name()));
            let way = Way::of(&asked).unwrap_or_else(|| panic!("{} has no way", row.verb));
            assert_eq!((way.method(), way.row.path), (row.method.name(), row.path));
            // And the way leads to the same request.
            let (path, query) = way.target().split_once('?').unwrap_or((way.target(), ""));
            assert!(table::at(path).iter().any(|found| found.path == row.path), "{path}");
            let again = words::request(row, path, Some(query), way.body().unwrap_or_default()).ok().unwrap();
            assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&asked).unwrap());
        }
        assert!(Way::of(&Request::Lock).is_none());
    }

    #[test]
    fn answers_are_those_of_the_local_socket() {
        let way = Way::of(&Request::Status).unwrap();
        assert_eq!(way.line(200, b"{}").unwrap().as_str(), r#"{"done":{"status":{}}}"#);
        let problem = br#"{"type":"x","title":"No.","status":403,"code":"forbidden","hint":"Ask."}"#;
        assert_eq!(
            way.line(403, problem).unwrap().as_str(),
            r#"{"refused":{"code":"forbidden","detail":"No.","hint":"Ask."}}"#
        );
        assert!(way.line(502, b"<html>").is_none());
    }
}
