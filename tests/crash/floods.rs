//! Too many descriptors, connections, handshakes; told to stop at any moment; started twice. Each ends in a clear state, and
//! nothing that was acknowledged is lost.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};

use crate::desk::{Desk, done};
use crate::kill::wait_for;
use crate::phase::{Dice, LISTENS};
use crate::proof::{note_key, prove};
use crate::support::daemon::{Daemon, Sandbox};
use crate::tell;

const IDLE: usize = 2_000;
const IDLE_UNDER_TLS: usize = 300;
const HANDSHAKES: usize = 10_000;
const HANDSHAKES_TO_WARM_UP: usize = 1_000;
/// What the allocator may keep of a flood.
const GROWTH_MAX_KIB: u64 = 32 << 10;
const STOPS: usize = 20;
/// Starts that are told to stop.
const STARTS: u64 = 40;

fn with_limits(limits: &str) -> Desk {
    let sandbox = Sandbox::new();
    sandbox.configure(limits);
    Desk::new(sandbox, Sandbox::spawn)
}

/// Resident memory.
fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// As many descriptors as this process may have.
fn raise_our_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn without_descriptors_live_connections_are_served_and_the_rest_comes_back() {
    let mut desk = with_limits("");
    let mut live = desk.connect();
    assert_eq!(desk.seal_over(&mut live), done());
    // As if LimitNOFILE had been set too low.
    let process = desk.daemon.id().to_string();
    let limit = (descriptors(desk.daemon.id()) + 20).to_string();
    let limited =
        Command::new("prlimit").args(["--pid", &process, &format!("--nofile={limit}:{limit}")]).status();
    assert!(limited.unwrap().success());
    let address = desk.daemon.data();
    let crowd: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(&address).unwrap()).collect();
    desk.daemon.wait_until("it says what to do", || {
        desk.daemon.log().contains("cannot accept; raise LimitNOFILE or lower tls.connections_max")
    });
    for _ in 0..20 {
        assert_eq!(desk.seal_over(&mut live), done());
        let last = desk.sealed.len() - 1;
        assert_eq!(desk.open_over(&mut live, last), done());
    }
    drop(crowd);
    assert_eq!(desk.seal(), done());
    // SoftHSM opens files too: without descriptors the token may have counted as away.
    desk.daemon.wait_until("it has healed", || desk.status()["state"] == "operational");
    desk.nothing_is_lost();
    assert!(desk.daemon.stop().success());
}

#[test]
fn thousands_of_idle_and_slow_connections_keep_nobody_out_and_are_ended() {
    raise_our_limit();
    let mut desk = with_limits(
        "[tls]\nconnections_max = 4000\nconnections_per_address_max = 4000\nhandshake_timeout_ms = 3000\n\
         header_timeout_ms = 3000\nidle_timeout_ms = 3000\n",
    );
    assert_eq!(desk.seal(), done());
    let (memory, open) = (resident_kib(&desk.daemon), descriptors(desk.daemon.id()));
    let address = desk.daemon.data();
    let idle: Vec<TcpStream> = (0..IDLE).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // Under TLS: half say nothing, half begin a header and never end it.
    let mut slow: Vec<_> = (0..IDLE_UNDER_TLS).map(|_| desk.connect()).collect();
    for (at, connection) in slow.iter_mut().enumerate() {
        let begun = if at % 2 == 0 { "POST /v1/endpoints/absensi/encrypt HTTP/1.1\r\nhost: l" } else { "" };
        let _ = connection.send(begun.as_bytes());
    }
    // The places for handshakes are this machine's own; it takes them back from who is silent for half a second.
    desk.daemon.wait_until("there is room for a handshake", || {
        desk.client().ask("GET", "/v1/info", &[], b"").is_ok()
    });
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(desk.seal(), done());
        assert_eq!(desk.open(), done());
    }
    let (served, at_most) = (start.elapsed(), resident_kib(&desk.daemon));
    desk.daemon.wait_until("they are ended", || descriptors(desk.daemon.id()) <= open + 8);
    let after = resident_kib(&desk.daemon);
    tell(format_args!(
        "{IDLE} idle and {IDLE_UNDER_TLS} slow connections: 40 requests beside them in {served:?}; resident {memory} KiB \
         before, {at_most} with them, {after} after"
    ));
    drop((idle, slow));
    desk.nothing_is_lost();
    assert!(after <= memory + GROWTH_MAX_KIB, "{after} KiB after, {memory} before");
    assert!(desk.daemon.stop().success());
}

#[test]
fn ten_thousand_handshakes_leave_no_memory_behind() {
    let mut desk = with_limits("");
    assert_eq!(desk.seal(), done());
    let fresh = || crate::desk::client(&desk.sandbox, &desk.daemon);
    // A client remembers sessions; a new one shakes hands in full.
    let shake = |count: usize| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..count / 4 {
                        assert_eq!(fresh().ask("GET", "/v1/info", &[], b"").unwrap().status, 200);
                    }
                });
            }
        });
    };
    let start = Instant::now();
    shake(HANDSHAKES_TO_WARM_UP);
    let before = resident_kib(&desk.daemon);
    shake(HANDSHAKES);
    let after = resident_kib(&desk.daemon);
    tell(format_args!(
        "{HANDSHAKES} handshakes after {HANDSHAKES_TO_WARM_UP}, all in {:?}: resident {before} KiB before, {after} after",
        start.elapsed()
    ));
    assert!(after <= before + GROWTH_MAX_KIB, "{after} KiB after, {before} before");
    assert_eq!(desk.open(), done());
    desk.nothing_is_lost();
    assert!(desk.daemon.stop().success());
}

#[test]
fn told_to_stop_at_any_moment_it_answers_what_it_began_and_ends_well() {
    let mut desk = with_limits("[tls]\ndrain_timeout_ms = 5000\n");
    let mut dice = Dice::new();
    let mut slowest = Duration::ZERO;
    for stop in 1..=STOPS {
        let moment = Duration::from_millis(100 + dice.below(500));
        let is_told = AtomicBool::new(false);
        let told = thread::scope(|scope| {
            let process = Pid::from_raw(i32::try_from(desk.daemon.id()).unwrap()).unwrap();
            let is_told = &is_told;
            let told = scope.spawn(move || {
                thread::sleep(moment);
                is_told.store(true, SeqCst);
                kill_process(process, Signal::TERM).unwrap();
                Instant::now()
            });
            // Whatever was answered counts. New certificates, shortly after a start, end a connection; so does the stop.
            while !is_told.load(SeqCst) {
                let Ok(mut live) = desk.client().connect() else { break };
                while desk.try_both(&mut live) {}
            }
            told.join().unwrap()
        });
        let ended = desk.daemon.wait();
        slowest = slowest.max(told.elapsed());
        let log = desk.daemon.log();
        assert!(ended.success() && log.contains("\"stopped\""), "stop {stop}: {ended}; {log}");
        assert!(!log.contains("\"ERROR\""), "{log}");
        assert!(told.elapsed() < Duration::from_secs(20), "stop {stop}: {:?}", told.elapsed());
        desk.restart();
        assert!(!desk.daemon.log().contains("was not clean"), "{}", desk.daemon.log());
    }
    tell(format_args!(
        "{STOPS} stops under load, {} decrypts answered, the slowest end {slowest:?}",
        desk.opened
    ));
    desk.sealed.truncate(200);
    desk.nothing_is_lost();
    assert!(desk.daemon.stop().success());
}

/// From its first instruction on: the signal may end it by itself before it is heard, and then nothing was begun.
#[test]
fn told_to_stop_while_it_starts_it_ends_well_and_the_next_start_is_clean() {
    let mut desk = with_limits("");
    note_key(&desk.sandbox);
    let mut dice = Dice::new();
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    // When at the latest: soon after it serves, however fast this machine is.
    desk.daemon.signal(Signal::TERM);
    assert!(desk.daemon.wait().success());
    let whole = Instant::now();
    desk.daemon = desk.sandbox.spawn();
    wait_for(&desk.daemon, "\"operational\"");
    let whole_us = u64::try_from(whole.elapsed().as_micros()).unwrap() * 5 / 4;
    desk.meet();
    for start in 0..STARTS {
        assert_eq!((desk.seal(), desk.open()), (done(), done()));
        desk.daemon.signal(Signal::TERM);
        assert!(desk.daemon.wait().success(), "{}", desk.daemon.log());
        let mut starting = desk.sandbox.spawn();
        // Closer together in the beginning, where more happens.
        let latest = whole_us * (start + 1) * (start + 1) / (STARTS * STARTS);
        thread::sleep(Duration::from_micros(1_000 + latest / 2 + dice.below(latest / 2)));
        if start + 1 == STARTS {
            wait_for(&starting, LISTENS);
        }
        let reached = starting.log();
        starting.signal(Signal::TERM);
        let told = Instant::now();
        let ended = starting.wait();
        slowest = slowest.max(told.elapsed());
        let log = starting.log();
        let end = match ended.signal() {
            Some(signal) => {
                assert!(!reached.contains(LISTENS), "start {start}: it listened, and died of SIGTERM: {log}");
                assert_eq!(signal, Signal::TERM.as_raw(), "start {start}: {log}");
                "by the signal"
            }
            None => {
                assert!(ended.success() && log.contains("\"stopped\""), "start {start}: {ended}; {log}");
                match () {
                    () if reached.contains("\"operational\"") => "in order, serving",
                    () if reached.contains(LISTENS) => "in order, unlocking",
                    () => "in order, before it listened",
                }
            }
        };
        *ends.entry(end).or_default() += 1;
        assert!(!log.contains("\"ERROR\"") && !log.contains("panic"), "start {start}: {log}");
        desk.restart();
        let log = desk.daemon.log();
        assert!(!log.contains("was not clean") && !log.contains("\"ERROR\""), "start {start}: {log}");
    }
    desk.nothing_is_lost();
    let proof = prove(&desk.sandbox, 0);
    assert_eq!(proof.gaps, 0);
    tell(format_args!(
        "{STARTS} starts told to stop within {whole_us} µs: {ends:?}, the slowest end {slowest:?}; an outsider proves {} \
         records without a gap",
        proof.records
    ));
    assert!(ends.keys().any(|end| *end != "by the signal"), "{ends:?}");
    assert!(desk.daemon.stop().success());
}

#[test]
fn a_second_daemon_on_one_store_says_so_and_the_first_goes_on() {
    let mut desk = with_limits("");
    assert_eq!(desk.seal(), done());
    let mut second = desk.sandbox.spawn();
    let ended = second.wait();
    assert_eq!(ended.code(), Some(1), "{ended}");
    let said = second.log();
    assert!(said.contains("is in use by another process") && said.contains("Stop that one first"), "{said}");
    assert_eq!(desk.open(), done());
    assert_eq!(desk.status()["state"], "operational", "the local socket is still the first one's");
    desk.nothing_is_lost();
    assert!(desk.daemon.stop().success());
}
