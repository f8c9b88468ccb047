//! The token endpoint, grant by grant and method by method: RFC 6749 §5.2 and what builds on it.

use claviger_e2e::Flow;
use claviger_e2e::flow::{REDIRECT_URI, text};
use claviger_e2e::pkce::{CHALLENGE, VERIFIER};
use http::Method;
use serde_json::json;

use crate::stage::{API, DEVICE_CODE, Stage, basic, forged, stages};
use crate::table::{Endpoint, Good, Line, check, line};

pub const BAD_REQUEST: &str = "400 invalid_request";
pub const BAD_GRANT: &str = "400 invalid_grant";
pub const BAD_SCOPE: &str = "400 invalid_scope";
pub const BAD_TARGET: &str = "400 invalid_target";
pub const BAD_CLIENT: &str = "401 invalid_client";
const BAD_BASIC: &str = "401 invalid_client Basic";
const BAD_TYPE: &str = "400 unsupported_grant_type";
/// Parameters that mean nothing here.
const IGNORED: [&str; 3] = ["200"; 3];

pub const GRANT_TYPE: Line = line(
    "grant_type",
    [BAD_REQUEST, BAD_REQUEST, BAD_TYPE],
    &[
        ("password", BAD_TYPE),
        ("implicit", BAD_TYPE),
        ("Authorization_Code", BAD_TYPE),
    ],
);
/// Basic names the client, so that a second name must be the same and a second secret is too much.
pub const CLIENT_ID: Line = line(
    "client_id",
    ["200", "200", BAD_REQUEST],
    &[("other", BAD_REQUEST), ("app", "200")],
);
pub const CLIENT_SECRET: Line = line(
    "client_secret",
    ["200", "200", BAD_REQUEST],
    &[("correct-horse", BAD_REQUEST)],
);
const BASIC: Line = line(
    "Authorization",
    [BAD_REQUEST, BAD_CLIENT, BAD_CLIENT],
    &[
        ("Basic", BAD_REQUEST),
        ("Basic !", BAD_REQUEST),
        ("Basic YXBw", BAD_REQUEST),
        ("Basic Og==", BAD_REQUEST),
        // app:%00 and app:%ff, form-encoded.
        ("Basic YXBwOiUwMA==", BAD_REQUEST),
        ("Basic YXBwOiVmZg==", BAD_REQUEST),
        ("$wrong secret", BAD_BASIC),
        ("$nobody", BAD_BASIC),
        ("$other", BAD_GRANT),
        ("Bearer x", BAD_CLIENT),
        ("Digest username=app", BAD_CLIENT),
    ],
);

pub const fn endpoint(name: &'static str, lines: &'static [Line]) -> Endpoint {
    Endpoint {
        name,
        good: "200",
        unreadable: BAD_REQUEST,
        repeatable: &["audience", "resource"],
        is_single_use: true,
        lines,
    }
}

const CODE: Endpoint = endpoint(
    "authorization_code",
    &[
        GRANT_TYPE,
        CLIENT_ID,
        CLIENT_SECRET,
        BASIC,
        line(
            "code",
            [BAD_REQUEST, BAD_REQUEST, BAD_GRANT],
            &[
                ("$forged", BAD_GRANT),
                ("$of another", BAD_GRANT),
                ("$refresh token", BAD_GRANT),
                ("clv_ac_.", BAD_GRANT),
            ],
        ),
        line(
            "redirect_uri",
            [BAD_GRANT; 3],
            &[
                ("https://app.example/callback", BAD_GRANT),
                ("http://127.0.0.1:9011/callback", BAD_GRANT),
            ],
        ),
        line(
            "code_verifier",
            [BAD_GRANT, BAD_GRANT, "400 invalid_grant used"],
            &[
                (
                    "wrong-0123456789-0123456789-0123456789-0123456789",
                    "400 invalid_grant used",
                ),
                ("short", "400 invalid_grant used"),
                (CHALLENGE, "400 invalid_grant used"),
            ],
        ),
        line(
            "resource",
            ["200", "200", BAD_TARGET],
            &[("api", BAD_TARGET), ("https://other.example", BAD_TARGET)],
        ),
        line("audience", IGNORED, &[]),
        line("scope", IGNORED, &[]),
    ],
);

const REFRESH: Endpoint = endpoint(
    "refresh_token",
    &[
        GRANT_TYPE,
        CLIENT_ID,
        CLIENT_SECRET,
        BASIC,
        line(
            "refresh_token",
            [BAD_REQUEST, BAD_REQUEST, BAD_GRANT],
            &[
                ("$forged", BAD_GRANT),
                ("$of another", BAD_GRANT),
                ("$access token", BAD_GRANT),
                ("clv_rt_.", BAD_GRANT),
            ],
        ),
        line(
            "scope",
            ["200", "200", BAD_SCOPE],
            &[("openid admin", BAD_SCOPE), ("openid profile", BAD_SCOPE)],
        ),
        line(
            "resource",
            ["200", "200", BAD_TARGET],
            &[("api", BAD_TARGET), ("https://other.example", BAD_TARGET)],
        ),
        line("audience", IGNORED, &[]),
    ],
);

const DEVICE: Endpoint = endpoint(
    "device_code",
    &[
        GRANT_TYPE,
        CLIENT_ID,
        CLIENT_SECRET,
        BASIC,
        line(
            "device_code",
            [BAD_REQUEST, BAD_REQUEST, BAD_GRANT],
            &[
                ("$forged", BAD_GRANT),
                ("$of another", BAD_GRANT),
                ("clv_dc_.", BAD_GRANT),
            ],
        ),
        line(
            "resource",
            ["200", "200", BAD_TARGET],
            &[("api", BAD_TARGET), ("https://other.example", BAD_TARGET)],
        ),
    ],
);

const ITSELF: Endpoint = endpoint(
    "client_credentials",
    &[
        GRANT_TYPE,
        CLIENT_ID,
        CLIENT_SECRET,
        line(
            "scope",
            ["200", "200", BAD_SCOPE],
            &[("admin", BAD_SCOPE), ("\u{7f}", BAD_SCOPE)],
        ),
        line(
            "audience",
            ["200", "200", BAD_REQUEST],
            &[("https://other.example", BAD_REQUEST)],
        ),
        line(
            "resource",
            ["200", "200", BAD_TARGET],
            &[("api", BAD_TARGET), ("https://other.example", BAD_TARGET)],
        ),
    ],
);

const BY_POST: Endpoint = endpoint(
    "client_secret_post",
    &[
        line(
            "client_id",
            [BAD_REQUEST, BAD_REQUEST, BAD_CLIENT],
            &[("nobody", BAD_CLIENT), ("other", BAD_CLIENT)],
        ),
        line(
            "client_secret",
            [BAD_CLIENT; 3],
            &[("wrong-secret", BAD_CLIENT), ("$of another", BAD_CLIENT)],
        ),
        line("client_assertion", ["200", BAD_REQUEST, BAD_REQUEST], &[]),
    ],
);

pub fn form(stage: &Stage, fields: &[(&str, &str)]) -> Good {
    Good::new(Method::POST, stage.server.public("/oauth2/token"), fields)
}

/// With the secret of `app`, and what others would show.
pub fn by_secret(good: Good) -> Good {
    good.authorized(basic("app", "correct-horse"))
        .knowing("wrong secret", &basic("app", "wrong-horse"))
        .knowing("nobody", &basic("nobody", "correct-horse"))
        .knowing("other", &basic("other", "battery-staple"))
}

pub async fn clients(stage: &Stage) -> (Flow, Flow) {
    let other = stage
        .client_with("other", json!({"client_secret": "battery-staple"}))
        .await;
    (stage.client("app").await, other)
}

#[tokio::test]
async fn codes_and_refresh_tokens() {
    for stage in stages().await {
        let (app, other) = clients(&stage).await;
        let challenged = |flow: Flow| {
            flow.with("code_challenge", CHALLENGE)
                .with("code_challenge_method", "S256")
        };
        let tokens = other.clone().tokens().await;
        let of_another = challenged(other.clone()).with("audience", API).code().await;
        check(&CODE, async || {
            let code = challenged(app.clone()).with("audience", API).code().await;
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", REDIRECT_URI),
                ("code_verifier", VERIFIER),
            ];
            by_secret(form(&stage, &fields))
                .knowing("forged", &forged(&code))
                .knowing("of another", &of_another)
                .knowing("refresh token", &text(&tokens, "refresh_token"))
        })
        .await;
        // What a stranger showed still works for its owner.
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &*of_another),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        assert_eq!(other.token(&fields).await.status, 200);
        let refresh_of_another = text(&tokens, "refresh_token");
        check(&REFRESH, async || {
            let tokens = app.clone().tokens().await;
            let refresh = text(&tokens, "refresh_token");
            let fields = [("grant_type", "refresh_token"), ("refresh_token", &*refresh)];
            by_secret(form(&stage, &fields))
                .knowing("forged", &forged(&refresh))
                .knowing("of another", &refresh_of_another)
                .knowing("access token", &text(&tokens, "access_token"))
        })
        .await;
        assert_eq!(other.refresh(&refresh_of_another).await.status, 200);
    }
}

#[tokio::test]
async fn device_codes_and_clients_for_themselves() {
    for stage in stages().await {
        let (app, other) = clients(&stage).await;
        let of_another = stage.approved_device(&other).await;
        check(&DEVICE, async || {
            let code = stage.approved_device(&app).await;
            let fields = [("grant_type", DEVICE_CODE), ("device_code", &*code)];
            by_secret(form(&stage, &fields))
                .knowing("forged", &forged(&code))
                .knowing("of another", &of_another)
        })
        .await;
        let fields = [("grant_type", DEVICE_CODE), ("device_code", &*of_another)];
        assert_eq!(other.token(&fields).await.status, 200);
        check(&ITSELF, async || {
            let fields = [
                ("grant_type", "client_credentials"),
                ("scope", "profile"),
                ("audience", API),
                ("resource", API),
            ];
            by_secret(form(&stage, &fields))
        })
        .await;
        let post = json!({"token_endpoint_auth_method": "client_secret_post"});
        stage.client_with("poster", post).await;
        check(&BY_POST, async || {
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", "poster"),
                ("client_secret", "correct-horse"),
            ];
            form(&stage, &fields).knowing("of another", "battery-staple")
        })
        .await;
    }
}
