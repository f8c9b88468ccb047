//! The certificate authorities that are trusted: the public ones, and those in a file that the operator names.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The public authorities and those of the file.
///
/// # Errors
/// A sentence about the file.
pub(crate) fn trusted(file: Option<&Path>) -> Result<RootCertStore, String> {
    match file {
        None => Ok(public()),
        Some(path) => read(path).map(|(roots, _)| roots),
    }
}

fn public() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots
}

/// The public authorities and those of the file, and how many certificates in it are of no use: distributions' bundles
/// have some that are too odd.
///
/// # Errors
/// A sentence about the file.
pub(crate) fn read(path: &Path) -> Result<(RootCertStore, usize), String> {
    let refuse = |reason: String| format!("the authorities in {} cannot be used: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let list = list.map_err(|_| refuse("it is not PEM".to_owned()))?;
    if list.is_empty() {
        return Err(refuse("there is no certificate in it (PEM is expected)".to_owned()));
    }
    let mut roots = public();
    let (added, ignored) = roots.add_parsable_certificates(list);
    if added == 0 {
        return Err(refuse("no certificate in it can be parsed".to_owned()));
    }
    Ok((roots, ignored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_cannot_be_parsed_is_left_out_if_another_one_can() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, odd).unwrap();
        assert!(read(&path).unwrap_err().contains("can be parsed"));
        let good = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        std::fs::write(&path, format!("{odd}{}", good.cert.pem())).unwrap();
        let (roots, ignored) = read(&path).unwrap();
        assert_eq!((roots.len(), ignored), (public().len() + 1, 1));
    }

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
