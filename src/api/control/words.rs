//! From path, query and body to a request of the desk, and from what the desk answers to JSON. The desk's requests are
//! nouns and verbs in JSON already (`{"noun":{"verb":{…}}}`), so that all there is to do is to put each member in its place.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::appliance::Fault;
use crate::desk::answer::Done;
use crate::desk::request::Request;
use crate::domain::refusal::{Code, Refusal};

use super::members::members as read;
use super::row::{Query, Row};
use crate::api::request::shape;

/// Bytes of a member's name that is repeated in a refusal.
const NAME_BYTES_MAX: usize = 40;
/// Members of a body that are looked at for one that does not fit.
const MEMBERS_TRIED_MAX: usize = 32;

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
    let body = if sent.is_empty() { Map::new() } else { read(sent)? };
    if let Some(whole) = row.whole {
        if sent.is_empty() {
            // An empty document is one, too; none is a client's bug.
            return Err(Refusal::new(Code::MissingMember).detail(format!("The body is to be the {whole}.")));
        }
        put_once(&mut members, whole.to_owned(), body.into())?;
    } else {
        for (name, value) in body {
            put_once(&mut members, name, value)?;
        }
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
    Request::deserialize(&value).map_err(|error| {
        let refusal = misshapen(&error);
        match refusal.code {
            Code::MalformedJson if row.whole.is_none() => malformed_member(row, &value).unwrap_or(refusal),
            _ => refusal,
        }
    })
}

/// Which member has a value that its type does not take, and what it does take: asked of each alone. Values are repeated to nobody.
fn malformed_member(row: &Row, value: &Value) -> Option<Refusal> {
    let members = row.verb.split(' ').try_fold(value, |value, word| value.get(word))?.as_object()?;
    members.iter().take(MEMBERS_TRIED_MAX).find_map(|(name, value)| {
        let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
        let wrap = |value, word: &str| Value::Object(Map::from_iter([(word.to_owned(), value)]));
        let error = Request::deserialize(&row.verb.rsplit(' ').fold(alone, wrap)).err()?;
        if shape(&error).code != Code::MalformedJson || !is_a_name(name) {
            return None;
        }
        let message = error.to_string();
        let wanted = match message.rsplit_once(", expected ").map(|(_, wanted)| wanted) {
            Some("u8") => " It is to be a whole number from 0 to 255.",
            Some("u16") => " It is to be a whole number from 0 to 65535.",
            Some("u32" | "u64" | "usize") => " It is to be a whole number from 0 on.",
            Some("a string" | "string") => " It is to be a text.",
            Some("a boolean") => " It is to be true or false.",
            Some("a sequence") => " It is to be a list.",
            _ => "",
        };
        Some(
            Refusal::new(Code::MalformedJson)
                .detail(format!("The member {name} is not what is asked for.{wanted}")),
        )
    })
}

/// What is wrong with a request that is JSON. A member that is not known is named, where its name looks like one: what people
/// have in other places by mistake (a NIK, a password) is repeated to nobody.
fn misshapen(error: &serde_json::Error) -> Refusal {
    let refusal = shape(error);
    let message = error.to_string();
    let mut told = message.split('`').skip(1).step_by(2);
    let (Code::UnknownMember, Some(name)) = (refusal.code, told.next()) else { return refusal };
    let known: Vec<&str> = told.collect();
    let unknown = if is_a_name(name) { format!("no member {name}") } else { "no member of that name".into() };
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    refusal.detail(format!("There is {unknown} here; known are: {known}."))
}

/// Whether a text can only be meant as a member's name.
fn is_a_name(text: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_of_names)
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
        _ => Err(said_twice(outer)),
    }
}

/// Of two with one name neither counts.
fn put_once(members: &mut Map<String, Value>, name: String, value: Value) -> Result<(), Refusal> {
    if members.contains_key(&name) {
        return Err(said_twice(&name));
    }
    members.insert(name, value);
    Ok(())
}

/// The name is one that the route itself has.
fn said_twice(name: &str) -> Refusal {
    Refusal::new(Code::UnknownMember).detail(format!("The address says {name} already."))
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
                r#"{"budget":{"set":{"of":{"endpoint":{"project":"kantor","name":"absensi"}},"operation":null,"fields_per_day":5}}}"#,
            ),
            (
                "PUT",
                "/v1/api-keys/x/limits",
                r#"{"fields_per_s":5}"#,
                r#"{"api-key":{"limits":{"id":"x","limits":{"requests_per_s":null,"requests_burst":null,"fields_per_s":5,"fields_burst":null}}}}"#,
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
            ("PUT", "/v1/api-keys/x/limits", r#"{"limits":{}}"#, Code::UnknownMember),
            ("PUT", "/v1/projects/x/objects/y/schema", "", Code::MissingMember),
            ("PUT", "/v1/projects/x/objects/y/schema", r#"{"schema":{}}"#, Code::UnknownMember),
        ] {
            assert_eq!(asked(method, target, body), Err(code), "{method} {target}");
        }
    }

    #[test]
    fn a_member_that_does_not_fit_is_named_and_its_value_is_not() {
        let detail = |method: &str, target: &str, body: &str| {
            let row = table::at(target).into_iter().find(|row| row.method.name() == method).unwrap();
            let refusal = request(row, target, None, body.as_bytes()).err().unwrap();
            assert_eq!(refusal.code, Code::MalformedJson);
            refusal.detail.unwrap_or_default().into_owned()
        };
        let destruction = "/v1/projects/x/objects/y/key-versions/1/destruction";
        for wrong in [r#"{"reason":"uji","days":"7"}"#, r#"{"days":-1}"#, r#"{"days":70000}"#] {
            let said = detail("POST", destruction, wrong);
            assert_eq!(
                said, "The member days is not what is asked for. It is to be a whole number from 0 to 65535.",
                "{wrong}"
            );
        }
        let said = detail("POST", "/v1/users", r#"{"name":"x","role":{"rahasia":1}}"#);
        assert_eq!(said, "The member role is not what is asked for. It is to be a text.");
        let said = detail("PUT", "/v1/projects/x/objects/y/schema", r#"{"fields":"rahasia"}"#);
        assert_eq!(said, "");
    }

    #[test]
    fn an_unknown_member_is_named_where_it_is_a_name() {
        let detail = |target: &str, body: &str| {
            let row = table::at(target).into_iter().find(|row| row.method.name() != "GET").unwrap();
            let refusal = request(row, target, None, body.as_bytes()).err().unwrap();
            assert_eq!(refusal.code, Code::UnknownMember);
            refusal.detail.unwrap().into_owned()
        };
        let said = detail("/v1/users", r#"{"name":"x","rolle":"user"}"#);
        assert_eq!(said, "There is no member rolle here; known are: name, role.");
        let said = detail("/v1/projects/x/objects/y/schema", r#"{"fields":{"nik":{"lenght":16}}}"#);
        assert!(said.starts_with("There is no member lenght here; known are: normaliser, "), "{said}");
        for secret in ["3602041211870001", "Rahasia", "a b", "gbk_0", &"x".repeat(41)] {
            let said = detail("/v1/users", &format!(r#"{{"name":"x","{secret}":"user"}}"#));
            assert_eq!(said, "There is no member of that name here; known are: name, role.");
        }
        let said = detail("/v1/projects/x/members", r#"{"project":"y","user":"z"}"#);
        assert_eq!(said, "The address says project already.");
    }
}
