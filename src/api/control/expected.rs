//! Every route of the control plane and the acts that it asks the access policies for, by a table written by hand: so a route
//! that asks for less than it does is found, and one that nobody has thought of. What each role is answered is the same
//! table's, in `tests/appliance/every_route.rs`.

use std::collections::BTreeSet;

use crate::desk::request::Request;
use crate::domain::refusal::Refusal;

use super::{table, words};

const TABLE: &str = include_str!("expected.txt");

/// For what the table names by a word in braces.
const IDS: [(&str, &str); 7] = [
    ("{api-key}", "6f0c9e0e-1111-4111-8111-000000000001"),
    ("{approval}", "6f0c9e0e-1111-4111-8111-000000000002"),
    ("{session}", "6f0c9e0e-1111-4111-8111-000000000003"),
    ("{export}", "6f0c9e0e-1111-4111-8111-000000000004"),
    ("{spki}", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
    ("{csr}", "csr"),
    ("{n}", "1"),
];

/// The acts of a request, as the table writes them.
fn acts(request: Result<Request, Refusal>) -> Result<String, Refusal> {
    let acts = request?.acts()?;
    Ok(acts.iter().map(|(act, on)| format!("{act} {on}")).collect::<Vec<_>>().join(", "))
}

#[test]
fn every_route_asks_for_the_acts_that_the_table_says() {
    let (mut met, mut wrong) = (BTreeSet::new(), Vec::new());
    for line in TABLE.lines().filter(|line| line.contains(" | ")) {
        let line = IDS.iter().fold(line.to_owned(), |line, (word, id)| line.replace(word, id));
        let parts: Vec<&str> = line.split(" | ").collect();
        let [asked, expected, roles] = parts[..] else { panic!("{line}") };
        assert_eq!(roles.split(' ').count(), 7, "{line}");
        let (method, rest) = asked.split_once(' ').unwrap();
        let (target, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let row = table::at(path).into_iter().find(|row| row.method.name() == method);
        let row = row.unwrap_or_else(|| panic!("{method} {path} is no route"));
        met.insert((row.method.name(), row.path));
        let found = acts(words::request(row, path, query, body.as_bytes()));
        if found.as_deref() != Ok(expected) {
            wrong.push(format!("{method} {target}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: BTreeSet<_> = table::ROWS.iter().map(|row| (row.method.name(), row.path)).collect();
    let missing: Vec<_> = all.difference(&met).collect();
    assert!(missing.is_empty(), "expected.txt has no line for {missing:?}");
}
