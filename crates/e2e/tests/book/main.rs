//! The documentation: what it says to type works as it stands, and what it points to is there.

mod blocks;
mod commands;
mod links;
