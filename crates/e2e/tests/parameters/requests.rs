//! What the login, consent, logout and device apps send: their challenges, and every member of their answers.

use claviger_e2e::flow::{SUBJECT, challenge, text};
use claviger_e2e::{Http, Request};
use http::Method;
use serde_json::{Value, json};

use crate::documents::Kind::{Flag, Free, List, Number, Object, Text};
use crate::documents::{Document, Member, check, member};
use crate::stage::{forged, stages};
use crate::table::{Endpoint, Good, Line, line};

const OK: &str = "200";
const BAD: &str = "400 invalid_request";
const UNKNOWN: &str = "404";

const LOGIN: &[Member] = &[
    // "It MUST NOT exceed 255 ASCII characters in length" (OpenID Connect Core §2).
    member("subject", Text, [BAD, BAD, BAD, BAD], &[]),
    member("remember", Flag, [OK, OK, BAD, BAD], &[]),
    member("remember_for", Number, [OK, OK, BAD, BAD], &[("-1", OK)]),
    member("extend_session_lifespan", Flag, [OK, OK, BAD, BAD], &[]),
    member("acr", Text, [OK, OK, OK, OK], &[]),
    member("amr", List, [OK, OK, OK, OK], &[]),
    member("context", Free, [OK; 4], &[("7", OK), ("[]", OK)]),
    member("identity_provider_session_id", Text, [OK, OK, OK, OK], &[]),
    member("force_subject_identifier", Text, [OK, OK, BAD, BAD], &[]),
];

const CONSENT: &[Member] = &[
    member(
        "grant_scope",
        List,
        [OK, OK, BAD, BAD],
        &[("[\"admin\"]", BAD), ("[\"openid\",\"openid\"]", OK)],
    ),
    member(
        "grant_access_token_audience",
        List,
        [OK, OK, BAD, BAD],
        &[("[\"https://other.example\"]", BAD)],
    ),
    member("remember", Flag, [OK, OK, BAD, BAD], &[]),
    member("remember_for", Number, [OK, OK, BAD, BAD], &[("-1", OK)]),
    member(
        "session",
        Object,
        [OK, OK, OK, OK],
        &[
            ("{\"id_token\":7}", BAD),
            ("{\"access_token\":[]}", BAD),
            ("{\"id_token\":{\"a\":\"\\u0000\"}}", OK),
            ("{\"userinfo\":\"x\"}", BAD),
        ],
    ),
    member("context", Free, [OK; 4], &[]),
];

const REJECTION: &[Member] = &[
    member("error", Text, [OK; 4], &[("\"\\r\\nX: y\"", OK)]),
    member("error_description", Text, [OK; 4], &[]),
    member("error_hint", Text, [OK; 4], &[]),
];

const fn document(name: &'static str, members: &'static [Member]) -> Document {
    Document {
        name,
        good: OK,
        malformed: BAD,
        members,
    }
}

const fn challenges(name: &'static str, lines: &'static [Line]) -> Endpoint {
    Endpoint {
        name,
        good: OK,
        unreadable: BAD,
        repeatable: &[],
        is_single_use: false,
        lines,
    }
}

const OTHERS: &[(&str, &str)] = &[
    ("$forged", UNKNOWN),
    ("$of another kind", UNKNOWN),
    ("nonsense", UNKNOWN),
];
const LOGIN_CHALLENGE: Endpoint = challenges(
    "login challenge",
    &[line("login_challenge", [BAD, BAD, UNKNOWN], OTHERS)],
);
const CONSENT_CHALLENGE: Endpoint = challenges(
    "consent challenge",
    &[line("consent_challenge", [BAD, BAD, UNKNOWN], OTHERS)],
);
// As in Hydra, no challenge is an unknown one (D30).
const LOGOUT_CHALLENGE: Endpoint = challenges("logout challenge", &[line("logout_challenge", [UNKNOWN; 3], OTHERS)]);

#[tokio::test]
async fn logins_and_consents() {
    for stage in stages().await {
        let app = stage.client("app").await;
        let url = |kind: &str, verb: &str, challenge: &str| {
            let path = format!("/admin/oauth2/auth/requests/{kind}{verb}");
            stage.server.admin(&format!("{path}?{kind}_challenge={challenge}"))
        };
        let (mut flow, mut another) = (app.clone(), app.clone());
        let login = flow.login_challenge().await;
        let of_consent = another.consent_challenge(&json!({"subject": SUBJECT})).await;
        let path = stage.server.admin("/admin/oauth2/auth/requests/login");
        crate::table::check(&LOGIN_CHALLENGE, async || {
            Good::new(Method::GET, path.clone(), &[("login_challenge", &login)])
                .knowing("forged", &forged(&login))
                .knowing("of another kind", &of_consent)
        })
        .await;
        let good = json!({"subject": SUBJECT, "acr": "gold"});
        let rejected = json!({"error": "access_denied", "error_description": "No."});
        let reject = document("PUT …/login/reject", REJECTION);
        check(&reject, || Request::put(&url("login", "/reject", &login)), &rejected).await;
        let accept = document("PUT …/login/accept", LOGIN);
        check(&accept, || Request::put(&url("login", "/accept", &login)), &good).await;
        // The last answer counts, and the flow goes on with it.
        let next = flow.decided("login", "accept", &login, &good).await;
        let consent = challenge(&flow.http.get(&next).await, "consent_challenge");
        let path = stage.server.admin("/admin/oauth2/auth/requests/consent");
        crate::table::check(&CONSENT_CHALLENGE, async || {
            Good::new(Method::GET, path.clone(), &[("consent_challenge", &consent)])
                .knowing("forged", &forged(&consent))
                .knowing("of another kind", &login)
        })
        .await;
        let reject = document("PUT …/consent/reject", REJECTION);
        check(
            &reject,
            || Request::put(&url("consent", "/reject", &consent)),
            &rejected,
        )
        .await;
        let good = json!({"grant_scope": ["openid"]});
        let accept = document("PUT …/consent/accept", CONSENT);
        check(&accept, || Request::put(&url("consent", "/accept", &consent)), &good).await;
        let next = flow.decided("consent", "accept", &consent, &good).await;
        let landed = flow.http.get(&next).await.location();
        let code = claviger_e2e::client::parameter(&landed, "code").unwrap();
        assert_eq!(flow.redeem(&code).await.status, 200);
    }
}

/// A used challenge is good for nobody else, whoever the app says is there: what one person saw is void when another logs in.
#[tokio::test]
async fn a_used_challenge_does_not_mix_two_people() {
    for stage in stages().await {
        let mut flow = stage.client("app").await;
        let login = flow.login_challenge().await;
        let next = flow
            .decided("login", "accept", &login, &json!({"subject": "alice"}))
            .await;
        let of_alice = challenge(&flow.http.get(&next).await, "consent_challenge");
        assert_eq!(flow.request("consent", &of_alice).await["subject"], "alice");
        // Until somebody consented, a person may go back and log in anew, as the same or as another one.
        let next = flow
            .decided("login", "accept", &login, &json!({"subject": "mallory"}))
            .await;
        let granted = json!({"grant_scope": ["openid"]});
        let void = flow.decide("consent", "accept", &of_alice, &granted).await;
        assert!([404, 410].contains(&void.status), "{} {}", void.status, void.text());
        let of_mallory = challenge(&flow.http.get(&next).await, "consent_challenge");
        assert_eq!(flow.request("consent", &of_mallory).await["subject"], "mallory");
        let next = flow.decided("consent", "accept", &of_mallory, &granted).await;
        let landed = flow.http.get(&next).await.location();
        // Then it is over for every challenge on the way.
        for (kind, challenge, body) in [
            ("login", &login, json!({"subject": "alice"})),
            ("consent", &of_alice, granted.clone()),
            ("consent", &of_mallory, json!({"grant_scope": ["openid", "profile"]})),
        ] {
            let again = flow.decide(kind, "accept", challenge, &body).await;
            assert!(
                [404, 410].contains(&again.status),
                "{kind}: {} {}",
                again.status,
                again.text()
            );
        }
        let code = claviger_e2e::client::parameter(&landed, "code").unwrap();
        let tokens = flow.redeem(&code).await.json();
        let told = stage.server.introspect(&text(&tokens, "access_token")).await;
        assert_eq!((&told["sub"], &told["scope"]), (&json!("mallory"), &json!("openid")));
    }
}

#[tokio::test]
async fn logouts_and_user_codes() {
    const USER_CODE: &[Member] = &[member("user_code", Text, [BAD; 4], &[("\"AAAA-AAAA\"", BAD)])];
    for stage in stages().await {
        let mut app = stage.client("app").await;
        let login = json!({"subject": SUBJECT, "remember": true});
        app.finish_with(&login, &json!({"grant_scope": ["openid"]})).await;
        let answer = app.http.get(&stage.server.public("/oauth2/sessions/logout")).await;
        let logout = challenge(&answer, "logout_challenge");
        let login = app.with("prompt", "login").login_challenge().await;
        let path = stage.server.admin("/admin/oauth2/auth/requests/logout");
        let make = |path: String| {
            Good::new(Method::GET, path, &[("logout_challenge", &logout)])
                .knowing("forged", &forged(&logout))
                .knowing("of another kind", &login)
        };
        crate::table::check(&LOGOUT_CHALLENGE, async || make(path.clone())).await;

        let app = stage.client("tv").await;
        let codes = app.post("/oauth2/device/auth", &[("scope", "openid")]).await.json();
        let page = Http::new().get(&text(&codes, "verification_uri")).await.location();
        let entered = claviger_e2e::client::parameter(&page, "device_challenge").unwrap();
        let path = stage.server.admin("/admin/oauth2/auth/requests/device/accept");
        // Without a code in the body nothing is accepted, but only a challenge of ours gets so far.
        for (value, expected) in [
            (&*entered, BAD),
            (&forged(&entered), UNKNOWN),
            (&login, UNKNOWN),
            ("", BAD),
        ] {
            let request = Request::put(&format!("{path}?device_challenge={value}")).json(&json!({}));
            let answer = Http::new().send(request).await;
            assert_eq!(crate::table::told(&answer), expected, "{value:.20}: {}", answer.text());
        }
        let url = format!("{path}?device_challenge={entered}");
        let document = Document {
            good: BAD,
            ..document("PUT …/device/accept", USER_CODE)
        };
        let wrong: Value = json!({"user_code": "AAAA-AAAA"});
        check(&document, || Request::put(&url), &wrong).await;
    }
}
