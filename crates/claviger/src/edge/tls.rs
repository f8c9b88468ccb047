//! TLS 1.2 and 1.3 on a listener (RFC 5246, RFC 8446), HTTP/2 by ALPN (RFC 7301), and certificates of clients.
//!
//! The only place of the server that knows the TLS library. Attacks: handshakes that never end (the caller's deadline),
//! a certificate that is replaced by a broken one (refused, the old one stays), protocols and ciphers of old (the
//! library has none of them).

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::config::tls::{Pem, Tls};

/// How often the files are looked at. A look costs a few system calls.
const EVERY: Duration = Duration::from_secs(2);

/// A part of what TLS needs, as settings and messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Certificate,
    Key,
    ClientCa,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate (tls.cert)",
            Self::Key => "private key (tls.key)",
            Self::ClientCa => "authority of clients (tls.client_ca)",
        })
    }
}

/// Why a certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the {part} from {}: {error}; check that the file is there and that this user may read it", path.display())]
    Unreadable {
        part: Part,
        path: PathBuf,
        error: io::Error,
    },
    #[error("the {0} is not base64; encode the PEM file with: base64 -w0 FILE")]
    NotBase64(Part),
    #[error("the {0} is not PEM; it must have a block that begins with -----BEGIN, and a key must not be encrypted")]
    NotPem(Part),
    #[error("the private key (tls.key) does not belong to the certificate (tls.cert); set both from the same pair")]
    Mismatch,
    #[error("the {part} cannot be used: {error}; make it anew")]
    Unusable { part: Part, error: String },
}

/// The contents of the files, or of the settings in their place.
struct Material {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Material {
    fn read(tls: &Tls) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: text(&tls.certificate, Part::Certificate)?,
            key: Zeroizing::new(text(&tls.key, Part::Key)?),
            client_ca: tls
                .client_ca
                .as_ref()
                .map(|pem| text(pem, Part::ClientCa))
                .transpose()?,
        })
    }

    /// What tells one from another without keeping the key around.
    fn fingerprint(&self) -> Vec<u8> {
        let mut context = digest::Context::new(&SHA256);
        for part in [
            &self.certificate,
            &*self.key,
            self.client_ca.as_deref().unwrap_or_default(),
        ] {
            let part: &[u8] = part;
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        context.finish().as_ref().to_vec()
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let certificates = certificates(&self.certificate, Part::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NotPem(Part::Key))?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(Part::Certificate, &error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(pem)?), provider);
                let verifier = verifier.build().map_err(|error| unusable(Part::ClientCa, &error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(certificates, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
                rustls::Error::InvalidCertificate(_) => unusable(Part::Certificate, &error),
                other => unusable(Part::Key, &other),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The certificate that a listener with these settings shows, if it can be used.
///
/// # Errors
/// As the listener itself would fail.
pub fn shown(tls: &Tls) -> Result<CertificateDer<'static>, TlsError> {
    let material = Material::read(tls)?;
    material.config()?;
    let mut chain = certificates(&material.certificate, Part::Certificate)?.into_iter();
    chain.next().ok_or(TlsError::NotPem(Part::Certificate))
}

fn text(pem: &Pem, part: Part) -> Result<Vec<u8>, TlsError> {
    match pem {
        Pem::File(path) => fs::read(path).map_err(|error| TlsError::Unreadable {
            part,
            path: path.clone(),
            error,
        }),
        // Tools break long lines.
        Pem::Base64(secret) => {
            let joined: Zeroizing<String> = Zeroizing::new(secret.expose().split_ascii_whitespace().collect());
            STANDARD
                .decode(joined.as_bytes())
                .map_err(|_| TlsError::NotBase64(part))
        }
    }
}

fn certificates(pem: &[u8], part: Part) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(TlsError::NotPem(part)),
    }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, Part::ClientCa)? {
        store
            .add(certificate)
            .map_err(|error| unusable(Part::ClientCa, &error))?;
    }
    Ok(store)
}

fn unusable(part: Part, error: &impl ToString) -> TlsError {
    TlsError::Unusable {
        part,
        error: error.to_string(),
    }
}

/// Who the client is by its certificate, which was verified in the handshake: the subject, as people write it.
pub(super) fn client_subject(connection: &rustls::ServerConnection) -> Option<Arc<str>> {
    let certificate = connection.peer_certificates()?.first()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(parsed.subject().to_string().into())
}

/// Makes TLS connections with the certificate in force.
#[derive(Debug)]
pub struct Acceptor {
    tls: Tls,
    config: RwLock<Arc<ServerConfig>>,
    /// Of the material that `config` was made of.
    first: Vec<u8>,
}

impl Acceptor {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// If one is missing, unreadable, or does not fit the other.
    pub fn load(tls: &Tls) -> Result<Self, TlsError> {
        let material = Material::read(tls)?;
        Ok(Self {
            config: RwLock::new(Arc::new(material.config()?)),
            first: material.fingerprint(),
            tls: tls.clone(),
        })
    }

    /// Greets a client. The caller sets the deadline.
    pub(super) async fn handshake<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        tokio_rustls::TlsAcceptor::from(config).accept(stream).await
    }

    /// Takes over new certificates and keys until `stop`; what cannot be used is said once and changes nothing.
    pub async fn follow(self: Arc<Self>, port: &'static str, stop: CancellationToken) {
        let mut seen = Seen::Material(self.first.clone());
        while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let this = Arc::clone(&self);
            // Reading a file may take long on a network's file system.
            let looked = tokio::task::spawn_blocking(move || {
                let result = this.look(&mut seen);
                (seen, result)
            });
            let Ok((now_seen, result)) = looked.await else { return };
            seen = now_seen;
            match result {
                None => {}
                Some(Ok(())) => tracing::info!(port, "the new certificate is in use"),
                Some(Err(error)) => {
                    tracing::error!(
                        port,
                        "the new certificate is refused and the old one stays in use: {error}"
                    );
                }
            }
        }
    }

    /// What came of a change, if there was one since the last look.
    fn look(&self, seen: &mut Seen) -> Option<Result<(), TlsError>> {
        let read = Material::read(&self.tls);
        let now = match &read {
            Ok(material) => Seen::Material(material.fingerprint()),
            Err(error) => Seen::Trouble(error.to_string()),
        };
        if *seen == now {
            return None;
        }
        *seen = now;
        let config = read.and_then(|material| material.config());
        Some(config.map(|config| {
            *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        }))
    }
}

/// What the last look found.
#[derive(PartialEq)]
enum Seen {
    Material(Vec<u8>),
    Trouble(String),
}

/// A line for the operator where a client was turned away for its certificate; strangers' nonsense gets none.
pub(super) fn refusal(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::NoCertificatesPresented => Some(
            "a client showed no certificate and was turned away; give it one that an authority of serve.admin.tls.client_ca signed",
        ),
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::UnknownIssuer | rustls::CertificateError::BadSignature,
        ) => Some("a client's certificate was refused: no authority of serve.admin.tls.client_ca signed it"),
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. },
        ) => Some("a client's certificate was refused: it has expired; renew it"),
        rustls::Error::InvalidCertificate(_) => {
            Some("a client's certificate was refused; it must be one for client authentication")
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
