//! Load driver for Claviger and servers with the same API: performs the operations of an authorization server over
//! loopback and prints, for each, its rate, its latencies and what it costs. `bench/README.md` says how to read it.

mod arguments;
mod bare;
mod client;
mod driver;
#[cfg(test)]
mod fake;
mod flow;
mod http;
mod limits;
mod load;
mod observer;
mod operations;
mod pgbench;
mod plot;
mod process;
mod report;
mod results;
mod run;
mod seed;
mod startup;
mod stock;
mod table;
mod targets;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::arguments::{Arguments, Verb};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match (&arguments.command, &arguments.run) {
        (Some(Verb::Report { runs, readme, plots }), _) => {
            report::write(runs, readme.as_deref(), plots.as_deref()).map_err(|error| error.to_string())
        }
        (Some(Verb::Bare), _) => bare::serve().map_err(|error| error.to_string()),
        (None, Some(run)) => match run::run(run) {
            Ok(0) => Ok(()),
            Ok(errors) => Err(format!(
                "{errors} requests failed or were missing: the figures above do not count"
            )),
            Err(error) => Err(error.to_string()),
        },
        (None, None) => Arguments::command().print_help().map_err(|error| error.to_string()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claviger-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
