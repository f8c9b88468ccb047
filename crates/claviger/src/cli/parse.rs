//! From arguments to [`Cli`], and from what clap says about wrong ones to what scripts written for Hydra expect.
//!
//! Status 255 with the message on both streams for the older commands, 1 for all others; help with status 0 for a
//! group of commands without one of them. Hydra answers a wrong word in a group with help and status 0 too, so that a script
//! goes on as if it was done; here it is an error as any other wrong word.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches};

use super::Cli;
use super::terminal::Terminal;

/// The program's own name.
const NAME: &str = "claviger";

/// The command line, or the status to end with after everything was said.
pub(super) fn parse(arguments: &[OsString], terminal: &mut Terminal) -> Result<Cli, ExitCode> {
    let mut command = command_named(&program(arguments));
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|found| Cli::from_arg_matches(&found));
    parsed.map_err(|error| {
        command.build();
        explain(&command, &error, arguments, terminal)
    })
}

/// The name by which the program was called: behind a link or another name of the file, help shows what works there.
pub(super) fn program(arguments: &[OsString]) -> String {
    let called = arguments.first().map(Path::new).and_then(Path::file_stem);
    let called = called.and_then(OsStr::to_str).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    if called.is_empty() || !called.chars().all(is_name) {
        NAME.to_owned()
    } else {
        called.to_owned()
    }
}

/// The whole tree of commands.
#[cfg(test)]
pub(super) fn command() -> Command {
    command_named(NAME)
}

/// The whole tree of commands of a program with this name.
pub(super) fn command_named(program: &str) -> Command {
    let command = Cli::command().name(program.to_owned()).bin_name(program.to_owned());
    let command = lenient(command.args_override_self(true));
    if program == NAME {
        command
    } else {
        with_examples_of(command, program)
    }
}

/// The examples call the program by the name that it has.
fn with_examples_of(command: Command, program: &str) -> Command {
    let renamed = |text: String| text.replace("claviger ", &format!("{program} "));
    let examples = command.get_after_help().map(|text| renamed(text.to_string()));
    let command = match examples {
        Some(text) => command.after_help(text),
        None => command,
    };
    command.mut_subcommands(|sub| with_examples_of(sub, program))
}

/// `--flag=false` is accepted, and a value may start with a dash, as generated secrets do.
fn lenient(command: Command) -> Command {
    command.mut_args(lenient_argument).mut_subcommands(lenient)
}

fn lenient_argument(argument: Arg) -> Arg {
    match argument.get_action() {
        ArgAction::SetTrue => argument
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .value_parser(BoolishValueParser::new())
            .value_name("BOOL")
            .hide_default_value(true)
            .hide_possible_values(true),
        ArgAction::Set | ArgAction::Append if !argument.is_positional() => argument.allow_hyphen_values(true),
        _ => argument,
    }
}

fn explain(command: &Command, error: &clap::Error, arguments: &[OsString], terminal: &mut Terminal) -> ExitCode {
    let words: Vec<_> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let help = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Some(error.render().to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Some(named(command, &words).render_help().to_string())
        }
        _ => None,
    };
    match help {
        Some(help) => terminal.print(&help).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        None => refuse(command, error, &words, terminal),
    }
}

fn refuse(command: &Command, error: &clap::Error, words: &[&str], terminal: &mut Terminal) -> ExitCode {
    let headline = headline(&named(command, words), error);
    let rendered = error.render().to_string();
    let advice = rendered.split_once('\n').map_or("", |(_, advice)| advice).trim_end();
    terminal.explain(&format!("Error: {headline}\n{advice}"));
    let older = matches!(words.first(), Some(&("clients" | "keys" | "token")));
    if !older || error.kind() == ErrorKind::MissingRequiredArgument {
        return ExitCode::FAILURE;
    }
    // The older commands repeat the message where their result would have been.
    let _ = terminal.print(&format!("{headline}\n"));
    ExitCode::from(255)
}

/// The first line: in Hydra's words where a script may look for them, otherwise in clap's.
fn headline(command: &Command, error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match (
        error.kind(),
        context(ContextKind::InvalidArg),
        context(ContextKind::InvalidSubcommand),
    ) {
        (ErrorKind::UnknownArgument, Some(flag), _) if flag.starts_with('-') => {
            if flag.starts_with("--") {
                format!("unknown flag: {flag}")
            } else {
                format!("unknown shorthand flag: {flag}")
            }
        }
        (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(flag), _) => {
            let flag = flag.split([' ', '=']).next().unwrap_or_default();
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            format!("invalid argument {value:?} for \"{flag}\" flag{}", reason(error))
        }
        (ErrorKind::InvalidSubcommand, _, Some(word)) => {
            format!(
                "unknown command \"{word}\" for \"{}\"",
                command.get_bin_name().unwrap_or(NAME)
            )
        }
        _ => {
            let rendered = error.render().to_string();
            rendered
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned()
        }
    }
}

/// Why a value was refused.
fn reason(error: &clap::Error) -> String {
    let Some(source) = std::error::Error::source(error) else {
        return String::new();
    };
    if source.is::<std::num::ParseIntError>() {
        ": it must be a whole number".to_owned()
    } else {
        format!(": {source}")
    }
}

/// The deepest command that the words name.
fn named(command: &Command, words: &[&str]) -> Command {
    let mut command = command;
    for word in words {
        match command.find_subcommand(word) {
            Some(next) => command = next,
            None if word.starts_with('-') => {}
            None => break,
        }
    }
    command.clone()
}

#[cfg(test)]
mod tests;
