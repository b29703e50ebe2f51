//! What an application is given, in one zip: certificate, key, API key, CA, settings for CodeIgniter 3, and a first call by
//! curl. The files in it are stored and not packed, so nothing of them is anywhere but in the one new file.

use std::io::{Cursor, Write};
use std::str::FromStr;

use zeroize::Zeroizing;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::daemon::clock::now;
use crate::desk::answer::Issued;

use super::error::CliError;
use super::files::MadeKey;
use super::say_trouble::{self as say, fixed};

/// More than a bundle has, so that its bytes are never moved.
const BUNDLE_BYTES_USUAL: usize = 64 << 10;

/// What leads to this machine and to no other.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Where applications reach the data plane: `https://host:port`, nothing behind it.
#[derive(Clone)]
pub(super) struct Url(String);

impl FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "write it like https://gembok.lan:8443";
        let text = text.strip_suffix('/').unwrap_or(text);
        let host = text.strip_prefix("https://").ok_or(WANTED)?;
        // It is written into PHP and into a shell script.
        let is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte));
        if host.is_empty() || !is_plain { Err(WANTED) } else { Ok(Self(text.to_owned())) }
    }
}

impl Url {
    /// From the server's names and the port of the data plane. A name that leads only to this machine is of no use elsewhere.
    pub(super) fn of(names: &[String], port: u16) -> Result<Self, CliError> {
        let elsewhere = |name: &&String| !LOOPBACK.contains(&name.as_str());
        let name = names.iter().find(elsewhere).or_else(|| names.first()).ok_or(CliError::Answer)?;
        let host = if name.contains(':') { format!("[{name}]") } else { name.clone() };
        match port {
            0 => Err(CliError::Own(fixed::NO_PORT.into())),
            port => {
                format!("https://{host}:{port}").parse().map_err(|what: &str| CliError::Foreign(what.into()))
            }
        }
    }

    /// Whether it is of use to other machines.
    pub(super) fn leads_elsewhere(&self) -> bool {
        let host = self.0.trim_start_matches("https://").rsplit_once(':').map_or("", |(host, _)| host);
        !LOOPBACK.contains(&host.trim_matches(['[', ']']))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What goes into it.
pub(super) struct Bundle<'a> {
    pub(super) url: &'a Url,
    pub(super) endpoint: &'a str,
    pub(super) issued: &'a Issued,
    pub(super) key: &'a MadeKey,
    pub(super) api_key: Option<&'a str>,
}

impl Bundle<'_> {
    /// The zip.
    pub(super) fn pack(&self) -> Result<Zeroizing<Vec<u8>>, CliError> {
        self.write().map(Zeroizing::new).map_err(|error| CliError::Own(say::no_bundle(error)))
    }

    fn write(&self) -> zip::result::ZipResult<Vec<u8>> {
        let made = now().time.date_time();
        let made = DateTime::from_date_and_time(
            u16::try_from(made.year()).unwrap_or(1980),
            made.month().into(),
            made.day(),
            made.hour(),
            made.minute(),
            made.second(),
        );
        let private = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(made.unwrap_or_default())
            .unix_permissions(0o600);
        let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(BUNDLE_BYTES_USUAL)));
        let mut add = |name: &str, options: SimpleFileOptions, text: &str| {
            zip.start_file(name, options)?;
            zip.write_all(text.as_bytes())?;
            Ok::<(), zip::result::ZipError>(())
        };
        add("README.txt", private, &self.readme())?;
        add("ca.pem", private, &self.issued.ca_pem)?;
        add("client.pem", private, &self.issued.certificate_pem)?;
        add("client.key", private, &self.key.pem)?;
        if let Some(api_key) = self.api_key {
            add("api-key", private, &Zeroizing::new(format!("{api_key}\n")))?;
        }
        add("application/config/cryptapi.php", private, &self.php())?;
        add("curl.sh", private.unix_permissions(0o700), &self.curl())?;
        Ok(zip.finish()?.into_inner())
    }

    fn php(&self) -> String {
        let (url, endpoint) = (self.url.as_str(), self.endpoint);
        format!(
            "<?php

defined('BASEPATH') or exit('No direct script access allowed');

/*
 * CodeIgniter 3: application/config/cryptapi.php. The files it names lie outside the folder that the web server serves,
 * and only the user that runs PHP may read them.
 */
$config['url'] = '{url}';
$config['endpoint'] = '{endpoint}';
$config['api_key_file'] = '/etc/{endpoint}/api-key';
$config['ca'] = '/etc/{endpoint}/ca.pem';
$config['certificate'] = '/etc/{endpoint}/client.pem';
$config['key'] = '/etc/{endpoint}/client.key';
// The object of calls that name none:
// $config['object'] = 'karyawan';
"
        )
    }

    fn curl(&self) -> String {
        let (url, endpoint) = (self.url.as_str(), self.endpoint);
        format!(
            "#!/bin/sh
# A first call: encrypts \"contoh data karyawan\" for the object named as the first argument. It has to be granted.
set -eu
cd \"$(dirname \"$0\")\"
object=${{1:-karyawan}}
# The API key goes by a pipe: a command line is for everybody to read.
printf 'Authorization: Bearer %s' \"$(cat api-key)\" |
  curl --silent --show-error --cacert ca.pem --cert client.pem --key client.key --header @- \\
    --header 'Content-Type: application/json' \\
    --data \"{{\\\"object\\\":\\\"$object\\\",\\\"plaintext\\\":\\\"Y29udG9oIGRhdGEga2FyeWF3YW4=\\\"}}\" \\
    '{url}/v1/endpoints/{endpoint}/encrypt'
echo
"
        )
    }

    fn readme(&self) -> String {
        let (url, endpoint, until) = (self.url.as_str(), self.endpoint, &self.issued.not_after);
        let (id_key, en_key) = match self.api_key {
            Some(_) => ("  api-key      kunci API, satu baris\n", "  api-key      the API key, one line\n"),
            None => (
                "  api-key      tidak ada di sini: simpan kunci API dari operator dalam berkas ini\n",
                "  api-key      not in here: keep the API key the operator gives you in a file of this name\n",
            ),
        };
        format!(
            "Gembok: endpoint {endpoint}
{url}
Sertifikat berlaku sampai / the certificate is valid until: {until}

BAHASA INDONESIA

Siapa pun yang memegang berkas ini dapat masuk sebagai endpoint {endpoint}. Jangan kirim lewat surel atau obrolan, dan hapus
zip ini setelah isinya dipasang. Kunci di dalamnya tidak disimpan di tempat lain.

  client.pem   sertifikat klien
  client.key   kunci privatnya
  ca.pem       CA peralatan Gembok; jangan percaya CA lain
{id_key}  curl.sh      contoh panggilan pertama: sh curl.sh OBJEK
  application/config/cryptapi.php   pengaturan untuk CodeIgniter 3

Pasang di /etc/{endpoint}/, di luar folder yang dilayani server web, milik pengguna yang menjalankan PHP, dengan mode 0600.
Perbarui sertifikat sebelum berakhir: POST {url}/v1/endpoints/{endpoint}/certificate
dengan kunci API yang sama dan {{\"csr\": \"...\"}} (PEM), atau mintalah bundel baru. Bila ada yang bocor, segera hubungi
operator: sertifikat dan kunci API dapat dicabut seketika.

ENGLISH

Whoever has these files comes in as endpoint {endpoint}. Do not send them by mail or chat, and delete this zip once they are
installed. The keys in it are kept nowhere else.

  client.pem   the client's certificate
  client.key   its private key
  ca.pem       the CA of the Gembok appliance; trust no other
{en_key}  curl.sh      a first call: sh curl.sh OBJECT
  application/config/cryptapi.php   settings for CodeIgniter 3

Install them in /etc/{endpoint}/, outside the folder that the web server serves, owned by the user that runs PHP, mode 0600.
Renew the certificate before its end: POST {url}/v1/endpoints/{endpoint}/certificate
with the same API key and {{\"csr\": \"...\"}} (PEM), or ask for a new bundle. If anything leaks, tell the operator at once:
certificate and API key can be revoked within the second.
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_leads_here_from_elsewhere() {
        let of = |names: &[&str], port| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Url::of(&names, port).map(|url| url.0).ok()
        };
        assert_eq!(of(&["localhost", "127.0.0.1"], 8443).as_deref(), Some("https://localhost:8443"));
        assert_eq!(
            of(&["localhost", "gembok.lan", "10.0.0.5"], 8443).as_deref(),
            Some("https://gembok.lan:8443")
        );
        assert_eq!(of(&["::1", "fd00::5"], 443).as_deref(), Some("https://[fd00::5]:443"));
        assert_eq!((of(&["gembok.lan"], 0), of(&[], 8443)), (None, None));
        let elsewhere = |text: &str| text.parse::<Url>().is_ok_and(|url| url.leads_elsewhere());
        for here in ["https://localhost:8443", "https://127.0.0.1:1", "https://[::1]:8443"] {
            assert!(!elsewhere(here), "{here}");
        }
        assert!(elsewhere("https://gembok.lan:8443") && elsewhere("https://[fd00::5]:8443"));
    }

    #[test]
    fn an_address_holds_nothing_that_php_or_a_shell_would_read() {
        for good in
            ["https://gembok.lan:8443", "https://10.0.0.5:8443/", "https://[::1]:8443", "https://gembok"]
        {
            assert!(good.parse::<Url>().is_ok_and(|url| !url.as_str().ends_with('/')), "{good}");
        }
        for bad in [
            "http://gembok.lan",
            "https://",
            "https://a/b",
            "https://a'b",
            "https://a$b",
            "https://a b",
            "gembok",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
