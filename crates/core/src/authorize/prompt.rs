//! `prompt` (OpenID Connect Core §3.1.2.1) and the hints about who should be there.

use claviger_jose::{Alg, decode_unverified, verify_jws};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::claims::Claims;
use crate::client::Client;
use crate::fault::{Failure, Fault};
use crate::params::{Params, words};
use crate::world::World;

/// Which pages the client wants to be shown, and which not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// No page at all.
    pub(crate) none: bool,
    /// A login page, whoever is logged in.
    pub(crate) login: bool,
    /// A consent page, whatever was consented before.
    pub(crate) consent: bool,
    /// The registration page instead of the login page.
    pub(crate) create: bool,
}

/// What `prompt` may say, for discovery. `registration` is another word for `create`, from Hydra.
pub(crate) const VALUES: [&str; 5] = ["none", "login", "consent", "select_account", "create"];

impl Prompt {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut prompt = Self::default();
        for word in words(text) {
            match word {
                "none" => prompt.none = true,
                "login" | "select_account" => prompt.login = true,
                "consent" => prompt.consent = true,
                "create" | "registration" => prompt.create = true,
                _ => return Err(Fault::PromptUnknown),
            }
        }
        let others = prompt.login || prompt.consent || prompt.create;
        if prompt.none && others {
            return Err(Fault::PromptUnknown);
        }
        Ok(prompt)
    }
}

/// The claims of an `id_token_hint` that this server signed. Its age does not matter; its key must still be published
/// (D28).
pub(crate) async fn hint(world: &World<'_>, text: &str) -> Result<Map<String, Value>, Failure> {
    let keys = world.keys.verifying(&world.cx).await?;
    let verified = verify_jws(text, &keys, &Alg::ALL).map_err(|_| Fault::HintInvalid)?;
    let claims = verified.claims().map_err(|_| Fault::HintInvalid)?;
    let text_of = |name: &str| claims.get(name).and_then(Value::as_str);
    let is_ours = text_of("iss") == Some(&world.cx.policy.issuer);
    if !is_ours || text_of("sub").is_none_or(str::is_empty) {
        return Err(Fault::HintInvalid.into());
    }
    Ok(claims)
}

/// What the client said about the person and the pages, for the apps that show them.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "oAuth2ConsentRequestOpenIDConnectContext")]
pub struct OidcContext {
    /// `acr_values`, split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr_values: Vec<String>,
    /// `ui_locales`, split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ui_locales: Vec<String>,
    /// `display`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display: String,
    /// The claims of `id_token_hint`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub id_token_hint_claims: Map<String, Value>,
    /// `login_hint`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub login_hint: String,
    /// `claims` (OpenID Connect Core §5.5).
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
}

impl OidcContext {
    /// The context of a request that was judged before: its hint is genuine. What the request does not say about `acr`, the
    /// registration of the client may (`default_acr_values`).
    #[must_use]
    pub fn of(params: &Params, client: &Client) -> Self {
        let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
        let list = |name: &str| -> Vec<String> { words(&text(name)).map(str::to_owned).collect() };
        let claims = Claims::parse(params).unwrap_or_default();
        let mut asked = list("acr_values");
        if asked.is_empty() {
            asked = claims.acr_values().into_iter().map(str::to_owned).collect();
        }
        let hint = params
            .get("id_token_hint")
            .and_then(|hint| decode_unverified(hint).ok()?.claims().ok());
        Self {
            acr_values: if asked.is_empty() {
                client.choices.default_acr_values.clone()
            } else {
                asked
            },
            ui_locales: list("ui_locales"),
            display: text("display"),
            id_token_hint_claims: hint.unwrap_or_default(),
            login_hint: text("login_hint"),
            claims: claims.into_document(),
        }
    }
}

#[cfg(test)]
mod openid_connect_core_3_1_2_1 {
    use super::*;

    #[test]
    fn none_stands_alone() {
        assert!(Prompt::parse("none").is_ok_and(|prompt| prompt.none));
        for refused in ["none login", "consent none", "sometimes", "Login"] {
            assert_eq!(Prompt::parse(refused), Err(Fault::PromptUnknown), "{refused}");
        }
    }

    #[test]
    fn the_others_combine_and_empty_is_fine() {
        let both = Prompt::parse("login  consent").expect("both are known");
        assert!(both.login && both.consent && !both.none);
        assert_eq!(Prompt::parse(""), Ok(Prompt::default()));
    }
}
