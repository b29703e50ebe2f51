//! The books of all rounds: what was ever acknowledged, held against what lies in the store after each end.

use std::collections::HashMap;
use std::fs;

use gembok::domain::budget::Spender;
use gembok::domain::id::ApiKeyId;

use crate::ledger::{Lost, Made, Page};
use crate::load::OBJECTS;
use crate::snapshot::{Chain, Found};
use crate::support::daemon::Sandbox;
use crate::vault::Keys;

pub(crate) struct Books {
    chain: Chain,
    pub(crate) made: Vec<Made>,
    /// Acknowledged seals by object.
    uses: HashMap<String, u64>,
    /// Fields whose decrypts were acknowledged, by API key.
    opened: HashMap<ApiKeyId, u64>,
    /// What the last kill lost: the next gap has to cover it.
    owed: Lost,
    pub(crate) lost: Lost,
    /// Fields that one kill lost at most.
    pub(crate) most_lost: u64,
    /// Gaps in the journal.
    pub(crate) gaps: u64,
}

impl Books {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            chain: Chain::new(keys),
            made: Vec::new(),
            uses: HashMap::new(),
            opened: HashMap::new(),
            owed: Lost::default(),
            lost: Lost::default(),
            most_lost: 0,
            gaps: 0,
        }
    }

    /// So many fields were opened, and answered.
    pub(crate) fn opened(&mut self, api_key: ApiKeyId, fields: u64) {
        *self.opened.entry(api_key).or_default() += fields;
    }

    /// Looks at what lies there, before the next start can mend it.
    pub(crate) fn look(&mut self, sandbox: &Sandbox) -> Found {
        let copy = sandbox.path("copy.redb");
        fs::copy(sandbox.path("state/gembok.redb"), &copy).unwrap();
        let found = self.chain.follow(&copy);
        if let Some(gap) = found.gap {
            assert!(self.owed.fields <= gap.fields_max, "{:?} lost, and {gap:?}", self.owed);
            self.owed = Lost::default();
            self.gaps += 1;
        }
        self.check_objects(&found);
        self.check_budgets(&found);
        found
    }

    /// Enters what the clients and the operator did until the kill, and looks.
    pub(crate) fn settle(
        &mut self,
        sandbox: &Sandbox,
        pages: &[Page],
        made: Vec<Made>,
    ) -> Result<(), String> {
        for page in pages {
            for (object, uses) in &page.uses {
                *self.uses.entry(object.clone()).or_default() += uses;
            }
            self.opened(page.api_key, page.opened());
        }
        self.made.extend(made);
        let found = self.look(sandbox);
        for page in pages {
            self.owed += page.lost(found.recorded.get(&page.api_key).map_or(&[][..], Vec::as_slice))?;
        }
        assert!(found.is_open || self.is_even(), "closed in order, and {:?}", self.owed);
        self.lost += self.owed;
        self.most_lost = self.most_lost.max(self.owed.fields);
        Ok(())
    }

    /// Whatever was lost has its gap.
    pub(crate) fn is_even(&self) -> bool {
        self.owed == Lost::default()
    }

    /// Every object that was answered for is there with its keys, and no use is missing from what is reserved.
    fn check_objects(&self, found: &Found) {
        for made in self.made.iter().filter(|made| made.is_answered) {
            assert!(found.objects.contains(&made.name), "object {} was acknowledged and is lost", made.name);
        }
        let algorithms: HashMap<&str, &str> = OBJECTS.into_iter().collect();
        for (object, uses) in &self.uses {
            // Of those the operator makes every second is leased, by the last digit of its name.
            let is_leased = match algorithms.get(object.as_str()) {
                Some(algorithm) => algorithm.starts_with("aes-256-gcm"),
                None => object.ends_with("-1"),
            };
            let (reserved, sealed) = (found.reserved[object], found.sealed[object]);
            assert!(
                sealed + found.gaps >= *uses,
                "{object}: {sealed} and {} counted, {uses} used",
                found.gaps
            );
            assert!(reserved >= *uses || !is_leased, "{object}: {reserved} reserved, {uses} used");
        }
    }

    /// No budget says that less was decrypted than was answered for.
    fn check_budgets(&self, found: &Found) {
        let spent = |spender| found.spent.get(&spender).copied().unwrap_or_default();
        for (api_key, opened) in &self.opened {
            let spent = spent(Spender::ApiKey(*api_key));
            assert!(spent >= *opened, "API key {api_key}: {opened} fields opened, {spent} charged");
        }
        let opened: u64 = self.opened.values().sum();
        let of_endpoints = found.spent.iter().filter(|(spender, _)| matches!(spender, Spender::Endpoint(_)));
        let spent: u64 = of_endpoints.map(|(_, fields)| fields).sum();
        assert!(spent >= opened, "the endpoint: {opened} fields opened, {spent} charged");
    }
}
