//! Killed in the rotation of an index root: while it begins, while an application indexes its rows anew, and while it is finished.
//! After each kill an index tells both values or one, never none and never another than it told before; every row of the
//! application is found by what is told; and the rotation goes on.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client::Connection;
use crate::desk::{Desk, done};
use crate::forgotten::Seen;
use crate::phase::Dice;
use crate::rounds::PATIENCE;
use crate::support::daemon::{ENDPOINT, PROJECT, Sandbox};
use crate::tell;

const INDEXED: &str = "pegawai";
const SCHEMA: &str =
    "[fields.nik]\nnormaliser = \"digits\"\nlength = 16\ndistinct = 50000\nindex = \"unique\"\n";
const ROWS: usize = 40;
/// Kills in each part of a rotation.
const KILLS: usize = 5;

/// A row of the application's table.
struct Row {
    nik: String,
    ciphertext: String,
    /// In the column that it is searched by.
    value: String,
}

/// The application, which remembers everything that it was ever told.
struct Table {
    rows: Vec<Row>,
    /// By value to be found and version of the root.
    told: BTreeMap<(String, u32), String>,
}

/// The version of the root that a value is made under.
fn version(value: &str) -> u32 {
    u32::from_str_radix(&value[..8], 16).unwrap()
}

fn words(sandbox: &Sandbox, words: &str) -> Value {
    sandbox.done(&words.split(' ').collect::<Vec<_>>())
}

/// The versions of the root that there are.
fn roots(sandbox: &Sandbox) -> Vec<u32> {
    let shown = words(sandbox, &format!("object show {INDEXED} --project {PROJECT}"));
    let roots = shown["object"]["index_roots"].as_array().unwrap().iter();
    roots.map(|root| u32::try_from(root["version"].as_u64().unwrap()).unwrap()).collect()
}

impl Table {
    fn new(desk: &Desk) -> Self {
        let mut table = Self { rows: Vec::new(), told: BTreeMap::new() };
        let mut live = desk.connect();
        for number in 0..ROWS {
            let nik = format!("36020412118{number:05}");
            let item = json!({ "object": INDEXED, "plaintext": STANDARD.encode(&nik) });
            let sealed = desk.try_ask(&mut live, "encrypt", &item).unwrap().ok();
            let ciphertext = sealed["ciphertext"].as_str().unwrap().to_owned();
            let (value, previous) = table.search(desk, &mut live, &nik).unwrap();
            assert_eq!(previous, None);
            table.rows.push(Row { nik, ciphertext, value });
        }
        table
    }

    /// What a value is found by, if the daemon answers at all; never another than before.
    fn search(
        &mut self,
        desk: &Desk,
        live: &mut Connection,
        nik: &str,
    ) -> io::Result<(String, Option<String>)> {
        let item = json!({ "object": INDEXED, "field": "nik", "plaintext": STANDARD.encode(nik) });
        let told = desk.try_ask(live, "index", &item)?.ok();
        Ok(self.told(nik, &told))
    }

    fn told(&mut self, nik: &str, told: &Value) -> (String, Option<String>) {
        let value = told["index"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
        let previous = told["previous"].as_str().map(str::to_owned);
        for value in previous.iter().chain([&value]) {
            let known = self.told.entry((nik.to_owned(), version(value))).or_insert_with(|| value.clone());
            assert_eq!(known, value, "another value than before");
        }
        assert!(previous.as_ref().is_none_or(|previous| version(previous) < version(&value)), "{told}");
        (value, previous)
    }

    /// Every row is found. The version of the root that is told, and whether the one before is, too.
    fn is_found(&mut self, desk: &Desk) -> (u32, bool) {
        let mut live = desk.connect();
        let mut told = Vec::new();
        for at in 0..self.rows.len() {
            let nik = self.rows[at].nik.clone();
            let (value, previous) = self.search(desk, &mut live, &nik).unwrap();
            let row = &self.rows[at];
            assert!(row.value == value || Some(&row.value) == previous.as_ref(), "{nik} is found no more");
            told.push((version(&value), previous.is_some()));
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
        told[0]
    }

    /// Indexes rows anew from their ciphertexts, until all are or nobody answers.
    fn index_anew(&mut self, desk: &Desk, renewed: &AtomicUsize) -> io::Result<()> {
        let mut live = desk.client().connect()?;
        for at in 0..self.rows.len() {
            let Row { nik, ciphertext, .. } = &self.rows[at];
            let (nik, item) =
                (nik.clone(), json!({ "object": INDEXED, "field": "nik", "ciphertext": ciphertext }));
            let told = desk.try_ask(&mut live, "index", &item)?.ok();
            self.rows[at].value = self.told(&nik, &told).0;
            renewed.fetch_add(1, Ordering::Release);
        }
        Ok(())
    }
}

/// Lets a verb begin, kills the daemon a little later, and starts another. Whether the verb was told that it is done.
fn kill_at(desk: &mut Desk, step: &str, seen: &mut Seen, micros: u64) -> bool {
    let mut verb = desk.sandbox.command(&["index", step, INDEXED, "--project", PROJECT]).spawn().unwrap();
    sleep(Duration::from_micros(micros));
    desk.daemon.signal(Signal::KILL);
    let is_done = verb.wait().unwrap().success();
    desk.daemon.wait();
    seen.look(&desk.sandbox);
    desk.restart();
    is_done
}

#[test]
fn a_killed_rotation_of_an_index_root_loses_no_row() {
    let mut dice = Dice::new();
    let mut desk = Desk::new(Sandbox::new(), Sandbox::start);
    fs::write(desk.sandbox.path("schema.toml"), SCHEMA).unwrap();
    words(&desk.sandbox, &format!("object create {INDEXED} --project {PROJECT} --schema schema.toml"));
    let of = format!("--project {PROJECT} --endpoint {ENDPOINT} --object {INDEXED}");
    words(&desk.sandbox, &format!("grant create encrypt index reencrypt {of}"));
    assert_eq!((desk.seal(), desk.open()), (done(), done()));
    let (mut table, mut seen) = (Table::new(&desk), Seen::default());
    let (mut newest, mut begun, mut between, mut finished) = (2, 0, 0, 0);
    // One that nobody disturbs: so long is a verb under way.
    let start = Instant::now();
    words(&desk.sandbox, &format!("index rotate-root {INDEXED} --project {PROJECT}"));
    let verb_us = u64::try_from(start.elapsed().as_micros()).unwrap();
    table.index_anew(&desk, &AtomicUsize::new(0)).unwrap();
    words(&desk.sandbox, &format!("index finish-rotation {INDEXED} --project {PROJECT}"));
    for _ in 0..KILLS {
        // It begins, or has not begun.
        let is_done = kill_at(&mut desk, "rotate-root", &mut seen, dice.below(verb_us * 5 / 4));
        let (told, both) = table.is_found(&desk);
        assert!(told == newest + u32::from(both) && (both || !is_done), "{told} {both}");
        begun += usize::from(both);
        if !both {
            words(&desk.sandbox, &format!("index rotate-root {INDEXED} --project {PROJECT}"));
        }
        newest += 1;
        assert_eq!((table.is_found(&desk), roots(&desk.sandbox)), ((newest, true), vec![newest - 1, newest]));

        // Rows are indexed anew.
        let process = desk.daemon.id();
        let (renewed, after) = (AtomicUsize::new(0), usize::try_from(dice.below(ROWS as u64 / 2)).unwrap());
        let wait = Duration::from_micros(dice.below(2_000));
        let is_cut_off = scope(|scope| {
            let renewed = &renewed;
            scope.spawn(move || {
                let start = Instant::now();
                while renewed.load(Ordering::Acquire) < after && start.elapsed() < PATIENCE {
                    sleep(Duration::from_micros(100));
                }
                sleep(wait);
                let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
                rustix::process::kill_process(process, Signal::KILL).unwrap();
            });
            table.index_anew(&desk, renewed).is_err()
        });
        desk.daemon.wait();
        desk.restart();
        assert!(is_cut_off, "it was killed after all of them");
        between += table.rows.iter().filter(|row| version(&row.value) == newest).count();
        assert_eq!(table.is_found(&desk), (newest, true));
        table.index_anew(&desk, &renewed).unwrap();
        assert!(table.rows.iter().all(|row| version(&row.value) == newest));

        // It is finished, or is not.
        let is_done = kill_at(&mut desk, "finish-rotation", &mut seen, dice.below(verb_us * 5 / 4));
        let (told, both) = table.is_found(&desk);
        assert!(told == newest && !(both && is_done), "{told} {both}");
        finished += usize::from(!both);
        if both {
            words(&desk.sandbox, &format!("index finish-rotation {INDEXED} --project {PROJECT}"));
        }
        assert_eq!((table.is_found(&desk), roots(&desk.sandbox)), ((newest, false), vec![newest]));
        let proved = words(&desk.sandbox, &format!("key verify --project {PROJECT}"));
        assert_eq!(proved["keys-verified"]["failed"], json!([]), "{proved}");
        desk.nothing_is_lost();
    }
    // Whoever is started has not written the file anew just now.
    desk.daemon.signal(Signal::TERM);
    assert!(desk.daemon.wait().success());
    desk.restart();
    let forgotten = seen.check_forgotten(&mut desk, "index.finish-rotation");
    assert!(forgotten > 0, "no root was taken out");
    tell(format_args!(
        "{} kills: {begun} of {KILLS} rotations of an index root had begun, {finished} had finished; {between} of {} rows were indexed \
         anew before the kill among them",
        3 * KILLS,
        KILLS * ROWS
    ));
}
