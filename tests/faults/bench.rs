//! A token behind the shim with one of everything in it, and what can be asked of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gembok::crypto::secret::SecretKey;
use gembok::crypto::wrapped_key::{Binding, WrappedKey};
use gembok::hsm::{
    Anchor, Healing, MasterKey, Pin, PinBackoff, Signer, Token, TokenChoice, TokenConfig, TokenError,
};

use crate::support::shim::Shim;
use crate::support::softhsm::SoftHsm;

pub(crate) const PIN: &[u8] = b"1234-user";
pub(crate) const LABEL: &str = "gembok-test";

/// A token behind the shim, with one of everything.
pub(crate) struct Bench {
    pub(crate) shim: Shim,
    pub(crate) token: Token,
    pub(crate) key: MasterKey,
    pub(crate) signer: Signer,
    pub(crate) wrapped: WrappedKey,
    pub(crate) plain: SecretKey,
    /// The last one that was to be made.
    anchors: AtomicU64,
}

/// What is asked of the token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    Anchor,
    Destroy,
    Find,
    Generate,
    Probe,
    Sign,
    Unwrap,
    Wrap,
}

pub(crate) fn config() -> TokenConfig {
    TokenConfig {
        module: Shim::module().to_owned(),
        choice: TokenChoice::Label(LABEL.into()),
        worker_sessions: 1,
        deadline: Duration::from_secs(20),
    }
}

pub(crate) fn pin() -> Pin {
    Pin::from_bytes(PIN).unwrap()
}

pub(crate) fn open(config: &TokenConfig) -> Result<Token, TokenError> {
    Token::open(config, pin(), &mut PinBackoff::new(), Instant::now())
}

pub(crate) fn place() -> Binding {
    Binding::store_key(1, 1)
}

impl Bench {
    pub(crate) fn new(softhsm: &SoftHsm) -> Self {
        let shim = softhsm.shim();
        shim.obey();
        let config = config();
        Token::create(&config.module, LABEL, &pin(), &pin()).unwrap();
        let token = open(&config).unwrap();
        let key = token.generate_master_key(1).unwrap();
        let signer = token.generate_signer("gembok-ca").unwrap();
        let plain = SecretKey::generate().unwrap();
        let wrapped = key.wrap(&plain, &place()).unwrap();
        Self { shim, token, key, signer, wrapped, plain, anchors: AtomicU64::new(0) }
    }

    /// The same, with little patience once everything is made.
    pub(crate) fn impatient(softhsm: &SoftHsm) -> Self {
        let mut bench = Self::new(softhsm);
        bench.reopen(&TokenConfig { deadline: Duration::from_secs(3), ..config() });
        bench
    }

    pub(crate) fn reopen(&mut self, config: &TokenConfig) {
        self.token.close().unwrap();
        self.token = open(config).unwrap();
        self.key = self.token.master_key(1).unwrap();
        self.signer = self.token.signer("gembok-ca").unwrap();
    }

    pub(crate) fn does(&self, work: Work) -> Result<(), TokenError> {
        match work {
            Work::Anchor => {
                let next = self.further();
                self.token.put_anchor(&next)?;
                assert_eq!(self.token.anchor()?, Some(next));
                Ok(())
            }
            Work::Destroy => self.token.destroy_pending().map(drop),
            Work::Find => self.token.master_key(1).map(drop),
            Work::Generate => self.token.generate_master_key(9).map(drop),
            Work::Probe => self.token.probe(),
            Work::Sign => self.signer.sign_digest(&[7; 32]).map(drop),
            Work::Unwrap => {
                let plain = self.key.unwrap(&self.wrapped, &place())?;
                assert_eq!(plain.expose(), self.plain.expose());
                Ok(())
            }
            Work::Wrap => self.key.wrap(&self.plain, &place()).map(drop),
        }
    }

    /// An anchor that the token does not hold yet. It is known here what it holds, so that nothing is asked of it.
    pub(crate) fn further(&self) -> Anchor {
        let next_sequence = self.anchors.fetch_add(1, Ordering::Relaxed) + 1;
        Anchor { epoch: 0, next_sequence, hash: [7; 32] }
    }

    pub(crate) fn heal(&self) -> Result<(), TokenError> {
        self.token.heal().map(Healing::trust)
    }

    /// Everything is as if nothing had been, after a heal if that is wanted.
    pub(crate) fn recovers(&self, what: &str) {
        self.shim.obey();
        if self.token.is_away() {
            assert!(matches!(self.does(Work::Unwrap), Err(TokenError::Away(_))), "{what}");
            self.heal().unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        for work in [Work::Unwrap, Work::Find, Work::Wrap, Work::Sign] {
            self.does(work).unwrap_or_else(|error| panic!("{what}, then {work:?}: {error}"));
        }
        assert!(!self.token.is_away(), "{what}");
        self.shim.assert_orderly();
    }
}
