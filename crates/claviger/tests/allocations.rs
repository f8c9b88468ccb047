//! How often the hot requests ask for memory, against committed bounds. Unlike a rate, this does not depend on the machine,
//! so it fails for whoever makes a request dearer.
//!
//! All threads count: those of the database too. A request that became cheaper by much should lower its bound.

mod hot;

use std::alloc::System;

use hot::{Hot, Stage};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Most allocations and reallocations of one request, in the middle of many.
const BOUNDS: [(Hot, usize); 4] = [
    (Hot::Token, 42),
    (Hot::Introspect, 45),
    (Hot::Authorize, 107),
    (Hot::Refresh, 88),
];

/// Requests that fill tables and caches first.
const WARM_UP: usize = 20;

const COUNTED: usize = 41;

#[test]
fn the_hot_requests_allocate_no_more_than_they_did() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut stage = runtime.block_on(Stage::new());
    let mut told = Vec::new();
    let mut is_within = true;
    for (hot, bound) in BOUNDS {
        let mut counts = Vec::new();
        for number in 0..WARM_UP + COUNTED {
            let request = stage.request(hot);
            let region = Region::new(ALLOCATOR);
            let answer = runtime.block_on(stage.send(hot, request));
            let change = region.change();
            stage.check(hot, &answer);
            if number >= WARM_UP {
                counts.push(change.allocations + change.reallocations);
            }
        }
        counts.sort_unstable();
        let middle = counts[counts.len() / 2];
        told.push(format!("{hot:?}: {middle}, allowed {bound}"));
        is_within &= middle <= bound;
    }
    assert!(is_within, "a request allocates more than it did: {told:#?}");
    println!("{told:#?}");
}
