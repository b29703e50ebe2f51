//! The two listeners as the state wants them: closed while there is nothing to protect, open from then on, locked or not,
//! and always under the certificates and the CRL that lie on the disk.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use http::Request;
use hyper::body::{Body, Incoming};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_service::Service;

use crate::api;
use crate::appliance::{Appliance, StateName};
use crate::config::{self, Config};

use super::connection::BoxError;
use super::listener::Listener;
use super::serve::ServeError;
use super::tls::{ClientCertificate, Tls};
use super::workers::Workers;

/// What the PKI's directory holds.
const PKI_FILES: [&str; 4] = ["ca.pem", "crl.pem", "server.pem", "server.key"];

pub(super) struct Planes {
    appliance: Arc<Appliance>,
    data: SocketAddr,
    control: SocketAddr,
    limits: Arc<config::Tls>,
    workers: Arc<Workers>,
    pki: PathBuf,
    outside: config::Pki,
    open: Option<Open>,
}

/// Both listeners at work.
struct Open {
    tls: Arc<Tls>,
    seen: Seen,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
}

impl Planes {
    pub(super) fn new(config: &Config, appliance: &Arc<Appliance>, workers: Workers) -> Self {
        Self {
            appliance: Arc::clone(appliance),
            data: config.data.listen,
            control: config.control.listen,
            limits: Arc::new(config.tls.clone()),
            workers: Arc::new(workers),
            pki: config.state.pki(),
            outside: config.pki.clone(),
            open: None,
        }
    }

    /// Whether both addresses are free, asked early: after an init it would be a poor time to find out.
    pub(super) async fn probe(&self) -> Result<(), ServeError> {
        for (key, address) in [("data.listen", self.data), ("control.listen", self.control)] {
            TcpListener::bind(address).await.map_err(|error| unbound(key, address, &error))?;
        }
        Ok(())
    }

    /// Opens the listeners once there is something behind them; from then on puts new certificates and lists in force.
    pub(super) async fn follow(&mut self) -> Result<(), ServeError> {
        match &mut self.open {
            Some(open) => open.follow(&self.pki),
            None if self.appliance.state_name() == StateName::Unprovisioned => {}
            None => self.open = Some(self.open().await?),
        }
        Ok(())
    }

    /// Reads certificates and lists again, changed or not. Whether what is in force is what lies there.
    pub(super) fn reload(&mut self) -> bool {
        self.open.as_mut().is_none_or(|open| open.reload(&self.pki))
    }

    /// Ready when a listener ended though nobody told it to.
    pub(super) async fn broken(&mut self) {
        match &mut self.open {
            Some(open) => drop(open.listeners.join_next().await),
            None => std::future::pending().await,
        }
    }

    /// Accepts nothing more and waits until the last connection is over.
    pub(super) async fn close(self) {
        if let Some(mut open) = self.open {
            open.stop.send_replace(true);
            while open.listeners.join_next().await.is_some() {}
        }
    }

    async fn open(&self) -> Result<Open, ServeError> {
        let seen = Seen::at(&self.pki);
        let tls = Tls::load_beside(&self.pki, &self.outside);
        let tls = tls.map_err(|error| ServeError(format!("{error}; {}", error.hint())))?;
        let mut open =
            Open { tls: Arc::new(tls), seen, stop: watch::Sender::new(false), listeners: JoinSet::new() };
        let data_port = api::DataPort::default();
        let data = api::data_plane(Arc::clone(&self.appliance), Arc::clone(&data_port));
        let bound = self.listen(&mut open, "data", self.data, ClientCertificate::Required, data).await?;
        data_port.store(bound.port(), std::sync::atomic::Ordering::Relaxed);
        let control = api::control_plane(Arc::clone(&self.appliance), Arc::clone(&data_port));
        self.listen(&mut open, "control", self.control, ClientCertificate::Requested, control).await?;
        Ok(open)
    }

    async fn listen<S, B>(
        &self,
        open: &mut Open,
        plane: &'static str,
        address: SocketAddr,
        client: ClientCertificate,
        service: S,
    ) -> Result<SocketAddr, ServeError>
    where
        S: Service<Request<Incoming>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let listener =
            Listener::bind(address, client).await.map_err(|error| unbound(plane, address, &error))?;
        let bound = listener.address();
        tracing::info!(plane, address = %bound, "listening");
        let (tls, limits, mut stop) =
            (Arc::clone(&open.tls), Arc::clone(&self.limits), open.stop.subscribe());
        let workers = Arc::clone(&self.workers);
        open.listeners.spawn(async move {
            let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
            listener.serve(&tls, &limits, &workers, service, stopped).await;
        });
        Ok(bound)
    }
}

impl Open {
    /// A new generation asks every live connection to finish, so one is made only when a file has changed.
    fn follow(&mut self, pki: &Path) {
        if Seen::at(pki) != self.seen {
            let _ = self.reload(pki);
        }
    }

    fn reload(&mut self, pki: &Path) -> bool {
        let seen = Seen::at(pki);
        match self.tls.reload() {
            Ok(generation) => {
                self.seen = seen;
                tracing::info!(generation, "certificates and CRL in force");
                true
            }
            Err(error) => {
                tracing::error!(%error, hint = error.hint(), "certificates and CRL were not taken over");
                false
            }
        }
    }
}

/// The files as they were when they were read: which, when, how long.
#[derive(PartialEq)]
struct Seen([Option<(u64, SystemTime, u64)>; PKI_FILES.len()]);

impl Seen {
    fn at(pki: &Path) -> Self {
        Self(PKI_FILES.map(|file| {
            let about = fs::metadata(pki.join(file)).ok()?;
            Some((about.ino(), about.modified().ok()?, about.len()))
        }))
    }
}

fn unbound(key: &str, address: SocketAddr, error: &std::io::Error) -> ServeError {
    ServeError(format!(
        "{key}: {address} cannot be listened on: {error}; stop what uses it (ss -ltnp shows it), or choose another address"
    ))
}
