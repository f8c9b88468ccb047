//! Counts what was asked of a database and how many round trips it took.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often one kind of operation happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The kind: a read by its name in the store, `issue`, or `change` for every other change.
    pub kind: &'static str,
    /// Operations asked.
    pub operations: u64,
    /// Statements or transactions sent; one that served many operations counts once.
    pub round_trips: u64,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A kind of operation.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($variant),* }

        impl Kind {
            const NAMES: [&'static str; [$($name),*].len()] = [$($name),*];
        }
    };
}

kinds! {
    Client = "client", Clients = "clients", CountClients = "count_clients", Flow = "flow", Session = "session",
    Remembered = "remembered", Code = "code", Access = "access", Refresh = "refresh", Device = "device", Keys = "keys",
    Grants = "grants", CountGrants = "count_grants", Participants = "participants", Claim = "claim",
    Assertion = "assertion", Trust = "trust", Trusts = "trusts", ApiKey = "api_key", ApiKeys = "api_keys",
    Issue = "issue", Change = "change", Purge = "purge", Schema = "schema",
    Clock = "clock",
}

/// Upper bounds of the sizes of batches by which they are counted; one more counts larger ones.
pub const BATCH_BOUNDS: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// How large the batches of one kind were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    /// The kind, as in [`Count`].
    pub kind: &'static str,
    /// How many were up to each of [`BATCH_BOUNDS`] and above the one before, then how many were larger.
    pub sizes: [u64; BATCH_BOUNDS.len() + 1],
    /// Operations in all of them.
    pub operations: u64,
}

/// The kinds that are gathered.
const GATHERED: [Kind; 3] = [Kind::Issue, Kind::Access, Kind::Change];

#[derive(Default)]
struct Sizes {
    by_bound: [AtomicU64; BATCH_BOUNDS.len() + 1],
    operations: AtomicU64,
}

/// The counters of one database handle.
#[derive(Default)]
pub(crate) struct Statistics {
    sizes: [Sizes; GATHERED.len()],
    counters: [(AtomicU64, AtomicU64); Kind::NAMES.len()],
}

impl Statistics {
    /// One more operation was asked.
    pub(crate) fn asked(&self, kind: Kind) {
        if let Some((operations, _)) = self.counters.get(kind as usize) {
            operations.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One more statement or transaction was sent.
    pub(crate) fn sent(&self, kind: Kind) {
        if let Some((_, round_trips)) = self.counters.get(kind as usize) {
            round_trips.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One more statement or transaction was sent, for so many operations.
    pub(crate) fn sent_batch(&self, kind: Kind, operations: usize) {
        self.sent(kind);
        let operations = u64::try_from(operations).unwrap_or(u64::MAX);
        let position = GATHERED.iter().position(|gathered| *gathered == kind);
        let Some(sizes) = position.and_then(|position| self.sizes.get(position)) else {
            return;
        };
        let bound = BATCH_BOUNDS.partition_point(|bound| *bound < operations);
        if let Some(counter) = sizes.by_bound.get(bound) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        sizes.operations.fetch_add(operations, Ordering::Relaxed);
    }

    pub(crate) fn batches(&self) -> Vec<Batches> {
        let read = |(kind, sizes): (&Kind, &Sizes)| Batches {
            kind: Kind::NAMES.get(*kind as usize).copied().unwrap_or_default(),
            sizes: std::array::from_fn(|bound| {
                let counter = sizes.by_bound.get(bound);
                counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
            }),
            operations: sizes.operations.load(Ordering::Relaxed),
        };
        GATHERED.iter().zip(&self.sizes).map(read).collect()
    }

    pub(crate) fn counts(&self) -> Vec<Count> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Kind::NAMES
            .iter()
            .zip(&self.counters)
            .map(|(kind, (operations, round_trips))| Count {
                kind,
                operations: read(operations),
                round_trips: read(round_trips),
            })
            .collect()
    }
}
