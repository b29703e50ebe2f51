//! Health: a word for probes, the whole for people.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use crate::appliance::{Appliance, Leave, Target};
use crate::crypto::hex::to_hex;
use crate::desk::answer::{DestructionsStatus, KeysStatus, RecoveryUnderWay};
use crate::domain::access::Act;
use crate::domain::refusal::Refusal;
use crate::domain::timestamp::Now;

use super::credentials::{Arrival, Proof};
use super::line::hop;
use super::{Answer, problem};

/// `GET /health/alive`: the process answers.
#[must_use]
pub(super) fn alive() -> Answer {
    problem::respond(StatusCode::OK, "text/plain", b"alive\n".to_vec())
}

/// `GET /health/ready`: 200 while requests on data are served, else 503.
#[must_use]
pub(super) fn ready(appliance: &Appliance) -> Answer {
    if appliance.is_ready() {
        problem::respond(StatusCode::OK, "text/plain", b"ready\n".to_vec())
    } else {
        problem::respond(StatusCode::SERVICE_UNAVAILABLE, "text/plain", b"not ready\n".to_vec())
    }
}

/// `GET /health/state`: everything, for a user. While it is locked nobody can be signed in; the local socket tells then.
pub(super) async fn state(appliance: Arc<Appliance>, arrival: Arrival) -> Answer {
    if let Err(refusal) = leave(&appliance, &arrival, Act::HealthRead).await {
        return problem::answer(&refusal);
    }
    let asked = Arc::clone(&appliance);
    // Some of it is read from the store.
    match hop(move || Ok(asked.health())).await {
        Err(refusal) => problem::answer(&refusal),
        Ok(health) => {
            let expiring = health.expiring();
            let expiring = expiring.into_iter().map(|(expiry, mark_days)| {
                json!({
                    "of": expiry.of.to_string(),
                    "name": expiry.name,
                    "spki": expiry.spki.map(|spki| to_hex(&spki)),
                    "not_after": expiry.not_after.to_string(),
                    "days_left": expiry.left_s(health.time).div_euclid(86_400),
                    "mark_days": mark_days,
                    "hint": expiry.hint(),
                })
            });
            let expiring: Vec<_> = expiring.collect();
            let whole = json!({
                "state": health.state.as_str(),
                "sandbox": health.sandbox,
                "token": health.token.map(|token| json!({
                    "serial": token.serial,
                    "present": token.present,
                    "trouble": token.trouble,
                    "master_key_generation": token.master_key_generation,
                    "kcv": token.kcv,
                })),
                "journal": health.journal.map(|journal| json!({
                    "epoch": journal.epoch,
                    "next_sequence": journal.next_sequence,
                    "last_block": journal.last_block.to_string(),
                    "trouble": journal.trouble,
                    "unrecorded": journal.unrecorded,
                    "disk_free_bytes": journal.disk.map(|disk| disk.free_bytes),
                    "disk_reserve_bytes": journal.disk.map(|disk| disk.reserve_bytes),
                })),
                "clock": health.clock.map(|clock| clock.to_string()),
                "witness": health.witness.map(|witness| json!({
                    "checkpoint_key": to_hex(&witness.checkpoint_key),
                    "checkpoint_sequence": witness.checkpoint.map(|(sequence, _)| sequence),
                    "checkpoint_time": witness.checkpoint.map(|(_, time)| time.to_string()),
                    "failing_since": witness.failing.as_ref().map(|(since, _)| since.to_string()),
                    "trouble": witness.failing.map(|(_, why)| why),
                })),
                "data_keys_in_memory": health.data_keys,
                "requests_refused_locked": health.refused_locked,
                "strained_budgets": health.strained_budgets.into_iter().map(|(spender, standing)| json!({
                    "of": spender.to_string(),
                    "fields_per_day": standing.fields_per_day,
                    "used": standing.used,
                })).collect::<Vec<_>>(),
                "worn_keys": health.worn_keys.into_iter().map(|worn| json!({
                    "key": worn.key.to_string(),
                    "uses": worn.uses,
                    "uses_max": worn.uses_max,
                })).collect::<Vec<_>>(),
                "keys": health.keys.map(KeysStatus::from),
                "due_keys": health.due_keys.into_iter().map(|due| json!({
                    "key": due.key.to_string(),
                    "why": due.due.name(),
                })).collect::<Vec<_>>(),
                "destructions": health.destructions.map(DestructionsStatus::from),
                "recoveries": health.recoveries.into_iter().map(RecoveryUnderWay::from).collect::<Vec<_>>(),
                "expiring": expiring,
                "ca": health.ca.map(|ca| json!({
                    "generation": ca.generation,
                    "retiring": ca.retiring.map(|old| json!({
                        "generation": old.generation,
                        "since": old.since.to_string(),
                        "until": old.until.to_string(),
                        "certificates": old.certificates,
                    })),
                })),
                "memory": health.memory,
            });
            let answer = problem::respond(StatusCode::OK, "application/json", whole.to_string().into_bytes());
            problem::witnessed(answer, &appliance)
        }
    }
}

/// Leave for a signed-in user to do `act` on the appliance.
pub(super) async fn leave(appliance: &Appliance, arrival: &Arrival, act: Act) -> Result<Leave, Refusal> {
    leave_by(appliance, arrival.proof()?, arrival.now, act).await
}

/// The same by a certificate alone.
pub(super) async fn leave_by_certificate(
    appliance: &Appliance,
    arrival: &Arrival,
    act: Act,
) -> Result<Leave, Refusal> {
    leave_by(appliance, arrival.certificate()?, arrival.now, act).await
}

async fn leave_by(appliance: &Appliance, proof: Proof, now: Now, act: Act) -> Result<Leave, Refusal> {
    let operational = appliance.unlocked()?;
    hop(move || {
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        let acts = [(act, Target::Appliance)];
        operational.noted(&signed_in, &acts, operational.leave(&signed_in, &acts))
    })
    .await
}
