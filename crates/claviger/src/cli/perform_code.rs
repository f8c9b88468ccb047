//! `token user` and `perform authorization-code`: the authorization code grant with this program as the client.
//!
//! Implements RFC 6749 §4.1, RFC 7636 (S256, always), RFC 8252 §7.3 (loopback redirection), RFC 9207 §2.4 and the
//! nonce check of OpenID Connect Core §3.1.3.7. Attacks: a callback of somebody else's flow (`state`, used once),
//! a mixed-up server (`iss`), a stolen code (PKCE), tokens left in caches or logs of a browser (`no-store`, and the
//! page loads nothing).

use std::io;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use http::Method;
use serde_json::Value;
use tokio::net::TcpListener;

use super::api::{Api, Call};
use super::callback::{self, Callback};
use super::failure::Failure;
use super::oauth2::{self, Credentials, Tokens};
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
        self.flow
            .run(&api, &endpoints, credentials, terminal, &presentation)
            .await
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

/// Where the flow goes.
pub(super) struct Endpoints {
    authorize: url::Url,
    pub(super) token: String,
}

/// What one authorization request is remembered by.
struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
}

impl FlowFlags {
    /// The client; one without a secret is a public client.
    pub(super) fn credentials(&self, terminal: &Terminal) -> Result<Credentials, Failure> {
        let missing = "This needs an OAuth 2.0 client. Pass --client-id, or set OAUTH2_CLIENT_ID";
        let id = self.client.id(terminal).ok_or_else(|| Failure::input(missing))?;
        Ok(Credentials {
            id,
            secret: self.client.secret(terminal),
        })
    }

    /// The two endpoints, each from its own flag or below the server's address.
    pub(super) fn endpoints(&self, base: impl Fn() -> Result<String, Failure>) -> Result<Endpoints, Failure> {
        let below = |flag: &Option<String>, path: &str| match flag {
            Some(url) => Ok(url.clone()),
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
        api: &Api,
        endpoints: &Endpoints,
        credentials: Credentials,
        terminal: &mut Terminal,
        presentation: &Presentation<'_>,
    ) -> Result<(), Failure> {
        if self.https {
            return Err(Failure::input(
                "--https is not supported: the local listener speaks plain HTTP on loopback, which RFC 8252 §8.3 \
                 allows. Leave the flag out and register an http://127.0.0.1 redirect URI",
            ));
        }
        let listener = self.listen(terminal).await?;
        let port = listener
            .local_addr()
            .map_err(|error| Failure::file("the listener's address", &error))?
            .port();
        let redirect = self
            .redirect
            .clone()
            .unwrap_or_else(|| format!("http://127.0.0.1:{port}/callback"));
        let home = format!("http://127.0.0.1:{port}/");
        announce(terminal, presentation, &home)?;
        let flow = Flow {
            flags: self,
            api,
            endpoints,
            credentials,
            redirect,
            newer: presentation.newer(),
        };
        let issuer = flow.issuer().await;
        loop {
            let attempt = Attempt::new(presentation.newer().and_then(|newer| newer.state.as_deref()))?;
            let start = flow.authorization_request(&attempt);
            let waiting = callback::wait(&listener, start.as_str());
            if !self.no_open {
                let skip = presentation.newer().is_some_and(|newer| newer.skip);
                terminal.open_browser(&if skip {
                    format!("{home}perform-flow")
                } else {
                    home.clone()
                });
            }
            let callback = waiting.await.map_err(|error| Failure::file("the callback", &error))?;
            let outcome = flow.finish(&callback, &attempt, issuer.as_ref()).await;
            callback.answer(&outcome).await;
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

/// The server's own statements about itself (RFC 8414 §2), as far as the flow needs them.
struct Issuer {
    id: String,
    /// RFC 9207 §3: whether `iss` must be in the answer.
    announces_itself: bool,
}

struct Flow<'a> {
    flags: &'a FlowFlags,
    api: &'a Api,
    endpoints: &'a Endpoints,
    credentials: Credentials,
    redirect: String,
    newer: Option<&'a NewerFlowFlags>,
}

impl Flow<'_> {
    fn authorization_request(&self, attempt: &Attempt) -> url::Url {
        let mut url = self.endpoints.authorize.clone();
        let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, attempt.verifier.as_bytes());
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", &self.credentials.id);
        query.append_pair("response_type", "code");
        query.append_pair("redirect_uri", &self.redirect);
        query.append_pair("scope", &self.flags.scope.join(" "));
        query.append_pair("state", &attempt.state);
        query.append_pair("nonce", &attempt.nonce);
        query.append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(challenge));
        query.append_pair("code_challenge_method", "S256");
        if !self.flags.audience.is_empty() {
            query.append_pair("audience", &self.flags.audience.join(" "));
        }
        if !self.flags.prompt.is_empty() {
            query.append_pair("prompt", &self.flags.prompt.join(" "));
        }
        // The newer command's way to say "any age" is -1.
        if let Some(max_age) = self.flags.max_age.filter(|seconds| *seconds >= 0) {
            query.append_pair("max_age", &max_age.to_string());
        }
        if let Some(mode) = self.newer.and_then(|newer| newer.response_mode.as_deref()) {
            query.append_pair("response_mode", mode);
        }
        drop(query);
        url
    }

    /// Asked from the server that the code will be given to. Servers without discovery are served as well.
    async fn issuer(&self) -> Option<Issuer> {
        let base = self.endpoints.token.strip_suffix("/oauth2/token")?;
        let call = Call::new(Method::GET, format!("{base}/.well-known/openid-configuration"));
        let metadata = self.api.send(call).await.ok()?.json().ok()?;
        let announces_itself = metadata.get("authorization_response_iss_parameter_supported");
        Some(Issuer {
            id: metadata.get("issuer")?.as_str()?.to_owned(),
            announces_itself: announces_itself == Some(&Value::Bool(true)),
        })
    }

    async fn finish(&self, callback: &Callback, attempt: &Attempt, issuer: Option<&Issuer>) -> Result<Tokens, Failure> {
        let code = check(callback, attempt, issuer)?;
        let form = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", self.redirect.clone()),
            ("code_verifier", attempt.verifier.clone()),
        ];
        let tokens = oauth2::token(self.api, &self.endpoints.token, &self.credentials, form).await?;
        check_nonce(&tokens, attempt)?;
        Ok(tokens)
    }
}

/// The code, if the callback answers this attempt and comes from this server.
fn check<'c>(callback: &'c Callback, attempt: &Attempt, issuer: Option<&Issuer>) -> Result<&'c str, Failure> {
    let state = callback.parameter("state").unwrap_or_default();
    if aws_lc_rs::constant_time::verify_slices_are_equal(state.as_bytes(), attempt.state.as_bytes()).is_err() {
        return Err(Failure::input(
            "The callback's state is not the one that was sent, so it belongs to another flow. Nothing was done.\n\
             Start again from the first page, in one browser tab",
        ));
    }
    match (issuer, callback.parameter("iss")) {
        (Some(issuer), Some(iss)) if iss != issuer.id => {
            return Err(Failure::input(format!(
                "The callback comes from the issuer {iss:?}, but the token endpoint belongs to {:?} (RFC 9207 §2.4).\n\
                 Nothing was done. Check --auth-url and --token-url",
                issuer.id
            )));
        }
        (Some(issuer), None) if issuer.announces_itself => {
            return Err(Failure::input(
                "The callback names no issuer, although this server always does (RFC 9207 §2.4). Nothing was done",
            ));
        }
        _ => {}
    }
    if let Some(error) = callback.parameter("error") {
        let description = callback.parameter("error_description").unwrap_or_default();
        let separator = if description.is_empty() { "" } else { ": " };
        return Err(Failure::input(format!(
            "No tokens were given. Got error: {error}{separator}{description}"
        )));
    }
    callback
        .parameter("code")
        .ok_or_else(|| Failure::input("The callback carries neither a code nor an error"))
}

/// The ID token comes straight from the token endpoint, so its signature need not be checked here (OpenID Connect
/// Core §3.1.3.7, item 6), but its nonce must be ours (item 11).
fn check_nonce(tokens: &Tokens, attempt: &Attempt) -> Result<(), Failure> {
    let Some(id_token) = &tokens.id_token else {
        return Ok(());
    };
    let claims = id_token
        .split('.')
        .nth(1)
        .and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    if claims.as_ref().and_then(|claims| claims.get("nonce")?.as_str()) == Some(&attempt.nonce) {
        return Ok(());
    }
    Err(Failure::input(
        "The ID token does not carry the nonce that was sent, so it may be replayed. It was discarded",
    ))
}

impl Attempt {
    fn new(state: Option<&str>) -> Result<Self, Failure> {
        let mut verifier = [0; 32];
        fill(&mut verifier)?;
        let state = state.map_or_else(letters, |state| Ok(state.to_owned()))?;
        Ok(Self {
            state,
            nonce: letters()?,
            verifier: URL_SAFE_NO_PAD.encode(verifier),
        })
    }
}

/// 24 random letters.
fn letters() -> Result<String, Failure> {
    // 234 is the largest multiple of 26 in a byte: what lies above would make early letters likelier.
    let mut text = String::new();
    while text.len() < 24 {
        let mut bytes = [0; 32];
        fill(&mut bytes)?;
        text.extend(
            bytes
                .iter()
                .filter(|byte| **byte < 234)
                .map(|byte| char::from(b'a' + byte % 26)),
        );
    }
    text.truncate(24);
    Ok(text)
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| Failure::input("The operating system gave no randomness"))
}

#[cfg(test)]
mod tests;
