//! One connection to PostgreSQL: address, TLS, session settings.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::port::StoreError;
use futures_util::future::{join, join_all};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{explained, is_away};
use crate::{OpenError, Options};

/// What `sslmode` asks of the server's certificate, as libpq understands it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Authority,
    AuthorityAndName,
}

/// How statements are planned. Every statement finds its rows by a key, so that one plan serves all values; planning again,
/// or compiling to machine code, costs more than running. A plan is made when the tables may be empty and stays until they
/// are analyzed: one that reads them whole would be right then, and cost more with each row that is added.
/// An engine that only speaks like PostgreSQL may refuse some of it.
pub const PLANNING: [&str; 5] = [
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
];

/// Makes connections.
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    patience: Duration,
    settings: String,
    /// Whether a pooler gives each transaction another connection, on which nothing of the last one is left.
    is_pooled: bool,
}

impl Connector {
    pub(super) fn new(url: &str, options: &Options) -> Result<Self, OpenError> {
        let (url, parameters) = Parameters::take(url);
        let (mode, mut check) = parameters.mode()?;
        if mode == SslMode::Require && check == Check::Nothing && parameters.authorities.is_some() {
            check = Check::Authority;
        }
        let mut config = Config::from_str(&url).map_err(|error| OpenError::Address(explained(&error)))?;
        config.ssl_mode(mode);
        if config.get_application_name().is_none() {
            config.application_name("claviger");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.patience);
        }
        let timeout = options.statement_timeout.as_millis();
        let settings = format!(
            "SET statement_timeout = {timeout}; SET idle_in_transaction_session_timeout = {timeout}; \
             SET client_encoding = 'UTF8'"
        );
        let is_pooled = parameters.is_pooled()?;
        // There they would stay for strangers, and not for us.
        let settings = if is_pooled { String::new() } else { settings };
        Ok(Self {
            config,
            is_pooled,
            tls: MakeRustlsConnect::new(tls(check, parameters.authorities.as_deref())?),
            patience: options.patience,
            settings,
        })
    }

    pub(super) fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// A connection, whose task ends when the client is dropped. Who has served already, and is not let in any more, does not
    /// fail for good: passwords are replaced, and databases restored.
    pub(super) async fn connect(&self) -> Result<Client, StoreError> {
        self.attempt().await.map_err(OpenError::unavailable)
    }

    /// The same, which says whether it may pass that there is none.
    pub(super) async fn attempt(&self) -> Result<Client, OpenError> {
        let connecting = async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            // The task's owner is the client: it ends when that is dropped, and its error reaches every caller.
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(reason = explained(&error), "a database connection ended");
                }
            });
            if !self.is_pooled {
                let planning = join_all(PLANNING.map(|setting| client.batch_execute(setting)));
                let (set, planned) = join(client.batch_execute(&self.settings), planning).await;
                set?;
                for error in planned.iter().filter_map(|set| set.as_ref().err()) {
                    tracing::debug!(
                        reason = explained(error),
                        "the database plans statements in its own way"
                    );
                }
            }
            Ok(client)
        };
        // The driver's own limit is per address, and does not cover the handshakes.
        match tokio::time::timeout(self.patience * 2, connecting).await {
            Ok(connected) => connected.map_err(|error: tokio_postgres::Error| match is_away(&error) {
                true => OpenError::Unreachable(explained(&error)),
                false => OpenError::Server(explained(&error)),
            }),
            Err(_) => Err(OpenError::Unreachable("connecting took too long".to_owned())),
        }
    }
}

/// Parameters of the address that are ours to understand.
#[derive(Default)]
struct Parameters {
    mode: Option<String>,
    authorities: Option<String>,
    pgbouncer: Option<String>,
    exec_mode: Option<String>,
}

impl Parameters {
    /// The address without them.
    fn take(url: &str) -> (String, Self) {
        // A password may contain a question mark; the query begins after the first @.
        let server = url.find('@').unwrap_or(0);
        let mark = url
            .get(server..)
            .and_then(|tail| tail.find('?'))
            .map(|mark| server + mark);
        let Some((target, query)) = mark.and_then(|mark| Some((url.get(..mark)?, url.get(mark + 1..)?))) else {
            return (url.to_owned(), Self::default());
        };
        let mut found = Self::default();
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_encoding::percent_decode_str(value)
                .decode_utf8_lossy()
                .into_owned();
            match name {
                "sslmode" => found.mode = Some(value),
                "pgbouncer" => found.pgbouncer = Some(value),
                // What Hydra's driver calls it.
                "default_query_exec_mode" => found.exec_mode = Some(value),
                "sslrootcert" => found.authorities = Some(value),
                _ => kept.push(pair),
            }
        }
        let mark = if kept.is_empty() { "" } else { "?" };
        (format!("{target}{mark}{}", kept.join("&")), found)
    }

    fn is_pooled(&self) -> Result<bool, OpenError> {
        let unnamed = match self.exec_mode.as_deref() {
            None | Some("cache_statement") => false,
            Some("exec" | "simple_protocol" | "cache_describe" | "describe_exec") => true,
            Some(other) => {
                return Err(OpenError::Address(format!(
                    "default_query_exec_mode {other:?} is not known; leave it out, or write pgbouncer=true behind PgBouncer \
                     in transaction mode"
                )));
            }
        };
        match self.pgbouncer.as_deref() {
            None | Some("false") => Ok(unnamed),
            Some("true") => Ok(true),
            Some(other) => Err(OpenError::Address(format!(
                "pgbouncer is true or false, and not {other:?}"
            ))),
        }
    }

    fn mode(&self) -> Result<(SslMode, Check), OpenError> {
        match self.mode.as_deref() {
            Some("disable") => Ok((SslMode::Disable, Check::Nothing)),
            None | Some("allow" | "prefer") => Ok((SslMode::Prefer, Check::Nothing)),
            Some("require") => Ok((SslMode::Require, Check::Nothing)),
            Some("verify-ca") => Ok((SslMode::Require, Check::Authority)),
            Some("verify-full") => Ok((SslMode::Require, Check::AuthorityAndName)),
            Some(other) => Err(OpenError::Address(format!(
                "sslmode {other:?} is not known; use disable, prefer, require, verify-ca or verify-full"
            ))),
        }
    }
}

fn tls(check: Check, authorities: Option<&str>) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = roots(authorities)?;
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| OpenError::Address(format!("sslrootcert holds no usable certificate: {error}")))?;
    let verifier = Arc::new(Verifier {
        check,
        chain,
        provider: provider.clone(),
    });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError::Address(format!("TLS cannot be set up: {error}")))?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

fn roots(authorities: Option<&str>) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = authorities else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(roots);
    };
    let refuse = |reason: String| OpenError::Address(format!("sslrootcert {path:?} cannot be read: {reason}"));
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| refuse(error.to_string()))? {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(roots)
}

/// Checks what `sslmode` asks for, and always that the server holds the key of the certificate it shows.
struct Verifier {
    check: Check,
    chain: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        // The name is checked last, so that an error about it says that the chain is trusted.
        match self
            .chain
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Authority => Ok(ServerCertVerified::assertion()),
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_parameters_are_taken_out_of_the_address_and_others_stay() {
        let (url, found) =
            Parameters::take("postgres://u:p?w@h/db?sslmode=verify-full&options=a&sslrootcert=%2Fca.pem");
        assert_eq!(url, "postgres://u:p?w@h/db?options=a");
        assert_eq!(found.mode.as_deref(), Some("verify-full"));
        assert_eq!(found.authorities.as_deref(), Some("/ca.pem"));
    }

    #[test]
    fn an_unknown_sslmode_is_refused_with_the_ones_there_are() {
        let refusal = Connector::new("postgres://h/db?sslmode=maybe", &Options::default())
            .err()
            .unwrap();
        assert!(refusal.to_string().contains("verify-full"), "{refusal}");
    }

    #[test]
    fn a_pooler_is_named_by_either_parameter() {
        let is_pooled = |query: &str| Parameters::take(&format!("postgres://h/db?{query}")).1.is_pooled();
        for query in [
            "pgbouncer=true",
            "default_query_exec_mode=exec",
            "default_query_exec_mode=simple_protocol",
        ] {
            assert!(is_pooled(query).unwrap(), "{query}");
        }
        for query in ["", "pgbouncer=false", "default_query_exec_mode=cache_statement"] {
            assert!(!is_pooled(query).unwrap(), "{query}");
        }
        for query in ["pgbouncer=maybe", "default_query_exec_mode=x"] {
            assert!(is_pooled(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_refused_address_does_not_show_its_password() {
        let refusal = Connector::new("postgres://u:geheim@h/db?nonsense=1", &Options::default())
            .err()
            .unwrap();
        assert!(!refusal.to_string().contains("geheim"), "{refusal}");
    }
}
