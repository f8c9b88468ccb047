//! What the black-box tests share: the built program, a private PostgreSQL, the reference app, a browser and a client.
//!
//! Nothing here links to Claviger. The tests under `tests/` use it as people and programs do, from outside.
//! Everything listens on loopback, and everything that is started ends with the test that started it.

pub mod binary;
pub mod browser;
pub mod callback;
pub mod client;
pub mod collector;
pub mod database;
pub mod dump;
pub mod flow;
pub mod logout;
pub mod mariadb;
pub mod pkce;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod record;
pub mod reference_app;
pub mod server;
pub mod signer;
pub mod tokens;

pub use browser::Browser;
pub use callback::Callback;

pub use client::{Answer, Http, Request};
pub use collector::Collector;
pub use database::Database;
pub use flow::Flow;
pub use reference_app::ReferenceApp;
pub use server::{Server, ServerOptions};
