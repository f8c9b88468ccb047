//! Ports that nobody else takes between being chosen and being used.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel serves outgoing connections, so that none of those can get in the way.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A free TCP port on loopback. Two calls never give the same one, and two test programs start far apart.
#[must_use]
pub fn free() -> u16 {
    let start = u16::try_from(std::process::id().wrapping_mul(613) % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(offset) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!(
        "there is no free port on loopback between {FIRST} and {}",
        FIRST + COUNT
    );
}
