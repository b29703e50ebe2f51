//! Configurations: what is read is TOML with known names, and keeps the relations between its limits; what is not says where.

use std::path::Path;
use std::sync::LazyLock;

use gembok::config::{Config, Policies};

static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    Policies::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"))
        .expect("the project's own policies")
});

/// For any text.
#[must_use]
pub fn hold(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let file = Path::new("/etc/gembok/gembok.toml");
    let read = |text: &str| Config::read(file, text, |_| Ok(POLICIES.clone()));
    let config = match read(text) {
        Ok(config) => config,
        Err(error) => {
            assert!(error.to_string().contains("gembok.toml"), "an error names its file: {error}");
            return false;
        }
    };
    let table: toml::Table = text.parse().expect("what we read is TOML");
    let tls = &config.tls;
    assert!(tls.connections_per_address_max <= tls.connections_max);
    assert!(tls.header_timeout <= tls.idle_timeout);
    assert!(config.keyring.ttl <= config.degraded.duration_max);
    assert!(config.data.listen != config.control.listen || config.data.listen.port() == 0);
    assert!(!tls.server_names.is_empty());
    assert!((1..=65_536).contains(&tls.connections_max) && (1..=65_536).contains(&tls.strangers_max));
    assert!((8_192..=1_048_576).contains(&tls.header_bytes_max));
    assert!(config.state.directory.is_absolute(), "relative to the file's directory");
    // A number is the number that was written, and what nobody knows is refused.
    let written =
        table.get("tls").and_then(|tls| tls.get("connections_max")).and_then(toml::Value::as_integer);
    assert!(written.is_none_or(|written| written == i64::from(tls.connections_max)));
    let mut more = table;
    more.insert("gembok-knows-no-such-name".into(), toml::Value::Boolean(true));
    assert!(read(&more.to_string()).is_err(), "unknown names are refused");
    true
}
