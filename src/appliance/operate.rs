//! The operations on data as types, so that leave to do one is no leave to do another.

use std::sync::Arc;

use crate::domain::budget::Counted;
use crate::domain::operation::Operation;

use super::known_key::KnownKey;
use super::spending::Taken;

/// An operation as a type: [`Admitted<Encrypt>`] cannot be spent on a decrypt.
pub trait Operate {
    /// Which.
    const OPERATION: Operation;
    /// Which budgets it spends from, if any.
    const COUNTED: Option<Counted>;
    /// What leave for it holds besides: mostly nothing.
    type Holds: Send;

    /// Fields of its budgets that are taken before anything is done, for a request of so many `items`.
    #[must_use]
    fn fields(items: usize) -> usize {
        items
    }

    /// What its leave holds of the fields that were taken.
    fn hold(known: &Arc<KnownKey>, taken: Option<Taken>) -> Self::Holds;
}

/// Leave to encrypt.
pub enum Encrypt {}

/// Leave to decrypt.
pub enum Decrypt {}

/// Leave to be told index values.
pub enum Index {}

impl Operate for Encrypt {
    const OPERATION: Operation = Operation::Encrypt;
    const COUNTED: Option<Counted> = None;
    type Holds = ();

    fn hold(_: &Arc<KnownKey>, _: Option<Taken>) {}
}

impl Operate for Decrypt {
    const OPERATION: Operation = Operation::Decrypt;
    const COUNTED: Option<Counted> = Some(Counted::Decrypted);
    type Holds = ();

    fn hold(_: &Arc<KnownKey>, _: Option<Taken>) {}
}

impl Operate for Index {
    const OPERATION: Operation = Operation::Index;
    const COUNTED: Option<Counted> = Some(Counted::Indexed);
    type Holds = ();

    fn hold(_: &Arc<KnownKey>, _: Option<Taken>) {}
}
