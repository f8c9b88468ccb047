//! The command line.
//!
//! Two trees of commands in one program, so that what was written for Hydra v1 (`clients`, `keys`, `token`) and for
//! Hydra v2 (`create client`, `perform client-credentials` …) runs as it is; `serve`, `migrate`, `janitor` and
//! `version` are shared. Results go to standard output and everything else to standard error. Commands that talk to
//! a server know nothing of this program's insides: they use the same API as everybody.

mod api;
pub(crate) mod api_keys;
mod callback;
mod clients;
mod columns;
mod config;
pub(crate) mod failure;
mod files;
mod go_duration;
mod jwks;
mod key_der;
mod key_file;
mod keys;
mod manual;
mod oauth2;
mod oauth2_clients;
pub(crate) mod output;
mod parse;
mod perform_code;
mod perform_device;
mod pgp;
mod remote;
pub(crate) mod secret;
pub(crate) mod server_args;
pub(crate) mod terminal;
mod tls;
mod token;
mod tokens;
mod verbs;
mod yaml;

#[cfg(test)]
mod fixtures;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use self::failure::Failure;
pub use self::terminal::Terminal;
use crate::admin::version::{BUILD, VERSION};
use crate::server;

#[derive(Parser, Debug)]
#[command(
    about = "An OAuth 2.0 authorization server and OpenID Provider for your own login",
    version,
    propagate_version = false,
    disable_version_flag = true,
    after_help = "First steps:
  claviger serve all --dev
  claviger clients create --endpoint http://127.0.0.1:4445 --id my-app \\
      -g authorization_code,refresh_token -a openid,offline \\
      -c http://127.0.0.1:4446/callback
  claviger token user --endpoint http://127.0.0.1:4444 \\
      --client-id my-app --client-secret …

`claviger help COMMAND` explains a command with examples.
clients, keys and token are the commands of Hydra v1; create, get, list, update,
delete, import, perform, introspect and revoke those of Hydra v2."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Start the server
    Serve(server_args::Serve),
    /// Prepare the database
    Migrate(server_args::Migrate),
    /// Copy a SQLite database while servers run
    Backup(server_args::Backup),
    /// Remove what has expired
    Janitor(Box<server_args::Janitor>),
    /// Manage OAuth 2.0 clients
    Clients(Box<clients::Clients>),
    /// Manage JSON Web Key sets
    Keys(keys::Keys),
    /// Get, inspect and end tokens
    Token(token::Token),
    /// Create a client or a key
    Create(verbs::Verb<verbs::CreateObject>),
    /// Show clients or keys
    Get(verbs::Verb<verbs::GetObject>),
    /// List clients
    #[command(visible_alias = "ls")]
    List(verbs::Verb<verbs::ListObject>),
    /// Replace a client
    Update(verbs::Verb<verbs::UpdateObject>),
    /// Give a client one more secret
    Rotate(verbs::Verb<verbs::RotateObject>),
    /// Delete clients, keys, access tokens or older secrets
    Delete(verbs::Verb<verbs::DeleteObject>),
    /// Import clients or keys from files
    Import(verbs::Verb<verbs::ImportObject>),
    /// Go through an OAuth 2.0 flow and print its tokens
    Perform(verbs::Verb<verbs::PerformObject>),
    /// Show what a token stands for
    Introspect(verbs::Verb<verbs::IntrospectObject>),
    /// End a token
    Revoke(verbs::Verb<verbs::RevokeObject>),
    /// Show the settings in force and where each comes from
    Config(config::Config),
    /// Look at everything that a server depends on, and say what to do
    Doctor(server_args::Doctor),
    /// Say what an error, a request id, a challenge or a token means
    Explain(server_args::Explain),
    /// Show version and build
    Version,
    /// Print a script that completes commands in your shell
    #[command(arg_required_else_help = true)]
    Completion {
        /// The shell, for example: claviger completion bash > /etc/bash_completion.d/claviger
        shell: Shell,
    },
    /// Print the manual, or write the pages of all commands
    Man(manual::Manual),
}

impl Command {
    /// Commands of the newer tree that work on the database itself.
    fn api_keys(&self) -> Option<(api_keys::Job<'_>, &remote::Remote)> {
        match self {
            Self::Create(verb) => verb.api_keys(),
            Self::List(verb) => verb.api_keys(),
            Self::Revoke(verb) => verb.api_keys(),
            _ => None,
        }
    }
}

/// Runs the command that the arguments name, the first of them being the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, terminal: &mut Terminal) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let program = parse::program(&arguments);
    let cli = match parse::parse(&arguments, terminal) {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    if let Some((job, remote)) = cli.command.api_keys() {
        let result = server::api_keys(job, terminal).and_then(|report| remote.print(terminal, &report));
        return ended(result, terminal);
    }
    let result = match cli.command {
        Command::Serve(arguments) => return server::serve(&arguments),
        Command::Migrate(arguments) => server::migrate(&arguments.job(), terminal),
        Command::Backup(arguments) => server::backup(&arguments, terminal),
        Command::Janitor(arguments) => arguments.check().and_then(|()| server::janitor(&arguments, terminal)),
        Command::Version => terminal.print(&version()),
        Command::Config(arguments) => arguments.run(terminal),
        Command::Doctor(arguments) => server::doctor(arguments.examination(terminal), terminal),
        Command::Explain(arguments) => arguments
            .question(terminal)
            .and_then(|question| server::explain(&question, terminal)),
        Command::Completion { shell } => terminal.print(&completion(shell, &program)),
        Command::Man(arguments) => arguments.run(&program, terminal),
        command => with_runtime(&command, terminal),
    };
    ended(result, terminal)
}

fn ended(result: Result<(), Failure>, terminal: &mut Terminal) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed the pipe has read enough.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.explain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn with_runtime(command: &Command, terminal: &mut Terminal) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::file("the operating system's event queue", &error))?;
    runtime.block_on(client_command(command, terminal))
}

async fn client_command(command: &Command, terminal: &mut Terminal) -> Result<(), Failure> {
    match command {
        Command::Clients(arguments) => arguments.run(terminal).await,
        Command::Keys(arguments) => arguments.run(terminal).await,
        Command::Token(arguments) => arguments.run(terminal).await,
        Command::Create(arguments) => arguments.run(terminal).await,
        Command::Get(arguments) => arguments.run(terminal).await,
        Command::List(arguments) => arguments.run(terminal).await,
        Command::Update(arguments) => arguments.run(terminal).await,
        Command::Rotate(arguments) => arguments.run(terminal).await,
        Command::Delete(arguments) => arguments.run(terminal).await,
        Command::Import(arguments) => arguments.run(terminal).await,
        Command::Perform(arguments) => arguments.run(terminal).await,
        Command::Introspect(arguments) => arguments.run(terminal).await,
        Command::Revoke(arguments) => arguments.run(terminal).await,
        // Run by `run` itself, without a runtime of ours.
        Command::Serve(_) | Command::Migrate(_) | Command::Backup(_) | Command::Janitor(_) => Ok(()),
        Command::Config(_) | Command::Doctor(_) | Command::Explain(_) => Ok(()),
        Command::Version | Command::Completion { .. } | Command::Man(_) => Ok(()),
    }
}

fn version() -> String {
    let (hash, time) = BUILD;
    format!("Version:    {VERSION}\nGit Hash:   {hash}\nBuild Time: {time}\n")
}

fn completion(shell: Shell, program: &str) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut parse::command_named(program), program, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
