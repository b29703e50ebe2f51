//! Rounds: the daemon is started, put under load, killed with SIGKILL, and looked at; the next round starts what is left.
//! A round has a thousand acknowledged requests, or the kill falls into the start; one whose kill comes too late for that
//! does not count and is rolled again.

use std::fs;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use gembok::store::StoreFile;
use rustix::process::Signal;

use crate::books::Books;
use crate::client::Client;
use crate::climb::{Climbed, KILLS, kill_climbs};
use crate::kill::{healthy, kill, wait_for};
use crate::ledger::{Page, Sealed};
use crate::load::{Duty, Field, OBJECTS, Worker, open_all, operate};
use crate::phase::{Dice, LISTENS, Phase};
use crate::proof::{note_key, prove};
use crate::support::daemon::{Daemon, ENDPOINT, PROJECT, Sandbox};
use crate::support::softhsm::{SoftHsm, in_child_aloud};
use crate::tally::Tally;
use crate::tell;
use crate::vault::Keys;

/// Rounds when nobody says how many.
const ROUNDS: usize = 24;
/// From as many on each phase has to be hit.
const ROUNDS_FOR_EACH_PHASE: usize = 60;
/// Where a kill falls is luck, and some phases last a millisecond: rounds more that aim at what none fell into.
const MORE_ROUNDS_MAX: usize = 40;
pub(crate) const ACKNOWLEDGED_MIN: usize = 1_000;
/// Objects the operator makes in a round.
const MADE_MAX: usize = 3;
/// An outsider verifies the journal after so many rounds, and at the end.
const ROUNDS_TO_PROOF: usize = 20;
/// Envelopes of all rounds and keys that are opened again in each.
const OPENED_AGAIN: usize = 40;
/// Times in a row that a kill aimed at a start may come too late.
const LATE_MAX: u32 = 12;
/// Only a bug waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const CONFIGURATION: &str = "[journal]\nflush_ms = 5\n";
/// The disk of a round that aims at commits, so that one is found on the fastest.
const COMMITS_SHOW: &str = "slow 5";
/// The two lists that take turns, so that each start under the other one exchanges the certificate.
const SERVER_NAMES: [&str; 2] =
    ["[\"localhost\", \"127.0.0.1\"]", "[\"localhost\", \"127.0.0.1\", \"gembok.lan\"]"];

#[test]
fn a_killed_daemon_loses_nothing_it_acknowledged() {
    in_child_aloud("rounds::a_killed_daemon_loses_nothing_it_acknowledged", |softhsm| {
        let rounds = std::env::var("GEMBOK_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
        let start = Instant::now();
        let mut driver = Driver::new(softhsm);
        for round in 1..=rounds {
            driver.round(round, Phase::aim(round));
        }
        let mut round = rounds;
        while rounds >= ROUNDS_FOR_EACH_PHASE
            && round < rounds + MORE_ROUNDS_MAX
            && let Some(aim) = driver.tally.missed()
        {
            round += 1;
            driver.round(round, aim);
        }
        driver.end(round, start.elapsed());
    });
}

/// The process that drives, knows what was acknowledged, and kills.
struct Driver {
    sandbox: Sandbox,
    workers: Vec<Worker>,
    /// The one who opens what was sealed in earlier rounds.
    auditor: Worker,
    books: Books,
    dice: Dice,
    /// Envelopes of all rounds.
    archive: Vec<Sealed>,
    /// What the last start was configured with.
    server_names: usize,
    /// From the start of the process: until the local socket listened, until it was operational.
    socket_after: Duration,
    operational_after: Duration,
    tally: Tally,
}

impl Driver {
    fn new(softhsm: &SoftHsm) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.command_disk();
        sandbox.configure(CONFIGURATION);
        let daemon = sandbox.start();
        sandbox.provision();
        let below = ["--project", PROJECT];
        let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
        for (object, algorithm) in &OBJECTS[1..] {
            sandbox.done(&[&["object", "create", object, "--algorithm", algorithm], &below[..]].concat());
            sandbox.done(&[&["grant", "create", "encrypt", "decrypt", "--object", object], &of[..]].concat());
        }
        let limits = ["requests-per-s", "requests-burst", "fields-per-s", "fields-burst"];
        let limits = limits.map(|limit| format!("--{limit}=1000000"));
        let duties = [[Duty::Seal; 4].as_slice(), &[Duty::Lease], &[Duty::Open; 6]].concat();
        let mut workers: Vec<Worker> = duties
            .into_iter()
            .chain([Duty::Open])
            .map(|duty| {
                let words = [&["api-key", "create", "--label", "crash"], &of[..]].concat();
                let words = words.into_iter().chain(limits.iter().map(String::as_str));
                let made = &sandbox.done(&words.collect::<Vec<_>>())["api-key-made"];
                let id = made["api_key"]["id"].as_str().unwrap();
                sandbox.done(&["budget", "set", "--api-key", id, "--fields", "1000000000"]);
                let id = id.parse().unwrap();
                Worker { duty, id, api_key: made["text"].as_str().unwrap().to_owned() }
            })
            .collect();
        sandbox.done(&[&["budget", "set", "--fields", "1000000000"], &of[..]].concat());
        let auditor = workers.pop().unwrap();
        note_key(&sandbox);
        assert!(daemon.stop().success());
        fs::copy(sandbox.softhsm().token_file("token.object"), sandbox.path("token.copy")).unwrap();
        let file = StoreFile::open(&sandbox.path("state/gembok.redb"), 1 << 20).unwrap();
        let keys = Keys::unwrap(&sandbox, softhsm, &file.boot().unwrap().unwrap());
        drop(file);
        let mut driver = Self {
            sandbox,
            workers,
            auditor,
            books: Books::new(keys),
            dice: Dice::new(),
            archive: Vec::new(),
            server_names: 0,
            socket_after: Duration::ZERO,
            operational_after: Duration::ZERO,
            tally: Tally::default(),
        };
        driver.books.look(&driver.sandbox);
        driver
    }

    fn round(&mut self, round: usize, aim: Phase) {
        let start = Instant::now();
        let (hit, acknowledged) = match aim {
            Phase::FirstStart => (vec![self.roll(round, Self::kill_first_start)], 0),
            Phase::Migration => (self.kill_migrating(), 0),
            Phase::StartUp | Phase::Unlock | Phase::CertificateExchange => {
                (vec![self.roll(round, |driver, late| driver.kill_starting(aim, late))], 0)
            }
            Phase::Serving | Phase::Commit | Phase::Lease | Phase::Change | Phase::Drain => {
                self.kill_under_load(round, aim)
            }
        };
        self.tally.count(&hit, acknowledged);
        let hit: Vec<String> = hit.iter().map(ToString::to_string).collect();
        let took = start.elapsed().as_millis();
        tell(format_args!(
            "round {round}: {acknowledged} acknowledged, killed in {}, {took} ms",
            hit.join(" + ")
        ));
        if round.is_multiple_of(ROUNDS_TO_PROOF) {
            let daemon = self.started();
            self.prove(round);
            assert!(daemon.stop().success());
            self.books.look(&self.sandbox);
        }
    }

    /// Kills starting daemons until one is killed while it starts: by moments of the last start that was measured, which may have
    /// been a slow one, so that each is half of what was too late.
    fn roll(&mut self, round: usize, kill: impl Fn(&mut Self, u32) -> Option<Phase>) -> Phase {
        for late in 0..LATE_MAX {
            if let Some(phase) = kill(self, late) {
                return phase;
            }
            self.tally.late += 1;
            tell(format_args!("round {round}: killed too late for a start; rolled again"));
        }
        panic!("round {round}: {LATE_MAX} kills came too late for a start");
    }

    /// Over a running daemon.
    fn prove(&mut self, round: usize) {
        let proof = prove(&self.sandbox, round);
        // The gap of the kill before this start is not looked at yet.
        assert!([self.books.gaps, self.books.gaps + 1].contains(&proof.gaps), "{} gaps", proof.gaps);
        tell(format_args!(
            "after round {round}: an outsider proves {} records, {} gaps among them, by {} checkpoints of all the daemons",
            proof.records, proof.gaps, proof.checkpoints
        ));
    }

    fn end(&mut self, rounds: usize, took: Duration) {
        // And once in peace: it starts, opens everything, stops cleanly.
        let daemon = self.started();
        let client = self.client(&daemon);
        self.open_all(&client, self.archive.clone());
        self.prove(rounds);
        assert!(daemon.stop().success());
        self.books.look(&self.sandbox);
        assert!(self.books.is_even(), "no gap for what the last kill lost");
        let Books { made, lost, most_lost, gaps, .. } = &self.books;
        let Tally { acknowledged, slowest_restart, late, token_put_back, .. } = &self.tally;
        tell(format_args!(
            "{rounds} rounds in {} s, {acknowledged} acknowledged; killed in: {}, and {late} times too late for a start; batched and not recorded {} with {} fields, \
             at most {most_lost} in one of {gaps} gaps; {} envelopes of {} objects opened again; tokens SoftHSM lost \
             {token_put_back}; slowest restart {} ms",
            took.as_secs(),
            self.tally.hits(),
            lost.requests,
            lost.fields,
            self.archive.len(),
            made.len() + OBJECTS.len(),
            slowest_restart.as_millis()
        ));
        if rounds >= ROUNDS_FOR_EACH_PHASE {
            assert_eq!(self.tally.missed(), None, "never killed in it");
        }
    }

    /// A daemon that was started over what the last round left, operational.
    fn started(&mut self) -> Daemon {
        let start = Instant::now();
        let daemon = self.sandbox.spawn();
        wait_for(&daemon, LISTENS);
        self.socket_after = start.elapsed();
        daemon.wait_until("it has tried to unlock", || {
            let log = daemon.log();
            log.contains("\"operational\"") || log.contains("\"locked\"")
        });
        if daemon.log().contains("\"locked\"") {
            self.put_token_back(&daemon);
        } else {
            self.operational_after = start.elapsed();
            self.tally.slowest_restart = self.tally.slowest_restart.max(self.operational_after);
        }
        daemon
    }

    /// `SoftHSM` empties its token's file and writes it again at each login. Killed in between, it has lost the token: only a
    /// copy helps (`tokens.rs`). The daemon has to say so, keep the store, and unlock by itself once the file is back.
    fn put_token_back(&mut self, daemon: &Daemon) {
        let (token, copy) =
            (self.sandbox.softhsm().token_file("token.object"), self.sandbox.path("token.copy"));
        let length = |path| fs::metadata(path).unwrap().len();
        assert!(length(&token) < length(&copy), "locked, with a whole token:\n{}", daemon.log());
        assert!(daemon.log().contains("delete nothing"), "{}", daemon.log());
        fs::copy(copy, token).unwrap();
        wait_for(daemon, "\"operational\"");
        self.tally.token_put_back += 1;
        tell(format_args!("SoftHSM had lost its token to the last kill; put back from a copy"));
    }

    fn client(&self, daemon: &Daemon) -> Client {
        let certificate = self.sandbox.path("client/client");
        Client::new(&daemon.data(), &self.sandbox.path("admin/ca.pem"), Some(&certificate))
    }

    fn kill_under_load(&mut self, round: usize, aim: Phase) -> (Vec<Phase>, usize) {
        let daemon = self.started();
        let client = self.client(&daemon);
        self.open_some_again(&client);
        let granted = self.books.made.iter().filter(|made| made.is_granted).map(|made| made.name.clone());
        let pool: Vec<Sealed> = (0..OPENED_AGAIN.min(self.archive.len()))
            .map(|_| self.dice.pick(&self.archive).clone())
            .collect();
        let field = Field::new(round, client, pool, granted.collect());
        self.sandbox.disk(if aim == Phase::Commit { COMMITS_SHOW } else { "ok" });
        let (socket, dice) = (self.sandbox.socket(), &mut self.dice);
        let workers = &self.workers;
        let (pages, made, hit, daemon) = thread::scope(|scope| {
            let field = &field;
            let working: Vec<_> = workers.iter().map(|worker| scope.spawn(|| worker.work(field))).collect();
            // Changes from the start on, or from when they are waited for.
            let operating = scope.spawn(move || {
                while aim == Phase::Change
                    && field.acknowledged.load(SeqCst) < ACKNOWLEDGED_MIN
                    && !field.is_over()
                {
                    thread::sleep(Duration::from_millis(2));
                }
                operate(field, &socket, MADE_MAX)
            });
            let (hit, daemon) = kill(daemon, field, aim, dice);
            let pages: Vec<Page> = working.into_iter().map(|worker| worker.join().unwrap()).collect();
            (pages, operating.join().unwrap(), hit, daemon)
        });
        self.sandbox.disk("ok");
        healthy(&daemon);
        let acknowledged = pages.iter().map(Page::acknowledged).sum();
        assert!(acknowledged >= ACKNOWLEDGED_MIN, "{acknowledged} acknowledged");
        let settled = self.books.settle(&self.sandbox, &pages, made);
        settled.unwrap_or_else(|wrong| panic!("round {round}: {wrong}"));
        self.archive.extend(pages.into_iter().flat_map(|page| page.sealed));
        (hit, acknowledged)
    }

    /// In which part of its start it was killed; `None` when it came too late for that, as `late` kills did before.
    fn kill_starting(&mut self, aim: Phase, late: u32) -> Option<Phase> {
        if aim == Phase::CertificateExchange {
            self.server_names = 1 - self.server_names;
            let names = SERVER_NAMES[self.server_names];
            self.sandbox.configure(&format!("{CONFIGURATION}[tls]\nserver_names = {names}\n"));
        }
        let mut daemon = self.sandbox.spawn();
        let pki = self.sandbox.path("state/pki");
        let half_made = || ["server-next.key", "server-next.pem"].iter().any(|file| pki.join(file).exists());
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap();
        let moment = match aim {
            Phase::StartUp => self.dice.below(us(self.socket_after)),
            Phase::Unlock => {
                wait_for(&daemon, LISTENS);
                self.dice.below(us(self.operational_after.saturating_sub(self.socket_after)))
            }
            // Whoever has not seen it so often takes any moment of the start.
            _ if late > LATE_MAX / 2 => self.dice.below(us(self.operational_after)),
            _ => {
                let start = Instant::now();
                while !half_made() && start.elapsed() < PATIENCE && !daemon.log().contains("\"operational\"")
                {
                    thread::yield_now();
                }
                self.dice.below(2_000)
            }
        };
        thread::sleep(Duration::from_micros(moment >> late));
        daemon.signal(Signal::KILL);
        daemon.wait();
        healthy(&daemon);
        self.books.look(&self.sandbox);
        Phase::of_start(&daemon.log(), half_made())
    }

    /// In a program of which the store's layout is one too old; the next round's daemon starts over what it brought up.
    fn kill_migrating(&mut self) -> Vec<Phase> {
        let Climbed { inside, begun_again, takes } = kill_climbs(&self.sandbox, &mut self.dice);
        self.books.look(&self.sandbox);
        tell(format_args!(
            "{inside} of {KILLS} kills fell into a climb, which takes {} ms; {begun_again} times it began again",
            takes.as_millis()
        ));
        assert!(inside > 0, "no kill fell into the climb");
        vec![Phase::Migration]
    }

    /// Over an empty folder. What is left must start, and be as empty. `None` when it was already waiting to be set up.
    fn kill_first_start(&mut self, late: u32) -> Option<Phase> {
        let sandbox = Sandbox::new();
        let mut daemon = sandbox.spawn();
        let start = Instant::now();
        let is_making = || fs::read_dir(sandbox.path("state")).is_ok_and(|mut files| files.next().is_some());
        let micros = u64::try_from(self.socket_after.as_micros()).unwrap();
        let until = match self.dice.below(2) {
            // Anywhere on the way to the local socket.
            0 => Duration::from_micros(self.dice.below(micros) >> late),
            // While the store file is made.
            _ => {
                while !is_making() && start.elapsed() < PATIENCE {
                    thread::yield_now();
                }
                start.elapsed() + Duration::from_micros(self.dice.below(3_000) >> late)
            }
        };
        thread::sleep(until.saturating_sub(start.elapsed()));
        daemon.signal(Signal::KILL);
        daemon.wait();
        healthy(&daemon);
        let phase = Phase::of_first_start(&daemon.log());
        let daemon = sandbox.spawn();
        wait_for(&daemon, LISTENS);
        assert_eq!(sandbox.state(), "unprovisioned");
        assert!(daemon.stop().success());
        phase
    }

    fn open_some_again(&mut self, client: &Client) {
        let some = (0..OPENED_AGAIN.min(self.archive.len())).map(|_| self.dice.pick(&self.archive).clone());
        let some = some.collect();
        self.open_all(client, some);
    }

    fn open_all(&mut self, client: &Client, some: Vec<Sealed>) {
        let fields = some.len() as u64;
        open_all(client, &self.auditor.api_key, some);
        self.books.opened(self.auditor.id, fields);
    }
}
