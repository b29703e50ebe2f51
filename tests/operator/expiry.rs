//! What is about to end, as people and machines see it.

use std::fs;

use rcgen::{
    CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::support::daemon::Sandbox;

/// A list that ends in so many hours, whoever signed it.
fn list(hours: i64) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
    let now = OffsetDateTime::now_utc();
    let list = CertificateRevocationListParams {
        this_update: now - Duration::days(7),
        next_update: now + Duration::hours(hours),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(&Issuer::new(params, key)).unwrap().pem().unwrap()
}

#[test]
fn status_health_and_metrics_name_what_ends_soon() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.start();
    sandbox.provision();
    let health = || sandbox.get(&daemon, "/health/state").unwrap().1;
    daemon.wait_until("the control plane answers", || sandbox.get(&daemon, "/health/alive").is_some());
    assert_eq!(health()["expiring"], serde_json::json!([]));
    assert!(!String::from_utf8(sandbox.run(&["status"]).stdout).unwrap().contains("EXPIRY"));

    // The daily signing has failed for days.
    fs::write(sandbox.path("state/pki/crl.pem"), list(60)).unwrap();
    let seen = health();
    let seen = seen["expiring"].as_array().unwrap();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        (&seen[0]["of"], &seen[0]["days_left"], &seen[0]["mark_days"]),
        (&"crl".into(), &2.into(), &3.into())
    );
    let status = String::from_utf8(sandbox.run(&["status"]).stdout).unwrap();
    assert!(
        status.contains("EXPIRY") && status.contains("crl ends") && status.contains("2 days left"),
        "{status}"
    );
    let (status, metrics) = sandbox.get_text(&daemon, "/metrics").unwrap();
    assert_eq!(status, 200);
    let left = |of: &str| {
        let line = format!("gembok_certificate_ends_in_seconds{{of=\"{of}");
        let line =
            metrics.lines().find(|known| known.starts_with(&line)).unwrap_or_else(|| panic!("{metrics}"));
        line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()
    };
    assert!((59 * 3_600..=60 * 3_600).contains(&left("crl")));
    for of in ["server", "urn:gembok:user:", "urn:gembok:endpoint:"] {
        assert!((396 * 86_400..=397 * 86_400).contains(&left(of)), "{of}");
    }
    assert!(left("ca") > 3_649 * 86_400);

    // Known while it is locked, too; and an unlock signs a new one.
    sandbox.done(&["lock"]);
    assert_eq!(sandbox.done(&["status"])["status"]["expiring"][0]["of"], "crl");
    sandbox.done(&["unlock"]);
    assert_eq!(sandbox.done(&["status"])["status"]["expiring"], serde_json::json!([]));
}
