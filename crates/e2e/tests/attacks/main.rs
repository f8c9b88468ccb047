//! What nobody may succeed with, each attack from outside and under its own name.

mod addresses;
mod pages;
mod races;
mod verifiers;
