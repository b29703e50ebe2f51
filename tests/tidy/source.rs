//! A Rust file with its comments and strings blanked out, so that rules see code only. Lines stay where they were.

/// One file.
pub(crate) struct Source {
    /// From the project's root, with slashes.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same length and lines, comments and the insides of literals blank.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    /// A complaint about the byte at `at` of the code.
    pub(crate) fn complain(&self, at: usize, what: &str) -> String {
        let line = self.code[..at].matches('\n').count() + 1;
        format!("{}:{line}: {what}", self.path)
    }

    /// Where `word` stands in the code with no letter of a name on either side.
    pub(crate) fn find<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let is_name =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        self.code.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let (bytes, end) = (self.code.as_bytes(), at + word.len());
            let begins = !is_name(word.as_bytes().first()) || *at == 0 || !is_name(bytes.get(at - 1));
            begins && (!is_name(word.as_bytes().last()) || !is_name(bytes.get(end)))
        })
    }

    /// The folder or file below `src/` the path lies in: its floor's part of the house.
    pub(crate) fn part(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        Some(below.split_once('/').map_or_else(|| below.trim_end_matches(".rs"), |(folder, _)| folder))
    }
}

fn blank(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let end = literal_or_comment(text, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The end of the comment or literal that begins at `at`; `at` itself when none does.
fn literal_or_comment(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    let to = |mark: &str, from: usize| {
        let from = from.min(bytes.len());
        find(bytes, mark.as_bytes(), from).map_or(bytes.len(), |found| found + mark.len())
    };
    let before = if at == 0 { b' ' } else { bytes[at - 1] };
    let in_name = before.is_ascii_alphanumeric() || before == b'_';
    if rest.starts_with(b"//") {
        find(bytes, b"\n", at).unwrap_or(bytes.len())
    } else if rest.starts_with(b"/*") {
        to("*/", at + 2)
    } else if rest[0] == b'"' {
        string(bytes, at)
    } else if !in_name && (rest.starts_with(b"r\"") || rest.starts_with(b"br\"")) {
        to("\"", at + if rest[0] == b'b' { 3 } else { 2 })
    } else if !in_name && (rest.starts_with(b"r#\"") || rest.starts_with(b"br#\"")) {
        to("\"#", at + if rest[0] == b'b' { 4 } else { 3 })
    } else if rest[0] == b'\'' {
        character(text, at)
    } else {
        at
    }
}

fn find(bytes: &[u8], mark: &[u8], from: usize) -> Option<usize> {
    bytes[from..].windows(mark.len()).position(|window| window == mark).map(|found| from + found)
}

fn string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// A character, or `at` for a lifetime.
fn character(text: &str, at: usize) -> usize {
    let mut rest = text[at + 1..].char_indices();
    match rest.next() {
        Some((_, '\\')) => {
            rest.next();
            rest.find(|(_, character)| *character == '\'').map_or(at, |(end, _)| at + end + 2)
        }
        Some(_) => rest.next().filter(|(_, next)| *next == '\'').map_or(at, |(end, _)| at + end + 2),
        None => at,
    }
}

#[test]
fn comments_and_literals_are_blank_and_code_is_not() {
    let sample =
        "let a = \"x // \\\" y\"; // gone\nlet 'b: r#\"raw \" one\"# /* two\nlines */ '\"' '\\n' kept";
    let code = Source::new("src/x.rs", sample).code;
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["let", "a", "=", ";", "let", "'b:", "kept"]);
    assert_eq!(code.lines().count(), sample.lines().count());
}
