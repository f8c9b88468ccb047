//! What is found, on configurations that are right and wrong.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;

use super::*;

const SECRET: &str = "Xu7kQ2mZp9vB4nR8tL1wY6cJ3hF5gD0s";

fn sources(env: &[(&str, &str)]) -> Sources {
    let base = [("SECRETS_SYSTEM", SECRET), ("URLS_SELF_ISSUER", "https://op.example/")];
    let env = base
        .iter()
        .filter(|(name, _)| !env.iter().any(|(given, _)| given == name))
        .chain(env)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Sources {
        env: env.collect(),
        purpose: Purpose::Serve {
            public: true,
            admin: true,
        },
        ..Sources::default()
    }
}

async fn found(env: &[(&str, &str)]) -> Findings {
    examine(sources(env), None).await
}

fn verdicts(findings: &Findings, check: &str) -> Vec<Verdict> {
    let of_check = findings.0.iter().filter(|finding| finding.check == check);
    of_check.map(|finding| finding.verdict).collect()
}

fn file(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("db").display())
}

async fn migrated(dsn: &str) {
    let database = crate::server::database::open(&crate::config::Dsn::parse(dsn).unwrap())
        .await
        .unwrap();
    crate::server::database::migrate(&database).await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_the_only_finding() {
    let findings = found(&[("TTL_ID_TOKEN", "soon")]).await;
    assert_eq!(findings.0.len(), 1);
    assert_eq!(verdicts(&findings, "configuration"), [Verdict::Fail]);
}

#[tokio::test]
async fn a_migrated_database_is_in_order_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let dsn = file(directory.path());
    let missing = found(&[("DSN", &dsn)]).await;
    assert_eq!(verdicts(&missing, "database"), [Verdict::Fail]);
    assert!(!directory.path().join("db").exists());

    migrated(&dsn).await;
    for _ in 0..2 {
        let findings = found(&[("DSN", &dsn)]).await;
        for check in [
            "configuration",
            "secrets",
            "database",
            "migrations",
            "keys",
            "admin port",
        ] {
            assert_eq!(verdicts(&findings, check), [Verdict::Ok], "{check}: {findings:?}");
        }
        let keys = findings.0.iter().find(|finding| finding.check == "keys").unwrap();
        assert!(keys.found.contains("none yet"), "{}", keys.found);
        assert_eq!(findings.failed(), 0);
    }
}

#[tokio::test]
async fn secrets_of_another_database_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let dsn = file(directory.path());
    migrated(&dsn).await;
    let settings = config::load(sources(&[
        ("DSN", &dsn),
        ("STRATEGIES_JWT_ID_TOKEN_SIGNING_ALG", "ES256"),
    ]))
    .unwrap();
    let opened = std::sync::Arc::new(crate::server::database::open(settings.dsn().unwrap()).await.unwrap());
    let provider = crate::server::serve::provider(&settings, &opened).unwrap();
    crate::server::serve::ensure_keys(&provider).await.unwrap();
    opened.close().await;
    assert_eq!(verdicts(&found(&[("DSN", &dsn)]).await, "keys"), [Verdict::Ok]);
    let other = found(&[("DSN", &dsn), ("SECRETS_SYSTEM", "Zu7kQ2mZp9vB4nR8tL1wY6cJ3hF5gD0s")]).await;
    assert_eq!(verdicts(&other, "keys"), [Verdict::Fail]);
}

#[tokio::test]
async fn what_is_unsafe_is_named_with_what_to_do() {
    let findings = found(&[
        ("DSN", "memory"),
        ("SECRETS_SYSTEM", "this_needs_to_be_the_same_always,0123456789abcdef"),
        ("SERVE_ADMIN_HOST", "0.0.0.0"),
        ("SERVE_ADMIN_ALLOW_UNAUTHENTICATED", "true"),
    ])
    .await;
    assert_eq!(verdicts(&findings, "secrets"), [Verdict::Warn, Verdict::Warn]);
    for check in ["admin port", "database", "issuer", "pages"] {
        assert_eq!(verdicts(&findings, check), [Verdict::Warn], "{check}");
    }
    let issuer = findings.0.iter().find(|finding| finding.check == "issuer").unwrap();
    assert!(issuer.advice.contains("allow_termination_from"), "{issuer:?}");
    for (name, value) in [
        ("SERVE_PUBLIC_TLS_ALLOW_TERMINATION_FROM", "10.0.0.0/8"),
        ("SERVE_PUBLIC_HOST", "unix:/run/claviger/public.sock"),
    ] {
        let told = found(&[("DSN", "memory"), (name, value)]).await;
        assert_eq!(verdicts(&told, "issuer"), [Verdict::Ok], "{name} says who ends TLS");
    }
    let open = found(&[("DSN", "memory"), ("SERVE_ADMIN_HOST", "0.0.0.0")]).await;
    assert_eq!(verdicts(&open, "admin port"), [Verdict::Fail]);
    for finding in findings
        .0
        .iter()
        .chain(&open.0)
        .filter(|finding| finding.verdict != Verdict::Ok)
    {
        assert!(!finding.advice.is_empty(), "{finding:?}");
        assert!(!finding.found.contains("0123456789abcdef"), "{finding:?}");
    }
}

fn made(from: i32, until: i32) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["op.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params.self_signed(&key).unwrap().der().clone()
}

#[test]
fn the_end_of_a_certificate_is_told_in_time() {
    let new_year_2030 = 1_893_456_000;
    let day = 24 * 3600;
    let certificate = made(2020, 2030);
    for (now, expected) in [
        (new_year_2030 - 40 * day, Verdict::Ok),
        (new_year_2030 - 3 * day, Verdict::Warn),
        (new_year_2030, Verdict::Fail),
        (0, Verdict::Fail),
    ] {
        let mut findings = Findings::default();
        certificate::judge("certificate", &certificate, now, &mut findings);
        assert_eq!(verdicts(&findings, "certificate"), [expected], "{findings:?}");
    }
}

#[test]
fn clocks_are_compared_in_both_directions() {
    for (ahead, expected) in [
        (0, Verdict::Ok),
        (-5, Verdict::Ok),
        (-30, Verdict::Warn),
        (61, Verdict::Fail),
    ] {
        let mut findings = Findings::default();
        network::judge_clock("clock", "the database", ahead, &mut findings);
        assert_eq!(verdicts(&findings, "clock"), [expected]);
    }
}

#[test]
fn findings_are_lines_for_people_and_objects_for_programs() {
    let mut findings = Findings::default();
    findings.ok("one", "fine");
    findings.fail("two", "broken", "mend it");
    let text = rendered(&findings, &Format::Table, false).unwrap();
    assert_eq!(
        text,
        "ok    one            fine\nfail  two            broken\n                     -> mend it\n"
    );
    let json: Value = serde_json::from_str(&rendered(&findings, &Format::Json, true).unwrap()).unwrap();
    assert_eq!(
        json,
        json!([{"verdict": "fail", "check": "two", "found": "broken", "advice": "mend it"}])
    );
}
