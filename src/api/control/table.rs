//! The route table of the control plane's resources, on one page: routing, the document of the API and the command line's way
//! over HTTP all come from it. Each row is a verb of the desk. What is not here is not served: the ceremonies, unlock, lock,
//! the clock's acknowledgement, the store's compaction and the recovery of users stay with the local socket.

use crate::domain::refusal::Code;

use super::row::{Query, Row};

/// Of every list.
const PAGES: &[Query] = &[Query::Text("after"), Query::Number("limit")];

/// Of the audit trail.
const AUDIT: &[Query] = &[
    Query::Number("from"),
    Query::Number("limit"),
    Query::Flag("newest"),
    Query::Text("kind"),
    Query::Text("actor"),
    Query::Text("act"),
    Query::Text("on"),
    Query::Text("outcome"),
    Query::Text("since"),
    Query::Text("until"),
    Query::Text("project"),
];

/// Of an export of the journal.
const EXPORT: &[Query] = &[
    Query::Number("from"),
    Query::Number("to"),
    Query::Text("kind"),
    Query::Text("project"),
    Query::Text("endpoint"),
];

/// Every row.
pub const ROWS: &[Row] = &[
    // users
    Row::get("/v1/users", "user list").query(PAGES).shows("users").says("Users by id."),
    Row::post("/v1/users", "user create").makes("user").says("Make an account.").refuses(NEW),
    Row::get("/v1/users/{user:name}", "user show")
        .shows("user-shown")
        .tagged()
        .says("An account, with its projects and certificates."),
    Row::delete("/v1/users/{user:name}", "user delete")
        .says("End an account for good, with memberships and certificates.")
        .refuses(LAST),
    Row::post("/v1/users/{user:name}/enable", "user enable").says("Let a disabled user in again."),
    Row::post("/v1/users/{user:name}/disable", "user disable")
        .says("Refuse a user from now on.")
        .refuses(LAST),
    Row::put("/v1/users/{user:name}/role", "user change-role").says("Give another role.").refuses(LAST),
    Row::post("/v1/users/{user}/certificates", "certificate issue-user")
        .makes("certificate-issued")
        .says("Sign a certificate over the public key of a user's signing request; one's own by certificate, not by session.")
        .refuses(USER_CERTIFICATE)
        .large(),
    Row::post("/v1/users/{user:name}/reset", "user reset")
        .makes("link")
        .says("Make a one-time link that sets a user's password.")
        .refuses(&[Code::TooManyApprovals]),
    Row::put("/v1/users/{user:name}/totp", "user enforce-totp")
        .says("Demand a second factor beside a user's password, or demand it no more."),
    Row::post("/v1/users/{user:name}/confirmation", "user ask-confirmation")
        .makes("approval")
        .says("Ask a second person to confirm an account whose credentials somebody else had in hand.")
        .refuses(&[Code::AlreadyExists, Code::TooManyApprovals]),
    Row::get("/v1/users/{user}/sessions", "session list")
        .shows("sessions")
        .says("The live sessions of a user, the latest first."),
    Row::delete("/v1/sessions/{id}", "session end").says("End a session."),
    // projects and their members
    Row::get("/v1/projects", "project list")
        .query(PAGES)
        .shows("projects")
        .says("One's own projects; an admin's and an auditor's are all."),
    Row::post("/v1/projects", "project create")
        .makes("project")
        .says("Make a project; its maker becomes a member.")
        .refuses(&[Code::AlreadyExists, Code::BadName, Code::TokenAway, Code::TooManyProjects]),
    Row::get("/v1/projects/{project:name}", "project show")
        .shows("project-shown")
        .tagged()
        .says("A project, with its first hundred objects and endpoints, and whether there are more."),
    Row::put("/v1/projects/{project:name}/name", "project life rename")
        .says("Give a project another name; ids never change.")
        .refuses(NEW),
    Row::put("/v1/projects/{project:name}/description", "project life describe")
        .says("Say what a project is for, in one line."),
    Row::post("/v1/projects/{project:name}/retire", "project life retire")
        .says("Take a project out of service with all that is in it."),
    Row::post("/v1/projects/{project:name}/reinstate", "project life reinstate")
        .says("Put a project in service again."),
    Row::delete("/v1/projects/{project:name}", "project life delete")
        .says("End a project for good; only when it is empty.")
        .refuses(&[Code::NotEmpty]),
    Row::post("/v1/projects/{project:name}/kek-versions", "project rotate-kek")
        .makes("project")
        .says(
            "Make the next KEK version, which wraps from now on; what the ones before wrap is wrapped anew.",
        )
        .refuses(&[Code::Conflict, Code::KeyExhausted, Code::RotationUnderWay, Code::TokenAway]),
    Row::get("/v1/projects/{project}/members", "project member list")
        .query(PAGES)
        .shows("members")
        .says("Who owns a project together."),
    Row::post("/v1/projects/{project}/members", "project member add")
        .says("Make a user a member; one that is there stays."),
    Row::delete("/v1/projects/{project}/members/{user}", "project member remove")
        .says("End a membership."),
    Row::post("/v1/projects/{project}/proposals", "project member propose")
        .makes("approval")
        .says("Ask a second person to let a user in.")
        .refuses(&[Code::AlreadyExists, Code::TooManyApprovals]),
    // what waits for a second person
    Row::get("/v1/approvals", "approval list")
        .bare()
        .shows("approvals")
        .says("Approvals that one may see, the newest first."),
    Row::get("/v1/approvals/{id}", "approval show").shows("approval").says("An approval."),
    Row::post("/v1/approvals/{id}/give", "approval give")
        .shows("approval")
        .says("The second person's yes.")
        .refuses(ENDED),
    Row::post("/v1/approvals/{id}/refuse", "approval refuse")
        .shows("approval")
        .says("The second person's no.")
        .refuses(ENDED),
    Row::post("/v1/approvals/{id}/withdraw", "approval withdraw")
        .shows("approval")
        .says("Take back what one has asked for.")
        .refuses(ENDED),
    // objects and their keys
    Row::get("/v1/projects/{project}/objects", "object list")
        .query(PAGES)
        .shows("objects")
        .says("Objects of a project by id."),
    Row::post("/v1/projects/{project}/objects", "object create")
        .makes("object")
        .says("Make an object with its first key version.")
        .refuses(&[Code::AlreadyExists, Code::BadName, Code::TokenAway, Code::TooManyThings]),
    Row::get("/v1/projects/{project}/objects/{object:name}", "object show")
        .shows("object")
        .tagged()
        .says("An object with its key versions."),
    Row::put("/v1/projects/{project}/objects/{object:name}/name", "object life rename")
        .says("Give an object another name; ids never change.")
        .refuses(NEW),
    Row::put("/v1/projects/{project}/objects/{object:name}/description", "object life describe")
        .says("Say what an object is for, in one line."),
    Row::post("/v1/projects/{project}/objects/{object:name}/retire", "object life retire")
        .says("Encrypt nothing new for an object; what there is opens."),
    Row::post("/v1/projects/{project}/objects/{object:name}/reinstate", "object life reinstate")
        .says("Put an object in service again."),
    Row::delete("/v1/projects/{project}/objects/{object:name}", "object life delete")
        .says("End an object for good; only where nothing can be lost by that.")
        .refuses(&[Code::NotRetired, Code::ObjectInUse]),
    Row::get("/v1/projects/{project}/objects/{object:name}/schema", "object schema show")
        .shows("schema")
        .tagged()
        .says("What an object declares of its data."),
    Row::put("/v1/projects/{project}/objects/{object:name}/schema", "object schema set")
        .takes("schema")
        .query(&[Query::Flag("new_index")])
        .shows("schema")
        .says(
            "Declare something else, as far as ciphertexts still open; new_index where an index may change or go.",
        )
        .refuses(&[Code::Conflict, Code::IndexGivenUp])
        .large(),
    Row::put("/v1/projects/{project}/objects/{object:name}/rotation", "object rotation")
        .shows("object")
        .says("Let an object's key become so old and no older."),
    Row::get("/v1/projects/{project}/objects/{object}/key-versions", "key list")
        .shows("key-versions")
        .says("Key versions of an object, oldest first."),
    Row::get("/v1/projects/{project}/objects/{object}/key-versions/{version}", "key show")
        .shows("key-version")
        .tagged()
        .says("A key version whole: windows, moves, what to do next."),
    Row::put("/v1/projects/{project}/objects/{object}/key-versions/{version}/windows", "key windows")
        .shows("key-version")
        .says("Set until when a key version encrypts and decrypts.")
        .refuses(KEY_STATE),
    Row::post("/v1/projects/{project}/objects/{object}/key-versions/{version}/disable", "key disable")
        .shows("key-version")
        .says("Let a key version neither encrypt nor decrypt until it is enabled.")
        .refuses(KEY_STATE),
    Row::post("/v1/projects/{project}/objects/{object}/key-versions/{version}/enable", "key enable")
        .shows("key-version")
        .says("Let a disabled key version do again what it did.")
        .refuses(KEY_STATE),
    Row::post("/v1/projects/{project}/objects/{object}/key-versions/{version}/compromise", "key compromise")
        .shows("key-version")
        .says("Let a key version that somebody else may have encrypt nothing any more; another takes over.")
        .refuses(KEY_STATE),
    Row::post(DESTRUCTION, "key schedule-destruction")
        .makes("approval")
        .says("Ask a second person to let a key version be destroyed after a time.")
        .refuses(&[Code::WrongKeyState, Code::AlreadyExists, Code::TooManyApprovals, Code::NotASecondPerson]),
    Row::post(CANCEL_DESTRUCTION, "key cancel-destruction")
        .shows("key-version")
        .says("Take a scheduled destruction back; nothing is lost then.")
        .refuses(KEY_STATE),
    Row::post("/v1/projects/{project}/objects/{object}/key-versions", "key rotate")
        .makes("object")
        .says("Make the next key version, which seals from now on.")
        .refuses(&[Code::Conflict, Code::TokenAway]),
    Row::post("/v1/projects/{project}/objects/{object}/index-root/rotate", "index rotate-root")
        .shows("object")
        .says("Make the next version of an object's index root; answers carry the values under both.")
        .refuses(INDEX_ROOT),
    Row::post("/v1/projects/{project}/objects/{object}/index-root/finish-rotation", "index finish-rotation")
        .shows("object")
        .says("End the version before: what was made under it is found no more.")
        .refuses(INDEX_ROOT),
    Row::get("/v1/keys/verify", "key verify")
        .query(&[Query::Text("project"), Query::Text("after"), Query::Number("limit"), Query::Flag("kcv")])
        .shows("keys-verified")
        .says("Unwrap a page of the stored keys, which proves them; those that do not unwrap are named.")
        .refuses(&[Code::TokenAway, Code::TooManyInFlight]),
    // whose data is not decrypted for the time being
    Row::get("/v1/projects/{project}/frozen-subjects", "subject list")
        .query(PAGES)
        .shows("frozen-subjects")
        .says("Frozen subjects of a project, by pseudonym."),
    Row::post("/v1/projects/{project}/frozen-subjects", "subject freeze")
        .shows("subject-changed")
        .says("Let nothing of a subject be decrypted from now on."),
    Row::post("/v1/projects/{project}/frozen-subjects/unfreeze", "subject unfreeze")
        .shows("subject-changed")
        .says("Let the data of a subject be decrypted again."),
    // endpoints
    Row::get("/v1/projects/{project}/endpoints", "endpoint list")
        .query(PAGES)
        .shows("endpoints")
        .says("Endpoints of a project."),
    Row::post("/v1/projects/{project}/endpoints", "endpoint create")
        .makes("endpoint")
        .says("Make an endpoint, without certificate, API key or grant.")
        .refuses(&[Code::AlreadyExists, Code::BadName, Code::TooManyThings]),
    Row::get("/v1/projects/{project}/endpoints/{endpoint:name}", "endpoint show")
        .shows("endpoint-shown")
        .tagged()
        .says("An endpoint with its grants, API keys, certificates, networks and budgets."),
    Row::put("/v1/projects/{project}/endpoints/{endpoint:name}/name", "endpoint life rename")
        .says("Give an endpoint another name; ids never change.")
        .refuses(NEW),
    Row::put("/v1/projects/{project}/endpoints/{endpoint:name}/description", "endpoint life describe")
        .says("Say what an endpoint is for, in one line."),
    Row::post("/v1/projects/{project}/endpoints/{endpoint:name}/retire", "endpoint life retire")
        .says("Refuse an endpoint until it is reinstated; what it has stays."),
    Row::post("/v1/projects/{project}/endpoints/{endpoint:name}/reinstate", "endpoint life reinstate")
        .says("Put an endpoint in service again."),
    Row::delete("/v1/projects/{project}/endpoints/{endpoint:name}", "endpoint life delete")
        .says("End an endpoint for good, with its API keys and grants; its certificates are revoked."),
    Row::get("/v1/projects/{project}/endpoints/{endpoint:name}/networks", "endpoint networks show")
        .shows("networks")
        .tagged()
        .says("The networks an endpoint may come from; from anywhere without any."),
    Row::put("/v1/projects/{project}/endpoints/{endpoint:name}/networks", "endpoint networks set")
        .shows("networks")
        .says("Let an endpoint come from these networks and no others."),
    Row::post("/v1/projects/{project}/endpoints/{endpoint:name}/enable", "endpoint enable")
        .says("Let a disabled endpoint in again."),
    Row::post("/v1/projects/{project}/endpoints/{endpoint:name}/revoke", "endpoint revoke")
        .says("Refuse an endpoint for good, with all its certificates."),
    Row::post("/v1/projects/{project}/endpoints/{endpoint}/certificates", "certificate issue")
        .makes("certificate-issued")
        .says("Sign a certificate over the public key of an endpoint's signing request.")
        .refuses(CERTIFICATE)
        .large(),
    // grants
    Row::get("/v1/projects/{project}/endpoints/{endpoint}/grants", "grant list")
        .query(PAGES)
        .shows("grants")
        .says("What an endpoint may do on which object."),
    Row::post("/v1/projects/{project}/endpoints/{endpoint}/grants", "grant create")
        .says("Grant operations on an object; what was granted stays."),
    Row::delete("/v1/projects/{project}/endpoints/{endpoint}/grants", "grant revoke")
        .query(&[Query::Text("object"), Query::Words("operations")])
        .says("Take grants away; what is not granted stays so."),
    // API keys
    Row::get("/v1/projects/{project}/endpoints/{endpoint}/api-keys", "api-key list")
        .query(PAGES)
        .shows("api-keys")
        .says("API keys of an endpoint, without their text."),
    Row::post("/v1/projects/{project}/endpoints/{endpoint}/api-keys", "api-key create")
        .makes("api-key-made")
        .says("Make an API key; the answer is the only one that shows it.")
        .refuses(&[Code::BadName, Code::TooManyThings]),
    Row::get("/v1/api-keys/{id}", "api-key show")
        .shows("api-key-shown")
        .tagged()
        .says("An API key with its endpoint and its budgets, without its text."),
    Row::post("/v1/api-keys/{id}/rotate", "api-key rotate")
        .makes("api-key-rotated")
        .says("Make the API key that takes another's place; both count for a time.")
        .refuses(&[Code::TooManyThings]),
    Row::put("/v1/api-keys/{id}/expiry", "api-key expire")
        .shows("api-key")
        .says("Give an API key another end, or none."),
    Row::put("/v1/api-keys/{id}/limits", "api-key limits")
        .takes("limits")
        .shows("api-key")
        .says("Give an API key other limits, from now on."),
    Row::post("/v1/api-keys/{id}/enable", "api-key enable").says("Let a disabled API key in again."),
    Row::post("/v1/api-keys/{id}/revoke", "api-key revoke").says("Refuse an API key for good."),
    // budgets
    Row::get("/v1/projects/{project}/endpoints/{endpoint}/budget", "budget show")
        .shows("budgets")
        .tagged()
        .says("An endpoint's budgets and those of its API keys."),
    Row::put("/v1/projects/{project:of.endpoint.project}/endpoints/{endpoint:of.endpoint.name}/budget", SET)
        .shows("budgets")
        .says("Give an endpoint a budget of its own, or the policy's."),
    Row::put("/v1/api-keys/{id:of.api-key.id}/budget", SET)
        .shows("budgets")
        .says("Give an API key a budget of its own, or the policy's."),
    Row::post(
        "/v1/projects/{project:of.endpoint.project}/endpoints/{endpoint:of.endpoint.name}/budget/raise",
        RAISE,
    )
    .shows("budgets")
    .says("Raise an endpoint's budget for a time."),
    Row::post("/v1/api-keys/{id:of.api-key.id}/budget/raise", RAISE)
        .shows("budgets")
        .says("Raise an API key's budget for a time."),
    // certificates and the server's names
    Row::post("/v1/users/{user}/certificates/enrol", "certificate enrol-user")
        .makes("certificate-enrolled")
        .says("Let a certificate of an outside CA count for the user it names.")
        .refuses(&[Code::KeyTaken, Code::PasswordNotShown, Code::TokenAway, Code::TooManyApprovals])
        .large(),
    Row::post("/v1/projects/{project}/endpoints/{endpoint}/certificates/enrol", "certificate enrol")
        .makes("certificate-enrolled")
        .says("Let a certificate of an outside CA count for the endpoint it names.")
        .refuses(CERTIFICATE)
        .large(),
    Row::get("/v1/ca", "certificate roll-ca show").bare().shows("ca").says("The CA, and the one before it."),
    Row::post("/v1/ca/roll", "certificate roll-ca start")
        .signs()
        .bare()
        .shows("ca")
        .says("Let a new CA sign; both are trusted until the roll is finished.")
        .refuses(&[Code::CaRollState, Code::TokenAway]),
    Row::post("/v1/ca/finish", "certificate roll-ca finish")
        .signs()
        .shows("ca")
        .says("Trust the old CA no more.")
        .refuses(&[Code::CaInUse, Code::CaRollState, Code::TokenAway]),
    Row::post("/v1/store-keys", "store-key rotate")
        .makes("store-key")
        .says("Make the next generation of the key that seals the store; every row is sealed anew under it.")
        .refuses(&[Code::Conflict, Code::KeyExhausted, Code::RotationUnderWay, Code::TokenAway]),
    Row::get("/v1/certificates", "certificate list")
        .query(PAGES)
        .shows("certificates")
        .says("Client certificates of the appliance."),
    Row::post("/v1/certificates/{spki}/revoke", "certificate revoke")
        .shows("certificates-revoked")
        .says("Refuse a certificate, and those that were renewed from it, from now on."),
    Row::get("/v1/server-names", "server-names show")
        .bare()
        .shows("server-names")
        .tagged()
        .says("What the server's certificate calls it."),
    Row::put("/v1/server-names", "server-names set")
        .signs()
        .shows("server-names")
        .says("Give the server these names and no others.")
        .refuses(&[Code::TokenAway])
        .large(),
    // the audit trail
    Row::get("/v1/audit", "audit list")
        .query(AUDIT)
        .refuses(WALK)
        .shows("audit")
        .says("Who did what, on what, with what result; of one project, or of everything."),
    Row::get("/v1/audit/export", "audit export")
        .query(EXPORT)
        .streams()
        .says("The journal with its proofs, as a CBOR sequence that gembok audit verify reads.")
        .refuses(&[Code::TooManyInFlight]),
    Row::get("/v1/audit/exports/{id}", "audit export-show")
        .shows("export-ended")
        .says("What an export was that was handed over whole; until the next lock, or until it is kept."),
    Row::post("/v1/audit/exports/{id}/kept", "audit export-kept")
        .shows("export-kept")
        .says("Say that an export was received whole and is kept: its records may be pruned."),
    Row::get("/v1/audit/checkpoint-keys", "audit keys")
        .bare()
        .shows("checkpoint-keys")
        .says("The public keys that sign checkpoints."),
    Row::post("/v1/audit/prune", "audit prune")
        .shows("pruned")
        .says("Take out records that were exported, up to a record or a moment."),
    // reports for the data protection law; whose data it is stands in the body and in no log of addresses
    Row::get("/v1/reports/processing", "report processing")
        .refuses(WALK)
        .query(&[Query::Text("project"), Query::Text("since"), Query::Text("until"), Query::Number("from")])
        .shows("report")
        .says("Which endpoints did what on which objects in a period."),
    Row::post("/v1/reports/subject", "report subject")
        .looks()
        .shows("report")
        .refuses(WALK)
        .says("What was done with one person's data."),
    Row::get("/v1/reports/incident", "report incident")
        .refuses(WALK)
        .query(&[
            Query::Text("project"),
            Query::Text("endpoint"),
            Query::Text("api_key"),
            Query::Text("certificate"),
            Query::Text("since"),
            Query::Text("until"),
            Query::Number("from"),
        ])
        .shows("report")
        .says("What an endpoint, API key or certificate did, from where, to whom."),
    Row::get("/v1/reports/posture", "report posture")
        .bare()
        .shows("report")
        .says("How the data is protected at present."),
    Row::get("/v1/reports/erasure", "report erasure")
        .bare()
        .shows("report")
        .says("How data is made unreadable for good, and what is not offered yet."),
    // access policies, statistics, status
    Row::get("/v1/policy/explain", "policy explain")
        .query(&[
            Query::Text("who"),
            Query::Text("act"),
            Query::Text("on"),
            Query::Text("address"),
            Query::Text("time"),
        ])
        .shows("explained")
        .says("What the access policies say of an act, and why. Nothing is done."),
    Row::get("/v1/statistics/table", "statistics")
        .query(&[
            Query::Text("project"),
            Query::Text("endpoint"),
            Query::Text("object"),
            Query::Text("user"),
            Query::Text("from"),
            Query::Text("to"),
            Query::Text("resolution"),
            Query::Text("group"),
        ])
        .shows("statistics")
        .says(
            "What was asked of a project, of a user's projects, or of everything, in names and human times.",
        ),
    Row::get("/v1/status", "status").bare().shows("status").says("The whole health."),
];

const SET: &str = "budget set";
const RAISE: &str = "budget raise";
const NEW: &[Code] = &[Code::AlreadyExists, Code::BadName];
const ENDED: &[Code] = &[Code::ApprovalEnded, Code::WrongKeyState];
const WALK: &[Code] = &[Code::TrailBusy];
const INDEX_ROOT: &[Code] = &[Code::IndexRotationState, Code::TokenAway];
const DESTRUCTION: &str = "/v1/projects/{project}/objects/{object}/key-versions/{version}/destruction";
const CANCEL_DESTRUCTION: &str =
    "/v1/projects/{project}/objects/{object}/key-versions/{version}/destruction/cancel";
const KEY_STATE: &[Code] = &[Code::WrongKeyState];
const LAST: &[Code] = &[Code::LastAdmin];
const CERTIFICATE: &[Code] = &[Code::KeyTaken, Code::TokenAway];
/// The same where a user may ask for its own.
const USER_CERTIFICATE: &[Code] = &[
    Code::KeyTaken,
    Code::PasswordNotShown,
    Code::RenewalLimited,
    Code::TokenAway,
    Code::TooManyApprovals,
    Code::TooManyCertificates,
];

/// The resource that a change at `path` changes: the nearest one that has an ETag, there or above; its row and its path.
#[must_use]
pub fn changed_at(path: &str) -> Option<(&'static Row, &str)> {
    let whole = path.strip_suffix('/').unwrap_or(path);
    let ends = whole.rmatch_indices('/').map(|(end, _)| end);
    let mut above = std::iter::once(whole.len()).chain(ends).map(|end| &whole[..end]);
    above.find_map(|path| at(path).into_iter().find(|row| row.is_tagged).map(|row| (row, path)))
}

/// The rows that serve `path`, one for each method; none where there is no such path.
#[must_use]
pub fn at(path: &str) -> Vec<&'static Row> {
    ROWS.iter().filter(|row| row.members(path).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::row::Step;
    use super::*;

    #[test]
    fn no_two_rows_are_found_at_one_address() {
        let shape = |row: &Row| {
            let steps = row.steps().map(|step| match step {
                Step::Word(word) => word,
                Step::Member { .. } => "{}",
            });
            (row.method.name(), steps.collect::<Vec<_>>().join("/"))
        };
        let shapes: std::collections::BTreeSet<_> = ROWS.iter().map(shape).collect();
        assert_eq!(shapes.len(), ROWS.len());
        for row in ROWS {
            assert!(row.summary.ends_with('.'), "{}", row.path);
        }
    }

    #[test]
    fn a_resource_is_a_whole_path() {
        let served = |path: &str| at(path).iter().map(|row| row.method.name()).collect::<Vec<_>>().join(", ");
        assert_eq!(served("/v1/users"), "GET, POST");
        assert_eq!(served("/v1/users/"), "GET, POST");
        assert_eq!(served("/v1/users/siti"), "GET, DELETE");
        assert_eq!(served("/v1/projects/kantor/members/siti"), "DELETE");
        for path in
            ["/v1/", "/v1/users//", "//v1/users", "/v1//users", "/v1/users/siti/x", "/v1/projects//members"]
        {
            assert_eq!(served(path), "", "{path}");
        }
    }
}
