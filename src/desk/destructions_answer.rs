//! What `status` and health answer of destructions that wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::appliance::{DestructionAhead, DestructionsHealth};
use crate::domain::key_place::KeyPlace;

/// Key versions whose destruction is scheduled.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestructionsStatus {
    /// How many are known.
    pub count: usize,
    /// Whether there are no more: `false` until all key versions were looked at after an unlock, and from 10,000 on.
    pub whole: bool,
    /// Key versions whose rows do not open: whether they wait nobody knows, and none of them is destroyed. `key verify` names them.
    #[serde(default)]
    pub damaged: usize,
    /// Why none is carried out at present, also when it is due: `clock-not-trusted`, or `clock-was-ahead` in the hour after an
    /// unlock that found it so. `gembok clock acknowledge` ends either, once the clock is right.
    pub held: Option<String>,
    /// Those that come first, 10 at most.
    pub next: Vec<DestructionLine>,
}

/// One of them. It can be taken back until then.
#[derive(JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestructionLine {
    /// Its key's id, hex.
    pub key_id: String,
    /// Which version of it.
    pub version: u32,
    /// `project/object`; none where that cannot be read.
    pub object: Option<String>,
    /// When the key goes.
    pub at: String,
}

impl From<DestructionsHealth> for DestructionsStatus {
    fn from(health: DestructionsHealth) -> Self {
        let DestructionsHealth { count, is_whole, damaged, held, next } = health;
        let held = held.map(|held| held.as_str().to_owned());
        Self {
            count,
            whole: is_whole,
            damaged,
            held,
            next: next.into_iter().map(DestructionLine::from).collect(),
        }
    }
}

impl From<DestructionAhead> for DestructionLine {
    fn from(ahead: DestructionAhead) -> Self {
        let DestructionAhead { place: KeyPlace { key_id, version }, object, at } = ahead;
        Self { key_id: format!("{key_id:08x}"), version, object, at: at.to_string() }
    }
}
