//! What we say no with. A code is stable for ever: clients match on it, records and statistics carry its number, and
//! `/problems/<code>` explains it. Which HTTP status goes with it is the edge's affair.

use std::borrow::Cow;
use std::time::Duration;

macro_rules! codes {
    ($($number:literal $name:ident $code:literal, $title:literal, $hint:literal;)+) => {
        /// Why a request, or one item of it, was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Code {
            $(#[doc = $title] $name = $number,)+
        }

        impl Code {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What happened, in one sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)+ }
            }
        }
    };
}

codes! {
    // The shape of the request.
    10 MalformedJson "malformed-json", "The body is not the JSON asked for.",
        "Send one JSON object with the members the documentation of this route names.";
    11 UnknownMember "unknown-member", "The body has a member this route does not know.",
        "Remove it or correct its spelling: unknown members are refused so that a typing error cannot weaken protection.";
    12 MissingMember "missing-member", "The body lacks a member this route needs.", "Add the member.";
    13 RepeatedMember "repeated-member", "The body has one member twice.", "Send each member once.";
    14 BadBase64 "bad-base64", "The value is not standard base64 with padding.",
        "Encode the bytes as standard base64 (RFC 4648 section 4) with padding.";
    15 BadContext "bad-context", "The context has an empty or repeated name, or is too long.",
        "Give each name once, none empty, 4,096 bytes in all.";
    16 ContextRequired "context-required", "The object requires context names that this request does not give.",
        "Send the context with the names the object requires, through the v1 interface.";
    17 UnknownAction "unknown-action", "The action is neither enkrip nor dekrip.", "Send aksi enkrip or dekrip.";
    18 BadName "bad-name", "The text is no name.",
        "Use 1 to 64 of A-Z a-z 0-9 . _ - beginning with a letter or digit.";
    20 BodyTooLarge "body-too-large", "The body is larger than this route takes.",
        "Send fewer or smaller fields in one request; GET /v1/info tells the limits.";
    21 FieldTooLarge "field-too-large", "The field is larger than a field may be.",
        "Split the value; GET /v1/info tells the limits.";
    22 TooManyItems "too-many-items", "The batch has more items than a batch may have, or none.",
        "Send between one item and the limit that GET /v1/info tells.";
    23 BatchOverBurst "batch-over-burst", "The batch has more fields than the API key may ever send at once.",
        "Send smaller batches: the fields burst of the API key is named in the detail.";
    24 BodyTooSlow "body-too-slow", "The body did not arrive in time.", "Send the body at once, behind its head.";
    25 ClientGone "client-gone", "The client went away before it was answered.", "Wait for the answer.";
    26 BatchOverBudget "batch-over-budget", "The batch has more fields than its budget for 24 hours.",
        "Send smaller batches, or ask the operator for a larger budget: the one that was met is named in the detail.";

    // Who asks.
    30 CertificateMissing "certificate-missing", "No client certificate was shown.",
        "Configure the client certificate and key that were issued to you.";
    31 CertificateNotEnrolled "certificate-not-enrolled", "The client certificate is not enrolled here.",
        "Use the certificate issued to this endpoint, or ask for a new one.";
    32 CertificateNotValid "certificate-not-valid", "The client certificate is not valid at this time.",
        "Renew the certificate, or correct the clocks.";
    33 CertificateRevoked "certificate-revoked", "The client certificate is revoked.", "Ask for a new certificate.";
    34 ApiKeyMissing "api-key-missing", "The request has no API key.",
        "Send it as Authorization: Bearer gbk_..., or as the member api-key in the published contract.";
    35 ApiKeyMistyped "api-key-mistyped", "The API key has a typing error: its check characters do not fit.",
        "Copy the API key again, whole.";
    36 ApiKeyUnknown "api-key-unknown", "The API key is not known here.", "Use the API key issued to this endpoint.";
    37 ApiKeyRevoked "api-key-revoked", "The API key is revoked.", "Ask for a new API key.";
    38 ApiKeyExpired "api-key-expired", "The API key has expired.", "Ask for a new API key.";
    39 ApiKeyOfAnother "api-key-of-another-endpoint", "The API key belongs to another endpoint than the certificate.",
        "Use the certificate and the API key of one and the same endpoint.";
    40 EndpointUnknown "endpoint-unknown", "There is no such endpoint for this certificate.",
        "Use the endpoint name the certificate was issued for.";
    41 EndpointRevoked "endpoint-revoked", "The endpoint is revoked.", "Ask the owner of the project.";
    42 Forbidden "forbidden", "This identity may not do that.", "Sign in as somebody whose role allows it.";
    43 ApiKeyDisabled "api-key-disabled", "The API key was disabled when the appliance was restored.",
        "Ask the operator to enable it again.";
    44 EndpointDisabled "endpoint-disabled", "The endpoint was disabled when the appliance was restored.",
        "Ask the operator to enable it again.";
    45 PolicyDenied "denied-by-policy", "The access policies do not allow this here and now.",
        "Ask the operator, whom gembok policy explain tells which rule it is.";

    // What is asked.
    50 ObjectUnknown "object-unknown", "The project has no such object.", "Check the object's spelling.";
    51 NotGranted "not-granted", "The endpoint has no grant for this operation on this object.",
        "Ask the owner of the project to grant it.";
    52 CannotOpen "cannot-open", "The ciphertext does not open.",
        "Send the ciphertext unaltered, with the object and the context it was encrypted with.";
    53 KeyDisabled "key-disabled", "The key version this was encrypted under is disabled.",
        "Ask the owner of the project to enable it, or to cancel its destruction.";
    54 KeyDestroyed "key-destroyed", "The key version this was encrypted under is destroyed.",
        "Nothing can open this ciphertext any more.";
    55 KeyNotSealing "key-not-sealing", "The object's current key version does not encrypt.",
        "Ask the owner of the project to rotate the object's key, or wait until its key is in the escrow log.";
    56 KeyExhausted "key-exhausted", "The object's current key version has reached its limit of uses.",
        "Ask the owner of the project to rotate the object's key.";
    57 NotFound "not-found", "There is nothing by that name.", "Check the name.";
    58 AlreadyExists "already-exists", "There is already something by that name.", "Choose another name.";
    133 KeyTaken "key-taken", "The public key is or was enrolled here.",
        "Make a new key and a signing request over it.";
    59 Conflict "conflict", "Somebody else changed this at the same time.", "Look again, then repeat the request.";
    60 NoSuchRoute "no-such-route", "There is no such address here.", "Check the address and the listener's port.";
    61 MethodNotAllowed "method-not-allowed", "This address does not take that method.",
        "Use the method the documentation names.";
    62 BadRequest "bad-request", "The request is not one this route understands.",
        "Correct what the detail names.";
    63 LastAdmin "last-admin", "This is the last admin who may come in.", "Make or enable another admin first.";

    // How much.
    70 RequestsLimited "requests-limited", "The API key's requests per second are used up.",
        "Wait as long as Retry-After says; send fields in batches.";
    71 FieldsLimited "fields-limited", "The API key's fields per second are used up.", "Wait as long as Retry-After says.";
    72 TooManyInFlight "too-many-in-flight", "This certificate has too many requests under way.",
        "Wait for answers before sending more.";
    73 BudgetExhausted "budget-exhausted", "The budget of fields for 24 hours is used up.",
        "Wait as long as Retry-After says, or ask the operator to raise the budget that the detail names.";
    74 AuthenticationLimited "authentication-limited", "Authentication has failed too often.",
        "Wait as long as Retry-After says; then show what is right: certificate and API key, or password and code.";

    78 RenewalLimited "renewal-limited", "A certificate was renewed only just now.",
        "Use the certificate of the last renewal, or wait as long as Retry-After says.";
    79 TooManyCertificates "too-many-certificates", "Too many certificates count that were renewed one from the other.",
        "Ask the operator to revoke those that are not used, or to issue a certificate.";

    // What state we are in.
    80 Locked "locked", "The appliance is locked.", "Try again later; an operator must unlock it.";
    81 TokenAway "token-away", "The key needed is not in memory and the token does not answer.", "Try again later.";
    82 JournalFull "journal-full", "The journal takes no more records at the moment.", "Try again shortly.";
    83 WrongState "wrong-state", "The appliance is in a state that does not allow this.",
        "Do what the detail names; gembok status tells the state.";
    // Two persons.
    84 ApprovalEnded "approval-ended", "The request does not wait for a second person any more.",
        "Look what became of it in the list of approvals; ask again if it is still wanted.";
    85 NotASecondPerson "not-a-second-person", "Whoever asks cannot be the second person for this.",
        "Ask somebody else: the detail names what a second person must be.";
    86 TooManyApprovals "too-many-approvals", "Too many requests wait for a second person already.",
        "Have those decided or withdrawn that wait.";
    // Passwords and sessions.
    87 SignInFailed "sign-in-failed", "Nobody signs in with that.",
        "Check name, password and, where the account has a second factor, its code; a code counts once.";
    88 SessionEnded "session-ended", "The session has ended, or never was.", "Sign in again.";
    89 SignInsBusy "sign-ins-busy", "Too many sign-ins are under way.", "Try again shortly.";
    90 Fault "fault", "The appliance has a fault of its own.", "Tell the operator the time of the request; the log has more.";
    91 TooManySessions "too-many-sessions", "There are as many sessions as there may be.",
        "End sessions that nobody uses, or come in with a certificate.";
    92 WeakPassword "weak-password", "The password is too easy to guess.", "Choose a longer one that nobody else has.";
    93 LinkEnded "link-ended", "The one-time link was used or replaced, or its time is over.",
        "Ask an admin for another one.";
    132 PasswordNotShown "password-not-shown", "A session by itself gets no certificate.",
        "Ask POST /v1/certificate, with the password as current and a code of the second factor as totp; or sign in by certificate.";
    94 AdminIsThere "admin-is-there", "There is an admin who can sign in.",
        "Ask that admin; who is lost refuses nothing, and a day after the approval the recovery goes on.";

    // Whose data it is.
    110 SubjectFrozen "subject-frozen", "The subject is frozen: nothing of it is decrypted.",
        "Ask the owner of the project, who froze it and can end that.";
    // How things live and end.
    120 EndpointRetired "endpoint-retired", "The endpoint is retired.", "Ask the owner of the project to reinstate it.";
    121 ProjectRetired "project-retired", "The project is retired.", "Ask an owner of the project to reinstate it.";
    122 ObjectRetired "object-retired", "The object is retired: it decrypts and encrypts no more.",
        "Encrypt for another object, or ask the owner of the project to reinstate it.";
    123 NotEmpty "not-empty", "There is still something in it.", "Delete what the detail names first.";
    124 ObjectInUse "object-in-use", "Something may have been encrypted for the object.",
        "Leave it retired: to delete it would lose that data, or destroy its key versions first.";
    125 NotRetired "not-retired", "It has to be retired first, and for a minute at least.",
        "Retire it, wait as long as the detail says, and delete it then.";
    126 NetworkDenied "network-not-allowed", "The endpoint may not come from this address.",
        "Send from one of the endpoint's networks, or ask the owner of the project to add this one.";
    // The life of key versions.
    135 WrongKeyState "wrong-key-state", "The key version is in a state that does not allow this.",
        "Do what the detail names; gembok key show tells the state and what to do next.";
    136 KeyWindowOver "key-window-over", "The time to decrypt with the key version this was encrypted under is over.",
        "Ask the owner of the project, who can give the key version a later decrypt_until.";
    // How much there may be.
    137 TrailBusy "trail-busy", "The journal is being read by as many as may at a time.",
        "Try again shortly: a look ends by itself, and each person has one at a time.";
    138 TooManyThings "too-many-things", "There are as many of these as there may be.",
        "Delete or revoke what is not wanted any more; the detail names the limit that was met.";
    // Requests that depend on others.
    100 ChangedMeanwhile "changed-meanwhile", "Somebody changed this since it was read.",
        "Read it again, look at what changed, and repeat the change with the new ETag if it still is what you want.";
    101 IdempotencyKeyReused "idempotency-key-reused", "This Idempotency-Key came with another request before.",
        "Draw a new key for each thing that is to be made.";
    102 ShownOnce "shown-once", "This request was carried out before, and what it showed is shown once.",
        "Look at what was made; where its text is lost, revoke it and make another under a new Idempotency-Key.";
    103 TooManyIdempotencyKeys "too-many-idempotency-keys", "Too many requests with an Idempotency-Key in 24 hours.",
        "Send further ones without, and look what was made before sending one again.";
    127 CaInUse "ca-in-use", "Certificates of the old CA count still.",
        "Let endpoints and users renew them, each its own, and revoke those in whose place another was issued; roll-ca finish --force revokes what is left: appoint an officer first, who confirms users that you then issue certificates to.";
    128 CaRollState "ca-roll-state", "That step is none of the roll of the CA as it is.",
        "Do what the detail names; gembok certificate roll-ca show tells how it is.";
    130 TooManyProjects "too-many-projects", "The user has made as many projects as a user may.",
        "Delete projects that are empty and not wanted any more, or ask another user to make it.";
    131 IndexGivenUp "index-given-up", "Index values that were stored would match nothing any more.",
        "Set the schema with new_index (gembok object schema set --new-index) if that is meant; then index anew what is stored.";
    155 KeyCompromised "key-compromised", "The key version this was encrypted under is compromised.",
        "Look first into what may have been read or forged under it; then send the item again with force: true, which is recorded.";
    160 RotationUnderWay "rotation-under-way", "A rotation of that key is under way already.",
        "Wait until it has ended: gembok status tells how far it is.";
    161 NotInEscrow "not-in-escrow", "A new key waits until it is in the escrow log.",
        "See that the log's disk is there and has room: gembok status tells what is in the way. It goes on by itself.";
    104 UseTheControlPlane "use-the-control-plane", "The local socket does this on a sandbox alone.",
        "Ask as a named user over the control plane: with --profile, or --control and what goes with it.";
    // Blind indexes.
    145 FieldNotDeclared "field-not-declared", "The object declares no such field.",
        "Check the field's spelling, or ask the owner of the project to declare it in the object's schema.";
    146 FieldNotIndexed "field-not-indexed", "The field is not indexed.",
        "Search by another field, or ask the owner of the project to declare an index of it.";
    147 ValueUnfit "value-unfit", "The value is not written as its field declares.",
        "Correct the value: the detail names the rule that it breaks.";
    148 IndexRotationState "index-rotation-state", "That step is none of the rotation of the index root as it is.",
        "Do what the detail names; gembok object show tells which versions there are.";
}

impl Code {
    /// The number in records.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// Whether it says something of who was refused, and not only of a request's form, its number, or our state: the audit
    /// trail has those acts. Who shows no certificate at all is nobody's person.
    #[must_use]
    pub const fn is_of_conduct(self) -> bool {
        matches!(self.number(), 31..=58 | 63 | 74 | 85 | 87 | 93 | 94 | 100..=136 | 138..=146 | 148..)
    }

    /// How long to wait where waiting helps and nothing better is known.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::TooManyInFlight | Self::TrailBusy | Self::JournalFull | Self::SignInsBusy => {
                Some(Duration::from_secs(1))
            }
            Self::TokenAway => Some(Duration::from_secs(5)),
            Self::Locked => Some(Duration::from_secs(30)),
            _ => None,
        }
    }

    /// The code of a number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

/// A no, with what the caller needs to do better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable.
    pub code: Code,
    /// What just this request did wrong; never a value of the request.
    pub detail: Option<Cow<'static, str>>,
    /// When it is worth trying again.
    pub retry_after: Option<Duration>,
    /// The limit that was met, for the `RateLimit` fields.
    pub limit: Option<Box<LimitMet>>,
}

/// A limit that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitMet {
    /// Such as `requests` or `fields`.
    pub name: &'static str,
    /// How much it allows when nothing is used.
    pub quota: u64,
    /// What is counted, where its name does not say.
    pub unit: Option<&'static str>,
    /// Seconds in which what was used comes back, where time brings it back.
    pub window_s: Option<u64>,
    /// How much is left, less than was asked for; not said where even all of it would be less.
    pub left: Option<u64>,
}

impl Refusal {
    /// A refusal that the code explains in full.
    #[must_use]
    pub const fn new(code: Code) -> Self {
        Self { code, detail: None, retry_after: code.retry_after(), limit: None }
    }

    /// The same with what just this request did wrong.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with when to try again.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = self.detail.as_deref().unwrap_or(self.code.title());
        let stop = if what.ends_with('.') { "" } else { "." };
        write!(out, "{what}{stop} {} ({})", self.code.hint(), self.code.as_str())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_lead_back() {
        let texts: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(*code));
            assert!(
                code.as_str()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            assert!(code.title().ends_with('.') && code.hint().ends_with('.'), "{code:?}");
        }
    }
}
