//! The router of a port, which may be replaced while the port serves.

use std::sync::{PoisonError, RwLock};

use axum::Router;

/// What a port answers with. A request keeps the router that it began with, and so the settings behind it.
#[derive(Debug, Default)]
pub struct Served(RwLock<Router>);

impl Served {
    /// Begins with this router.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self(RwLock::new(router))
    }

    /// The router for a request that begins now.
    pub fn now(&self) -> Router {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that begin from now on meet this router.
    pub fn replace(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }
}
