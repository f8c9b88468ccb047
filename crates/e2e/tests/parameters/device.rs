//! Devices: the device authorization endpoint (RFC 8628 §3.1) and the way to the page for user codes (§3.3).

use claviger_e2e::client::parameter;
use claviger_e2e::flow::text;
use claviger_e2e::{Http, Request};
use http::Method;
use serde_json::json;

use crate::stage::{API, basic, stages};
use crate::table::{Endpoint, Good, check, line};

const BAD_REQUEST: &str = "400 invalid_request";
const BAD_CLIENT: &str = "401 invalid_client";
const BAD_BASIC: &str = "401 invalid_client Basic";
const BAD_SCOPE: &str = "400 invalid_scope";
const BAD_TARGET: &str = "400 invalid_target";

const BEGIN: Endpoint = Endpoint {
    name: "/oauth2/device/auth",
    good: "200",
    unreadable: BAD_REQUEST,
    repeatable: &["audience", "resource"],
    is_single_use: false,
    lines: &[
        line(
            "Authorization",
            [BAD_REQUEST, BAD_CLIENT, BAD_CLIENT],
            &[
                ("Basic !", BAD_REQUEST),
                ("$wrong secret", BAD_BASIC),
                ("$nobody", BAD_BASIC),
                ("$without the grant", "400 unauthorized_client"),
            ],
        ),
        line("client_id", ["200", "200", BAD_REQUEST], &[("other", BAD_REQUEST)]),
        line(
            "scope",
            ["200", "200", BAD_SCOPE],
            &[("admin", BAD_SCOPE), ("\"", BAD_SCOPE)],
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
};

const VERIFY: Endpoint = Endpoint {
    name: "/oauth2/device/verify",
    good: "to /oauth2/fallbacks/device",
    unreadable: "page invalid_request",
    repeatable: &[],
    is_single_use: false,
    lines: &[
        // The code is read by the page, where the person sees it.
        line(
            "user_code",
            ["to /oauth2/fallbacks/device"; 3],
            &[("<script>", "to /oauth2/fallbacks/device")],
        ),
        line(
            "login_verifier",
            [
                "to /oauth2/fallbacks/device",
                "to /oauth2/fallbacks/device",
                "page access_denied",
            ],
            &[],
        ),
        line(
            "consent_verifier",
            [
                "to /oauth2/fallbacks/device",
                "to /oauth2/fallbacks/device",
                "page access_denied",
            ],
            &[],
        ),
        line(
            "device_verifier",
            [
                "to /oauth2/fallbacks/device",
                "to /oauth2/fallbacks/device",
                "page access_denied",
            ],
            &[],
        ),
    ],
};

#[tokio::test]
async fn devices() {
    for stage in stages().await {
        stage.client("app").await;
        stage
            .client_with("web", json!({"grant_types": ["authorization_code"]}))
            .await;
        check(&BEGIN, async || {
            let fields = [("scope", "openid"), ("audience", API), ("resource", API)];
            Good::new(Method::POST, stage.server.public("/oauth2/device/auth"), &fields)
                .authorized(basic("app", "correct-horse"))
                .knowing("wrong secret", &basic("app", "wrong-horse"))
                .knowing("nobody", &basic("nobody", "correct-horse"))
                .knowing("without the grant", &basic("web", "correct-horse"))
        })
        .await;
        let url = stage.server.public("/oauth2/device/verify");
        check(&VERIFY, async || {
            Good::new(Method::GET, url.clone(), &[("user_code", "AAAA-AAAA")])
        })
        .await;
    }
}

/// RFC 8628 §5.1: only the browser that was given a challenge gets on, and only once.
#[tokio::test]
async fn a_verifier_of_another_browser_or_of_yesterday_does_not_work() {
    for stage in stages().await {
        let app = stage.client("app").await;
        let codes = app.post("/oauth2/device/auth", &[("scope", "openid")]).await.json();
        let mut browser = Http::new();
        let page = browser.get(&text(&codes, "verification_uri_complete")).await.location();
        let path = format!(
            "/admin/oauth2/auth/requests/device/accept?device_challenge={}",
            parameter(&page, "device_challenge").unwrap()
        );
        let body = json!({"user_code": text(&codes, "user_code")});
        let answer = Http::new()
            .send(Request::put(&stage.server.admin(&path)).json(&body))
            .await;
        let onward = text(&answer.json(), "redirect_to");
        let elsewhere = Http::new().get(&onward).await.location();
        assert_eq!(
            parameter(&elsewhere, "error").as_deref(),
            Some("request_forbidden"),
            "{elsewhere}"
        );
        assert!(
            browser
                .get(&onward)
                .await
                .location()
                .as_str()
                .contains("login_challenge")
        );
    }
}
