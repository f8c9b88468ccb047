//! The certificate authorities that a command trusts: the public ones, and those in a file that the person names.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The public authorities and those of the file.
///
/// # Errors
/// A sentence about the file.
pub(crate) fn trusted(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let Some(path) = file else { return Ok(roots) };
    let refuse = |reason: String| format!("the authorities in {} cannot be used: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let list = list.map_err(|_| refuse("it is not PEM".to_owned()))?;
    if list.is_empty() {
        return Err(refuse("there is no certificate in it (PEM is expected)".to_owned()));
    }
    for certificate in list {
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_no_authority_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        for (text, why) in [(None, "ca.pem"), (Some("not PEM"), "no certificate")] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let error = trusted(Some(&path)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(trusted(None).unwrap().len() > 100);
    }
}
