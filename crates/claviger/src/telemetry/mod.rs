//! What operators see of the running program: log lines and metrics. Nothing is sent anywhere.

pub mod log;
pub mod metrics;
