//! A set of access policies that was read and validated whole, and the answers it gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::{
    Authorizer, Decision as Verdict, Effect, Entity, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet,
    Schema, SchemaFragment, ValidationError, ValidationMode, Validator,
};

use miette::Diagnostic;

use super::act::Act;
use super::decision::{Decision, Rule};
use super::entities::{Types, Unasked};
use super::flaw::{Flaw, Source, line_of};
use super::question::{Question, Who};
use super::reads::Reads;

/// Rules of one set at most: each is evaluated for each question.
const RULES_MAX: usize = 1_000;

const NO_ID: &str = "write @id(\"…\") in front of it: logs and gembok policy explain name rules by it";
const NO_WHY: &str = "write @why(\"…\") in front of it: gembok policy explain says it in place of the rule";
const TYPO: &str = "correct the rule; access.cedarschema lists every act, entity and attribute";
const OWN_SCHEMA: &str = "put back the access.cedarschema that came with this version of gembok";

/// What the schema says of an act.
struct Action {
    /// With the groups it is in.
    entity: Entity,
    /// Entity types of those who can do it at all.
    by: Vec<EntityTypeName>,
}

/// Access policies that hold together.
pub struct AccessRules {
    text: String,
    authorizer: Authorizer,
    types: Types,
    /// In the order of [`Act::ALL`].
    actions: Vec<Action>,
    all: PolicySet,
    /// Those of them that can concern an endpoint.
    of_endpoints: PolicySet,
    reads_of_data: Reads,
    rules: BTreeMap<PolicyId, Rule>,
}

impl AccessRules {
    /// The schema that this program asks by.
    pub const SCHEMA: &str = include_str!("../../../policies/access.cedarschema");

    /// The policies as they were read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads policies against a schema, which must say what this program's own says.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of lines.
    pub fn parse(text: &str, schema_text: &str) -> Result<Self, Vec<Flaw>> {
        let ours = |error: String| vec![Flaw::new(Source::Schema, None, error, OWN_SCHEMA)];
        let schema = parse_schema(schema_text)?;
        let types = Types::new().map_err(|Unasked(error)| ours(error))?;
        let actions = actions(&schema).map_err(ours)?;
        let all = name_rules(text, &parse_rules(text)?)?;
        validate(text, &all, &schema)?;

        let data: Vec<EntityUid> = Act::ALL
            .iter()
            .filter(|act| act.operation().is_some())
            .map(|act| actions[act.place()].entity.uid())
            .collect();
        let mut of_endpoints = PolicySet::new();
        let mut reads_of_data = Reads::default();
        let mut rules = BTreeMap::new();
        for policy in all.policies() {
            let unread =
                |error: &dyn fmt::Display| vec![Flaw::new(Source::Policies, None, error.to_string(), TYPO)];
            rules.insert(policy.id().clone(), rule(policy));
            let envs = policy.get_valid_request_envs(&schema);
            let acts: Vec<EntityUid> = envs
                .filter(|env| types.is_endpoint(env.principal()))
                .map(|env| env.action().clone())
                .collect();
            if !acts.is_empty() {
                of_endpoints.add(policy.clone()).map_err(|error| unread(&error))?;
            }
            if acts.iter().any(|act| data.contains(act)) {
                let form = policy.to_json().map_err(|error| unread(&error))?;
                reads_of_data = reads_of_data.and(Reads::of(&form));
            }
        }
        let (text, authorizer) = (text.to_owned(), Authorizer::new());
        Ok(Self { text, authorizer, types, actions, all, of_endpoints, reads_of_data, rules })
    }

    /// What of the circumstances decides over work on data.
    #[must_use]
    pub const fn reads_of_data(&self) -> Reads {
        self.reads_of_data
    }

    /// All of them, by id.
    #[must_use]
    pub fn all(&self) -> Vec<Rule> {
        let mut all: Vec<Rule> = self.rules.values().cloned().collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none, and so nothing permitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether `act` is one of somebody like `who`. The schema says so, and no rule changes it.
    #[must_use]
    pub fn is_act_of(&self, act: Act, who: &Who) -> bool {
        self.actions[act.place()].by.contains(self.types.of(who))
    }

    /// Answers a question. One that the schema does not know, and one that a rule cannot be evaluated for, is answered no.
    #[must_use]
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        let Question { who, act, on, .. } = *question;
        if !self.is_act_of(act, who) || !act.done_on().contains(&on.kind()) {
            return Decision { is_allowed: false, rules: Vec::new(), broken: Vec::new() };
        }
        let policies = match who {
            Who::Endpoint(_) => &self.of_endpoints,
            Who::Operator(_) | Who::User(_) => &self.all,
        };
        let (request, entities) = match self.types.ask(question, &self.actions[act.place()].entity, None) {
            Ok(asked) => asked,
            Err(Unasked(error)) => {
                return Decision { is_allowed: false, rules: Vec::new(), broken: vec![error] };
            }
        };
        let answer = self.authorizer.is_authorized(&request, policies, &entities);
        let broken: BTreeSet<String> = answer
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
                error.policy_id().to_string()
            })
            .collect();
        let mut rules: Vec<Rule> =
            answer.diagnostics().reason().filter_map(|id| self.rules.get(id).cloned()).collect();
        rules.sort_by(|one, other| one.id.cmp(&other.id));
        let is_allowed = answer.decision() == Verdict::Allow && broken.is_empty();
        Decision { is_allowed, rules, broken: broken.into_iter().collect() }
    }

    /// The same with the question checked against the schema, for tests: a question that does not fit it is a bug.
    #[cfg(test)]
    pub(super) fn check(&self, question: &Question<'_>) -> Result<(), String> {
        let schema = parse_schema(AccessRules::SCHEMA).map_err(|flaws| flaws[0].to_string())?;
        let asked = self.types.ask(question, &self.actions[question.act.place()].entity, Some(&schema));
        asked.map(drop).map_err(|Unasked(error)| error)
    }
}

/// Two sets of one text are one set.
impl PartialEq for AccessRules {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for AccessRules {}

impl fmt::Debug for AccessRules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AccessRules({} rules)", self.len())
    }
}

fn parse_schema(text: &str) -> Result<Schema, Vec<Flaw>> {
    let fragment = |text: &str| {
        SchemaFragment::from_cedarschema_str(text)
            .map(|(fragment, _)| fragment)
            .map_err(|error| vec![Flaw::of(Source::Schema, text, &error, OWN_SCHEMA)])
    };
    let theirs = fragment(text)?;
    if text != AccessRules::SCHEMA {
        // Comments and order are theirs.
        let form = |fragment: SchemaFragment| fragment.to_json_value().ok();
        if form(theirs.clone()).is_none() || form(theirs.clone()) != form(fragment(AccessRules::SCHEMA)?) {
            let differs = text
                .lines()
                .zip(AccessRules::SCHEMA.lines())
                .take_while(|(theirs, ours)| theirs == ours)
                .count();
            let what = "it does not say what this version of gembok asks by; the first difference is here";
            return Err(vec![Flaw::new(Source::Schema, Some(differs + 1), what, OWN_SCHEMA)]);
        }
    }
    Schema::from_schema_fragments([theirs])
        .map_err(|error| vec![Flaw::of(Source::Schema, text, &error, OWN_SCHEMA)])
}

/// The entity of each act with its groups. They are given one by one with a question, so their groups' groups are theirs.
fn actions(schema: &Schema) -> Result<Vec<Action>, String> {
    let entities = schema.action_entities().map_err(|error| error.to_string())?;
    let entity = |act: &Act| {
        let uid: EntityUid =
            format!("Action::\"{act}\"").parse().map_err(|_| format!("{act} is no action"))?;
        entities.get(&uid).ok_or_else(|| format!("it has no action {act}"))?;
        let groups = entities.ancestors(&uid).map(|groups| groups.cloned().collect()).unwrap_or_default();
        let by = schema.principals_for_action(&uid).map(|kinds| kinds.cloned().collect()).unwrap_or_default();
        Ok(Action { entity: Entity::new_no_attrs(uid, groups), by })
    };
    Act::ALL.iter().map(entity).collect()
}

fn parse_rules(text: &str) -> Result<PolicySet, Vec<Flaw>> {
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        sorted(errors.iter().map(|error| Flaw::of(Source::Policies, text, error, TYPO)))
    })?;
    if let Some(template) = set.templates().next() {
        let line = text.find(&template.to_string()).map(|at| line_of(text, at));
        let what = "a rule with ?principal or ?resource is a template, and nothing fills it in";
        return Err(vec![Flaw::new(Source::Policies, line, what, "name whom it is about")]);
    }
    if set.policies().count() > RULES_MAX {
        let what = format!("there are more than {RULES_MAX} rules");
        let hint = "join rules of one kind: each is evaluated for each question";
        return Err(vec![Flaw::new(Source::Policies, None, what, hint)]);
    }
    Ok(set)
}

/// Gives each rule its `@id`.
fn name_rules(text: &str, parsed: &PolicySet) -> Result<PolicySet, Vec<Flaw>> {
    let (mut named, mut flaws) = (PolicySet::new(), Vec::new());
    for (line, policy) in in_order(text, parsed) {
        let mut complain =
            |what: String, hint| flaws.push(Flaw::new(Source::Policies, Some(line), what, hint));
        let said = |key| policy.annotation(key).filter(|said| !said.trim().is_empty());
        if said("why").is_none() {
            complain("a rule does not say why".into(), NO_WHY);
        }
        let Some(id) = said("id") else {
            complain("a rule has no id".into(), NO_ID);
            continue;
        };
        if named.add(policy.new_id(PolicyId::new(id))).is_err() {
            complain(format!("there is a rule {id} already"), "give each rule an @id of its own");
        }
    }
    if flaws.is_empty() { Ok(named) } else { Err(sorted(flaws)) }
}

/// The rules as they stand in the text, each with the line it begins in. The parser numbers them: `policy0`, `policy1` …
fn in_order<'a>(text: &str, parsed: &'a PolicySet) -> Vec<(usize, &'a Policy)> {
    let number =
        |policy: &Policy| policy.id().to_string().trim_start_matches("policy").parse().unwrap_or(0usize);
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    policies.sort_by_key(|policy| number(policy));
    let mut from = 0;
    let placed = policies.into_iter().map(|policy| {
        let rule = policy.to_string();
        let at = text.get(from..).and_then(|rest| rest.find(&rule)).map_or(from, |at| from + at);
        from = at + rule.len();
        (line_of(text, at), policy)
    });
    placed.collect()
}

/// What a validator only warns of is a flaw here: a rule that can never apply is one that somebody believes in.
fn validate(text: &str, rules: &PolicySet, schema: &Schema) -> Result<(), Vec<Flaw>> {
    let result = Validator::new(schema.clone()).validate(rules, ValidationMode::Strict);
    let flaw = |error: &dyn Diagnostic| Flaw::of(Source::Policies, text, error, TYPO);
    let errors: Vec<_> = result.validation_errors().collect();
    // Where a name is wrong, that no act fits it, and that the rule can never apply, is only what follows.
    let follows = |error: &ValidationError| matches!(error, ValidationError::InvalidActionApplication(_));
    let roots = || errors.iter().filter(|error| !follows(error));
    let flaws = if roots().next().is_some() {
        sorted(roots().map(|error| flaw(*error)))
    } else if errors.is_empty() {
        sorted(result.validation_warnings().map(|warning| flaw(warning)))
    } else {
        sorted(errors.iter().map(|error| flaw(*error)))
    };
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}

fn rule(policy: &Policy) -> Rule {
    Rule {
        id: policy.id().to_string(),
        why: policy.annotation("why").unwrap_or_default().to_owned(),
        alasan: policy.annotation("alasan").map(str::to_owned),
        forbids: policy.effect() == Effect::Forbid,
    }
}

fn sorted(flaws: impl IntoIterator<Item = Flaw>) -> Vec<Flaw> {
    let distinct: BTreeSet<Flaw> = flaws.into_iter().collect();
    distinct.into_iter().collect()
}
