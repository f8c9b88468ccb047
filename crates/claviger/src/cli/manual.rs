//! The commands as manual pages and as `docs/commands.md`, both written from the tree of commands.

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man;

use super::failure::Failure;
use super::parse;
use super::terminal::Terminal;

/// `man`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  claviger man | man -l -
  claviger man /usr/local/share/man/man1")]
pub(crate) struct Manual {
    /// Directory for the pages of all commands; without it the page of the program itself is printed
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl Manual {
    pub(super) fn run(&self, program: &str, terminal: &mut Terminal) -> Result<(), Failure> {
        let command = parse::command_named(program);
        let Some(directory) = &self.directory else {
            let mut page = Vec::new();
            Man::new(command).render(&mut page).map_err(Failure::Output)?;
            return terminal.print(&String::from_utf8_lossy(&page));
        };
        let failed = |error| Failure::file(&directory.display().to_string(), &error);
        clap_mangen::generate_to(command, directory).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;
    use std::process::ExitCode;

    use clap::Command;

    use super::*;
    use crate::cli::terminal::testing::terminal;

    /// The text of `docs/commands.md`.
    fn reference() -> String {
        let mut text = String::from(
            "# Commands\n\nThis page is written from the tree of commands in `crates/claviger/src/cli/`; \
             [cli.md](cli.md) shows them at work.\nWhere the program is called `hydra`, by a link or another name of the \
             file, everything is the same under that name.\n",
        );
        let mut root = parse::command().term_width(100);
        root.build();
        describe(&root, "claviger", &mut text);
        text
    }

    fn describe(command: &Command, words: &str, text: &mut String) {
        let help = command.clone().bin_name(words.to_owned()).render_help().to_string();
        let help: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {words}\n\n```text\n{}\n```\n", help.join("\n"));
        let shown = |sub: &&Command| !sub.is_hide_set() && sub.get_name() != "help";
        for sub in command.get_subcommands().filter(shown) {
            describe(sub, &format!("{words} {}", sub.get_name()), text);
        }
    }

    /// With `CLAVIGER_BLESS=1` in the environment the file is written anew.
    #[test]
    fn the_checked_in_reference_is_the_tree_of_commands() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
        if std::env::var_os("CLAVIGER_BLESS").is_some() {
            fs::write(&path, reference()).unwrap();
        }
        let file = fs::read_to_string(&path).unwrap();
        assert!(
            file == reference(),
            "docs/commands.md is out of date; run: CLAVIGER_BLESS=1 cargo test -p claviger --lib reference"
        );
    }

    #[test]
    fn every_command_has_a_manual_page_under_the_name_of_the_program() {
        let directory = tempfile::tempdir().unwrap();
        let words = ["hydra", "man", directory.path().to_str().unwrap()];
        let (mut terminal, _, errors) = terminal("", Vec::new());
        let status = crate::cli::run(words.map(OsString::from), &mut terminal);
        assert_eq!(status, ExitCode::SUCCESS, "{}", errors.text());
        for page in [
            "hydra.1",
            "hydra-serve-all.1",
            "hydra-create-oauth2-client.1",
            "hydra-migrate-sql-up.1",
        ] {
            let text = fs::read_to_string(directory.path().join(page)).unwrap();
            assert!(text.contains(".SH NAME") && text.contains(".SH OPTIONS"), "{page}");
        }
    }

    #[test]
    fn completion_scripts_are_made_for_every_shell_under_the_name_of_the_program() {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let (mut terminal, output, _) = terminal("", Vec::new());
            let status = crate::cli::run(["hydra", "completion", shell].map(OsString::from), &mut terminal);
            let script = output.text();
            assert_eq!(status, ExitCode::SUCCESS, "{shell}");
            assert!(script.contains("hydra") && script.contains("oauth2-client"), "{shell}");
            assert!(!script.contains("_claviger"), "{shell}");
        }
    }
}
