//! The command line over the control plane, as a named user: the same verbs, the same answers, another actor in the trail.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::daemon::{Daemon, ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::{errors, mode};

/// A profile of the user whose files are in `folder`.
pub(crate) fn profile(sandbox: &Sandbox, daemon: &Daemon, folder: &str, name: &str) -> String {
    let text = format!(
        "control = \"https://{}\"\nca = \"ca.pem\"\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n",
        daemon.control()
    );
    let file = sandbox.path(&format!("{folder}/profile.toml"));
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn done(sandbox: &Sandbox, profile: &str, words: &str) -> Value {
    sandbox.done(&[&["--profile", profile], &words.split(' ').collect::<Vec<_>>()[..]].concat())
}

fn refused(sandbox: &Sandbox, profile: &str, words: &str) -> String {
    sandbox.refused(&[&["--profile", profile], &words.split(' ').collect::<Vec<_>>()[..]].concat())
}

#[test]
fn a_named_user_does_over_the_control_plane_what_the_socket_did() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let admin = profile(&sandbox, &daemon, "admin", "admin");
    // Keys are made here, whichever way the signing request goes.
    done(&sandbox, &admin, "user create tono --role auditor");
    done(&sandbox, &admin, "certificate issue --user tono --out tono");
    let tono = profile(&sandbox, &daemon, "tono", "user");
    done(&sandbox, &tono, "audit list --limit 5");
    // One who may widen ways to data has nobody's second yes to wait for: the operator of a sandbox made the account.
    sandbox.done(&["user", "create", "siti", "--role", "user"]);
    sandbox.done(&["project", "member", "add", "siti", "--project", PROJECT]);
    sandbox.done(&["certificate", "issue", "--user", "siti", "--out", "siti"]);
    let siti = profile(&sandbox, &daemon, "siti", "user");
    let below = format!("--project {PROJECT}");
    let of = format!("{below} --endpoint {ENDPOINT}");
    for verb in [
        format!("object create alamat {below} --required-context baris"),
        format!("key rotate alamat {below}"),
        format!("budget set {of} --operation index --fields 50"),
        format!("grant create encrypt decrypt {of} --object alamat"),
        format!("grant revoke decrypt {of} --object alamat"),
        format!("budget set {of} --fields 500"),
        format!("budget raise {of} --fields 900 --for 1h"),
        "project create gudang".to_owned(),
        format!("project rotate-kek {PROJECT} --reason tahunan"),
        "endpoint create kasir --project gudang".to_owned(),
        "endpoint revoke kasir --project gudang".to_owned(),
    ] {
        done(&sandbox, &siti, &verb);
    }
    let made = done(&sandbox, &siti, &format!("api-key create {of} --label baru"));
    assert!(made["api-key-made"]["text"].as_str().unwrap().starts_with("gbk_"));
    let id = made["api-key-made"]["api_key"]["id"].as_str().unwrap();
    done(&sandbox, &siti, &format!("api-key revoke {id}"));

    // What both doors show is one and the same, for eyes and for programs.
    for (who, verb) in [
        (&siti, format!("object list {below} --limit 1")),
        (&siti, format!("object show {OBJECT} {below}")),
        (&siti, format!("endpoint list {below}")),
        (&siti, format!("grant list {of}")),
        (&siti, format!("api-key list {of}")),
        (&siti, format!("budget show {of}")),
        (&siti, format!("project show {PROJECT}")),
        (&siti, format!("project member list {below}")),
        (&admin, "user list".to_owned()),
        (&admin, "user show siti".to_owned()),
        (&admin, "certificate list".to_owned()),
    ] {
        let words: Vec<&str> = verb.split(' ').collect();
        for form in [&["--json"][..], &[]] {
            let local = sandbox.run(&[form, &words].concat());
            let over = sandbox.run(&[&["--profile", who], form, &words].concat());
            assert!(over.status.success(), "{verb}: {}", errors(&over));
            let text = |output: &std::process::Output| String::from_utf8(output.stdout.clone()).unwrap();
            assert_eq!(text(&local), text(&over), "{verb}");
        }
    }

    // It was siti, and the socket's operator was not asked.
    let id = sandbox.done(&["user", "show", "siti"])["user-shown"]["user"]["id"].as_str().unwrap().to_owned();
    let trail = sandbox.done(&["audit", "list", "--limit", "1000"]);
    let hers = trail["audit"]["entries"].as_array().unwrap().iter();
    let hers = hers.filter(|entry| entry["actor"] == format!("user:{id}"));
    assert!(hers.count() >= 10);
    // An officer does the same for any project, and an admin does not.
    sandbox.done(&["user", "create", "opsir", "--role", "officer"]);
    sandbox.done(&["certificate", "issue", "--user", "opsir", "--out", "opsir"]);
    let opsir = profile(&sandbox, &daemon, "opsir", "user");
    assert_eq!(done(&sandbox, &opsir, "project rotate-kek gudang")["project"]["kek_version"], 2);
    assert_eq!(refused(&sandbox, &admin, "project rotate-kek gudang"), "forbidden");
    let reason = "a".repeat(201);
    assert_eq!(
        refused(&sandbox, &opsir, &format!("project rotate-kek gudang --reason {reason}")),
        "bad-request"
    );
    let told = |language: &str| {
        let output = sandbox.run(&["--language", language, "project", "list"]);
        String::from_utf8(output.stdout).unwrap()
    };
    daemon.wait_until("both rotations are done", || !told("en").contains("rewrapping"));
    assert!(
        told("id").contains("KEK") && told("id").lines().skip(1).all(|line| line.ends_with("  2")),
        "{}",
        told("id")
    );
    // What she may not do she may not do this way.
    assert_eq!(refused(&sandbox, &siti, "user list"), "forbidden");
    assert_eq!(refused(&sandbox, &admin, &format!("grant create decrypt {of} --object alamat")), "forbidden");
}

#[test]
fn what_is_asked_at_the_machine_goes_there_and_a_wrong_profile_says_what_to_do() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let admin = profile(&sandbox, &daemon, "admin", "admin");
    done(&sandbox, &admin, "lock");
    assert_eq!(refused(&sandbox, &admin, "user list"), "wrong-state");
    done(&sandbox, &admin, "unlock");

    let run = |args: &[&str]| sandbox.run(&[args, &["user", "list"]].concat());
    let control = format!("https://{}", daemon.control());
    let files = [
        "--control-ca",
        "admin/ca.pem",
        "--control-certificate",
        "admin/admin.pem",
        "--control-key",
        "admin/admin.key",
    ];
    assert!(run(&[&["--control", &control], &files[..]].concat()).status.success());
    for (args, status, said) in [
        (vec!["--profile", "tidak-ada.toml"], 1, "check the path"),
        (vec!["--control", &control], 2, "--control-ca"),
        ([&["--control", "gembok.lan"], &files[..]].concat(), 1, "https://gembok.lan:9443"),
        ([&["--control", "https://127.0.0.1:1"], &files[..]].concat(), 3, "cannot be asked"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}", errors(&output));
        assert!(errors(&output).contains(said), "{args:?}: {}", errors(&output));
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.run(&["completions", shell]);
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains("server-names") && script.contains("required-context"), "{shell}");
    }
    // A profile that lies at home is for who names no configuration.
    let home = sandbox.path("rumah/gembok");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("profile.toml"), "control = \"https://127.0.0.1:1\"").unwrap();
    let ask = |more: &mut Command| more.env("XDG_CONFIG_HOME", sandbox.path("rumah")).output().unwrap();
    let list = ["user", "list"];
    assert!(ask(&mut sandbox.command(&list)).status.success());
    let mut bare = Command::new(env!("CARGO_BIN_EXE_gembok"));
    let output = ask(bare.args(list).env_remove("GEMBOK_CONFIG"));
    assert!(errors(&output).contains("profile.toml: "), "{}", errors(&output));
    // Another's CA, a key that others may read, a profile with a slip of the pen.
    let strange = rcgen::generate_simple_self_signed(vec!["gembok.lan".into()]).unwrap();
    fs::write(sandbox.path("admin/ca-lain.pem"), strange.cert.pem()).unwrap();
    let output = run(&[
        "--control",
        &control,
        "--control-ca",
        "admin/ca-lain.pem",
        files[2],
        files[3],
        files[4],
        files[5],
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    let key = sandbox.path("admin/admin.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert!(
        errors(&run(&["--profile", &admin])).contains("chmod"),
        "{}",
        errors(&run(&["--profile", &admin]))
    );
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(sandbox.path("admin/profile.toml"), "kontrol = \"x\"").unwrap();
    assert!(errors(&run(&["--profile", &admin])).contains("a profile names control"));
}

/// Somebody who audits has no account at the machine, and no file of it.
#[test]
fn an_auditor_takes_the_journal_away_over_the_control_plane_and_proves_it() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    for (name, role) in [("rina", "auditor"), ("siti", "user")] {
        sandbox.done(&["user", "create", name, "--role", role]);
        sandbox.done(&["certificate", "issue", "--user", name, "--out", name]);
    }
    let rina = profile(&sandbox, &daemon, "rina", "user");
    let siti = profile(&sandbox, &daemon, "siti", "user");
    let run = |who: &str, words: &str| {
        let mut bare = Command::new(env!("CARGO_BIN_EXE_gembok"));
        bare.current_dir(sandbox.path(".")).env_remove("GEMBOK_CONFIG").args(["--profile", who]);
        bare.args(words.split(' ')).output().unwrap()
    };
    let json = |output: &Output| -> Value {
        assert!(output.status.success(), "{}", errors(output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let key = json(&run(&rina, "audit key --json"))["done"]["checkpoint-keys"][0]["pem"].clone();
    fs::write(sandbox.path("dicatat.pem"), key.as_str().unwrap()).unwrap();

    // The same file as over the socket, and it counts as kept.
    let kept = json(&run(&rina, "--json audit export --output rina.cbor"));
    let prunable = kept["done"]["export-kept"]["prunable_to"].as_u64().unwrap();
    assert!(prunable > 5, "{kept}");
    assert_eq!(mode(&sandbox.path("rina.cbor")), 0o600);
    assert!(!sandbox.path("rina.cbor.part").exists());
    let proved = |output: &Output| {
        let said = json(output);
        assert_eq!(said["holds"], true, "{said}");
        said["exports"][0].clone()
    };
    let verified = proved(&run(&rina, "--json audit verify rina.cbor --checkpoint-key dicatat.pem"));
    assert_eq!((&verified["unsigned"], &verified["key_was_named"]), (&0.into(), &true.into()));
    sandbox.done(&["audit", "export", "--to", &(prunable - 1).to_string(), "--output", "root.cbor"]);
    assert_eq!(fs::read(sandbox.path("rina.cbor")).unwrap(), fs::read(sandbox.path("root.cbor")).unwrap());
    let shown = run(&rina, "audit export --from 1 --to 3");
    fs::write(sandbox.path("keluaran.cbor"), &shown.stdout).unwrap();
    proved(&run(&rina, "--json audit verify keluaran.cbor"));
    proved(&run(&rina, "--json audit check --checkpoint-key dicatat.pem"));
    let audit = run(&rina, "--json audit export --kind audit --output audit.cbor");
    assert!(audit.status.success(), "{}", errors(&audit));
    assert!(proved(&run(&rina, "--json audit verify audit.cbor"))["records"]["audit"].as_u64() > Some(5));
    let endpoint = run(
        &rina,
        &format!("--json audit export --project {PROJECT} --endpoint {ENDPOINT} --output satu.cbor"),
    );
    assert!(endpoint.status.success(), "{}", errors(&endpoint));

    // Who may not gets nothing, and it is written down; who asks for what is not there is told so.
    for (who, words, code) in [
        (&siti, "audit export --output siti.cbor", "(forbidden)"),
        (&siti, "audit check", "(forbidden)"),
        (&rina, "audit export --kind semua --output x.cbor", "(bad-request)"),
        (&rina, "audit export --from 99999 --output x.cbor", "There are records up to"),
    ] {
        let output = run(who, words);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(errors(&output).contains(code), "{words}: {}", errors(&output));
    }
    for file in ["siti.cbor", "siti.cbor.part", "x.cbor", "x.cbor.part"] {
        assert!(!sandbox.path(file).exists(), "{file}");
    }
    let tried = sandbox.done(&["audit", "list", "--act", "refused", "--limit", "1000"]).to_string();
    assert!(tried.contains("audit.export"), "{tried}");
}
