//! What is measured: the scenarios of a run, in order, and how long each takes.
//!
//! The scenario the targets speak of (one field, 64 kept-alive connections) comes first, so that
//! its resident memory is not that of a heavier one before it, and gets the most rounds.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

/// Load that runs before each measured window, on the same connections.
pub const WARM_UP: Duration = Duration::from_millis(400);

/// Fields in a batch request.
pub const BATCH_FIELDS: usize = 100;

/// Connections of the scenarios whose figures stand in the summary.
pub const ONE_FIELD_CONNECTIONS: usize = 64;
pub const BATCH_CONNECTIONS: usize = 16;

/// How a client comes by the connection it sends a request on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Session {
    /// One handshake before the window, then requests one after the other.
    KeptAlive,
    /// A new connection and a full mutual handshake for each request.
    FullHandshake,
    /// A new connection for each request, resumed with a ticket of the one before.
    ResumedHandshake,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scenario {
    pub session: Session,
    pub connections: usize,
    pub fields: usize,
    #[serde(skip)]
    pub rounds: usize,
    #[serde(skip)]
    pub window: Duration,
}

/// How much of the matrix to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// Every connection count, about twelve minutes.
    Full,
    /// The figures of the summary and one of each other kind, about two minutes.
    Quick,
    /// The one scenario the first targets speak of, about half a minute: to see what a change did.
    Headline,
    /// One field at 256 connections, as long.
    Wide,
}

/// Connections at which strict and batched journals are compared.
pub const WIDE_CONNECTIONS: usize = 256;

impl Plan {
    pub fn scenarios(self) -> Vec<Scenario> {
        use Session::{FullHandshake, KeptAlive, ResumedHandshake};
        let (headline_rounds, rounds, headline_seconds, seconds) = match self {
            Plan::Full => (11, 5, 5, 3),
            Plan::Quick | Plan::Headline | Plan::Wide => (7, 3, 2, 1),
        };
        let mut scenarios = vec![Scenario {
            session: KeptAlive,
            connections: if self == Plan::Wide { WIDE_CONNECTIONS } else { ONE_FIELD_CONNECTIONS },
            fields: 1,
            rounds: headline_rounds,
            window: Duration::from_secs(headline_seconds),
        }];
        let rest: &[(Session, usize, &[usize])] = match self {
            Plan::Full => &[
                (KeptAlive, BATCH_FIELDS, &[16, 1, 64, 256]),
                (KeptAlive, 1, &[1, 16, 256]),
                (FullHandshake, 1, &[1, 16, 64, 256]),
                (ResumedHandshake, 1, &[1, 16, 64, 256]),
            ],
            Plan::Quick => &[
                (KeptAlive, BATCH_FIELDS, &[16]),
                (KeptAlive, 1, &[1, 16, 256]),
                (FullHandshake, 1, &[16]),
                (ResumedHandshake, 1, &[16]),
            ],
            Plan::Headline | Plan::Wide => &[],
        };
        for &(session, fields, connections) in rest {
            scenarios.extend(connections.iter().map(|&connections| Scenario {
                session,
                connections,
                fields,
                rounds,
                window: Duration::from_secs(seconds),
            }));
        }
        scenarios
    }
}
