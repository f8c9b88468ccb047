//! Traces: what arrives at an OpenTelemetry collector, and what happens without one.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use claviger_e2e::process::PATIENCE;
use claviger_e2e::{Collector, Database, Flow, Http, Request, ServerOptions, ports};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use crate::{guarded, key, server};

fn spans(collector: &Collector) -> Vec<Span> {
    let heard = collector.heard();
    let batches = heard
        .iter()
        .map(|(_, body)| ExportTraceServiceRequest::decode(&body[..]).unwrap());
    let resources = batches.flat_map(|batch| batch.resource_spans);
    resources
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}

/// The spans that have arrived by the time that there is one of this kind.
async fn wait_for(collector: &Collector, is_wanted: impl Fn(&Span) -> bool) -> (Span, Vec<Span>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let spans = spans(collector);
        if let Some(found) = spans.iter().find(|span| is_wanted(span)) {
            return (found.clone(), spans);
        }
        let names: Vec<_> = spans.iter().map(|span| &span.name).collect();
        assert!(Instant::now() < deadline, "it never came; what came is {names:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    claviger_e2e::dump::hex(bytes)
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

#[tokio::test]
async fn a_request_is_a_span_of_its_callers_trace_with_the_database_below_it_and_the_hook_is_told() {
    for (database, format) in [(Database::postgres(), "text"), (Database::sqlite(), "json")] {
        let (collector, hook) = (Collector::listen(), Collector::listen());
        let options = ServerOptions::new(&database).traced(collector.port);
        let options = options.with("LOG_FORMAT", format);
        let options = options.with("OAUTH2_TOKEN_HOOK", &format!("http://127.0.0.1:{}/hook", hook.port));
        let server = server(&database, options).await;
        let flow = Flow::new(&server).await;
        let request = Request::post(&server.public("/oauth2/token"))
            .basic(&flow.client_id, &flow.client_secret)
            .form(&[("grant_type", "client_credentials")]);
        let answer = Http::new()
            .send(request.header("traceparent", &format!("00-{TRACE}-{CALLER}-01")))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let id = answer.header("x-request-id");

        let is_ours = |span: &Span| attribute(span, "claviger.request_id").as_deref() == Some(id);
        let (request, spans) = wait_for(&collector, is_ours).await;
        assert_eq!(
            (hex(&request.trace_id).as_str(), hex(&request.parent_span_id).as_str()),
            (TRACE, CALLER)
        );
        assert_eq!((request.name.as_str(), request.kind), ("POST /oauth2/token", 2));
        assert_eq!(attribute(&request, "http.response.status_code").as_deref(), Some("200"));
        let below = |parent: &Span| {
            let of = |span: &&Span| span.parent_span_id == parent.span_id && hex(&span.trace_id) == TRACE;
            spans.iter().filter(of).cloned().collect::<Vec<_>>()
        };
        let log = server.log();
        let is_its_line = |line: &&str| line.contains("completed handling request") && line.contains(id);
        let line = log.lines().find(is_its_line).expect("its line");
        let span = hex(&request.span_id);
        match format {
            "text" => assert!(
                line.ends_with(&format!(" otel.trace_id={TRACE} otel.span_id={span}")),
                "{line}"
            ),
            _ => {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["otel"], json!({"trace_id": TRACE, "span_id": span}), "{line}");
            }
        }
        let children = below(&request);
        let issue = children
            .iter()
            .find(|span| span.name == "sql issue")
            .expect("the token was written");
        let system = if matches!(database, Database::Postgres { .. }) {
            "postgresql"
        } else {
            "sqlite"
        };
        assert_eq!(attribute(issue, "db.system.name").as_deref(), Some(system));
        if system == "postgresql" {
            let batches = below(issue);
            assert_eq!(batches.len(), 1, "{batches:?}");
            assert_eq!(attribute(&batches[0], "db.operation.batch.size").as_deref(), Some("1"));
        }
        let asked = children
            .iter()
            .find(|span| span.name == "POST 127.0.0.1")
            .expect("the hook was asked");
        let told = hook.heard()[0].0.clone();
        assert!(
            told.contains(&format!("traceparent: 00-{TRACE}-{}-01", hex(&asked.span_id))),
            "{told}"
        );

        let (head, body) = collector.heard()[0].clone();
        assert!(
            head.starts_with("POST /v1/traces ") && head.contains("Basic credentials-of-the-collector"),
            "{head}"
        );
        let first = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        let named = format!("{:?}", first.resource_spans[0].resource);
        assert!(
            named.contains("the-server-of-this-test") && named.contains("tests"),
            "{named}"
        );
    }
}

#[tokio::test]
async fn what_is_audited_is_an_event_of_its_span_and_nothing_secret_is_in_any() {
    let collector = Collector::listen();
    let database = Database::sqlite();
    let server = server(&database, guarded(&database).traced(collector.port)).await;
    let ops = key(&database, "ops", "all");
    let metadata =
        json!({"client_id": "shop", "client_secret": "secret-that-no-span-has", "grant_types": ["client_credentials"]});
    let request = Request::post(&server.admin("/admin/clients?x=query-that-no-span-has"));
    assert_eq!(Http::new().send(request.bearer(&ops).json(&metadata)).await.status, 201);
    let request = Request::post(&server.public("/oauth2/token")).basic("shop", "secret-that-no-span-has");
    let token = Http::new()
        .send(request.form(&[("grant_type", "client_credentials")]))
        .await
        .json();
    let token = token["access_token"].as_str().unwrap().to_owned();
    let request = Request::post(&server.admin("/admin/oauth2/introspect")).bearer(&ops);
    assert_eq!(
        Http::new().send(request.form(&[("token", &token)])).await.json()["active"],
        true
    );

    let (made, _) = wait_for(&collector, |span| span.name == "POST /admin/clients").await;
    assert!(
        made.events
            .iter()
            .any(|event| format!("{event:?}").contains("admin.change")),
        "{made:?}"
    );
    // The stop delivers what is left.
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let (_, spans) = wait_for(&collector, |span| span.name == "POST /admin/oauth2/introspect").await;
    assert!(spans.iter().any(|span| span.name == "sql access"));
    for (_, body) in collector.heard() {
        let text = String::from_utf8_lossy(&body);
        for secret in [
            &ops,
            "secret-that-no-span-has",
            "query-that-no-span-has",
            &token,
            "credentials-of-the-collector",
        ] {
            assert!(!text.contains(secret), "{secret} is in a span");
        }
    }
    assert!(!log.contains("credentials-of-the-collector"));
}

/// Names and attributes of the events of all spans so far.
fn events(collector: &Collector) -> Vec<(String, Vec<(String, String)>)> {
    let all = spans(collector).into_iter().flat_map(|span| span.events);
    let text = |value| match value {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    all.map(|event| {
        let attributes = event.attributes.into_iter();
        let attributes = attributes.map(|one| (one.key, text(one.value.and_then(|value| value.value))));
        (event.name, attributes.collect())
    })
    .collect()
}

/// The names are those that dashboards made for Hydra look for.
#[tokio::test]
async fn what_comes_to_pass_is_an_event_under_hydras_name() {
    let collector = Collector::listen();
    let database = Database::sqlite();
    let server = server(&database, ServerOptions::new(&database).traced(collector.port)).await;
    let mut flow = Flow::new(&server).await;
    let tokens = flow.tokens().await;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    let (access, refresh, id_token) = (text("access_token"), text("refresh_token"), text("id_token"));
    assert!(server.is_active(&access).await);
    assert_eq!(flow.post("/oauth2/revoke", &[("token", &access)]).await.status, 200);
    assert_eq!(flow.refresh("ory_rt_nonsense").await.status, 400);
    let client = server.admin(&format!("/admin/clients/{}", flow.client_id));
    let rename = json!([{"op": "replace", "path": "/client_name", "value": "The new name"}]);
    let patched = Http::new().send(Request::patch(&client).json(&rename)).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    let consents = server.admin("/admin/oauth2/auth/sessions/consent?all=true&subject=nobody-here");
    let ended = Http::new().send(Request::delete(&consents)).await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    let deleted = Http::new().send(Request::delete(&client)).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    let id = flow.client_id.clone();
    // The stop delivers what is left.
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let told = events(&collector);
    let one = |name: &str| {
        let found = told.iter().find(|(found, _)| found == name);
        let attributes = &found.unwrap_or_else(|| panic!("no {name} in {told:?}")).1;
        move |attribute: &str| {
            let found = attributes.iter().find(|(found, _)| found == attribute);
            found.map_or("", |(_, value)| value.as_str())
        }
    };
    for name in [
        "OAuth2ClientCreated",
        "OAuth2LoginAccepted",
        "OAuth2ConsentAccepted",
        "OAuth2AccessTokenIssued",
        "OAuth2RefreshTokenIssued",
        "OIDCIdentityTokenIssued",
        "OAuth2AccessTokenInspected",
        "OAuth2AccessTokenRevoked",
        "OAuth2TokenExchangeError",
        "OAuth2ClientUpdated",
        "OAuth2ClientDeleted",
    ] {
        assert_eq!(one(name)("OAuth2ClientID"), id, "{name}");
    }
    let issued = one("OAuth2AccessTokenIssued");
    assert_eq!(issued("OAuth2GrantType"), "authorization_code");
    assert_eq!(issued("OAuth2TokenFormat"), "opaque");
    assert_eq!(issued("OAuth2Subject"), one("OAuth2LoginAccepted")("OAuth2Subject"));
    assert!(!issued("OAuth2Subject").is_empty(), "{told:?}");
    assert_eq!(one("OAuth2ClientUpdated")("OAuth2ClientName"), "The new name");
    assert_eq!(one("OAuth2ConsentRevoked")("OAuth2Subject"), "nobody-here");
    assert_eq!(one("OAuth2TokenExchangeError")("ErrorReason"), "RefreshTokenInvalid");
    for (_, body) in collector.heard() {
        let text = String::from_utf8_lossy(&body);
        for secret in [&access, &refresh, &id_token, &flow.client_secret] {
            assert!(!text.contains(secret.as_str()), "{secret} is in a span");
        }
    }
    assert!(!log.contains("OAuth2AccessTokenIssued"), "events are for traces: {log}");
}

#[tokio::test]
async fn a_collector_that_is_dead_or_silent_holds_up_neither_requests_nor_the_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in [ports::free(), silent.local_addr().unwrap().port()] {
        let database = Database::sqlite();
        let server = server(&database, ServerOptions::new(&database).traced(port)).await;
        let flow = Flow::new(&server).await;
        for _ in 0..20 {
            assert_eq!(flow.token(&[("grant_type", "client_credentials")]).await.status, 200);
        }
        // It is told once, not at every try.
        let deadline = Instant::now() + PATIENCE;
        while !server.log().contains("spans cannot be delivered") {
            assert!(Instant::now() < deadline, "{}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let began = Instant::now();
        let (status, log) = server.stop();
        assert!(status.success(), "{log}");
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
}
