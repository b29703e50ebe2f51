//! Who may be the second person, by the shipped policies: a table written by hand.

use crate::domain::approval;
use crate::domain::id::{ApprovalId, ProjectId, UserId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::Role;

use super::{AccessRules, Act, Asked, Circumstances, On, Person, Question, Tenant, Who};

const POLICIES: &str = include_str!("../../../policies/access.cedar");
const SCHEMA: &str = include_str!("../../../policies/access.cedarschema");

const KANTOR: ProjectId = ProjectId::from_bytes([1; 16]);
const CABANG: ProjectId = ProjectId::from_bytes([2; 16]);

fn id(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

fn person(number: u8, role: Role, projects: &[ProjectId]) -> Person {
    Person { id: id(number), name: "n".into(), role, projects: projects.to_vec(), is_unconfirmed: false }
}

/// Asked by user 1, about user 2.
pub(super) fn asked(kind: approval::Kind, projects: &[ProjectId], is_orphan: bool) -> Asked {
    let (subject, requester) = (id(2), Some(id(1)));
    Asked {
        id: ApprovalId::from_bytes([9; 16]),
        kind,
        subject,
        requester,
        projects: projects.to_vec(),
        is_orphan,
    }
}

/// The rules that decided, where it is denied.
fn denied(who: &Person, act: Act, on: &On) -> Option<String> {
    let rules = AccessRules::parse(POLICIES, SCHEMA).unwrap_or_else(|_| panic!("the shipped policies"));
    let circumstances = Circumstances::new(None, Timestamp::from_seconds(0), time::UtcOffset::UTC);
    let who = Who::User(who.clone());
    let question = Question { who: &who, act, on, circumstances };
    rules.check(&question).unwrap_or_else(|error| panic!("{act}: {error}"));
    let decision = rules.decide(&question);
    assert!(decision.broken.is_empty(), "{decision}");
    let names: Vec<String> = decision.rules.into_iter().map(|rule| rule.id).collect();
    (!decision.is_allowed).then(|| names.join(" "))
}

#[test]
fn the_second_person_is_one_who_answers_for_it() {
    use approval::Kind::{Confirmation, Destruction, Member, Recovery};
    let member = person(3, Role::User, &[KANTOR]);
    let stranger = person(4, Role::User, &[CABANG]);
    let (admin, officer) = (person(5, Role::Admin, &[KANTOR]), person(6, Role::Officer, &[]));
    let none = Some("");
    for (asked, expected) in [
        (asked(Member, &[KANTOR], false), [None, none, none, none]),
        (asked(Member, &[KANTOR], true), [None, none, none, None]),
        (asked(Confirmation, &[KANTOR], false), [None, none, none, None]),
        (asked(Confirmation, &[], false), [none, none, none, None]),
        (asked(Destruction, &[KANTOR], false), [None, none, none, None]),
        (asked(Recovery, &[], false), [none, none, none, None]),
    ] {
        let on = On::Approval(asked.clone());
        for act in [Act::ApprovalGive, Act::ApprovalRefuse] {
            // An admin who is not lost stops a recovery, and never approves one.
            let stops = act == Act::ApprovalRefuse && asked.kind == Recovery;
            let expected = if stops { [none, none, None, None] } else { expected };
            let found = [&member, &stranger, &admin, &officer].map(|who| denied(who, act, &on));
            assert_eq!(found.each_ref().map(Option::as_deref), expected, "{act} {asked:?}");
        }
    }
}

#[test]
fn nobody_is_the_first_and_the_second() {
    let on = On::Approval(asked(approval::Kind::Confirmation, &[KANTOR], false));
    let by = |who: &Person, act| denied(who, act, &on);
    for role in [Role::User, Role::Officer] {
        let (requester, subject) = (person(1, role, &[KANTOR]), person(2, role, &[KANTOR]));
        assert_eq!(by(&requester, Act::ApprovalGive).as_deref(), Some("own-request"));
        assert_eq!(by(&subject, Act::ApprovalGive).as_deref(), Some("own-account"));
        assert_eq!(by(&requester, Act::ApprovalWithdraw), None);
        assert_eq!(by(&subject, Act::ApprovalWithdraw).as_deref(), Some(""));
        let unconfirmed = Person { is_unconfirmed: true, ..person(3, role, &[KANTOR]) };
        assert_eq!(by(&unconfirmed, Act::ApprovalGive).as_deref(), Some("unconfirmed-waits"));
        assert_eq!(by(&unconfirmed, Act::ApprovalRefuse).as_deref(), Some("unconfirmed-waits"));
    }
    // Whoever has no part in it does not know of it.
    assert_eq!(by(&person(1, Role::User, &[]), Act::ApprovalShow), None);
    assert_eq!(by(&person(2, Role::User, &[]), Act::ApprovalShow), None);
    assert_eq!(by(&person(3, Role::User, &[CABANG]), Act::ApprovalShow).as_deref(), Some(""));
}

#[test]
fn an_unconfirmed_member_opens_no_way() {
    let on = On::Project(Tenant { id: KANTOR, name: "kantor".into() });
    let member = person(3, Role::User, &[KANTOR]);
    let unconfirmed = Person { is_unconfirmed: true, ..member.clone() };
    for act in
        [Act::EndpointCreate, Act::MemberAdd, Act::MemberRemove, Act::ObjectCreate, Act::SubjectUnfreeze]
    {
        assert_eq!(denied(&member, act, &on), None);
        assert_eq!(denied(&unconfirmed, act, &on).as_deref(), Some("unconfirmed-waits"));
    }
    // It still sees its own, and may keep a person's data from being opened.
    for act in [Act::ProjectShow, Act::SubjectFreeze] {
        assert_eq!(denied(&unconfirmed, act, &on), None);
    }
}
