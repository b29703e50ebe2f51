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
        codes: match who {
            Who::User if body.is_none() => EVERYBODY.to_vec(),
            Who::User => [EVERYBODY, STRANGER, codes].concat(),
            Who::Anybody | Who::Application => [STRANGER, codes].concat(),
        },
    };
    let (session, totp) = ("/v1/session", "/v1/totp");
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
        route(
            "put",
            "/v1/password",
            "change-password",
            Who::User,
            "Set the own password; every other session of the account ends, and every certificate asked for with a password.",
            Some("ChangePassword"),
            Shape::Nothing,
            &[Code::SignInFailed, Code::SignInsBusy, Code::WeakPassword],
        ),
        route(
            "post",
            "/v1/certificate",
            "own-certificate",
            Who::User,
            "A certificate of one's own: with a session the password is to be shown again as current, and a code as totp.",
            Some("OwnCertificate"),
            Shape::Made("Issued"),
            &[
                Code::SignInFailed,
                Code::SignInsBusy,
                Code::RenewalLimited,
                Code::TooManyCertificates,
                Code::KeyTaken,
                Code::TokenAway,
            ],
        ),
        route(
            "post",
            totp,
            "enrol-totp",
            Who::User,
            "Make a second factor; it counts once it is confirmed.",
            Some("EnrolTotp"),
            Shape::Made("SecondFactor"),
            &[Code::SignInFailed, Code::SignInsBusy],
        ),
        route(
            "post",
            "/v1/totp/confirm",
            "confirm-totp",
            Who::User,
            "Let the second factor count that was made last.",
            Some("TotpCode"),
            Shape::Nothing,
            &[Code::SignInFailed],
        ),
        route(
            "post",
            "/v1/totp/remove",
            "remove-totp",
            Who::User,
            "Take the own second factor away; refused where one is demanded.",
            Some("TotpCode"),
            Shape::Nothing,
            &[Code::SignInFailed],
        ),
    ]
}
