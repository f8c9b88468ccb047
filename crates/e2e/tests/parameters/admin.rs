//! The rest of the admin API: lists and their pages, keys, trusted issuers, sessions, tokens.

use claviger_e2e::signer::Key;
use claviger_e2e::{Http, Request};
use http::Method;
use serde_json::{Value, json};

use crate::documents::Kind::{Flag, Free, List, Text};
use crate::documents::{Document, check, member};
use crate::stage::{Stage, forged, stages};
use crate::table::{Endpoint, Good, Line, line};

const BAD: &str = "400 invalid_request";
/// What the title of a malformed admin request comes to.
const MALFORMED: &str = "400";

const fn list(name: &'static str, lines: &'static [Line]) -> Endpoint {
    Endpoint {
        name,
        good: "200",
        unreadable: BAD,
        repeatable: &[],
        is_single_use: false,
        lines,
    }
}

const PAGE_SIZE: Line = line(
    "page_size",
    ["200", "200", MALFORMED],
    &[
        ("-1", "200"),
        ("0", "200"),
        ("x", MALFORMED),
        ("99999999999999999999", MALFORMED),
        ("1.5", MALFORMED),
    ],
);
const PAGE_TOKEN: Line = line(
    "page_token",
    ["200", "200", MALFORMED],
    &[
        ("$forged", MALFORMED),
        ("$of another list", MALFORMED),
        ("nonsense", MALFORMED),
    ],
);
// Hydra 1 takes what is no number for nothing.
const LIMIT: Line = line("limit", ["200"; 3], &[("-1", "200"), ("x", "200")]);
const OFFSET: Line = line("offset", ["200"; 3], &[("-1", "200"), ("x", "200")]);

const CLIENTS: Endpoint = list(
    "GET /admin/clients",
    &[
        PAGE_SIZE,
        PAGE_TOKEN,
        LIMIT,
        OFFSET,
        line("client_name", ["200"; 3], &[]),
        line("owner", ["200"; 3], &[]),
    ],
);
const TRUSTS: Endpoint = list(
    "GET …/issuers",
    &[PAGE_SIZE, PAGE_TOKEN, LIMIT, OFFSET, line("issuer", ["200"; 3], &[])],
);
const CONSENTS: Endpoint = list(
    "GET …/sessions/consent",
    &[
        PAGE_SIZE,
        line("subject", [BAD, BAD, "200"], &[("nobody", "200")]),
        line("login_session_id", ["200"; 3], &[("nonsense", "200")]),
    ],
);

async fn pages(stage: &Stage) -> [String; 2] {
    let next = async |path: &str| {
        let answer = Http::new()
            .get(&stage.server.admin(&format!("{path}?page_size=1")))
            .await;
        let links = answer.header("link").to_owned();
        let next = links
            .split(',')
            .find(|link| link.contains("rel=\"next\""))
            .unwrap_or_else(|| panic!("{links}"));
        let (_, token) = next.split_once("page_token=").unwrap();
        token.split(['>', '&']).next().unwrap().to_owned()
    };
    [
        next("/admin/clients").await,
        next("/admin/trust/grants/jwt-bearer/issuers").await,
    ]
}

#[tokio::test]
async fn lists_and_their_pages() {
    for stage in stages().await {
        for name in ["a", "b"] {
            stage.client(name).await;
            stage.trust(&format!("https://{name}.example"), &Key::new("k")).await;
        }
        let [of_clients, of_trusts] = pages(&stage).await;
        for (endpoint, path, own, other) in [
            (&CLIENTS, "/admin/clients", &of_clients, &of_trusts),
            (
                &TRUSTS,
                "/admin/trust/grants/jwt-bearer/issuers",
                &of_trusts,
                &of_clients,
            ),
        ] {
            crate::table::check(endpoint, async || {
                Good::new(
                    Method::GET,
                    stage.server.admin(path),
                    &[("page_size", "1"), ("page_token", own)],
                )
                .knowing("forged", &forged(own))
                .knowing("of another list", other)
            })
            .await;
        }
        let path = "/admin/oauth2/auth/sessions/consent";
        crate::table::check(&CONSENTS, async || {
            Good::new(Method::GET, stage.server.admin(path), &[("subject", "foo@bar.com")])
        })
        .await;
    }
}

#[tokio::test]
async fn what_ends_sessions_and_tokens() {
    const CONSENT: Endpoint = Endpoint {
        good: "204",
        ..list(
            "DELETE …/sessions/consent",
            &[
                line("subject", [BAD, BAD, "204"], &[("nobody", "204")]),
                line("client", [BAD, BAD, "204"], &[("nobody", "204")]),
                line("all", ["204"; 3], &[("x", "204")]),
                line("consent_request_id", ["204", "204", BAD], &[]),
            ],
        )
    };
    const LOGIN: Endpoint = Endpoint {
        good: "204",
        ..list(
            "DELETE …/sessions/login",
            &[
                line("subject", [BAD, BAD, "204"], &[("nobody", "204")]),
                line("sid", ["204"; 3], &[("nonsense", "204")]),
            ],
        )
    };
    const TOKENS: Endpoint = Endpoint {
        good: "204",
        ..list(
            "DELETE /admin/oauth2/tokens",
            &[line("client_id", [BAD, BAD, "204"], &[("nobody", "204")])],
        )
    };
    for stage in stages().await {
        let mut app = stage.client("app").await;
        let token = claviger_e2e::flow::text(&app.tokens().await, "access_token");
        for (endpoint, path, fields) in [
            (
                &CONSENT,
                "/admin/oauth2/auth/sessions/consent",
                &[("subject", "x"), ("client", "y")][..],
            ),
            (&LOGIN, "/admin/oauth2/auth/sessions/login", &[("subject", "x")]),
            (&TOKENS, "/admin/oauth2/tokens", &[("client_id", "other")]),
        ] {
            crate::table::check(endpoint, async || {
                Good::new(Method::DELETE, stage.server.admin(path), fields)
            })
            .await;
        }
        assert!(stage.server.is_active(&token).await, "nobody asked for that");
    }
}

#[tokio::test]
async fn keys() {
    const CREATE: Document = Document {
        name: "POST /admin/keys/{set}",
        good: "201",
        malformed: MALFORMED,
        members: &[
            member(
                "alg",
                Text,
                [MALFORMED; 4],
                &[("\"HS256\"", "201"), ("\"none\"", MALFORMED), ("\"es256\"", MALFORMED)],
            ),
            member(
                "use",
                Text,
                ["201", "201", MALFORMED, MALFORMED],
                &[("\"both\"", MALFORMED)],
            ),
            member(
                "kid",
                Text,
                ["201", "201", MALFORMED, MALFORMED],
                &[("\"a\\nb\"", MALFORMED)],
            ),
        ],
    };
    const PUT: Document = Document {
        name: "PUT /admin/keys/{set}/{kid}",
        good: "200",
        malformed: MALFORMED,
        members: &[
            member("kty", Text, [MALFORMED; 4], &[("\"RSA\"", MALFORMED)]),
            member("crv", Text, [MALFORMED; 4], &[("\"P-384\"", MALFORMED)]),
            member(
                "x",
                Text,
                [MALFORMED; 4],
                &[("\"AAAA\"", MALFORMED), ("\"!\"", MALFORMED)],
            ),
            member("y", Text, [MALFORMED; 4], &[]),
            member(
                "kid",
                Text,
                ["200", "200", MALFORMED, MALFORMED],
                &[("null", MALFORMED)],
            ),
            member(
                "use",
                Text,
                ["200", MALFORMED, MALFORMED, MALFORMED],
                &[("null", MALFORMED)],
            ),
        ],
    };
    for stage in stages().await {
        let url = stage.server.admin("/admin/keys/own");
        check(&CREATE, || Request::post(&url), &json!({"alg": "ES256"})).await;
        let url = stage.server.admin("/admin/keys/put/own");
        let key = Key::new("own").public();
        check(&PUT, || Request::put(&url), &key).await;
        let set = stage.server.admin("/admin/keys/put");
        let before = Http::new().get(&set).await.text();
        let long = crate::table::long();
        for keys in [
            json!(7),
            json!([7]),
            json!([{}]),
            json!([key, {"kty": "EC"}]),
            json!([key, key]),
            json!({"x": long}),
        ] {
            let answer = Http::new()
                .send(Request::put(&set).json(&json!({ "keys": keys })))
                .await;
            assert_eq!(answer.status, 400, "{keys:.80}: {}", answer.text());
        }
        assert_eq!(
            Http::new().get(&set).await.text(),
            before,
            "nothing is changed by halves"
        );
        for name in [&*long, "%00", "%ff", "a%0ab"] {
            let answer = Http::new()
                .send(Request::post(&stage.server.admin(&format!("/admin/keys/{name}"))).json(&json!({"alg": "ES256"})))
                .await;
            assert!(
                [400, 404].contains(&answer.status),
                "{name:.20}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn trusted_issuers() {
    const MISSING: &str = "400 missing_required_parameter";
    const CREATE: Document = Document {
        name: "POST …/issuers",
        good: "409",
        malformed: MALFORMED,
        members: &[
            member("issuer", Text, [MISSING, MISSING, BAD, BAD], &[]),
            member("subject", Text, [MISSING, MISSING, BAD, BAD], &[]),
            member(
                "allow_any_subject",
                Flag,
                ["409", "409", MALFORMED, MALFORMED],
                &[("true", MISSING)],
            ),
            member("scope", List, ["409", "409", "409", BAD], &[("[\"a b\"]", BAD)]),
            member(
                "jwk",
                Free,
                [MISSING, BAD, BAD, BAD],
                &[("7", BAD), ("[]", BAD), ("{\"kty\":\"oct\",\"k\":\"AAAA\"}", BAD)],
            ),
            member(
                "expires_at",
                Text,
                [MISSING, MISSING, BAD, BAD],
                &[("\"soon\"", BAD), ("\"0001-01-01T00:00:00Z\"", MISSING)],
            ),
        ],
    };
    for stage in stages().await {
        let url = stage.server.admin("/admin/trust/grants/jwt-bearer/issuers");
        let good: Value = json!({"issuer": "https://idp.example", "subject": "foo", "scope": ["profile"],
            "jwk": Key::new("k").public(), "expires_at": "2100-01-01T00:00:00Z"});
        let first = Http::new().send(Request::post(&url).json(&good)).await;
        assert_eq!(first.status, 201, "{}", first.text());
        check(&CREATE, || Request::post(&url), &good).await;
        for id in ["x", "%00", "00000000-0000-0000-0000-000000000000"] {
            for request in [
                Request::get(&format!("{url}/{id}")),
                Request::delete(&format!("{url}/{id}")),
            ] {
                let answer = Http::new().send(request).await;
                assert!([400, 404].contains(&answer.status), "{id}: {}", answer.text());
            }
        }
    }
}

/// A refusal that has no code of its own is known by its name in the log.
#[tokio::test]
async fn each_refusal_is_named_in_the_log() {
    for mut stage in stages().await {
        let app = stage.client("app").await;
        let base = stage.server.admin("");
        let get = |path: &str| Request::get(&format!("{base}{path}"));
        let delete = |path: &str| Request::delete(&format!("{base}{path}"));
        let requests = [
            (get("/admin/oauth2/auth/requests/login"), "ChallengeAbsent"),
            (get("/admin/oauth2/auth/sessions/consent"), "SubjectMissing"),
            (delete("/admin/oauth2/auth/sessions/login"), "SessionsUnnamed"),
            (
                delete("/admin/oauth2/auth/sessions/consent?subject=x"),
                "ConsentsUnnamed",
            ),
            (delete("/admin/oauth2/tokens"), "ClientIdAbsent"),
            (
                Request::post(&stage.server.public("/oauth2/revoke"))
                    .form(&[("token_type_hint", "access_token")])
                    .basic("app", &app.client_secret),
                "TokenMissing",
            ),
        ];
        for (request, fault) in requests {
            let answer = Http::new().send(request).await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (400, "invalid_request"),
                "{fault}"
            );
            stage.server.process.wait_for_output(fault);
        }
    }
}
