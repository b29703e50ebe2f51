//! Shapes of what is read and written without the desk: the data plane's contracts, problem documents, and what tells how
//! the appliance is. A test holds real answers against them.

use serde_json::{Map, Value, json};

/// Every one, by name.
pub(super) fn all() -> Map<String, Value> {
    let mut named = Map::new();
    for (name, shape) in [
        ("Problem", problem()),
        ("ProblemPage", problem_page()),
        (
            "Context",
            json!({ "type": "object", "additionalProperties": text(), "description": "What a value is bound to." }),
        ),
        ("EncryptItem", item("plaintext", "Base64 of what is to be encrypted.")),
        ("DecryptItem", item("ciphertext", "What an encrypt answered.")),
        ("ReencryptItem", aged_item()),
        ("IndexItem", index_item()),
        ("Encrypt", one_or_batch("EncryptItem")),
        ("Decrypt", one_or_batch("DecryptItem")),
        ("Reencrypt", one_or_batch("ReencryptItem")),
        ("Index", one_or_batch("IndexItem")),
        ("RefusedItem", refused_item()),
        ("EncryptedItem", done_item("ciphertext")),
        ("DecryptedItem", done_item("plaintext")),
        ("ReencryptedItem", renewed_item()),
        ("IndexedItem", indexed_item()),
        ("Encrypted", one_or_answers("EncryptedItem")),
        ("Decrypted", one_or_answers("DecryptedItem")),
        ("Reencrypted", one_or_answers("ReencryptedItem")),
        ("Indexed", one_or_answers("IndexedItem")),
        ("Renewal", closed(json!({ "csr": text() }), &["csr"])),
        (
            "Renewed",
            closed(
                json!({ "certificate": text(), "ca": text(), "not_after": moment() }),
                &["certificate", "ca", "not_after"],
            ),
        ),
        ("Published", published()),
        ("Sukses", sukses()),
        (
            "Gagal",
            closed(
                json!({ "status": { "const": "Gagal!" }, "kode": text(), "pesan": text() }),
                &["status", "kode", "pesan"],
            ),
        ),
        (
            "SignIn",
            closed(json!({ "name": text(), "password": text(), "totp": text() }), &["name", "password"]),
        ),
        ("SignedIn", whole(json!({ "token": text(), "session": session(), "user": text(), "role": text() }))),
        (
            "WhoAmI",
            whole(
                json!({ "user": text(), "role": text(), "session": { "anyOf": [session(), { "type": "null" }] } }),
            ),
        ),
        ("UseLink", whole(json!({ "token": text(), "password": text() }))),
        (
            "LinkUsed",
            whole(json!({
                "user": text(),
                "unconfirmed": { "type": "boolean" },
                "second_factor": { "anyOf": [second_factor(), { "type": "null" }] },
            })),
        ),
        (
            "ChangePassword",
            closed(json!({ "password": text(), "current": text(), "totp": text() }), &["password"]),
        ),
        ("OwnCertificate", closed(json!({ "csr": text(), "current": text(), "totp": text() }), &["csr"])),
        ("EnrolTotp", closed(json!({ "current": text(), "totp": text() }), &[])),
        ("TotpCode", whole(json!({ "code": text() }))),
        ("SecondFactor", second_factor()),
        ("Info", info()),
        ("OpenApi", json!({ "type": "object", "required": ["openapi", "info", "paths"] })),
        ("Health", health()),
        ("Statistics", statistics()),
    ] {
        named.insert(name.into(), shape);
    }
    named
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn or_null(mut shape: Value) -> Value {
    shape["type"] = json!([shape["type"], "null"]);
    shape
}

/// An object with these members and no others.
fn closed(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// The same with all of them.
fn whole(properties: Value) -> Value {
    let names: Vec<String> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    closed(properties, &names)
}

fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn session() -> Value {
    whole(json!({ "id": text(), "address": text(), "created": moment(), "seen": moment(), "ends": moment() }))
}

/// Shown once.
fn second_factor() -> Value {
    whole(json!({ "uri": text(), "recovery_codes": { "type": "array", "items": text() } }))
}

fn problem() -> Value {
    let properties = json!({
        "type": { "type": "string", "format": "uri-reference", "description": "/problems/ and the code; it can be read there." },
        "title": { "type": "string", "description": "What happened." },
        "status": count(),
        "detail": { "type": "string", "description": "What just this request did wrong." },
        "code": { "type": "string", "description": "Stable." },
        "hint": { "type": "string", "description": "What to do." },
    });
    closed(properties, &["type", "title", "status", "code", "hint"])
}

fn problem_page() -> Value {
    whole(json!({ "type": text(), "code": text(), "title": text(), "hint": text(), "status": count() }))
}

fn item(value: &str, what: &str) -> Value {
    let properties = json!({
        "object": { "type": "string", "description": "Its name." },
        value: { "type": "string", "description": what },
        "context": named("Context"),
        "ref": { "type": "string", "description": "Comes back with the answer." },
    });
    closed(properties, &["object", value])
}

fn aged_item() -> Value {
    let mut item = item("ciphertext", "What an encrypt or a reencrypt answered.");
    item["properties"]["force"] = json!({
        "type": "boolean",
        "description": "Also where its key version is compromised; recorded.",
    });
    item
}

fn renewed_item() -> Value {
    let changed = json!({
        "type": "boolean",
        "description": "Whether the ciphertext is another than was sent: else that was under the current key version.",
    });
    closed(json!({ "ciphertext": text(), "changed": changed, "ref": text() }), &["ciphertext", "changed"])
}

fn index_item() -> Value {
    let with = |value: &str, what: &str| {
        let mut item = item(value, what);
        item["properties"]["field"] =
            json!({ "type": "string", "description": "The declared field that it is a value of." });
        item["required"] = json!(["object", "field", value]);
        item
    };
    let sealed = "What an encrypt answered: it is opened and not shown; needs the grant to reencrypt, too.";
    json!({ "oneOf": [with("plaintext", "Base64 of what is to be found."), with("ciphertext", sealed)] })
}

fn indexed_item() -> Value {
    let previous = json!({
        "type": "string",
        "description": "The same under the root version before, while the index root is being rotated.",
    });
    closed(json!({ "index": text(), "previous": previous, "ref": text() }), &["index"])
}

fn one_or_batch(item: &str) -> Value {
    let items = json!({ "type": "array", "items": named(item), "minItems": 1 });
    json!({ "oneOf": [named(item), whole(json!({ "items": items }))] })
}

fn done_item(value: &str) -> Value {
    closed(json!({ value: text(), "ref": text() }), &[value])
}

fn refused_item() -> Value {
    closed(
        json!({ "code": text(), "detail": text(), "hint": text(), "ref": text() }),
        &["code", "detail", "hint"],
    )
}

fn one_or_answers(item: &str) -> Value {
    let items = json!({ "type": "array", "items": { "oneOf": [named(item), named("RefusedItem")] } });
    json!({ "oneOf": [named(item), whole(json!({ "items": items, "failed": count() }))] })
}

fn published() -> Value {
    json!({
        "type": "object",
        "properties": {
            "api-key": text(),
            "objek": text(),
            "aksi": { "enum": ["enkrip", "dekrip"] },
            "plaintext": { "type": "string", "description": "Base64; with enkrip." },
            "ciphertext": { "type": "string", "description": "With dekrip." },
            "chiptext": { "type": "string", "description": "Another spelling of ciphertext." },
        },
        "required": ["api-key", "objek", "aksi"],
    })
}

fn sukses() -> Value {
    let with = |value: &str| whole(json!({ "status": { "const": "Sukses!" }, value: text() }));
    json!({ "oneOf": [with("ciphertext"), with("plaintext")] })
}

fn info() -> Value {
    let limits = [
        "body_bytes_max",
        "published_body_bytes_max",
        "field_bytes_max",
        "items_max",
        "context_bytes_max",
        "requests_in_flight_per_certificate_max",
    ];
    let limits: Map<String, Value> = limits.map(|name| (name.to_owned(), count())).into_iter().collect();
    // Where applications reach the data plane; not known while it is locked.
    let names = json!({ "type": "array", "items": text() });
    let server = whole(json!({ "names": names, "data_port": count() }));
    let algorithm = whole(json!({
        "id": count(),
        "name": text(),
        "uses_max": count(),
        "envelope_overhead_bytes": count(),
        "text_width_16_bytes": count(),
    }));
    let budget = whole(json!({ "api_key_fields_per_day": count(), "endpoint_fields_per_day": count() }));
    whole(json!({
        "name": { "const": "gembok" },
        "version": text(),
        "operations": { "type": "array", "items": text() },
        "limits": whole(limits.into()),
        "budgets": whole(json!({ "decrypt": budget.clone(), "reencrypt": budget })),
        "server": { "oneOf": [server, { "type": "null" }] },
        "index": whole(json!({
            "text_width": text(),
            "text_width_unique": count(),
            "unicode": text(),
            "normalisers": { "type": "array", "items": text() },
            "api_key_fields_per_day": count(),
            "endpoint_fields_per_day": count(),
        })),
        "default_algorithm": text(),
        "algorithms": { "type": "array", "items": algorithm },
        "text_width": text(),
    }))
}

fn health() -> Value {
    let or_none = |shape: Value| json!({ "oneOf": [shape, { "type": "null" }] });
    let token = whole(json!({
        "serial": text(),
        "present": { "type": "boolean" },
        "trouble": or_null(text()),
        "master_key_generation": count(),
        "kcv": text(),
    }));
    let journal = whole(json!({
        "epoch": count(),
        "next_sequence": count(),
        "last_block": moment(),
        "trouble": or_null(text()),
        "unrecorded": count(),
        "disk_free_bytes": or_null(count()),
        "disk_reserve_bytes": or_null(count()),
    }));
    let witness = whole(json!({
        "checkpoint_key": text(),
        "checkpoint_sequence": or_null(count()),
        "checkpoint_time": or_null(text()),
        "failing_since": or_null(text()),
        "trouble": or_null(text()),
    }));
    json!({
        "type": "object",
        "properties": {
            "state": text(),
            "sandbox": { "type": "boolean" },
            "token": or_none(token),
            "journal": or_none(journal),
            "clock": or_null(text()),
            "clock_verdict": { "oneOf": [named("ClockStatus"), { "type": "null" }] },
            "witness": or_none(witness),
            "data_keys_in_memory": count(),
            "requests_refused_locked": count(),
            "strained_budgets": { "type": "array", "items": named("StrainedBudget") },
            "worn_keys": { "type": "array", "items": named("WornKey") },
            "keys": { "oneOf": [named("KeysStatus"), { "type": "null" }] },
            "destructions": { "oneOf": [named("DestructionsStatus"), { "type": "null" }] },
            "recoveries": { "type": "array", "items": named("RecoveryUnderWay") },
            "expiring": { "type": "array", "items": named("Expiring") },
            "kept_file": or_null(text()),
            "memory": text(),
        },
        "required": ["state", "sandbox", "token", "journal", "clock", "clock_verdict", "witness", "strained_budgets", "worn_keys", "keys", "destructions", "recoveries", "expiring", "kept_file", "memory"],
    })
}

fn statistics() -> Value {
    let counted = json!({ "type": "object", "additionalProperties": or_null(count()) });
    json!({
        "type": "object",
        "properties": {
            "resolution": { "enum": ["minute", "hour", "day", "month"] },
            "from": moment(),
            "to": moment(),
            "kept_from": or_null(moment()),
            "group": { "type": "array", "items": text() },
            "rows": { "type": "array", "items": { "type": "object" } },
            "totals": { "type": "object", "properties": { "outcomes": counted } },
            "truncated": { "type": "boolean" },
            "damaged": count(),
            "next_from": or_null(json!({ "type": "integer" })),
        },
        "required": ["resolution", "from", "to", "group", "rows", "totals", "truncated", "damaged", "next_from"],
        "additionalProperties": false,
    })
}
