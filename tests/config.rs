//! The configuration as an operator meets it: the sample, every way to get it wrong, and what each error says.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gembok::config::{Config, LogFormat, MemoryLock, PinSource, TokenName};
use gembok::crypto::algorithm::Algorithm;
use gembok::domain::operation::{Operation, Operations};
use tempfile::TempDir;

const MINIMAL: &str = "[token]\nlabel = \"gembok\"\n";

fn sandbox(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let policies = directory.path().join("policies");
    fs::create_dir(&policies).unwrap();
    for name in ["crypto.toml", "limits.toml", "access.cedar", "access.cedarschema"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name), policies.join(name))
            .unwrap();
    }
    let file = directory.path().join("gembok.toml");
    fs::write(&file, text).unwrap();
    (directory, file)
}

fn error(text: &str) -> String {
    let (_directory, file) = sandbox(text);
    Config::load(&file).unwrap_err().to_string()
}

#[test]
fn the_sample_says_the_defaults() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("provisioning/gembok.toml");
    let sample = Config::load(&sample).unwrap();
    let (_directory, file) = sandbox(MINIMAL);
    let minimal = Config::load(&file).unwrap();
    let relocated =
        Config { file: minimal.file.clone(), policies: minimal.policies.clone(), ..sample.clone() };
    assert_eq!(format!("{relocated:?}"), format!("{minimal:?}"));

    assert_eq!(minimal.data.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(minimal.control.listen.to_string(), "127.0.0.1:9443");
    assert_eq!(minimal.tls.handshake_timeout, Duration::from_secs(5));
    assert_eq!(minimal.tls.server_names.len(), 2);
    assert_eq!(minimal.token.name, TokenName::Label("gembok".into()));
    assert_eq!(minimal.token.pin, None);
    assert_eq!(minimal.memory.lock, MemoryLock::Required);
    assert_eq!(minimal.log.format, LogFormat::Json);
    assert_eq!(minimal.policies.crypto.default_algorithm, Algorithm::Xaes256Gcm);
    assert_eq!(minimal.policies.limits.request.items_max, 1_000);
    assert_eq!(minimal.policies.limits.key.fields_burst, 40_000);
    assert_eq!(minimal.journal.disk_reserve_mib, 256);
    assert_eq!((minimal.statistics.minute_days, minimal.statistics.month_years), (2, None));
    assert_eq!(minimal.sessions.limits(), gembok::domain::session::SessionLimits::default());
    assert_eq!(minimal.journal.strict, Operations::default().with(Operation::Decrypt));
}

#[test]
fn relative_paths_start_at_the_file() {
    let (directory, file) = sandbox(
        "[state]\ndirectory = \"state\"\n[local]\nsocket = \"run/sock\"\n\
         [token]\nserial = \"0123456789abcdef\"\nmodule = \"/opt/p11.so\"\npin_file = \"pin\"\n",
    );
    let config = Config::load(&file).unwrap();
    assert_eq!(config.state.pki(), directory.path().join("state/pki"));
    assert_eq!(config.local.socket, directory.path().join("run/sock"));
    assert_eq!(config.token.module, Path::new("/opt/p11.so"));
    assert_eq!(config.token.pin, Some(PinSource::File(directory.path().join("pin"))));
}

#[test]
fn an_error_says_where_what_and_what_to_do() {
    let text = error("[token]\nlabel = \"gembok\"\n\n[tls]\nhandshake_timeout = 5000\n");
    assert!(text.contains("gembok.toml, line 5 in [tls]: unknown field `handshake_timeout`"), "{text}");
    assert!(text.contains("handshake_timeout_ms"), "the right spelling is named: {text}");
    assert!(text.contains("\n  correct the spelling"), "{text}");
}

#[test]
fn every_mistake_is_met() {
    for (text, words) in [
        ("", "missing field `token`"),
        ("[token]\n", "exactly one of label and serial"),
        (
            "[token]\nlabel = \"gembok\"\n[journal]\nstrict = [\"dekrip\"]\n",
            "no operation; there are encrypt, decrypt",
        ),
        ("[token]\nlabel = \"a\"\nserial = \"b\"\n", "exactly one of label and serial"),
        ("[token]\nlabel = \"\"\n", "1 to 32 bytes"),
        ("[token]\nlabel = \"a\"\nslot = 0\n", "unknown field `slot`"),
        ("[token]\nlabel = \"a\"\npin = \"1234\"\n", "unknown field `pin`"),
        ("[token]\nlabel = \"a\"\npin_file = \"p\"\npin_credential = \"p\"\n", "at most one of pin_file"),
        ("[token]\nlabel = \"a\"\npin_credential = \"../p\"\n", "not a path"),
        ("surprise = 1\n[token]\nlabel = \"a\"\n", "line 1: unknown field `surprise`"),
        ("[token]\nlabel = \"a\"\n[tls]\nheader_timeout_ms = 0\n", "0 is outside 100 to 60000 milliseconds"),
        ("[token]\nlabel = \"a\"\n[tls]\nserver_names = [\"a b\"]\n", "neither a DNS name nor an IP address"),
        ("[token]\nlabel = \"a\"\n[tls]\nserver_names = []\n", "server_names is empty"),
        ("[token]\nlabel = \"a\"\n[tls]\nconnections_max = 10\n", "tls.connections_per_address_max"),
        ("[token]\nlabel = \"a\"\n[tls]\nidle_timeout_ms = 1000\n", "tls.idle_timeout_ms"),
        ("[token]\nlabel = \"a\"\n[control]\nlisten = \"127.0.0.1:8443\"\n", "control.listen"),
        ("[token]\nlabel = \"a\"\n[data]\nlisten = \"localhost:8443\"\n", "line 4 in [data]"),
        ("[token]\nlabel = \"a\"\n[degraded]\nmax_s = 60\n", "degraded.max_s"),
        ("[token]\nlabel = \"a\"\n[statistics]\nminute_days = 0\n", "0 is outside 1 to 90"),
        ("[token]\nlabel = \"a\"\n[statistics]\nmonth_years = 101\n", "101 is outside 0 to 100"),
        ("[token]\nlabel = \"a\"\n[sessions]\nidle_s = 59\n", "59 is outside 60 to 86400"),
        ("[token]\nlabel = \"a\"\n[sessions]\nmax_s = 600\n", "sessions.max_s"),
        ("[token]\nlabel = \"a\"\n[statistics]\nhour_days = 1\n", "statistics.hour_days"),
        ("[token]\nlabel = \"a\"\n[statistics]\nday_days = 59\n", "statistics.day_days"),
        ("[token]\nlabel = \"a\"\n[statistics]\nmonth_years = 2\n", "statistics.month_years"),
        ("[token]\nlabel = \"a\"\n[memory]\nlock = \"never\"\n", "unknown variant `never`"),
        ("[token]\nlabel = \"a\"\n[log]\nlevel = \"trace\"\n", "unknown variant `trace`"),
        ("policies = \"elsewhere\"\n[token]\nlabel = \"a\"\n", "elsewhere/crypto.toml: cannot be read"),
    ] {
        let error = error(text);
        assert!(error.contains(words), "{text:?} gave\n{error}");
        assert!(error.contains("\n  "), "no word on what to do: {error}");
    }
}

#[test]
fn limits_that_contradict_each_other_are_errors() {
    for (from, to, words) in [
        ("items_max = 1000 ", "items_max = 50000 ", "a full batch could never be admitted"),
        ("requests_burst = 400", "requests_burst = 100", "smaller than one second"),
        ("= 200000", "= 999", "a full batch could never be decrypted"),
        ("field_bytes_max = 65536 ", "field_bytes_max = 98304 ", "request.published_body_bytes_max"),
        ("items_max = 1000 ", "items_max = 0 ", "0 is outside 1 to 100000"),
        ("items_max = 1000 ", "itens_max = 1000 ", "unknown field `itens_max`"),
    ] {
        let (directory, file) = sandbox(MINIMAL);
        let limits = directory.path().join("policies/limits.toml");
        let text = fs::read_to_string(&limits).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&limits, text.replace(from, to)).unwrap();
        let error = Config::load(&file).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("limits.toml"), "{to:?} gave\n{error}");
    }
    let (directory, file) = sandbox(MINIMAL);
    let crypto = directory.path().join("policies/crypto.toml");
    for (text, words) in [
        ("default_algorithm = \"aes-256-gcm\"\noffered_algorithms = [\"xaes-256-gcm\"]\n", "not offered"),
        (
            "default_algorithm = \"rot13\"\noffered_algorithms = []\n",
            "rot13 is no algorithm; there are xaes-256-gcm",
        ),
    ] {
        fs::write(&crypto, text).unwrap();
        let error = Config::load(&file).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_check_finds_what_the_machine_lacks() {
    let text = "[state]\ndirectory = \"state\"\n[local]\nsocket = \"run/gembok.sock\"\n\
                [token]\nlabel = \"gembok\"\nmodule = \"module.so\"\npin_file = \"pin\"\n";
    let (directory, file) = sandbox(text);
    let at = |name: &str| directory.path().join(name);
    let places = |config: &Config| config.check(None).iter().map(|finding| finding.place).collect::<Vec<_>>();
    let config = Config::load(&file).unwrap();
    assert_eq!(places(&config), ["state.directory", "local.socket", "token.module", "token.pin_file"]);

    for name in ["state", "state/pki", "run"] {
        fs::create_dir(at(name)).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::write(at("module.so"), b"\x7fELF and more").unwrap();
    fs::write(at("pin"), b"1234\n").unwrap();
    fs::set_permissions(at("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(config.check(None), []);
    assert_eq!(config.token.pin.as_ref().unwrap().read(None).unwrap().as_slice(), b"1234");
    assert_eq!(fs::read_dir(at("run")).unwrap().count(), 0, "a check leaves nothing behind");

    fs::set_permissions(at("pin"), fs::Permissions::from_mode(0o644)).unwrap();
    let findings = config.check(None);
    assert!(findings[0].what.contains("mode 0644") && findings[0].hint.contains("chmod 600"), "{findings:?}");
    fs::set_permissions(at("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at("pin"), b" \n").unwrap();
    assert!(config.check(None)[0].what.ends_with("is empty"));
    fs::write(at("pin"), vec![b'1'; 65_537]).unwrap();
    assert!(config.check(None)[0].what.contains("at most 65536 bytes"));
    fs::write(at("pin"), b"1234").unwrap();

    fs::write(at("state/pki/server.key"), b"key").unwrap();
    fs::set_permissions(at("state/pki/server.key"), fs::Permissions::from_mode(0o604)).unwrap();
    fs::set_permissions(at("state"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(at("module.so"), b"#!/bin/sh").unwrap();
    assert_eq!(places(&config), ["state.directory", "state.directory", "token.module"]);
}

#[test]
fn a_credential_is_read_from_where_systemd_puts_it() {
    let (directory, file) = sandbox("[token]\nlabel = \"gembok\"\npin_credential = \"hsm-pin\"\n");
    let pin = Config::load(&file).unwrap().token.pin.unwrap();
    assert!(pin.read(None).unwrap_err().hint().contains("LoadCredentialEncrypted=hsm-pin:"));
    let credential = directory.path().join("hsm-pin");
    fs::write(&credential, b"4321").unwrap();
    // An ACL for the service's user shows in the group bits.
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o440)).unwrap();
    assert_eq!(pin.read(Some(directory.path())).unwrap().as_slice(), b"4321");
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(pin.read(Some(directory.path())).is_err());
}
