//! From path, query and body to a request of the desk, and from what the desk answers to JSON. The desk's requests are
//! nouns and verbs in JSON already (`{"noun":{"verb":{…}}}`), so that all there is to do is to put each member in its place.

use serde_json::{Map, Value};

use crate::appliance::Fault;
use crate::desk::answer::Done;
use crate::desk::request::Request;
use crate::domain::refusal::{Code, Refusal};

use super::members::members as read;
use super::row::{Query, Row};
use crate::api::request::shape;

/// What a request asks of the desk.
///
/// # Errors
/// `malformed-json`, `unknown-member`, `missing-member`, `repeated-member`; `bad-request` for path and query.
pub(super) fn request(row: &Row, path: &str, query: Option<&str>, sent: &[u8]) -> Result<Request, Refusal> {
    let mut members = Map::new();
    for (member, text) in row.members(path).unwrap_or_default() {
        put(&mut members, member, decode(text)?.into())?;
    }
    for said in query.unwrap_or_default().split('&').filter(|said| !said.is_empty()) {
        let (name, text) = said.split_once('=').unwrap_or((said, ""));
        let known = row.query.iter().find(|known| known.name() == name).ok_or_else(|| unknown(row))?;
        put(&mut members, known.name(), known.value(&decode(text)?)?)?;
    }
    for (name, value) in if sent.is_empty() { Map::new() } else { read(sent)? } {
        put_once(&mut members, name, value)?;
    }
    let mut words = row.verb.rsplit(' ');
    let innermost = words.next().unwrap_or_default();
    // A verb that has no members is a word alone.
    let value = if row.is_bare && members.is_empty() {
        innermost.into()
    } else {
        Value::Object(Map::from_iter([(innermost.to_owned(), members.into())]))
    };
    let value = words.fold(value, |value, word| Value::Object(Map::from_iter([(word.to_owned(), value)])));
    serde_json::from_value(value).map_err(|error| shape(&error))
}

/// What is inside of an answer: its name is the route's affair.
pub(super) fn inside(done: &Done) -> Result<Vec<u8>, Fault> {
    let whole = serde_json::to_vec(done).map_err(|_| Fault::new("an answer does not become JSON"))?;
    let inside = whole.iter().position(|byte| *byte == b':').map(|colon| colon + 1..whole.len() - 1);
    Ok(inside.and_then(|inside| whole.get(inside)).unwrap_or_default().to_vec())
}

/// Puts a member where a dotted name says.
fn put(members: &mut Map<String, Value>, dotted: &str, value: Value) -> Result<(), Refusal> {
    let Some((outer, inner)) = dotted.split_once('.') else {
        return put_once(members, dotted.to_owned(), value);
    };
    match members.entry(outer).or_insert_with(|| Map::new().into()) {
        Value::Object(inside) => put(inside, inner, value),
        _ => Err(Code::UnknownMember.into()),
    }
}

/// Of two with one name neither counts.
fn put_once(members: &mut Map<String, Value>, name: String, value: Value) -> Result<(), Refusal> {
    if members.insert(name, value).is_none() {
        return Ok(());
    }
    Err(Refusal::new(Code::UnknownMember).detail("A member is there that the address says already."))
}

impl Query {
    fn value(self, text: &str) -> Result<Value, Refusal> {
        let wrong = |wanted: &str| bad(format!("In the query {} is {wanted}.", self.name()));
        Ok(match self {
            Self::Text(_) => text.into(),
            Self::Words(_) => text.split(',').map(Value::from).collect(),
            Self::Number(_) => text.parse::<u64>().map_err(|_| wrong("a number"))?.into(),
            Self::Flag(_) => text.parse::<bool>().map_err(|_| wrong("true or false"))?.into(),
        })
    }
}

fn unknown(row: &Row) -> Refusal {
    let known: Vec<&str> = row.query.iter().map(|known| known.name()).collect();
    bad(if known.is_empty() {
        "This route takes no query.".into()
    } else {
        format!("The query knows {}, and nothing else.", known.join(", "))
    })
}

/// Percent-encoding taken off. A plus sign is itself.
fn decode(text: &str) -> Result<String, Refusal> {
    let wrong = || bad("The address is not percent-encoded UTF-8.".into());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            rest.next()
                .and_then(|byte| char::from(byte).to_digit(16))
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn bad(detail: String) -> Refusal {
    Refusal::new(Code::BadRequest).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    fn asked(method: &str, target: &str, body: &str) -> Result<String, Code> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let row = table::at(path).into_iter().find(|row| row.method.name() == method).unwrap();
        let request = request(row, path, query, body.as_bytes()).map_err(|refusal| refusal.code)?;
        Ok(serde_json::to_string(&request).unwrap())
    }

    #[test]
    fn path_query_and_body_become_one_request() {
        for (method, target, body, request) in [
            ("GET", "/v1/status", "", r#""status""#),
            ("GET", "/v1/certificates", "", r#"{"certificate":{"list":{"after":null,"limit":null}}}"#),
            ("GET", "/v1/users?after=x%2f", "", r#"{"user":{"list":{"after":"x/","limit":null}}}"#),
            ("GET", "/v1/users?limit=5", "", r#"{"user":{"list":{"after":null,"limit":5}}}"#),
            ("GET", "/v1/audit?limit=5", "", r#"{"audit":{"list":{"limit":5}}}"#),
            (
                "POST",
                "/v1/projects/kantor/members",
                r#"{"user":"siti"}"#,
                r#"{"project":{"member":{"add":{"project":"kantor","user":"siti"}}}}"#,
            ),
            (
                "PUT",
                "/v1/projects/kantor/endpoints/absensi/budget",
                r#"{"fields_per_day":5}"#,
                r#"{"budget":{"set":{"of":{"endpoint":{"project":"kantor","name":"absensi"}},"fields_per_day":5}}}"#,
            ),
            (
                "DELETE",
                "/v1/projects/kantor/endpoints/absensi/grants?object=nik&operations=encrypt,decrypt",
                "",
                r#"{"grant":{"revoke":{"project":"kantor","endpoint":"absensi","object":"nik","operations":["encrypt","decrypt"]}}}"#,
            ),
        ] {
            assert_eq!(asked(method, target, body).as_deref(), Ok(request));
        }
    }

    #[test]
    fn what_is_wrong_with_a_request_has_its_code() {
        for (method, target, body, code) in [
            ("GET", "/v1/users?nach=1", "", Code::BadRequest),
            ("GET", "/v1/users?after=1&after=2", "", Code::UnknownMember),
            ("GET", "/v1/users?after=%2", "", Code::BadRequest),
            ("GET", "/v1/users/%ff", "", Code::BadRequest),
            ("GET", "/v1/audit?limit=x", "", Code::BadRequest),
            ("POST", "/v1/users", "", Code::MissingMember),
            ("POST", "/v1/users", r#"{"name":"x","role":1}"#, Code::MalformedJson),
            ("POST", "/v1/projects/kantor/members", r#"{"user":"x","project":"y"}"#, Code::UnknownMember),
            ("PUT", "/v1/api-keys/x/budget", r#"{"of":{"api-key":{}}}"#, Code::UnknownMember),
            ("PUT", "/v1/api-keys/x/budget", r#"{"of":1}"#, Code::UnknownMember),
        ] {
            assert_eq!(asked(method, target, body), Err(code), "{method} {target}");
        }
    }
}
