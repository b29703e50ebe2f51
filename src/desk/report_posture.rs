//! How the appliance stands at this moment: algorithms and ages of keys, people, certificates, access policies, journal, clock,
//! token, and what is not there yet.

use std::collections::BTreeMap;

use crate::appliance::{Appliance, ClockVerdict, Listed, Operational, PageWanted, Stop};

use super::report::Report;

/// Pages of a list that are read; what is behind them is said to be more.
const PAGES_MAX: usize = 64;

pub(super) fn add(report: &mut Report, of: &Appliance, appliance: &Operational) -> Result<(), Stop> {
    let health = of.health();
    report.fact("state", health.state.as_str());
    if let Some(token) = &health.token {
        report.fact("token", if token.present { "present" } else { "away" });
        report.fact("master-key-generation", token.master_key_generation);
    }
    if let Some(journal) = &health.journal {
        report.fact("epoch", journal.epoch);
        report.fact("records", journal.next_sequence);
        report.fact("last-block", journal.last_block);
        report.fact("journal-trouble", journal.trouble.as_deref().unwrap_or("none"));
    }
    if let Some(clock) = health.clock {
        let word = match clock {
            ClockVerdict::Trusted => "trusted",
            ClockVerdict::Behind { .. } => "clock-behind",
            ClockVerdict::Jumped { .. } => "clock-jumped",
            ClockVerdict::Lost { .. } => "clock-lost",
        };
        report.fact("clock", word);
        for (fact, moment) in [("clock-shows", clock.shows()), ("clock-known", clock.known())] {
            if let Some(moment) = moment {
                report.fact(fact, moment);
            }
        }
    }
    report.fact("memory", &health.memory);
    let failing = health.witness.as_ref().and_then(|witness| witness.failing.as_ref());
    report.fact(
        "witness",
        failing.map_or_else(|| "signed".into(), |(since, _)| format!("unsigned since {since}")),
    );
    let retention = of
        .settings()
        .retention
        .map_or_else(|| "unlimited".to_owned(), |kept| format!("{} days", kept.as_secs() / 86_400));
    report.fact("journal-retention", retention);
    report.fact("worn-keys", health.worn_keys.len());
    let expiring = health.expiring();
    report.fact("expiring-certificates", expiring.len());
    report.fact("backups", "not-yet");

    let mut people: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut page = PageWanted::first();
    for _ in 0..PAGES_MAX {
        let users = appliance.users(&page)?;
        for user in users.items.into_iter().filter_map(Listed::sound) {
            let counted = people.entry(user.role.to_string()).or_default();
            counted.0 += 1;
            counted.1 += u64::from(user.disabled.is_some());
        }
        let Some(next) = users.next else { break };
        page = PageWanted::new(Some(&next), None)?;
    }
    let rows =
        people.into_iter().map(|(role, (all, disabled))| vec![role, all.to_string(), disabled.to_string()]);
    report.table("users", &["role", "users", "disabled"], rows.collect());

    let rules = of.settings().access.load();
    let rows = rules.rules.all().into_iter().map(|rule| {
        let effect = if rule.forbids { "forbid" } else { "permit" }.to_owned();
        vec![rule.id, effect, rule.why, rule.alasan.unwrap_or_default()]
    });
    report.table("policies", &["rule", "effect", "why", "alasan"], rows.collect());

    add_keys(report, appliance)?;

    let rows = expiring.iter().map(|(expiry, _)| {
        vec![expiry.of.to_string(), expiry.name.clone().unwrap_or_default(), expiry.not_after.to_string()]
    });
    report.table("expiring", &["of", "name", "valid-until"], rows.collect());
    Ok(())
}

/// Key versions by algorithm and state, with the ages of the oldest and the newest.
fn add_keys(report: &mut Report, appliance: &Operational) -> Result<(), Stop> {
    let summary = appliance.key_summary()?;
    report.fact("objects", summary.objects);
    report.fact("objects-with-subject", summary.objects_with_subject);
    report.fact("damaged-rows", summary.damaged);
    let rows = summary.versions.into_iter().map(|((algorithm, state), ages)| {
        vec![
            algorithm.to_owned(),
            state.to_owned(),
            ages.count.to_string(),
            ages.oldest.to_string(),
            ages.newest.to_string(),
        ]
    });
    report.table("keys", &["algorithm", "state", "keys", "oldest", "newest"], rows.collect());
    Ok(())
}
