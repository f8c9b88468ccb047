//! Counters for Prometheus.
//!
//! Handles are resolved once, when a route is registered or a port opened: counting a request touches two atomics and
//! one histogram, and looks up no label.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::audit::Volume;
use super::route_metrics::Requests;
pub use super::route_metrics::RouteMetrics;

/// The content type of [`Metrics::exposition`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    grant: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

/// Counts security events, and bounds how many lines they make.
#[derive(Clone, Debug, Default)]
pub struct Events {
    counts: Family<EventLabels, Counter>,
    pub(crate) volume: Arc<Volume>,
}

impl Events {
    /// Counts one.
    pub fn count(&self, event: &'static str) {
        self.counts.get_or_create(&EventLabels { event }).inc();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PortLabels {
    port: &'static str,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Requests,
    events: Events,
    tokens: Family<TokenLabels, Counter>,
    purged: Counter,
    purges: Family<OutcomeLabels, Counter>,
    reloads: Family<OutcomeLabels, Counter>,
    open: Family<PortLabels, Gauge>,
    accepted: Family<PortLabels, Counter>,
}

impl Metrics {
    /// `version` is what `/version` answers.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let (tokens, purges, reloads) = (Family::default(), Family::default(), Family::default());
        let (purged, events) = (Counter::default(), Events::default());
        let open = Family::default();
        let accepted = Family::default();

        let mut registry = Registry::default();
        let requests = Requests::register(&mut registry, version);
        registry.register(
            "claviger_token_requests",
            "Answers of the token endpoint, by grant and by the name of the refusal",
            tokens.clone(),
        );
        registry.register(
            "claviger_security_events",
            "Events that the audit log tells of, those left out of it too",
            events.counts.clone(),
        );
        registry.register("claviger_purged_rows", "Expired rows removed", purged.clone());
        registry.register("claviger_purge_rounds", "Rounds of removal", purges.clone());
        registry.register(
            "claviger_config_reloads",
            "Times that the configuration was read again",
            reloads.clone(),
        );
        // Zero is a figure, too: an alert on a rise must see where it began.
        for outcome in ["done", "failed"] {
            let _ = purges.get_or_create(&OutcomeLabels { outcome });
        }
        for outcome in ["applied", "refused"] {
            let _ = reloads.get_or_create(&OutcomeLabels { outcome });
        }
        registry.register("http_connections_open", "Connections that are open", open.clone());
        registry.register("http_connections", "Connections accepted", accepted.clone());
        registry.register_collector(Box::new(Process {
            version,
            started: SystemTime::now(),
        }));
        Self {
            registry,
            requests,
            events,
            tokens,
            purged,
            purges,
            reloads,
            open,
            accepted,
        }
    }

    /// Adds counters that others keep, such as SQL statements by kind: `source` is asked at every scrape.
    ///
    /// `name` without `_total`; each sample is the value of the label named `label`, and its count so far.
    pub fn count_elsewhere<F>(&mut self, name: &'static str, help: &'static str, label: &'static str, source: F)
    where
        F: Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
    {
        self.registry.register_collector(Box::new(Elsewhere {
            name,
            help,
            label,
            source,
        }));
    }

    /// Adds figures that others keep.
    pub(crate) fn collect(&mut self, collector: Box<dyn Collector>) {
        self.registry.register_collector(collector);
    }

    /// Adds a figure that others keep.
    pub fn measure<F>(&mut self, name: &'static str, help: &'static str, source: F)
    where
        F: Fn() -> u64 + Send + Sync + 'static,
    {
        self.registry
            .register_collector(Box::new(Measured { name, help, source }));
    }

    /// The handles of a route.
    #[must_use]
    pub fn route(&self, method: &'static str, endpoint: &'static str) -> RouteMetrics {
        self.requests.route(method, endpoint)
    }

    /// The handles of security events.
    #[must_use]
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// Counts an answer of the token endpoint. The outcome is `success`, or the name of a refusal.
    pub fn token_request(&self, grant: &'static str, outcome: &'static str) {
        self.tokens.get_or_create(&TokenLabels { grant, outcome }).inc();
    }

    /// Counts a round in which expired rows were removed: `done`, or `failed`.
    pub fn purged(&self, outcome: &'static str, rows: u64) {
        self.purges.get_or_create(&OutcomeLabels { outcome }).inc();
        self.purged.inc_by(rows);
    }

    /// Counts a reading of the configuration: `applied`, or `refused`.
    pub fn reloaded(&self, outcome: &'static str) {
        self.reloads.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// The handles of a port, `public` or `admin`.
    #[must_use]
    pub fn port(&self, port: &'static str) -> ConnectionMetrics {
        let labels = PortLabels { port };
        ConnectionMetrics {
            open: self.open.get_or_create(&labels).clone(),
            accepted: self.accepted.get_or_create(&labels).clone(),
        }
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn exposition(&self) -> String {
        let mut open_metrics = String::new();
        if let Err(error) = text::encode(&mut open_metrics, &self.registry) {
            tracing::error!(%error, "metrics could not be written");
        }
        as_version_0_0_4(&open_metrics)
    }
}

/// OpenMetrics names the family of a counter without `_total`, which the older format takes for another metric.
fn as_version_0_0_4(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 256);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let family = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let type_line = lines.peek().copied().unwrap_or_default();
        match family {
            Some((name, help)) if type_line.ends_with(" counter") => {
                text.push_str(&format!("# HELP {name}_total {help}\n# TYPE {name}_total counter\n"));
                lines.next();
            }
            _ if line == "# EOF" => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}

/// Counts the connections of one port.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    open: Gauge,
    accepted: Counter,
}

impl ConnectionMetrics {
    /// Counts a connection, as open until the value returned is dropped.
    #[must_use]
    pub fn opened(&self) -> OpenConnection {
        self.accepted.inc();
        self.open.inc();
        OpenConnection(self.open.clone())
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What is known about the process when somebody asks.
#[derive(Debug)]
struct Process {
    version: &'static str,
    started: SystemTime,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let build = ConstGauge::new(1_i64);
        let mut family =
            encoder.encode_descriptor("claviger_build_info", "The running release", None, build.metric_type())?;
        build.encode(family.encode_family(&[("version", self.version)])?)?;

        let started = self
            .started
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        gauge(
            &mut encoder,
            "process_start_time_seconds",
            "Start of the process since 1970",
            started,
        )?;
        if let Some(bytes) = resident_memory() {
            gauge(&mut encoder, "process_resident_memory_bytes", "Memory in use", bytes)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// Linux tells it in this file; other systems have no such file.
fn resident_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

struct Measured<F> {
    name: &'static str,
    help: &'static str,
    source: F,
}

impl<F> fmt::Debug for Measured<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F: Fn() -> u64 + Send + Sync + 'static> Collector for Measured<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let value = i64::try_from((self.source)()).unwrap_or(i64::MAX);
        let gauge = ConstGauge::new(value);
        gauge.encode(encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?)
    }
}

struct Elsewhere<F> {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    source: F,
}

impl<F> fmt::Debug for Elsewhere<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<F> Collector for Elsewhere<F>
where
    F: Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(self.name, self.help, None, MetricType::Counter)?;
        for (value, count) in (self.source)() {
            ConstCounter::new(count).encode(family.encode_family(&[(self.label, value)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_exposed_under_one_name() {
        let metrics = Metrics::new("1.2.3");
        let route = metrics.route("POST", "/oauth2/token");
        route.answered(
            http::StatusCode::OK,
            std::time::Duration::from_millis(3),
            [Some(40), Some(120)],
        );
        let text = metrics.exposition();
        assert!(text.contains("# TYPE http_requests_total counter\n"), "{text}");
        assert!(
            text.contains(",code=\"200\",method=\"POST\",endpoint=\"/oauth2/token\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("claviger_build_info{version=\"1.2.3\"} 1\n"), "{text}");
        assert!(!text.contains("EOF"));
    }

    #[test]
    fn requests_have_the_labels_of_hydra() {
        let metrics = Metrics::new("v1.2.3");
        let route = metrics.route("POST", "/oauth2/token");
        for code in [200, 401, 418] {
            let code = http::StatusCode::from_u16(code).unwrap();
            route.answered(code, std::time::Duration::from_millis(3), [Some(40), Some(120)]);
        }
        let text = metrics.exposition();
        let constant = "app=\"hydra\",version=\"v1.2.3\",hash=\"undefined\",buildTime=\"undefined\"";
        for code in ["200", "401", "418"] {
            let sized = format!("{constant},code=\"{code}\",method=\"POST\"");
            let routed = format!("{sized},endpoint=\"/oauth2/token\"");
            for line in [
                format!("http_requests_total{{{routed}}} 1\n"),
                format!("http_requests_duration_seconds_count{{{routed}}} 1\n"),
                format!("http_response_size_bytes_sum{{{sized}}} 120.0\n"),
                format!("http_requests_size_bytes_sum{{{sized}}} 40.0\n"),
            ] {
                assert!(text.contains(&line), "no {line}in {text}");
            }
        }
        for line in [
            format!("http_requests_statuses_total{{{constant},method=\"POST\",status_bucket=\"4xx\"}} 2\n"),
            format!("http_response_time_seconds_count{{{constant},endpoint=\"/oauth2/token\"}} 3\n"),
        ] {
            assert!(text.contains(&line), "no {line}in {text}");
        }
    }

    #[test]
    fn counters_kept_elsewhere_are_asked_at_every_scrape() {
        let mut metrics = Metrics::new("1.2.3");
        metrics.count_elsewhere("sql_statements", "Statements sent", "kind", || vec![("issue", 7)]);
        let text = metrics.exposition();
        assert!(text.contains("sql_statements_total{kind=\"issue\"} 7\n"), "{text}");
    }

    #[test]
    fn a_connection_is_open_until_it_is_dropped() {
        let metrics = Metrics::new("1.2.3");
        let public = metrics.port("public");
        let connection = public.opened();
        assert!(
            metrics
                .exposition()
                .contains("http_connections_open{port=\"public\"} 1\n")
        );
        drop(connection);
        assert!(
            metrics
                .exposition()
                .contains("http_connections_open{port=\"public\"} 0\n")
        );
        assert!(
            metrics
                .exposition()
                .contains("http_connections_total{port=\"public\"} 1\n")
        );
    }
}
