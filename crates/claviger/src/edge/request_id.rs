//! The name of a request: in its answer's `X-Request-Id`, on its error page, and on every log line it causes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

const LENGTH: usize = 20;
/// Crockford's alphabet in lower case: in order, and nothing that is misread over the telephone.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Twenty characters that sort by time: nine of milliseconds, five of the process, six of a scrambled counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; LENGTH]);

tokio::task_local! {
    /// Cheaper than a span, which would be made for each request and nearly always for nobody.
    static CURRENT: RequestId;
}

impl RequestId {
    /// The name of the request that is worked on here.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// Does what this request asks for. What is logged meanwhile carries its name.
    pub(super) fn name<W: Future>(self, work: W) -> impl Future<Output = W::Output> {
        CURRENT.scope(self, work)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Reads a name that was handed on, from the request that failed to the page that says so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|byte| ALPHABET.contains(byte)).then_some(Self(bytes))
    }

    /// When the request began, in milliseconds since 1970.
    #[must_use]
    pub fn millis(&self) -> u64 {
        let digit = |byte: &u8| ALPHABET.iter().position(|known| known == byte).unwrap_or_default() as u64;
        let time = self.0.iter().take(9).map(digit);
        time.fold(0, |millis, digit| millis << 5 | digit)
    }

    /// The name of requests that never crossed a socket.
    pub(crate) fn in_process() -> Self {
        Self([b'0'; LENGTH])
    }

    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives every request of this process another id.
///
/// An incoming `X-Request-Id` is not taken over: a stranger could give two requests one name, or write into our logs.
#[derive(Debug)]
pub struct RequestIds {
    seed: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// `seed` should be random: it tells processes apart, and hides how many requests were served.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn generate(&self) -> RequestId {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        self.at(millis)
    }

    fn at(&self, millis: u64) -> RequestId {
        const COUNTER_BITS: u64 = (1 << 30) - 1;
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        // Multiplying by an odd number and adding are permutations of the counter's bits: scrambled, never repeated.
        let scrambled = count.wrapping_mul((self.seed >> 32) | 1).wrapping_add(self.seed) & COUNTER_BITS;

        let mut id = [0; LENGTH];
        let (time, rest) = id.split_at_mut(9);
        let (process, counter) = rest.split_at_mut(5);
        write_base32(time, millis);
        write_base32(process, self.seed.rotate_left(17));
        write_base32(counter, scrambled);
        RequestId(id)
    }
}

fn write_base32(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET.get((value & 31) as usize).copied().unwrap_or(b'0');
        value >>= 5;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_one_process_differ() {
        let ids = RequestIds::new(0x1234_5678_9abc_def0);
        let seen: HashSet<_> = (0..100_000).map(|_| ids.at(1_700_000_000_000)).collect();
        assert_eq!(seen.len(), 100_000);
    }

    #[test]
    fn only_an_id_is_read_as_one() {
        let id = RequestIds::new(7).at(1_700_000_000_000);
        assert_eq!(RequestId::parse(id.as_str()), Some(id));
        for other in ["", "<b>", "0000000000000000000u", "0000000000000000000\u{e4}"] {
            assert_eq!(RequestId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn ids_sort_by_time() {
        let ids = RequestIds::new(7);
        let (early, late) = (ids.at(1_700_000_000_000), ids.at(1_700_000_000_001));
        assert!(early.as_str() < late.as_str());
        assert_eq!(early.as_str().len(), LENGTH);
        assert_eq!(late.millis(), 1_700_000_000_001);
    }

    proptest::proptest! {
        #[test]
        fn an_id_is_read_as_it_was_written_and_tells_its_time(seed: u64, millis in 0..(1_u64 << 45), noise in ".{0,24}") {
            let id = RequestIds::new(seed).at(millis);
            proptest::prop_assert_eq!(RequestId::parse(id.as_str()), Some(id));
            proptest::prop_assert_eq!(id.millis(), millis);
            if let Some(read) = RequestId::parse(&noise) {
                proptest::prop_assert_eq!(read.as_str(), noise);
            }
        }
    }
}
