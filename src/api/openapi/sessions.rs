//! Signing in and out, and one-time links, as operations.

use super::others::{Route, Shape, USER, Who};
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
    Code::Fault,
];

/// Every one.
pub(super) fn all() -> Vec<Route> {
    let route = |method, path, id, who, summary, body, answer, codes: &[Code]| Route {
        method,
        path,
        id,
        tag: "session",
        who,
        summary,
        body,
        answer,
        codes: if matches!(who, Who::User) { USER.to_vec() } else { [STRANGER, codes].concat() },
    };
    let session = "/v1/session";
    vec![
        route(
            "post",
            session,
            "sign-in",
            Who::Anybody,
            "Sign in by password, and by a second factor where one is demanded.",
            Some("SignIn"),
            Shape::Made("SignedIn"),
            &[Code::SignInFailed, Code::SignInsBusy, Code::TooManySessions],
        ),
        route(
            "get",
            session,
            "whoami",
            Who::User,
            "Who asks, and by which session.",
            None,
            Shape::Json("WhoAmI"),
            &[],
        ),
        route(
            "delete",
            session,
            "sign-out",
            Who::User,
            "End the session that asks.",
            None,
            Shape::Nothing,
            &[],
        ),
        route(
            "post",
            "/v1/reset",
            "use-link",
            Who::Anybody,
            "Set a password by a one-time link.",
            Some("UseLink"),
            Shape::Json("LinkUsed"),
            &[Code::LinkEnded, Code::SignInsBusy, Code::WeakPassword],
        ),
    ]
}
