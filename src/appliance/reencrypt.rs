//! Reencrypt: envelopes in, envelopes under the object's current key version out; of the same project, object and context. The
//! plaintext is in memory between the two and goes nowhere.
//!
//! Whatever comes in is opened first, also what is under the current version already: nothing is called current that would
//! not open tomorrow. What does not open is answered as a decrypt answers it, and counted: who guesses at the context of a
//! stolen ciphertext learns by it whether that fits (`stake.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::crypto::data_key::DataKey;
use crate::crypto::envelope::Header;
use crate::crypto::random::Nonces;
use crate::domain::access_record::Anew;
use crate::domain::budget::Counted;
use crate::domain::key_life::KeyState;
use crate::domain::key_place::KeyPlace;
use crate::domain::key_version::{KeyVersion, Opening, Sealing};
use crate::domain::object::Object;
use crate::domain::operation::Operation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Now;

use super::admission::Admitted;
use super::closed_keys::KeyWatch;
use super::decrypt::{Sealed, envelope_of, open, version_of};
use super::done::{Done, Tally, bind};
use super::encrypt::{require_context, sealing};
use super::fault::{Fault, Stop};
use super::keyring::Held;
use super::known_key::KnownKey;
use super::lease::Unmade;
use super::operate::Operate;
use super::operational::Operational;
use super::served::Served;
use super::spending::Taken;
use super::stake::Stake;

/// Leave to reencrypt.
pub enum Reencrypt {}

impl Operate for Reencrypt {
    const OPERATION: Operation = Operation::Reencrypt;
    const COUNTED: Option<Counted> = Some(Counted::Missed);
    type Holds = Stake;

    fn fields(_items: usize) -> usize {
        1
    }

    fn hold(known: &Arc<KnownKey>, taken: Option<Taken>) -> Stake {
        Stake::new(known, taken)
    }
}

/// One envelope to be sealed anew.
pub struct Aged<'a> {
    /// The envelope, and what it was and will be bound to.
    pub sealed: Sealed<'a>,
    /// Also where it is under a compromised key version.
    pub force: bool,
}

/// An envelope under the current key version.
pub struct Renewed {
    /// Its bytes.
    pub envelope: Vec<u8>,
    /// It was sealed now; else it is what came in.
    pub is_changed: bool,
}

/// What an item needs keys of: the version that its envelope names, and the one that is to seal it, unless that is the same.
pub struct RenewingNeed {
    served: Arc<Served>,
    header: Header,
    force: bool,
}

/// The same once it was looked for.
struct Found<'a> {
    object: &'a Object,
    from: Opening<'a>,
    to: Option<Sealing<'a>>,
}

/// The keys for an admitted reencrypt, one per item, and uses already taken from their leases: of the items that are not sealed they
/// go back.
pub struct RenewingKeys {
    pairs: Vec<Result<Pair, Code>>,
    unmade: ByVersion<Unmade>,
}

struct Pair {
    opens: Arc<Held<DataKey>>,
    /// None where nothing is to be sealed.
    seals: Option<Arc<Held<DataKey>>>,
}

/// A reencrypt under way: what is done, and what is left to do.
pub struct Renewing<'a> {
    left: std::vec::IntoIter<Result<Aged<'a>, Refusal>>,
    nonces: Nonces,
    done: Done<Renewed>,
    keys: KeyWatch,
}

/// A key version by key id and number.
type ByVersion<T> = HashMap<KeyPlace, T, RandomState>;

impl Renewing<'_> {
    /// What was done.
    #[must_use]
    pub fn done(self) -> Done<Renewed> {
        let Self { mut done, keys, .. } = self;
        done.watch.keys = Some(keys);
        done
    }
}

impl RenewingNeed {
    /// The versions, if what its envelope names was read already.
    fn at_hand(&self, now: Now) -> Option<Result<Found<'_>, Code>> {
        let found = self.served.version_at_hand(self.header, now)?;
        Some(found.and_then(|from| {
            let to = may_renew(&self.served, from.version(), self.force, now)?;
            let to = (to.version().version != from.version().version).then_some(to);
            Ok(Found { object: &self.served.object, from, to })
        }))
    }
}

/// How often each version is to seal.
fn uses<'a>(items: impl Iterator<Item = &'a Found<'a>>) -> ByVersion<(&'a KeyVersion, u64)> {
    let mut uses = ByVersion::default();
    for version in items.filter_map(|found| found.to.map(Sealing::version)) {
        uses.entry(version.place()).or_insert((version, 0)).1 += 1;
    }
    uses
}

impl Operational {
    /// What the items need keys of: owned, to be carried to a blocking thread. What keeps one from being told stands in its item's
    /// place.
    #[must_use]
    pub fn renewing_needs(
        admitted: &Admitted<Reencrypt>,
        aged: &[Result<Aged<'_>, Refusal>],
    ) -> Vec<Result<RenewingNeed, Code>> {
        let needed = admitted.items().iter().zip(aged).map(|(served, aged)| {
            let served = served.as_ref().map_err(|denied| denied.code)?;
            let aged = aged.as_ref().map_err(|refusal| refusal.code)?;
            let header = envelope_of(served, &aged.sealed.envelope)?.header;
            Ok(RenewingNeed { served: Arc::clone(served), header, force: aged.force })
        });
        needed.collect()
    }

    /// The keys for `needed`, if all are in memory, what is known of their versions, too, and their leases hold enough uses.
    #[must_use]
    pub fn recall_renewing_keys(
        &self,
        needed: &[Result<RenewingNeed, Code>],
        now: Now,
    ) -> Option<RenewingKeys> {
        let found = needed.iter().map(|needed| match needed {
            Ok(needed) => needed.at_hand(now),
            Err(code) => Some(Err(*code)),
        });
        let found: Vec<Result<Found<'_>, Code>> = found.collect::<Option<_>>()?;
        let keys = found.iter().map(|found| match found {
            Err(code) => Some(Err(*code)),
            Ok(found) => {
                let opens = self.keyring.recall(found.from, now.instant)?;
                let seals = match found.to {
                    Some(to) => Some(self.keyring.recall(to, now.instant)?),
                    None => None,
                };
                Some(Ok(Pair { opens, seals }))
            }
        });
        let pairs = keys.collect::<Option<_>>()?;
        let lent = uses(found.iter().flatten()).into_iter();
        let lent = lent.map(|(id, (version, uses))| Some((id, self.leases.lend(version, uses)?)));
        Some(RenewingKeys { pairs, unmade: lent.collect::<Option<_>>()? })
    }

    /// The keys for `needed`, looked for, unwrapped and leased as need be; what keeps one from being had stands in its item's place.
    /// Blocks.
    ///
    /// # Errors
    /// `journal-full` when uses cannot be reserved durably: then nothing else can be made durable either.
    pub fn load_renewing_keys(
        &self,
        needed: &[Result<RenewingNeed, Code>],
        now: Now,
    ) -> Result<RenewingKeys, Stop> {
        let found = needed.iter().map(|needed| {
            let needed = needed.as_ref().map_err(|code| *code)?;
            self.load_version(&needed.served, needed.header, now)?;
            needed.at_hand(now).unwrap_or(Err(Code::CannotOpen))
        });
        let found: Vec<Result<Found<'_>, Code>> = found.collect();
        let told = |stop: Stop| stop.told().code;
        let keys = found.iter().map(|found| {
            let found = found.as_ref().map_err(|code| *code)?;
            let seals = found.to.map(|to| self.load_data_key(to, found.object, now));
            let seals = seals.transpose().map_err(told)?;
            Ok(Pair { opens: self.load_data_key(found.from, found.object, now).map_err(told)?, seals })
        });
        let mut pairs: Vec<Result<Pair, Code>> = keys.collect();
        // Nothing is taken for an item whose keys are not there.
        let had = found.iter().zip(&pairs).filter(|(_, key)| key.is_ok());
        let had = uses(had.filter_map(|(found, _)| found.as_ref().ok()));
        let (mut unmade, mut refused) = (ByVersion::default(), ByVersion::default());
        for (id, (version, uses)) in had {
            match self.lease_unmade(version, uses, now.time) {
                Ok(lent) => drop(unmade.insert(id, lent)),
                Err(stop) if stop.is_journal_full() => return Err(stop),
                Err(stop) => {
                    refused.insert(id, stop.told().code);
                }
            }
        }
        for (key, found) in pairs.iter_mut().zip(&found) {
            let Ok(Found { to: Some(to), .. }) = found else { continue };
            let to = to.version();
            if let (Ok(_), Some(code)) = (&key, refused.get(&to.place())) {
                *key = Err(*code);
            }
        }
        Ok(RenewingKeys { pairs, unmade })
    }

    /// What is to be sealed anew. An item that arrives as an error stays one.
    ///
    /// # Errors
    /// A fault when the kernel gives no randomness.
    pub fn begin_reencrypt<'a>(&self, aged: Vec<Result<Aged<'a>, Refusal>>) -> Result<Renewing<'a>, Stop> {
        Ok(Renewing {
            nonces: Nonces::draw(aged.len())?,
            done: Done::of(aged.len()),
            keys: self.closed_keys.watch(),
            left: aged.into_iter(),
        })
    }

    /// Takes another field of the budgets of what does not open, for a reencrypt that cannot go on without. Blocks.
    pub fn stake_again(&self, admitted: &mut Admitted<Reencrypt>, now: Now) {
        self.renew_stake(admitted.items_and_holds().1, now);
    }

    /// Opens each envelope for the object it was admitted for, and seals what was in it under the object's current key version.
    /// Returns whether all is done; where it is not, [`Operational::stake_again`] comes before it goes on.
    ///
    /// # Errors
    /// `locked` when the unlocked time has ended. Nothing more is sealed then.
    pub fn reencrypt(
        &self,
        admitted: &mut Admitted<Reencrypt>,
        keys: &mut RenewingKeys,
        renewing: &mut Renewing<'_>,
        now: Now,
    ) -> Result<bool, Stop> {
        self.check_not_ended()?;
        let mut binding = Vec::new();
        let Renewing { left, nonces, done, keys: key_watch } = renewing;
        let (items, stake) = admitted.items_and_holds();
        let RenewingKeys { pairs, unmade } = keys;
        for (served, key) in items.iter().zip(&*pairs).skip(done.items.len()) {
            if !stake.is_settled(self.budgets.clock_time(now)) {
                return Ok(false);
            }
            let Some(aged) = left.next() else { break };
            let (mut tally, mut to, mut is_forced) = (Tally::default(), 0, false);
            let renewed = (|| {
                let served = served.as_ref().map_err(|denied| Refusal::from(denied.code))?;
                let Aged { sealed, force } = aged?;
                stake.check()?;
                self.find_subject_to_open(&served.object, &sealed.context, &mut done.watch, &mut tally)?;
                let (opening, envelope) = version_of(served, &sealed, key.as_ref().err(), now)?;
                let version = opening.version();
                tally.version = version.version;
                let sealing = may_renew(served, version, force, now)?;
                let current = sealing.version();
                is_forced = version.life.state() == KeyState::Compromised;
                let key = key.as_ref().map_err(|code| Refusal::from(*code))?;
                key_watch.opens(version.place(), served.revision);
                let plaintext = open(&key.opens, &envelope, served, &sealed.context, &mut binding)?;
                tally.bytes = plaintext.len() as u64;
                if current.version == version.version {
                    return Ok(Renewed { envelope: sealed.envelope.to_vec(), is_changed: false });
                }
                require_context(served, &sealed.context)?;
                let (header, key) = (sealing.header().to_bytes(), key.seals.as_ref().ok_or(Code::Fault)?);
                bind(&mut binding, &header, &served.object, &sealed.context);
                let nonce = nonces.next().map_err(|_| Refusal::from(Code::Fault))?;
                let lent = unmade.get_mut(&current.place());
                if !lent.is_some_and(Unmade::make) {
                    return Err(Stop::from(Fault::new("a key was to seal with no use of it taken")).told());
                }
                let envelope = key
                    .key()
                    .seal(&header, nonce, &binding, &plaintext)
                    .map_err(|_| Refusal::from(Code::FieldTooLarge))?;
                to = current.version;
                Ok(Renewed { envelope, is_changed: true })
            })();
            let code = renewed.as_ref().err().map(|refusal: &Refusal| refusal.code);
            if matches!(code, Some(Code::CannotOpen | Code::SubjectFrozen)) {
                stake.lose();
            }
            tally.anew = Anew::of(to, is_forced);
            done.push(served, tally, renewed);
        }
        if done.items.len() == items.len() && left.len() == 0 {
            Ok(true)
        } else {
            Err(Fault::new("a reencrypt was admitted for another number of items than it has").into())
        }
    }
}

/// The version that is to seal what is under `version`: the object's current one, which may be the same.
fn may_renew<'s>(
    served: &'s Served,
    version: &KeyVersion,
    force: bool,
    now: Now,
) -> Result<Sealing<'s>, Code> {
    // First: what is compromised and current still goes nowhere before the key was rotated.
    let current = sealing(served, now)?;
    // Whoever has such a key can make envelopes that open; sealed anew, nobody could tell them from the owner's.
    if version.life.state() == KeyState::Compromised && !force {
        return Err(Code::KeyCompromised);
    }
    Ok(current)
}
