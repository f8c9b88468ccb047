//! Lines of JSON with the members that Hydra's have: `time`, `level`, `msg`, `audience`, `service_name`,
//! `service_version`, `http_request`, `http_response`, `error`, and `otel` with traces. A field with a dot in its name is a member of an object.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::{audit, trace};
use crate::admin::version::VERSION;
use crate::edge::request_id::RequestId;

/// Writes one object a line, or indented.
pub(super) struct JsonLines {
    pub(super) is_pretty: bool,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line(Map::new());
        // The request to which the line belongs, unless it says so itself.
        if let Some(id) = RequestId::current() {
            line.0.insert("request_id".to_owned(), id.as_str().into());
        }
        if let Some((trace, span)) = trace::current() {
            let place = json!({ "trace_id": trace.to_string(), "span_id": span.to_string() });
            line.0.insert("otel".to_owned(), place);
        }
        event.record(&mut line);
        let Line(mut line) = line;
        let target = event.metadata().target();
        let audience = if target == audit::TARGET {
            "audit"
        } else {
            "application"
        };
        line.insert("time".to_owned(), jiff::Timestamp::now().to_string().into());
        line.insert("level".to_owned(), level(*event.metadata().level()).into());
        line.insert("audience".to_owned(), audience.into());
        line.insert("service_name".to_owned(), "Claviger".into());
        line.insert("service_version".to_owned(), VERSION.into());
        line.insert("target".to_owned(), target.into());
        let line = Value::Object(line);
        if self.is_pretty {
            writeln!(writer, "{line:#}")
        } else {
            writeln!(writer, "{line}")
        }
    }
}

/// As Hydra names them.
fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

struct Line(Map<String, Value>);

impl Line {
    fn put(&mut self, field: &Field, value: Value) {
        let (place, name) = match field.name().split_once('.') {
            Some((object, member)) => {
                let object = self.0.entry(object).or_insert_with(|| json!({}));
                // What is no object yet is a message, as that of an error.
                if !object.is_object() {
                    *object = json!({ "message": object.take() });
                }
                match object.as_object_mut() {
                    Some(object) => (object, member),
                    None => return,
                }
            }
            None => (&mut self.0, field.name()),
        };
        match (name, &value) {
            ("message", _) if field.name() == "message" => place.insert("msg".to_owned(), value),
            ("error", Value::String(_)) => place.insert("error".to_owned(), json!({ "message": value })),
            _ => place.insert(name.to_owned(), value),
        };
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}
