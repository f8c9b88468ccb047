//! The dashboards and alert rules in `contrib/`: read by the query parser, and about metrics that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use claviger_e2e::{Database, Flow, Http, Request, ServerOptions, binary};
use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde::Deserialize;
use serde_json::Value;

use crate::server;

/// A file of rules, as Prometheus reads it: anything else in it is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alert {
    alert: String,
    expr: String,
    #[serde(default, rename = "for")]
    pending: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// What an expression asks for: metrics, and the labels by which they are chosen.
#[derive(Default)]
struct Asked(Vec<(String, Vec<String>)>);

impl Asked {
    fn note(&mut self, selector: &VectorSelector) {
        let labels = selector.matchers.matchers.iter().map(|matcher| matcher.name.clone());
        self.0
            .push((selector.name.clone().expect("a metric is named"), labels.collect()));
    }
}

impl ExprVisitor for Asked {
    type Error = String;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
        match expr {
            Expr::VectorSelector(selector) => self.note(selector),
            Expr::MatrixSelector(selector) => self.note(&selector.vs),
            _ => {}
        }
        Ok(true)
    }
}

fn parsed(expression: &str, place: &str) -> Vec<(String, Vec<String>)> {
    // Grafana puts them in before it asks.
    let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
    let tree = parser::parse(&expression).unwrap_or_else(|error| panic!("{place}: {expression}: {error}"));
    let mut asked = Asked::default();
    walk_expr(&mut asked, &tree).unwrap();
    assert!(!asked.0.is_empty(), "{place}: {expression}");
    asked.0
}

fn read(path: &str) -> String {
    fs::read_to_string(binary::root().join("contrib").join(path)).unwrap()
}

/// Everything that the files ask for, with its place.
fn asked() -> Vec<(String, String, Vec<String>)> {
    let mut all = Vec::new();
    let mut add = |place: String, expression: &str| {
        let asked = parsed(expression, &place);
        all.extend(
            asked
                .into_iter()
                .map(|(metric, labels)| (place.clone(), metric, labels)),
        );
    };
    let rules: Rules = serde_saphyr::from_str(&read("prometheus/alerts.yml")).unwrap();
    let mut names = BTreeSet::new();
    for group in &rules.groups {
        assert_eq!(group.name, "claviger");
        for rule in &group.rules {
            assert!(names.insert(&rule.alert), "{} is there twice", rule.alert);
            assert!(rule.pending.as_deref().is_none_or(|time| time.ends_with('m')));
            assert!(["warning", "critical"].contains(&&*rule.labels["severity"]));
            assert!(rule.annotations.contains_key("summary") && rule.annotations.contains_key("description"));
            add(rule.alert.clone(), &rule.expr);
        }
    }
    for file in ["overview", "inside"] {
        let board: Value = serde_json::from_str(&read(&format!("grafana/{file}.json"))).unwrap();
        let panels = board["panels"].as_array().unwrap();
        assert!(panels.len() > 8, "{file}");
        for panel in panels {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{file}: {}", panel["title"].as_str().unwrap());
                add(place, target["expr"].as_str().unwrap());
            }
        }
    }
    all
}

/// The metrics of a server with the labels of each.
fn told(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (sample, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
        let labels = labels.split("=\"").filter_map(|part| part.rsplit(['"', ',']).next());
        let labels = labels
            .map(|label| label.trim().to_owned())
            .filter(|label| !label.is_empty() && label != "}");
        all.entry(name.to_owned()).or_default().extend(labels);
    }
    all
}

#[tokio::test]
async fn dashboards_and_alert_rules_ask_for_metrics_that_a_server_has() {
    let database = Database::sqlite();
    let options = ServerOptions::new(&database).with("SERVE_PUBLIC_RATE_LIMIT_ENABLED", "true");
    let server = server(&database, options).await;
    let mut flow = Flow::new(&server).await;
    flow.tokens().await;
    flow.token(&[("grant_type", "refresh_token")]).await;
    flow.redeem("clv_ac_x").await;
    let mut wrong = flow.clone();
    wrong.client_secret = "wrong".to_owned();
    wrong.token(&[("grant_type", "client_credentials")]).await;
    Http::new().send(Request::get(&server.public("/nowhere"))).await;
    let text = Http::new().get(&server.admin("/admin/metrics/prometheus")).await.text();
    let told = told(&text);
    // What Prometheus itself adds.
    let added = ["job", "instance"];
    for (place, metric, labels) in asked() {
        if metric == "up" {
            continue;
        }
        let known = told
            .get(&metric)
            .unwrap_or_else(|| panic!("{place}: there is no {metric} in\n{text}"));
        for label in labels.iter().filter(|label| !added.contains(&&***label)) {
            assert!(
                known.contains(label),
                "{place}: {metric} has no label {label}, but {known:?}"
            );
        }
    }
    // Hydra's names.
    for (name, labels) in [
        ("http_requests_total", &["code", "method", "endpoint"][..]),
        (
            "http_requests_duration_seconds_bucket",
            &["code", "method", "endpoint", "le"],
        ),
        ("http_response_time_seconds_count", &["endpoint"]),
        ("http_requests_statuses_total", &["method", "status_bucket"]),
        ("http_response_size_bytes_sum", &["code", "method"]),
        ("http_requests_size_bytes_count", &["code", "method"]),
    ] {
        let known = told.get(name).unwrap_or_else(|| panic!("no {name}"));
        let constant = ["app", "version", "hash", "buildTime"];
        let labels = labels.iter().chain(&constant).map(|label| (*label).to_owned());
        assert_eq!(*known, labels.collect(), "{name}");
    }
    assert!(text.contains("claviger_token_requests_total{grant=\"authorization_code\",outcome=\"success\"} 1\n"));
    assert!(text.contains("claviger_token_requests_total{grant=\"client_credentials\",outcome=\"ClientUnknown\"} 1\n"));
    assert!(!text.contains(&flow.client_id));
}

#[test]
fn a_wrong_expression_and_an_unknown_member_are_errors() {
    assert!(parser::parse("sum(rate(a[5m])").is_err());
    assert!(serde_saphyr::from_str::<Rules>("groups: [{name: a, rules: [], typo: 1}]").is_err());
}
