//! Parsed clients, so that a request does not read the same JSON again.
//!
//! Nothing here is a fact: the record, with its version, comes from the store each time, and a parsed client is only
//! used for the very version that it was parsed from.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Client;
use crate::port::{ClientRecord, StoreError};

/// The parsed clients of this process, bounded in number.
pub struct ParsedClients(Cache<String, Arc<Client>>);

impl ParsedClients {
    /// Room for `most` clients.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Cache::new(most))
    }

    /// The client that `record` holds.
    ///
    /// # Errors
    /// As [`Client::from_record`].
    pub fn read(&self, record: &ClientRecord) -> Result<Arc<Client>, StoreError> {
        if let Some(known) = self.0.get(&record.id)
            && known.version == record.version
        {
            return Ok(known);
        }
        let client = Arc::new(Client::from_record(record)?);
        self.0.insert(record.id.clone(), Arc::clone(&client));
        Ok(client)
    }
}
