//! A book of what was asked and answered, to be judged by the OpenAPI document.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::client::{Answer, Client};

pub(crate) const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

/// Whoever may be let in, and what was said.
pub(crate) struct Book {
    pub(crate) people: Vec<Client>,
    pub(crate) nobody: Client,
    pub(crate) exchanges: Vec<String>,
}

impl Book {
    /// Asks, and keeps what came.
    pub(crate) fn ask(
        &mut self,
        client: &Client,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        sent: &Value,
    ) -> Answer {
        let body = if sent.is_null() { String::new() } else { sent.to_string() };
        let headers = [&[("content-type", "application/json")], headers].concat();
        let answer = client.insist(method, path, &headers, body.as_bytes());
        let exchange = json!({
            "method": method,
            "path": path,
            "sent": sent,
            "status": answer.status,
            "type": answer.header("content-type"),
            "headers": answer.headers(),
            // An export is no text.
            "body": String::from_utf8_lossy(&answer.body),
        });
        self.exchanges.push(exchange.to_string());
        answer
    }

    /// A resource of the control plane: whoever may get it does, and who shows nothing is refused.
    #[track_caller]
    pub(crate) fn resource(&mut self, method: &str, path: &str, sent: Value) -> Answer {
        let people = self.people.clone();
        let nobody = self.nobody.clone();
        // So often that it waits in the end.
        let status = self.ask(&nobody, method, path, &[], &sent).status;
        assert!(matches!(status, 401 | 429), "{method} {path}: {status}");
        let mut answers = people.iter().map(|one| self.ask(one, method, path, &[], &sent));
        answers.find(|answer| answer.status < 400).unwrap_or_else(|| panic!("{method} {path}: nobody may"))
    }

    pub(crate) fn judge(&self) {
        if let Err(said) = judged(&self.exchanges) {
            panic!("{said}\n(python3 -m pip install -r tests/requirements.txt)");
        }
    }
}

/// What the judge says of exchanges, a complaint a line.
pub(crate) fn judged(exchanges: &[String]) -> Result<(), String> {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi/judge.py");
    let mut judge = Command::new(python)
        .arg(judge)
        .arg(COMMITTED)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 starts; PYTHON names another");
    // A judge that breaks off has said why.
    let _ = judge.stdin.take().unwrap().write_all(exchanges.join("\n").as_bytes());
    let output = judge.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.into_owned()) }
}
