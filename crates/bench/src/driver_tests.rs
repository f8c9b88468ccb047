//! Tests of `driver`: whole measurements against a server of the tests.

use super::*;
use crate::fake::{self, Provider};
use crate::http::Origin;

fn driver(origin: &str) -> Driver {
    let plan = Plan {
        connections: 4,
        threads: 2,
        warm_up: Duration::from_millis(20),
        duration: Duration::from_millis(150),
        pool: 8,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let parse = || Origin::parse(origin).unwrap();
    let bench = Arc::new(runtime.block_on(Bench::prepare(parse(), parse())).unwrap());
    let completed = Arc::default();
    let observer = Observer::new(&bench.admin, None, Arc::clone(&completed));
    let mut observer = runtime.block_on(observer).unwrap();
    observer.server = Some(std::process::id());
    Driver {
        plan,
        bench,
        observer,
        completed,
        runtime,
    }
}

#[test]
fn every_operation_works_and_is_measured() {
    use clap::ValueEnum as _;
    let mut driver = driver(&Provider::serve());
    assert_eq!(driver.observer.counted_by(), "the metrics of the server");
    for operation in Operation::value_variants() {
        let measured = driver.measure(*operation).unwrap();
        assert_eq!(
            (measured.errors, measured.first_error.as_deref()),
            (0, None),
            "{operation:?}"
        );
        assert!(
            measured.completed > 0 && !measured.latencies.is_empty(),
            "{operation:?}"
        );
        assert!(
            measured.peak.is_some() && measured.server_cpu.is_some(),
            "{operation:?}"
        );
    }
}

#[test]
fn an_operation_works_without_those_that_feed_it() {
    let mut driver = driver(&Provider::serve());
    let measured = driver.measure(Operation::Refresh).unwrap();
    assert_eq!(measured.errors, 0);
    assert!(measured.completed > 0);
}

#[test]
fn statements_are_counted_alone_and_under_load() {
    let mut driver = driver(&Provider::serve());
    let health = driver.measure(Operation::Health).unwrap();
    assert_eq!((health.statements_alone, health.statements), (Some(0.0), Some(0.0)));
    // One code, one access token, one refresh token.
    let flow = driver.measure(Operation::CodeFlow).unwrap();
    assert_eq!(flow.statements_alone, Some(3.0));
}

#[test]
fn a_phase_ends_when_there_is_no_token_left() {
    let mut driver = driver(&Provider::serve());
    driver.plan.pool = 3;
    driver.plan.warm_up = Duration::ZERO;
    driver.plan.duration = Duration::from_secs(30);
    let begin = Instant::now();
    let measured = driver.measure(Operation::Revocation).unwrap();
    assert!(begin.elapsed() < driver.plan.duration, "the phase did not end early");
    assert_eq!(measured.errors, 0);
    assert_eq!(
        driver.bench.stock(Operation::Revocation),
        Some((Operation::ClientCredentials, 0))
    );
}

#[test]
fn errors_under_load_are_counted_and_the_first_is_kept() {
    let healthy = std::sync::atomic::AtomicU32::new(0);
    let (origin, _) = fake::serve(move |seen| match seen.path.as_str() {
        "/health/alive" if healthy.fetch_add(1, Ordering::SeqCst) < ALONE => fake::reply(200, ""),
        "/health/alive" => fake::reply(503, "too busy"),
        _ => fake::reply(201, "{\"client_id\":\"c\"}"),
    });
    let measured = driver(&origin).measure(Operation::Health).unwrap();
    assert_eq!(measured.errors, 4 * MOST_ERRORS);
    let first = measured.first_error.unwrap();
    assert!(first.contains("503") && first.contains("too busy"), "{first}");
}

#[test]
fn an_operation_that_does_not_work_alone_is_not_loaded() {
    let (origin, _) = fake::serve(|seen| match seen.path.as_str() {
        "/admin/clients" => fake::reply(201, "{\"client_id\":\"c\"}"),
        _ => fake::reply(404, "nothing here"),
    });
    let error = driver(&origin).measure(Operation::ClientCredentials).unwrap_err();
    assert!(
        error.to_string().starts_with("client_credentials does not work"),
        "{error}"
    );
}
