//! The logout endpoint: OpenID Connect RP-Initiated Logout §2 to §4.

use claviger_e2e::flow::text;
use http::Method;
use serde_json::json;

use crate::stage::{GOODBYE, forged, stages};
use crate::table::{Endpoint, Good, check, line};

const BAD: &str = "page invalid_request";

const LOGOUT: Endpoint = Endpoint {
    name: "/oauth2/sessions/logout",
    good: "logout",
    unreadable: BAD,
    repeatable: &[],
    is_single_use: false,
    lines: &[
        line(
            "id_token_hint",
            ["logout", "logout", BAD],
            &[
                ("a.b.c", BAD),
                ("$forged", BAD),
                ("$access token", BAD),
                ("$unsigned", BAD),
                // It proves another client than the one that is named beside it.
                ("$of another", BAD),
            ],
        ),
        line(
            "client_id",
            ["logout", "logout", BAD],
            &[("nobody", BAD), ("other", BAD)],
        ),
        line(
            "post_logout_redirect_uri",
            ["logout", "logout", BAD],
            &[
                ("https://evil.example/", BAD),
                ("javascript:alert(1)", BAD),
                ("data:text/html,x", BAD),
                ("/goodbye", BAD),
                ("//evil.example/goodbye", BAD),
                ("http://user@127.0.0.1:9010/goodbye", BAD),
                ("http://127.0.0.1:99999/goodbye", BAD),
                ("http://127.0.0.1:9010\\@evil.example/goodbye", BAD),
                ("http://127.0.0.1:9010/goodbye#x", BAD),
            ],
        ),
        line("state", ["logout"; 3], &[("\r\nX: y", "logout")]),
        line("ui_locales", ["logout"; 3], &[]),
        line("logout_hint", ["logout"; 3], &[]),
        line(
            "logout_verifier",
            ["logout", "logout", "page access_denied"],
            &[("nonsense", "page access_denied")],
        ),
    ],
};

#[tokio::test]
async fn logout() {
    for stage in stages().await {
        let mut app = stage.client("app").await;
        let mut other = stage.client("other").await;
        let of_another = text(&other.tokens().await, "id_token");
        // A browser with a session.
        let login = json!({"subject": "foo@bar.com", "remember": true});
        let landed = app
            .finish_with(&login, &json!({"grant_scope": ["openid", "offline"]}))
            .await;
        let code = claviger_e2e::client::parameter(&landed, "code").unwrap();
        let tokens = app.redeem(&code).await.json();
        let hint = text(&tokens, "id_token");
        for method in [Method::GET, Method::POST] {
            // A verifier comes back in the query, and is nowhere else.
            let lines = match LOGOUT.lines.split_last() {
                Some((_, others)) if method == Method::POST => others,
                _ => LOGOUT.lines,
            };
            check(&Endpoint { lines, ..LOGOUT }, async || {
                let fields = [
                    ("id_token_hint", &*hint),
                    ("client_id", "app"),
                    ("post_logout_redirect_uri", GOODBYE),
                    ("state", "state-1234567890"),
                ];
                let good = Good::new(method.clone(), stage.server.public("/oauth2/sessions/logout"), &fields)
                    .knowing("forged", &forged(&hint))
                    .knowing("access token", &text(&tokens, "access_token"))
                    .knowing("unsigned", "eyJhbGciOiJub25lIn0.eyJzaWQiOiJhIn0.")
                    .knowing("of another", &of_another);
                Good {
                    http: app.http.clone(),
                    ..good
                }
            })
            .await;
        }
    }
}
