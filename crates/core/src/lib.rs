//! The protocol of Claviger: parsed requests and facts in, decisions out.
//!
//! No HTTP type, no SQL, no runtime, no clock and no dice live here. Time arrives as [`context::Cx::now`], randomness
//! through [`context::Entropy`], facts through [`port::Store`]; what is decided leaves as a [`port::Change`].

pub mod api_key;
mod assertion;
pub mod authorize;
pub mod client;
pub mod client_auth;
mod client_keys;
pub mod consented;
pub mod context;
pub mod device;
pub mod discovery;
pub mod fault;
pub mod flow;
pub mod grant;
pub mod hook;
pub mod introspect;
pub mod logout;
pub mod outgoing;
pub mod params;
pub mod port;
#[cfg(test)]
mod properties;
pub mod remote_keys;
pub mod revoke;
pub mod scope;
pub mod seal;
pub mod secrets;
pub mod sessions;
pub mod subject;
mod target;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub mod trust;
pub mod userinfo;
pub mod witness;
pub mod world;
