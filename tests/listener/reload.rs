//! What a reload of certificates and CRL changes: who is still trusted loses nothing, who is not begins no further request,
//! on live connections and for resumed sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use gembok::daemon::tls::ClientCertificate;
use rustls::{ClientConfig, HandshakeKind};
use tokio::time::{sleep, timeout};

use super::pki::{ENDPOINT, Pki, Says};
use super::{PATIENCE, Server, assert_closed, curl, get, head_and_body, limits, receive, send};

#[tokio::test]
async fn a_ticket_does_not_outlive_a_revocation() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut stream = server.connect(&client).await.unwrap();
    get(&mut stream, "/who").await.unwrap();
    let mut resumed = server.connect(&client).await.unwrap();
    assert_eq!(get(&mut resumed, "/who").await.unwrap(), format!("127.0.0.1 {ENDPOINT}"));
    assert_eq!(
        resumed.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Resumed),
        "else this test proves nothing"
    );

    server.pki.write("crl.pem", &server.pki.crl(&[7], 7));
    assert_eq!(server.tls.reload().unwrap(), 2);
    assert!(server.ask(&client).await.is_err());
}

#[tokio::test]
async fn a_revoked_clients_connections_end_with_the_reload_but_not_its_requests() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut idle = server.connect(&client).await.unwrap();
    get(&mut idle, "/who").await.unwrap();
    let mut fresh = server.connect(&client).await.unwrap();
    let mut busy = server.connect(&client).await.unwrap();
    send(&mut busy, "/slow").await.unwrap();
    server.gate.entered().await;

    server.pki.write("crl.pem", &server.pki.crl(&[7], 7));
    server.tls.reload().unwrap();
    // At once: its connection may not have heard yet.
    assert!(get(&mut fresh, "/who").await.is_err());
    assert_closed(&mut idle).await;
    server.gate.open();
    assert_eq!(receive(&mut busy).await.unwrap(), "at last");
    assert_closed(&mut busy).await;
    assert_eq!(server.traffic.handshakes_failed.load(Relaxed), 0);
}

#[tokio::test]
async fn who_is_still_trusted_is_answered_once_more_and_asked_to_come_again() {
    let server = Server::start(Pki::new(), ClientCertificate::Requested, limits()).await;
    for certificate in [Some(server.pki.client(Says::default())), None] {
        let client = server.pki.config(certificate.as_ref());
        let mut fresh = server.connect(&client).await.unwrap();
        let mut idle = server.connect(&client).await.unwrap();
        send(&mut idle, "/who").await.unwrap();
        let (head, _) = head_and_body(&mut idle).await.unwrap();
        assert!(!head.contains("connection: close"), "{head}");
        let mut busy = server.connect(&client).await.unwrap();
        send(&mut busy, "/slow").await.unwrap();
        server.gate.entered().await;

        // Somebody else is revoked, twice over.
        for serial in [8, 9] {
            server.pki.write("crl.pem", &server.pki.crl(&[serial], 7));
            server.tls.reload().unwrap();
        }
        server.gate.open();
        for (stream, path) in [(&mut fresh, "/who"), (&mut idle, "/who"), (&mut busy, "")] {
            if !path.is_empty() {
                send(stream, path).await.unwrap();
            }
            let (head, _) = head_and_body(stream).await.unwrap();
            assert!(head.contains("connection: close"), "{head}");
            assert_closed(stream).await;
        }
    }
}

#[tokio::test]
async fn who_waits_after_a_reload_is_cut_by_the_next_that_revokes_it() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut idle = server.connect(&client).await.unwrap();
    get(&mut idle, "/who").await.unwrap();
    let mut other = server.connect(&client).await.unwrap();
    get(&mut other, "/who").await.unwrap();
    server.tls.reload().unwrap();
    // Let it hear of this one first.
    sleep(Duration::from_millis(100)).await;
    server.pki.write("crl.pem", &server.pki.crl(&[7], 7));
    server.tls.reload().unwrap();
    assert!(get(&mut other, "/who").await.is_err());
    assert_closed(&mut idle).await;
}

#[tokio::test]
async fn who_waits_after_a_reload_is_drained_too() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.config(Some(&server.pki.client(Says::default())));
    let mut idle = server.connect(&client).await.unwrap();
    get(&mut idle, "/who").await.unwrap();
    server.tls.reload().unwrap();
    sleep(Duration::from_millis(100)).await;
    server.stop.notify_one();
    assert_closed(&mut idle).await;
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
}

/// Eight clients without a pause on their live connections, reloads until each was asked often to come again, one of them against
/// somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_by_reloads() {
    let server = Arc::new(Server::start(Pki::new(), ClientCertificate::Required, limits()).await);
    let done = Arc::new(AtomicBool::new(false));
    let asked_again: Arc<[AtomicU32; 8]> = Arc::default();
    let clients = (0..8).map(|at| {
        let config = server.pki.config(Some(&server.pki.client(Says::default())));
        tokio::spawn(hammer(Arc::clone(&server), config, Arc::clone(&done), Arc::clone(&asked_again), at))
    });
    let clients: Vec<_> = clients.collect();
    let revoked = server.pki.config(Some(&server.pki.client(Says { serial: 8, ..Says::default() })));
    let mut live = server.connect(&revoked).await.unwrap();
    get(&mut live, "/who").await.unwrap();
    let (begun, mut reload) = (Instant::now(), 0);
    while reload < 10 || asked_again.iter().any(|times| times.load(Relaxed) <= 3) {
        assert!(begun.elapsed() < PATIENCE, "asked to come again {asked_again:?} times: this proves nothing");
        sleep(Duration::from_millis(50)).await;
        if reload == 5 {
            server.pki.write("crl.pem", &server.pki.crl(&[8], 7));
        }
        server.tls.reload().unwrap();
        if reload == 5 {
            assert!(get(&mut live, "/who").await.is_err(), "the revoked one is refused at once");
        }
        reload += 1;
    }
    assert!(server.ask(&revoked).await.is_err());
    sleep(Duration::from_millis(50)).await;
    done.store(true, Relaxed);
    for client in clients {
        client.await.expect("no request is lost");
    }
}

/// Asks until done, on a new connection only where the answer says so, and counts how often it did.
async fn hammer(
    server: Arc<Server>,
    config: Arc<ClientConfig>,
    done: Arc<AtomicBool>,
    asked_again: Arc<[AtomicU32; 8]>,
    at: usize,
) {
    let mut stream = server.connect(&config).await.unwrap();
    while !done.load(Relaxed) {
        send(&mut stream, "/who").await.unwrap();
        let (head, _) = head_and_body(&mut stream).await.unwrap();
        if head.contains("connection: close") {
            asked_again[at].fetch_add(1, Relaxed);
            stream = server.connect(&config).await.unwrap();
        }
    }
}

/// One curl, many requests one after the other on an HTTP/2 connection that is told to go away in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_over_http2_either() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let client = server.pki.client(Says::default());
    server.pki.write("client.pem", &client.certificate.pem());
    server.pki.write("client.key", &client.key.serialize_pem());
    let pki = server.pki.path().to_owned();
    let url = format!("https://localhost:{}/who?[1-3000]", server.address.port());
    let asking = tokio::task::spawn_blocking(move || curl("--http2", &pki, &url));
    let mut reloads = 0;
    while !asking.is_finished() {
        sleep(Duration::from_millis(50)).await;
        server.tls.reload().unwrap();
        reloads += 1;
    }
    let answers = asking.await.unwrap();
    assert_eq!(answers.matches(&format!("127.0.0.1 {ENDPOINT} 2")).count(), 3_000);
    assert!(reloads > 3, "{reloads} reloads: this proves nothing");
    assert!(server.traffic.accepted.load(Relaxed) > 3);
}

#[tokio::test]
async fn a_wrong_set_of_files_changes_nothing() {
    let server = Server::start(Pki::new(), ClientCertificate::Required, limits()).await;
    let pki = &server.pki;
    let client = pki.config(Some(&pki.client(Says::default())));
    let mut live = server.connect(&client).await.unwrap();
    get(&mut live, "/who").await.unwrap();
    let good: Vec<_> = ["ca.pem", "crl.pem", "server.pem", "server.key"]
        .map(|name| (name, std::fs::read_to_string(pki.path().join(name)).unwrap()))
        .into();
    for (name, wrong, why) in [
        ("ca.pem", String::new(), "no certificate"),
        ("crl.pem", "nonsense".into(), "no CRL"),
        ("crl.pem", Pki::new().crl(&[], 7), "no CRL"),
        ("server.key", Pki::new().client(Says::default()).key.serialize_pem(), "server.key"),
        (
            "server.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
            "cannot be read",
        ),
    ] {
        pki.write(name, &wrong);
        let error = server.tls.reload().unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(name), "{name}: {error}");
        for (name, text) in &good {
            pki.write(name, text);
        }
    }
    let key = pki.path().join("server.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let error = server.tls.reload().unwrap_err();
    assert!(error.to_string().contains("mode 0640"), "{error}");
    assert!(error.hint().contains("chmod 600"));

    assert_eq!(server.tls.current().number, 1);
    get(&mut live, "/who").await.unwrap();
    assert!(server.ask(&client).await.is_ok());
}
