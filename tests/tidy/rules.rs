//! Every rule but the floors'. A rule looks at one file, or at the list of all, and returns its complaints.

use crate::source::Source;

const LINES_MAX: usize = 400;
/// Longer files, and why they are still one file.
const LONG: &[(&str, &str)] = &[
    ("src/api/control/table.rs", "the route table of the control plane: one page, whatever its length"),
    ("tests/hsm.rs", "one real token, every behaviour of it we rely on, read from top to bottom"),
    ("tests/listener/main.rs", "one listener under real TLS; its cases share one way of speaking to it"),
];

/// Types that hold key bytes, or that must be spent once. None may be printed, copied or written out.
const SECRETS: [&str; 20] = [
    "ApiKeyText",
    "DataKey",
    "Held",
    "IndexKey",
    "IndexRoot",
    "LinkToken",
    "MacKey",
    "MadeKey",
    "Nonce",
    "Nonces",
    "Passphrase",
    "PasswordHash",
    "PasswordShown",
    "Pin",
    "RecordKey",
    "SecretKey",
    "SessionToken",
    "StoreKeys",
    "TotpSecret",
    "WrappingKey",
];
const SPEAKING: [&str; 6] = ["Debug", "Clone", "Copy", "Serialize", "Display", "Encode"];

/// The file says first what it is for.
pub(crate) fn opening(source: &Source) -> Vec<String> {
    let opens = source.text.trim_start_matches("#!/usr/bin/env -S cargo\n").starts_with("//!");
    if opens { Vec::new() } else { vec![source.complain(0, "open the file with //! and why it exists")] }
}

/// Nothing over the limit that is not on the list.
pub(crate) fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= LINES_MAX || LONG.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    vec![
        source.complain(0, &format!("{lines} lines: part it, or add it to LONG in tests/tidy with a reason")),
    ]
}

/// What is on the list is there, and still long.
pub(crate) fn stale_exceptions(sources: &[Source]) -> Vec<String> {
    let is_long = |path: &str| {
        sources.iter().any(|source| source.path == path && source.text.lines().count() > LINES_MAX)
    };
    let stale = LONG.iter().filter(|(path, _)| !is_long(path));
    stale.map(|(path, _)| format!("{path}: no longer long; take it off LONG in tests/tidy")).collect()
}

/// `unsafe` stands in the one package that cannot do without.
pub(crate) fn safe(source: &Source) -> Vec<String> {
    if source.path.starts_with("tests/pkcs11-shim/") {
        return Vec::new();
    }
    let found = source
        .find("unsafe")
        .map(|at| source.complain(at, "no unsafe here; find a crate that is safe to use"));
    found.collect()
}

/// Every other package forbids it.
pub(crate) fn forbids_unsafe(path: &str, manifest: &str) -> Vec<String> {
    if path == "tests/pkcs11-shim" || manifest.contains("unsafe_code = \"forbid\"") {
        return Vec::new();
    }
    vec![format!("{path}/Cargo.toml: forbid unsafe_code in [lints.rust]")]
}

/// `allow` and `expect` say why.
pub(crate) fn reasons(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for mark in ["#[allow(", "#![allow(", "#[expect(", "#![expect(", ", allow(", ", expect("] {
        for (at, _) in source.code.match_indices(mark) {
            let attribute = source.code[at..].split(")]").next().unwrap_or_default();
            if mark.starts_with(',')
                && !source.code[..at].trim_end().rsplit('\n').next().unwrap_or("").contains("cfg_attr(")
            {
                continue;
            }
            if !attribute.contains("reason =") {
                complaints.push(source.complain(at, "an exception without reason = \"…\""));
            }
        }
    }
    complaints
}

/// In the manifest the reason stands in the line above.
pub(crate) fn manifest_reasons(manifest: &str) -> Vec<String> {
    let lines: Vec<&str> = manifest.lines().collect();
    let bare = lines
        .windows(2)
        .enumerate()
        .filter(|(_, two)| two[1].contains("\"allow\"") && !two[0].starts_with('#'));
    bare.map(|(at, _)| format!("Cargo.toml:{}: an allow without a reason in the line above", at + 2))
        .collect()
}

/// Routes on the one page, headers in the one file.
pub(crate) fn edges(source: &Source) -> Vec<String> {
    const PAGES: [&str; 2] = ["src/api/mod.rs", "src/console/mod.rs"];
    // The last weighs headers and reads none.
    const READERS: [&str; 3] = ["src/api/credentials.rs", "src/console/session.rs", "src/daemon/header.rs"];
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    if !PAGES.contains(&source.path.as_str()) {
        complaints
            .extend(source.find("warp::path").map(|at| source.complain(at, "routes stand in api/mod.rs")));
    }
    if !READERS.contains(&source.path.as_str()) {
        for word in ["warp::header", ".headers()"] {
            let found = source.find(word);
            complaints.extend(found.map(|at| source.complain(at, "headers are read in api/credentials.rs")));
        }
    }
    complaints
}

/// No derive and no impl lets a secret speak.
pub(crate) fn silence(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for at in source.find("#[derive(") {
        let behind = &source.code[at + "#[derive(".len()..];
        let Some((derived, behind)) = behind.split_once(")]") else { continue };
        let item =
            behind.split_once(['{', ';', '(']).map_or(behind, |(head, _)| skip_attributes(head, behind));
        let mut words =
            item.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        let name =
            words.by_ref().skip_while(|word| !["struct", "enum"].contains(word)).nth(1).unwrap_or_default();
        if !source.path.starts_with("src/") || !SECRETS.contains(&name) {
            continue;
        }
        for said in derived.split(',').map(|path| path.trim().rsplit("::").next().unwrap_or_default()) {
            if SPEAKING.contains(&said) {
                complaints
                    .push(source.complain(at, &format!("{name} holds a secret and must not be {said}")));
            }
        }
    }
    for at in source.find("impl") {
        let head = source.code[at..].split('{').next().unwrap_or_default();
        let Some((said, whom)) = head.split_once(" for ") else { continue };
        let whom = whom.trim().split(['<', ' ']).next().unwrap_or_default();
        let said = said.rsplit([':', ' ', '>']).next().unwrap_or_default();
        if source.path.starts_with("src/") && SECRETS.contains(&whom) && SPEAKING.contains(&said) {
            complaints.push(source.complain(at, &format!("{whom} holds a secret and must not be {said}")));
        }
    }
    complaints
}

/// The head of an item that has attributes of its own behind the derive: up to its name at least.
fn skip_attributes<'a>(head: &'a str, whole: &'a str) -> &'a str {
    if head.contains("struct ") || head.contains("enum ") {
        return head;
    }
    let end = ["struct ", "enum "].iter().filter_map(|word| whole.find(word)).min().unwrap_or(0);
    whole.get(..(end + 64).min(whole.len())).unwrap_or(whole)
}

/// An API key is looked up by its digest: its text, whose time to compare would tell how much of it is right, is never
/// compared with another. The check characters may be: they follow from what was sent.
pub(crate) fn compared(source: &Source) -> Vec<String> {
    const FILES: [&str; 3] =
        ["src/domain/api_key.rs", "src/domain/checked_text.rs", "src/api/credentials.rs"];
    const SAID: &str = "an API key is looked up by its digest; its text is compared with none";
    let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
    let mut complaints = Vec::new();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let compares = ["==", "!=", ".eq(", ".ne(", ".cmp(", "ct_eq", ".eq_ignore_ascii_case("];
        let compares = compares.iter().any(|word| line.contains(word));
        let of_text = ["text", "key.", "api_key", "body", "sent", "expose()"];
        let of_text = of_text.iter().any(|word| line.contains(word));
        if FILES.contains(&source.path.as_str()) && compares && of_text && !line.contains("== check(") {
            complaints.push(source.complain(at, SAID));
        }
        at += line.len();
    }
    for said in ["PartialEq", "Eq", "PartialOrd", "Ord", "Hash", "Deref", "AsRef<str>", "Borrow<str>"] {
        let head = format!("impl {said} for ApiKeyText");
        complaints.extend(source.find(&head).map(|at| source.complain(at, SAID)));
    }
    let declared = source.find("struct ApiKeyText").filter(|at| {
        let before = source.code[..*at].trim_end().trim_end_matches("pub").trim_end();
        before.ends_with(")]") && before.rsplit("#[derive(").next().is_some_and(|last| last.contains("Eq"))
    });
    complaints.extend(declared.map(|at| source.complain(at, SAID)));
    complaints
}

/// The list of secrets names types that exist.
pub(crate) fn unknown_secrets(sources: &[Source]) -> Vec<String> {
    let exists = |name: &str| {
        let declared = format!("struct {name}");
        sources
            .iter()
            .any(|source| source.path.starts_with("src/") && source.find(&declared).next().is_some())
    };
    let unknown = SECRETS.iter().filter(|name| !exists(name));
    unknown.map(|name| format!("{name} is on the list of secrets in tests/tidy and nowhere else")).collect()
}

/// The product may neither panic at will nor print.
pub(crate) fn product_lints(lib: &str) -> Vec<String> {
    let denied =
        lib.split_once("#![deny(").map_or("", |(_, rest)| rest.split(")]").next().unwrap_or_default());
    let lints = ["unwrap_used", "expect_used", "panic", "print_stdout", "print_stderr"];
    let missing = lints.iter().filter(|lint| !denied.contains(&format!("clippy::{lint}")));
    missing.map(|lint| format!("src/lib.rs: deny clippy::{lint}")).collect()
}

/// Words that must not stand anywhere, in code or prose. Put together here so that they do not stand in this file.
pub(crate) fn words(path: &str, text: &str) -> Vec<String> {
    const BANNED: [(&str, &str); 8] = [
        (concat!("/wo", "rk/"), "a path of somebody's machine"),
        (concat!("/tmp/", "wt"), "a path of somebody's machine"),
        (concat!("/tmp/", "target"), "a path of somebody's machine"),
        (concat!("DESI", "GN"), "it is not in the project; say ARCHITECTURE.md, or name the standard"),
        (concat!("to", "do!("), "do it, or write in an issue why not"),
        (concat!("FIX", "ME"), "fix it, or write in an issue why not"),
        (concat!("TO", "DO"), "do it, or write in an issue why not"),
        (concat!("db", "g!("), "take it out"),
    ];
    let mut complaints = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (word, instead) in BANNED {
            if line.contains(word) {
                complaints.push(format!("{path}:{}: {word}: {instead}", at + 1));
            }
        }
    }
    complaints
}

/// Every file is declared by the one above it.
pub(crate) fn dead(sources: &[Source]) -> Vec<String> {
    let declares = |path: &str, module: &str| {
        let declared = format!("mod {module};");
        sources.iter().any(|source| source.path == path && source.find(&declared).next().is_some())
    };
    let mut complaints = Vec::new();
    for Source { path, .. } in sources {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let file = file.trim_end_matches(".rs");
        let is_root = ["main", "lib"].contains(&file) || folder == "tests" || folder.ends_with("/bin");
        if is_root {
            continue;
        }
        let (home, module) =
            if file == "mod" { folder.rsplit_once('/').unwrap_or((folder, "")) } else { (folder, file) };
        let mut parents = vec![
            format!("{home}/mod.rs"),
            format!("{home}/main.rs"),
            format!("{home}/lib.rs"),
            format!("{home}.rs"),
        ];
        if home == "tests" {
            parents.extend(
                sources.iter().map(|source| source.path.clone()).filter(|path| path.starts_with("tests/")),
            );
        }
        if !parents.iter().any(|parent| declares(parent, module)) {
            complaints.push(format!("{path}:1: no file declares it; declare it or delete it"));
        }
    }
    complaints
}

/// A folder nobody explains is a folder nobody finds.
pub(crate) fn unexplained(folders: &[String], explained: &str) -> Vec<String> {
    let is_bare = |folder: &&String| !explained.contains(&format!("{folder}/"));
    folders
        .iter()
        .filter(is_bare)
        .map(|folder| format!("{folder}/: README.md does not say what it is"))
        .collect()
}
