//! The `claviger` program: parses the command line and dispatches.

use std::process::ExitCode;

use claviger::cli::{self, Terminal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), &mut Terminal::process())
}
