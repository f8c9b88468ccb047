//! The protocol of Claviger: parsed requests and facts in, decisions out.
