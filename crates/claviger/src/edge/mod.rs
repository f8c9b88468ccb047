//! The HTTP edge: sockets, deadlines, limits, routing, and the only place where answers are written.
//!
//! A connection is accepted and bounded by [`listener`] and [`connection`], encrypted by [`tls`], named by [`request_id`], routed by
//! [`router`], judged and told of by [`watched`], read by [`call`], and answered through [`reply`]. Handlers see a [`call::Call`] and return a response.

pub mod address;
pub mod admission;
pub mod call;
mod connection;
pub mod cors;
pub mod cross_site;
pub mod inherited;
pub mod lenient;
pub mod listener;
mod patience;
pub mod problem;
pub mod proxies;
pub mod rates;
pub mod reply;
pub mod request_id;
pub mod router;
pub mod segments;
pub mod served;
mod sniff;
pub mod tls;
#[cfg(unix)]
mod unix_socket;
mod watched;

#[cfg(test)]
mod socket_tests;
