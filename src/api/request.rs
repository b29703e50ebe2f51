//! The words of a request: JSON without surprises. Members are known, each comes once, and no value of the request ever
//! stands in an error: the parser's own messages would quote plaintext.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};

use crate::domain::refusal::{Code, Refusal};

use super::json::{Members, Pairs, Text, present};

/// Items the parser takes at most, whatever the configured limit: bounds memory before the limit is asked.
const ITEMS_PARSED_MAX: usize = 100_000;

/// A v1 body: one item, or a batch of them.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct V1Body<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    object: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    plaintext: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    context: Option<Pairs<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    r#ref: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    force: Option<bool>,
    #[serde(borrow, default, deserialize_with = "present")]
    field: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    items: Option<Items<'a>>,
}

/// One item of a v1 body.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct V1Item<'a> {
    #[serde(borrow)]
    object: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    plaintext: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    context: Option<Pairs<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    r#ref: Option<Text<'a>>,
    #[serde(default, deserialize_with = "present")]
    force: Option<bool>,
    #[serde(borrow, default, deserialize_with = "present")]
    field: Option<Text<'a>>,
}

/// A body of the published contract. What it does not know it ignores, as the published system did.
#[derive(serde::Deserialize)]
pub struct PublishedBody<'a> {
    /// The credential.
    #[serde(borrow, rename = "api-key")]
    pub api_key: Text<'a>,
    /// The object.
    #[serde(borrow)]
    pub objek: Text<'a>,
    /// `enkrip` or `dekrip`.
    #[serde(borrow)]
    pub aksi: Text<'a>,
    #[serde(borrow, default, deserialize_with = "present")]
    plaintext: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    ciphertext: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    chiptext: Option<Text<'a>>,
}

/// A body that asks for a certificate.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalBody<'a> {
    #[serde(borrow)]
    csr: Text<'a>,
}

impl RenewalBody<'_> {
    /// The signing request, PEM.
    ///
    /// # Errors
    /// `malformed-json`, `unknown-member`, `missing-member`, `repeated-member`.
    pub fn parse(bytes: &[u8]) -> Result<String, Refusal> {
        parse::<RenewalBody<'_>>(bytes).map(|body| body.csr.0.into_owned())
    }
}

/// What to do, in one shape for both contracts.
pub struct Work<'a> {
    /// Whether the answer is a list.
    pub is_batch: bool,
    /// In order.
    pub items: Vec<Item<'a>>,
}

/// One value to encrypt, decrypt, reencrypt or index.
pub struct Item<'a> {
    /// Which object.
    pub object: Cow<'a, str>,
    /// Base64: the plaintext or the ciphertext, whichever the operation takes.
    pub value: Cow<'a, str>,
    /// Whether that is a ciphertext.
    pub is_sealed: bool,
    /// What it is bound to.
    pub context: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// What the caller calls it.
    pub reference: Option<Cow<'a, str>>,
    /// Of a reencrypt: also where the key version is compromised.
    pub force: bool,
    /// Of an index: the declared field that it is a value of.
    pub field: Option<Cow<'a, str>>,
}

/// Which member of a body holds the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// `plaintext`
    Plaintext,
    /// `ciphertext`
    Ciphertext,
    /// `ciphertext`, with `force` beside it
    Aged,
    /// `plaintext` or `ciphertext`, with `field` beside it
    FieldValue,
}

impl<'a> V1Body<'a> {
    /// Reads a body and checks its shape.
    ///
    /// # Errors
    /// `malformed-json`, `unknown-member`, `missing-member`, `repeated-member`, `too-many-items`.
    pub fn parse(bytes: &'a [u8], takes: Takes, items_max: usize) -> Result<Work<'a>, Refusal> {
        let body: Self = parse(bytes)?;
        if let Some(Items(items)) = body.items {
            let lone = [&body.object, &body.plaintext, &body.ciphertext, &body.r#ref, &body.field];
            let others = body.context.is_some() || body.force.is_some();
            if lone.iter().any(|member| member.is_some()) || others {
                return Err(Refusal::new(Code::UnknownMember)
                    .detail("Beside items there may be no other member: each item carries its own."));
            }
            if items.is_empty() || items.len() > items_max {
                let count = items.len();
                return Err(Refusal::new(Code::TooManyItems)
                    .detail(format!("The batch has {count} items; it may have 1 to {items_max}.")));
            }
            let items = items.into_iter().map(|item| item.take(takes)).collect::<Result<_, _>>()?;
            return Ok(Work { is_batch: true, items });
        }
        let object = body.object.ok_or_else(|| missing("object"))?;
        let V1Body { plaintext, ciphertext, context, r#ref, force, field, .. } = body;
        let item = V1Item { object, plaintext, ciphertext, context, r#ref, force, field }.take(takes)?;
        Ok(Work { is_batch: false, items: vec![item] })
    }
}

impl<'a> V1Item<'a> {
    fn take(self, takes: Takes) -> Result<Item<'a>, Refusal> {
        let refuse = |detail: &'static str| Err(Refusal::new(Code::UnknownMember).detail(detail));
        let (value, is_sealed) = match (self.plaintext, self.ciphertext, takes) {
            (Some(_), Some(_), Takes::FieldValue) => {
                return refuse("An item to be indexed has plaintext or ciphertext, not both.");
            }
            (_, Some(_), Takes::Plaintext) => return refuse("This route takes plaintext, not ciphertext."),
            (Some(_), _, Takes::Ciphertext | Takes::Aged) => {
                return refuse("This route takes ciphertext, not plaintext.");
            }
            (Some(value), None, _) => (value, false),
            (None, Some(value), _) => (value, true),
            (None, None, Takes::Ciphertext | Takes::Aged) => return Err(missing("ciphertext")),
            (None, None, Takes::Plaintext | Takes::FieldValue) => return Err(missing("plaintext")),
        };
        if self.force.is_some() && takes != Takes::Aged {
            return Err(Refusal::new(Code::UnknownMember).detail("Only reencrypt takes force."));
        }
        let field = match (self.field, takes) {
            (None, Takes::FieldValue) => return Err(missing("field")),
            (Some(_), Takes::Plaintext | Takes::Ciphertext | Takes::Aged) => {
                return Err(Refusal::new(Code::UnknownMember).detail("Only index takes field."));
            }
            (field, _) => field.map(|text| text.0),
        };
        Ok(Item {
            object: self.object.0,
            value: value.0,
            is_sealed,
            context: self.context.map(|pairs| pairs.0).unwrap_or_default(),
            reference: self.r#ref.map(|text| text.0),
            force: self.force.unwrap_or(false),
            field,
        })
    }
}

impl<'a> PublishedBody<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// `malformed-json`, `missing-member`, `repeated-member`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        parse(bytes)
    }

    /// The one item of it.
    ///
    /// # Errors
    /// `missing-member`, `repeated-member` when both spellings of ciphertext are there.
    pub fn into_work(self, takes: Takes) -> Result<Work<'a>, Refusal> {
        let value = match takes {
            Takes::Plaintext | Takes::FieldValue => self.plaintext.ok_or_else(|| missing("plaintext"))?,
            Takes::Ciphertext | Takes::Aged => match (self.ciphertext, self.chiptext) {
                (Some(_), Some(_)) => {
                    return Err(Refusal::new(Code::RepeatedMember)
                        .detail("ciphertext and chiptext are two spellings of one member."));
                }
                (one, other) => one.or(other).ok_or_else(|| missing("ciphertext"))?,
            },
        };
        let (object, value) = (self.objek.0, value.0);
        let item = Item {
            object,
            value,
            is_sealed: takes == Takes::Ciphertext,
            context: Vec::new(),
            reference: None,
            force: false,
            field: None,
        };
        Ok(Work { is_batch: false, items: vec![item] })
    }
}

fn missing(member: &'static str) -> Refusal {
    Refusal::new(Code::MissingMember).detail(format!("The body lacks {member}."))
}

/// Reads a body.
///
/// # Errors
/// `malformed-json`, `unknown-member`, `missing-member`, `repeated-member`.
pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map(|Members(body)| body).map_err(|error| shape(&error))
}

/// What was wrong with the shape of a body. The parser quotes values and names; only which kind of error it is may be told,
/// and where.
pub(super) fn shape(error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    let code = if message.starts_with("unknown field") {
        Code::UnknownMember
    } else if message.starts_with("missing field") {
        Code::MissingMember
    } else if message.starts_with("duplicate field") {
        Code::RepeatedMember
    } else {
        Code::MalformedJson
    };
    if error.line() == 0 {
        // It was JSON; which member it lacks is our word.
        let lacks = message.split('`').nth(1).filter(|_| code == Code::MissingMember);
        return match lacks {
            Some(member) => Refusal::new(code).detail(format!("The request lacks {member}.")),
            None => code.into(),
        };
    }
    Refusal::new(code).detail(format!("{} Line {}, column {}.", code.title(), error.line(), error.column()))
}

/// A JSON array of items.
struct Items<'a>(Vec<V1Item<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Lists;
        impl<'de> Visitor<'de> for Lists {
            type Value = Items<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Members(item)) = list.next_element()? {
                    if items.len() == ITEMS_PARSED_MAX {
                        return Err(A::Error::custom("more items than any limit allows"));
                    }
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        from.deserialize_seq(Lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> Code {
        V1Body::parse(body.as_bytes(), Takes::Plaintext, 3).err().map(|refusal| refusal.code).unwrap()
    }

    #[test]
    fn each_misshapen_body_has_its_own_code() {
        assert_eq!(code("{"), Code::MalformedJson);
        assert_eq!(code("[]"), Code::MalformedJson);
        assert_eq!(code(r#"["k",""]"#), Code::MalformedJson);
        assert_eq!(code(r#"{"items":[["k",""]]}"#), Code::MalformedJson);
        assert_eq!(code(r#"{"object":"k","plaintext":5}"#), Code::MalformedJson);
        assert_eq!(code(r#"{"object":"k","plaintext":"","context":null}"#), Code::MalformedJson);
        assert_eq!(code(r#"{"object":"k","plaintext":"","extra":1}"#), Code::UnknownMember);
        assert_eq!(code(r#"{"object":"k","ciphertext":""}"#), Code::UnknownMember);
        assert_eq!(code(r#"{"plaintext":""}"#), Code::MissingMember);
        assert_eq!(code(r#"{"object":"k"}"#), Code::MissingMember);
        assert_eq!(code(r#"{"items":[{"plaintext":""}]}"#), Code::MissingMember);
        assert_eq!(code(r#"{"object":"k","object":"k","plaintext":""}"#), Code::RepeatedMember);
        assert_eq!(code(r#"{"items":[],"object":"k"}"#), Code::UnknownMember);
        assert_eq!(code(r#"{"items":[]}"#), Code::TooManyItems);
        let four = r#"{"object":"k","plaintext":""},"#.repeat(4);
        assert_eq!(code(&format!(r#"{{"items":[{}]}}"#, four.trim_end_matches(','))), Code::TooManyItems);
    }

    #[test]
    fn no_error_quotes_a_value() {
        for body in [
            r#"{"object":"k","plaintext":["3602041211870001"]}"#,
            r#"{"object":"3602041211870001","plaintext":{}}"#,
            r#"{"3602041211870001":"k","plaintext":""}"#,
            r#""3602041211870001""#,
            r#"{"object":"k","plaintext":"","context":{"a":3602041211870001}}"#,
        ] {
            let refusal = V1Body::parse(body.as_bytes(), Takes::Plaintext, 3).err().unwrap();
            assert!(!format!("{refusal:?}{refusal}").contains("3602041211870001"), "{refusal}");
        }
    }

    #[test]
    fn a_batch_keeps_its_order_and_references() {
        let body = br#"{"items":[{"object":"a","plaintext":"","ref":"1"},{"object":"b","plaintext":"","context":{"row":"7"}}]}"#;
        let work = V1Body::parse(body, Takes::Plaintext, 3).ok().unwrap();
        assert!(work.is_batch);
        assert_eq!((work.items[0].object.as_ref(), work.items[0].reference.as_deref()), ("a", Some("1")));
        assert_eq!(work.items[1].context[0].1, "7");
    }

    #[test]
    fn the_two_spellings_of_ciphertext_are_one_member() {
        let body = r#"{"api-key":"k","objek":"o","aksi":"dekrip","ciphertext":"x","chiptext":"x"}"#;
        let parsed = PublishedBody::parse(body.as_bytes()).ok().unwrap();
        assert_eq!(parsed.into_work(Takes::Ciphertext).err().unwrap().code, Code::RepeatedMember);
        let body = r#"{"api-key":"k","objek":"o","aksi":"dekrip","chiptext":"x","more":[1,{"a":null}]}"#;
        let work =
            PublishedBody::parse(body.as_bytes()).ok().unwrap().into_work(Takes::Ciphertext).ok().unwrap();
        assert_eq!(work.items[0].value, "x");
    }
}
