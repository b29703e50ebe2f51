//! How the journal's thread tells those who wait on a worker that their records are durable: with one wake for all that a
//! commit frees. A wake from another thread is a system call, and turns the worker's event loop for one answer; so what is
//! told goes through one queue to a task on the worker, and from there to those who wait beside it, which costs neither.

use std::cell::RefCell;

use tokio::sync::{mpsc, oneshot};

use crate::appliance::Tell;
use crate::domain::refusal::Refusal;

type Durable = Result<(), Refusal>;
type Told = (oneshot::Sender<Durable>, Durable);

thread_local! {
    /// The queue of this worker, once one of its requests waited for the journal.
    static QUEUE: RefCell<Option<mpsc::UnboundedSender<Told>>> = const { RefCell::new(None) };
}

/// How the journal tells, and where whoever waits on this worker hears it: an error when nobody will be told any more.
pub(super) fn tell() -> (Tell, oneshot::Receiver<Durable>) {
    let queue = QUEUE.with_borrow_mut(|queue| match queue {
        Some(queue) if !queue.is_closed() => queue.clone(),
        _ => queue.insert(begin()).clone(),
    });
    let (tell, told) = oneshot::channel();
    // Where the worker has ended, nobody waits on it.
    (Box::new(move |durable| drop(queue.send((tell, durable)))), told)
}

/// Starts the task on this worker that passes on what is told.
fn begin() -> mpsc::UnboundedSender<Told> {
    let (queue, mut told) = mpsc::unbounded_channel::<Told>();
    tokio::spawn(async move {
        while let Some((tell, durable)) = told.recv().await {
            // Nobody listens any more where the client has gone meanwhile.
            drop(tell.send(durable));
        }
    });
    queue
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;
    use crate::domain::refusal::Code;

    #[test]
    fn everybody_on_a_worker_hears_what_the_journal_says_of_him() {
        // One worker after another on this thread: a queue that has ended is not used again.
        for _ in 0..2 {
            let worker = Builder::new_current_thread().build().unwrap();
            worker.block_on(async {
                let (tells, heard): (Vec<_>, Vec<_>) = (0..1_000).map(|_| tell()).unzip();
                let journal = thread::spawn(move || {
                    for (number, tell) in tells.into_iter().enumerate() {
                        tell(if number % 3 == 0 { Err(Code::JournalFull.into()) } else { Ok(()) });
                    }
                });
                for (number, heard) in heard.into_iter().enumerate() {
                    assert_eq!(heard.await.unwrap().is_err(), number % 3 == 0, "{number}");
                }
                journal.join().unwrap();
            });
        }
    }

    #[test]
    fn who_will_not_be_told_any_more_hears_that() {
        let worker = Builder::new_current_thread().build().unwrap();
        let (dropped, heard) = worker.block_on(async { tell() });
        drop(dropped);
        assert!(worker.block_on(heard).is_err());
        let (late, heard) = worker.block_on(async { tell() });
        drop(worker);
        late(Ok(()));
        assert!(heard.blocking_recv().is_err(), "its worker has ended");
    }
}
