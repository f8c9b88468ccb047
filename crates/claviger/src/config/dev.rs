//! Development mode: what it sets where nothing else does.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::error::{ConfigError, Source};
use super::values::Values;

/// The database of development mode, in the current directory.
const DATABASE: &str = "claviger.sqlite";
/// Its secrets, beside it.
const SECRETS: &str = "claviger.secrets";

/// Sets the database, the address of the public port, the guard of outgoing requests and, when `with_secrets`, `secrets.system`.
pub(super) fn complete(values: &mut Values, directory: &Path, with_secrets: bool) -> Result<(), ConfigError> {
    if !values.is_set("dsn") {
        let dsn = format!("sqlite://{}", directory.join(DATABASE).display());
        values.set_path("dsn", Value::from(dsn), Source::Dev)?;
    }
    if !values.is_set("serve.public.host") {
        values.set_path("serve.public.host", Value::from("127.0.0.1"), Source::Dev)?;
    }
    // Whoever develops has the other parties on the same machine.
    let guard = "clients.http.disallow_private_ip_ranges";
    if !values.is_set(guard) {
        values.set_path(guard, Value::from(false), Source::Dev)?;
    }
    if with_secrets && !values.is_set("secrets.system") {
        let path = directory.join(SECRETS);
        let text = secrets(&path).map_err(|reason| ConfigError::DevSecrets {
            path: path.clone(),
            reason,
        })?;
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let list: Value = lines.map(Value::from).collect();
        if list.as_array().is_none_or(Vec::is_empty) {
            let reason = "it is empty; delete it, and the next start makes new ones".to_owned();
            return Err(ConfigError::DevSecrets { path, reason });
        }
        values.set_path("secrets.system", list, Source::File(path, None))?;
    }
    Ok(())
}

/// The text of the file, made now if it does not exist.
fn secrets(path: &Path) -> Result<Zeroizing<String>, String> {
    let hint = "make it readable for this user, or set SECRETS_SYSTEM";
    match generate(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|error| format!("{error}; {hint}")),
        Err(error) => Err(format!("{error}; make the directory writable, or set SECRETS_SYSTEM")),
    }
}

/// Makes the file, readable for its owner only. Fails if it exists: of two servers that start together, one makes it.
fn generate(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mut random = Zeroizing::new([0; 32]);
    rand::fill(random.as_mut()).map_err(|_| io::Error::other("the system has no randomness"))?;
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(&random));
    let text = Zeroizing::new(format!(
        "# Secrets of Claviger's development mode. Whoever has them and {DATABASE} can read what is in it.\n{}\n",
        *secret
    ));
    // A file without a secret would stop the next start.
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .inspect_err(|_| drop(fs::remove_file(path)))?;
    Ok(text)
}
