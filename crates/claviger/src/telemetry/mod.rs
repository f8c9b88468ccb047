//! What operators see of the running program: log lines, the audit log, metrics, and traces. Nothing is sent anywhere but
//! spans, to the operator's own collector.

pub mod audit;
pub(crate) mod events;
mod export;
mod gathered;
mod json;
pub mod log;
pub mod metrics;
mod route_metrics;
pub(crate) mod store_metrics;
mod text;
pub mod trace;
