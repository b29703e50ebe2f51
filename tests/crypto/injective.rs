//! What an envelope is bound to, on random input: two bindings never give the same associated data.

use std::borrow::Cow;

use gembok::crypto::aad::{self, CONTEXT_BYTES_MAX, Context, ContextError};
use proptest::prelude::*;

type Pairs = Vec<(String, String)>;

/// Everything a field is bound to. Equal contexts are equal sets of pairs, so these are kept sorted.
#[derive(Debug, Clone, PartialEq)]
struct Bound {
    header: [u8; 12],
    project: [u8; 16],
    object: [u8; 16],
    pairs: Pairs,
}

impl Bound {
    fn aad(&self) -> Vec<u8> {
        let mut out = Vec::new();
        aad::write(&mut out, &self.header, &self.project, &self.object, &context(&self.pairs).unwrap());
        out
    }
}

fn context(pairs: &Pairs) -> Result<Context<'_>, ContextError> {
    Context::new(pairs.iter().map(|(name, value)| (Cow::from(name), Cow::from(value))).collect())
}

/// Few letters, among them those that length bytes are made of, so that collisions would be found if there were any.
fn word(least: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'b', 'é']), least..5)
        .prop_map(String::from_iter)
}

fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::btree_map(word(1), word(0), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

fn bound() -> impl Strategy<Value = Bound> {
    (any::<[u8; 12]>(), any::<[u8; 16]>(), any::<[u8; 16]>(), pairs())
        .prop_map(|(header, project, object, pairs)| Bound { header, project, object, pairs })
}

/// One step to a neighbour that a careless encoding would not tell from the first.
#[derive(Debug, Clone)]
enum Step {
    /// The last letter of a name becomes the first of its value.
    NameIntoValue(prop::sample::Index),
    /// The last letter of a value becomes the first of the next name.
    ValueIntoName(prop::sample::Index),
    /// Two pairs become one, whose value spells out the second with its lengths.
    Merge(prop::sample::Index),
    /// A name and its value change places.
    Exchange(prop::sample::Index),
    /// The last byte of the project id becomes the first of the object id, and so on round all the fixed parts.
    Rotate(usize),
    /// One bit of the fixed parts.
    Flip(prop::sample::Index),
    /// A pair more, of empty value.
    Add(String),
    /// A pair less.
    Remove(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Step::NameIntoValue),
        index().prop_map(Step::ValueIntoName),
        index().prop_map(Step::Merge),
        index().prop_map(Step::Exchange),
        (1usize..44).prop_map(Step::Rotate),
        index().prop_map(Step::Flip),
        word(1).prop_map(Step::Add),
        index().prop_map(Step::Remove),
    ]
}

impl Step {
    /// `None` where the step does not apply, or leads to what is no context.
    fn from(&self, here: &Bound) -> Option<Bound> {
        let mut there = here.clone();
        let pairs = &mut there.pairs;
        let count = pairs.len();
        let pick = |index: &prop::sample::Index, few: usize| {
            count.checked_sub(few).map(|past| index.index(past + 1))
        };
        match self {
            Self::NameIntoValue(index) => {
                let (name, value) = &mut pairs[pick(index, 1)?];
                value.insert(0, name.pop()?);
            }
            Self::ValueIntoName(index) => {
                let at = pick(index, 2)?;
                let letter = pairs[at].1.pop()?;
                pairs[at + 1].0.insert(0, letter);
            }
            Self::Merge(index) => {
                let at = pick(index, 2)?;
                let (name, value) = pairs.remove(at + 1);
                let lengths =
                    [name.len(), value.len()].map(|len| ['\0', char::from(u8::try_from(len).unwrap())]);
                let spelled =
                    lengths[0].into_iter().chain(name.chars()).chain(lengths[1]).chain(value.chars());
                pairs[at].1.extend(spelled);
            }
            Self::Exchange(index) => {
                let pair = &mut pairs[pick(index, 1)?];
                *pair = (pair.1.clone(), pair.0.clone());
            }
            Self::Rotate(by) => there.change_fixed(|fixed| fixed.rotate_right(*by)),
            Self::Flip(bit) => {
                there.change_fixed(|fixed| fixed[bit.index(8 * 44) / 8] ^= 1 << (bit.index(8 * 44) % 8));
            }
            Self::Add(name) => pairs.push((name.clone(), String::new())),
            Self::Remove(index) => {
                pairs.remove(pick(index, 1)?);
            }
        }
        there.pairs.sort();
        context(&there.pairs).is_ok().then_some(there)
    }
}

impl Bound {
    fn change_fixed(&mut self, change: impl FnOnce(&mut [u8])) {
        let mut fixed = [&self.header[..], &self.project, &self.object].concat();
        change(&mut fixed);
        self.header.copy_from_slice(&fixed[..12]);
        self.project.copy_from_slice(&fixed[12..28]);
        self.object.copy_from_slice(&fixed[28..]);
    }
}

/// Reads associated data back. That this can be written proves that nothing is lost in writing it.
fn read_aad(bytes: &[u8]) -> Option<Bound> {
    fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
        let (head, tail) = rest.split_first_chunk()?;
        *rest = tail;
        Some(*head)
    }
    fn counted(rest: &mut &[u8]) -> Option<String> {
        let length = u16::from_be_bytes(take(rest)?);
        let (head, tail) = rest.split_at_checked(length.into())?;
        *rest = tail;
        String::from_utf8(head.to_vec()).ok()
    }
    let mut rest = bytes.strip_prefix(b"gembok/aad/v1\0")?;
    let (header, project, object) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?);
    let count = u16::from_be_bytes(take(&mut rest)?);
    let pairs =
        (0..count).map(|_| Some((counted(&mut rest)?, counted(&mut rest)?))).collect::<Option<_>>()?;
    rest.is_empty().then_some(Bound { header, project, object, pairs })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_bindings_never_give_the_same_aad(one in bound(), steps in prop::collection::vec(step(), 1..4)) {
        let other = steps.iter().try_fold(one.clone(), |here, step| step.from(&here));
        if let Some(other) = other {
            prop_assert_eq!(one == other, one.aad() == other.aad(), "{:?}", other);
        }
    }

    #[test]
    fn two_unrelated_contexts_never_give_the_same_aad(one in pairs(), other in pairs()) {
        let [one, other] =
            [one, other].map(|pairs| Bound { header: [0; 12], project: [0; 16], object: [0; 16], pairs });
        prop_assert_eq!(one == other, one.aad() == other.aad());
    }

    #[test]
    fn an_aad_reads_back(bound in bound()) {
        prop_assert_eq!(read_aad(&bound.aad()), Some(bound));
    }

    #[test]
    fn the_order_of_pairs_does_not_matter(pairs in pairs().prop_flat_map(|pairs| {
        (Just(pairs.clone()), Just(pairs).prop_shuffle())
    })) {
        prop_assert_eq!(context(&pairs.0), context(&pairs.1));
        let context = context(&pairs.1).unwrap();
        for (name, value) in &pairs.0 {
            prop_assert_eq!(context.value(name), Some(value.as_str()));
        }
    }

    #[test]
    fn a_context_refuses_exactly_empty_repeated_and_too_long(
        pairs in prop::collection::vec((word(0), word(0)), 0..6),
        longest in prop::option::of(CONTEXT_BYTES_MAX - 40..CONTEXT_BYTES_MAX + 10),
    ) {
        let mut pairs = pairs;
        // Lengthens the last value until the whole takes as many bytes as was drawn.
        let bytes = |pairs: &Pairs| 2 + pairs.iter().map(|(n, v)| 4 + n.len() + v.len()).sum::<usize>();
        if let Some(longest) = longest {
            let missing = longest.saturating_sub(bytes(&pairs));
            if let Some(last) = pairs.last_mut() {
                last.1.push_str(&"v".repeat(missing));
            }
        }
        let names = pairs.iter().map(|(name, _)| name).collect::<std::collections::BTreeSet<_>>();
        let expected = if names.iter().any(|name| name.is_empty()) {
            Err(ContextError::EmptyName)
        } else if names.len() < pairs.len() {
            Err(ContextError::RepeatedName)
        } else if bytes(&pairs) > CONTEXT_BYTES_MAX {
            Err(ContextError::TooLong)
        } else {
            Ok(pairs.is_empty())
        };
        prop_assert_eq!(context(&pairs).map(|context| context.is_empty()), expected);
    }
}
