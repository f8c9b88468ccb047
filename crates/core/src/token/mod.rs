//! Tokens: the opaque ones that this server hands out and recognizes, and those that it signs.

pub mod access;
pub mod id_token;
pub mod lookup;
pub mod opaque;

/// A counting [`crate::context::Entropy`] for tests, so that a run is reproducible to the byte.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Default)]
    pub(crate) struct Counter(AtomicU64);

    impl crate::context::Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(8) {
                let next = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
                chunk.copy_from_slice(&next[..chunk.len()]);
            }
        }
    }
}
