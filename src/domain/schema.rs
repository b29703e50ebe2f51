//! What an object declares of its data: whose it is, and the fields that a blind index may be made of. All of it is about
//! kinds of values, none of it is a value.
//!
//! An index tells who holds the database which rows are equal, so one is only made where that tells little: of many distinct
//! values, and truncated only so far that a search stays useful and each of its values stands for more than one.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use super::id::IndexId;

/// Fields an object may declare.
pub const FIELDS_MAX: usize = 64;
/// Bytes of a field's name and of the subject's.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes a declared field may have: what a field may have at all, unless the policy says more.
pub const LENGTH_MAX: u32 = 65_536;
/// Digits a declared number may have.
pub const DIGITS_MAX: u32 = 64;
/// Fewer distinct values than this are not indexed: whoever counts rows would know them by how often each comes.
pub const DISTINCT_MIN: u64 = 1_000;
/// Bits of an index that is not truncated.
pub const UNIQUE_BITS: u8 = 128;

/// What an object declares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Schema {
    /// The context name that says whose data it is: required to seal and to open.
    #[n(0)]
    pub subject: Option<String>,
    /// Declared fields, by name.
    #[n(1)]
    pub fields: Vec<Field>,
}

/// One kind of value.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Field {
    /// Unique in its object.
    #[n(0)]
    pub name: String,
    /// How a value is written before it is compared.
    #[n(1)]
    pub normaliser: Normaliser,
    /// Digits, exactly; or bytes, at most.
    #[n(2)]
    pub length: u32,
    /// How many distinct values are expected.
    #[n(3)]
    pub distinct: u64,
    /// Bits of its index: 128, or 1 to 63; none where it has none.
    #[n(4)]
    pub index_bits: Option<u8>,
    /// Which index: drawn when it is declared, part of what its values are made of. Another normaliser or number of bits is another
    /// index.
    #[n(5)]
    pub index: Option<IndexId>,
}

/// How a value is written before it is compared. Numbers are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Normaliser {
    /// Exactly so many of 0–9, after blanks, dots and hyphens are dropped.
    #[n(1)]
    Digits,
    /// A real day, YYYY-MM-DD.
    #[n(2)]
    DateIso,
    /// Text with case, width and white space folded.
    #[n(3)]
    TextFold,
    /// An address, trimmed, in lower case.
    #[n(4)]
    Email,
    /// An Indonesian telephone number, beginning +62.
    #[n(5)]
    PhoneId,
}

impl Normaliser {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Digits, Self::DateIso, Self::TextFold, Self::Email, Self::PhoneId];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::DateIso => "date-iso",
            Self::TextFold => "text-fold",
            Self::Email => "email",
            Self::PhoneId => "phone-id",
        }
    }

    /// Lengths a field of it may declare.
    const fn lengths(self) -> (u32, u32) {
        match self {
            Self::Digits => (1, DIGITS_MAX),
            Self::DateIso => (10, 10),
            Self::TextFold => (1, LENGTH_MAX),
            Self::Email => (3, 254),
            Self::PhoneId => (4, 20),
        }
    }

    /// Values there can be of a length at most, where that is a number worth knowing.
    fn values_max(self, length: u32) -> u64 {
        match self {
            Self::Digits => 10u64.checked_pow(length).unwrap_or(u64::MAX),
            // Every day of the years 0000 to 9999.
            Self::DateIso => 3_652_425,
            Self::TextFold | Self::Email | Self::PhoneId => u64::MAX,
        }
    }
}

impl fmt::Display for Normaliser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for Normaliser {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|normaliser| normaliser.name() == name).ok_or(())
    }
}

/// What is wrong with a schema: a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFlaw(pub String);

impl Schema {
    /// The same in order, if it holds together. Nothing where nothing is declared.
    ///
    /// # Errors
    /// [`SchemaFlaw`]: the first thing that is wrong.
    pub fn checked(mut self) -> Result<Option<Self>, SchemaFlaw> {
        if let Some(subject) = &self.subject {
            check_name("subject", subject)?;
        }
        if self.fields.len() > FIELDS_MAX {
            return Err(SchemaFlaw(format!("An object declares at most {FIELDS_MAX} fields.")));
        }
        self.fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        if let Some(two) = self.fields.windows(2).find(|two| two[0].name == two[1].name) {
            return Err(SchemaFlaw(format!("The field {:?} is declared twice.", two[0].name)));
        }
        self.fields.iter().try_for_each(Field::check)?;
        Ok((self != Self::default()).then_some(self))
    }

    /// Gives each indexed field its index: the one that `before` has for it where that is still the same, else one that is
    /// drawn.
    ///
    /// # Errors
    /// What drawing one says.
    pub fn identify<E>(
        &mut self,
        before: Option<&Self>,
        mut draw: impl FnMut() -> Result<IndexId, E>,
    ) -> Result<(), E> {
        for field in &mut self.fields {
            let kept = before
                .and_then(|before| before.field(&field.name))
                .filter(|known| known.makes_alike(field))
                .and_then(|known| known.index);
            field.index = match (field.index_bits, kept) {
                (None, _) => None,
                (Some(_), Some(kept)) => Some(kept),
                (Some(_), None) => Some(draw()?),
            };
        }
        Ok(())
    }

    /// The fields whose index is gone with `after`: another one has taken its place, or none has. One that is taken away does not
    /// come back: declared again, it is another.
    pub fn indexes_given_up<'a>(&'a self, after: Option<&'a Self>) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| {
            let now = after.and_then(|after| after.field(&field.name)).and_then(|now| now.index);
            field.index.is_some() && field.index != now
        })
    }

    /// A declared field, by name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|field| field.name.as_str().cmp(name));
        at.ok().and_then(|at| self.fields.get(at))
    }

    /// Whether any field is indexed.
    #[must_use]
    pub fn has_index(&self) -> bool {
        self.fields.iter().any(|field| field.index_bits.is_some())
    }
}

impl Field {
    /// Whether the index values of both are made alike. The length says what is taken, and is in no value.
    fn makes_alike(&self, other: &Self) -> bool {
        (self.normaliser, self.index_bits) == (other.normaliser, other.index_bits)
    }

    fn check(&self) -> Result<(), SchemaFlaw> {
        let Self { name, normaliser, length, distinct, index_bits, index: _ } = self;
        check_name("field", name)?;
        let wrong = |why: String| Err(SchemaFlaw(format!("Field {name:?}: {why}")));
        let (least, most) = normaliser.lengths();
        if !(least..=most).contains(length) {
            return wrong(format!("a length of {normaliser} is {least} to {most}."));
        }
        let values_max = normaliser.values_max(*length);
        if *distinct == 0 || *distinct > values_max {
            return wrong(format!("there are 1 to {values_max} distinct values of it."));
        }
        let Some(bits) = *index_bits else { return Ok(()) };
        if *distinct < DISTINCT_MIN {
            return wrong(format!(
                "{distinct} distinct values are too few for an index: equal rows would tell the values by how often each \
                 comes. Declare index = \"none\", or at least {DISTINCT_MIN} distinct values."
            ));
        }
        if bits == UNIQUE_BITS {
            return Ok(());
        }
        if !(1..=63).contains(&bits) {
            return wrong("a truncated index has 1 to 63 bits.".into());
        }
        let (least, most) = truncations(*distinct);
        if !(least..=most).contains(&u32::from(bits)) {
            return wrong(format!(
                "of {distinct} distinct values a truncated index has {least} to {most} bits: fewer find too much, with more \
                 each value would stand alone."
            ));
        }
        Ok(())
    }
}

/// Bits of a truncated index: more index values than the root of the distinct ones, and at most half as many as they are.
const fn truncations(distinct: u64) -> (u32, u32) {
    (distinct.ilog2() / 2 + 1, (distinct / 2).ilog2())
}

fn check_name(of: &str, name: &str) -> Result<(), SchemaFlaw> {
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(SchemaFlaw(format!(
        "The name of the {of} has 1 to {NAME_BYTES_MAX} bytes, none of them a control character."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cbor;

    fn nik() -> Field {
        Field {
            name: "nik".into(),
            normaliser: Normaliser::Digits,
            length: 16,
            distinct: 50_000,
            index_bits: Some(UNIQUE_BITS),
            index: None,
        }
    }

    fn given_up<'a>(before: &'a Schema, after: Option<&'a Schema>) -> Vec<&'a str> {
        before.indexes_given_up(after).map(|field| field.name.as_str()).collect()
    }

    fn flaw(field: Field) -> String {
        Schema { subject: None, fields: vec![field] }.checked().err().map_or_else(String::new, |flaw| flaw.0)
    }

    #[test]
    fn a_schema_is_put_in_order_and_leads_back() {
        let field =
            Field { name: "alamat".into(), normaliser: Normaliser::TextFold, index_bits: None, ..nik() };
        let schema = Schema { subject: Some("nik".into()), fields: vec![nik(), field.clone()] };
        let checked = schema.checked().unwrap().unwrap();
        assert_eq!(checked.fields, [field, nik()]);
        assert_eq!(cbor::decode::<Schema>(&cbor::encode(&checked)), Ok(checked));
        assert_eq!(Schema::default().checked(), Ok(None));
        for (at, normaliser) in (1u8..).zip(Normaliser::ALL) {
            assert_eq!(cbor::encode(&normaliser), [at], "the number of {normaliser} is frozen");
            assert_eq!(normaliser.name().parse(), Ok(normaliser));
        }
    }

    #[test]
    fn what_an_index_would_give_away_is_refused() {
        assert_eq!(flaw(nik()), "");
        assert!(flaw(Field { distinct: 2, ..nik() }).contains("too few for an index"));
        assert!(flaw(Field { distinct: 999, ..nik() }).contains("too few"));
        assert_eq!(flaw(Field { distinct: 2, index_bits: None, ..nik() }), "");
        // Between the root of the distinct values and half of them.
        for (bits, is_sound) in
            [(0, false), (7, false), (8, true), (14, true), (15, false), (64, false), (127, false)]
        {
            let said = flaw(Field { index_bits: Some(bits), ..nik() });
            assert_eq!(said.is_empty(), is_sound, "{bits}: {said}");
        }
        for distinct in [DISTINCT_MIN, 1_001, 65_535, 65_536, u64::MAX] {
            let (least, most) = truncations(distinct);
            assert!(least <= most && u128::from(distinct) < 1 << (2 * least), "{distinct}");
            assert!(1u128 << (most + 1) <= u128::from(distinct) && most <= 63, "{distinct}");
        }
    }

    #[test]
    fn an_index_stays_as_long_as_its_values_do() {
        let mut drawn = 0;
        let mut draw = || {
            drawn += 1;
            Ok::<_, ()>(IndexId::from_bytes([drawn; 16]))
        };
        let schema = |field: Field| Schema { subject: None, fields: vec![field] };
        let mut first = schema(nik());
        first.identify(None, &mut draw).unwrap();
        let id = first.fields[0].index;
        assert!(id.is_some());
        for alike in [Field { distinct: 60_000, ..nik() }, Field { length: 17, ..nik() }] {
            let mut alike = schema(alike);
            alike.identify(Some(&first), &mut draw).unwrap();
            assert_eq!(alike.fields[0].index, id);
            assert_eq!(given_up(&first, Some(&alike)), [""; 0]);
        }
        for other in [
            Field { index_bits: Some(12), ..nik() },
            Field { normaliser: Normaliser::TextFold, ..nik() },
            Field { name: "npwp".into(), ..nik() },
        ] {
            let mut other = schema(other);
            other.identify(Some(&first), &mut draw).unwrap();
            assert!(other.fields[0].index.is_some_and(|other| Some(other) != id));
            assert_eq!(given_up(&first, Some(&other)), ["nik"]);
        }
        let mut bare = schema(Field { index_bits: None, ..nik() });
        bare.identify(Some(&first), &mut draw).unwrap();
        assert_eq!((bare.fields[0].index, bare.has_index(), first.has_index()), (None, false, true));
        assert_eq!((given_up(&first, Some(&bare)), given_up(&first, None)), (vec!["nik"], vec!["nik"]));
        // What never had one, or was declared before there were any, gives none up.
        assert_eq!(given_up(&bare, Some(&first)), [""; 0]);
        assert_eq!(given_up(&schema(nik()), Some(&first)), [""; 0]);
        // Redeclared after it was removed, it is another one.
        let mut again = schema(nik());
        again.identify(Some(&bare), &mut draw).unwrap();
        assert!(again.fields[0].index.is_some_and(|again| Some(again) != id));
    }

    #[test]
    fn lengths_and_names_are_bounded() {
        assert!(flaw(Field { length: 0, ..nik() }).contains("1 to 64"));
        assert!(flaw(Field { length: 65, ..nik() }).contains("1 to 64"));
        assert!(flaw(Field { length: 3, ..nik() }).contains("1 to 1000 distinct"));
        assert!(flaw(Field { normaliser: Normaliser::DateIso, ..nik() }).contains("10 to 10"));
        assert!(flaw(Field { distinct: 0, ..nik() }).contains("distinct"));
        for name in ["", "a\nb", &"x".repeat(65)] {
            assert!(flaw(Field { name: name.into(), ..nik() }).contains("The name of the field"));
            assert!(Schema { subject: Some(name.into()), fields: Vec::new() }.checked().is_err());
        }
        let twice = Schema { subject: None, fields: vec![nik(), nik()] };
        assert!(twice.checked().err().unwrap().0.contains("twice"));
        let many = (0..65).map(|at| Field { name: at.to_string(), ..nik() }).collect();
        assert!(Schema { subject: None, fields: many }.checked().is_err());
    }
}
