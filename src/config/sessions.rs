//! `[sessions]`: how long people who signed in by password stay signed in, and how many they may be.

use std::time::Duration;

use serde::Deserialize;

use super::bounds::{count, seconds};
use crate::domain::session::SessionLimits;

/// `[sessions]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// `idle_s`: a session that is not used for so long ends. 60 to 86,400, default 900.
    #[serde(rename = "idle_s", deserialize_with = "seconds::<_, 60, 86_400>")]
    pub idle: Duration,
    /// `max_s`: and in any case after so long. 60 to 604,800, default 36,000: ten hours.
    #[serde(rename = "max_s", deserialize_with = "seconds::<_, 60, 604_800>")]
    pub age: Duration,
    /// `per_user_max`: sessions of one user; the one that was idle longest makes room. 1 to 64, default 8.
    #[serde(deserialize_with = "count::<_, _, 1, 64>")]
    pub per_user_max: u32,
    /// `max`: sessions of all users. 1 to 4,096, default 1,024.
    #[serde(rename = "max", deserialize_with = "count::<_, _, 1, 4_096>")]
    pub sessions_max: u32,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(900),
            age: Duration::from_secs(36_000),
            per_user_max: 8,
            sessions_max: 1_024,
        }
    }
}

impl Sessions {
    /// As the appliance takes them.
    #[must_use]
    pub fn limits(&self) -> SessionLimits {
        let large = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        SessionLimits {
            idle_max: self.idle,
            age_max: self.age,
            per_user_max: large(self.per_user_max),
            sessions_max: large(self.sessions_max),
        }
    }

    /// What is wrong between them, with its key and what to do.
    pub(super) fn relate(&self) -> Option<(&'static str, String, &'static str)> {
        if self.age < self.idle {
            let what = format!("{:?}, shorter than idle_s ({:?})", self.age, self.idle);
            return Some((
                "sessions.max_s",
                what,
                "no session could be idle so long; raise max_s or lower idle_s",
            ));
        }
        None
    }
}
