//! The tree of commands: recorded flags, and what clap alone would not do.

use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::cli::terminal::testing::terminal;

#[derive(Deserialize)]
struct Recorded {
    command: String,
    flags: Vec<Flag>,
    #[serde(default)]
    inherited: Vec<Flag>,
    #[serde(default)]
    subcommands: Vec<String>,
    #[serde(default)]
    aliases: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Flag {
    name: String,
    shorthand: Option<char>,
    default: Option<String>,
}

fn recorded() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/cli");
    let read = |file| {
        let path = folder.join(file);
        let text = std::fs::read(&path).unwrap_or_else(|error| {
            panic!("the recorded flags are missing: {}: {error}", path.display());
        });
        serde_json::from_slice::<Vec<Recorded>>(&text).unwrap()
    };
    [read("flags-v1.json"), read("flags-v2.json")]
        .into_iter()
        .flatten()
        .collect()
}

fn find<'c>(root: &'c Command, words: &str) -> Option<&'c Command> {
    words
        .split(' ')
        .skip(1)
        .try_fold(root, |command, word| command.find_subcommand(word))
}

#[test]
fn clap_finds_no_contradiction_in_the_tree() {
    command().debug_assert();
}

#[test]
fn every_recorded_command_and_flag_is_here() {
    let mut root = command();
    root.build();
    let mut checked = 0;
    for Recorded {
        command: words,
        flags,
        inherited,
        subcommands,
        aliases,
    } in recorded()
    {
        let command = find(&root, &words).unwrap_or_else(|| panic!("{words} is missing"));
        for name in &subcommands {
            assert!(command.find_subcommand(name).is_some(), "{words} {name}");
        }
        for alias in aliases.iter().flatten() {
            let group = words.rsplit_once(' ').unwrap().0;
            assert_eq!(
                find(&root, &format!("{group} {alias}")).unwrap().get_name(),
                command.get_name()
            );
        }
        for flag in flags.iter().chain(&inherited) {
            if flag.name != "help" {
                check(command, &words, flag);
                checked += 1;
            }
        }
    }
    assert!(checked > 300, "only {checked} flags were checked");
}

fn check(command: &Command, words: &str, flag: &Flag) {
    let name = &flag.name;
    let found = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(name));
    let found = found.unwrap_or_else(|| panic!("{words} --{name} is missing"));
    assert!(
        flag.shorthand.is_none() || found.get_short() == flag.shorthand,
        "{words} --{name}"
    );
    let Some(default) = &flag.default else { return };
    let default = default.trim_matches(['"', '[', ']']);
    // A minute is written in two ways, and -1 stands for no maximum age.
    if default != "1m0s" && default != "-1" {
        let own: Vec<_> = found
            .get_default_values()
            .iter()
            .filter_map(|value| value.to_str())
            .collect();
        assert_eq!(own.join(","), default, "{words} --{name}");
    }
}

fn parsed(words: &[&str]) -> String {
    let arguments: Vec<OsString> = std::iter::once(&"claviger").chain(words).map(OsString::from).collect();
    let (mut terminal, output, errors) = terminal("", Vec::new());
    let cli = parse(&arguments, &mut terminal);
    format!(
        "{:?}",
        cli.unwrap_or_else(|_| panic!("{}{}", output.text(), errors.text()))
    )
}

fn refused(words: &[&str]) -> (ExitCode, String, String) {
    let arguments: Vec<OsString> = std::iter::once(&"claviger").chain(words).map(OsString::from).collect();
    let (mut terminal, output, errors) = terminal("", Vec::new());
    (
        parse(&arguments, &mut terminal).unwrap_err(),
        output.text(),
        errors.text(),
    )
}

#[test]
fn a_switch_takes_a_value_after_an_equals_sign_only() {
    assert!(parsed(&["serve", "all", "--dev"]).contains("dev: true"));
    assert!(parsed(&["serve", "all", "--dev=false"]).contains("dev: false"));
    assert!(parsed(&["serve", "--dev", "all"]).contains("listeners: All"));
}

#[test]
fn a_value_may_start_with_a_dash_as_generated_secrets_do() {
    let words = ["clients", "update", "one", "--name", "-x9~"];
    assert!(parsed(&words).contains("name: Some(\"-x9~\")"));
    let words = ["perform", "authorization-code", "--max-age", "-1"];
    assert!(parsed(&words).contains("max_age: Some(-1)"));
}

#[test]
fn no_secret_is_in_the_debug_output_of_a_command_line() {
    let words = [
        ["token", "client", "--client-secret", "s3cret"].as_slice(),
        &["token", "introspect", "s3cret", "--access-token", "s3cret"],
        &["clients", "create", "--secret", "s3cret"],
        &["create", "client", "--secret", "s3cret", "-H", "Authorization: s3cret"],
        &["revoke", "token", "s3cret"],
    ];
    for words in words {
        assert!(!parsed(words).contains("s3cret"), "{words:?}");
    }
}

#[test]
fn lists_grow_and_single_values_are_replaced_by_the_last() {
    let list = parsed(&[
        "clients", "create", "-a", "a,b", "--scope", "c", "--id", "one", "--id", "two",
    ]);
    assert!(
        list.contains("scope: [\"a\", \"b\", \"c\"]") && list.contains("id: Some(\"two\")"),
        "{list}"
    );
}

#[test]
fn flags_of_a_group_may_stand_before_and_after_its_command() {
    for words in [
        ["clients", "--endpoint", "http://a", "list"],
        ["clients", "list", "--endpoint", "http://a"],
    ] {
        assert!(parsed(&words).contains("endpoint: Some(\"http://a\")"));
    }
}

#[test]
fn help_names_every_command_and_teaches_the_first_steps() {
    let (status, help, _) = refused(&["help"]);
    assert_eq!(status, ExitCode::SUCCESS);
    for name in [
        "clients",
        "help",
        "janitor",
        "keys",
        "migrate",
        "serve",
        "token",
        "version",
        "perform",
        "First steps",
    ] {
        assert!(help.contains(name), "{name}: {help}");
    }
    for words in [["help", "serve"], ["token", "--help"], ["clients", "-h"]] {
        assert!(refused(&words).1.contains("Example"), "{words:?}");
    }
}

#[test]
fn a_wrong_word_is_answered_with_the_nearest_right_one() {
    let (status, output, errors) = refused(&["create", "client", "--redirect-ur", "x"]);
    assert_eq!((status, output.as_str()), (ExitCode::FAILURE, ""));
    assert!(
        errors.contains("unknown flag: --redirect-ur") && errors.contains("--redirect-uri"),
        "{errors}"
    );
    let (status, _, errors) = refused(&["client"]);
    assert_eq!(status, ExitCode::FAILURE);
    assert!(errors.contains("clients"), "{errors}");
}

#[test]
fn under_another_name_help_and_examples_have_that_name() {
    for (called, name) in [
        ("/usr/local/bin/hydra", "hydra"),
        ("claviger", "claviger"),
        ("", "claviger"),
    ] {
        let arguments = [called, "help", "janitor"].map(OsString::from);
        let (mut terminal, output, _) = terminal("", Vec::new());
        assert_eq!(parse(&arguments, &mut terminal).unwrap_err(), ExitCode::SUCCESS);
        let text = output.text();
        assert!(text.contains(&format!("Usage: {name} janitor")), "{text}");
        assert!(text.contains(&format!("  {name} janitor --tokens")), "{text}");
    }
}

#[test]
fn what_is_mistyped_leads_to_what_was_meant() {
    for (words, meant) in [
        (["serv", "all"].as_slice(), "serve"),
        (&["clients", "lisst"], "list"),
        (&["migrate", "sqll"], "sql"),
        (&["create", "cliient"], "client"),
        (&["list", "clients", "--pagesize", "3"], "--page-size"),
        (&["clients", "create", "--callback", "http://a"], "--callbacks"),
    ] {
        let (_, _, errors) = refused(words);
        assert!(errors.contains(meant), "{words:?}: {errors}");
    }
}

#[test]
fn a_wrong_word_in_a_group_is_an_error_and_a_group_alone_is_help() {
    for (words, status) in [
        (&["list", "clientss"][..], 1),
        (&["list", "nonsense"], 1),
        (&["create", "-e", "http://127.0.0.1:1", "nonsense"], 1),
        (&["migrate", "sqll"], 1),
        (&["serve", "everything"], 1),
        (&["clients", "creat"], 255),
        (&["keys", "nonsense"], 255),
    ] {
        let (ended, output, errors) = refused(words);
        assert_eq!(ended, ExitCode::from(status), "{words:?}: {errors}");
        let told = format!(
            "unknown command \"{}\" for \"claviger {}\"",
            words[words.len() - 1],
            words[0]
        );
        assert!(errors.contains(&told), "{words:?}: {errors}");
        assert!(output.is_empty() || status == 255, "{words:?}: {output}");
    }
    for group in ["create", "list", "migrate", "serve", "clients", "keys"] {
        let (ended, output, errors) = refused(&[group]);
        assert_eq!((ended, errors.as_str()), (ExitCode::SUCCESS, ""), "{group}");
        assert!(output.contains("Usage"), "{group}: {output}");
    }
}

#[test]
fn what_is_done_to_one_and_to_several_is_the_same_word() {
    let mut root = command();
    root.build();
    for verb in [
        "create",
        "get",
        "list",
        "update",
        "rotate",
        "delete",
        "import",
        "introspect",
        "revoke",
    ] {
        let group = root.find_subcommand(verb).unwrap();
        for object in group.get_subcommands().filter(|object| object.get_name() != "help") {
            for name in object.get_name_and_visible_aliases() {
                let other = name.strip_suffix('s').map_or(format!("{name}s"), str::to_owned);
                let found = group.find_subcommand(&other).map(Command::get_name);
                assert_eq!(found, Some(object.get_name()), "{verb} {other}");
            }
        }
    }
}

#[test]
fn flags_for_pgp_are_refused_with_the_way_to_do_it() {
    for words in [
        ["create", "client", "-e", "http://127.0.0.1:1", "--pgp-key", "abc"],
        [
            "clients",
            "create",
            "--endpoint",
            "http://127.0.0.1:1",
            "--keybase",
            "abc",
        ],
        ["import", "client", "-e", "http://127.0.0.1:1", "--pgp-key-url", "abc"],
    ] {
        let arguments: Vec<OsString> = std::iter::once(&"claviger").chain(&words).map(OsString::from).collect();
        let (mut terminal, output, errors) = terminal("", Vec::new());
        assert_eq!(crate::cli::run(arguments, &mut terminal), ExitCode::FAILURE);
        assert!(
            errors.text().contains("gpg --encrypt") && output.text().is_empty(),
            "{}",
            errors.text()
        );
    }
}
