//! How many instructions the hot requests take, against committed bounds. Like allocations, they do not depend on how busy
//! the machine is, so this fails for whoever makes a request dearer.
//!
//! The program runs itself under cachegrind: once without any request, and once for each kind with many; the difference is
//! theirs. All threads count. The build is that of the other tests, without optimization: only the proportion to the bound
//! says something. A request that became cheaper by much should lower its bound.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test, though with a main function of its own"
)]

mod hot;

use std::env;
use std::process::{Command, ExitCode, Stdio};

use hot::{Hot, Stage};

/// Most instructions of one request, in thousands: a tenth more than counted, as compilers and processors differ.
const BOUNDS: [(Hot, u64); 4] = [
    (Hot::Token, 476),
    (Hot::Introspect, 432),
    (Hot::Authorize, 526),
    (Hot::Refresh, 1_700),
];

/// Requests that fill tables and caches first, also where none is counted.
const WARM_UP: usize = 4;

const COUNTED: usize = 40;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("counted") => {
            send(env::args().nth(2).as_deref());
            ExitCode::SUCCESS
        }
        // A filter of cargo's own harness that is for other tests.
        Some(filter) if !filter.starts_with('-') && !"instructions".contains(filter) => ExitCode::SUCCESS,
        _ if cfg!(all(target_os = "linux", target_arch = "x86_64")) => compare(),
        _ => {
            println!("the bounds are those of x86_64 and Linux: nothing is compared here");
            ExitCode::SUCCESS
        }
    }
}

/// Warms up with all, then sends the requests of the name.
fn send(name: Option<&str>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut stage = runtime.block_on(Stage::new());
    let mut repeat = |hot, times| {
        for _ in 0..times {
            let request = stage.request(hot);
            let answer = runtime.block_on(stage.send(hot, request));
            stage.check(hot, &answer);
        }
    };
    // A refresh would end the access token that is introspected.
    for hot in [Hot::Token, Hot::Introspect, Hot::Authorize] {
        repeat(hot, WARM_UP);
    }
    for (hot, _) in BOUNDS.iter().filter(|(hot, _)| name == Some(&*format!("{hot:?}"))) {
        repeat(*hot, COUNTED);
    }
}

fn compare() -> ExitCode {
    let alone = start("none");
    let started = BOUNDS.map(|(hot, bound)| (hot, bound, start(&format!("{hot:?}"))));
    let alone = alone.count();
    let mut status = ExitCode::SUCCESS;
    for (hot, bound, counted) in started {
        let each = counted.count().saturating_sub(alone) / COUNTED as u64 / 1000;
        println!("{hot:?}: {each} thousand instructions, allowed {bound}");
        if each > bound {
            println!("{hot:?} takes more instructions than it did: find out why, or raise its bound with a reason");
            status = ExitCode::FAILURE;
        }
    }
    status
}

/// A run under cachegrind.
struct Counted(std::process::Child);

fn start(name: &str) -> Counted {
    let child = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args(["counted", name])
        .stderr(Stdio::piped())
        .spawn();
    Counted(child.expect("valgrind counts instructions: install it"))
}

impl Counted {
    /// What cachegrind says at the end: `==1== I   refs:  1,234,567`.
    fn count(self) -> u64 {
        let output = self.0.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        let line = told.lines().find_map(|line| line.split_once("refs:"));
        let (_, count) = line.unwrap_or_else(|| panic!("no count in {told}"));
        count.trim().replace(',', "").parse().unwrap()
    }
}
