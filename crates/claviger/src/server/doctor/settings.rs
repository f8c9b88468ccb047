//! What the settings alone tell: secrets, who may reach the admin port, and where people are sent.

use super::Findings;
use crate::config::Settings;

/// A secret of this many random bytes cannot be guessed, whoever tries.
const GOOD_SECRET: usize = 32;
/// Words of examples, which are in many files already.
const PLACEHOLDERS: [&str; 5] = ["change", "secret", "placeholder", "always", "example"];

pub(super) fn examine(settings: &Settings, findings: &mut Findings) {
    secrets(settings, findings);
    issuer(settings, findings);
    admin(settings, findings);
    pages(settings, findings);
}

fn secrets(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "secrets";
    const ADVICE: &str = "put a new one in front, made by: openssl rand -hex 32; keep this one behind it";
    if settings.system_secrets.is_empty() {
        // In production the configuration was refused for it already.
        if settings.dev {
            findings.ok(CHECK, "development mode makes one at the start");
        }
        return;
    }
    let before = findings.0.len();
    for (index, secret) in settings.system_secrets.iter().enumerate() {
        let (text, entry) = (secret.expose(), index + 1);
        let lower = text.to_ascii_lowercase();
        if PLACEHOLDERS.iter().any(|word| lower.contains(word)) || different(text) < 8 {
            findings.warn(
                CHECK,
                format!("entry {entry} of secrets.system looks like an example"),
                ADVICE,
            );
        } else if text.len() < GOOD_SECRET {
            let found = format!(
                "entry {entry} of secrets.system has {} bytes; {GOOD_SECRET} are better",
                text.len()
            );
            findings.warn(CHECK, found, ADVICE);
        }
    }
    if findings.0.len() == before {
        let number = settings.system_secrets.len();
        findings.ok(CHECK, format!("secrets.system has {number}, each long enough"));
    }
}

fn different(text: &str) -> usize {
    text.chars().collect::<std::collections::BTreeSet<_>>().len()
}

fn issuer(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "issuer";
    let issuer = &settings.urls.issuer;
    let is_plain = settings.public.tls.is_none();
    if !issuer.starts_with("https:") {
        let advice = "fine on this machine; for anybody else set urls.self.issuer to an https URL";
        findings.warn(CHECK, format!("{issuer} is plain HTTP"), advice);
    } else if is_plain && settings.public.proxies.is_empty() && !settings.public.host.starts_with("unix:") {
        findings.warn(
            CHECK,
            format!("{issuer} is https, and the public port speaks plain HTTP to whoever reaches it"),
            "name the proxy that ends TLS in serve.public.tls.allow_termination_from, or set serve.public.tls.enabled",
        );
    } else {
        findings.ok(CHECK, issuer.clone());
    }
}

fn admin(settings: &Settings, findings: &mut Findings) {
    const CHECK: &str = "admin port";
    let listener = &settings.admin;
    let place = listener.authority().unwrap_or_else(|| listener.host.clone());
    if let Some(reason) = settings.open_admin(listener) {
        findings.fail(
            CHECK,
            format!("serve.admin.host {reason}"),
            "whoever reaches the admin port can do everything",
        );
    } else if listener.is_local() {
        findings.ok(CHECK, format!("only this machine reaches {place}"));
    } else if listener.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()) {
        findings.ok(CHECK, format!("{place} asks for client certificates"));
    } else if !settings.leaves_admin_open(listener) {
        findings.ok(CHECK, format!("{place} asks for API keys"));
    } else {
        findings.warn(
            CHECK,
            format!("other machines reach {place}, by serve.admin.allow_unauthenticated"),
            "ask for API keys (serve.admin.require_api_key), or see to it that a firewall lets your own services through and nobody else",
        );
    }
}

fn pages(settings: &Settings, findings: &mut Findings) {
    let pages = [
        ("urls.login", settings.urls.login.is_none()),
        ("urls.consent", settings.urls.consent.is_none()),
    ];
    let missing: Vec<_> = pages
        .iter()
        .filter(|(_, missing)| *missing)
        .map(|(name, _)| *name)
        .collect();
    if settings.dev || missing.is_empty() {
        return;
    }
    findings.warn(
        "pages",
        format!("{} is not set, so nobody can log in", missing.join(" and ")),
        "set it to the page of your login and consent app, unless only services get tokens here",
    );
}
