//! The authorization endpoint: OpenID Connect Core §3.1.2.1 and its like. Whoever may not be trusted with the answer gets none:
//! the person reads a page.

use claviger_e2e::flow::{REDIRECT_URI, text};
use claviger_e2e::pkce::CHALLENGE;
use http::Method;

use crate::stage::{API, forged, stages};
use crate::table::{Endpoint, Good, Line, check, line};

const BAD_CLIENT: &str = "page invalid_client";
const BAD_REQUEST: &str = "client invalid_request";
const BAD_OBJECT: &str = "client invalid_request_object";
const BAD_PAGE: &str = "page invalid_request";
const BAD_SCOPE: &str = "client invalid_scope";
const BAD_TARGET: &str = "client invalid_target";
const BAD_TYPE: &str = "client unsupported_response_type";
const BAD_MODE: &str = "client unsupported_response_mode";
const BAD_URI: &str = "client invalid_request_uri";
/// Nothing else than the login app decides about these, or they mean nothing at all.
const HARMLESS: [&str; 3] = ["login"; 3];

const LINES: &[Line] = &[
    line(
        "client_id",
        [BAD_CLIENT; 3],
        &[("nobody", BAD_CLIENT), ("../app", BAD_CLIENT)],
    )
    .unreadable(BAD_PAGE),
    line(
        "redirect_uri",
        [BAD_PAGE; 3],
        &[
            ("https://evil.example/callback", BAD_PAGE),
            ("javascript:alert(1)", BAD_PAGE),
            ("data:text/html,x", BAD_PAGE),
            ("/callback", BAD_PAGE),
            ("//evil.example/callback", BAD_PAGE),
            ("http://user@127.0.0.1:9010/callback", BAD_PAGE),
            ("http://127.0.0.1:9010@evil.example/callback", BAD_PAGE),
            ("http://127.0.0.1:99999/callback", BAD_PAGE),
            ("http://127.0.0.1:9010\\@evil.example/callback", BAD_PAGE),
            ("http:\\\\127.0.0.1:9010/callback", BAD_PAGE),
            ("http://127.0.0.1:9010/callback#x", BAD_PAGE),
            ("http://127.0.0.1:9010/callback\r\nX: y", BAD_PAGE),
            ("https://app.example/callback/../callback", BAD_PAGE),
        ],
    )
    .unreadable(BAD_PAGE),
    line(
        "response_type",
        [BAD_TYPE; 3],
        &[
            ("bogus", BAD_TYPE),
            ("code bogus", BAD_TYPE),
            ("code code", BAD_TYPE),
            ("code token", BAD_MODE),
            ("id_token", BAD_MODE),
        ],
    ),
    line(
        "response_mode",
        ["login", "login", BAD_MODE],
        &[("bogus", BAD_MODE), ("fragment", "login")],
    ),
    line(
        "scope",
        ["login", "login", BAD_SCOPE],
        &[
            ("openid admin", BAD_SCOPE),
            ("openid \u{7f}", BAD_SCOPE),
            ("openid \"", BAD_SCOPE),
        ],
    ),
    line("state", HARMLESS, &[("short", "login")]),
    line("nonce", HARMLESS, &[("short", "client insufficient_entropy")]),
    line(
        "code_challenge",
        ["login", "login", BAD_REQUEST],
        &[
            ("short", BAD_REQUEST),
            ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM", BAD_REQUEST),
        ],
    ),
    line(
        "code_challenge_method",
        [BAD_REQUEST; 3],
        &[("plain", BAD_REQUEST), ("s256", BAD_REQUEST)],
    ),
    line(
        "prompt",
        ["login", "login", BAD_REQUEST],
        &[
            ("bogus", BAD_REQUEST),
            ("none login", BAD_REQUEST),
            ("none", "client login_required"),
            ("select_account create", "login"),
        ],
    ),
    line(
        "max_age",
        ["login", "login", BAD_REQUEST],
        &[
            ("-1", BAD_REQUEST),
            ("1.5", BAD_REQUEST),
            ("soon", BAD_REQUEST),
            ("99999999999999999999", BAD_REQUEST),
        ],
    ),
    line("display", HARMLESS, &[("bogus", "login")]),
    line("ui_locales", HARMLESS, &[("\u{e4}", "login")]),
    line("login_hint", HARMLESS, &[("<script>", "login")]),
    line("acr_values", HARMLESS, &[]),
    line(
        "claims",
        ["login", "login", BAD_REQUEST],
        &[
            ("[]", BAD_REQUEST),
            ("{", BAD_REQUEST),
            ("\"x\"", BAD_REQUEST),
            ("{\"id_token\":7}", BAD_REQUEST),
            ("{\"userinfo\":{\"email\":true}}", BAD_REQUEST),
        ],
    ),
    line(
        "id_token_hint",
        ["login", "login", BAD_REQUEST],
        &[
            ("a.b.c", BAD_REQUEST),
            ("$forged hint", BAD_REQUEST),
            ("$access token", BAD_REQUEST),
            ("$unsigned", BAD_REQUEST),
        ],
    ),
    line(
        "audience",
        ["login", "login", BAD_REQUEST],
        &[("https://other.example", BAD_REQUEST)],
    ),
    line(
        "resource",
        ["login", "login", BAD_TARGET],
        &[
            ("api", BAD_TARGET),
            ("https://api.example#x", BAD_TARGET),
            ("https://other.example", BAD_TARGET),
        ],
    ),
    line(
        "registration",
        ["login", "login", "client registration_not_supported"],
        &[],
    ),
    line(
        "request",
        ["login", "login", BAD_OBJECT],
        &[("a.b.c", BAD_OBJECT), ("$unsigned", BAD_OBJECT), ("$hint", BAD_OBJECT)],
    ),
    line(
        "request_uri",
        ["login", "login", BAD_URI],
        &[
            ("http://127.0.0.1:1/", BAD_URI),
            ("file:///etc/passwd", BAD_URI),
            // Registered, and at an address that this machine does not have.
            ("https://app.example/request", BAD_URI),
        ],
    ),
    line(
        "login_verifier",
        ["login", "login", "page access_denied"],
        &[("$challenge", "page access_denied")],
    ),
    line(
        "consent_verifier",
        ["login", "login", "page access_denied"],
        &[("$challenge", "page access_denied")],
    ),
];

const AUTHORIZE: Endpoint = Endpoint {
    name: "/oauth2/auth",
    good: "login",
    unreadable: BAD_REQUEST,
    repeatable: &["audience", "resource"],
    is_single_use: false,
    lines: LINES,
};

#[tokio::test]
async fn authorization() {
    for stage in stages().await {
        let mut flow = stage.client("app").await;
        let tokens = flow.tokens().await;
        let challenge = flow.clone().login_challenge().await;
        let hint = text(&tokens, "id_token");
        let unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcHAiLCJzdWIiOiJmb28iLCJhdWQiOiJhcHAifQ.";
        for method in [Method::GET, Method::POST] {
            check(&AUTHORIZE, async || {
                let fields = [
                    ("client_id", "app"),
                    ("redirect_uri", REDIRECT_URI),
                    ("response_type", "code"),
                    ("response_mode", "query"),
                    ("scope", "openid offline"),
                    ("state", "state-1234567890"),
                    ("nonce", "nonce-1234567890"),
                    ("code_challenge", CHALLENGE),
                    ("code_challenge_method", "S256"),
                    ("prompt", "login"),
                    ("max_age", "3600"),
                    ("display", "page"),
                    ("ui_locales", "en"),
                    ("login_hint", "foo"),
                    ("acr_values", "gold"),
                    ("claims", "{\"id_token\":{\"acr\":null}}"),
                    ("id_token_hint", &hint),
                    ("audience", API),
                    ("resource", API),
                ];
                Good::new(method.clone(), stage.server.public("/oauth2/auth"), &fields)
                    .knowing("hint", &hint)
                    .knowing("forged hint", &forged(&hint))
                    .knowing("access token", &text(&tokens, "access_token"))
                    .knowing("unsigned", unsigned)
                    .knowing("challenge", &challenge)
            })
            .await;
        }
    }
}
