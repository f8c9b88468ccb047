//! Log lines, as text or JSON, on standard error.
//!
//! A line never holds a token, code, secret, cookie or query string: whoever logs sees to that, and libraries that might
//! log what they carry are shown from warnings upward only.

use std::io;
use std::str::FromStr;
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

use super::audit;
use super::gathered::Gathered;
use super::json::JsonLines;
use super::text::{TextFields, TextLines};
use super::trace::{self, Traces};

/// The crates of this program; a target is the path of a module.
const OURS: &str = "claviger";

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    /// One object a line.
    Json,
    /// Objects that are indented.
    JsonPretty,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    pub level: LevelFilter,
    pub format: Format,
}

/// A logging setting that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogSettingError {
    #[error("log.level is '{0}'; it must be one of trace, debug, info, warn, error, fatal, panic, off")]
    Level(String),
    #[error("log.format is '{0}'; it must be text, json or json_pretty")]
    Format(String),
}

impl LogSettings {
    /// Reads `log.level` and `log.format`. Hydra's levels `fatal` and `panic` mean `error`.
    pub fn parse(level: &str, format: &str) -> Result<Self, LogSettingError> {
        Ok(Self {
            level: parse_level(level)?,
            format: format.parse()?,
        })
    }
}

fn parse_level(text: &str) -> Result<LevelFilter, LogSettingError> {
    match text.to_ascii_lowercase().as_str() {
        "panic" | "fatal" | "error" => Ok(LevelFilter::ERROR),
        "warning" | "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        "off" => Ok(LevelFilter::OFF),
        _ => Err(LogSettingError::Level(text.to_owned())),
    }
}

impl FromStr for Format {
    type Err = LogSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "json_pretty" => Ok(Self::JsonPretty),
            _ => Err(LogSettingError::Format(text.to_owned())),
        }
    }
}

/// Starts logging for the whole program; what was started before stays. Panics become log lines too.
///
/// # Errors
/// If the operating system has no thread to give.
pub fn start(settings: LogSettings, traces: Option<&Traces>) -> io::Result<()> {
    if LINES.get().is_some() {
        return Ok(());
    }
    let lines = Gathered::start(io::stderr())?;
    let (subscriber, filter) = subscriber(settings, traces, lines.clone());
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
        // They fail only if logging was started before, and then it was not started now.
        let _ = FILTER.set(filter);
        let _ = LINES.set(lines);
    }
    Ok(())
}

/// Writes what still waits. To be called last; what is logged after it may be lost.
pub fn finish() {
    if let Some(lines) = LINES.get() {
        // There is nobody to tell that standard error is gone.
        let _ = lines.flush();
    }
}

/// The lines of the process that wait to be written.
static LINES: OnceLock<Gathered<io::Stderr>> = OnceLock::new();

/// What is shown, while the program runs. One for the process, as its log is.
static FILTER: OnceLock<Filter> = OnceLock::new();
type Filter = reload::Handle<Targets, Registry>;

/// From now on lines are shown from this level up. Every place that logs is told, so that one that nobody listens to goes
/// on costing a look at a flag.
pub fn show_from(level: LevelFilter) {
    if let Some(filter) = FILTER.get() {
        // Fails only if nothing is logged any more.
        let _ = filter.reload(targets(level));
    }
}

fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(OURS, level)
        // Whoever wants less of everything else still wants to know who changed what.
        .with_target(audit::TARGET, LevelFilter::INFO)
        .with_target(trace::TARGET, LevelFilter::OFF)
}

type Listener = Box<dyn Subscriber + Send + Sync>;

fn subscriber<W>(settings: LogSettings, traces: Option<&Traces>, writer: W) -> (Listener, Filter)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(targets(settings.level));
    // Internal errors are not reported: the only one is that standard error is gone, and reporting it there would panic.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .log_internal_errors(false);
    let listener = match settings.format {
        Format::Text => {
            let lines = lines
                .with_ansi(false)
                .event_format(TextLines::default())
                .fmt_fields(TextFields);
            listener(lines.with_filter(filter), traces)
        }
        Format::Json | Format::JsonPretty => {
            let is_pretty = settings.format == Format::JsonPretty;
            let lines = lines.event_format(JsonLines { is_pretty });
            listener(lines.with_filter(filter), traces)
        }
    };
    (listener, handle)
}

/// Without traces there is no layer for them: one that is there and does nothing counts as one that wants everything,
/// and then each span is made, for nobody.
fn listener<L>(lines: L, traces: Option<&Traces>) -> Listener
where
    L: Layer<Registry> + Send + Sync + 'static,
{
    let registry = Registry::default().with(lines);
    match traces {
        Some(traces) => Box::new(registry.with(traces.layer())),
        None => Box::new(registry),
    }
}

fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(
        place,
        message = panic.payload_as_str().unwrap_or("-"),
        "a bug: the program panicked"
    );
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use http::{Method, Request, StatusCode};
    use serde_json::Value;
    use tower_service::Service as _;

    use super::*;
    use crate::edge::call::Call;
    use crate::edge::problem::Resource;
    use crate::edge::reply;
    use crate::edge::router::Routes;
    use crate::telemetry::metrics::Metrics;
    use crate::testing::plain;

    #[derive(Clone, Default)]
    pub(in crate::telemetry) struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Memory {
        pub(in crate::telemetry) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn logging(level: &str, format: &str) -> (Memory, Listener) {
        let (memory, listener, _) = dialed(level, format);
        (memory, listener)
    }

    fn dialed(level: &str, format: &str) -> (Memory, Listener, Filter) {
        let memory = Memory::default();
        let writer = memory.clone();
        let settings = LogSettings::parse(level, format).unwrap();
        let (listener, filter) = subscriber(settings, None, move || writer.clone());
        (memory, listener, filter)
    }

    #[test]
    fn the_level_can_be_changed_both_ways_and_libraries_stay_quiet() {
        let (memory, listener, filter) = dialed("info", "text");
        let speak = || {
            tracing::debug!("a detail");
            tracing::debug!(target: "h2::codec", "a frame");
        };
        tracing::subscriber::with_default(listener, || {
            speak();
            assert_eq!(memory.text(), "");
            filter.reload(targets(LevelFilter::DEBUG)).unwrap();
            speak();
            assert_eq!(memory.text().matches("a detail").count(), 1, "{}", memory.text());
            filter.reload(targets(LevelFilter::ERROR)).unwrap();
            speak();
            tracing::info!(target: audit::TARGET, "who did it");
        });
        let text = memory.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("who did it") && !text.contains("a frame"), "{text}");
    }

    #[test]
    fn pretty_json_is_indented_and_the_same() {
        let (memory, listener) = logging("info", "json_pretty");
        tracing::subscriber::with_default(listener, || {
            tracing::info!(http_request.method = "GET", "one");
            tracing::info!("two");
        });
        let text = memory.text();
        assert!(text.starts_with("{\n  \""), "{text}");
        let lines: Vec<Value> = serde_json::Deserializer::from_str(&text)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!((lines.len(), &lines[1]["msg"]), (2, &Value::from("two")), "{text}");
        assert_eq!(lines[0]["http_request"]["method"], "GET");
    }

    #[test]
    fn what_is_for_traces_alone_is_not_made_without_them() {
        for format in ["text", "json"] {
            let (_, listener) = logging("trace", format);
            tracing::subscriber::with_default(listener, || {
                assert!(tracing::info_span!(target: trace::TARGET, "request").is_disabled());
                assert!(!tracing::info_span!("ours").is_disabled());
            });
        }
    }

    #[test]
    fn settings_that_mean_nothing_are_named() {
        assert_eq!(
            LogSettings::parse("loud", "text"),
            Err(LogSettingError::Level("loud".into()))
        );
        assert_eq!(
            LogSettings::parse("info", "gelf"),
            Err(LogSettingError::Format("gelf".into()))
        );
    }

    #[test]
    fn libraries_are_not_shown_at_debug() {
        let (memory, subscriber) = logging("debug", "text");
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "h2::codec", "frame with secrets");
            tracing::debug!("ours");
        });
        assert!(
            memory.text().contains("ours") && !memory.text().contains("frame"),
            "{}",
            memory.text()
        );
    }

    #[tokio::test]
    async fn a_request_is_one_line_of_json_without_its_query_and_path() {
        let (memory, subscriber) = logging("info", "json");
        let _guard = tracing::subscriber::set_default(subscriber);
        let metrics = Metrics::new("-");
        let mut router = Routes::admin(&metrics, true)
            .on(
                &Method::GET,
                "/admin/clients/{id}",
                |_call: Call| async { reply::admin_error(&Resource::Missing.into()) },
                plain,
            )
            .finish(());
        let request = Request::builder()
            .uri("/clients/secret-id?token=secret-token")
            .header("cookie", "secret-cookie")
            .body(Body::empty())
            .unwrap();
        let Ok(response) = router.call(request).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);

        let text = memory.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains("secret"), "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["http_request"]["path"], "/admin/clients/{id}");
        assert_eq!(line["http_request"]["method"], "GET");
        assert_eq!(line["http_response"]["status"], 404);
        assert_eq!(line["http_response"]["text_status"], "Not Found");
        assert!(line["http_response"]["took"].is_u64());
        assert_eq!(line["error"]["message"], "Unable to locate the resource");
        for (member, value) in [
            ("msg", "completed handling request"),
            ("level", "info"),
            ("audience", "application"),
            ("service_name", "Claviger"),
        ] {
            assert_eq!(line[member], value);
        }
        assert!(line["time"].as_str().unwrap().ends_with('Z') && line["service_version"].is_string());
        assert_eq!(line["request_id"], response.headers()["x-request-id"].to_str().unwrap());
    }

    #[tokio::test]
    async fn lines_that_a_handler_writes_carry_the_request_id_even_when_only_errors_are_shown() {
        let (memory, subscriber) = logging("error", "json");
        let _guard = tracing::subscriber::set_default(subscriber);
        let metrics = Metrics::new("-");
        let mut router = Routes::public(&metrics)
            .on(&Method::GET, "/", || async { tracing::error!("broken") }, plain)
            .finish(());
        let Ok(response) = router.call(Request::new(Body::empty())).await;
        let line: Value = serde_json::from_str(&memory.text()).unwrap();
        assert_eq!((&line["msg"], &line["level"]), (&"broken".into(), &"error".into()));
        assert_eq!(line["request_id"], response.headers()["x-request-id"].to_str().unwrap());
    }

    #[tokio::test]
    async fn a_line_of_text_names_its_request_once_at_the_end() {
        let (memory, subscriber) = logging("info", "text");
        let _guard = tracing::subscriber::set_default(subscriber);
        let metrics = Metrics::new("-");
        let mut router = Routes::public(&metrics)
            .on(&Method::GET, "/", || async { tracing::error!("broken") }, plain)
            .finish(());
        let Ok(response) = router.call(Request::new(Body::empty())).await;
        let id = response.headers()["x-request-id"].to_str().unwrap();
        let text = memory.text();
        for (line, says) in text.lines().zip(["broken", "completed handling request"]) {
            assert!(line.contains(says), "{line}");
            assert_eq!(
                line.split(&format!(" request_id={id}")).collect::<Vec<_>>()[1..],
                [""],
                "{line}"
            );
        }
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[tokio::test]
    async fn probes_can_be_quiet() {
        let (memory, subscriber) = logging("info", "text");
        let _guard = tracing::subscriber::set_default(subscriber);
        let metrics = Metrics::new("-");
        let mut router = Routes::public(&metrics)
            .quiet(&["/health/alive"])
            .on(&Method::GET, "/health/alive", || async {}, plain)
            .finish(());
        let request = Request::builder().uri("/health/alive").body(Body::empty()).unwrap();
        let Ok(response) = router.call(request).await;
        assert_eq!((response.status(), memory.text().as_str()), (StatusCode::OK, ""));
    }
}
