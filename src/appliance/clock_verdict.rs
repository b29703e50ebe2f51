//! What can be thought of the wall's clock, and what of that is written down.

use minicbor::{Decode, Encode};

use crate::domain::timestamp::Timestamp;

/// What is thought of the wall's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// It can be believed.
    Trusted,
    /// It shows a time before one that was there already.
    Behind {
        /// What it shows.
        shows: Timestamp,
        /// What was there.
        known: Timestamp,
    },
    /// It was set, by more than an hour, while we ran.
    Jumped {
        /// What it shows.
        shows: Timestamp,
        /// What it should show by the stop-watch.
        expected: Timestamp,
    },
    /// What was written down of it does not open.
    Lost {
        /// What it shows.
        shows: Timestamp,
        /// The end of the journal.
        known: Timestamp,
    },
}

impl ClockVerdict {
    /// The time that is not in doubt, where the clock is not trusted.
    #[must_use]
    pub const fn known(self) -> Option<Timestamp> {
        match self {
            Self::Trusted => None,
            Self::Behind { known, .. } | Self::Jumped { expected: known, .. } | Self::Lost { known, .. } => {
                Some(known)
            }
        }
    }

    /// What the clock shows, where it is not trusted.
    #[must_use]
    pub const fn shows(self) -> Option<Timestamp> {
        match self {
            Self::Trusted => None,
            Self::Behind { shows, .. } | Self::Jumped { shows, .. } | Self::Lost { shows, .. } => Some(shows),
        }
    }

    /// The word in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Behind { .. } => "behind",
            Self::Jumped { .. } => "jumped",
            Self::Lost { .. } => "lost",
        }
    }

    /// What is kept of it.
    pub(super) fn distrust(self) -> Option<Distrust> {
        match self {
            Self::Trusted => None,
            Self::Behind { shows, known } | Self::Lost { shows, known } => {
                Some(Distrust { has_jumped: false, shows, known })
            }
            Self::Jumped { shows, expected } => Some(Distrust { has_jumped: true, shows, known: expected }),
        }
    }
}

/// What happened, then what to do.
impl std::fmt::Display for ClockVerdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (shows, known, what) = match self {
            Self::Trusted => return out.write_str("trusted"),
            Self::Behind { shows, known } => (shows, known, "but the journal was written until"),
            Self::Jumped { shows, expected } => (shows, expected, "but by the stop-watch it should be"),
            Self::Lost { shows, known } => {
                (shows, known, "but what was known of it is damaged; the journal was written until")
            }
        };
        write!(
            out,
            "the clock shows {shows}, {what} {known}; correct it, or, if it is right, run gembok clock acknowledge"
        )
    }
}

/// What is kept of a verdict until an operator says that the clock is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Distrust {
    /// It was set while we ran; else it was behind.
    #[n(0)]
    has_jumped: bool,
    /// What it showed.
    #[n(1)]
    shows: Timestamp,
    /// What it should have shown, or was there already.
    #[n(2)]
    known: Timestamp,
}

impl From<Distrust> for ClockVerdict {
    fn from(Distrust { has_jumped, shows, known }: Distrust) -> Self {
        if has_jumped { Self::Jumped { shows, expected: known } } else { Self::Behind { shows, known } }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::cbor;

    use super::*;

    #[test]
    fn what_is_kept_of_a_verdict_leads_back_to_it() {
        let (shows, known) = (Timestamp::from_seconds(7), Timestamp::from_seconds(9));
        for verdict in
            [ClockVerdict::Behind { shows, known }, ClockVerdict::Jumped { shows, expected: known }]
        {
            let kept = cbor::encode(&verdict.distrust().unwrap());
            assert_eq!(ClockVerdict::from(cbor::decode::<Distrust>(&kept).unwrap()), verdict);
        }
        assert_eq!(ClockVerdict::Trusted.distrust(), None);
    }
}
