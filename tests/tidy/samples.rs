//! Every rule against a file that breaks it, and against one that only looks as if it did.

use crate::source::Source;
use crate::{floors, rules};

fn at(path: &str, text: &str) -> Source {
    Source::new(path, text)
}

/// `rule` finds as many complaints in `bad` as it says, and none in `good`.
fn finds(rule: impl Fn(&Source) -> Vec<String>, path: &str, bad: &[&str], good: &[&str]) {
    for text in bad {
        let complaints = rule(&at(path, text));
        assert_eq!(complaints.len(), 1, "{path}: {text:?} gave {complaints:?}");
        assert!(complaints[0].starts_with(&format!("{path}:")), "{complaints:?}");
    }
    for text in good {
        assert_eq!(rule(&at(path, text)), Vec::<String>::new(), "{path}: {text:?}");
    }
}

#[test]
fn floors_upward_sideways_and_by_the_back_stairs() {
    let named = floors::named;
    finds(
        named,
        "src/domain/name.rs",
        &[
            "use crate::store::Table;",
            "use crate::{crypto, api::now};",
            "use super::super::appliance::Fault;",
        ],
        &[
            "use crate::crypto::aad;",
            "use super::id::Id;",
            "// crate::store\n",
            "mod tests { use super::super::id; }",
        ],
    );
    finds(
        named,
        "src/hsm/mod.rs",
        &["fn f(_: crate::store::Batch) {}", "use super::store::Batch;"],
        &["use super::crypto;"],
    );
    finds(
        named,
        "src/api/v1.rs",
        &["use crate::ceremony::socket;", "use crate::config;"],
        &["use crate::appliance;"],
    );
    finds(
        named,
        "src/daemon/tls.rs",
        &["use crate::nowhere::X;"],
        &["use crate::config::Tls;", "use crate::api;"],
    );
    finds(named, "src/attic/x.rs", &["fn f() {}"], &[]);
    let inline = "mod tests { mod deeper { use super::super::super::super::api; } }";
    finds(named, "src/store/keys.rs", &[inline], &["mod tests { use super::super::table; }"]);
}

#[test]
fn waiting_and_looking_outside() {
    finds(
        floors::pure,
        "src/store/mod.rs",
        &["async fn f() {}", "use tokio::fs;"],
        &["// async\n", "let asynchronous = 1;"],
    );
    finds(
        floors::pure,
        "src/domain/x.rs",
        &["let t = Instant::now();", "use std::fs;"],
        &["use std::net::IpAddr;", "#[cfg(test)]\nmod tests { use std::fs; }"],
    );
    finds(floors::pure, "src/api/line.rs", &[], &["async fn f() { g().await }"]);
}

#[test]
fn unsafe_elsewhere() {
    finds(
        rules::safe,
        "src/a.rs",
        &["unsafe { f() }", "unsafe fn f() {}"],
        &["// unsafe\n", "let is_unsafe = 1;"],
    );
    finds(rules::safe, "tests/pkcs11-shim/src/lib.rs", &[], &["unsafe { f() }"]);
    assert_eq!(rules::forbids_unsafe("benches", "[lints.rust]\n").len(), 1);
    assert!(rules::forbids_unsafe("benches", "unsafe_code = \"forbid\"").is_empty());
}

#[test]
fn openings_and_lengths() {
    finds(rules::opening, "src/a.rs", &["use std::fs;", "// why\n"], &["//! Why.\n"]);
    let long = "\n".repeat(401);
    finds(rules::length, "src/a.rs", &[&long], &[&long[..400]]);
    finds(rules::length, "tests/hsm.rs", &[], &[&long]);
    assert!(!rules::stale_exceptions(&[at("tests/hsm.rs", "short")]).is_empty());
}

#[test]
fn exceptions_without_a_reason() {
    finds(
        rules::reasons,
        "src/a.rs",
        &["#[allow(dead_code)]", "#![expect(x)]\n", "#![cfg_attr(test, allow(x))]"],
        &["#[allow(dead_code, reason = \"it says so\")]", "// #[allow(x)]\n", "let x = f(a, expect(b));"],
    );
    assert_eq!(rules::manifest_reasons("[lints]\nx = \"allow\"\n").len(), 1);
    assert!(rules::manifest_reasons("# Because.\nx = \"allow\"\n").is_empty());
    assert_eq!(rules::product_lints("#![deny(clippy::unwrap_used, clippy::panic)]").len(), 3);
}

#[test]
fn routes_and_headers_elsewhere() {
    finds(
        rules::edges,
        "src/api/v1.rs",
        &["warp::path!(\"x\")", "request.headers().get(x)"],
        &["answer.headers_mut()"],
    );
    finds(rules::edges, "src/api/mod.rs", &["warp::header::value(x)"], &["warp::path!(\"x\")"]);
    finds(rules::edges, "src/api/credentials.rs", &["warp::path::end()"], &["warp::header::value(x)"]);
}

#[test]
fn secrets_that_speak() {
    finds(
        rules::silence,
        "src/crypto/x.rs",
        &[
            "#[derive(Debug)]\npub struct SecretKey(u8);",
            "#[derive(PartialEq, serde::Serialize)]\n#[cbor(map)]\npub(super) struct DataKey { a: u8 }",
            "impl fmt::Debug for Pin { }",
            "impl<K> Clone for Held<K> { }",
        ],
        &[
            "#[derive(Debug)]\npub struct SecretKeyError;",
            "#[derive(Zeroize)]\nstruct SecretKey(u8);\n#[derive(Debug)]\nstruct Other;",
            "impl Drop for Pin { }",
        ],
    );
    assert!(!rules::unknown_secrets(&[at("src/a.rs", "struct SecretKeyring;")]).is_empty());
}

#[test]
fn api_keys_that_are_compared() {
    finds(
        rules::compared,
        "src/domain/api_key.rs",
        &[
            "if text == known {}",
            "self.0.as_bytes() == sent.as_bytes()",
            "bool::from(text.ct_eq(&known))",
            "#[derive(PartialEq)]\npub struct ApiKeyText(u8);",
            "impl PartialEq for ApiKeyText {}",
        ],
        &[
            "if known && sent.as_bytes() == check(body) {}",
            "#[derive(PartialEq)]\nstruct A;\npub struct ApiKeyText(u8);",
            "// text == known\n",
            "#[cfg(test)]\nmod tests { fn f() { text == known } }",
        ],
    );
    finds(rules::compared, "src/api/credentials.rs", &["if api_key.0 != known {}"], &["digest(key.trim())"]);
}

#[test]
fn words_of_unfinished_work() {
    for word in [concat!("TO", "DO"), concat!("see DESI", "GN §4"), concat!("cd /wo", "rk/main")] {
        assert_eq!(rules::words("README.md", &format!("fine\n{word}")).len(), 1, "{word}");
    }
    assert!(rules::words("README.md", "design, works, todolist").is_empty());
}

#[test]
fn dead_files_and_unexplained_folders() {
    let tree = |declared: &str| {
        ["src/lib.rs", "src/api/mod.rs", "src/api/v1.rs", "tests/x/main.rs", "tests/x/y.rs"].map(|path| {
            at(
                path,
                if path == "src/lib.rs" {
                    "mod api;"
                } else if path.contains("/x/") {
                    "mod y;"
                } else {
                    declared
                },
            )
        })
    };
    assert_eq!(
        rules::dead(&tree("// mod v1;")),
        ["src/api/v1.rs:1: no file declares it; declare it or delete it"]
    );
    assert!(rules::dead(&tree("pub mod v1;")).is_empty());
    let folders = ["src".to_owned(), "attic".to_owned()];
    assert_eq!(rules::unexplained(&folders, "| `src/` | the product |").len(), 1);
}
