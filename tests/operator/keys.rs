//! `gembok key verify` for eyes, in both languages.

use crate::support::daemon::{PROJECT, Sandbox};

#[test]
fn stored_keys_are_verified_and_shown() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.start();
    sandbox.provision();
    let shown = |words: &[&str]| {
        let output = sandbox.run(words);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let english = shown(&["key", "verify"]);
    for line in [
        "KEY                PROVED  NOT PROVED",
        "data key           1       0",
        "project key (KEK)  1       0",
    ] {
        assert!(english.contains(line), "{english}");
    }
    assert!(!english.contains("KCV"), "{english}");
    let indonesian = shown(&["key", "verify", "--project", PROJECT, "--kcv", "--language", "id"]);
    assert!(indonesian.contains("kunci data") && indonesian.contains("KCV"), "{indonesian}");
    assert!(!indonesian.contains("kunci induk"), "{indonesian}");
    assert_eq!(sandbox.refused(&["key", "verify", "--project", "tidak-ada"]), "not-found");
    sandbox.done(&["lock"]);
    assert_eq!(sandbox.refused(&["key", "verify"]), "wrong-state");
}
