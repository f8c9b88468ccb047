//! `token user` and `perform authorization-code`: the authorization code grant with this program as the client.
//!
//! Implements RFC 6749 §4.1, RFC 7636 (S256, always), RFC 8252 §7.3 (loopback redirection), RFC 9207 §2.4 and the
//! nonce check of OpenID Connect Core §3.1.3.7. Attacks: a callback of somebody else's flow (`state`, used once),
//! a mixed-up server (`iss`), a stolen code (PKCE), tokens left in caches or logs of a browser (`no-store`, and the
//! page loads nothing).

mod flow;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;

use clap::Args;
use tokio::net::TcpListener;

use self::flow::Flow;
use super::api::Api;
use super::failure::Failure;
use super::oauth2::{Credentials, Tokens};
use super::remote::{ClientFlags, Remote};
use super::terminal::Terminal;
use super::tokens::token_report;

/// Flags of the flow that both command trees share.
#[derive(Args, Debug)]
pub(crate) struct FlowFlags {
    #[command(flatten)]
    client: ClientFlags,

    /// Do not open a browser; the address is printed anyway
    #[arg(long)]
    no_open: bool,

    /// Port of the local listener; 0 takes a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 4446)]
    port: u16,

    /// Address of the local listener. In a container whose port is published, use 0.0.0.0
    /// [env: CLAVIGER_CALLBACK_HOST]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,

    /// Scopes to ask for, separated by commas
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "offline,openid")]
    scope: Vec<String>,

    /// What to ask the person again: login, consent, or none at all
    #[arg(long, value_name = "PROMPT", value_delimiter = ',')]
    prompt: Vec<String>,

    /// Seconds a login may be old; without it any age will do
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<i64>,

    /// Keep listening after the callback
    #[arg(long)]
    no_shutdown: bool,

    /// Redirect URI registered for the client; without it http://127.0.0.1:PORT/callback
    #[arg(long, value_name = "URI")]
    redirect: Option<String>,

    /// Audiences to ask for, separated by commas
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,

    /// URL of the authorization endpoint, if it is not ENDPOINT/oauth2/auth
    #[arg(long, value_name = "URL")]
    auth_url: Option<String>,

    /// URL of the token endpoint, if it is not ENDPOINT/oauth2/token
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,

    /// Not supported: the local listener speaks plain HTTP, as RFC 8252 §8.3 allows on loopback
    #[arg(long, hide = true)]
    https: bool,
}

/// Flags of `perform authorization-code` alone.
#[derive(Args, Debug, Default)]
pub(crate) struct NewerFlowFlags {
    /// Value of `state`; without it a random one
    #[arg(long, value_name = "STATE")]
    state: Option<String>,

    /// Go to the server at once, without the page that explains
    #[arg(long)]
    skip: bool,

    /// How the answer comes back: query or form_post
    #[arg(long, value_name = "MODE")]
    response_mode: Option<String>,
}

/// `perform authorization-code`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example, for a client with the redirect URI http://127.0.0.1:4446/callback:
  claviger perform authorization-code -e http://127.0.0.1:4444 \\
      --client-id my-app --client-secret … --format json-pretty"
)]
pub(crate) struct PerformAuthorizationCode {
    #[command(flatten)]
    flow: FlowFlags,

    #[command(flatten)]
    newer: NewerFlowFlags,
}

impl PerformAuthorizationCode {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let credentials = self.flow.credentials(terminal)?;
        let endpoints = self.flow.endpoints(|| remote.endpoint(terminal))?;
        let api = remote.endpoints(&endpoints.token)?;
        let presentation = Presentation::Report {
            remote,
            newer: &self.newer,
        };
        let client = OAuth2Client {
            api,
            endpoints,
            credentials,
        };
        self.flow.run(client, terminal, &presentation).await
    }
}

/// How progress and tokens are shown.
pub(super) enum Presentation<'a> {
    /// All on standard output, as blocks of text.
    Blocks,
    /// Progress on standard error, and only the tokens on standard output.
    Report {
        remote: &'a Remote,
        newer: &'a NewerFlowFlags,
    },
}

impl Presentation<'_> {
    fn progress(&self, terminal: &mut Terminal, line: &str) -> Result<(), Failure> {
        match self {
            Self::Blocks => terminal.print(&format!("{line}\n")),
            Self::Report { .. } => {
                terminal.explain(line);
                Ok(())
            }
        }
    }

    fn tokens(&self, terminal: &mut Terminal, tokens: &Tokens) -> Result<(), Failure> {
        match self {
            Self::Blocks => terminal.print(&blocks(tokens)),
            Self::Report { remote, .. } => remote.print(terminal, &token_report(tokens, true)),
        }
    }

    fn newer(&self) -> Option<&NewerFlowFlags> {
        match self {
            Self::Blocks => None,
            Self::Report { newer, .. } => Some(newer),
        }
    }
}

fn blocks(tokens: &Tokens) -> String {
    let labels = [
        ("Access Token", Some(tokens.access_token.clone())),
        ("Refresh Token", Some(tokens.refresh_token.clone().unwrap_or_default())),
        (
            "Expires in",
            tokens
                .expires_at
                .map(|time| time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()),
        ),
        ("ID Token", Some(tokens.id_token.clone().unwrap_or_default())),
    ];
    let block = |(label, value): (&str, Option<String>)| format!("{label}:\n\t{}\n", value.unwrap_or_default());
    format!("{}\n", labels.into_iter().map(block).collect::<String>())
}

/// This program as an OAuth 2.0 client of one server.
pub(super) struct OAuth2Client {
    pub(super) api: Api,
    pub(super) endpoints: Endpoints,
    pub(super) credentials: Credentials,
}

/// Where the flow goes.
pub(super) struct Endpoints {
    authorize: url::Url,
    pub(super) token: String,
}

impl FlowFlags {
    /// The client; one without a secret is a public client.
    pub(super) fn credentials(&self, terminal: &Terminal) -> Result<Credentials, Failure> {
        let missing = "This needs an OAuth 2.0 client. Pass --client-id, or set OAUTH2_CLIENT_ID";
        let id = self.client.id(terminal).ok_or_else(|| Failure::input(missing))?;
        Ok(Credentials {
            id,
            secret: self.client.secret(terminal)?,
        })
    }

    /// The two endpoints, each from its own flag or below the server's address.
    pub(super) fn endpoints(&self, base: impl Fn() -> Result<String, Failure>) -> Result<Endpoints, Failure> {
        let below = |flag: &Option<String>, path: &str| match flag {
            Some(url) => Ok::<_, Failure>(url.clone()),
            None => Ok(format!("{}{path}", base()?.trim_end_matches('/'))),
        };
        let authorize = below(&self.auth_url, "/oauth2/auth")?;
        let parsed = url::Url::parse(&authorize).map_err(|error| error.to_string());
        let authorize = parsed.map_err(|reason| Failure::BadAddress {
            given: authorize,
            reason,
        })?;
        Ok(Endpoints {
            authorize,
            token: below(&self.token_url, "/oauth2/token")?,
        })
    }

    /// Runs the whole flow and shows its tokens.
    pub(super) async fn run(
        &self,
        client: OAuth2Client,
        terminal: &mut Terminal,
        presentation: &Presentation<'_>,
    ) -> Result<(), Failure> {
        self.refuse_https()?;
        let listener = self.listen(terminal).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::file("the listener's address", &error))?;
        let home = format!("http://127.0.0.1:{}/", address.port());
        announce(terminal, presentation, &home)?;
        let newer = presentation.newer();
        let redirect = self.redirect.clone().unwrap_or_else(|| format!("{home}callback"));
        let flow = Flow {
            flags: self,
            newer,
            client,
            redirect,
        };
        if !self.no_open {
            // A page that is asked for before it is served waits in the listener's queue.
            let skip = newer.is_some_and(|newer| newer.skip);
            terminal.open_browser(&if skip { format!("{home}perform-flow") } else { home });
        }
        let issuer = flow.issuer().await;
        loop {
            let outcome = flow.once(&listener, issuer.as_ref()).await;
            match outcome {
                Ok(tokens) => presentation.tokens(terminal, &tokens)?,
                Err(failure) if self.no_shutdown => terminal.explain(&failure.to_string()),
                Err(failure) => return Err(failure),
            }
            if !self.no_shutdown {
                return Ok(());
            }
        }
    }

    fn refuse_https(&self) -> Result<(), Failure> {
        if !self.https {
            return Ok(());
        }
        Err(Failure::input(
            "--https is not supported: the local listener speaks plain HTTP on loopback, which RFC 8252 §8.3 allows.\n\
             Leave the flag out and register an http://127.0.0.1 redirect URI",
        ))
    }

    async fn listen(&self, terminal: &Terminal) -> Result<TcpListener, Failure> {
        let variable = terminal.variable("CLAVIGER_CALLBACK_HOST").map(|host| host.parse());
        let host = match (self.host, variable) {
            (Some(host), _) | (None, Some(Ok(host))) => host,
            (None, None) => IpAddr::from([127, 0, 0, 1]),
            (None, Some(Err(_))) => return Err(Failure::input("CLAVIGER_CALLBACK_HOST is not an IP address")),
        };
        TcpListener::bind((host, self.port)).await.map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => "Another program uses the port: end it, or choose another with --port",
                io::ErrorKind::PermissionDenied => "Choose a port above 1023 with --port",
                _ => "Choose another with --port or --host",
            };
            Failure::input(format!(
                "Cannot listen on {host}:{} for the callback: {error}.\n{advice}",
                self.port
            ))
        })
    }
}

fn announce(terminal: &mut Terminal, presentation: &Presentation<'_>, home: &str) -> Result<(), Failure> {
    presentation.progress(terminal, &format!("Setting up home route on {home}"))?;
    presentation.progress(terminal, &format!("Setting up callback listener on {home}callback"))?;
    presentation.progress(terminal, "Press Ctrl + C to give up.")?;
    presentation.progress(terminal, &format!("If no browser opens, go to:\n\n\t{home}\n"))
}
