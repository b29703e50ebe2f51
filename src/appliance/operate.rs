//! The operations on data as types, so that leave to do one is no leave to do another.

use crate::domain::operation::Operation;

/// An operation as a type: [`Admitted<Encrypt>`] cannot be spent on a decrypt.
pub trait Operate {
    /// Which.
    const OPERATION: Operation;
}

/// Leave to encrypt.
pub enum Encrypt {}

/// Leave to decrypt.
pub enum Decrypt {}

/// Leave to be told index values.
pub enum Index {}

impl Operate for Encrypt {
    const OPERATION: Operation = Operation::Encrypt;
}

impl Operate for Decrypt {
    const OPERATION: Operation = Operation::Decrypt;
}

impl Operate for Index {
    const OPERATION: Operation = Operation::Index;
}
