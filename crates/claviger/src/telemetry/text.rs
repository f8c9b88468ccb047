//! Lines of text: time, level, target, message, fields, and at the end the request to which a line belongs, and
//! with traces its place in them.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
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

/// Writes fields nearly as `tracing-subscriber` does, in fewer steps, as a line of a request has a dozen: `name=value`, text
/// in quotes. No value may act on a terminal, and none but the message, whose text is ours, may begin a line.
pub(super) struct TextFields;

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut fields_written = Fields {
            writer,
            is_first: true,
            result: Ok(()),
        };
        fields.record(&mut fields_written);
        fields_written.result
    }
}

struct Fields<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl Fields<'_> {
    fn put(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_err() {
            return;
        }
        let separator = if self.is_first { "" } else { " " };
        self.is_first = false;
        let name = match field.name() {
            "message" => None,
            name => Some(name.strip_prefix("r#").unwrap_or(name)),
        };
        self.result = self.writer.write_str(separator).and_then(|()| match name {
            Some(name) => {
                self.writer.write_str(name)?;
                self.writer.write_str("=")?;
                write(&mut self.writer)
            }
            None => write(&mut self.writer),
        });
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let may_break = field.name() == "message";
        self.put(field, |writer| {
            fmt::write(&mut Harmless { writer, may_break }, format_args!("{value:?}"))
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ if value.as_bytes().iter().all(is_plain) => self.put(field, |writer| {
                writer.write_str("\"")?;
                writer.write_str(value)?;
                writer.write_str("\"")
            }),
            _ => self.put(field, |writer| write!(writer, "{value:?}")),
        }
    }
}

/// Writes control characters, which may command a terminal, as what they are called.
struct Harmless<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    /// Whether lines may end.
    may_break: bool,
}

impl fmt::Write for Harmless<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return self.writer.write_str(text);
        }
        for character in text.chars() {
            if character.is_control() && !(self.may_break && matches!(character, '\n' | '\t')) {
                write!(self.writer, "{}", character.escape_default())?;
            } else {
                self.writer.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::telemetry::log::tests::Memory;

    fn line(log: impl Fn(), ours: bool) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let lines = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone());
        if ours {
            tracing::subscriber::with_default(lines.fmt_fields(TextFields).finish(), &log);
        } else {
            tracing::subscriber::with_default(lines.finish(), &log);
        }
        memory.text()
    }

    #[test]
    fn fields_look_as_the_library_writes_them() {
        let log = || {
            let error = io::Error::other("no way");
            let (text, none) = ("a \"quoted\" \\ text with \u{e4}", None::<&str>);
            tracing::info!(
                a.b = "GET",
                n = 7_u64,
                m = -3,
                yes = true,
                share = 0.5,
                text,
                none,
                "a {} message",
                1
            );
            tracing::warn!(%error, also = ?error, r#type = "x", list = ?[1, 2], "two\nlines");
            tracing::info!(alone = 1);
            tracing::info!("");
        };
        assert_eq!(line(log, true), line(log, false));
    }

    #[test]
    fn no_value_acts_on_a_terminal() {
        let evil = "\u{1b}[2J\r\u{9b}31m";
        let forged = "x\n INFO audit: a false line";
        let written = line(
            || tracing::info!(evil, shown = %evil, forged, also = %forged, "{evil}"),
            true,
        );
        assert!(
            written.trim_end().chars().all(|character| !character.is_control()),
            "{written:?}"
        );
        assert_eq!(written.matches("\\u{1b}[2J\\r").count(), 3, "{written}");
    }
}
