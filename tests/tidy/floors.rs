//! The floors (`src/lib.rs`): a floor names only lower ones; siblings never meet.

use crate::source::Source;

/// Parts of the house by floor.
const FLOORS: [&[&str]; 7] = [
    &["crypto"],
    &["domain"],
    &["hsm", "store"],
    &["appliance"],
    &["desk"],
    &["api", "console", "ceremony"],
    &["main", "cli", "daemon", "config"],
];
/// The lowest floor where something may wait for the network.
const EDGE: usize = 5;
const TOP: usize = FLOORS.len() - 1;

fn floor(part: &str) -> Option<usize> {
    FLOORS.iter().position(|parts| parts.contains(&part))
}

/// Complains of every name of a higher floor or a sibling.
pub(crate) fn named(source: &Source) -> Vec<String> {
    let Some(own) = source.part().filter(|part| *part != "lib") else { return Vec::new() };
    let Some(at_home) = floor(own) else {
        return vec![
            source.complain(0, "it belongs to no floor; give it one in src/lib.rs and in tests/tidy"),
        ];
    };
    let mut complaints = Vec::new();
    for (at, part) in roots(source) {
        match floor(&part) {
            _ if part == own => {}
            Some(floor) if floor < at_home || (floor == TOP && at_home == TOP) => {}
            Some(_) => complaints
                .push(source.complain(at, &format!("{own} must not know of {part}; pass in what it needs"))),
            None => complaints.push(source.complain(at, &format!("{part} is on no floor"))),
        }
    }
    complaints
}

/// The first names behind `crate::`, and behind a `super::` chain that climbs to the same place.
fn roots(source: &Source) -> Vec<(usize, String)> {
    let code = &source.code;
    let mut found = Vec::new();
    for at in source.find("crate::") {
        found.extend(first_names(&code[at + "crate::".len()..]).map(|name| (at, name)));
    }
    let folders = source.path.matches('/').count();
    let is_root_of_folder = source.path.ends_with("/mod.rs");
    let depth = if is_root_of_folder { folders - 1 } else { folders };
    for at in source.find("super::") {
        if code[..at].ends_with("super::") {
            continue;
        }
        let chain = code[at..].split("::").take_while(|step| *step == "super").count();
        if chain >= depth + inline_modules(&code[..at]) {
            let behind = &code[at + chain * "super::".len()..];
            found.extend(first_names(behind).map(|name| (at, name)));
        }
    }
    found
}

/// `a` of `a::b`; `a` and `c` of `{a::b, c}`.
fn first_names(path: &str) -> impl Iterator<Item = String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut names = Vec::new();
    if let Some(group) = path.strip_prefix('{') {
        let (mut depth, mut start) = (0, 0);
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    names.push(name(&group[start..at]));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    names.push(name(&group[start..at]));
                    start = at + 1;
                }
                _ => {}
            }
        }
    } else {
        names.push(name(path));
    }
    names.into_iter().filter(|name| !name.is_empty())
}

/// How many `mod name { … }` are open at the end of `code`.
fn inline_modules(code: &str) -> usize {
    let mut open = Vec::new();
    for (at, character) in code.char_indices() {
        match character {
            '{' => {
                let words: Vec<&str> = code[..at].split_whitespace().rev().take(2).collect();
                open.push(words.get(1) == Some(&"mod"));
            }
            '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().filter(|is_module| *is_module).count()
}

/// Complains of waiting below the edges, and of files, clocks and the environment in the two lowest floors.
pub(crate) fn pure(source: &Source) -> Vec<String> {
    const WAITS: [&str; 4] = ["async", ".await", "tokio", "futures_util"];
    const OUTSIDE: [&str; 9] = [
        "std::fs",
        "std::io",
        "std::env",
        "std::process",
        "std::thread",
        "Instant::now",
        "SystemTime::now",
        "TcpStream",
        "UdpSocket",
    ];
    let Some(at_home) = source.part().and_then(floor) else { return Vec::new() };
    let tests = source.code.find("#[cfg(test)]").unwrap_or(source.code.len());
    let complain = |word: &'static str, what: &'static str| {
        source
            .find(word)
            .filter(|at| *at < tests)
            .map(move |at| source.complain(at, &format!("{word}: {what}")))
    };
    let mut complaints = Vec::new();
    if at_home < EDGE {
        complaints.extend(
            WAITS.iter().flat_map(|word| complain(word, "only the edges are async; block, or move it up")),
        );
    }
    if at_home < 2 {
        complaints
            .extend(OUTSIDE.iter().flat_map(|word| complain(word, "crypto and domain are pure; pass it in")));
    }
    complaints
}
