use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::*;
use crate::config::secret::Secret;

/// A certificate for this name and its key.
fn pair(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

struct Files {
    directory: tempfile::TempDir,
    tls: Tls,
}

impl Files {
    fn new((certificate, key): &(String, String)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tls = Tls {
            certificate: Pem::File(directory.path().join("cert.pem")),
            key: Pem::File(directory.path().join("key.pem")),
            client_ca: None,
        };
        let files = Self { directory, tls };
        files.write("cert.pem", certificate);
        files.write("key.pem", key);
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn error(&self) -> String {
        Acceptor::load(&self.tls).unwrap_err().to_string()
    }
}

#[test]
fn what_is_wrong_with_a_certificate_or_key_is_said_at_the_start() {
    let (one, other) = (pair("a.example"), pair("b.example"));
    let files = Files::new(&one);
    Acceptor::load(&files.tls).unwrap();

    files.write("key.pem", &other.1);
    assert!(files.error().contains("does not belong to the certificate"));
    files.write(
        "key.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    assert!(files.error().contains("must not be encrypted"));
    files.write("key.pem", &one.1);
    files.write("cert.pem", "no PEM at all");
    assert!(files.error().contains("the certificate (tls.cert) is not PEM"));
    fs::remove_file(files.directory.path().join("cert.pem")).unwrap();
    assert!(files.error().contains("cert.pem") && files.error().contains("cannot read"));
}

#[test]
fn a_pair_may_stand_in_the_settings_in_base64_with_line_breaks() {
    let (certificate, key) = pair("a.example");
    let base64 = |text: &str| {
        let mut text = STANDARD.encode(text);
        text.insert(76, '\n');
        Pem::Base64(Secret::new(text))
    };
    let mut tls = Tls {
        certificate: base64(&certificate),
        key: base64(&key),
        client_ca: None,
    };
    Acceptor::load(&tls).unwrap();
    tls.key = Pem::Base64(Secret::new("%%%".to_owned()));
    let error = Acceptor::load(&tls).unwrap_err().to_string();
    assert!(error.contains("private key") && error.contains("base64"), "{error}");
}

#[test]
fn a_new_pair_is_taken_over_and_a_broken_one_is_told_once_and_not_used() {
    let files = Files::new(&pair("a.example"));
    let acceptor = Acceptor::load(&files.tls).unwrap();
    let in_use = || Arc::clone(&acceptor.config.read().unwrap());
    let mut seen = Seen::Material(acceptor.first.clone());
    assert!(acceptor.look(&mut seen).is_none());

    let (first, (certificate, key)) = (in_use(), pair("b.example"));
    files.write("cert.pem", &certificate);
    assert!(matches!(acceptor.look(&mut seen), Some(Err(TlsError::Mismatch))));
    assert!(acceptor.look(&mut seen).is_none());
    assert!(Arc::ptr_eq(&first, &in_use()));

    files.write("key.pem", &key);
    assert!(matches!(acceptor.look(&mut seen), Some(Ok(()))));
    assert!(!Arc::ptr_eq(&first, &in_use()));
}

/// A handshake in memory: what the server makes of a client with this configuration.
async fn greet(acceptor: &Acceptor, client: rustls::ClientConfig) -> io::Result<Option<Vec<u8>>> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let connecting = connector.connect("a.example".try_into().unwrap(), theirs);
    let (accepted, _) = tokio::join!(acceptor.handshake(ours), connecting);
    Ok(accepted?.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
}

type Versions = &'static [&'static rustls::SupportedProtocolVersion];

fn trusting(
    certificate: &str,
    versions: Versions,
) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
    rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(authorities(certificate.as_bytes()).unwrap())
}

#[tokio::test]
async fn both_versions_are_spoken_and_http2_is_preferred() {
    let one = pair("a.example");
    let acceptor = Acceptor::load(&Files::new(&one).tls).unwrap();
    const OLD: Versions = &[&rustls::version::TLS12];
    const NEW: Versions = &[&rustls::version::TLS13];
    for versions in [OLD, NEW] {
        let mut client = trusting(&one.0, versions).with_no_client_auth();
        client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        assert_eq!(greet(&acceptor, client).await.unwrap().unwrap(), b"h2");
        let silent = trusting(&one.0, versions).with_no_client_auth();
        assert_eq!(greet(&acceptor, silent).await.unwrap(), None);
    }
}

/// An authority, and what makes certificates of clients with it.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn client_of(
    server: &str,
    authority: &CertifiedIssuer<'static, KeyPair>,
    purpose: ExtendedKeyUsagePurpose,
) -> rustls::ClientConfig {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["operator".to_owned()]).unwrap();
    params.extended_key_usages = vec![purpose];
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    trusting(server, rustls::ALL_VERSIONS)
        .with_client_auth_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

#[tokio::test]
async fn with_an_authority_of_clients_only_its_certificates_open_the_door() {
    let server = pair("a.example");
    let (ours, theirs) = (authority(), authority());
    let mut files = Files::new(&server);
    files.write("ca.pem", &ours.pem());
    files.tls.client_ca = Some(Pem::File(files.directory.path().join("ca.pem")));
    let acceptor = Acceptor::load(&files.tls).unwrap();

    let good = client_of(&server.0, &ours, ExtendedKeyUsagePurpose::ClientAuth);
    greet(&acceptor, good).await.unwrap();

    let refused = |client| async {
        let error = greet(&acceptor, client).await.unwrap_err();
        refusal(&error).unwrap_or_else(|| panic!("no reason for: {error}"))
    };
    let without = trusting(&server.0, rustls::ALL_VERSIONS).with_no_client_auth();
    assert!(refused(without).await.contains("showed no certificate"));
    let stranger = client_of(&server.0, &theirs, ExtendedKeyUsagePurpose::ClientAuth);
    assert!(refused(stranger).await.contains("no authority"));
    let wrong_purpose = client_of(&server.0, &ours, ExtendedKeyUsagePurpose::ServerAuth);
    assert!(refused(wrong_purpose).await.contains("client authentication"));
}
