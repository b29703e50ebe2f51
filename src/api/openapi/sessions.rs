//! Signing in and out, and one-time links, as operations.

use super::operations::EVERYBODY;
use super::others::{Route, Shape, Who};
use crate::domain::refusal::Code;

/// What whoever is nobody yet may be refused with.
const STRANGER: &[Code] = &[
    Code::BadRequest,
    Code::MalformedJson,
    Code::MissingMember,
    Code::UnknownMember,
    Code::RepeatedMember,
    Code::BodyTooLarge,
    Code::BodyTooSlow,
    Code::AuthenticationLimited,
    Code::WrongState,
    Code::JournalFull,
    Code::Conflict,
    Code::Locked,
    Code::Fault,
];

/// A route, and what it may be refused with beside what everybody may.
struct Entry {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    who: Who,
    summary: &'static str,
    body: Option<&'static str>,
    answer: Shape,
    codes: &'static [Code],
}

const ENTRIES: &[Entry] = &[
    Entry {
        method: "post",
        path: "/v1/session",
        id: "sign-in",
        who: Who::Anybody,
        summary: "Sign in by password, and by a second factor where one is demanded.",
        body: Some("SignIn"),
        answer: Shape::Made("SignedIn"),
        codes: &[Code::SignInFailed, Code::SignInsBusy, Code::TooManySessions],
    },
    Entry {
        method: "get",
        path: "/v1/session",
        id: "whoami",
        who: Who::User,
        summary: "Who asks, and by which session.",
        body: None,
        answer: Shape::Json("WhoAmI"),
        codes: &[],
    },
    Entry {
        method: "delete",
        path: "/v1/session",
        id: "sign-out",
        who: Who::User,
        summary: "End the session that asks.",
        body: None,
        answer: Shape::Nothing,
        codes: &[],
    },
    Entry {
        method: "post",
        path: "/v1/reset",
        id: "use-link",
        who: Who::Anybody,
        summary: "Set a password by a one-time link.",
        body: Some("UseLink"),
        answer: Shape::Json("LinkUsed"),
        codes: &[Code::LinkEnded, Code::SignInsBusy, Code::TooManyApprovals, Code::WeakPassword],
    },
    Entry {
        method: "put",
        path: "/v1/password",
        id: "change-password",
        who: Who::User,
        summary: "Set the own password; every other session of the account ends, and every certificate asked for with a password.",
        body: Some("ChangePassword"),
        answer: Shape::Nothing,
        codes: &[Code::SignInFailed, Code::SignInsBusy, Code::WeakPassword],
    },
    Entry {
        method: "post",
        path: "/v1/certificate",
        id: "own-certificate",
        who: Who::User,
        summary: "A certificate of one's own: with a session the password is to be shown again as current, and a code as totp.",
        body: Some("OwnCertificate"),
        answer: Shape::Made("Issued"),
        codes: &[
            Code::SignInFailed,
            Code::SignInsBusy,
            Code::RenewalLimited,
            Code::TooManyCertificates,
            Code::KeyTaken,
            Code::TokenAway,
        ],
    },
    Entry {
        method: "post",
        path: "/v1/totp",
        id: "enrol-totp",
        who: Who::User,
        summary: "Make a second factor; it counts once it is confirmed.",
        body: Some("EnrolTotp"),
        answer: Shape::Made("SecondFactor"),
        codes: &[Code::SignInFailed, Code::SignInsBusy],
    },
    Entry {
        method: "post",
        path: "/v1/totp/confirm",
        id: "confirm-totp",
        who: Who::User,
        summary: "Let the second factor count that was made last.",
        body: Some("TotpCode"),
        answer: Shape::Nothing,
        codes: &[Code::SignInFailed],
    },
    Entry {
        method: "post",
        path: "/v1/totp/remove",
        id: "remove-totp",
        who: Who::User,
        summary: "Take the own second factor away; refused where one is demanded.",
        body: Some("TotpCode"),
        answer: Shape::Nothing,
        codes: &[Code::SignInFailed],
    },
];

/// Every one.
pub(super) fn all() -> Vec<Route> {
    let routes = ENTRIES.iter().map(|entry| Route {
        method: entry.method,
        path: entry.path,
        id: entry.id,
        tag: "session",
        who: entry.who,
        summary: entry.summary,
        body: entry.body,
        answer: entry.answer,
        codes: match entry.who {
            Who::User if entry.body.is_none() => EVERYBODY.to_vec(),
            Who::User => [EVERYBODY, STRANGER, entry.codes].concat(),
            Who::Anybody | Who::Application => [STRANGER, entry.codes].concat(),
        },
    });
    routes.collect()
}
