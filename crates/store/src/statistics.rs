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
        #[derive(Clone, Copy)]
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
}

/// The counters of one database handle.
#[derive(Default)]
pub(crate) struct Statistics {
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
