//! Request bodies: our one-pass readers agree with a generic JSON reader, and their refusals repeat nothing of the request.

use gembok::api::request::{PublishedBody, Takes, V1Body, Work};
use gembok::domain::refusal::{Code, Refusal};
use serde_json::{Map, Value};

const ITEMS_MAX: usize = 20;

/// For any bytes as a v1 body, on each route.
#[must_use]
pub fn v1(bytes: &[u8]) -> bool {
    let mut is_read = false;
    for takes in [Takes::Plaintext, Takes::Ciphertext, Takes::Aged, Takes::FieldValue] {
        let oracle = serde_json::from_slice::<Value>(bytes);
        let is_said_once = oracle.as_ref().is_ok_and(|value| members(value) == colons(bytes));
        match V1Body::parse(bytes, takes, ITEMS_MAX) {
            Ok(work) => {
                let value = oracle.expect("what we read is JSON");
                let items = v1_items(&value, takes).expect("what we read has the shape");
                assert_eq!(work.is_batch, value.get("items").is_some());
                assert!((1..=ITEMS_MAX).contains(&work.items.len()));
                agree(&work, &items);
                is_read = true;
            }
            Err(refusal) => {
                repeats_nothing(&refusal);
                let shape = oracle.ok().and_then(|value| v1_items(&value, takes).map(|items| items.len()));
                let is_whole = shape.is_some_and(|items| (1..=ITEMS_MAX).contains(&items));
                assert!(!(is_whole && is_said_once), "what has the shape is read: {refusal}");
            }
        }
    }
    is_read
}

/// For any bytes as a body of the published contract.
#[must_use]
pub fn published(bytes: &[u8]) -> bool {
    let oracle = serde_json::from_slice::<Value>(bytes);
    let is_said_once = oracle.as_ref().is_ok_and(|value| members(value) == colons(bytes));
    let text = |value: &Value, name: &str| value.get(name).map(|text| text.as_str().map(str::to_owned));
    let shape = |value: &Value| {
        let needed =
            ["api-key", "objek", "aksi"].iter().all(|name| matches!(text(value, name), Some(Some(_))));
        let optional = ["plaintext", "ciphertext", "chiptext"]
            .iter()
            .all(|name| !matches!(text(value, name), Some(None)));
        value.is_object() && needed && optional
    };
    match PublishedBody::parse(bytes) {
        Ok(body) => {
            // Members that nobody knows are skipped unread, also numbers and texts that a generic reader refuses.
            let Ok(value) = oracle else { return true };
            assert!(shape(&value), "what we read has the shape");
            assert_eq!(Some(Some(body.api_key.0.as_ref())), value.get("api-key").map(Value::as_str));
            assert_eq!(Some(Some(body.objek.0.as_ref())), value.get("objek").map(Value::as_str));
            assert_eq!(Some(Some(body.aksi.0.as_ref())), value.get("aksi").map(Value::as_str));
            let spellings = [text(&value, "ciphertext").flatten(), text(&value, "chiptext").flatten()];
            match body.into_work(Takes::Ciphertext) {
                Ok(work) => {
                    let mut spellings = spellings.into_iter().flatten();
                    assert_eq!(
                        (spellings.next().as_deref(), spellings.next()),
                        (Some(work.items[0].value.as_ref()), None)
                    );
                }
                Err(refusal) => {
                    let code =
                        if spellings[0].is_some() { Code::RepeatedMember } else { Code::MissingMember };
                    assert_eq!(refusal.code, code);
                }
            }
            true
        }
        Err(refusal) => {
            repeats_nothing(&refusal);
            let is_whole = oracle.is_ok_and(|value| shape(&value));
            assert!(!(is_whole && is_said_once), "what has the shape is read: {refusal}");
            false
        }
    }
}

/// The members that an item's value may be in.
fn values_of(takes: Takes) -> &'static [&'static str] {
    match takes {
        Takes::Plaintext => &["plaintext"],
        Takes::Ciphertext | Takes::Aged => &["ciphertext"],
        Takes::FieldValue => &["plaintext", "ciphertext"],
    }
}

/// The items of a value that has the shape of a v1 body.
fn v1_items(value: &Value, takes: Takes) -> Option<Vec<&Map<String, Value>>> {
    let members = value.as_object()?;
    let items: Vec<_> = match members.get("items") {
        Some(items) if members.len() == 1 => {
            items.as_array()?.iter().map(Value::as_object).collect::<Option<_>>()?
        }
        Some(_) => return None,
        None => vec![members],
    };
    let values = values_of(takes);
    let is_item = |item: &&Map<String, Value>| {
        item.iter().all(|(name, value)| match name.as_str() {
            "object" | "ref" => value.is_string(),
            "field" => takes == Takes::FieldValue && value.is_string(),
            "force" => takes == Takes::Aged && value.is_boolean(),
            name if values.contains(&name) => value.is_string(),
            "context" => value.as_object().is_some_and(|pairs| pairs.values().all(Value::is_string)),
            _ => false,
        }) && item.contains_key("object")
            && item.contains_key("field") == (takes == Takes::FieldValue)
            && values.iter().filter(|name| item.contains_key(**name)).count() == 1
    };
    items.iter().all(is_item).then_some(items)
}

fn agree(work: &Work<'_>, items: &[&Map<String, Value>]) {
    assert_eq!(work.items.len(), items.len());
    for (item, oracle) in work.items.iter().zip(items) {
        let text = |name: &str| oracle.get(name).and_then(Value::as_str);
        assert_eq!(Some(item.object.as_ref()), text("object"));
        let value = if item.is_sealed { text("ciphertext") } else { text("plaintext") };
        assert_eq!(Some(item.value.as_ref()), value);
        assert_eq!(item.force, oracle.get("force").and_then(Value::as_bool).unwrap_or(false));
        assert_eq!(item.field.as_deref(), text("field"));
        assert_eq!(item.reference.as_deref(), text("ref"));
        let none = Map::new();
        let context = oracle.get("context").and_then(Value::as_object).unwrap_or(&none);
        // Repeated names are found when the pairs become a context.
        assert!(item.context.len() >= context.len());
        for (name, value) in context {
            let last = item.context.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_ref());
            assert_eq!(last, value.as_str());
        }
    }
}

/// A refusal is made of our own words and of numbers that count and locate: nothing of the request is in it.
fn repeats_nothing(refusal: &Refusal) {
    let detail = refusal.detail.as_deref().expect("a refused body has a detail");
    let words: String = detail.chars().filter(|character| !character.is_ascii_digit()).collect();
    let lacks =
        ["object", "plaintext", "ciphertext", "field"].map(|member| format!("The body lacks {member}."));
    let ours = [
        "Beside items there may be no other member: each item carries its own.",
        "The batch has  items; it may have  to .",
        "This route takes plaintext, not ciphertext.",
        "This route takes ciphertext, not plaintext.",
        "Only index takes field.",
        "Only reencrypt takes force.",
        "An item to be indexed has plaintext or ciphertext, not both.",
        "ciphertext and chiptext are two spellings of one member.",
    ];
    let located = format!("{} Line , column .", refusal.code.title());
    let is_ours = ours.contains(&words.as_str()) || lacks.contains(&words) || words == located;
    assert!(is_ours, "a refusal says more than our own words: {detail}");
}

/// Members in all of it. The generic reader keeps the last of two of one name and says nothing.
fn members(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Object(pairs) => pairs.len() + pairs.values().map(members).sum::<usize>(),
        _ => 0,
    }
}

/// Members as they are written: each has one colon outside of texts.
fn colons(json: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b':' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}
