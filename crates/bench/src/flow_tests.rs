//! Tests of `flow`.

use std::sync::Arc;

use super::*;
use crate::fake::{Provider, redirect, serve};
use crate::operations::{Operation, Turn, Worker};
use crate::stock::Bench;

fn jar(lines: &[&str]) -> CookieJar {
    let mut jar = CookieJar::default();
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
    }
    jar.take(&headers);
    jar
}

fn sent(jar: &CookieJar) -> String {
    jar.header()
        .map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[test]
fn cookies_are_sent_back_in_the_order_in_which_they_came() {
    let jar = jar(&["a=1; Path=/; HttpOnly", "b=x=y=; Max-Age=1800; SameSite=Lax"]);
    assert_eq!(sent(&jar), "a=1; b=x=y=");
}

#[test]
fn a_cookie_is_replaced_by_one_of_its_name() {
    assert_eq!(sent(&jar(&["a=1", "b=2", "a=3"])), "b=2; a=3");
}

#[test]
fn a_cookie_without_life_is_dropped() {
    assert_eq!(sent(&jar(&["a=1", "b=2", "a=; Max-Age=0; Path=/"])), "b=2");
    assert_eq!(sent(&jar(&["a=1", "a=; max-age=-1"])), "");
    assert_eq!(sent(&jar(&["no equals sign"])), "");
}

#[test]
fn parameters_are_found_by_their_whole_name_and_decoded() {
    let location = "http://a/b?login_challenge_hint=x&login_challenge=a%3D%3D&code=1#code=2";
    assert_eq!(parameter(location, "login_challenge").as_deref(), Some("a=="));
    assert_eq!(parameter(location, "code").as_deref(), Some("1"));
    assert_eq!(parameter(location, "challenge"), None);
}

async fn flow_at(origin: &str) -> Result<Turn, Failure> {
    // The clients are registered at a provider that works; the flow goes to `origin`.
    let provider = Provider::serve();
    let bench = Bench::prepare(Origin::parse(origin)?, Origin::parse(&provider)?).await?;
    Worker::new(&Arc::new(bench), &Arc::default(), 0)
        .perform(Operation::CodeFlow)
        .await
}

#[tokio::test]
async fn a_flow_carries_cookies_and_challenges_to_the_tokens() {
    let provider = Provider::serve();
    let origin = || Origin::parse(&provider).unwrap();
    let bench = Arc::new(Bench::prepare(origin(), origin()).await.unwrap());
    let mut worker = Worker::new(&bench, &Arc::default(), 0);
    for _ in 0..2 {
        assert_eq!(worker.perform(Operation::CodeFlow).await.unwrap(), Turn::Done);
    }
    assert_eq!(bench.stock(Operation::Refresh), Some((Operation::CodeFlow, 2)));
}

#[tokio::test]
async fn a_device_gets_its_tokens_after_its_owner_allowed_it() {
    let provider = Provider::serve();
    let origin = || Origin::parse(&provider).unwrap();
    let bench = Arc::new(Bench::prepare(origin(), origin()).await.unwrap());
    let mut worker = Worker::new(&bench, &Arc::default(), 0);
    assert_eq!(worker.perform(Operation::Device).await.unwrap(), Turn::Done);
}

#[tokio::test]
async fn a_logout_is_accepted_and_ends_where_the_client_wants_it() {
    let provider = Provider::serve();
    let origin = || Origin::parse(&provider).unwrap();
    let bench = Arc::new(Bench::prepare(origin(), origin()).await.unwrap());
    let mut worker = Worker::new(&bench, &Arc::default(), 0);
    assert_eq!(worker.perform(Operation::Logout).await.unwrap(), Turn::Done);
}

#[tokio::test]
async fn an_error_for_the_client_is_reported_with_its_description() {
    let (origin, _) = serve(|_| {
        redirect(
            "http://apps.example/cb?error=invalid_scope&error_description=no+such",
            None,
        )
    });
    let error = flow_at(&origin).await.unwrap_err().to_string();
    assert!(
        error.contains("login_challenge is missing in \"invalid_scope: no such\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_to_another_host_is_refused_without_its_query() {
    let (origin, _) = serve(|_| redirect("http://other.example/oauth2/auth?secret=1", None));
    let error = flow_at(&origin).await.unwrap_err().to_string();
    assert!(
        error.starts_with("\"http://other.example/oauth2/auth\" leaves http://127.0.0.1:"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_sends_the_browser_round_is_left() {
    let (origin, connections) = serve(|_| redirect("/oauth2/auth", None));
    let error = flow_at(&origin).await.unwrap_err();
    assert!(matches!(error, Failure::Endless { .. }), "{error}");
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}
