//! The life of key versions against a plain list: random acts, time that passes and locks in between, each act with the answer that
//! the list foretells; after each, every version stands as the list says, and every envelope that was ever made opens until it
//! may not. An appliance in this process, with both clocks passed in; once with a log of keys in escrow, which goes away now and then.

use gembok::appliance::{Acceptance, Tending};
use gembok::desk::asker::Asker;
use serde_json::{Value, json};

use crate::clock::{OPERATOR, clock, pass};
use crate::key_world::{World, ask};
use crate::plain_keys::State::{
    Active, Compromised, DecryptOnly, DestroyScheduled, Destroyed, Disabled, PreActive,
};
use crate::plain_keys::{Foretold, Log, Model, NOT_LOGGED, WRONG};
use crate::support::daemon::{OBJECT, PROJECT};
use crate::support::softhsm::{SoftHsm, in_child};

const ACTS: usize = 400;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// Certificates end after 397 days.
const PASSES_MAX: u64 = 380 * DAY;
const WAIT: u64 = 7 * DAY;
/// Envelopes that are remembered.
const KEPT: usize = 60;
const ALGORITHMS: [&str; 4] = ["xaes-256-gcm", "aes-256-gcm", "aes-256-gcm-siv", "xchacha20-poly1305"];

/// Draws that can be made again.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        // xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

impl World {
    /// One version, as a request names it, with more members.
    fn of(number: usize, more: &Value) -> Value {
        let mut members =
            json!({ "project": PROJECT, "object": OBJECT, "version": (number + 1).to_string() });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        members
    }

    fn key(&self, verb: &str, members: &Value) -> Result<Value, String> {
        ask(&self.appliance, &self.person(&self.siti), &json!({ "key": { verb: members } }))
    }

    fn windows(
        &mut self,
        number: usize,
        draws: &mut Draws,
        model: &mut Model,
    ) -> (Result<Value, String>, Foretold) {
        let now = model.now;
        let version = &mut model.versions[number];
        let ends = [2 * HOUR, 30 * HOUR, 5 * DAY, 40 * DAY];
        let mut end = |old: Option<u64>| match draws.below(4) {
            0 => (Value::Null, old),
            1 => (json!("never"), None),
            _ => {
                let end = now + ends[draws.below(4)] + HOUR / 2;
                (json!(self.moment(end)), Some(end))
            }
        };
        let ((encrypt, encrypt_end), (decrypt, decrypt_end)) =
            (end(version.encrypt_until), end(version.decrypt_until));
        let reason = (draws.below(8) > 0).then_some("uji");
        let members = json!({ "encrypt_until": encrypt, "decrypt_until": decrypt, "reason": reason });
        let told = self.key("windows", &Self::of(number, &members));
        let seals = version.open().seals();
        let crossed = decrypt_end.is_some_and(|last| encrypt_end.is_none_or(|end| end > last));
        let foretold = if reason.is_none() {
            Err("bad-request")
        } else if version.state == Destroyed || (!seals && encrypt_end != version.encrypt_until) {
            WRONG
        } else if seals && crossed {
            Err("bad-request")
        } else {
            (version.encrypt_until, version.decrypt_until) = (encrypt_end, decrypt_end);
            Ok(())
        };
        if told.is_ok() {
            // A window that ends soon is seen at once.
            self.tend();
            model.sweep();
        }
        (told, foretold)
    }

    /// Siti asks, and Budi says yes.
    fn destroy(&self, number: usize, model: &mut Model) -> (Result<Value, String>, Foretold) {
        let told = self
            .key("schedule-destruction", &Self::of(number, &json!({ "days": WAIT / DAY, "reason": "uji" })));
        let version = &mut model.versions[number];
        let may_seal = version.state.seals() && number == model.current && !model.is_retired;
        if may_seal || matches!(version.state, DestroyScheduled | Destroyed) {
            return (told, WRONG);
        }
        let Ok(asked) = told else { return (told, Ok(())) };
        (version.doom, version.state) = ((model.now + WAIT, version.state), DestroyScheduled);
        let give = json!({ "approval": { "give": { "id": asked["approval"]["id"] } } });
        (ask(&self.appliance, &self.person(&self.budi), &give), Ok(()))
    }

    fn act(&mut self, draws: &mut Draws, model: &mut Model) -> (String, Result<Value, String>, Foretold) {
        let number = draws.below(model.versions.len());
        // Mostly one of the last few: they have the livelier lives.
        let number = if draws.below(3) > 0 { model.versions.len() - 1 - number.min(2) } else { number };
        let of = Self::of(number, &json!({ "reason": "uji" }));
        let version = &mut model.versions[number];
        match draws.below(12) {
            0 => {
                let algorithm = ALGORITHMS[draws.below(4)];
                let algorithm = (draws.below(2) == 0).then_some(algorithm);
                let members = json!({ "project": PROJECT, "object": OBJECT, "algorithm": algorithm });
                let told = self.key("rotate", &members);
                let foretold = model.rotate(algorithm);
                if foretold.is_ok() {
                    model.write_log();
                }
                ("rotate".into(), told, foretold)
            }
            1 | 2 => {
                let foretold = match version.state {
                    DestroyScheduled | Destroyed => WRONG,
                    Disabled => Ok(()),
                    before => {
                        (version.before, version.state) = (before, Disabled);
                        Ok(())
                    }
                };
                (format!("disable {number}"), self.key("disable", &of), foretold)
            }
            3 | 4 => {
                let foretold = match version.state {
                    DestroyScheduled | Destroyed => WRONG,
                    Disabled => {
                        version.state = version.before;
                        model.reopened(number);
                        Ok(())
                    }
                    _ => Ok(()),
                };
                (format!("enable {number}"), self.key("enable", &of), foretold)
            }
            5 => {
                let told = self.key("compromise", &of);
                if version.state == Destroyed {
                    return (format!("compromise {number}"), told, WRONG);
                }
                let sealed = version.state.seals() && number == model.current;
                let is_news = *version.open() != Compromised;
                if is_news && sealed && !model.is_retired {
                    // It stops, whether the next one can be made or not.
                    let _ = model.rotate(None);
                }
                *model.versions[number].open() = Compromised;
                if is_news {
                    model.write_log();
                }
                (format!("compromise {number}"), told, Ok(()))
            }
            6 | 7 => {
                let told = self.windows(number, draws, model);
                (format!("windows {number}"), told.0, told.1)
            }
            8 | 9 => {
                let told = self.destroy(number, model);
                (format!("destroy {number}"), told.0, told.1)
            }
            10 => {
                let foretold = if version.state == DestroyScheduled {
                    version.state = version.doom.1;
                    model.reopened(number);
                    Ok(())
                } else {
                    WRONG
                };
                (format!("cancel {number}"), self.key("cancel-destruction", &of), foretold)
            }
            _ => {
                let (word, is_retired) =
                    if draws.below(3) == 0 { ("retire", true) } else { ("reinstate", false) };
                model.is_retired = is_retired;
                let members = json!({ "project": PROJECT, "name": OBJECT });
                let told = ask(
                    &self.appliance,
                    &self.person(&self.siti),
                    &json!({ "object": { "life": { word: members } } }),
                );
                (word.into(), told, Ok(()))
            }
        }
    }

    fn agrees(&self, model: &Model, after: &str) {
        let list = json!({ "key": { "list": { "project": PROJECT, "object": OBJECT } } });
        let listed = ask(&self.appliance, &Asker::Local(0), &list).unwrap();
        let found: Vec<String> = listed["key-versions"]["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                format!(
                    "{} {} {} {} {}",
                    one["version"],
                    one["algorithm"],
                    one["state"],
                    one["encrypt_until"],
                    one["decrypt_until"]
                )
            })
            .collect();
        let end = |end: Option<u64>| end.map_or(Value::Null, |end| json!(self.moment(end)));
        let expected: Vec<String> = (1..)
            .zip(&model.versions)
            .map(|(number, one)| {
                let state = match one.state {
                    PreActive => "pre_active",
                    Active => "active",
                    DecryptOnly => "decrypt_only",
                    Disabled => "disabled",
                    DestroyScheduled => "destroy_scheduled",
                    Destroyed => "destroyed",
                    Compromised => "compromised",
                };
                let (encrypt, decrypt) = (end(one.encrypt_until), end(one.decrypt_until));
                format!("{number} {} {} {encrypt} {decrypt}", json!(one.algorithm), json!(state))
            })
            .collect();
        assert_eq!(found, expected, "after {after}");
    }
}

/// Acts that were done, and refused; envelopes that opened, and did not; acts after which a version waited, and that were refused for
/// that.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    refused: usize,
    opened: usize,
    closed: usize,
    waited: usize,
    not_logged: usize,
}

/// The log's disk goes away, or comes back; that is noticed within an hour.
fn turn_log(world: &mut World, softhsm: &SoftHsm, model: &mut Model) {
    let (here, away) = (softhsm.elsewhere().join("other"), softhsm.elsewhere().join("away"));
    if model.log == Log::Here {
        std::fs::rename(here, away).unwrap();
        model.log = Log::Away;
    } else {
        std::fs::rename(away, here).unwrap();
        model.log = Log::Here;
        pass(HOUR);
        model.now += HOUR;
        world.tend();
        model.sweep();
    }
}

fn compare(softhsm: &SoftHsm, mut world: World, log: Log) -> Tally {
    let seed = std::env::var("GEMBOK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(0x9E37_79B9_7F4A_7C15);
    let mut draws = Draws(seed);
    let (mut model, mut tally) = (Model::new(log), Tally::default());
    let mut envelopes: Vec<(usize, Vec<u8>)> = Vec::new();
    world.tend();
    for round in 0..ACTS {
        let (what, told, foretold) = world.act(&mut draws, &mut model);
        let what = format!("{what}, round {round} of seed {seed}");
        let told = told.map(drop);
        assert_eq!(told, foretold.map_err(str::to_owned), "{what}");
        *(if told.is_ok() { &mut tally.done } else { &mut tally.refused }) += 1;
        tally.not_logged += usize::from(foretold == NOT_LOGGED);
        if log != Log::Unkept && draws.below(if model.log == Log::Here { 5 } else { 12 }) == 0 {
            turn_log(&mut world, softhsm, &mut model);
        }
        if draws.below(4) == 0 && model.now < PASSES_MAX {
            let hours = [1, 5, 26, 170][draws.below(4)];
            pass(hours * HOUR);
            model.now += hours * HOUR;
            world.tend();
            model.sweep();
        }
        if draws.below(25) == 0 {
            world.appliance.lock(OPERATOR, clock()).unwrap();
            world.appliance.unlock(OPERATOR, Acceptance::default(), clock()).unwrap();
            world.tending = Tending::default();
            world.tend();
            model.sweep();
        }
        tally.waited += usize::from(model.is_any_waiting());
        world.agrees(&model, &what);
        match (world.encrypt(), model.seals()) {
            (Ok(envelope), Ok(())) => envelopes.push((model.current, envelope)),
            (told, foretold) => assert_eq!(told.map(drop), foretold.map_err(str::to_owned), "{what}"),
        }
        if envelopes.len() > KEPT {
            envelopes.remove(draws.below(KEPT));
        }
        let all: Vec<Vec<u8>> = envelopes.iter().map(|(_, envelope)| envelope.clone()).collect();
        if all.is_empty() {
            continue;
        }
        for ((number, envelope), told) in envelopes.iter().zip(world.decrypt(&all)) {
            let version = u32::try_from(number + 1).unwrap();
            assert_eq!(envelope[8..12], version.to_be_bytes(), "{what}");
            let foretold = model.versions[*number].opens(model.now);
            *(if foretold.is_ok() { &mut tally.opened } else { &mut tally.closed }) += 1;
            assert_eq!(told, foretold.map_err(str::to_owned), "an envelope of {number} after {what}");
        }
    }
    let ended = model.versions.iter().filter(|version| version.state == Destroyed).count();
    assert!(tally.done > 100 && tally.refused > 30 && ended > 3, "{tally:?} {ended}");
    assert!(tally.opened > 1_000 && tally.closed > 1_000, "{tally:?}");
    tally
}

#[test]
fn key_versions_do_what_a_plain_list_foretells() {
    in_child("key_model::key_versions_do_what_a_plain_list_foretells", |softhsm| {
        let tally = compare(softhsm, World::new(softhsm), Log::Unkept);
        assert_eq!((tally.waited, tally.not_logged), (0, 0));
    });
}

#[test]
fn key_versions_wait_for_their_log_as_a_plain_list_foretells() {
    in_child("key_model::key_versions_wait_for_their_log_as_a_plain_list_foretells", |softhsm| {
        let tally = compare(softhsm, World::with_log(softhsm), Log::Here);
        assert!(tally.waited > 20 && tally.not_logged > 0, "{tally:?}");
    });
}
