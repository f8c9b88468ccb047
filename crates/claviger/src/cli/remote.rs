//! The flags that say which server to talk to and how, for both command trees.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::api::{Api, Options};
use super::failure::Failure;
use super::go_duration;
use super::output::{Format, Report};
use super::secret::Secret;
use super::terminal::Terminal;

/// Of the older commands, the first that is set.
const ADMIN_VARIABLES: &[&str] = &["HYDRA_ADMIN_URL", "CLAVIGER_ADMIN_URL", "HYDRA_URL", "CLAVIGER_URL"];
pub(super) const PUBLIC_VARIABLES: &[&str] = &["HYDRA_URL", "CLAVIGER_URL"];
/// Of the newer commands.
const NEWER_ADMIN_VARIABLES: &[&str] = &["ORY_SDK_URL", "CLAVIGER_ADMIN_URL", "HYDRA_ADMIN_URL"];
const NEWER_PUBLIC_VARIABLES: &[&str] = &["ORY_SDK_URL", "CLAVIGER_URL", "HYDRA_URL"];
const ADMIN_EXAMPLE: &str = "http://127.0.0.1:4445";
const PUBLIC_EXAMPLE: &str = "http://127.0.0.1:4444";

/// Connection flags of `clients`, `keys` and `token`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// Do not check the server's TLS certificate. For tests only
    #[arg(long, global = true, help_heading = "Connection")]
    skip_tls_verify: bool,

    /// PEM file of certificate authorities to trust besides the public ones
    #[arg(long, global = true, help_heading = "Connection", value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Send `X-Forwarded-Proto: https`, as a proxy that ends TLS would
    #[arg(long, global = true, help_heading = "Connection")]
    fake_tls_termination: bool,

    /// Give up on a request after this time
    #[arg(long, global = true, help_heading = "Connection", value_name = "DURATION", default_value = "1m", value_parser = go_duration::parse)]
    fail_after: Duration,
}

/// The admin API's address of `clients`, `keys`, `token introspect|flush|delete`.
#[derive(Args, Clone, Debug)]
pub(crate) struct AdminAddress {
    /// URL of the admin API, for example http://127.0.0.1:4445 [env: HYDRA_ADMIN_URL, CLAVIGER_ADMIN_URL, HYDRA_URL]
    #[arg(long, global = true, help_heading = "Connection", value_name = "URL")]
    endpoint: Option<String>,

    /// Token sent as `Authorization: Bearer` [env: OAUTH2_ACCESS_TOKEN, or OAUTH2_ACCESS_TOKEN_FILE for a file]
    #[arg(long, global = true, help_heading = "Connection", value_name = "TOKEN")]
    access_token: Option<Secret>,
}

impl Connection {
    /// A client of the admin API.
    pub(super) fn admin(&self, address: &AdminAddress, terminal: &Terminal) -> Result<Api, Failure> {
        let missing = Failure::NoEndpoint {
            variables: "HYDRA_ADMIN_URL or CLAVIGER_ADMIN_URL",
            example: ADMIN_EXAMPLE,
        };
        let endpoint = terminal
            .flag_or(address.endpoint.as_deref(), ADMIN_VARIABLES)
            .ok_or(missing)?;
        let token = terminal.secret_or(address.access_token.as_ref(), "OAUTH2_ACCESS_TOKEN")?;
        Api::new(&endpoint, self.options(token)?)
    }

    /// A client of the OAuth 2.0 endpoints.
    pub(super) fn public(&self, endpoint: Option<&str>, terminal: &Terminal) -> Result<Api, Failure> {
        let missing = Failure::NoEndpoint {
            variables: "HYDRA_URL or CLAVIGER_URL",
            example: PUBLIC_EXAMPLE,
        };
        let endpoint = terminal.flag_or(endpoint, PUBLIC_VARIABLES).ok_or(missing)?;
        Api::new(&endpoint, self.options(None)?)
    }

    /// A client of OAuth 2.0 endpoints whose URLs may be given one by one.
    pub(super) fn endpoints(&self, explicit: &str) -> Result<Api, Failure> {
        Api::new(explicit, self.options(None)?)
    }

    fn options(&self, token: Option<Secret>) -> Result<Options, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, bearer(&token)?);
        }
        if self.fake_tls_termination {
            headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        }
        Ok(Options {
            skip_tls_verify: self.skip_tls_verify,
            tls_ca: self.tls_ca.clone(),
            headers,
            timeout: self.fail_after,
            timeout_advice: ", or allow more time with --fail-after",
        })
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, Failure> {
    let unusable = |_| Failure::input("The access token has characters that no HTTP header can carry");
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(unusable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Flags that every newer command shares.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remote {
    /// URL of the server: of the admin API, or for `perform` and `revoke` of the public one [env: ORY_SDK_URL; CLAVIGER_ADMIN_URL or HYDRA_ADMIN_URL, for the public one CLAVIGER_URL or HYDRA_URL]
    #[arg(short, long, global = true, help_heading = "Connection", value_name = "URL")]
    endpoint: Option<String>,

    /// Do not check the server's TLS certificate. For tests only
    #[arg(long, global = true, help_heading = "Connection")]
    skip_tls_verify: bool,

    /// PEM file of certificate authorities to trust besides the public ones
    #[arg(long, global = true, help_heading = "Connection", value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Header to send, as 'Name: value'; may be repeated
    #[arg(short = 'H', long, global = true, help_heading = "Connection", value_name = "HEADER")]
    http_header: Vec<Secret>,

    /// Print nothing but ids
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,

    /// How to print: table, json, json-pretty, yaml, jsonpath=PATH or jsonpointer=POINTER
    #[arg(
        long,
        global = true,
        help_heading = "Output",
        value_name = "FORMAT",
        default_value = "table"
    )]
    format: Format,
}

impl Remote {
    /// A client of the admin API; its prefix is the caller's to add, see [`admin_path`].
    /// A key of the admin port in the environment goes along, unless a header was given.
    pub(super) fn api(&self, terminal: &Terminal) -> Result<Api, Failure> {
        let mut headers = self.headers()?;
        if !headers.contains_key(AUTHORIZATION)
            && let Some(key) = terminal.secret_or(None, "CLAVIGER_API_KEY")?
        {
            headers.insert(AUTHORIZATION, bearer(&key)?);
        }
        let missing = Failure::NoEndpoint {
            variables: "ORY_SDK_URL or CLAVIGER_ADMIN_URL",
            example: ADMIN_EXAMPLE,
        };
        let given = terminal.flag_or(self.endpoint.as_deref(), NEWER_ADMIN_VARIABLES);
        self.client(&given.ok_or(missing)?, headers)
    }

    /// A client of the OAuth 2.0 endpoints.
    pub(super) fn public_api(&self, terminal: &Terminal) -> Result<Api, Failure> {
        self.endpoints(&self.endpoint(terminal)?)
    }

    /// The address of the OAuth 2.0 endpoints.
    pub(super) fn endpoint(&self, terminal: &Terminal) -> Result<String, Failure> {
        let missing = Failure::NoEndpoint {
            variables: "ORY_SDK_URL or CLAVIGER_URL",
            example: PUBLIC_EXAMPLE,
        };
        let given = terminal.flag_or(self.endpoint.as_deref(), NEWER_PUBLIC_VARIABLES);
        given.ok_or(missing)
    }

    /// A client of OAuth 2.0 endpoints whose URLs may be given one by one.
    pub(super) fn endpoints(&self, explicit: &str) -> Result<Api, Failure> {
        self.client(explicit, self.headers()?)
    }

    fn client(&self, explicit: &str, headers: HeaderMap) -> Result<Api, Failure> {
        let timeout = Duration::from_secs(10);
        Api::new(
            explicit,
            Options {
                skip_tls_verify: self.skip_tls_verify,
                tls_ca: self.tls_ca.clone(),
                headers,
                timeout,
                timeout_advice: "",
            },
        )
    }

    fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        for header in &self.http_header {
            // The header may carry a credential, so only its name is repeated to the person.
            let header = header.expose();
            let name = header.split(':').next().unwrap_or_default();
            let unusable = || Failure::BadHeader(name.to_owned());
            let (name, value) = header.split_once(": ").ok_or_else(unusable)?;
            let name = HeaderName::try_from(name.trim()).map_err(|_| unusable())?;
            headers.append(name, HeaderValue::try_from(value.trim()).map_err(|_| unusable())?);
        }
        Ok(headers)
    }

    /// Prints a result in the format asked for.
    pub(super) fn print(&self, terminal: &mut Terminal, report: &Report) -> Result<(), Failure> {
        terminal.print(&report.render(&self.format, self.quiet)?)
    }
}

/// A path of the admin API for a base that is either the server or already its `/admin`.
pub(super) fn admin_path(api: &Api, path: &str) -> String {
    if api.ends_in_admin() {
        path.to_owned()
    } else {
        format!("/admin{path}")
    }
}

/// `--client-id` and `--client-secret` of the commands that act as an OAuth 2.0 client.
#[derive(Args, Clone, Debug)]
pub(crate) struct ClientFlags {
    /// The OAuth 2.0 client's id [env: OAUTH2_CLIENT_ID]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,

    /// The OAuth 2.0 client's secret [env: OAUTH2_CLIENT_SECRET, or OAUTH2_CLIENT_SECRET_FILE for a file]
    #[arg(long, value_name = "SECRET")]
    client_secret: Option<Secret>,
}

impl ClientFlags {
    pub(super) fn id(&self, terminal: &Terminal) -> Option<String> {
        terminal.flag_or(self.client_id.as_deref(), &["OAUTH2_CLIENT_ID"])
    }

    pub(super) fn secret(&self, terminal: &Terminal) -> Result<Option<Secret>, Failure> {
        terminal.secret_or(self.client_secret.as_ref(), "OAUTH2_CLIENT_SECRET")
    }

    /// Whether one of the flags, not the environment, was used.
    pub(super) fn given(&self) -> bool {
        self.client_id.is_some() || self.client_secret.is_some()
    }
}
