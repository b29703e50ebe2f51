//! A row of the route table: where a verb of the desk is to be found over HTTP, and how the members of its request are told
//! in path, query and body.
//!
//! A template's `{name}` stands for the member of that name; `{endpoint:name}` is called `endpoint` in the documentation and
//! is the member `name`; `{project:of.endpoint.project}` is a member further in. Members that are neither in the path nor in
//! the query are those of the body.

use http::StatusCode;

use crate::domain::refusal::Code;

/// Bytes of a body that holds a few names.
const BODY_BYTES_MAX: usize = 4_096;
/// Bytes of a body that holds a signing request, or a list.
const LARGE_BODY_BYTES_MAX: usize = 16_384;

/// How a resource is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    /// Ends it.
    Delete,
    /// Shows it, and changes nothing.
    Get,
    /// Changes part of it.
    Patch,
    /// Makes something, or does something to it.
    Post,
    /// Puts something in the place of what is there.
    Put,
}

/// A member of the query, and what its text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// `true` or `false`.
    Flag(&'static str),
    /// Decimal digits.
    Number(&'static str),
    /// As it is.
    Text(&'static str),
    /// Words with commas between.
    Words(&'static str),
}

/// What an answer that says yes has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// The stream of an export.
    Export,
    /// JSON; its name in the desk's words.
    Json(&'static str),
    /// Nothing.
    Nothing,
}

/// What a request does to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Nothing: whatever its method, it may be asked while others change things.
    Looks,
    /// Something, with every other change kept out.
    Changes,
    /// The same, and there is something new: an `Idempotency-Key` counts.
    Makes,
}

/// One verb of the desk as a resource.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// How it is asked.
    pub method: Http,
    /// Where.
    pub path: &'static str,
    /// The verb, as a request names it: noun and verb.
    pub verb: &'static str,
    /// Whether the verb has no members at all.
    pub is_bare: bool,
    /// What the query may say.
    pub query: &'static [Query],
    /// What there is to show.
    pub gives: Gives,
    /// What it does: a GET looks, the others change something, where nothing else is said.
    pub does: Does,
    /// Whether the answer has an ETag, which changes of it and of what is below it may name.
    pub is_tagged: bool,
    /// In one line.
    pub summary: &'static str,
    /// What it may be refused with, beside what every route may be.
    pub codes: &'static [Code],
    /// Bytes of a body at most.
    pub body_bytes_max: usize,
    /// Whether it signs a list of revoked certificates, or the server's certificate, within the change.
    pub signs: bool,
    /// The member that the whole body is, where it is one: such a document is put as it is shown.
    pub whole: Option<&'static str>,
}

/// A step of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// As it is.
    Word(&'static str),
    /// Any text: what it is called, and which member it is.
    Member { called: &'static str, is: &'static str },
}

impl Row {
    /// A row that shows.
    #[must_use]
    pub const fn get(path: &'static str, verb: &'static str) -> Self {
        Self::of(Http::Get, path, verb)
    }

    /// A row that makes or does something.
    #[must_use]
    pub const fn post(path: &'static str, verb: &'static str) -> Self {
        Self::of(Http::Post, path, verb)
    }

    /// A row that puts something in the place of another.
    #[must_use]
    pub const fn put(path: &'static str, verb: &'static str) -> Self {
        Self::of(Http::Put, path, verb)
    }

    /// A row that changes part of something.
    #[must_use]
    pub const fn patch(path: &'static str, verb: &'static str) -> Self {
        Self::of(Http::Patch, path, verb)
    }

    /// A row that ends something.
    #[must_use]
    pub const fn delete(path: &'static str, verb: &'static str) -> Self {
        Self::of(Http::Delete, path, verb)
    }

    const fn of(method: Http, path: &'static str, verb: &'static str) -> Self {
        Self {
            method,
            path,
            verb,
            is_bare: false,
            query: &[],
            gives: Gives::Nothing,
            does: match method {
                Http::Get => Does::Looks,
                Http::Delete | Http::Patch | Http::Post | Http::Put => Does::Changes,
            },
            is_tagged: false,
            summary: "",
            codes: &[],
            body_bytes_max: BODY_BYTES_MAX,
            signs: false,
            whole: None,
        }
    }

    /// The same for a verb that has no members.
    #[must_use]
    pub const fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }

    /// The same with what its query may say.
    #[must_use]
    pub const fn query(mut self, query: &'static [Query]) -> Self {
        self.query = query;
        self
    }

    /// The same with something to show.
    #[must_use]
    pub const fn shows(mut self, answer: &'static str) -> Self {
        self.gives = Gives::Json(answer);
        self
    }

    /// The same with an export to show.
    #[must_use]
    pub const fn streams(mut self) -> Self {
        self.gives = Gives::Export;
        self
    }

    /// The same with something to show that was made just now.
    #[must_use]
    pub const fn makes(mut self, answer: &'static str) -> Self {
        self.gives = Gives::Json(answer);
        self.does = Does::Makes;
        self
    }

    /// The same for one that changes nothing, and has a body for what must not stand in an address.
    #[must_use]
    pub const fn looks(mut self) -> Self {
        self.does = Does::Looks;
        self
    }

    /// The same with an ETag.
    #[must_use]
    pub const fn tagged(mut self) -> Self {
        self.is_tagged = true;
        self
    }

    /// The same in one line.
    #[must_use]
    pub const fn says(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// The same with what it may be refused with.
    #[must_use]
    pub const fn refuses(mut self, codes: &'static [Code]) -> Self {
        self.codes = codes;
        self
    }

    /// The same for a larger body.
    #[must_use]
    pub const fn large(mut self) -> Self {
        self.body_bytes_max = LARGE_BODY_BYTES_MAX;
        self
    }

    /// The same for one that signs within the change.
    #[must_use]
    pub const fn signs(mut self) -> Self {
        self.signs = true;
        self
    }

    /// The same with a body that is one member, without that member's name around it.
    #[must_use]
    pub const fn takes(mut self, member: &'static str) -> Self {
        self.whole = Some(member);
        self
    }

    /// Whether its request has a body.
    #[must_use]
    pub const fn has_body(&self) -> bool {
        !matches!(self.method, Http::Get | Http::Delete)
    }

    /// Whether something is made: 201 where there is something to show.
    #[must_use]
    pub const fn makes_something(&self) -> bool {
        matches!(self.does, Does::Makes)
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        !matches!(self.does, Does::Looks)
    }

    /// Of an answer that says yes.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match (self.gives, self.makes_something()) {
            (Gives::Nothing, _) => StatusCode::NO_CONTENT,
            (Gives::Json(_), true) => StatusCode::CREATED,
            (Gives::Json(_) | Gives::Export, _) => StatusCode::OK,
        }
    }

    /// The template, step by step.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step> {
        self.path.split('/').skip(1).map(Step::of)
    }

    /// What the members in its path are called, and which they are.
    pub(in crate::api) fn path_members(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.steps().filter_map(|step| match step {
            Step::Word(_) => None,
            Step::Member { called, is } => Some((called, is)),
        })
    }

    /// What stands in `path` for each member of the template; none where it is another path. One slash at the end is
    /// nothing.
    pub(super) fn members<'p>(&self, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
        let path = path.strip_suffix('/').unwrap_or(path).strip_prefix('/')?;
        let mut members = Vec::new();
        let mut found = path.split('/');
        for step in self.steps() {
            let word = found.next()?;
            match step {
                Step::Word(wanted) if wanted == word => {}
                Step::Member { is, .. } if !word.is_empty() => members.push((is, word)),
                _ => return None,
            }
        }
        found.next().is_none().then_some(members)
    }
}

impl Step {
    fn of(text: &'static str) -> Self {
        let Some(member) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
            return Self::Word(text);
        };
        let (called, is) = member.split_once(':').unwrap_or((member, member));
        Self::Member { called, is }
    }
}

impl Query {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flag(name) | Self::Number(name) | Self::Text(name) | Self::Words(name) => name,
        }
    }
}

impl Http {
    /// The method.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}
