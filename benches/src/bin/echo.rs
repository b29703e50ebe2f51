//! The yardstick: what warp and rustls cost when nothing is done with the body.
//!
//! It has the transport of the appliance's data plane (own accept loop, TLS 1.3 only, client
//! certificate required and checked against a CRL, hyper's automatic protocol choice, `mimalloc`,
//! one runtime with its default workers) and answers each POST with the body it was sent. Whatever
//! the appliance costs above it is parsing, admission, cryptography and journal.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use http::header::{CONTENT_TYPE, HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use warp::Filter;

/// Largest body answered, the appliance's own limit for v1.
const BODY_BYTES_MAX: u64 = 1 << 20;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bare echo over mutual TLS 1.3.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on; port 0 takes a free one. The bound address is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Server certificate chain, PEM.
    #[arg(long)]
    cert: PathBuf,
    /// Private key of the server certificate, PEM.
    #[arg(long)]
    key: PathBuf,
    /// CA that client certificates must chain to, PEM.
    #[arg(long)]
    client_ca: PathBuf,
    /// Revocation list of that CA, PEM.
    #[arg(long)]
    crl: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let acceptor = TlsAcceptor::from(Arc::new(arguments.tls()?));
    let listener = TcpListener::bind(arguments.listen).await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;

    let service = TowerToHyperService::new(warp::service(echo()));
    let connections = auto::Builder::new(TokioExecutor::new());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (acceptor, service, connections) = (acceptor.clone(), service.clone(), connections.clone());
        tokio::spawn(async move {
            if stream.set_nodelay(true).is_err() {
                return;
            }
            // A client that fails its handshake or hangs up counts in the load program, not here.
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = connections.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

fn echo() -> impl Filter<Extract = (http::Response<Bytes>,), Error = warp::Rejection> + Clone {
    warp::post().and(warp::body::content_length_limit(BODY_BYTES_MAX)).and(warp::body::bytes()).map(
        |body: Bytes| {
            let mut response = http::Response::new(body);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        },
    )
}

impl Arguments {
    fn tls(&self) -> Result<ServerConfig, Box<dyn Error>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_file_iter(&self.client_ca)? {
            roots.add(root?)?;
        }
        let mut crls = Vec::new();
        if let Some(path) = &self.crl {
            for crl in CertificateRevocationListDer::pem_file_iter(path)? {
                crls.push(crl?);
            }
        }
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .with_crls(crls)
            .enforce_revocation_expiration()
            .build()?;
        let chain = CertificateDer::pem_file_iter(&self.cert)?.collect::<Result<_, _>>()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&self.key)?)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
