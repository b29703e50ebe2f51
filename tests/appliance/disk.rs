//! A disk that fills, really: a small file system of its own, which only root may mount. Others are told that these were
//! skipped; for root they have to run.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use gembok::domain::operation::Operation;
use serde_json::json;

use crate::client::refusal;
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT, Sandbox};
use crate::support::mount::may_mount;
use crate::support::recount;
use crate::support::softhsm::in_child;
use crate::vault::{Record, Vault};
use crate::world::{Application, World};

/// A file system in memory; gone with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mib: u32) -> Self {
        fs::DirBuilder::new().mode(0o700).create(at).unwrap();
        let size = format!("size={mib}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        assert!(mounted.unwrap().success(), "a small disk cannot be mounted; see what mount says");
        Self(at.to_owned())
    }

    /// Takes all space but `mib`.
    fn fill_to(&self, mib: u64) {
        let free = rustix::fs::statvfs(&self.0).unwrap();
        let take = (free.f_bavail * free.f_frsize).saturating_sub(mib << 20);
        let mut file = File::create(self.filler()).unwrap();
        let block = vec![1; 64 << 10];
        for _ in 0..take.div_ceil(block.len() as u64) {
            if file.write_all(&block).is_err() {
                return;
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A world whose state lies on a small disk.
fn world_on(mib: u32, more: &str) -> (World, SmallDisk) {
    let sandbox = Sandbox::new();
    sandbox.configure(more);
    let disk = SmallDisk::mount(&sandbox.path("state"), mib);
    let daemon = sandbox.start();
    sandbox.provision();
    daemon.data();
    daemon.control();
    (World { sandbox, daemon }, disk)
}

fn is_ready(world: &World) -> bool {
    world.control(None).get("/health/ready").status == 200
}

fn status_of(application: &Application, ciphertext: &str) -> (u16, u16) {
    let item = json!({ "object": OBJECT, "plaintext": "eHh4" });
    let opening = json!({ "object": OBJECT, "ciphertext": ciphertext });
    (application.encrypt(&item).status, application.decrypt(&opening).status)
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_recovers_by_itself() {
    if !may_mount("a full disk") {
        return;
    }
    in_child("disk::a_full_disk_refuses_loses_nothing_and_recovers_by_itself", |softhsm| {
        let (world, disk) = world_on(24, "[journal]\ndisk_reserve_mib = 0\n");
        let absensi = Application { api_key: world.generous(), ..world.absensi() };
        let sealed = absensi.seal(OBJECT, b"penuh");
        let opening = json!({ "object": OBJECT, "ciphertext": sealed });
        let mut opened = 0;
        for _ in 0..2 {
            disk.fill_to(0);
            let refused = (0..50_000).find_map(|_| {
                absensi.encrypt(&json!({ "object": OBJECT, "plaintext": "eHh4" }));
                let answer = absensi.decrypt(&opening);
                opened += usize::from(answer.status == 200);
                (answer.status != 200).then_some(answer)
            });
            let refused = refused.expect("the disk never filled");
            assert_eq!(refused.problem(), refusal(503, "journal-full"));
            assert!(!refused.text().contains("plaintext"), "{}", refused.text());
            // A smaller commit may still find a place; then there is less of it.
            world.daemon.wait_until("it refuses by both contracts, and says why", || {
                let body = absensi.published_body(OBJECT, "enkrip", "eHh4").to_string();
                absensi.published(body).status == 503
                    && !is_ready(&world)
                    && world.status()["journal"]["trouble"].is_string()
            });

            disk.free();
            world.daemon.wait_until("it serves again", || status_of(&absensi, &sealed) == (200, 200));
            opened += 1;
            world.daemon.wait_until("it is ready again", || is_ready(&world));
            assert!(world.status()["journal"]["trouble"].is_null());
        }
        world.done("project create sesudah");
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        let vault = Vault::open(&sandbox, softhsm);
        let records = recount::statistics_equal_a_recount(&vault.store);
        let done = records.iter().filter(|record| {
            matches!(record, Record::Access(access) if access.operation == Some(Operation::Decrypt) && access.outcome.is_none())
        });
        let recorded = done.count();
        assert!(recorded >= opened, "{opened} were answered, {recorded} are recorded");
        assert!(!records.iter().any(|record| matches!(record, Record::Gap(_))));
        drop(vault);
        drop(disk);
    });
}

/// Uses of AES-GCM are reserved before they are made: the disk may be full at just that commit, too.
#[test]
fn a_lease_that_a_full_disk_refuses_is_journal_full_and_forfeits_at_most_itself() {
    if !may_mount("a lease that a full disk refuses") {
        return;
    }
    let (world, disk) = world_on(24, "[journal]\ndisk_reserve_mib = 0\n");
    let absensi = Application { api_key: world.generous(), ..world.absensi() };
    let failed = || world.daemon.said("uses of a key version could not be reserved").count();
    let (mut objects, mut refused) = (0, 0);
    for round in 0.. {
        assert!(round < 15, "a lease never was what failed: {objects} objects, {refused} refusals");
        // Each object's first field takes a lease, and its record a block: one of the two meets the full disk first.
        let names: Vec<String> = (0..8).map(|n| format!("alamat-{round}-{n}")).collect();
        for name in &names {
            world.done(&format!("object create {name} --project {PROJECT} --algorithm aes-256-gcm"));
            world.grant("encrypt", name, ENDPOINT);
        }
        objects += names.len();
        disk.fill_to(0);
        let mut sealed = vec![0; names.len()];
        for (name, sealed) in names.iter().zip(&mut sealed) {
            let field = json!({ "object": name, "plaintext": "eHh4" });
            // A batch is refused whole: what was reserved for others of its items could not be recorded either.
            let batch = json!({ "items": vec![field.clone(); 1_000] });
            for (item, count) in [(&field, 1), (&batch, 1_000), (&batch, 1_000)] {
                let answer = absensi.encrypt(item);
                if answer.status == 200 {
                    *sealed += count;
                    continue;
                }
                refused += 1;
                assert_eq!(answer.problem(), refusal(503, "journal-full"));
                assert!(answer.header("retry-after").is_some());
            }
        }
        disk.free();
        let item = json!({ "object": names[0], "plaintext": "eHh4" });
        world.daemon.wait_until("it serves again", || absensi.encrypt(&item).status == 200);
        for (name, sealed) in names.iter().zip(sealed) {
            assert_eq!(absensi.encrypt(&json!({ "object": name, "plaintext": "eHh4" })).status, 200);
            let shown = world.done(&format!("object show {name} --project {PROJECT}"));
            let reserved = shown["object"]["versions"][0]["uses_reserved"].as_u64().unwrap();
            assert!(reserved > sealed, "{name}: {reserved} reserved, {sealed} answered and one more");
        }
        if failed() > 0 {
            break;
        }
    }
    assert!(refused > 0);
    println!("{objects} objects, {refused} refusals, {} leases among them", failed());
    drop(world);
    drop(disk);
}

#[test]
fn the_reserve_is_the_operators() {
    if !may_mount("the disk's reserve") {
        return;
    }
    let (world, disk) = world_on(64, "[journal]\ndisk_reserve_mib = 32\n");
    let absensi = world.absensi();
    let sealed = absensi.seal(OBJECT, b"cadangan");
    assert!(is_ready(&world));
    disk.fill_to(16);
    world.daemon.wait_until("the reserve is met", || !is_ready(&world));
    let before = world.status();
    for _ in 0..20 {
        let item = json!({ "object": OBJECT, "plaintext": "eHh4" });
        assert_eq!(absensi.encrypt(&item).problem(), refusal(503, "journal-full"));
        let opening = json!({ "object": OBJECT, "ciphertext": sealed });
        assert_eq!(absensi.decrypt(&opening).problem(), refusal(503, "journal-full"));
    }
    let after = world.status();
    let (before, after) = (&before["journal"], &after["journal"]);
    assert_eq!(before["next_sequence"], after["next_sequence"], "refusals take none of the reserve");
    // Those that repeat themselves are counted once a second.
    let unrecorded = || world.status()["journal"]["unrecorded"].as_u64().unwrap();
    world.daemon.wait_until("all refusals are counted", || unrecorded() >= 40);
    assert!(after["trouble"].as_str().unwrap().contains("32 MiB are its reserve"), "{after}");
    assert_eq!(after["disk_reserve_bytes"], 32 << 20);
    let metrics = world.admin().get("/metrics");
    assert!(metrics.text().contains("gembok_journal_trouble 1"), "{}", metrics.text());
    world.done("project create darurat");
    disk.free();
    world.daemon.wait_until("it serves again", || status_of(&absensi, &sealed) == (200, 200));
    assert!(is_ready(&world));
    drop(world);
    drop(disk);
}

#[test]
fn a_compaction_refuses_nobody() {
    in_child("disk::a_compaction_refuses_nobody", |softhsm| {
        let world = World::new("");
        let absensi = Application { api_key: world.generous(), ..world.absensi() };
        let sealed = absensi.seal(OBJECT, b"padat");
        let (over, asked) = (AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
        let sizes: Vec<(u64, u64)> = std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(status_of(&absensi, &sealed), (200, 200));
                        asked.fetch_add(2, Ordering::Relaxed);
                    }
                });
            }
            let compact = |n: usize| {
                let before = asked.load(Ordering::Relaxed);
                world.daemon.wait_until("there is load", || asked.load(Ordering::Relaxed) > before + 40);
                if n == 1 {
                    world.done("project create di-antara");
                }
                let done = world.done("store compact");
                let bytes = |member: &str| done["compacted"][member].as_u64().unwrap();
                (bytes("before_bytes"), bytes("after_bytes"))
            };
            let sizes = (0..3).map(compact).collect();
            over.store(true, Ordering::Relaxed);
            sizes
        });
        println!("{sizes:?} bytes before and after, {} requests", asked.load(Ordering::Relaxed));
        assert!(sizes.iter().all(|(before, after)| after <= before && *after > 0));
        assert!(sizes[0].1 < sizes[0].0, "a young store has room to give back: {sizes:?}");
        let World { sandbox, daemon } = world;
        assert!(daemon.stop().success());
        assert_eq!(
            fs::metadata(sandbox.path("state/gembok.redb")).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let vault = Vault::open(&sandbox, softhsm);
        let records = recount::statistics_equal_a_recount(&vault.store);
        let compactions = records
            .iter()
            .filter(|record| matches!(record, Record::Audit(audit) if audit.act == "store.compact"));
        assert_eq!(compactions.count(), 3);
    });
}
