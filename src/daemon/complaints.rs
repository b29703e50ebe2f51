//! Failed handshakes in the log, without letting whoever causes them fill it: the first one at once, those of each second
//! after it in one line with their number. At level debug each has its own line besides.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::info;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// The failed handshakes of one listener that no line tells of yet.
pub(super) struct Complaints {
    listener: SocketAddr,
    waiting: Mutex<Option<Waiting>>,
}

/// Since the last line.
#[derive(Default)]
struct Waiting {
    count: u64,
    last: Option<(IpAddr, String)>,
}

impl Complaints {
    pub(super) fn new(listener: SocketAddr) -> Arc<Self> {
        Arc::new(Self { listener, waiting: Mutex::new(None) })
    }

    /// One more.
    pub(super) fn add(self: &Arc<Self>, address: IpAddr, why: String) {
        let mut waiting = self.waiting.lock();
        if let Some(waiting) = &mut *waiting {
            waiting.count += 1;
            waiting.last = Some((address, why));
            return;
        }
        *waiting = Some(Waiting::default());
        drop(waiting);
        info!(listener = %self.listener, %address, why, "connection refused");
        tokio::spawn(Arc::clone(self).tell());
    }

    /// A line for each second that had any, until one had none.
    async fn tell(self: Arc<Self>) {
        loop {
            sleep(PAUSE).await;
            let mut waiting = self.waiting.lock();
            let Some(Waiting { count, last: Some((address, why)) }) = waiting.take() else { return };
            *waiting = Some(Waiting::default());
            drop(waiting);
            info!(listener = %self.listener, count, last_address = %address, last_why = why, "connections refused");
        }
    }
}
