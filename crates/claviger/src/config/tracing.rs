//! `tracing`: where traces go, and which.

use std::sync::Arc;

use rustls::RootCertStore;

use super::error::ConfigError;
use super::secret::Secret;
use super::values::Values;

/// Where an OTLP collector takes spans (OTLP 1, HTTP).
const PATH: &str = "/v1/traces";

/// A collector of traces.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Where it takes spans.
    pub url: String,
    /// The header `Authorization`.
    pub authorization: Option<Secret>,
    /// Part of all requests that is traced, unless whoever sent one has decided.
    pub ratio: f64,
    /// What this service is called.
    pub service_name: String,
    /// What its environment is called.
    pub environment: Option<String>,
    /// As in [`super::settings::Outgoing`].
    pub authorities: Option<Arc<RootCertStore>>,
}

impl Collector {
    /// None if no traces are asked for.
    pub(super) fn from_values(values: &Values) -> Result<Option<Self>, ConfigError> {
        let provider: Option<String> = values.get("tracing.provider")?;
        match provider.as_deref() {
            None => return Ok(None),
            Some("otel") => {}
            Some(other) => {
                let reason = format!(
                    "asks for {other}, whose own protocol is not spoken: such servers take OTLP today, so set it to otel, \
                     and tracing.providers.otlp.server_url to their OTLP address (HTTP, usually port 4318)"
                );
                return Err(values.invalid("tracing.provider", reason));
            }
        }
        let server: Option<String> = values.get("tracing.providers.otlp.server_url")?;
        let server = server.filter(|server| !server.is_empty()).ok_or_else(|| {
            let reason = "asks for traces, but tracing.providers.otlp.server_url does not say where they go";
            values.invalid("tracing.provider", reason)
        })?;
        let url = url(&server, values.get("tracing.providers.otlp.insecure")?);
        Ok(Some(Self {
            url: url.ok_or_else(|| {
                let reason = "is no address of a collector; write host:port, or an http or https URL";
                values.invalid("tracing.providers.otlp.server_url", reason)
            })?,
            authorization: values.get("tracing.providers.otlp.authorization_header")?,
            ratio: values.get("tracing.providers.otlp.sampling.sampling_ratio")?,
            service_name: values.get("tracing.service_name")?,
            environment: values.get("tracing.deployment_environment")?,
            authorities: None,
        }))
    }
}

/// Hydra takes host and port, others write a URL.
fn url(server: &str, is_insecure: bool) -> Option<String> {
    let whole = match server.contains("://") {
        true => server.to_owned(),
        false => format!("{}://{server}", if is_insecure { "http" } else { "https" }),
    };
    let mut url = url::Url::parse(&whole).ok()?;
    let is_usable = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    if !is_usable || url.password().is_some() {
        return None;
    }
    if url.path() == "/" {
        url.set_path(PATH);
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_host_and_port_or_by_a_url() {
        for (server, is_insecure, expected) in [
            ("localhost:4318", true, Some("http://localhost:4318/v1/traces")),
            ("otel.example", false, Some("https://otel.example/v1/traces")),
            ("http://127.0.0.1:4318", false, Some("http://127.0.0.1:4318/v1/traces")),
            (
                "https://otel.example/otlp/v1/traces",
                true,
                Some("https://otel.example/otlp/v1/traces"),
            ),
            ("ftp://otel.example", false, None),
            ("https://user:password@otel.example", false, None),
            ("", false, None),
        ] {
            assert_eq!(url(server, is_insecure).as_deref(), expected, "{server}");
        }
    }
}
