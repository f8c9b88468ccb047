//! The rules that Hydra 26.2 breaks. Each test is named after the defect that must not be found here.
//!
//! The numbers are those of the contract's list of defects, and the rule is named where it is tested.

mod administration;
mod authorize;
mod clients;
mod database;
mod information;
mod logout;
mod token;
