//! How often one address may ask for what costs most.
//!
//! A leaky bucket for each address (the generic cell rate algorithm, which needs one number): RFC 6585 §4 is the answer.
//! The address is the client's as trusted proxies tell it; of IPv6, where anybody has a network to choose from, its /64.
//! Attacks: guessing and slow hashes in bulk from one place, exhaustion of memory by many addresses (the buckets are
//! bounded; those forgotten are full again), a stranger's `X-Forwarded-For` (it does not count).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use crate::config::rates::Rates;
use crate::config::tls::Networks;

/// How many addresses are remembered: some ten megabytes at most.
const ADDRESSES: usize = 50_000;

/// The buckets of one port.
pub struct Limiter {
    started: Instant,
    /// Nanoseconds in which one request leaks out.
    interval: u64,
    /// How far ahead of the present a bucket may be filled.
    tolerance: u64,
    buckets: Cache<u128, Arc<AtomicU64>>,
    trusted: Networks,
    refused: AtomicU64,
}

impl Limiter {
    /// As the settings say; none if they switch it off.
    #[must_use]
    pub fn new(rates: &Rates) -> Option<Arc<Self>> {
        let interval = 60_000_000_000 / u64::from(rates.per_minute.max(1));
        rates.enabled.then(|| {
            Arc::new(Self {
                started: Instant::now(),
                interval,
                tolerance: interval.saturating_mul(u64::from(rates.burst.saturating_sub(1))),
                buckets: Cache::new(ADDRESSES),
                trusted: rates.trusted.clone(),
                refused: AtomicU64::new(0),
            })
        })
    }

    /// Takes one request of the client's from its bucket, or says how long it has to wait.
    pub(super) fn admit(&self, at: Instant, address: Option<IpAddr>) -> Result<(), Duration> {
        let Some(address) = address else {
            // A process on this machine, through a Unix socket.
            return Ok(());
        };
        if self.trusted.contains(address) {
            return Ok(());
        }
        let now = u64::try_from(at.saturating_duration_since(self.started).as_nanos()).unwrap_or(u64::MAX);
        let admitted = self.take(bucket_of(address), now);
        if admitted.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    fn take(&self, bucket: u128, now: u64) -> Result<(), Duration> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::new(AtomicU64::new(0)));
        let Ok(full_until) = self.buckets.get_or_insert_with(&bucket, made);
        let filled = full_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |until| {
            let until = until.max(now);
            (until - now <= self.tolerance).then(|| until.saturating_add(self.interval))
        });
        filled
            .map(drop)
            .map_err(|until| Duration::from_nanos(until.saturating_sub(now).saturating_sub(self.tolerance)))
    }

    /// How many requests were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Whose bucket it is: an IPv4 address, or the network of an IPv6 one.
fn bucket_of(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX) | Ipv6Addr::LOCALHOST.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(per_minute: u32, burst: u32) -> Arc<Limiter> {
        let rates = Rates {
            enabled: true,
            per_minute,
            burst,
            trusted: Networks::parse(vec!["10.1.0.0/16"]).unwrap(),
        };
        Limiter::new(&rates).unwrap()
    }

    fn ask(limiter: &Limiter, seconds: f64, address: &str) -> Result<(), Duration> {
        let at = limiter.started + Duration::from_secs_f64(seconds);
        limiter.admit(at, Some(address.parse().unwrap()))
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_counts() {
        let limiter = limiter(60, 3);
        for _ in 0..3 {
            assert_eq!(ask(&limiter, 0.0, "192.0.2.1"), Ok(()));
        }
        let wait = ask(&limiter, 0.0, "192.0.2.1").unwrap_err();
        assert_eq!(wait.as_secs_f64().round(), 1.0);
        assert!(ask(&limiter, 0.5, "192.0.2.1").is_err());
        assert!(ask(&limiter, 1.1, "192.0.2.1").is_ok());
        assert!(ask(&limiter, 1.2, "192.0.2.1").is_err());
        // Who was refused is not punished for it, and a rest fills the bucket up, not over.
        for _ in 0..3 {
            assert_eq!(ask(&limiter, 600.0, "192.0.2.1"), Ok(()));
        }
        assert!(ask(&limiter, 600.0, "192.0.2.1").is_err());
        assert_eq!(limiter.refused(), 4);
    }

    #[test]
    fn each_address_has_a_bucket_and_an_ipv6_network_has_one() {
        let limiter = limiter(1, 1);
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1"] {
            assert!(ask(&limiter, 0.0, address).is_ok(), "{address}");
            assert!(ask(&limiter, 0.0, address).is_err(), "{address}");
        }
        assert!(ask(&limiter, 0.0, "2001:db8:0:1:ffff::9").is_err());
        assert!(ask(&limiter, 0.0, "::ffff:192.0.2.1").is_err());
    }

    #[test]
    fn trusted_networks_and_local_sockets_are_not_counted() {
        let limiter = limiter(1, 1);
        for _ in 0..10 {
            assert!(ask(&limiter, 0.0, "10.1.2.3").is_ok());
            assert!(limiter.admit(Instant::now(), None).is_ok());
        }
    }

    #[test]
    fn many_addresses_take_bounded_memory() {
        let limiter = limiter(1, 1);
        for network in 0..200_000_u32 {
            let _ = limiter.take(u128::from(network), 0);
        }
        assert!(
            limiter.buckets.len() <= ADDRESSES + ADDRESSES / 10,
            "{}",
            limiter.buckets.len()
        );
    }

    #[test]
    fn of_many_at_once_as_many_pass_as_the_burst_allows() {
        let limiter = limiter(1, 50);
        let passed = std::thread::scope(|scope| {
            let ask = || (0..100).filter(|_| limiter.take(7, 0).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(passed, 50);
    }
}
