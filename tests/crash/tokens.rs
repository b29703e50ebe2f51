//! `SoftHSM` empties its token's file and writes it again at every login. Killed in between it has lost the token: the store
//! stays as it is, the daemon says what is missing, and what `provisioning/keep-token.sh` kept brings both back.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;

use crate::desk::{Desk, done};
use crate::support::daemon::Sandbox;
use crate::support::disk;
use crate::tell;

fn keep_token(sandbox: &Sandbox) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("provisioning/keep-token.sh");
    Command::new(script).arg(sandbox.softhsm().tokens()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_token_that_softhsm_lost_to_a_kill_at_login_comes_back_from_its_copy() {
    let mut desk = Desk::new(Sandbox::new(), Sandbox::spawn);
    assert_eq!(desk.seal(), done());
    let token = desk.sandbox.softhsm().token_file("token.object");
    desk.daemon.signal(Signal::TERM);
    assert!(desk.daemon.wait().success());
    let whole = fs::read(&token).unwrap();
    let kept = keep_token(&desk.sandbox);
    assert!(kept.status.success() && said(&kept).is_empty(), "{}", said(&kept));
    assert_eq!(fs::read(token.with_file_name("token.kept")).unwrap(), whole);

    let library = disk::build(&desk.sandbox.path(""));
    let command = desk.sandbox.path("disk");
    fs::write(&command, "cut").unwrap();
    let mut killed =
        desk.sandbox.spawn_with(|daemon| daemon.env("LD_PRELOAD", library).env("GEMBOK_TEST_DISK", command));
    killed.wait();
    assert_eq!(
        fs::metadata(&token).unwrap().len(),
        0,
        "SoftHSM no longer empties the file in place: {}",
        killed.log()
    );

    // Without it the appliance waits, says so, and harms nothing.
    let daemon = desk.sandbox.start();
    daemon.wait_until("it has tried", || daemon.log().contains("delete nothing"));
    assert_eq!(desk.sandbox.state(), "locked");
    let put_back = keep_token(&desk.sandbox);
    assert!(put_back.status.success() && said(&put_back).contains("put back"), "{}", said(&put_back));
    assert_eq!(fs::read(&token).unwrap(), whole);
    daemon.wait_until("it unlocks by itself", || daemon.log().contains("\"operational\""));
    assert!(daemon.stop().success());

    // The way it is meant: the script before each start.
    fs::write(&token, b"").unwrap();
    assert!(keep_token(&desk.sandbox).status.success());
    desk.restart();
    assert_eq!(desk.open(), done());
    tell(format_args!("a token emptied by a kill at login was put back from its copy, twice"));
}

#[test]
fn a_cut_token_without_a_copy_is_named_and_left() {
    let sandbox = Sandbox::new();
    let token = sandbox.softhsm().tokens().join("3b0f");
    fs::create_dir(&token).unwrap();
    fs::write(token.join("token.object"), b"").unwrap();
    let output = keep_token(&sandbox);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("from a backup of the folder"), "{}", said(&output));
    assert!(!token.join("token.kept").exists());
}
