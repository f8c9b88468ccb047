//! Lines of text: time, level, target, message, fields, and at the end the request to which a line belongs, and
//! with traces its place in them.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::trace;
use crate::edge::request_id::RequestId;

/// Writes one line for an event.
#[derive(Default)]
pub(super) struct TextLines(Format);

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let names_it = event.metadata().fields().field("request_id").is_some();
        let id = RequestId::current().filter(|_| !names_it);
        let place = trace::current();
        if id.is_none() && place.is_none() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(line.trim_end())?;
        if let Some(id) = id {
            write!(writer, " request_id={id}")?;
        }
        if let Some((trace, span)) = place {
            write!(writer, " otel.trace_id={trace} otel.span_id={span}")?;
        }
        writeln!(writer)
    }
}
