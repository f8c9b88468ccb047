//! Client secrets: how they are made, kept and compared.
//!
//! Implements RFC 6749 §10.1 and §10.10, RFC 9106 (Argon2id), RFC 8018 §5.2 (PBKDF2). A generated secret has 157 bits
//! and rests as a salted digest, which costs a microsecond; one that a person chose rests as a slow hash. Hashes that
//! Hydra made, bcrypt and PBKDF2, verify as they are. A secret that signs (`client_secret_jwt`) is sealed instead, because
//! the server must know it.

use std::num::NonZeroU32;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params as Cost, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use crate::client::Client;
use crate::context::{Cx, Entropy};
use crate::fault::Failure;
use crate::port::Digest;
use crate::seal::{self, Purpose};
use crate::secrets::Secrets;
use crate::world::World;

/// What Hydra draws secrets from.
const ALPHABET: &[u8; 66] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
/// 26 characters of 66 have 157 bits.
const LENGTH: usize = 26;
/// 43 characters of them have 259 bits, enough for HMAC with SHA-256.
const SIGNING_LENGTH: usize = 43;
/// Before salt and digest of a generated secret.
const GENERATED: &str = "$clv-hmac-sha256$";
/// Before a sealed secret.
const SEALED: &str = "$clv-sealed$";
/// OWASP's recommendation with the least memory: KiB, passes, lanes.
const COST: (u32, u32, u32) = (7168, 5, 1);

/// Length of a salt in bytes.
const SALT: usize = 16;

/// How a presented secret is compared with a stored one.
enum Check {
    /// Decided at once.
    Quick(bool),
    /// Needs the job of [`verify`], away from the threads that serve requests.
    Slow,
}

/// A new secret of 26 characters.
#[must_use]
pub fn generate_secret(entropy: &dyn Entropy) -> Zeroizing<String> {
    generate(entropy, LENGTH)
}

/// A new secret that signs with an algorithm whose keys have at least so many octets.
#[must_use]
pub fn generate_signing_secret(entropy: &dyn Entropy, octets: usize) -> Zeroizing<String> {
    generate(entropy, SIGNING_LENGTH.max(octets))
}

fn generate(entropy: &dyn Entropy, length: usize) -> Zeroizing<String> {
    let mut secret = Zeroizing::new(String::with_capacity(length));
    let mut random = Zeroizing::new([0; 2 * LENGTH]);
    while secret.len() < length {
        entropy.fill(random.as_mut());
        // Bytes past the last whole multiple of the alphabet are left out, so that each character is equally likely.
        let even = random.iter().filter(|byte| usize::from(**byte) < ALPHABET.len() * 3);
        let drawn = even.filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
        let missing = length - secret.len();
        secret.extend(drawn.take(missing).map(|byte| char::from(*byte)));
    }
    secret
}

/// What is stored of a generated secret.
#[must_use]
pub fn digest_generated(entropy: &dyn Entropy, secret: &str) -> String {
    let Salted { salt, digest } = Salted::draw(entropy, secret);
    let [salt, digest] = [&salt[..], &digest.0].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    format!("{GENERATED}{salt}${digest}")
}

/// What is stored of a secret that signs, for the client with this id.
#[must_use]
pub fn seal_signing(cx: &Cx<'_>, client: &str, secret: &str) -> String {
    let sealed = seal::seal(
        cx.secrets,
        cx.entropy,
        Purpose::SecretAtRest,
        client.as_bytes(),
        secret.as_bytes(),
    );
    format!("{SEALED}{}", STANDARD_NO_PAD.encode(sealed))
}

/// The secret itself, if it was sealed for this client.
pub(crate) fn open(secrets: &Secrets, client: &str, stored: &str) -> Option<Zeroizing<String>> {
    let sealed = STANDARD_NO_PAD.decode(stored.strip_prefix(SEALED)?).ok()?;
    let opened = seal::open(secrets, Purpose::SecretAtRest, client.as_bytes(), &sealed).ok()?;
    String::from_utf8(opened).ok().map(Zeroizing::new)
}

/// What is stored of a secret that a person chose.
///
/// # Errors
/// If no thread takes the job.
pub async fn hash_chosen(world: &World<'_>, secret: &str) -> Result<String, Failure> {
    let secret = Zeroizing::new(secret.to_owned());
    let mut salt = [0; SALT];
    world.cx.entropy.fill(&mut salt);
    world
        .compute(move || argon2id(&secret, &salt))
        .await?
        .ok_or_else(|| Failure::Internal("Argon2id refused its own parameters".to_owned()))
}

/// Whether `presented` is a secret of `client`. Without a client nothing is right, and finding that out takes as long.
pub(super) async fn proves(world: &World<'_>, client: Option<&Client>, presented: &str) -> Result<bool, Failure> {
    if client.is_some_and(|client| client.last_proven.is(presented)) {
        return Ok(true);
    }
    let stored = client.map(|client| client.secrets.as_slice()).unwrap_or_default();
    let mut slow = Vec::new();
    for stored in stored {
        match check(&world.cx, client, stored, presented) {
            Check::Quick(true) => return Ok(true),
            Check::Quick(false) => {}
            Check::Slow => slow.push(stored.clone()),
        }
    }
    let secret = Zeroizing::new(presented.to_owned());
    let last_proven = client.map(|client| client.last_proven.share()).unwrap_or_default();
    let salted = Salted::draw(world.cx.entropy, presented);
    world
        .compute(move || {
            // After a start many come at once with the same secret. Those that had to wait find the work done.
            let is_right = last_proven.is(&secret) || verify_any(&slow, &secret);
            if is_right {
                last_proven.keep(salted);
            }
            is_right
        })
        .await
}

fn check(cx: &Cx<'_>, client: Option<&Client>, stored: &str, presented: &str) -> Check {
    if stored.starts_with(SEALED) {
        let secret = client.and_then(|client| open(cx.secrets, &client.id, stored));
        let is_right =
            |secret: Zeroizing<String>| verify_slices_are_equal(secret.as_bytes(), presented.as_bytes()).is_ok();
        return Check::Quick(secret.is_some_and(is_right));
    }
    match stored.strip_prefix(GENERATED) {
        Some(salted) => Check::Quick(Salted::parse(salted).is_some_and(|salted| salted.is_of(presented))),
        None => Check::Slow,
    }
}

/// HMAC-SHA-256 of a secret under a random key, the salt, which is kept beside it: quick, so only for what cannot be
/// guessed, or for what stays in memory.
pub(super) struct Salted {
    salt: [u8; SALT],
    digest: Digest,
}

impl Salted {
    fn draw(entropy: &dyn Entropy, secret: &str) -> Self {
        let mut salt = [0; SALT];
        entropy.fill(&mut salt);
        let digest = salted(&salt, secret);
        Self { salt, digest }
    }

    /// Reads `salt$digest`, both in base64 without padding.
    fn parse(text: &str) -> Option<Self> {
        let (salt, digest) = text.split_once('$')?;
        Some(Self {
            salt: STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?,
            digest: Digest(STANDARD_NO_PAD.decode(digest).ok()?.try_into().ok()?),
        })
    }

    /// Compares in constant time.
    pub(super) fn is_of(&self, secret: &str) -> bool {
        salted(&self.salt, secret) == self.digest
    }
}

fn salted(salt: &[u8; SALT], secret: &str) -> Digest {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret.as_bytes());
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(tag.as_ref()) {
        *to = *from;
    }
    Digest(bytes)
}

/// A client without a slow hash costs as much as one with one hash: otherwise the time would tell them apart, and both
/// from no client at all.
fn verify_any(stored: &[String], presented: &str) -> bool {
    if stored.is_empty() {
        std::hint::black_box(argon2id(presented, &[0; SALT]));
        return false;
    }
    stored.iter().any(|stored| verify(stored, presented))
}

fn verify(stored: &str, presented: &str) -> bool {
    let scheme = stored.split('$').nth(1).unwrap_or_default();
    match scheme {
        // bcrypt looks at 72 bytes; Hydra let longer secrets through, so they must still do.
        "2a" | "2b" | "2y" => bcrypt::verify(presented, stored).unwrap_or(false),
        "argon2id" | "argon2i" => PasswordHash::new(stored)
            .is_ok_and(|hash| Argon2::default().verify_password(presented.as_bytes(), &hash).is_ok()),
        _ => Pbkdf2::parse(stored).is_some_and(|hash| hash.verify(presented)),
    }
}

fn argon2id(secret: &str, salt: &[u8; SALT]) -> Option<String> {
    let (memory, passes, lanes) = COST;
    let cost = Cost::new(memory, passes, lanes, None).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
    let hash: PasswordHash = argon2.hash_password_with_salt(secret.as_bytes(), salt).ok()?;
    Some(hash.to_string())
}

/// `$pbkdf2-sha256$i=25000,l=32$salt$key`, both in base64 without padding.
struct Pbkdf2 {
    algorithm: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    key: Vec<u8>,
}

impl Pbkdf2 {
    fn parse(stored: &str) -> Option<Self> {
        let mut parts = stored.strip_prefix("$pbkdf2-")?.split('$');
        let algorithm = match parts.next()? {
            "sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
            "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
            "sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return None,
        };
        let (iterations, length) = parts.next()?.strip_prefix("i=")?.split_once(",l=")?;
        let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        let key = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
        let is_whole = parts.next().is_none() && length.parse() == Ok(key.len());
        is_whole.then_some(Self {
            algorithm,
            iterations: iterations.parse().ok()?,
            salt,
            key,
        })
    }

    fn verify(&self, presented: &str) -> bool {
        pbkdf2::verify(
            self.algorithm,
            self.iterations,
            &self.salt,
            presented.as_bytes(),
            &self.key,
        )
        .is_ok()
    }
}
