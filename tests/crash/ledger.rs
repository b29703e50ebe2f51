//! What was asked and what was acknowledged: the driver's own books, compared with the daemon's after each crash.

use std::collections::HashMap;
use std::ops::AddAssign;

use gembok::domain::id::ApiKeyId;

/// A field that was sealed, and what has to come out when it is opened.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) object: String,
    pub(crate) ciphertext: String,
    /// In base64.
    pub(crate) plaintext: String,
}

/// A request that left the client.
pub(crate) struct Sent {
    /// Neighbours on one connection never have the same, so that they can be told apart in the journal.
    pub(crate) fields: u32,
    pub(crate) is_acknowledged: bool,
}

/// What one client did in one round, in order.
pub(crate) struct Page {
    pub(crate) api_key: ApiKeyId,
    /// Whether an answer promises that its record is durable.
    pub(crate) is_strict: bool,
    pub(crate) sent: Vec<Sent>,
    pub(crate) sealed: Vec<Sealed>,
    /// Acknowledged seals by object.
    pub(crate) uses: HashMap<String, u64>,
}

/// Acknowledged requests that no record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lost {
    pub(crate) requests: u64,
    pub(crate) fields: u64,
}

impl AddAssign for Lost {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.fields += more.fields;
    }
}

/// An object the operator asked for.
pub(crate) struct Made {
    pub(crate) name: String,
    /// It was answered for.
    pub(crate) is_answered: bool,
    /// So were its grants.
    pub(crate) is_granted: bool,
}

impl Page {
    pub(crate) fn new(api_key: ApiKeyId, is_strict: bool) -> Self {
        Self { api_key, is_strict, sent: Vec::new(), sealed: Vec::new(), uses: HashMap::new() }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.sent.iter().filter(|sent| sent.is_acknowledged).count()
    }

    /// Fields of acknowledged decrypts: the strict ones.
    pub(crate) fn opened(&self) -> u64 {
        let acknowledged = self.sent.iter().filter(|sent| self.is_strict && sent.is_acknowledged);
        acknowledged.map(|sent| u64::from(sent.fields)).sum()
    }

    /// Compares with what the journal has of this client, in order. The acknowledged requests that are not in it: the end
    /// of a batched journal may be missing, and nothing else.
    pub(crate) fn lost(&self, recorded: &[u32]) -> Result<Lost, String> {
        let mut recorded = recorded.iter().copied().peekable();
        let mut lost = Lost::default();
        for (at, sent) in self.sent.iter().enumerate() {
            if lost == Lost::default() && recorded.next_if_eq(&sent.fields).is_some() {
                continue;
            }
            if !sent.is_acknowledged {
                continue;
            }
            lost += Lost { requests: 1, fields: sent.fields.into() };
            if self.is_strict {
                return Err(format!(
                    "strict request {at} of {} was acknowledged and is lost",
                    self.sent.len()
                ));
            }
        }
        match recorded.next() {
            None => Ok(lost),
            Some(fields) => Err(format!(
                "a record of {fields} fields is in the journal that nobody asked for, or a record \
                                         before it is lost"
            )),
        }
    }
}

#[test]
fn a_page_finds_what_is_lost_and_what_was_never_asked() {
    let page = |is_strict, asked: &[(u32, bool)]| Page {
        sent: asked.iter().map(|&(fields, is_acknowledged)| Sent { fields, is_acknowledged }).collect(),
        ..Page::new(ApiKeyId::from_bytes([0; 16]), is_strict)
    };
    let asked = [(1, true), (2, true), (3, false), (4, true), (5, false)];
    for is_strict in [true, false] {
        let page = page(is_strict, &asked);
        for all in [&[1, 2, 4][..], &[1, 2, 3, 4], &[1, 2, 3, 4, 5]] {
            assert_eq!(page.lost(all), Ok(Lost::default()));
        }
        for wrong in [&[2, 4][..], &[1, 4], &[1, 2, 4, 6], &[1, 1, 2, 4], &[1, 2, 5]] {
            assert!(page.lost(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(page.lost(&[1, 2]).is_ok(), !is_strict);
    }
    assert_eq!(page(false, &asked).lost(&[1]), Ok(Lost { requests: 2, fields: 6 }));
    assert_eq!(page(false, &asked).lost(&[]), Ok(Lost { requests: 3, fields: 7 }));
}
