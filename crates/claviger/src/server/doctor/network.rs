//! What a client sees: the issuer's address, the metadata and keys behind it, the certificate, the clock, and whether the admin
//! API is where strangers are.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, DATE, HOST, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::{Findings, PATIENCE, certificate};
use crate::cli::failure::Failure;
use crate::config::Settings;
use crate::provider::now;

/// Seconds between two clocks that nobody notices, and those that make tokens come from the future.
const GOOD_CLOCK: i64 = 5;
const BAD_CLOCK: i64 = 60;
/// No document of ours is longer.
const LONGEST: usize = 512 * 1024;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    certificate: Option<CertificateDer<'static>>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What looks at the server as a client on the network does.
pub(super) struct Eyes(TlsConnector);

impl Eyes {
    pub(super) fn trusting(roots: RootCertStore) -> Result<Self, Failure> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::input(error.to_string()))?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn examine(&self, settings: &Settings, findings: &mut Findings) {
        const CHECK: &str = "discovery";
        let public = settings.urls.public.trim_end_matches('/');
        let address = format!("{public}/.well-known/openid-configuration");
        let answer = match self.get(&address).await {
            Ok(answer) => answer,
            Err(reason) => {
                let advice = "start the server, or correct urls.self.public, the name or the proxy; --tls-ca names an authority of your own";
                return findings.fail(CHECK, format!("{address}: {reason}"), advice);
            }
        };
        if let Some(shown) = &answer.certificate {
            certificate::judge("certificate", shown, now().0, findings);
        }
        if let Some(theirs) = answer.headers.get(DATE).and_then(|date| seconds(date.to_str().ok()?)) {
            judge_clock("clock", "what answers there", theirs - now().0, findings);
        }
        if answer.status != StatusCode::OK {
            let advice = "something else may answer there; a 502 or 400 can mean that the proxy is not in allow_termination_from";
            return findings.fail(CHECK, format!("{address} was answered with {}", answer.status), advice);
        }
        let document = answer.json();
        metadata(settings, &document, findings);
        self.keys(&document, findings).await;
        self.exposure(public, findings).await;
    }

    async fn keys(&self, document: &Value, findings: &mut Findings) {
        const CHECK: &str = "key set";
        let address = document["jwks_uri"].as_str().unwrap_or_default();
        let advice = "clients verify no token without it; check jwks_uri and what stands before the server";
        match self.get(address).await {
            Err(reason) => findings.fail(CHECK, format!("{address}: {reason}"), advice),
            Ok(answer) => match answer.json().get("keys").and_then(Value::as_array) {
                Some(keys) if answer.status == StatusCode::OK && !keys.is_empty() => {
                    findings.ok(CHECK, format!("{address} publishes {} keys", keys.len()));
                }
                _ => findings.fail(
                    CHECK,
                    format!("{address} publishes no keys ({})", answer.status),
                    advice,
                ),
            },
        }
    }

    /// Both forms of the path: with the prefix of Hydra 2 and without.
    async fn exposure(&self, public: &str, findings: &mut Findings) {
        const CHECK: &str = "admin API";
        for path in ["/admin/clients", "/clients"] {
            let address = format!("{public}{path}");
            let Ok(answer) = self.get(&address).await else { continue };
            if answer.status == StatusCode::UNAUTHORIZED {
                let advice = "let the proxy pass requests to the public port only";
                return findings.warn(
                    CHECK,
                    format!("strangers reach {address}, which asks them for a key"),
                    advice,
                );
            }
            if answer.status == StatusCode::OK && answer.json().is_array() {
                let advice =
                    "whoever reaches it can do everything: let the proxy pass requests to the public port only";
                return findings.fail(CHECK, format!("{address} lists clients to strangers"), advice);
            }
        }
        findings.ok(CHECK, "it is not at the public address");
    }

    async fn get(&self, address: &str) -> Result<Answer, String> {
        let url = Url::parse(address).map_err(|_| "this is no address".to_owned())?;
        let asked = tokio::time::timeout(PATIENCE, self.exchange(&url)).await;
        asked.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    async fn exchange(&self, url: &Url) -> Result<Answer, String> {
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        let stream = TcpStream::connect((name.as_str(), port))
            .await
            .map_err(|error| error.to_string())?;
        if url.scheme() == "http" {
            return ask(stream, url).await;
        }
        let server = ServerName::try_from(name).map_err(|error| error.to_string())?;
        let stream = self.0.connect(server, stream).await;
        let stream = stream.map_err(|error| format!("TLS: {error}"))?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|certificate| certificate.clone().into_owned());
        Ok(Answer {
            certificate,
            ..ask(stream, url).await?
        })
    }
}

/// "The issuer value returned MUST be identical to the Issuer URL" (OpenID Connect Discovery §4.3).
fn metadata(settings: &Settings, document: &Value, findings: &mut Findings) {
    const CHECK: &str = "discovery";
    let (issuer, expected) = (document["issuer"].as_str().unwrap_or_default(), &settings.urls.issuer);
    if issuer != expected {
        let advice = "another server answers there, or one that was started with another urls.self.issuer";
        return findings.fail(
            CHECK,
            format!("the issuer there is {issuer:?}, and here {expected:?}"),
            advice,
        );
    }
    let is_https = expected.starts_with("https:");
    let members = document.as_object().into_iter().flatten();
    let plain = members.filter(|(name, value)| {
        name.ends_with("_endpoint") && value.as_str().is_some_and(|url| url.starts_with("http:"))
    });
    let plain: Vec<_> = plain.map(|(name, _)| name.as_str()).collect();
    if is_https && !plain.is_empty() {
        let advice = "set urls.self.public and webfinger.oidc_discovery to https addresses";
        return findings.fail(CHECK, format!("these are plain HTTP: {}", plain.join(", ")), advice);
    }
    findings.ok(CHECK, format!("clients find {expected} and its endpoints"));
}

pub(super) fn judge_clock(check: &'static str, whose: &str, ahead: i64, findings: &mut Findings) {
    let found = format!(
        "{whose} is {} s {} this machine",
        ahead.abs(),
        if ahead < 0 { "behind" } else { "ahead of" }
    );
    let advice = "set both clocks by NTP: tokens must not come from the future, and must end when they say";
    match ahead.abs() {
        near if near <= GOOD_CLOCK => findings.ok(check, format!("{whose} has the time of this machine")),
        near if near <= BAD_CLOCK => findings.warn(check, found, advice),
        _ => findings.fail(check, found, advice),
    }
}

/// An HTTP date (RFC 9110 §5.6.7) in seconds since 1970.
fn seconds(date: &str) -> Option<i64> {
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(time.timestamp().as_second())
}

async fn ask<S>(stream: S, url: &Url) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let request = Request::get(url.path())
        .header(HOST, host)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let conversation = async {
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?
            .into_parts();
        let body = Limited::new(body, LONGEST)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
            certificate: None,
        })
    };
    let mut conversation = std::pin::pin!(conversation);
    tokio::select! {
        answer = &mut conversation => answer,
        _ = connection => conversation.await,
    }
}
