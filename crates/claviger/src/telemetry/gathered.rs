//! Lines on their way to standard error: those that tell of ordinary work are gathered and written together.
//!
//! One system call for each line was the dearest part of a cheap request, as all threads want the lock around it. Now a
//! thread of its own writes what has gathered, about [`PAUSE`] after the first line came and never otherwise: an idle server
//! is not woken. Warnings, errors and the audit log wait for nobody: they are written before who logs them goes on, after
//! everything that came before them. Where lines cannot be written as fast as they come, requests wait. What is lost: the
//! ordinary lines of the last [`PAUSE`] of a process that does not stop in order (SIGKILL, a crash), and those in hand when
//! standard error fails, such as on a full disk.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::audit;

/// How long a line waits for others.
const PAUSE: Duration = Duration::from_millis(5);
/// So many bytes wait for nobody: as many as a pipe takes.
const MOST: usize = 64 * 1024;
/// Before the next try where standard error takes nothing right now, as a pipe that somebody made non-blocking.
const RETRY: Duration = Duration::from_millis(1);

/// Gathers lines for a writer.
pub(super) struct Gathered<W>(Arc<Lines<W>>);

struct Lines<W> {
    waiting: Mutex<Vec<u8>>,
    begun: Condvar,
    /// Held while lines are written, so that they stay in order.
    output: Mutex<Output<W>>,
}

struct Output<W> {
    writer: W,
    /// What is written now. Empty in between, and kept for its memory.
    lines: Vec<u8>,
    /// Whether a line was begun and not ended, because writing failed.
    is_torn: bool,
}

impl<W> Clone for Gathered<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Gathered<W> {
    /// Starts the thread that writes.
    ///
    /// # Errors
    /// If the operating system has no thread to give.
    pub(super) fn start(writer: W) -> io::Result<Self> {
        let output = Mutex::new(Output {
            writer,
            lines: Vec::new(),
            is_torn: false,
        });
        let gathered = Self(Arc::new(Lines {
            waiting: Mutex::default(),
            begun: Condvar::new(),
            output,
        }));
        let lines = gathered.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || lines.write_for_ever())?;
        Ok(gathered)
    }

    fn write_for_ever(&self) {
        loop {
            let waiting = lock(&self.0.waiting);
            let some = self.0.begun.wait_while(waiting, |waiting| waiting.is_empty());
            drop(some);
            thread::sleep(PAUSE);
            // There is nobody to tell that standard error is gone.
            let _ = self.flush();
        }
    }

    fn gather(&self, line: &[u8], may_wait: bool) -> io::Result<()> {
        let mut waiting = lock(&self.0.waiting);
        let is_first = waiting.is_empty();
        waiting.extend_from_slice(line);
        let is_much = waiting.len() > MOST;
        drop(waiting);
        if is_much || !may_wait {
            return self.flush();
        }
        if is_first {
            self.0.begun.notify_one();
        }
        Ok(())
    }

    /// Writes what has gathered.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut output = lock(&self.0.output);
        mem::swap(&mut output.lines, &mut lock(&self.0.waiting));
        let written = output.write();
        output.lines.clear();
        output.lines.shrink_to(MOST);
        written
    }
}

impl<W: Write> Output<W> {
    fn write(&mut self) -> io::Result<()> {
        if self.is_torn && !self.lines.is_empty() {
            put(&mut self.writer, b"\n")?;
            self.is_torn = false;
        }
        let written = put(&mut self.writer, &self.lines);
        self.is_torn = written.is_err();
        written
    }
}

/// Writes all of it, however slowly it is taken.
fn put(writer: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match writer.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    writer.flush()
}

/// Nothing panics while one of the locks is held, but for the writers of tests.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One line on its way.
pub(super) struct Line<'a, W> {
    lines: &'a Gathered<W>,
    may_wait: bool,
}

impl<W: Write + Send + 'static> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.gather(line, self.may_wait)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + Send + 'static> MakeWriter<'a> for Gathered<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            lines: self,
            may_wait: false,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        Line {
            lines: self,
            // More verbose is greater.
            may_wait: *about.level() >= Level::INFO && about.target() != audit::TARGET,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tracing::subscriber::with_default;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !bytes.is_empty() {
                lock(&self.0).push(bytes.to_vec());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Memory {
        fn writes(&self) -> usize {
            lock(&self.0).len()
        }

        fn text(&self) -> String {
            String::from_utf8(lock(&self.0).concat()).unwrap()
        }
    }

    fn logging(to: &Memory) -> (Gathered<Memory>, impl tracing::Subscriber + use<>) {
        let gathered = Gathered::start(to.clone()).unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(gathered.clone()).with_ansi(false);
        (gathered, subscriber.finish())
    }

    fn waited_until(is_done: impl Fn() -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if is_done() {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    #[test]
    fn ordinary_lines_are_written_together_and_soon() {
        let memory = Memory::default();
        let (_gathered, subscriber) = logging(&memory);
        with_default(subscriber, || {
            for number in 0..1000 {
                tracing::info!(number, "a request");
            }
        });
        assert!(
            waited_until(|| memory.text().lines().count() == 1000),
            "{}",
            memory.text()
        );
        assert!(memory.writes() < 500, "{} writes", memory.writes());
    }

    #[test]
    fn what_matters_is_there_before_its_caller_goes_on_and_in_order() {
        let memory = Memory::default();
        let (_gathered, subscriber) = logging(&memory);
        with_default(subscriber, || {
            for number in 0..50 {
                tracing::info!(number, "before");
                tracing::warn!(number, "a warning");
                assert_eq!(memory.text().lines().count(), 2 * number + 2, "{}", memory.text());
            }
            tracing::info!("last");
            tracing::info!(target: audit::TARGET, "who did it");
            let text = memory.text();
            let mut lines = text.lines().rev();
            assert!(lines.next().is_some_and(|line| line.contains("who did it")), "{text}");
            assert!(lines.next().is_some_and(|line| line.contains("last")), "{text}");
        });
    }

    #[test]
    fn lines_of_many_threads_stay_whole() {
        let memory = Memory::default();
        let (gathered, _) = logging(&memory);
        thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let gathered = &gathered;
                scope.spawn(move || {
                    let line = format!("{}\n", name.repeat(300));
                    for _ in 0..3000 {
                        gathered.gather(line.as_bytes(), true).unwrap();
                    }
                });
            }
        });
        gathered.flush().unwrap();
        let text = memory.text();
        assert_eq!(text.lines().count(), 12_000);
        let is_whole = |line: &str| line.len() == 300 && line.bytes().all(|byte| line.starts_with(char::from(byte)));
        assert!(text.lines().all(is_whole));
    }

    /// Takes a few bytes at a time, at times none, and once fails.
    #[derive(Clone, Default)]
    struct Moody(Memory, Arc<Mutex<usize>>);

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut calls = lock(&self.1);
            *calls += 1;
            match *calls {
                20 => Err(io::ErrorKind::StorageFull.into()),
                call if call % 3 == 0 => Err(io::ErrorKind::WouldBlock.into()),
                _ => self.0.write(bytes.get(..7).unwrap_or(bytes)),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_taken_slowly_stays_whole_and_a_failure_tears_one_line() {
        let moody = Moody::default();
        let gathered = Gathered::start(moody.clone()).unwrap();
        let mut failures = 0;
        for number in 0..20 {
            let line = format!("{number:02} is a line of 24 bytes\n");
            failures += usize::from(gathered.gather(line.as_bytes(), false).is_err());
        }
        let text = moody.0.text();
        let torn = text
            .lines()
            .filter(|line| !line.ends_with("is a line of 24 bytes"))
            .count();
        assert_eq!((failures, torn, text.lines().count()), (1, 1, 20), "{text}");
    }

    /// Takes nothing until it is let.
    struct Blocked(std::sync::mpsc::Receiver<()>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn where_nothing_can_be_written_callers_wait_instead_of_filling_memory() {
        let (open, gate) = std::sync::mpsc::channel();
        let gathered = Gathered::start(Blocked(gate)).unwrap();
        let caller = gathered.clone();
        let caller = thread::spawn(move || {
            let line = [b'x'; 1024];
            (0..3 * MOST / line.len()).try_for_each(|_| caller.gather(&line, true))
        });
        thread::sleep(Duration::from_millis(100));
        assert!(!caller.is_finished());
        assert!(lock(&gathered.0.waiting).len() <= MOST + 1024);
        drop(open);
        assert!(waited_until(|| caller.is_finished()));
        caller.join().unwrap().unwrap();
    }
}
