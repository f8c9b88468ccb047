//! Traces for OpenTelemetry: a span for each request, with the database's below it, sent by OTLP over HTTP.
//!
//! W3C Trace Context: `traceparent` of a request is its parent, and requests to hooks carry ours. Spans have the target
//! `otel`, which the log never shows, so that without a collector nobody listens and none is made. What is audited is an
//! event of the span that it happened in. Nothing of a request is in a span but what is in its log line.
//!
//! A collector that is away holds up nobody: spans wait in a bounded queue on a thread of their own and are dropped when
//! it is full, and the stop waits [`LAST_WORDS`] at most.

use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Span, Subscriber, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::audit;
use super::export::Courier;
use crate::admin::version::VERSION;
use crate::config::tracing::Collector;
use crate::edge::request_id::RequestId;

/// The target of spans that are for traces only. `claviger-store` has the same.
pub const TARGET: &str = "otel";
/// How long the collector may take for one delivery.
pub(super) const DELIVERY: Duration = Duration::from_secs(3);
/// How long the stop waits for the last spans to be delivered.
pub const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many finished spans wait for delivery; further ones are dropped.
const QUEUE: usize = 4096;
/// How often they are delivered.
const INTERVAL: Duration = Duration::from_secs(2);

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent to {url} (tracing.providers.otlp.server_url): {reason}")]
pub struct TraceError {
    url: String,
    reason: String,
}

/// The traces of this process, on their way to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
    runtime: &'static OnceLock<Handle>,
}

impl Traces {
    /// Everything that is needed but a runtime, see [`Self::send_on`].
    ///
    /// # Errors
    /// If the address of the collector cannot be used.
    pub fn new(collector: &Collector) -> Result<Self, TraceError> {
        // One for the process, as its log is; whoever delivers has to wait for a runtime in any case.
        static RUNTIME: OnceLock<Handle> = OnceLock::new();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier::new(collector, &RUNTIME))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&collector.url)
            .with_timeout(DELIVERY)
            .build()
            .map_err(|error| TraceError {
                url: collector.url.clone(),
                reason: error.to_string(),
            })?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(INTERVAL)
            .build();
        let mut resource = Resource::builder_empty()
            .with_service_name(collector.service_name.clone())
            .with_attribute(KeyValue::new("service.version", VERSION));
        if let Some(environment) = &collector.environment {
            resource = resource.with_attribute(KeyValue::new("deployment.environment.name", environment.clone()));
        }
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(collector.ratio)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(sampler)
            .with_resource(resource.build())
            .build();
        Ok(Self {
            provider,
            runtime: &RUNTIME,
        })
    }

    /// The listener for spans, and for audit lines as events of spans.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let targets = Targets::new()
            .with_target(TARGET, LevelFilter::INFO)
            .with_target(audit::TARGET, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("claviger"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_filter(targets)
    }

    /// From now on spans are delivered.
    pub fn send_on(&self, runtime: Handle) {
        // Fails only if it was said before.
        let _ = self.runtime.set(runtime);
    }

    /// Delivers what is left, unless that takes too long.
    pub async fn stop(self) {
        let delivering = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_WORDS));
        match tokio::time::timeout(LAST_WORDS + Duration::from_millis(500), delivering).await {
            Ok(Ok(Ok(()))) => {}
            _ => tracing::warn!("the last spans could not be delivered to the collector"),
        }
    }
}

/// The span of a request; none if nobody listens.
pub(crate) fn request(method: &'static str, route: &'static str, headers: &HeaderMap, id: RequestId) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        error.r#type = field::Empty,
        claviger.request_id = %id,
    );
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // Fails only for a span that began already, or that nobody listens to.
        let _ = span.set_parent(parent);
    }
    span
}

/// Completes the span of a request.
pub(crate) fn answered(span: &Span, status: StatusCode, refusal: Option<&'static str>) {
    if span.is_disabled() {
        return;
    }
    span.record("http.response.status_code", status.as_u16());
    if let Some(refusal) = refusal {
        span.record("error.type", refusal);
    }
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of a request of ours to somebody else; none if nobody listens.
pub(crate) fn outgoing(method: &'static str, host: &str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "outgoing",
        otel.name = %format_args!("{method} {host}"),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method,
        server.address = host,
        http.response.status_code = field::Empty,
    )
}

/// The trace and the span in which we are, for the log; none without traces.
pub(super) fn current() -> Option<(TraceId, SpanId)> {
    Context::map_current(|context| {
        let span = context.span();
        let place = span.span_context();
        place.is_valid().then(|| (place.trace_id(), place.span_id()))
    })
}

/// Writes `traceparent` of the current span, if there is one.
pub(crate) fn hand_on(headers: &mut HeaderMap) {
    let current = Context::current();
    if current.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&current, &mut HeaderInjector(headers));
    }
}
