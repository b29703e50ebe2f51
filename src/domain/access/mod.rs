//! Who may do what: access policies, and the question that is put to them. Pure: nothing here looks anything up.
//!
//! ```text
//! who           user (with role and memberships), endpoint, operator     ─┐
//! act           one of the closed list in `act`                           ├─> AccessRules::decide ─> Decision
//! on            appliance, project, object, endpoint, user, role …        │     yes or no, and the rules that decided
//! circumstances address and minute                                       ─┘
//! ```
//!
//! The policies are Cedar. What no rule permits is denied, one rule that forbids outweighs all that permit, and a rule that
//! cannot be evaluated denies.

mod act;
mod decision;
mod entities;
#[cfg(test)]
mod expected;
mod flaw;
mod question;
mod reads;
mod rules;
#[cfg(test)]
mod second_person;
#[cfg(test)]
mod table;

pub use act::{Act, Kind};
pub use decision::{Decision, Rule};
pub use flaw::{Flaw, Source};
pub use question::{Asked, Circumstances, On, Person, Question, Tenant, Thing, Who};
pub use reads::{Circumstantial, Reads};
pub use rules::AccessRules;
