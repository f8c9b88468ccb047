//! Group commit: what concurrent callers ask while a batch is under way is done as the next batch.
//!
//! There is no timer. An idle lane starts at once with what is there, so that a lone caller waits for nobody; a busy one
//! finds the more waiting the busier it is.

use std::future::Future;
use std::sync::Mutex;

use claviger_core::port::StoreError;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{Instrument as _, Span};

use crate::Options;
use crate::traced::TARGET;

/// What one caller gets.
pub(crate) type Answer<A> = Result<A, StoreError>;

enum Job<Q, A> {
    Ask(Q, oneshot::Sender<Answer<A>>, Option<Span>),
    Stop,
}

/// How much a lane takes.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Most questions in one batch.
    pub(crate) batch: usize,
    /// Most questions that wait.
    pub(crate) queue: usize,
    /// Whether somebody listens to spans.
    pub(crate) traced: bool,
}

impl Limits {
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            batch: options.batch,
            queue: options.queue,
            traced: options.traced,
        }
    }
}

/// The door to one lane.
pub(crate) struct Coalescer<Q, A> {
    queue: mpsc::Sender<Job<Q, A>>,
    traced: bool,
    lane: Mutex<Option<JoinHandle<()>>>,
}

impl<Q: Send + 'static, A: Send + 'static> Coalescer<Q, A> {
    /// Starts a lane. `run` answers a batch by position; a missing answer is an error to its caller.
    pub(crate) fn start<F, R>(limits: Limits, run: F) -> Self
    where
        F: Fn(Vec<Q>) -> R + Send + 'static,
        R: Future<Output = Vec<Answer<A>>> + Send + 'static,
    {
        let (queue, jobs) = mpsc::channel(limits.queue);
        let lane = tokio::spawn(serve(jobs, limits.batch, run));
        Self {
            queue,
            traced: limits.traced,
            lane: Mutex::new(Some(lane)),
        }
    }

    /// Asks, and waits for the answer. A caller that goes away does not undo what it asked.
    pub(crate) async fn ask(&self, question: Q) -> Answer<A> {
        let asker = self.traced.then(Span::current);
        let (answer, receive) = oneshot::channel();
        // There is nearly always room, and waiting for it is dearer than looking.
        match self.queue.try_send(Job::Ask(question, answer, asker)) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => self.queue.send(job).await.map_err(|_| closed())?,
            Err(TrySendError::Closed(_)) => return Err(closed()),
        }
        receive.await.unwrap_or_else(|_| Err(closed()))
    }

    /// How many questions wait at the door.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    /// Answers what waits, refuses the rest, and ends the lane.
    pub(crate) async fn stop(&self) {
        // Fails only if the lane has ended.
        let _ = self.queue.send(Job::Stop).await;
        let lane = self.lane.lock().ok().and_then(|mut lane| lane.take());
        if let Some(lane) = lane {
            // Fails only if the lane panicked, which the runtime has reported.
            let _ = lane.await;
        }
    }
}

/// What callers hear after [`Coalescer::stop`].
pub(crate) fn closed() -> StoreError {
    StoreError::Unavailable("it is being closed, because the server is stopping".to_owned())
}

async fn serve<Q, A, F, R>(mut queue: mpsc::Receiver<Job<Q, A>>, limit: usize, run: F)
where
    F: Fn(Vec<Q>) -> R,
    R: Future<Output = Vec<Answer<A>>>,
{
    let mut waiting = Vec::with_capacity(limit);
    while queue.recv_many(&mut waiting, limit).await > 0 {
        let mut questions = Vec::with_capacity(waiting.len());
        let mut callers = Vec::with_capacity(waiting.len());
        let mut askers = Vec::new();
        for job in waiting.drain(..) {
            match job {
                Job::Ask(question, caller, asker) => {
                    questions.push(question);
                    askers.extend(asker);
                    callers.push(caller);
                }
                Job::Stop => queue.close(),
            }
        }
        if questions.is_empty() {
            continue;
        }
        let span = batch_span(&askers, questions.len());
        let mut answers = run(questions).instrument(span).await.into_iter();
        for caller in callers {
            let missing = || {
                Err(StoreError::Broken(
                    "a batch left a question without an answer".to_owned(),
                ))
            };
            // A caller that has gone away needs no answer.
            let _ = caller.send(answers.next().unwrap_or_else(missing));
        }
    }
}

/// The span of a batch: a child of the first that asked, linked to the others.
fn batch_span(askers: &[Span], size: usize) -> Span {
    let Some((first, others)) = askers.split_first() else {
        return Span::none();
    };
    let span = tracing::info_span!(
        target: TARGET,
        parent: first,
        "batch",
        otel.name = "sql batch",
        db.operation.batch.size = size,
    );
    for other in others {
        span.follows_from(other);
    }
    span
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    const LIMITS: Limits = Limits {
        batch: 8,
        queue: 64,
        traced: false,
    };

    #[tokio::test]
    async fn what_waits_while_a_batch_is_under_way_is_the_next_batch() {
        let (gate, batches) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let (lane_gate, lane_batches) = (gate.clone(), batches.clone());
        let lane = Arc::new(Coalescer::start(LIMITS, move |questions: Vec<u32>| {
            let (gate, batches) = (lane_gate.clone(), lane_batches.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                batches.fetch_add(1, Ordering::SeqCst);
                questions.into_iter().map(|question| Ok(question * 2)).collect()
            }
        }));
        let first = lane.ask(1);
        let rest = futures_util::future::join_all((2..8).map(|question| lane.ask(question)));
        let open = async {
            tokio::task::yield_now().await;
            gate.add_permits(64);
        };
        let (first, rest, ()) = tokio::join!(first, rest, open);
        assert_eq!(first.unwrap(), 2);
        assert_eq!(
            rest.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            [4, 6, 8, 10, 12, 14]
        );
        assert!(batches.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn a_stopped_lane_answers_what_waited_and_refuses_the_rest() {
        let lane = Coalescer::start(LIMITS, |questions: Vec<u32>| async move {
            questions.into_iter().map(Ok).collect()
        });
        let (answer, ()) = tokio::join!(lane.ask(7), lane.stop());
        assert_eq!(answer.unwrap(), 7);
        assert!(matches!(lane.ask(8).await, Err(StoreError::Unavailable(_))));
    }
}
