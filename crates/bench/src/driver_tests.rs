//! Tests of `driver`: whole measurements against a server of the tests.

use super::*;
use crate::fake::{self, Provider};
use crate::http::Origin;
use crate::load::MOST_ERRORS;

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
    let observer = Observer::new(&bench.place(0).admin, None, Arc::clone(&completed));
    let mut observer = runtime.block_on(observer).unwrap();
    observer.servers = vec![std::process::id()];
    Driver {
        plan,
        bench,
        observer,
        completed,
        runtime,
    }
}

/// A busy machine may finish none in the short time of a test.
fn until_finished(driver: &mut Driver, operation: Operation) -> Measured {
    for _ in 0..50 {
        driver.provide(operation).unwrap();
        let measured = driver.measure(operation, None).unwrap();
        assert_eq!(
            (measured.errors, measured.first_error.as_deref()),
            (0, None),
            "{operation:?}"
        );
        if measured.completed > 0 && !measured.latencies.is_empty() {
            return measured;
        }
    }
    panic!("{operation:?} was never finished");
}

#[test]
fn every_operation_works_and_is_measured() {
    use clap::ValueEnum as _;
    let mut driver = driver(&Provider::serve());
    assert_eq!(driver.observer.counted_by(), "the metrics of the server");
    for operation in Operation::value_variants() {
        if operation.needs_es256() {
            // The server of the tests signs by RS256.
            assert!(driver.alone(*operation).is_err());
            continue;
        }
        let measured = until_finished(&mut driver, *operation);
        assert!(!measured.latencies.is_empty(), "{operation:?}");
        assert!(
            measured.peak.is_some() && measured.server_cpu.is_some(),
            "{operation:?}"
        );
    }
}

#[test]
fn an_operation_works_without_those_that_feed_it() {
    let mut driver = driver(&Provider::serve());
    until_finished(&mut driver, Operation::Refresh);
}

#[test]
fn in_an_open_loop_the_rate_is_the_one_that_was_asked_for() {
    let mut driver = driver(&Provider::serve());
    driver.plan.duration = Duration::from_millis(500);
    let measured = driver.measure(Operation::Health, Some(100.0)).unwrap();
    assert_eq!((measured.errors, measured.unsent), (0, 0));
    // Half a second of a hundred a second, however long the answers took.
    assert!(
        (40..=52).contains(&measured.latencies.len()),
        "{}",
        measured.latencies.len()
    );
}

#[test]
fn what_a_server_never_got_to_counts_as_waiting() {
    let (origin, _) = fake::serve(|seen| match seen.path.as_str() {
        "/admin/clients" => fake::reply(201, "{\"client_id\":\"c\",\"client_secret\":\"s\"}"),
        _ => {
            std::thread::sleep(Duration::from_millis(100));
            fake::reply(200, "")
        }
    });
    let mut driver = driver(&origin);
    driver.plan.connections = 1;
    driver.plan.duration = Duration::from_secs(1);
    let measured = driver.measure(Operation::Health, Some(200.0)).unwrap();
    assert!(measured.unsent > 100, "{}", measured.unsent);
    assert!(measured.latencies.len() > 190, "{}", measured.latencies.len());
    assert!(
        measured.latencies.value_at_quantile(0.5) > 500_000,
        "{:?}",
        measured.latencies
    );
}

#[test]
fn statements_are_counted_alone() {
    let mut driver = driver(&Provider::serve());
    assert_eq!(driver.alone(Operation::Health).unwrap(), Some(0.0));
    // One code, one access token, one refresh token.
    assert_eq!(driver.alone(Operation::CodeFlow).unwrap(), Some(3.0));
}

#[test]
fn a_phase_ends_when_there_is_no_token_left() {
    let mut driver = driver(&Provider::serve());
    driver.provide_at_least(Operation::Revocation, 300).unwrap();
    driver.plan.warm_up = Duration::ZERO;
    driver.plan.duration = Duration::from_secs(30);
    let begin = Instant::now();
    let measured = driver.measure(Operation::Revocation, None).unwrap();
    assert!(begin.elapsed() < driver.plan.duration, "the phase did not end early");
    assert_eq!(measured.errors, 0);
    assert_eq!(
        driver.bench.stock(Operation::Revocation),
        Some((Operation::ClientCredentials, 0))
    );
}

#[test]
fn errors_under_load_are_counted_and_the_first_is_kept() {
    let (origin, _) = fake::serve(|seen| match seen.path.as_str() {
        "/health/alive" => fake::reply(503, "too busy"),
        _ => fake::reply(201, "{\"client_id\":\"c\",\"client_secret\":\"s\"}"),
    });
    let mut driver = driver(&origin);
    // It ends when every worker has had enough.
    driver.plan.duration = Duration::from_secs(30);
    let measured = driver.measure(Operation::Health, None).unwrap();
    assert_eq!(measured.errors, 4 * MOST_ERRORS);
    let first = measured.first_error.unwrap();
    assert!(first.contains("503") && first.contains("too busy"), "{first}");
}

#[test]
fn an_operation_that_does_not_work_alone_is_not_loaded() {
    let (origin, _) = fake::serve(|seen| match seen.path.as_str() {
        "/admin/clients" => fake::reply(201, "{\"client_id\":\"c\",\"client_secret\":\"s\"}"),
        _ => fake::reply(404, "nothing here"),
    });
    let error = driver(&origin).alone(Operation::ClientCredentials).unwrap_err();
    assert!(
        error.to_string().starts_with("client_credentials does not work"),
        "{error}"
    );
}
