//! Health: a word for probes, the whole for people.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use crate::appliance::{Appliance, Health, Leave, Target};
use crate::crypto::hex::to_hex;
use crate::desk::answer::{ClockStatus, DestructionsStatus, KeysStatus, RecoveryUnderWay};
use crate::domain::access::Act;
use crate::domain::refusal::Refusal;

use super::credentials::Arrival;
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

/// `GET /health/state`: everything, for a user; what it tells of endpoints, API keys and people for who may read everyone's
/// statistics. While it is locked nobody can be signed in; the local socket tells then.
pub(super) async fn state(appliance: Arc<Appliance>, arrival: Arrival) -> Answer {
    match health(&appliance, &arrival).await {
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
                "clock_verdict": health.clock.map(ClockStatus::from),
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
                "kept_file": health.kept_file,
                "memory": health.memory,
            });
            let answer = problem::respond(StatusCode::OK, "application/json", whole.to_string().into_bytes());
            problem::witnessed(answer, &appliance)
        }
    }
}

/// What whoever asks may see of it.
async fn health(appliance: &Arc<Appliance>, arrival: &Arrival) -> Result<Health, Refusal> {
    let (proof, now, operational) = (arrival.proof()?, arrival.now, appliance.unlocked()?);
    let appliance = Arc::clone(appliance);
    // Some of it is read from the store.
    hop(move || {
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        let acts = [(Act::HealthRead, Target::Appliance)];
        operational.noted(&signed_in, &acts, operational.leave(&signed_in, &acts))?;
        let is_whole = operational.may(&signed_in, Act::StatisticsReadAll, &Target::Appliance)?;
        let health = appliance.health();
        Ok(if is_whole { health } else { health.without_clients() })
    })
    .await
}

/// Leave to do `act` on the appliance for a user who comes by a certificate.
pub(super) async fn leave_by_certificate(
    appliance: &Appliance,
    arrival: &Arrival,
    act: Act,
) -> Result<Leave, Refusal> {
    let (proof, now, operational) = (arrival.certificate()?, arrival.now, appliance.unlocked()?);
    hop(move || {
        let signed_in = operational.sign_in_by(proof.showing(), now)?;
        let acts = [(act, Target::Appliance)];
        operational.noted(&signed_in, &acts, operational.leave(&signed_in, &acts))
    })
    .await
}
