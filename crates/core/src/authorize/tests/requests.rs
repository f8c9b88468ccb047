//! What is refused at the first hop, and who is told: RFC 6749 §4.1.2.1, D17, D18, D22, D23.

use super::*;

fn refused(walk: &mut Walk, changed: &[(&str, &str)]) -> String {
    walk.start(changed).error().to_owned()
}

#[test]
fn d22_every_defect_is_found_before_anybody_logs_in() {
    let mut walk = Walk::new();
    let cases = [
        ("prompt", "sometimes", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("nonce", "short", "insufficient_entropy"),
        ("max_age", "old", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("scope", "openid everything", "invalid_scope"),
        ("scope", "openid \u{e4}", "invalid_scope"),
        ("response_type", "token", "unauthorized_client"),
        ("response_type", "none", "unsupported_response_type"),
        ("response_type", "", "unsupported_response_type"),
        ("response_mode", "pigeon", "unsupported_response_mode"),
        ("audience", "https://other.example/", "invalid_request"),
        ("code_challenge", "abc", "invalid_request"),
        ("id_token_hint", "abc", "invalid_request"),
        ("request", "e30.e30.", "invalid_request_object"),
        ("request_uri", "https://a/", "invalid_request_uri"),
        ("registration", "{}", "registration_not_supported"),
    ];
    for (name, value, error) in cases {
        assert_eq!(refused(&mut walk, &[(name, value)]), error, "{name}={value}");
    }
}

#[test]
fn rfc7636_4_4_1_only_s256_is_known() {
    let mut walk = Walk::new();
    let challenge = crate::testing::challenge(crate::testing::VERIFIER);
    for method in ["plain", "", "S512"] {
        let pkce = [
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", method),
        ];
        assert_eq!(refused(&mut walk, &pkce), "invalid_request", "{method}");
    }
}

#[test]
fn rfc9700_2_1_1_a_public_client_needs_pkce_where_the_policy_says_so() {
    let mut walk = Walk::with(|client| client.auth_method = crate::client::AuthMethod::None);
    assert_eq!(refused(&mut walk, &[]), "invalid_request");
    let challenge = crate::testing::challenge(crate::testing::VERIFIER);
    let pkce = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    walk.start(&pkce).login();
}

#[test]
fn d17_a_client_without_the_grant_or_response_type_is_unauthorized() {
    let mut walk = Walk::with(|client| client.grant_types = vec!["client_credentials".into()]);
    assert_eq!(refused(&mut walk, &[]), "unauthorized_client");
    let mut walk = Walk::with(|client| client.response_types = vec!["id_token".into()]);
    assert_eq!(refused(&mut walk, &[]), "unauthorized_client");
}

#[test]
fn d18_state_may_be_missing_and_short_if_something_else_protects() {
    let mut walk = Walk::new();
    walk.start(&[("state", "")]).login();
    walk.start(&[("state", "short")]).login();
    let alone = [("state", "short"), ("nonce", "")];
    assert_eq!(refused(&mut walk, &alone), "invalid_state");
}

#[test]
fn d23_an_address_that_is_refused_gets_nothing() {
    let mut walk = Walk::new();
    for uri in ["https://evil.example/", "", "https://app.example/callback#x"] {
        let place = walk.start(&[("redirect_uri", uri)]);
        assert_eq!(place, Place::ErrorPage(Code::InvalidRequest), "{uri}");
    }
    for id in ["nobody", ""] {
        let place = walk.start(&[("client_id", id)]);
        assert_eq!(place, Place::ErrorPage(Code::InvalidClient), "{id}");
    }
}

#[test]
fn d23_an_error_comes_by_the_response_mode_in_force() {
    let walk = Walk::new();
    let request = walk.request(&[("response_mode", "form_post"), ("scope", "everything")]);
    let reply = now(authorize(&walk.desk.world(), request, &Browser::default()));
    let Destination::Client(Delivery::Form { action, fields }) = reply.to else {
        panic!("not a form: {:?}", reply.to)
    };
    assert_eq!(action, CALLBACK);
    assert!(
        fields.contains(&("error".to_owned(), "invalid_scope".to_owned())),
        "{fields:?}"
    );
    assert!(
        fields.contains(&("iss".to_owned(), "https://op.example/".to_owned())),
        "{fields:?}"
    );
}

#[test]
fn empty_prompt_and_scope_are_as_if_they_were_not_sent() {
    let mut walk = Walk::new();
    let request = form(&[
        ("client_id", "app"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("prompt", ""),
        ("scope", ""),
        ("login_verifier", " "),
    ]);
    walk.visit(&request).login();
}

#[test]
fn the_login_app_learns_what_the_client_said() {
    let mut walk = Walk::new();
    let login = walk
        .start(&[
            ("acr_values", "2 1"),
            ("ui_locales", "de en"),
            ("display", "page"),
            ("login_hint", "a@b"),
            ("audience", "https://api.example https://api.example"),
        ])
        .login();
    let request = now(login::read(&walk.desk.world(), &login)).expect("it can be read");
    assert_eq!(request.oidc_context.acr_values, ["2", "1"]);
    assert_eq!(request.oidc_context.ui_locales, ["de", "en"]);
    assert_eq!(request.oidc_context.display, "page");
    assert_eq!(request.oidc_context.login_hint, "a@b");
    assert_eq!(request.audience, ["https://api.example"]);
    assert!(
        request
            .request_url
            .starts_with("https://op.example/oauth2/auth?client_id=app&")
    );
}

#[test]
fn registration_has_its_own_page() {
    let mut walk = Walk::new();
    walk.desk.policy.registration_url = "https://op.example/register?x=1".to_owned();
    let request = walk.request(&[("prompt", "create")]);
    let reply = now(authorize(&walk.desk.world(), request, &Browser::default()));
    let Destination::Url(url) = reply.to else {
        panic!("{:?}", reply.to)
    };
    assert!(
        url.starts_with("https://op.example/register?x=1&login_challenge="),
        "{url}"
    );
}

#[test]
fn a_request_that_no_redirect_can_carry_is_refused_at_once() {
    let mut walk = Walk::new();
    let long = "x".repeat(17_000);
    for name in ["state", "scope", "login_hint"] {
        assert_eq!(
            walk.start(&[(name, &long)]),
            Place::ErrorPage(Code::InvalidRequest),
            "{name}"
        );
    }
}
