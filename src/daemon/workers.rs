//! The threads that serve connections: one per processor, each with an event loop of its own. A connection stays with the
//! worker it was given to, so what it touches stays in one processor's cache, and no two threads pass it to and fro. New
//! connections go where the fewest are.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that may wait for the store or the token at once, over all workers; further work queues.
const BLOCKING_THREADS_MAX: usize = 512;

/// Ended when dropped; what is still under way then is dropped too.
pub struct Workers(Vec<Worker>);

struct Worker {
    handle: Handle,
    connections: Arc<AtomicUsize>,
    /// The thread ends with it.
    _stop: oneshot::Sender<()>,
}

/// A connection in a worker's count.
struct Counted(Arc<AtomicUsize>);

impl Workers {
    /// As many as there are processors.
    ///
    /// # Errors
    /// The system's, when it gives no threads.
    pub fn start() -> io::Result<Self> {
        let count = thread::available_parallelism()?.get();
        let blocking_threads = BLOCKING_THREADS_MAX.div_ceil(count);
        (0..count).map(|number| Worker::start(number, blocking_threads)).collect::<io::Result<_>>().map(Self)
    }

    /// Runs what `serve` makes, on the worker that has the fewest connections. Called within its event loop, so that sockets
    /// made there belong to it.
    pub(super) fn run<F>(&self, serve: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        // There is always one; `start` made as many as there are processors.
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed))
        else {
            return;
        };
        let counted = Counted::of(&worker.connections);
        worker.handle.spawn(async move {
            serve().await;
            drop(counted);
        });
    }
}

impl Worker {
    fn start(number: usize, blocking_threads: usize) -> io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(blocking_threads).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            // Nobody sends: the sender is dropped.
            let _ = runtime.block_on(stopped);
            // A call into the token may never come back; nothing waits for it.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, connections: Arc::default(), _stop: stop })
    }
}

impl Counted {
    fn of(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn a_connection_goes_where_the_fewest_are_and_stays_there() {
        let workers =
            Workers((0..3).map(|number| Worker::start(number, 1)).collect::<io::Result<_>>().unwrap());
        let (tell, told) = mpsc::channel();
        let mut ends = Vec::new();
        let mut begin = || {
            let (end, ended) = oneshot::channel::<()>();
            let tell = tell.clone();
            workers.run(move || async move {
                let began_on = thread::current().id();
                tell.send(began_on).unwrap();
                let _ = ended.await;
                assert_eq!(thread::current().id(), began_on);
                tell.send(began_on).unwrap();
            });
            ends.push(end);
        };
        (0..6).for_each(|_| begin());
        let mut on: Vec<_> = (0..6).map(|_| told.recv_timeout(Duration::from_secs(10)).unwrap()).collect();
        on.sort_unstable_by_key(|id| format!("{id:?}"));
        assert!(on.chunks(2).all(|two| two[0] == two[1]), "two each: {on:?}");
        on.dedup();
        assert_eq!(on.len(), 3);
        ends.clear();
        (0..6).for_each(|_| assert!(on.contains(&told.recv_timeout(Duration::from_secs(10)).unwrap())));
        while workers.0.iter().any(|worker| worker.connections.load(Ordering::Relaxed) > 0) {
            thread::yield_now();
        }
    }

    #[test]
    fn what_is_under_way_ends_with_the_workers() {
        let workers = Workers::start().unwrap();
        let (held, told) = mpsc::channel::<()>();
        workers.run(move || async move {
            std::future::pending::<()>().await;
            drop(held);
        });
        drop(workers);
        assert_eq!(told.recv_timeout(Duration::from_secs(10)), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
