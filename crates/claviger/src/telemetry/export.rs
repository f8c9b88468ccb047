//! Who carries spans to the collector: the program's own HTTP client, on the program's own runtime.
//!
//! The exporter calls from a thread without a runtime, on which a client of ours could not even make a timer: the request
//! is sent on the runtime of the server, and the thread waits for it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use claviger_core::outgoing::Outgoing;
use http::header::AUTHORIZATION;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

use super::trace::DELIVERY;
use crate::config::Secret;
use crate::config::settings;
use crate::config::tracing::Collector;
use crate::outgoing::GuardedClient;

/// OTLP over HTTP, in its binary form.
const MEDIA_TYPE: &str = "application/x-protobuf";

/// Sends requests of the exporter.
pub(super) struct Courier {
    client: Arc<GuardedClient>,
    authorization: Option<Secret>,
    runtime: &'static OnceLock<Handle>,
    /// Whether the last delivery failed: one line when it begins, one when it ends.
    is_failing: AtomicBool,
}

impl Courier {
    pub(super) fn new(collector: &Collector, runtime: &'static OnceLock<Handle>) -> Self {
        let settings = settings::Outgoing {
            disallow_private_ip_ranges: true,
            private_ip_exception_urls: Vec::new(),
            own_urls: vec![collector.url.clone()],
            authorities: collector.authorities.clone(),
        };
        Self {
            client: Arc::new(GuardedClient::new(&settings)),
            authorization: collector.authorization.clone(),
            runtime,
            is_failing: AtomicBool::new(false),
        }
    }
}

impl Courier {
    fn tell(&self, refused: Option<String>) {
        let was_failing = self.is_failing.swap(refused.is_some(), Ordering::Relaxed);
        match refused {
            Some(reason) if !was_failing => {
                tracing::warn!(
                    reason,
                    "spans cannot be delivered (tracing.providers.otlp.server_url); they are dropped"
                );
            }
            None if was_failing => tracing::info!("spans are delivered again"),
            _ => {}
        }
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Courier(..)")
    }
}

#[async_trait]
impl HttpClient for Courier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let Some(runtime) = self.runtime.get() else {
            return Err("the server is still starting".into());
        };
        let mut outgoing = Outgoing::post(&request.uri().to_string(), MEDIA_TYPE, request.body().to_vec());
        if let Some(authorization) = &self.authorization {
            outgoing = outgoing.with_header(AUTHORIZATION.as_str(), authorization.expose());
        }
        let client = Arc::clone(&self.client);
        let sending = async move { tokio::time::timeout(DELIVERY, client.send(outgoing)).await };
        let answer = match runtime.spawn(sending).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(failed))) => Err(failed.to_string()),
            Ok(Err(_)) => Err("the collector did not answer in time".to_owned()),
            Err(_) => Err("the server is stopping".to_owned()),
        };
        let refused = match &answer {
            Ok(answer) if answer.status >= 400 => Some(format!("the collector answered {}", answer.status)),
            Ok(_) => None,
            Err(reason) => Some(reason.clone()),
        };
        self.tell(refused);
        let answer = answer?;
        Ok(Response::builder().status(answer.status).body(answer.body.into())?)
    }
}
