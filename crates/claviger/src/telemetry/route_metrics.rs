//! What is counted of every request, under Hydra's names.
//!
//! Handles are resolved when a route is registered, or when it first answers with a status: counting a request looks up no
//! label.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::admin::version::BUILD;

/// From half a millisecond to ten seconds, in seconds.
const DURATION_BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// In bytes.
const SIZE_BUCKETS: [f64; 7] = [100.0, 500.0, 1_000.0, 5_000.0, 20_000.0, 100_000.0, 1_000_000.0];

/// Every status that is answered often; others are looked up.
const CODES: [u16; 20] = [
    200, 201, 204, 302, 303, 304, 400, 401, 403, 404, 405, 408, 409, 410, 413, 429, 500, 502, 503, 504,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: u16,
    method: &'static str,
    endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    method: &'static str,
    status_bucket: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SizeLabels {
    code: u16,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabels {
    fault: &'static str,
    endpoint: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The families.
#[derive(Clone)]
pub(super) struct Requests {
    requests: Family<CodeLabels, Counter>,
    statuses: Family<StatusLabels, Counter>,
    durations: Histograms<CodeLabels>,
    times: Histograms<EndpointLabels>,
    sizes: Histograms<SizeLabels>,
    request_sizes: Histograms<SizeLabels>,
    refusals: Family<FaultLabels, Counter>,
}

const STATUS_BUCKETS: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Requests {
    /// What Hydra has too carries Hydra's constant labels, so that queries that choose by them go on.
    pub(super) fn register(registry: &mut Registry, version: &'static str) -> Self {
        let in_seconds = (|| Histogram::new(DURATION_BUCKETS)) as fn() -> Histogram;
        let in_bytes = (|| Histogram::new(SIZE_BUCKETS)) as fn() -> Histogram;
        let families = Self {
            requests: Family::default(),
            statuses: Family::default(),
            durations: Family::new_with_constructor(in_seconds),
            times: Family::new_with_constructor(in_seconds),
            sizes: Family::new_with_constructor(in_bytes),
            request_sizes: Family::new_with_constructor(in_bytes),
            refusals: Family::default(),
        };
        let (hash, build_time) = BUILD;
        let constant = [
            ("app", "hydra"),
            ("version", version),
            ("hash", hash),
            ("buildTime", build_time),
        ];
        let labels = constant.map(|(name, value)| (name.into(), value.into()));
        let named = registry.sub_registry_with_labels(labels.into_iter());
        named.register("http_requests", "Requests answered", families.requests.clone());
        named.register(
            "http_requests_statuses",
            "Requests answered, by the first digit of the status",
            families.statuses.clone(),
        );
        named.register(
            "http_requests_duration_seconds",
            "Time to answer a request",
            families.durations.clone(),
        );
        named.register(
            "http_response_time_seconds",
            "Time to answer a request, whatever its method",
            families.times.clone(),
        );
        named.register(
            "http_response_size_bytes",
            "Size of the bodies of answers",
            families.sizes.clone(),
        );
        named.register(
            "http_requests_size_bytes",
            "Size of the bodies of requests",
            families.request_sizes.clone(),
        );
        registry.register(
            "claviger_refusals",
            "Requests refused, by the name of the refusal",
            families.refusals.clone(),
        );
        families
    }

    pub(super) fn route(&self, method: &'static str, endpoint: &'static str) -> RouteMetrics {
        RouteMetrics(Arc::new(Handles {
            by_code: std::array::from_fn(|_| OnceLock::new()),
            by_bucket: STATUS_BUCKETS.map(|status_bucket| {
                let labels = StatusLabels { method, status_bucket };
                self.statuses.get_or_create(&labels).clone()
            }),
            time: self.times.get_or_create(&EndpointLabels { endpoint }).clone(),
            families: self.clone(),
            method,
            endpoint,
        }))
    }
}

/// Counts the requests of one route.
#[derive(Clone)]
pub struct RouteMetrics(Arc<Handles>);

struct Handles {
    by_code: [OnceLock<OfCode>; CODES.len()],
    by_bucket: [Counter; STATUS_BUCKETS.len()],
    time: Histogram,
    families: Requests,
    method: &'static str,
    endpoint: &'static str,
}

/// The handles of one status.
struct OfCode {
    requests: Counter,
    duration: Histogram,
    size: Histogram,
    request_size: Histogram,
}

impl OfCode {
    fn count(&self, seconds: f64, sizes: [Option<u64>; 2]) {
        self.requests.inc();
        self.duration.observe(seconds);
        for (histogram, size) in [&self.request_size, &self.size].into_iter().zip(sizes) {
            if let Some(size) = size {
                #[expect(clippy::cast_precision_loss, reason = "no body has so many bytes")]
                histogram.observe(size as f64);
            }
        }
    }
}

impl Handles {
    fn of(&self, code: u16) -> OfCode {
        let (families, method, endpoint) = (&self.families, self.method, self.endpoint);
        let labels = CodeLabels { code, method, endpoint };
        let of_sizes = SizeLabels { code, method };
        OfCode {
            requests: families.requests.get_or_create(&labels).clone(),
            duration: families.durations.get_or_create(&labels).clone(),
            size: families.sizes.get_or_create(&of_sizes).clone(),
            request_size: families.request_sizes.get_or_create(&of_sizes).clone(),
        }
    }
}

impl RouteMetrics {
    /// Counts one answer. `sizes` are those of the bodies of request and answer, which are not known beforehand for all.
    pub fn answered(&self, status: StatusCode, took: Duration, sizes: [Option<u64>; 2]) {
        let handles = &*self.0;
        let (code, seconds) = (status.as_u16(), took.as_secs_f64());
        let known = CODES.iter().position(|known| *known == code);
        match known.and_then(|position| handles.by_code.get(position)) {
            Some(of_code) => of_code.get_or_init(|| handles.of(code)).count(seconds, sizes),
            None => handles.of(code).count(seconds, sizes),
        }
        let bucket = usize::from(code / 100).saturating_sub(1);
        if let Some(counter) = handles.by_bucket.get(bucket) {
            counter.inc();
        }
        handles.time.observe(seconds);
    }

    /// Counts a refusal by its name.
    pub fn refused(&self, fault: &'static str) {
        let endpoint = self.0.endpoint;
        let labels = FaultLabels { fault, endpoint };
        self.0.families.refusals.get_or_create(&labels).inc();
    }
}
