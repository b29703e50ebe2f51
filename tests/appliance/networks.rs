//! Where an endpoint may come from: looked at with each request, from memory and from the store, told only to who has proved
//! certificate and key, and in force with the answer.

use gembok::domain::network::Network;
use gembok::domain::refusal::Code;
use serde_json::json;

use crate::client::refusal;
use crate::clock::{OPERATOR, clock};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::support::softhsm::in_child;
use crate::verdicts::Desk;
use crate::world::World;

const IN: [Result<(), Code>; 2] = [Ok(()), Ok(())];
const OUT: [Result<(), Code>; 2] = [Err(Code::NetworkDenied), Err(Code::NetworkDenied)];

#[test]
fn an_address_is_let_in_by_its_network_whichever_way_it_comes() {
    in_child("networks::an_address_is_let_in_by_its_network_whichever_way_it_comes", |softhsm| {
        let desk = Desk::new(softhsm);
        let set = |networks: &[&str]| {
            let networks: Vec<Network> = networks.iter().map(|text| text.parse().unwrap()).collect();
            let unlocked = desk.appliance.unlocked().unwrap();
            unlocked.set_networks(OPERATOR, PROJECT, ENDPOINT, networks, clock()).unwrap();
        };
        for address in ["10.1.0.1", "fd00::1"] {
            assert_eq!(desk.enter(address), IN, "there is no rule");
        }
        set(&["10.1.0.0/16", "fd00:5::/32"]);
        for (address, expected) in [
            ("10.1.0.1", IN),
            ("10.2.0.1", OUT),
            ("::ffff:10.1.0.1", IN),
            ("::ffff:10.2.0.1", OUT),
            ("fd00:5::1", IN),
            ("fd00:6::1", OUT),
            ("127.0.0.1", OUT),
        ] {
            assert_eq!(desk.enter(address), expected, "{address}");
        }
        assert_eq!(desk.guess("10.2.0.1"), Code::ApiKeyUnknown, "nothing is told before the key is proved");
        set(&["10.2.0.0/16"]);
        assert_eq!((desk.enter("10.1.0.1"), desk.enter("10.2.0.1")), (OUT, IN));
        set(&[]);
        assert_eq!(desk.enter("10.1.0.1"), IN);
    });
}

#[test]
fn a_live_connection_from_elsewhere_is_refused_at_once_and_recorded() {
    let world = World::new("");
    let absensi = world.absensi();
    let item = json!({ "object": OBJECT, "plaintext": "eA==" });
    let mut live = absensi.client.connect().unwrap();
    let mut ask = || absensi.v1_over(&mut live, "encrypt", item.to_string()).unwrap();
    assert_eq!(ask().status, 200);
    let networks = |words: &str| {
        world.done(&format!("endpoint networks {words} --project {PROJECT}"))["networks"].clone()
    };
    assert_eq!(networks(&format!("set {ENDPOINT} fd00::/8 10.0.0.0/8")), json!(["10.0.0.0/8", "fd00::/8"]));
    assert_eq!(ask().problem(), refusal(403, "network-not-allowed"));
    let body = absensi.published_body(OBJECT, "enkrip", "eA==").to_string();
    assert_eq!(absensi.published(body).gagal(), refusal(403, "network-not-allowed"));
    let csr = json!({ "csr": "" }).to_string();
    assert_eq!(absensi.v1("certificate", csr).problem(), refusal(403, "network-not-allowed"));
    // Who has not proved the key learns nothing of networks.
    let stranger =
        crate::world::Application { api_key: format!("gbk_{}", "0".repeat(40)), ..absensi.clone() };
    assert_eq!(stranger.encrypt(&item).problem(), refusal(401, "api-key-mistyped"));
    assert_eq!(networks(&format!("set {ENDPOINT} 127.0.0.0/8")), json!(["127.0.0.0/8"]));
    assert_eq!(ask().status, 200);
    assert_eq!(networks(&format!("set {ENDPOINT} --any")), json!([]));
    assert_eq!(networks(&format!("show {ENDPOINT}")), json!([]));
    assert_eq!(ask().status, 200);
    let sets: Vec<_> =
        world.trail().into_iter().filter(|entry| entry["act"] == "endpoint.networks-set").collect();
    assert_eq!(sets.len(), 3);
    assert_eq!(
        (&sets[0]["details"]["from"], &sets[0]["details"]["to"]),
        (&json!("any"), &json!("10.0.0.0/8 fd00::/8"))
    );
    for bad in ["10.0.0.7/8", "kantor", "10.0.0.0/33"] {
        let words = ["endpoint", "networks", "set", ENDPOINT, "--project", PROJECT, bad];
        assert_eq!(world.sandbox.refused(&words), "bad-request", "{bad}");
    }
}
