//! A provisioned appliance and the applications that use it. Tests that only ask share one; tests that take something away
//! have their own.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::{Answer, Client, Connection};
use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, PROJECT, Sandbox};

/// An appliance with project, object, endpoint, grants, certificate and API key.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) daemon: Daemon,
}

/// An application: an endpoint's name, certificate and API key.
#[derive(Clone)]
pub(crate) struct Application {
    pub(crate) client: Client,
    pub(crate) endpoint: String,
    pub(crate) api_key: String,
}

/// What the tests that only ask have in common.
pub(crate) struct Shared {
    pub(crate) world: World,
    /// Endpoint `absensi` of `kantor`: every object, but `titipan` only to encrypt and `asing` not at all.
    pub(crate) absensi: Application,
    /// Another endpoint of the same project, granted `karyawan`.
    pub(crate) gaji: Application,
    /// The same names in another project.
    pub(crate) cabang: Application,
    expiring: String,
    _keeper: Child,
}

/// Object and algorithm, for each there is; `karyawan` has the default.
pub(crate) const ALGORITHMS: [(&str, &str, usize); 4] = [
    (OBJECT, "xaes-256-gcm", 52),
    ("alamat", "aes-256-gcm", 40),
    ("tanggal-lahir", "aes-256-gcm-siv", 40),
    ("bpjs", "xchacha20-poly1305", 52),
];
/// An object that requires the context name `baris`.
pub(crate) const BOUND: &str = "terikat";

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let world = World::new("");
    for (object, algorithm, _) in &ALGORITHMS[1..] {
        world.done(&format!("object create {object} --project {PROJECT} --algorithm {algorithm}"));
        world.grant("encrypt decrypt", object, ENDPOINT);
    }
    world.done(&format!("object create {BOUND} --project {PROJECT} --required-context baris"));
    world.grant("encrypt decrypt", BOUND, ENDPOINT);
    world.done(&format!("object create titipan --project {PROJECT}"));
    world.grant("encrypt", "titipan", ENDPOINT);
    world.done(&format!("object create asing --project {PROJECT}"));
    let gaji = world.enrol(PROJECT, "gaji");
    world.grant("encrypt decrypt", OBJECT, "gaji");
    world.done("project create cabang");
    world.done(&format!("object create {OBJECT} --project cabang"));
    let cabang = world.enrol("cabang", ENDPOINT);
    let grant =
        format!("grant create encrypt decrypt --project cabang --endpoint {ENDPOINT} --object {OBJECT}");
    world.done(&grant);
    let generous = world.api_key(PROJECT, ENDPOINT, GENEROUS);
    let absensi = Application { api_key: generous, ..world.absensi() };
    let expiring = expiring(&world);
    let keeper = keeper(&world);
    Shared { absensi, gaji, cabang, expiring, world, _keeper: keeper }
});

/// Limits that no test meets by accident.
const GENEROUS: &str =
    "--requests-per-s 100000 --requests-burst 100000 --fields-per-s 1000000 --fields-burst 1000000";

pub(crate) fn shared() -> &'static Shared {
    &SHARED
}

/// An API key that ends as soon as can be. On a busy machine its end is past before the daemon reads of it; then it is
/// refused, and asked for again with more time.
fn expiring(world: &World) -> String {
    for seconds in [1, 4, 16] {
        let soon = OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
        let expires = soon.format(&Rfc3339).unwrap();
        let of = ["--project", PROJECT, "--endpoint", ENDPOINT, "--label", "uji", "--json"];
        let made = world.sandbox.run(&[&["api-key", "create", "--expires", &expires], &of[..]].concat());
        let answer: Value = serde_json::from_slice(&made.stdout).unwrap();
        if let Some(text) = answer["done"]["api-key-made"]["text"].as_str() {
            return text.to_owned();
        }
        assert_eq!(answer["refused"]["code"], "bad-request");
    }
    panic!("no API key was made within 16 s");
}

/// A static is never dropped: whoever holds the other end of this pipe sees the test process go, and cleans up after it.
fn keeper(world: &World) -> Child {
    let script = "read _; kill \"$1\"; sleep 1; rm -rf \"$2\"";
    Command::new("sh")
        .args(["-c", script, "sh", &world.daemon.id().to_string()])
        .arg(world.sandbox.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Shared {
    /// `absensi` with a certificate of its own, for tests that fail to authenticate: their waits are nobody else's.
    pub(crate) fn newcomer(&self) -> Application {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let folder = format!("newcomer-{}", MADE.fetch_add(1, Ordering::Relaxed));
        self.world
            .done(&format!("certificate issue --project {PROJECT} --endpoint {ENDPOINT} --out {folder}"));
        Application { client: self.world.data(Some(&format!("{folder}/client"))), ..self.absensi.clone() }
    }

    /// An API key of `absensi` that was good once.
    pub(crate) fn expired(&self) -> String {
        let application = Application { api_key: self.expiring.clone(), ..self.newcomer() };
        let item = json!({ "object": OBJECT, "plaintext": "" });
        self.world.daemon.wait_until("the API key has expired", || application.encrypt(&item).status == 401);
        self.expiring.clone()
    }
}

impl World {
    /// Provisioned, with `more` at the end of its configuration.
    pub(crate) fn new(more: &str) -> Self {
        Self::over(Sandbox::new(), more)
    }

    /// The same over a sandbox that was laid out already.
    pub(crate) fn over(sandbox: Sandbox, more: &str) -> Self {
        sandbox.configure(more);
        let daemon = sandbox.start();
        sandbox.provision();
        daemon.data();
        daemon.control();
        Self { sandbox, daemon }
    }

    /// Ends the daemon and starts another over the same folder.
    pub(crate) fn restart(self) -> Self {
        let Self { sandbox, daemon } = self;
        assert!(daemon.stop().success());
        let daemon = sandbox.resume();
        Self { sandbox, daemon }
    }

    /// Runs a verb that has to be done; words are separated by blanks.
    #[track_caller]
    pub(crate) fn done(&self, words: &str) -> Value {
        self.sandbox.done(&words.split(' ').collect::<Vec<_>>())
    }

    pub(crate) fn grant(&self, operations: &str, object: &str, endpoint: &str) {
        self.done(&format!(
            "grant create {operations} --project {PROJECT} --endpoint {endpoint} --object {object}"
        ));
    }

    /// Makes an API key; its text.
    pub(crate) fn api_key(&self, project: &str, endpoint: &str, more: &str) -> String {
        self.new_api_key(project, endpoint, more).1
    }

    /// An API key of `absensi` with limits that no test meets by accident.
    pub(crate) fn generous(&self) -> String {
        self.api_key(PROJECT, ENDPOINT, GENEROUS)
    }

    /// Makes an API key; its id and its text.
    pub(crate) fn new_api_key(&self, project: &str, endpoint: &str, more: &str) -> (String, String) {
        let words = format!("api-key create --project {project} --endpoint {endpoint} --label uji {more}");
        let made = &self.done(words.trim_end())["api-key-made"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["api_key"]["id"]), text(&made["text"]))
    }

    /// Makes an endpoint with certificate and API key.
    pub(crate) fn enrol(&self, project: &str, endpoint: &str) -> Application {
        self.done(&format!("endpoint create {endpoint} --project {project}"));
        let folder = format!("{project}-{endpoint}");
        self.done(&format!("certificate issue --project {project} --endpoint {endpoint} --out {folder}"));
        Application {
            client: self.data(Some(&format!("{folder}/client"))),
            endpoint: endpoint.to_owned(),
            api_key: self.api_key(project, endpoint, GENEROUS),
        }
    }

    /// Lets the provisioned endpoint in again, with all its API keys.
    pub(crate) fn enable(&self) {
        self.done(&format!("endpoint enable {ENDPOINT} --project {PROJECT}"));
        let listed = self.done(&format!("api-key list --project {PROJECT} --endpoint {ENDPOINT}"));
        for api_key in listed["api-keys"]["items"].as_array().unwrap() {
            if api_key["revoked"].is_null() {
                self.done(&format!("api-key enable {}", api_key["id"].as_str().unwrap()));
            }
        }
    }

    /// Gives the provisioned endpoint with all its API keys more to decrypt, to index and to miss than a new epoch left them, which is nothing.
    pub(crate) fn raise_budgets(&self) {
        let more = "--fields 100000000 --for 1h";
        for operation in ["decrypt", "index", "reencrypt"] {
            let more = format!("{more} --operation {operation}");
            self.done(&format!("budget raise --project {PROJECT} --endpoint {ENDPOINT} {more}"));
        }
        let listed = self.done(&format!("api-key list --project {PROJECT} --endpoint {ENDPOINT}"));
        for api_key in listed["api-keys"]["items"].as_array().unwrap() {
            for operation in ["decrypt", "index", "reencrypt"] {
                let id = api_key["id"].as_str().unwrap();
                self.done(&format!("budget raise --api-key {id} {more} --operation {operation}"));
            }
        }
    }

    /// The audit trail, from the first record on.
    pub(crate) fn trail(&self) -> Vec<Value> {
        self.done("audit list --limit 1000")["audit"]["entries"].as_array().unwrap().clone()
    }

    /// The application that was provisioned.
    pub(crate) fn absensi(&self) -> Application {
        Application {
            client: self.data(Some("client/client")),
            endpoint: ENDPOINT.to_owned(),
            api_key: self.sandbox.api_key(),
        }
    }

    /// A client of the data plane.
    pub(crate) fn data(&self, certificate: Option<&str>) -> Client {
        self.client(&self.daemon.data(), certificate)
    }

    /// A client of the control plane.
    pub(crate) fn control(&self, certificate: Option<&str>) -> Client {
        self.client(&self.daemon.control(), certificate)
    }

    /// The admin.
    pub(crate) fn admin(&self) -> Client {
        self.control(Some("admin/admin"))
    }

    /// Waits until everything that is recorded is below a checkpoint.
    pub(crate) fn wait_for_checkpoint(&self) {
        self.daemon.wait_until("the head is signed", || {
            let status = self.status();
            status["witness"]["checkpoint_sequence"] == status["journal"]["next_sequence"]
        });
    }

    pub(crate) fn status(&self) -> Value {
        self.done("status")["status"].clone()
    }

    /// A client of the data plane that trusts the CAs in the file `ca`.
    pub(crate) fn data_by(&self, ca: &str, certificate: Option<&str>) -> Client {
        let certificate = certificate.map(|path| self.sandbox.path(path));
        Client::new(&self.daemon.data(), &self.sandbox.path(ca), certificate.as_deref())
    }

    fn client(&self, address: &str, certificate: Option<&str>) -> Client {
        let certificate = certificate.map(|path| self.sandbox.path(path));
        Client::new(address, &self.sandbox.path("admin/ca.pem"), certificate.as_deref())
    }
}

impl Application {
    /// A v1 request on a connection of its own.
    pub(crate) fn v1(&self, operation: &str, body: impl AsRef<[u8]>) -> Answer {
        let bearer = self.bearer();
        self.client.insist("POST", &self.path(operation), &[("authorization", &bearer)], body.as_ref())
    }

    /// A v1 request on a live connection.
    pub(crate) fn v1_over(
        &self,
        connection: &mut Connection,
        operation: &str,
        body: impl AsRef<[u8]>,
    ) -> io::Result<Answer> {
        let bearer = self.bearer();
        connection.ask("POST", &self.path(operation), &[("authorization", &bearer)], body.as_ref())
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.api_key)
    }

    pub(crate) fn path(&self, operation: &str) -> String {
        format!("/v1/endpoints/{}/{operation}", self.endpoint)
    }

    pub(crate) fn encrypt(&self, item: &Value) -> Answer {
        self.v1("encrypt", item.to_string())
    }

    pub(crate) fn decrypt(&self, item: &Value) -> Answer {
        self.v1("decrypt", item.to_string())
    }

    /// A plaintext sealed, its envelope in text.
    #[track_caller]
    pub(crate) fn seal(&self, object: &str, plaintext: &[u8]) -> String {
        let sealed = self.encrypt(&json!({ "object": object, "plaintext": STANDARD.encode(plaintext) })).ok();
        sealed["ciphertext"].as_str().unwrap().to_owned()
    }

    /// An envelope opened.
    #[track_caller]
    pub(crate) fn open(&self, object: &str, ciphertext: &str) -> Vec<u8> {
        let opened = self.decrypt(&json!({ "object": object, "ciphertext": ciphertext })).ok();
        STANDARD.decode(opened["plaintext"].as_str().unwrap()).unwrap()
    }

    /// A request of the published contract.
    pub(crate) fn published(&self, body: impl AsRef<[u8]>) -> Answer {
        let path = format!("/cryptAPI/Crypt/{}/", self.endpoint);
        self.client.insist("POST", &path, &[], body.as_ref())
    }

    /// Its body with every member: `value` is the plaintext or the ciphertext, by `aksi`.
    pub(crate) fn published_body(&self, object: &str, aksi: &str, value: &str) -> Value {
        let member = if aksi == "enkrip" { "plaintext" } else { "ciphertext" };
        json!({ "api-key": self.api_key, "objek": object, "aksi": aksi, member: value })
    }
}
