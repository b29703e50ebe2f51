//! Writes a throw-away CA, server and client under one folder, so that the harness can be tried
//! echo against echo, without an appliance. Nothing here is fit for anything but loopback.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};

/// Write ca.pem, crl.pem, server.{pem,key} and client.{pem,key}.
#[derive(Parser)]
struct Arguments {
    /// Folder to write to; must exist.
    folder: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Arguments::parse().folder;

    let ca_key = KeyPair::generate()?;
    let mut ca = named("gembok-bench throw-away CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    fs::write(folder.join("ca.pem"), ca.self_signed(&ca_key)?.pem())?;
    let issuer = Issuer::new(ca, ca_key);

    let crl = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2099, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    fs::write(folder.join("crl.pem"), crl.signed_by(&issuer)?.pem()?)?;

    let mut server = named("gembok-bench server");
    server.subject_alt_names =
        vec![SanType::DnsName(Ia5String::try_from("localhost")?), SanType::IpAddress([127, 0, 0, 1].into())];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

    let mut client = named("gembok-bench client");
    let identity = "urn:gembok:endpoint:00000000-0000-4000-8000-000000000000";
    client.subject_alt_names = vec![SanType::URI(Ia5String::try_from(identity)?)];
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];

    for (name, params) in [("server", server), ("client", client)] {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        fs::write(folder.join(name).with_extension("pem"), certificate.pem())?;
        fs::write(folder.join(name).with_extension("key"), key.serialize_pem())?;
    }
    Ok(())
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
