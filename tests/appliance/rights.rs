//! A right that was taken away makes no change any more: also not one that was asked before, and waited while it was taken.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::second_person::{member, text};
use crate::support::daemon::PROJECT;
use crate::world::World;

/// So many that changes wait for each other all the time.
const ASKERS: usize = 24;

#[test]
fn who_was_taken_out_changes_nothing_from_the_answer_on() {
    let world = World::new("");
    let siti = member(&world, "siti");
    let id = text(&world.done("user show siti")["user-shown"]["user"]["id"]);
    let (is_over, described) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for asker in 0..ASKERS {
            let (siti, is_over, described) = (&siti, &is_over, &described);
            scope.spawn(move || {
                let mut connection = siti.0.connect().unwrap();
                for at in 0.. {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    let body = json!({ "text": format!("{asker} {at}") }).to_string();
                    let path = format!("/v1/projects/{PROJECT}/description");
                    let headers = [("content-type", "application/json")];
                    let answer = connection.ask("PUT", &path, &headers, body.as_bytes()).unwrap();
                    described.fetch_add(usize::from(answer.status == 204), Ordering::AcqRel);
                }
            });
        }
        world.daemon.wait_until("changes wait for each other", || described.load(Ordering::Acquire) > 100);
        world.done(&format!("project member remove siti --project {PROJECT}"));
        is_over.store(true, Ordering::Release);
    });
    let trail = world.trail();
    let removed = trail.iter().position(|entry| entry["act"] == "member.remove").unwrap();
    let hers = |entry: &&serde_json::Value| {
        entry["act"] == "project.describe" && entry["actor"] == format!("user:{id}")
    };
    assert!(trail[..removed].iter().any(|entry| hers(&entry)), "she described it before");
    let late: Vec<_> = trail[removed..].iter().filter(hers).collect();
    assert!(late.is_empty(), "{} changes by somebody who was no member any more", late.len());
}
