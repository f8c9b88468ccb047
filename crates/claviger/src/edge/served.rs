//! What a port answers with, which may be replaced while the port serves.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use futures_util::future::Either;
use http::Request;
use hyper::body::Incoming;
use tower_service::Service as _;

use super::cross_site::Guard;

/// The routes of a port, and who stands before them.
#[derive(Clone, Default)]
pub struct Entrance {
    pub router: Router,
    /// That of the admin port. It is no layer of the router, as a layer costs every request two boxes and a copy of its
    /// route.
    pub guard: Option<Arc<Guard>>,
}

/// The entrance of a port. A request keeps the routes that it began with, and so the settings behind them.
#[derive(Default)]
pub struct Served(RwLock<Entrance>);

/// An answer on its way.
pub(super) type Answer = Either<RouteFuture<Infallible>, Ready<Result<Response, Infallible>>>;

impl Served {
    /// Begins with this.
    #[must_use]
    pub fn new(entrance: Entrance) -> Self {
        Self(RwLock::new(entrance))
    }

    /// Lets a request in that begins now, unless the guard refuses it.
    pub(super) fn call(&self, request: Request<Incoming>) -> Answer {
        let Entrance { mut router, guard } = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        match guard.and_then(|guard| guard.refuse(request.headers(), request.uri())) {
            Some(refused) => Either::Right(ready(Ok(refused))),
            None => Either::Left(router.call(request)),
        }
    }

    /// Requests that begin from now on meet this.
    pub fn replace(&self, entrance: Entrance) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = entrance;
    }
}
