//! One provisioned daemon and one client that keeps count, for what is not done to a daemon by killing it.

use std::io;

use serde_json::{Value, json};

use crate::client::{Answer, Client, Connection};
use crate::ledger::Sealed;
use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, Sandbox};

/// What a request came to: its status, and the code of a refusal.
pub(crate) type Outcome = (u16, String);

pub(crate) struct Desk {
    pub(crate) sandbox: Sandbox,
    pub(crate) daemon: Daemon,
    client: Client,
    /// What was sealed and acknowledged.
    pub(crate) sealed: Vec<Sealed>,
    /// Decrypts that were acknowledged.
    pub(crate) opened: u64,
}

impl Desk {
    /// Provisions over a folder that is laid out, and starts again with `start`.
    pub(crate) fn new(sandbox: Sandbox, start: impl FnOnce(&Sandbox) -> Daemon) -> Self {
        let daemon = sandbox.start();
        sandbox.provision();
        assert!(daemon.stop().success());
        let daemon = start(&sandbox);
        daemon.wait_until("it is operational", || daemon.log().contains("\"operational\""));
        let client = client(&sandbox, &daemon);
        Self { sandbox, daemon, client, sealed: Vec::new(), opened: 0 }
    }

    /// Another daemon over the same folder, when the one there has ended.
    pub(crate) fn restart(&mut self) {
        self.daemon = self.sandbox.resume();
        self.meet();
    }

    /// The daemon there is another one.
    pub(crate) fn meet(&mut self) {
        self.client = client(&self.sandbox, &self.daemon);
    }

    pub(crate) fn connect(&self) -> Connection {
        self.client.connect().unwrap_or_else(|error| panic!("{error}; {}", self.daemon.log()))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn seal(&mut self) -> Outcome {
        let mut live = self.connect();
        self.seal_over(&mut live)
    }

    pub(crate) fn seal_over(&mut self, live: &mut Connection) -> Outcome {
        let plaintext = "TklLIDM2MDI=";
        let answer = self.ask(live, "encrypt", &json!({ "object": OBJECT, "plaintext": plaintext }));
        if let (200, answer) = &answer {
            let ciphertext = answer["ciphertext"].as_str().unwrap().to_owned();
            self.sealed.push(Sealed { object: OBJECT.into(), ciphertext, plaintext: plaintext.into() });
        }
        outcome(answer)
    }

    /// Opens the newest envelope.
    pub(crate) fn open(&mut self) -> Outcome {
        let mut live = self.connect();
        self.open_over(&mut live, self.sealed.len() - 1)
    }

    pub(crate) fn open_over(&mut self, live: &mut Connection, at: usize) -> Outcome {
        let sealed = self.sealed[at].clone();
        let answer = self.ask(live, "decrypt", &json!({ "object": OBJECT, "ciphertext": sealed.ciphertext }));
        if let (200, answer) = &answer {
            assert_eq!(answer["plaintext"], sealed.plaintext.as_str());
            self.opened += 1;
        }
        outcome(answer)
    }

    /// Everything that was ever acknowledged opens, and every acknowledged decrypt is in the statistics, which are a recount
    /// of the journal.
    pub(crate) fn nothing_is_lost(&mut self) {
        assert!(self.opened > 0, "nothing was tried");
        let mut live = self.connect();
        for at in 0..self.sealed.len() {
            assert_eq!(self.open_over(&mut live, at), done());
        }
        let recorded = self.recorded();
        assert!(
            recorded.is_some_and(|recorded| recorded >= self.opened),
            "{recorded:?} decrypts recorded, {} acknowledged",
            self.opened
        );
    }

    /// The same of a store that may be damaged: whether it is so. What is not there must not be answered for.
    pub(crate) fn is_all_there(&mut self) -> bool {
        let mut live = self.connect();
        let opens = (0..self.sealed.len()).all(|at| self.open_over(&mut live, at) == done());
        let recorded = self.recorded();
        assert!(
            recorded.is_none_or(|recorded| !opens || recorded >= self.opened),
            "{recorded:?} of {}",
            self.opened
        );
        opens && recorded.is_some()
    }

    /// Decrypts in the statistics; `None` when they cannot be read.
    fn recorded(&self) -> Option<u64> {
        let query = "/v1/statistics?resolution=day&operation=decrypt";
        let (status, answer) = self.sandbox.get(&self.daemon, query).unwrap();
        if status != 200 {
            return None;
        }
        let rows = answer["rows"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let requests = |row: &Value| row["requests"].as_u64().unwrap_or(0);
        Some(rows.iter().filter(|row| row["outcome"] == "done").map(requests).sum())
    }

    pub(crate) fn status(&self) -> Value {
        self.sandbox.done(&["status"])["status"].clone()
    }

    /// `/health/ready`.
    pub(crate) fn ready(&self) -> u16 {
        self.sandbox.get(&self.daemon, "/health/ready").unwrap().0
    }

    /// A seal and an open, for as long as there are answers.
    pub(crate) fn try_both(&mut self, live: &mut Connection) -> bool {
        let item = json!({ "object": OBJECT, "plaintext": "" });
        let Ok(sealed) = self.try_ask(live, "encrypt", &item) else { return false };
        if sealed.status != 200 {
            return sealed.status == 429;
        }
        let ciphertext = sealed.json()["ciphertext"].as_str().unwrap().to_owned();
        let item = json!({ "object": OBJECT, "ciphertext": ciphertext });
        self.sealed.push(Sealed { object: OBJECT.into(), ciphertext, plaintext: String::new() });
        let Ok(opened) = self.try_ask(live, "decrypt", &item) else { return false };
        if opened.status == 200 {
            assert_eq!(opened.json()["plaintext"], "");
            self.opened += 1;
        }
        [200, 429].contains(&opened.status) && opened.header("connection") != Some("close")
    }

    fn ask(&self, live: &mut Connection, operation: &str, body: &Value) -> (u16, Value) {
        let mut answer = self.try_ask(live, operation, body);
        if answer.is_err() {
            // New certificates, shortly after a start, end a connection without an answer.
            *live = self.connect();
            answer = self.try_ask(live, operation, body);
        }
        let answer = answer.unwrap_or_else(|error| panic!("{operation}: {error}; {}", self.daemon.log()));
        (answer.status, answer.json())
    }

    /// The same where it may be that nobody answers.
    pub(crate) fn try_ask(&self, live: &mut Connection, operation: &str, body: &Value) -> io::Result<Answer> {
        let bearer = format!("Bearer {}", self.sandbox.api_key());
        let path = format!("/v1/endpoints/{ENDPOINT}/{operation}");
        live.ask("POST", &path, &[("authorization", &bearer)], body.to_string().as_bytes())
    }
}

pub(crate) fn done() -> Outcome {
    (200, String::new())
}

fn outcome((status, answer): (u16, Value)) -> Outcome {
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

/// A client without memory of sessions.
pub(crate) fn client(sandbox: &Sandbox, daemon: &Daemon) -> Client {
    let certificate = sandbox.path("client/client");
    Client::new(&daemon.data(), &sandbox.path("admin/ca.pem"), Some(&certificate))
}
