//! Certificates: those that the ports show, and how long they last.

use rustls::pki_types::CertificateDer;

use super::Findings;
use crate::config::Settings;
use crate::edge::tls;
use crate::provider::now;
use crate::server::one_line;

/// Certificates that are renewed by themselves are renewed earlier than this.
const SOON: i64 = 14 * DAY;
const DAY: i64 = 24 * 3600;

pub(super) fn examine(settings: &Settings, findings: &mut Findings) {
    for (check, listener) in [("public TLS", &settings.public), ("admin TLS", &settings.admin)] {
        let Some(tls) = &listener.tls else { continue };
        match tls::shown(tls) {
            Ok(certificate) => judge(check, &certificate, now().0, findings),
            Err(error) => findings.fail(check, one_line(&error), "the port does not open with it"),
        }
    }
}

/// Says until when a certificate is good.
pub(super) fn judge(check: &'static str, certificate: &CertificateDer<'_>, now: i64, findings: &mut Findings) {
    const RENEW: &str = "renew it; the server takes up the new file by itself";
    let Some((from, until)) = validity(certificate) else {
        findings.warn(check, "the certificate cannot be read, so its end is not known", RENEW);
        return;
    };
    let days = (until - now).div_euclid(DAY);
    if now < from {
        let advice = "compare the clock of this machine with another one, or wait";
        findings.fail(check, "the certificate is not valid yet", advice);
    } else if now >= until {
        findings.fail(check, format!("the certificate ended {} days ago", -days), RENEW);
    } else if until - now < SOON {
        findings.warn(check, format!("the certificate ends in {days} days"), RENEW);
    } else {
        findings.ok(check, format!("the certificate is good for {days} days"));
    }
}

/// From when until when, in seconds since 1970.
fn validity(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}
