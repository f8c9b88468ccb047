//! Keys at rest: a JWK becomes a record of the store, sealed and bound to its set and `kid`, and back.

use claviger_core::context::{Cx, Timestamp};
use claviger_core::port::KeyRecord;
use claviger_core::seal::{self, Purpose};
use claviger_core::secrets::Secrets;
use claviger_jose::{Alg, GenerationFailed, Jwk, RsaSize};
use zeroize::Zeroizing;

use super::KeysError;

/// Size of the RSA keys that the program makes. Hydra takes 4096 bits, which sign six times slower; 2048 is what
/// RFC 7518 §3.3 asks for.
const RSA_SIZE: RsaSize = RsaSize::Bits2048;

fn context(set: &str, kid: &str) -> Vec<u8> {
    format!("{set}/{kid}").into_bytes()
}

/// The record of a key that was made here: it signs at once, and so far nothing needs it.
pub(super) fn made(cx: &Cx<'_>, set: &str, jwk: &Jwk, created_at: Timestamp) -> KeyRecord {
    KeyRecord {
        needed_until: cx.now,
        ..seal(cx, set, jwk, created_at)
    }
}

/// The record of `jwk`, which must have a `kid`. What it signed elsewhere is not known, so that it is needed for ever.
pub(super) fn seal(cx: &Cx<'_>, set: &str, jwk: &Jwk, created_at: Timestamp) -> KeyRecord {
    let kid = jwk.kid().unwrap_or_default();
    let sealed = seal::seal(
        cx.secrets,
        cx.entropy,
        Purpose::KeyAtRest,
        &context(set, kid),
        &jwk.to_json(),
    );
    KeyRecord {
        set: set.to_owned(),
        kid: kid.to_owned(),
        sealed,
        created_at,
        signs_from: Timestamp(0),
        needed_until: Timestamp::NEVER,
    }
}

/// The key of a record.
pub(super) fn open(secrets: &Secrets, record: &KeyRecord) -> Result<Jwk, KeysError> {
    let KeyRecord { set, kid, sealed, .. } = record;
    let text =
        seal::open(secrets, Purpose::KeyAtRest, &context(set, kid), sealed).map_err(|_| KeysError::WrongSecrets {
            set: set.clone(),
            kid: kid.clone(),
        })?;
    let text = Zeroizing::new(text);
    Jwk::from_slice(&text).map_err(|source| KeysError::Damaged {
        set: set.clone(),
        kid: kid.clone(),
        source,
    })
}

/// Makes a key. An RSA key takes a tenth of a second, so this leaves the threads that serve requests.
pub(super) async fn generate(alg: Alg, kid: String, use_: &'static str) -> Result<Jwk, GenerationFailed> {
    let task = tokio::task::spawn_blocking(move || Jwk::generate(alg, &kid, use_, RSA_SIZE));
    task.await.unwrap_or(Err(GenerationFailed))
}

/// When a key that is added now counts as made: after every other of its set, also within the same second, so that
/// the key added last is the one that signs.
pub(super) fn newest(now: Timestamp, records: &[KeyRecord]) -> Timestamp {
    let latest = records.iter().map(|record| record.created_at.0).max();
    Timestamp(latest.map_or(now.0, |latest| now.0.max(latest.saturating_add(1))))
}
