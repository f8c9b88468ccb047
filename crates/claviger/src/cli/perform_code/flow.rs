//! One authorization code flow: the request, the checks of what comes back, and the token request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{FlowFlags, NewerFlowFlags, OAuth2Client};
use crate::cli::api::Call;
use crate::cli::callback::{self, Callback};
use crate::cli::failure::Failure;
use crate::cli::oauth2::{self, Tokens};

/// What one authorization request is remembered by.
struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
}

/// The server's own statements about itself (RFC 8414 §2), as far as the flow needs them.
pub(super) struct Issuer {
    id: String,
    /// RFC 9207 §3: whether `iss` must be in the answer.
    announces_itself: bool,
}

/// The flow of one client.
pub(super) struct Flow<'a> {
    pub(super) flags: &'a FlowFlags,
    pub(super) newer: Option<&'a NewerFlowFlags>,
    pub(super) client: OAuth2Client,
    pub(super) redirect: String,
}

impl Flow<'_> {
    /// Waits for a callback, redeems its code, and shows the outcome in the browser.
    pub(super) async fn once(&self, listener: &TcpListener, issuer: Option<&Issuer>) -> Result<Tokens, Failure> {
        let attempt = Attempt::new(self.newer.and_then(|newer| newer.state.as_deref()))?;
        let start = self.authorization_request(&attempt);
        let callback = callback::wait(listener, start.as_str()).await;
        let callback = callback.map_err(|error| Failure::file("the callback", &error))?;
        let outcome = self.finish(&callback, &attempt, issuer).await;
        callback.answer(&outcome).await;
        outcome
    }

    fn authorization_request(&self, attempt: &Attempt) -> url::Url {
        let mut url = self.client.endpoints.authorize.clone();
        let challenge = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, attempt.verifier.as_bytes());
        let mut query = url.query_pairs_mut();
        query.append_pair("client_id", &self.client.credentials.id);
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
    pub(super) async fn issuer(&self) -> Option<Issuer> {
        let base = self.client.endpoints.token.strip_suffix("/oauth2/token")?;
        let call = Call::new(Method::GET, format!("{base}/.well-known/openid-configuration"));
        let metadata = self.client.api.send(call).await.ok()?.json().ok()?;
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
        let tokens = oauth2::token(
            &self.client.api,
            &self.client.endpoints.token,
            &self.client.credentials,
            form,
        )
        .await?;
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
