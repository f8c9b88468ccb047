//! Puts the settings together and refuses what cannot work or would not be safe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::error::{ConfigError, Source};
use super::keys::Standing;
use super::listener::Listener;
use super::settings::Settings;
use super::values::Values;
use super::{dev, env, file};

/// Where settings come from, weakest first.
#[derive(Clone, Default)]
pub struct Sources {
    /// Configuration files; the later ones win.
    pub files: Vec<PathBuf>,
    /// Flags that were given. One that was not given says nothing.
    pub flags: Vec<Flag>,
    /// The environment, see [`env::process_env`].
    pub env: Vec<(String, String)>,
    /// A database given as argument of the command.
    pub forced_dsn: Option<String>,
    /// What the settings are for.
    pub purpose: Purpose,
    /// Where development mode keeps its files; empty for the current directory.
    pub directory: PathBuf,
}

/// A command line flag that equals a setting.
#[derive(Clone)]
pub struct Flag {
    /// The path of the setting.
    pub path: &'static str,
    /// The flag with its dashes, for messages.
    pub name: &'static str,
    /// What was given.
    pub value: Value,
}

impl Flag {
    /// A flag without a value: `--dev`.
    #[must_use]
    pub fn on(path: &'static str, name: &'static str) -> Self {
        Self {
            path,
            name,
            value: Value::Bool(true),
        }
    }
}

/// What settings are for, which decides what must be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To be looked at: nothing must be there.
    #[default]
    Show,
    /// For a command that needs the database only.
    Database,
    /// To serve these ports.
    Serve {
        /// The public one.
        public: bool,
        /// The admin one.
        admin: bool,
    },
}

/// Loads the settings.
///
/// # Errors
/// If a source cannot be read, a setting is unknown or does not parse, or something needed is missing.
pub fn load(sources: Sources) -> Result<Settings, ConfigError> {
    let purpose = sources.purpose;
    let mut settings = judge(&Arc::new(collect(sources)?), purpose)?;
    if matches!(purpose, Purpose::Serve { .. }) {
        settings.read_authorities()?;
    }
    Ok(settings)
}

/// The files whose content the settings come from.
#[must_use]
pub fn watched(sources: &Sources) -> Vec<PathBuf> {
    let mut files = sources.files.clone();
    files.extend(env::files(&sources.env));
    files
}

/// What a changed configuration comes to while the server runs.
pub struct Reloaded {
    /// The settings with every change that takes effect without a restart.
    pub settings: Settings,
    /// The paths of the changes in them.
    pub applied: Vec<&'static str>,
    /// The paths of the changes that take effect at the next start.
    pub held: Vec<&'static str>,
}

/// Loads the settings again. What is read must be fit for a start as a whole; then what can change without one does.
///
/// # Errors
/// As [`load`], and if what is in use could not be read any more afterwards.
pub fn reload(sources: Sources, running: &Settings) -> Result<Reloaded, ConfigError> {
    let purpose = sources.purpose;
    let mut values = collect(sources)?;
    let wanted = judge(&Arc::new(values.clone()), purpose)?;
    check_rotation(&wanted, running, &values)?;
    let held = values.hold(running.values());
    let applied = values.changed_since(running.values());
    let mut settings = judge(&Arc::new(values), purpose)?;
    settings.keep_authorities(running);
    Ok(Reloaded {
        settings,
        applied,
        held,
    })
}

/// A start finds out whether the secrets are those of the database; this is the same caution while one runs.
fn check_rotation(wanted: &Settings, running: &Settings, values: &Values) -> Result<(), ConfigError> {
    let Some(used) = running.system_secrets.first() else {
        return Ok(());
    };
    let mut listed = wanted.system_secrets.iter();
    if listed.any(|secret| secret.expose() == used.expose()) {
        return Ok(());
    }
    let reason = "does not list the secret in use any more, without which nothing that is stored can be read; keep it behind the new one";
    Err(values.invalid("secrets.system", reason))
}

/// Lays the sources over each other and completes what follows from them.
fn collect(sources: Sources) -> Result<Values, ConfigError> {
    let mut values = Values::defaults();
    for path in sources.files {
        let (tree, lines) = file::read(&path)?;
        values.set_file(tree, &lines, &Source::File(path, None))?;
    }
    for flag in sources.flags {
        values.set_path(flag.path, flag.value, Source::Flag(flag.name))?;
    }
    env::apply(sources.env, &mut values)?;
    if let Some(dsn) = sources.forced_dsn {
        values.set_path("dsn", Value::from(dsn), Source::Argument)?;
    }
    let is_served = matches!(sources.purpose, Purpose::Serve { .. });
    if values.get("dev")? {
        dev::complete(&mut values, Path::new(&sources.directory), is_served)?;
    }
    complete_issuer(&mut values, is_served)?;
    Ok(values)
}

/// Refuses what cannot serve `purpose`.
fn judge(values: &Arc<Values>, purpose: Purpose) -> Result<Settings, ConfigError> {
    let settings = Settings::from_values(values)?;
    if purpose != Purpose::Show {
        settings.dsn()?;
    }
    if let Purpose::Serve { admin, .. } = purpose {
        check_withheld(values)?;
        check_secrets(&settings)?;
        check_issuer(&settings, values)?;
        check_pairwise(values)?;
        if admin {
            check_admin(&settings, values)?;
        }
    }
    Ok(settings)
}

/// Without an issuer, the address of the public listener is one.
fn complete_issuer(values: &mut Values, is_served: bool) -> Result<(), ConfigError> {
    if values.is_set("urls.self.issuer") {
        return Ok(());
    }
    let is_plain = values.get("dev")? || values.get("dangerous-force-http")?;
    let public = Listener::from_values(values, "public")?;
    let scheme = if is_plain { public.scheme() } else { "https" };
    let authority = match public.authority() {
        Some(authority) => authority,
        None if is_served => {
            let reason =
                "the public port is a socket, so the issuer cannot be known: set urls.self.issuer (URLS_SELF_ISSUER)";
            return Err(ConfigError::Refused(reason.into()));
        }
        None => format!("127.0.0.1:{}", public.port),
    };
    values.set_path(
        "urls.self.issuer",
        format!("{scheme}://{authority}/").into(),
        Source::Default,
    )
}

/// To ignore these would leave the operator less protected than the configuration says.
fn check_withheld(values: &Values) -> Result<(), ConfigError> {
    let Some((key, _)) = values.changed(Standing::Withheld).next() else {
        return Ok(());
    };
    let reason = format!(
        "cannot be granted: {}; remove this setting to start without it",
        key.reason
    );
    Err(values.invalid(key.path, reason))
}

fn check_secrets(settings: &Settings) -> Result<(), ConfigError> {
    if settings.system_secrets.is_empty() {
        return Err(ConfigError::Refused(
            "no system secret is configured: set secrets.system (environment variable SECRETS_SYSTEM) to at least 16 random characters and keep it, for example the output of: openssl rand -hex 16".into(),
        ));
    }
    Ok(())
}

/// "The issuer is a URL that uses the https scheme and has no query or fragment components" (RFC 8414 §2).
fn check_issuer(settings: &Settings, values: &Values) -> Result<(), ConfigError> {
    let issuer = &settings.urls.issuer;
    if issuer.contains(['?', '#']) {
        return Err(values.invalid("urls.self.issuer", "must have no query and no fragment"));
    }
    if !issuer.starts_with("https:") && !settings.dev && !settings.force_http {
        let reason = "must use https, or start with --dev or --dangerous-force-http where nobody can listen in";
        return Err(values.invalid("urls.self.issuer", reason));
    }
    if !settings.insecure_redirect_urls.is_empty() && !settings.force_http {
        let reason = "is only allowed together with --dangerous-force-http";
        return Err(values.invalid("dangerous-allow-insecure-redirect-urls", reason));
    }
    Ok(())
}

fn check_pairwise(values: &Values) -> Result<(), ConfigError> {
    let types: Vec<String> = values.get("oidc.subject_identifiers.supported_types")?;
    let salt: Option<super::secret::Secret> = values.get("oidc.subject_identifiers.pairwise.salt")?;
    let length = salt.map_or(0, |salt| salt.expose().len());
    if types.iter().any(|kind| kind == "pairwise") && length < 8 {
        let reason = "lists pairwise, which needs oidc.subject_identifiers.pairwise.salt with at least 8 characters";
        return Err(values.invalid("oidc.subject_identifiers.supported_types", reason));
    }
    Ok(())
}

fn check_admin(settings: &Settings, values: &Values) -> Result<(), ConfigError> {
    match settings.open_admin(&settings.admin) {
        Some(reason) => Err(values.invalid("serve.admin.host", reason)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn every_setting_that_works_is_asked_for() {
        let env = [
            ("DSN", "memory"),
            ("SECRETS_SYSTEM", "this_needs_to_be_the_same_always"),
            ("SERVE_ADMIN_HOST", "0.0.0.0"),
            ("SERVE_ADMIN_ALLOW_UNAUTHENTICATED", "true"),
            ("TRACING_PROVIDER", "otel"),
            ("TRACING_PROVIDERS_OTLP_SERVER_URL", "127.0.0.1:4318"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let purpose = Purpose::Serve {
            public: true,
            admin: true,
        };
        let values = Arc::new(
            collect(Sources {
                env,
                purpose,
                ..Sources::default()
            })
            .unwrap(),
        );
        judge(&values, purpose).unwrap().read_authorities().unwrap();
        let asked = values.asked.lock().unwrap();
        let works = keys::all().filter(|key| key.standing == Standing::Works);
        let unused: Vec<_> = works
            .filter(|key| !asked.contains(key.path))
            .map(|key| key.path)
            .collect();
        assert_eq!(unused, Vec::<&str>::new());
    }
}
