//! Configuration: what may be written ([`keys`]), how it is put together ([`load`]) and what comes out ([`Settings`]).
//!
//! Sources, weakest first: defaults, files, flags, the environment, arguments of the command. Everything is judged by
//! the table of keys, and every error is one line that names the key, the place where it was written and what to change.

pub mod cookies;
pub mod cors;
mod dev;
pub mod device;
pub mod dsn;
pub mod duration;
mod env;
mod error;
mod file;
pub mod keys;
mod kind;
mod lines;
pub mod listener;
mod load;
mod nearest;
pub mod oauth2;
pub mod oidc;
mod policy;
pub mod rates;
mod reference;
mod schema;
pub mod secret;
pub mod settings;
pub mod signing;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod tracing;
mod values;

pub use dsn::Dsn;
pub use env::process_env;
pub use error::{ConfigError, Source};
pub use load::{Flag, Purpose, Reloaded, Sources, load, reload, watched};
pub use policy::policy;
pub use reference::reference;
pub use schema::schema_text;
pub use secret::Secret;
pub use settings::Settings;
