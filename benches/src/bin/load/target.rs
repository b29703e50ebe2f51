//! A server under load: where it listens, how to reach it over mutual TLS, which process it is.

use std::error::Error;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::plan::Session;

/// What a target owes for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Gembok,
    Echo,
}

/// The certificates one client presents and trusts.
pub struct Identity {
    config: ClientConfig,
}

impl Identity {
    /// Reads a CA, a client chain and its private key from PEM files.
    ///
    /// # Errors
    ///
    /// A file is missing or holds something else.
    pub fn read(ca: &Path, chain: &Path, key: &Path) -> Result<Identity, Box<dyn Error>> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(ca)? {
            roots.add(root?)?;
        }
        let chain = CertificateDer::pem_file_iter(chain)?.collect::<Result<_, _>>()?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Identity { config })
    }

    /// A connector for one client; each has tickets of its own, or none.
    fn connector(&self, session: Session) -> TlsConnector {
        let mut config = self.config.clone();
        config.resumption = match session {
            Session::KeptAlive | Session::FullHandshake => Resumption::disabled(),
            Session::ResumedHandshake => Resumption::in_memory_sessions(4),
        };
        TlsConnector::from(Arc::new(config))
    }
}

/// One of the two servers of a run.
pub struct Target {
    pub kind: Kind,
    pub pid: u32,
    pub authority: String,
    address: SocketAddr,
    name: ServerName<'static>,
    identity: Arc<Identity>,
}

impl Target {
    /// `url` is `https://host:port`, on this machine.
    ///
    /// # Errors
    ///
    /// The URL is not of that form or does not lead to the loopback interface.
    pub fn new(kind: Kind, url: &str, pid: u32, identity: &Arc<Identity>) -> Result<Target, Box<dyn Error>> {
        let authority = url
            .strip_prefix("https://")
            .ok_or_else(|| format!("{url} is not https://host:port"))?
            .trim_end_matches('/');
        let (host, _) = authority.rsplit_once(':').ok_or_else(|| format!("{url} names no port"))?;
        let address = authority
            .to_socket_addrs()?
            .find(|address| address.ip().is_loopback())
            .ok_or_else(|| format!("{url} is not on the loopback interface; run the load there"))?;
        Ok(Target {
            kind,
            pid,
            authority: authority.into(),
            address,
            name: ServerName::try_from(host.to_owned())?,
            identity: identity.clone(),
        })
    }

    pub fn client(&self, session: Session) -> Client<'_> {
        Client { target: self, connector: self.identity.connector(session) }
    }
}

/// One client of a target, which may connect many times.
pub struct Client<'a> {
    pub target: &'a Target,
    connector: TlsConnector,
}

impl Client<'_> {
    /// Connects and completes the handshake; also says whether it was resumed.
    ///
    /// # Errors
    ///
    /// Refused, reset, or the handshake failed.
    pub async fn connect(&self) -> Result<(TlsStream<TcpStream>, bool), String> {
        let stream =
            TcpStream::connect(self.target.address).await.map_err(|error| format!("connecting: {error}"))?;
        stream.set_nodelay(true).map_err(|error| format!("connecting: {error}"))?;
        let stream = self
            .connector
            .connect(self.target.name.clone(), stream)
            .await
            .map_err(|error| format!("handshake: {error}"))?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((stream, resumed))
    }
}
