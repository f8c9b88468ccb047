//! What a command sees of the process it runs in: standard streams, environment and browser.
//!
//! Commands take it as an argument, so that tests can run them in-process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::failure::Failure;
use super::secret::Secret;

/// The streams, environment and browser that a command may use.
pub struct Terminal {
    input: Box<dyn Read + Send>,
    output: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
    environment: BTreeMap<String, String>,
    browser: Box<dyn Fn(&str) + Send>,
}

impl Terminal {
    /// The terminal of this process.
    pub fn process() -> Self {
        Self {
            input: Box::new(io::stdin()),
            output: Box::new(io::stdout()),
            errors: Box::new(io::stderr()),
            environment: std::env::vars_os().filter_map(readable).collect(),
            browser: Box::new(start_browser),
        }
    }

    /// All variables of the environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone().into_iter().collect()
    }

    /// An environment variable; an empty one counts as absent.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// The flag when it was given, otherwise the first of the variables that is set.
    pub(super) fn flag_or(&self, flag: Option<&str>, variables: &[&str]) -> Option<String> {
        let given = flag.filter(|value| !value.is_empty()).map(ToOwned::to_owned);
        given.or_else(|| variables.iter().find_map(|name| self.variable(name)))
    }

    /// The secret that was given by its flag, otherwise by a variable or by the file that `NAME_FILE` names, as the
    /// settings of a server have it.
    pub(super) fn secret_or(&self, flag: Option<&Secret>, name: &str) -> Result<Option<Secret>, Failure> {
        let flag = flag.filter(|secret| !secret.expose().is_empty()).cloned();
        if flag.is_some() {
            return Ok(flag);
        }
        let file_name = format!("{name}_FILE");
        match (self.variable(name), self.variable(&file_name)) {
            (Some(_), Some(_)) => Err(Failure::input(format!(
                "{name} and {file_name} are both set; keep one of them"
            ))),
            (given, None) => Ok(given.map(Secret::from)),
            (None, Some(path)) => content(&file_name, path.trim()).map(Some),
        }
    }

    /// Writes a result to standard output at once.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.output
            .write_all(text.as_bytes())
            .and_then(|()| self.output.flush())
            .map_err(Failure::Output)
    }

    /// Writes one line for the person to standard error. Where even that fails, nobody is there to be told.
    pub(crate) fn explain(&mut self, line: &str) {
        let _ = writeln!(self.errors, "{line}").and_then(|()| self.errors.flush());
    }

    /// Everything on standard input.
    pub(super) fn read_input(&mut self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        self.input
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::file("standard input", &error))?;
        Ok(bytes)
    }

    /// Asks on standard output and reads a line from standard input; none if there is no more input.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Option<String>, Failure> {
        self.print(question)?;
        let mut line = String::new();
        // What follows the line may be lost: a command asks once.
        let read = BufReader::new(self.input.by_ref()).read_line(&mut line);
        let length = read.map_err(|error| Failure::file("standard input", &error))?;
        Ok((length > 0).then(|| line.trim().to_owned()))
    }

    /// Asks the desktop to show the address. It never fails: the address is printed as well.
    pub(super) fn open_browser(&self, url: &str) {
        (self.browser)(url);
    }
}

/// What stands in the file that a variable names. The line break that editors and tools put at its end is no part of it.
fn content(name: &str, path: &str) -> Result<Secret, Failure> {
    // What has no slash may be the secret itself, put into the wrong variable.
    let shown = if path.contains('/') { path } else { "in this directory" };
    let read = std::fs::read_to_string(path).map(Zeroizing::new);
    let text =
        read.map_err(|error| Failure::input(format!("{name} names a file, {shown}, which cannot be read: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let value = line.strip_suffix('\r').unwrap_or(line);
    if value.trim().is_empty() {
        return Err(Failure::input(format!("{name} names a file, {shown}, which is empty")));
    }
    Ok(Secret::from(value.to_owned()))
}

/// Names and values that are no UTF-8 are not ours.
fn readable((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

fn start_browser(url: &str) {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if cfg!(windows) {
        // `start` belongs to the command interpreter; its first quoted argument is a window title.
        let mut command = Command::new("cmd");
        command.args(["/c", "start", ""]);
        command
    } else {
        Command::new("xdg-open")
    };
    let quiet = command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // A machine without a desktop has no opener. That is no error: the person can follow the printed address.
    let _ = quiet.spawn();
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_secret_comes_from_its_flag_its_variable_or_a_file_and_two_of_them_are_one_too_many() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let path = path.to_str().unwrap().to_owned();
        std::fs::write(&path, "from a file\n").unwrap();
        let with = |variables: &[(&str, &str)]| {
            let owned = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            terminal("", owned.collect()).0
        };
        let told = |variables: &[(&str, &str)], flag: Option<&str>| {
            let flag = flag.map(|text| Secret::from(text.to_owned()));
            let secret = with(variables).secret_or(flag.as_ref(), "THE_SECRET");
            secret
                .map(|secret| secret.map(|secret| secret.expose().to_owned()))
                .map_err(|failure| failure.to_string())
        };
        let file = ("THE_SECRET_FILE", path.as_str());
        assert_eq!(told(&[], None), Ok(None));
        assert_eq!(told(&[file], None), Ok(Some("from a file".to_owned())));
        assert_eq!(told(&[file], Some("a flag")), Ok(Some("a flag".to_owned())));
        assert_eq!(
            told(&[("THE_SECRET", "a variable")], None),
            Ok(Some("a variable".to_owned()))
        );
        for (variables, why) in [
            (&[file, ("THE_SECRET", "a variable")][..], "both set"),
            (&[("THE_SECRET_FILE", "/nowhere/secret")], "cannot be read"),
        ] {
            let error = told(variables, None).unwrap_err();
            assert!(error.contains(why) && error.contains("THE_SECRET_FILE"), "{error}");
            assert!(!error.contains("a variable"), "{error}");
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(told(&[file], None).unwrap_err().contains("is empty"));
    }

    /// A stream that a test can read while and after the command runs.
    #[derive(Clone, Default)]
    pub(crate) struct Recorded(Arc<Mutex<Vec<u8>>>);

    impl Recorded {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Recorded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A terminal for a test: given input and environment, recorded streams, no browser.
    pub(crate) fn terminal(input: &str, environment: Vec<(String, String)>) -> (Terminal, Recorded, Recorded) {
        let (output, errors) = (Recorded::default(), Recorded::default());
        let terminal = Terminal {
            input: Box::new(io::Cursor::new(input.as_bytes().to_vec())),
            output: Box::new(output.clone()),
            errors: Box::new(errors.clone()),
            environment: environment.into_iter().collect(),
            browser: Box::new(|_| ()),
        };
        (terminal, output, errors)
    }

    /// As [`terminal`], with a browser of the test's own.
    pub(crate) fn terminal_with_browser(browser: impl Fn(&str) + Send + 'static) -> (Terminal, Recorded, Recorded) {
        let (mut terminal, output, errors) = terminal("", Vec::new());
        terminal.browser = Box::new(browser);
        (terminal, output, errors)
    }
}
