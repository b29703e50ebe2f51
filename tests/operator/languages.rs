//! The command line in Indonesian and in English: what is for people is said in either, what is for machines is the same.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;

use crate::control::profile;
use crate::errors;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};

/// What both languages call the same, and what the daemon calls an API key or a CA.
const SAME: [&str; 9] = ["ID", "ENDPOINT", "LABEL", "P50", "P95", "P99", "API", "CA", "KEK"];

/// All that rows of statistics are told apart by.
const GROUP: &str = "time,user,project,endpoint,object,operation,outcome";

fn told(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn speaking(sandbox: &Sandbox, language: &str, verb: &[&str]) -> Output {
    sandbox.run(&[&["--language", language], verb].concat())
}

/// Words in capitals: headings.
fn headings(text: &str) -> BTreeSet<&str> {
    let is_heading = |word: &&str| {
        word.len() > 1 && word.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'/'))
    };
    text.split_whitespace().filter(is_heading).filter(|word| word.bytes().any(|byte| byte > b'9')).collect()
}

/// What stands first in each line.
fn first_words(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.split("  ").next()).filter(|word| !word.is_empty()).collect()
}

#[test]
fn no_heading_is_english_where_indonesian_is_spoken() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let below = ["--project", PROJECT];
    let of = ["--project", PROJECT, "--endpoint", ENDPOINT];
    let verbs: [Vec<&str>; 19] = [
        vec!["user", "list"],
        vec!["user", "show", "admin"],
        vec!["project", "list"],
        vec!["project", "show", PROJECT],
        [&["project", "member", "list"], &below[..]].concat(),
        [&["object", "list"], &below[..]].concat(),
        [&["object", "show", OBJECT], &below[..]].concat(),
        [&["object", "schema", "show", OBJECT], &below[..]].concat(),
        [&["endpoint", "list"], &below[..]].concat(),
        [&["endpoint", "show", ENDPOINT], &below[..]].concat(),
        [&["grant", "list"], &of[..]].concat(),
        [&["api-key", "list"], &of[..]].concat(),
        [&["budget", "show"], &of[..]].concat(),
        [&["subject", "list"], &below[..]].concat(),
        vec!["certificate", "list"],
        vec!["approval", "list"],
        vec!["session", "list", "admin"],
        [&["statistics", "--object", OBJECT, "--group", GROUP], &below[..]].concat(),
        vec!["audit", "list"],
    ];
    for verb in verbs {
        let [english, indonesian] = ["en", "id"].map(|language| {
            let output = speaking(&sandbox, language, &verb);
            assert!(output.status.success(), "{verb:?}: {}", errors(&output));
            told(&output)
        });
        assert_ne!(english, indonesian, "{verb:?}");
        let left: Vec<_> = headings(&english).intersection(&headings(&indonesian)).copied().collect();
        assert!(left.iter().all(|word| SAME.contains(word)), "{verb:?} says {left:?}:\n{indonesian}");
    }
    let [english, indonesian] = ["en", "id"].map(|language| told(&speaking(&sandbox, language, &["status"])));
    let left: Vec<_> = first_words(&english).intersection(&first_words(&indonesian)).copied().collect();
    assert_eq!(left, ["checkpoint", "disk", "sandbox", "token"], "{indonesian}");
    let changed = speaking(&sandbox, "id", &["user", "create", "siti", "--role", "user"]);
    assert!(told(&changed).starts_with("PENGGUNA  PERAN"), "{}", told(&changed));
    assert_eq!(told(&speaking(&sandbox, "id", &["user", "disable", "siti"])), "selesai\n");
    let page = speaking(&sandbox, "id", &["user", "list", "--limit", "1"]);
    assert!(told(&page).contains("\nMasih ada lagi: --after "), "{}", told(&page));
}

#[test]
fn a_refusal_is_said_in_the_language_of_whoever_asks_and_is_the_same_to_machines() {
    let sandbox = Sandbox::new();
    let nobody = ["user", "show", "nobody"];
    let unreached = speaking(&sandbox, "id", &nobody);
    assert_eq!(unreached.status.code(), Some(3));
    assert!(
        errors(&unreached).starts_with("gembok: tidak ada daemon yang menjawab di "),
        "{}",
        errors(&unreached)
    );
    assert!(errors(&unreached).contains("\n  jalankan dengan gembok serve"), "{}", errors(&unreached));

    let _daemon = sandbox.start();
    sandbox.provision();
    let refused = speaking(&sandbox, "id", &nobody);
    assert_eq!((refused.status.code(), told(&refused)), (Some(1), String::new()));
    assert!(
        errors(&refused).starts_with("gembok: Tidak ditemukan (not-found)\n  periksa namanya\n"),
        "{}",
        errors(&refused)
    );
    let taken = speaking(&sandbox, "id", &["project", "create", "a b"]);
    let detail = errors(&speaking(&sandbox, "en", &["project", "create", "a b"]));
    let detail = detail.strip_prefix("gembok: ").and_then(|said| said.split_once(" (bad-name)")).unwrap().0;
    assert!(
        errors(&taken).starts_with("gembok: Nama tidak sah (bad-name)\n  gunakan huruf"),
        "{}",
        errors(&taken)
    );
    assert!(
        detail == "The text is no name." || errors(&taken).trim_end().ends_with(detail),
        "{}",
        errors(&taken)
    );

    for verb in [&nobody[..], &["user", "list"], &["project", "show", PROJECT]] {
        let [english, indonesian] =
            ["en", "id"].map(|language| speaking(&sandbox, language, &[verb, &["--json"]].concat()));
        assert_eq!(english.stdout, indonesian.stdout, "{verb:?}");
        assert_eq!(english.status, indonesian.status, "{verb:?}");
    }
}

#[test]
fn the_environment_says_which_language_where_the_option_does_not() {
    let sandbox = Sandbox::new();
    let said = |environment: [(&str, &str); 3], more: &[&str]| {
        let mut command = sandbox.command(&[more, &["status"]].concat());
        errors(&command.envs(environment).output().unwrap())
    };
    let is_indonesian = |text: String| match (text.contains("tidak ada daemon"), text.contains("no daemon")) {
        (true, false) => true,
        (false, true) => false,
        _ => panic!("{text}"),
    };
    let all = |all, messages, lang| [("LC_ALL", all), ("LC_MESSAGES", messages), ("LANG", lang)];
    for (environment, indonesian) in [
        (all("", "", "id_ID.UTF-8"), true),
        (all("", "id_ID", "en_US.UTF-8"), true),
        (all("C", "id_ID", "id_ID"), false),
        (all("", "", ""), false),
        (all("id", "C", "C"), true),
    ] {
        assert_eq!(is_indonesian(said(environment, &[])), indonesian, "{environment:?}");
    }
    assert!(!is_indonesian(said(all("id_ID", "", ""), &["--language", "en"])));
    let unknown = sandbox.run(&["--language", "jv", "status"]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// English of values, sentences and states: what no output for people has where Indonesian is spoken.
const ENGLISH: [&str; 30] = [
    "waiting",
    "withdrawn",
    "approved",
    "expired",
    "active",
    "decrypt_only",
    "disabled",
    "destroyed",
    "operational",
    "locked",
    "unlocked",
    "trusted",
    "permit",
    "forbid",
    "allowed",
    "the",
    "its",
    "it",
    "is",
    "are",
    "was",
    "that",
    "with",
    "by",
    "journal",
    "exists",
    "records",
    "never",
    "what",
    "who",
];

/// The English among the words of an output, as people see them: what is joined by hyphens or dots is a name.
fn english(output: &Output) -> Vec<String> {
    let text = format!("{}{}", told(output), errors(output));
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_alphabetic()));
    words.filter(|word| ENGLISH.contains(word)).map(str::to_owned).collect()
}

#[test]
fn no_value_is_english_where_indonesian_is_spoken() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let key = [OBJECT, "1", "--project", PROJECT, "--reason", "uji"];
    sandbox.done(&["user", "create", "siti", "--role", "user"]);
    sandbox.done(&["project", "member", "add", "siti", "--project", PROJECT]);
    sandbox.done(&["certificate", "issue", "--user", "siti", "--out", "siti"]);
    let siti = profile(&sandbox, &daemon, "siti", "user");
    let siti = ["--profile", siti.as_str()];
    sandbox.done(&["key", "rotate", OBJECT, "--project", PROJECT]);
    let asked = sandbox.done(&[&siti[..], &["key", "schedule-destruction"], &key].concat());
    let id = asked["approval"]["id"].as_str().unwrap().to_owned();
    let of = ["--project", PROJECT];
    let shown = |verb: &[&str]| {
        let output = speaking(&sandbox, "id", verb);
        assert_eq!(english(&output), [""; 0], "{verb:?}: {}{}", told(&output), errors(&output));
        format!("{}{}", told(&output), errors(&output))
    };
    assert!(shown(&["approval", "show", &id]).contains("menunggu"));
    assert!(shown(&[&siti[..], &["approval", "withdraw", &id]].concat()).contains("ditarik kembali"));
    assert!(shown(&["approval", "list"]).contains("ditarik kembali"));
    assert!(
        shown(&["policy", "explain", "local", "user.create"])
            .contains("izin     operator-operates: Siapa pun")
    );
    assert!(shown(&[&["key", "list", OBJECT], &of[..]].concat()).contains("hanya dekripsi"));
    sandbox.done(&[&["key", "disable"], &key[..]].concat());
    let moved = shown(&[&["key", "show", OBJECT, "1"], &of[..]].concat());
    assert!(moved.contains("disable -> nonaktif"), "{moved}");
    assert!(shown(&["status"]).starts_with("keadaan       beroperasi\n"));
    assert!(shown(&["statistics", "--group", GROUP]).contains("PENGGUNA"));

    assert!(shown(&["audit", "check"]).starts_with("jurnal\n"));
    sandbox.done(&["audit", "export", "--output", "semua.cbor"]);
    let taken = shown(&["audit", "export", "--output", "semua.cbor"]);
    assert!(taken.contains("sudah ada (os error 17)\n  tidak ada yang ditimpa"), "{taken}");
    let missing = shown(&["audit", "verify", "kosong.cbor"]);
    assert!(missing.contains("kosong.cbor: tidak ada (os error 2)"), "{missing}");
    assert!(daemon.stop().success());
    let bytes = fs::read(sandbox.path("semua.cbor")).unwrap();
    for at in [0, 40, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        fs::write(sandbox.path("diubah.cbor"), altered).unwrap();
        let bad = shown(&["audit", "verify", "diubah.cbor"]);
        assert!(bad.contains("SALAH\n") && bad.contains("diubah.cbor tidak terbukti: "), "{bad}");
    }
    assert!(shown(&["status"]).contains("tidak ada daemon yang menjawab"));
}
