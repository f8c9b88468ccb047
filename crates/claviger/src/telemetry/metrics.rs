//! Counters for Prometheus.
//!
//! Handles are resolved once, when a route is registered or a port opened: counting a request touches two atomics and
//! one histogram, and looks up no label.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The content type of [`Metrics::exposition`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From half a millisecond to ten seconds, in seconds.
const DURATION_BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

const STATUS_BUCKETS: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    endpoint: &'static str,
    status_bucket: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PortLabels {
    port: &'static str,
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    open: Family<PortLabels, Gauge>,
    accepted: Family<PortLabels, Counter>,
}

impl Metrics {
    /// `version` is what `/version` answers.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let requests = Family::default();
        let durations = Family::new_with_constructor((|| Histogram::new(DURATION_BUCKETS)) as fn() -> Histogram);
        let open = Family::default();
        let accepted = Family::default();

        let mut registry = Registry::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register(
            "http_requests_duration_seconds",
            "Time to answer a request",
            durations.clone(),
        );
        registry.register("http_connections_open", "Connections that are open", open.clone());
        registry.register("http_connections", "Connections accepted", accepted.clone());
        registry.register_collector(Box::new(Process {
            version,
            started: SystemTime::now(),
        }));
        Self {
            registry,
            requests,
            durations,
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

    /// The handles of a route.
    #[must_use]
    pub fn route(&self, method: &'static str, endpoint: &'static str) -> RouteMetrics {
        let by_status = STATUS_BUCKETS.map(|status_bucket| {
            self.requests
                .get_or_create(&RequestLabels {
                    method,
                    endpoint,
                    status_bucket,
                })
                .clone()
        });
        let duration = self.durations.get_or_create(&RouteLabels { method, endpoint }).clone();
        RouteMetrics { by_status, duration }
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

/// Counts the requests of one route.
#[derive(Debug, Clone)]
pub struct RouteMetrics {
    by_status: [Counter; 5],
    duration: Histogram,
}

impl RouteMetrics {
    /// Counts one answer.
    pub fn answered(&self, status: StatusCode, took: Duration) {
        let bucket = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.by_status.get(bucket) {
            counter.inc();
        }
        self.duration.observe(took.as_secs_f64());
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
        route.answered(StatusCode::OK, Duration::from_millis(3));
        let text = metrics.exposition();
        assert!(text.contains("# TYPE http_requests_total counter\n"), "{text}");
        assert!(
            text.contains("http_requests_total{method=\"POST\",endpoint=\"/oauth2/token\",status_bucket=\"2xx\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("http_requests_duration_seconds_bucket{le=\"0.005\","),
            "{text}"
        );
        assert!(text.contains("claviger_build_info{version=\"1.2.3\"} 1\n"), "{text}");
        assert!(!text.contains("EOF"));
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
