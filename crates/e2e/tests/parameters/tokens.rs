//! What is asked and said about tokens: revocation (RFC 7009), introspection (RFC 7662), userinfo (OpenID Connect Core §5.3).

use claviger_e2e::flow::text;
use http::Method;
use serde_json::json;

use crate::stage::{basic, forged, stages};
use crate::table::{Endpoint, Good, Line, check, line};

const BAD_REQUEST: &str = "400 invalid_request";
const BAD_CLIENT: &str = "401 invalid_client";
const BAD_BASIC: &str = "401 invalid_client Basic";
const BAD_TOKEN: &str = "401 invalid_token Bearer";
const NO_TOKEN: &str = "401 request_unauthorized Bearer";
const IGNORED: [&str; 3] = ["200"; 3];

const fn credentials(absent: &'static str) -> Line {
    line(
        "Authorization",
        [absent, BAD_CLIENT, BAD_CLIENT],
        &[
            ("Basic !", BAD_REQUEST),
            ("$wrong secret", BAD_BASIC),
            ("$nobody", BAD_BASIC),
            ("Bearer x", BAD_CLIENT),
        ],
    )
}

/// Of tokens that are not there, that are no tokens and that are others', the client learns the same: nothing.
const UNKNOWN: &[(&str, &str)] = &[
    ("$forged", "200"),
    ("$of another", "200"),
    ("nonsense", "200"),
    ("\u{1f4a9}", "200"),
];

const fn endpoint(name: &'static str, lines: &'static [Line]) -> Endpoint {
    Endpoint {
        name,
        good: "200",
        unreadable: BAD_REQUEST,
        repeatable: &[],
        is_single_use: false,
        lines,
    }
}

const REVOKE: Endpoint = endpoint(
    "/oauth2/revoke",
    &[
        credentials(BAD_REQUEST),
        line("token", [BAD_REQUEST, BAD_REQUEST, "200"], UNKNOWN),
        line("token_type_hint", IGNORED, &[("bogus", "200")]),
        line("client_id", ["200", "200", BAD_REQUEST], &[("other", BAD_REQUEST)]),
        line("client_secret", ["200", "200", BAD_REQUEST], &[]),
    ],
);

const INTROSPECT: Endpoint = endpoint(
    "/oauth2/introspect",
    &[
        credentials(BAD_CLIENT),
        line("token", [BAD_REQUEST, BAD_REQUEST, "200"], UNKNOWN),
        line("token_type_hint", IGNORED, &[("bogus", "200")]),
        line("client_id", ["200", "200", BAD_REQUEST], &[("other", BAD_REQUEST)]),
    ],
);

const ADMIN_INTROSPECT: Endpoint = endpoint(
    "/admin/oauth2/introspect",
    &[
        // As in Hydra: no token is one that is not active.
        line("token", IGNORED, UNKNOWN),
        line("token_type_hint", IGNORED, &[("bogus", "200")]),
        line("scope", IGNORED, &[("admin", "200")]),
    ],
);

const USERINFO: Endpoint = Endpoint {
    // Two of them are none.
    unreadable: NO_TOKEN,
    ..endpoint(
        "/userinfo",
        &[line(
            "Authorization",
            [NO_TOKEN; 3],
            &[
                ("Bearer", NO_TOKEN),
                ("Bearer a b", BAD_TOKEN),
                ("$basic", NO_TOKEN),
                ("$forged", BAD_TOKEN),
                ("$refresh token", BAD_TOKEN),
                ("$id token", BAD_TOKEN),
                ("$own token", "403 insufficient_scope Bearer"),
            ],
        )],
    )
};

/// RFC 6750 §2.2: the token may be in the form of a POST.
const USERINFO_FORM: Endpoint = endpoint(
    "/userinfo with a form",
    &[line(
        "access_token",
        [NO_TOKEN, NO_TOKEN, BAD_TOKEN],
        &[
            ("nonsense", BAD_TOKEN),
            ("$forged", BAD_TOKEN),
            ("$refresh token", BAD_TOKEN),
            ("$id token", BAD_TOKEN),
            ("$own token", "403 insufficient_scope Bearer"),
        ],
    )],
);

#[tokio::test]
async fn tokens() {
    for stage in stages().await {
        let mut app = stage.client("app").await;
        let mut other = stage
            .client_with("other", json!({"client_secret": "battery-staple"}))
            .await;
        let (tokens, others) = (app.tokens().await, other.tokens().await);
        let [token, of_another] = [&tokens, &others].map(|tokens| text(tokens, "access_token"));
        let ask = |path: &str, token: &str| {
            Good::new(
                Method::POST,
                stage.server.public(path),
                &[("token", token), ("token_type_hint", "access_token")],
            )
            .authorized(basic("app", "correct-horse"))
            .knowing("forged", &forged(token))
            .knowing("of another", &of_another)
            .knowing("wrong secret", &basic("app", "wrong-horse"))
            .knowing("nobody", &basic("nobody", "correct-horse"))
        };
        check(&INTROSPECT, async || ask("/oauth2/introspect", &token)).await;
        let admin = stage.server.admin("/admin/oauth2/introspect");
        check(&ADMIN_INTROSPECT, async || Good {
            url: admin.clone(),
            authorization: None,
            ..ask("", &token)
        })
        .await;
        let own = app.token(&[("grant_type", "client_credentials")]).await.json();
        for method in [Method::GET, Method::POST] {
            check(&USERINFO, async || {
                let bearer = |token: &str| format!("Bearer {token}");
                Good::new(method.clone(), stage.server.public("/userinfo"), &[])
                    .authorized(bearer(&token))
                    .knowing("basic", &basic("app", "correct-horse"))
                    .knowing("forged", &bearer(&forged(&token)))
                    .knowing("refresh token", &bearer(&text(&tokens, "refresh_token")))
                    .knowing("id token", &bearer(&text(&tokens, "id_token")))
                    .knowing("own token", &bearer(&text(&own, "access_token")))
            })
            .await;
        }
        check(&USERINFO_FORM, async || {
            Good::new(
                Method::POST,
                stage.server.public("/userinfo"),
                &[("access_token", &token)],
            )
            .knowing("forged", &forged(&token))
            .knowing("refresh token", &text(&tokens, "refresh_token"))
            .knowing("id token", &text(&tokens, "id_token"))
            .knowing("own token", &text(&own, "access_token"))
        })
        .await;
        // Whatever was refused revoked nothing, and another client's token is its own.
        let refresh = text(&tokens, "refresh_token");
        check(&REVOKE, async || ask("/oauth2/revoke", &refresh)).await;
        assert!(stage.server.is_active(&of_another).await);
        assert!(!stage.server.is_active(&refresh).await);
    }
}
