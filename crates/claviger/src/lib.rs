//! The program: listeners, endpoints, pages, configuration, keys, telemetry and command line of Claviger.

pub mod admin;
mod authorities;
pub mod cli;
pub mod config;
pub mod edge;
pub mod health;
pub mod keys;
pub mod notices;
pub mod openapi;
pub mod outgoing;
pub mod pages;
pub mod provider;
pub mod public;
pub mod server;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod v1;
