//! What a key version's row keeps of its moves: the last ones, and those that tell what it went through, which nobody washes out
//! by others.

use super::key_move::{Because, KeyMove, MOVES_KEPT_MAX, Move};
use super::key_version::KeyVersion;

impl KeyVersion {
    /// The same with a move written down.
    #[must_use]
    pub(super) fn moved(mut self, what: KeyMove, because: Because) -> Self {
        let Because { who, when, why } = because;
        let moves = self.moves.get_or_insert_default();
        while moves.len() >= MOVES_KEPT_MAX {
            // Made, compromised and destroyed it is once each; so what is left where nothing else can go is an old schedule.
            let goes = moves.iter().position(|old| !old.what.is_kept());
            let goes = goes.or_else(|| moves.iter().position(|old| old.what == KeyMove::Schedule));
            moves.remove(goes.unwrap_or(0));
        }
        moves.push(Move { what, to: self.life.state(), when, who, why, set: None, asked_by: None });
        self
    }

    /// The same with what belongs to its last move.
    pub(super) fn last_move(mut self, write: impl FnOnce(&mut Move)) -> Self {
        if let Some(last) = self.moves.as_mut().and_then(|moves| moves.last_mut()) {
            write(last);
        }
        self
    }

    /// The same with who asked for its last move, which somebody else said yes to.
    #[must_use]
    pub fn asked_by(self, who: &str) -> Self {
        self.last_move(|last| last.asked_by = Some(who.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key_life::KeyState;
    use crate::domain::key_moves::tests::{at, because, version};
    use crate::domain::timestamp::Timestamp;

    #[test]
    fn the_row_keeps_the_last_moves_and_what_a_key_went_through() {
        let flip = |it: KeyVersion, from: u64| {
            (from..from + 20).fold(it, |it, round| {
                let disabled = it.disable(because(round)).unwrap().unwrap();
                disabled.enable(because(round)).unwrap().unwrap()
            })
        };
        let it = flip(version(KeyState::DecryptOnly), 10);
        let moves = it.moves.clone().unwrap();
        assert_eq!(moves.len(), MOVES_KEPT_MAX);
        assert_eq!((moves[0].when, moves[0].what), (at(1), KeyMove::Make));
        assert_eq!(
            (moves[1].when, moves[15].what, moves[15].to),
            (at(22), KeyMove::Enable, KeyState::DecryptOnly)
        );
        let doomed =
            it.compromise(because(40)).unwrap().unwrap().schedule(at(900), true, because(41)).unwrap();
        let it = flip(doomed.asked_by("user:siti").cancel(because(42)).unwrap(), 50);
        let kept: Vec<_> = it.moves.iter().flatten().filter(|one| one.what.is_kept()).collect();
        assert_eq!(
            kept.iter().map(|one| one.what).collect::<Vec<_>>(),
            [KeyMove::Make, KeyMove::Compromise, KeyMove::Schedule]
        );
        assert_eq!(kept[2].asked_by.as_deref(), Some("user:siti"));
        // However often its end is asked for, the row does not grow, and the last move is in it.
        let mut it = it;
        for round in 100..120 {
            it = it.schedule(at(900), true, because(round)).unwrap();
            assert_eq!(it.moves.as_ref().unwrap().last().unwrap().what, KeyMove::Schedule);
            it = it.cancel(because(round)).unwrap();
            assert_eq!(it.moves.as_ref().unwrap().last().unwrap().what, KeyMove::Cancel);
        }
        let moves = it.moves.unwrap();
        assert_eq!((moves.len(), moves[0].what, moves[1].what), (16, KeyMove::Make, KeyMove::Compromise));
    }

    #[test]
    fn a_move_of_before_is_read_and_one_without_more_is_written_as_before() {
        #[derive(minicbor::Encode)]
        #[cbor(map)]
        struct Before {
            #[n(0)]
            what: KeyMove,
            #[n(1)]
            to: KeyState,
            #[n(2)]
            when: Timestamp,
            #[n(3)]
            who: String,
        }
        let (what, to, when, who) = (KeyMove::Disable, KeyState::Disabled, at(7), "local:0".to_owned());
        let before = crate::domain::cbor::encode(&Before { what, to, when, who: who.clone() });
        let read: Move = crate::domain::cbor::decode(&before).unwrap();
        assert_eq!(read, Move { what, to, when, who, why: None, set: None, asked_by: None });
        assert_eq!(crate::domain::cbor::encode(&read), before);
    }
}
