//! The load: clients over mutual TLS that seal, open and use up leases, an operator who changes the catalog, and the books
//! each of them keeps.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gembok::domain::id::ApiKeyId;
use serde_json::{Value, json};

use crate::client::{Client, Connection};
use crate::ledger::{Made, Page, Sealed, Sent};
use crate::phase::Dice;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};

/// Objects with the algorithm of each; the operator makes more.
pub(crate) const OBJECTS: [(&str, &str); 4] = [
    (OBJECT, "xaes-256-gcm"),
    (LEASED, "aes-256-gcm"),
    ("tanggal-lahir", "aes-256-gcm-siv"),
    ("bpjs", "xchacha20-poly1305"),
];
const LEASED: &str = "alamat";
/// A connection may be asked to come again when the CRL changes; more often something is wrong.
const RECONNECTIONS_MAX: usize = 8;
/// Of a first lease; each later one is twice the one before.
const LEASE_FIRST: u32 = 1_024;

/// What a client does all day.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    Seal,
    /// Seals so much that leases are taken one after the other, and knows when.
    Lease,
    Open,
}

/// A client with an API key of its own.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) duty: Duty,
    pub(crate) id: ApiKeyId,
    pub(crate) api_key: String,
}

/// What the clients of one round have in common.
pub(crate) struct Field {
    pub(crate) round: usize,
    pub(crate) client: Client,
    /// What opens; what the clients seal is added.
    pub(crate) pool: Mutex<Vec<Sealed>>,
    /// Objects of earlier rounds to seal under.
    pub(crate) made: Vec<String>,
    pub(crate) acknowledged: AtomicUsize,
    /// The end has come, or comes at any moment.
    pub(crate) is_over: AtomicBool,
    /// A request that needs a lease is under way.
    pub(crate) is_leasing: AtomicBool,
    /// A change of the catalog is under way.
    pub(crate) is_changing: AtomicBool,
}

/// One request and what its answer has to be.
struct Task {
    object: String,
    operation: &'static str,
    body: String,
    /// In order; of a seal only the plaintext is known.
    fields: Vec<Sealed>,
    is_batch: bool,
}

impl Field {
    pub(crate) fn new(round: usize, client: Client, pool: Vec<Sealed>, made: Vec<String>) -> Self {
        Self {
            round,
            client,
            pool: Mutex::new(pool),
            made,
            acknowledged: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            is_leasing: AtomicBool::new(false),
            is_changing: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Vec<Sealed>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Works until the round is over. Decrypts are strict by default.
    pub(crate) fn work(&self, field: &Field) -> Page {
        let mut page = Page::new(self.id, self.duty == Duty::Open);
        let (mut dice, mut lease) = (Dice::new(), Lease::default());
        let mut connection: Option<Connection> = None;
        let mut reconnections = 0;
        let headers = [("authorization", format!("Bearer {}", self.api_key))];
        let headers = [(headers[0].0, headers[0].1.as_str())];
        let mut turn = 0;
        while !field.is_over() {
            let Some(task) = self.task(field, turn, &mut dice) else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            turn += 1;
            let count = u32::try_from(task.fields.len()).unwrap();
            page.sent.push(Sent { fields: count, is_acknowledged: false });
            if self.duty == Duty::Lease {
                field.is_leasing.store(lease.take(count), SeqCst);
            }
            if connection.is_none() {
                connection = field.client.connect().ok();
            }
            let path = format!("/v1/endpoints/{ENDPOINT}/{}", task.operation);
            let answer =
                connection.as_mut().map(|live| live.ask("POST", &path, &headers, task.body.as_bytes()));
            match answer {
                Some(Ok(answer)) if answer.status == 200 => {
                    if self.duty == Duty::Lease {
                        field.is_leasing.store(false, SeqCst);
                    }
                    if answer.header("connection") == Some("close") {
                        connection = None;
                    }
                    task.check(&answer.json(), field, &mut page, turn);
                    page.sent.last_mut().unwrap().is_acknowledged = true;
                    field.acknowledged.fetch_add(1, SeqCst);
                }
                _ if field.is_over() => break,
                Some(Ok(answer)) => panic!("{}: {} {}", task.operation, answer.status, answer.text()),
                other => {
                    reconnections += 1;
                    let why = other.and_then(Result::err);
                    assert!(reconnections <= RECONNECTIONS_MAX, "round {}: {why:?}", field.round);
                    connection = None;
                }
            }
        }
        page
    }

    fn task(&self, field: &Field, turn: usize, dice: &mut Dice) -> Option<Task> {
        let count = turn % 7 + 1;
        let fields: Vec<Sealed> = match self.duty {
            Duty::Open => {
                let pool = field.pool();
                let first = (!pool.is_empty()).then(|| dice.pick(&pool).clone())?;
                let more = (1..count).map(|_| dice.pick(&pool).clone());
                [first].into_iter().chain(more).collect()
            }
            Duty::Lease => plaintexts(LEASED, count + 40, field.round, turn),
            Duty::Seal => {
                let object = match (turn % 16, field.made.is_empty()) {
                    (0, false) => dice.pick(&field.made).as_str(),
                    _ => OBJECTS[[0, 2, 3][turn % 3]].0,
                };
                plaintexts(object, count, field.round, turn)
            }
        };
        Some(Task::new(if self.duty == Duty::Open { "decrypt" } else { "encrypt" }, fields))
    }
}

fn plaintexts(object: &str, count: usize, round: usize, turn: usize) -> Vec<Sealed> {
    let one = |at| Sealed {
        object: object.to_owned(),
        ciphertext: String::new(),
        plaintext: STANDARD.encode(format!("{object} {round}-{turn}-{at}")),
    };
    (0..count).map(one).collect()
}

impl Task {
    pub(crate) fn new(operation: &'static str, fields: Vec<Sealed>) -> Self {
        let items: Vec<Value> = fields
            .iter()
            .map(|field| match operation {
                "encrypt" => json!({ "object": field.object, "plaintext": field.plaintext }),
                _ => json!({ "object": field.object, "ciphertext": field.ciphertext }),
            })
            .collect();
        let is_batch = items.len() > 1;
        let body = if is_batch { json!({ "items": items }) } else { items.into_iter().next().unwrap() };
        let object = fields[0].object.clone();
        Self { object, operation, body: body.to_string(), fields, is_batch }
    }

    /// Takes an answer apart, and notes what was sealed.
    fn check(self, answer: &Value, field: &Field, page: &mut Page, turn: usize) {
        let single = [answer.clone()];
        let items = if self.is_batch { answer["items"].as_array().unwrap().as_slice() } else { &single };
        assert_eq!(items.len(), self.fields.len(), "{answer}");
        if self.operation == "decrypt" {
            for (item, expected) in items.iter().zip(&self.fields) {
                assert_eq!(item["plaintext"], expected.plaintext.as_str(), "{}: {answer}", expected.object);
            }
            return;
        }
        *page.uses.entry(self.object).or_default() += items.len() as u64;
        let made = items.iter().zip(self.fields).map(|(item, made)| Sealed {
            ciphertext: item["ciphertext"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned(),
            ..made
        });
        let made: Vec<Sealed> = made.collect();
        if turn.is_multiple_of(5) {
            field.pool().extend(made.iter().take(3).cloned());
        }
        if turn.is_multiple_of(40) || turn < 4 {
            page.sealed.extend(made.into_iter().take(1));
        }
    }
}

/// How much of a lease is left, as the one client that uses the key up can know it.
#[derive(Default)]
struct Lease {
    left: u32,
    granted: u32,
}

impl Lease {
    /// Whether so many uses need a new lease.
    fn take(&mut self, uses: u32) -> bool {
        let needs = self.left < uses;
        if needs {
            self.granted = (self.granted * 2).max(LEASE_FIRST);
            self.left += self.granted;
        }
        self.left -= uses;
        needs
    }
}

/// Opens `some` one after the other; each has to come out as it went in.
pub(crate) fn open_all(client: &Client, api_key: &str, some: Vec<Sealed>) {
    let bearer = format!("Bearer {api_key}");
    for batch in some.chunks(50).map(<[Sealed]>::to_vec) {
        let task = Task::new("decrypt", batch);
        let path = format!("/v1/endpoints/{ENDPOINT}/decrypt");
        let answer = client.insist("POST", &path, &[("authorization", &bearer)], task.body.as_bytes());
        let mut page = Page::new(ApiKeyId::from_bytes([0; 16]), false);
        task.check(&answer.ok(), &Field::new(0, client.clone(), Vec::new(), Vec::new()), &mut page, 0);
    }
}

/// Makes objects and grants until the round is over, `count` at most.
pub(crate) fn operate(field: &Field, socket: &Path, count: usize) -> Vec<Made> {
    let mut all = Vec::new();
    for at in 0..count {
        if field.is_over() {
            break;
        }
        let name = format!("objek-{}-{at}", field.round);
        let algorithm = ["xaes-256-gcm", "aes-256-gcm-siv"][at % 2];
        let make = json!({ "object": { "create": {
            "project": PROJECT, "name": name, "algorithm": algorithm, "required_context": [],
        } } });
        let grant = json!({ "grant": { "create": {
            "project": PROJECT, "endpoint": ENDPOINT, "object": name, "operations": ["encrypt", "decrypt"],
        } } });
        let mut done = [false; 2];
        for (done, request) in done.iter_mut().zip([make, grant]) {
            field.is_changing.store(true, SeqCst);
            let answer = ask(socket, &request);
            field.is_changing.store(answer.is_none(), SeqCst);
            *done = answer.is_some();
            match answer {
                Some(answer) => {
                    assert!(answer["done"].is_object() || answer["done"] == "changed", "{answer}");
                }
                None => {
                    assert!(field.is_over(), "the local socket gave no answer");
                    break;
                }
            }
        }
        all.push(Made { name, is_answered: done[0], is_granted: done[1] });
        std::thread::sleep(Duration::from_millis(40));
    }
    all
}

/// A line over the local socket; `None` when no whole answer came.
fn ask(socket: &Path, request: &Value) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(format!("{request}\n").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    serde_json::from_slice(&answer).ok()
}
