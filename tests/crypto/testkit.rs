//! Reads the files of `tests/vectors`: `name: value` lines, blank lines between cases, comments with `#`.

use std::cell::Cell;
use std::fmt::Debug;
use std::path::Path;
use std::str::FromStr;

/// One case of a file. A field that a test never reads is never checked, so dropping a case with one fails the test.
pub(crate) struct Case {
    place: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    value: String,
    read: Cell<bool>,
}

/// The cases of `tests/vectors/<file>`, at least one.
pub(crate) fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut cases: Vec<Case> = Vec::new();
    let mut between = true;
    for (line, at) in text.lines().zip(1..) {
        if line.starts_with('#') {
            continue;
        }
        if line.is_empty() {
            between = true;
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{file}:{at}: no colon"));
        let value = value.strip_prefix(' ').unwrap_or(value);
        if std::mem::take(&mut between) {
            cases.push(Case { place: format!("{file}:{at}"), fields: Vec::new() });
        }
        let field = Field { name: name.into(), value: value.into(), read: Cell::new(false) };
        cases.last_mut().unwrap().fields.push(field);
    }
    assert!(!cases.is_empty(), "{file} has no cases");
    cases
}

impl Case {
    /// Where it stands and what it shows, for messages.
    pub(crate) fn label(&self) -> String {
        format!("{} ({})", self.place, self.text("case"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// All values of a name, in order.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|field| field.name == name);
        named.inspect(|field| field.read.set(true)).map(|field| field.value.as_str()).collect()
    }

    /// The value of a name that stands exactly once.
    pub(crate) fn text(&self, name: &str) -> &str {
        let [value] = self.texts(name)[..] else { panic!("{}: {name} must stand once", self.place) };
        value
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        from_hex(self.text(name))
    }

    pub(crate) fn all_bytes(&self, name: &str) -> Vec<Vec<u8>> {
        self.texts(name).into_iter().map(from_hex).collect()
    }

    pub(crate) fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        let bytes = self.bytes(name);
        bytes.try_into().unwrap_or_else(|_| panic!("{}: {name} is not {N} bytes long", self.place))
    }

    /// Like [`Case::array`], zero when the name does not stand.
    pub(crate) fn array_or_zero<const N: usize>(&self, name: &str) -> [u8; N] {
        if self.has(name) { self.array(name) } else { [0; N] }
    }

    pub(crate) fn number<T: FromStr<Err: Debug>>(&self, name: &str) -> T {
        self.text(name).parse().unwrap_or_else(|error| panic!("{}: {name}: {error:?}", self.place))
    }

    pub(crate) fn numbers<T: FromStr<Err: Debug>>(&self, name: &str) -> Vec<T> {
        self.texts(name).into_iter().map(|number| number.parse().unwrap()).collect()
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for field in self.fields.iter().filter(|field| field.name != "case") {
                assert!(field.read.get(), "{}: nothing checks {}", self.place, field.name);
            }
        }
    }
}

pub(crate) fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.is_ascii() && hex.len().is_multiple_of(2), "not hex: {hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
