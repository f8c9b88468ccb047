//! Keys of the admin port: how a service of the operator says who it is, and what it may do.
//!
//! A key is `clv_ak_`, its id, a dot and 256 random bits, sent as a bearer token (RFC 6750 §2.1). The database holds a
//! SHA-256 (nothing that could be presented). Unlike other tokens a key has no keyed checksum, so that it lives on when
//! `secrets.system` is replaced. Attacks: a stolen database (digests only), a revoked key that another server still takes
//! (each request reads the key; those that wait at the same moment share the reading), timing (digests are compared in
//! constant time), a key for one task that is used for another (areas).

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::context::{Entropy, Id, Timestamp};
use crate::port::{ApiKeyRecord, Change, Digest, Outcome, Store, StoreError};

/// Before every key, so that scanners of leaked secrets recognize them.
pub const PREFIX: &str = "clv_ak_";
const SECRET: usize = 32;
/// Characters of an id in base64url.
const ID_TEXT: usize = 22;
/// Most characters of a name.
const LONGEST_NAME: usize = 100;
/// The use of a key is noted when the last note is this old, in seconds.
const NOTE_EVERY: u64 = 3600;
/// How many keys are read at once to find one by its name.
const PAGE: u32 = 500;

macro_rules! areas {
    ($($area:ident = $name:literal, $text:literal;)*) => {
        /// What a key opens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Area { $(#[doc = $text] $area),* }

        impl Area {
            /// Every area, in the order in which people are told of them.
            pub const ALL: &[Self] = &[$(Self::$area),*];

            /// The word for it, as in `scope` of RFC 6750 §3.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$area => $name),* }
            }

            /// What it is good for.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$area => $text),* }
            }
        }
    };
}

areas! {
    Read = "read", "read clients, consents, trusted issuers and metrics, change nothing";
    Clients = "clients", "manage clients and end their access tokens";
    Flows = "flows", "answer login, consent, logout and device requests; manage consents and sessions";
    Keys = "keys", "manage key sets, private keys among them, and trusted issuers";
    Introspect = "introspect", "introspect tokens";
    Metrics = "metrics", "read metrics";
    Everything = "all", "everything";
}

impl Area {
    /// The area of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|area| area.name() == name)
    }
}

/// Why a key is not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The name cannot be used.
    #[error(
        "a name has 1 to {LONGEST_NAME} printable characters, no space at its ends, and does not look like the id of a key"
    )]
    Name,
    /// No area was named.
    #[error("the key would open nothing; name what it is for, for example introspect")]
    Nothing,
    /// The name is taken.
    #[error("there is a key of this name; choose another one, or revoke that key first")]
    Taken,
    /// The database does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key that was just made. Its text is shown once and stored nowhere.
pub struct Created {
    /// What is stored.
    pub record: ApiKeyRecord,
    /// What is presented.
    pub text: Zeroizing<String>,
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Created").field(&self.record.id).finish()
    }
}

/// A key that somebody presented and that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The key.
    pub id: Id,
    /// What people call it.
    pub name: String,
    areas: Vec<Area>,
    /// Whether this use should be noted ([`Change::UseApiKey`]).
    pub is_notable: bool,
}

impl Admitted {
    /// Whether the key opens one of these areas.
    #[must_use]
    pub fn opens(&self, areas: &[Area]) -> bool {
        self.areas
            .iter()
            .any(|area| *area == Area::Everything || areas.contains(area))
    }
}

/// Makes a key. `life` is none for one that never expires.
///
/// # Errors
/// If the name cannot be used or is taken, nothing would be opened, or the database does not answer.
pub async fn create(
    store: &dyn Store,
    (now, millis, entropy): (Timestamp, u64, &dyn Entropy),
    name: &str,
    areas: &[Area],
    life: Option<Duration>,
) -> Result<Created, CreateError> {
    let is_printable = !name.is_empty() && name.trim() == name && !name.chars().any(char::is_control);
    if !is_printable || name.chars().count() > LONGEST_NAME || Id::parse(name).is_some() {
        return Err(CreateError::Name);
    }
    if areas.is_empty() {
        return Err(CreateError::Nothing);
    }
    let id = Id::generate(millis, entropy);
    let mut secret = Zeroizing::new([0; SECRET]);
    entropy.fill(secret.as_mut());
    let scope = Area::ALL.iter().filter(|area| areas.contains(area));
    let record = ApiKeyRecord {
        id,
        name: name.to_owned(),
        digest: digest(id, &secret),
        scope: scope.map(|area| area.name().to_owned()).collect(),
        created_at: now,
        expires_at: life.map_or(Timestamp::NEVER, |life| now.plus(life)),
        last_used_at: None,
    };
    match store.apply(Change::CreateApiKey(record.clone())).await? {
        Outcome::Applied => Ok(Created {
            record,
            text: text(id, &secret),
        }),
        Outcome::LostRace => Err(CreateError::Taken),
    }
}

/// Every key, oldest first.
///
/// # Errors
/// Only if the database does not answer.
pub async fn list(store: &dyn Store) -> Result<Vec<ApiKeyRecord>, StoreError> {
    let mut all: Vec<ApiKeyRecord> = Vec::new();
    loop {
        let page = store.api_keys(all.last().map(|key| key.id), PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Ends the key with this id or name, and says which it was; none if there is no such key.
///
/// # Errors
/// Only if the database does not answer.
pub async fn revoke(store: &dyn Store, named: &str) -> Result<Option<ApiKeyRecord>, StoreError> {
    let found = match Id::parse(named) {
        Some(id) => store.api_key(id).await?,
        None => list(store).await?.into_iter().find(|key| key.name == named),
    };
    let Some(key) = found else { return Ok(None) };
    Ok(match store.apply(Change::RevokeApiKey(key.id)).await? {
        Outcome::Applied => Some(key),
        Outcome::LostRace => None,
    })
}

/// The key that was presented, if it is one of ours that is in force.
///
/// # Errors
/// Only if the database does not answer.
pub async fn admit(store: &dyn Store, now: Timestamp, presented: &str) -> Result<Option<Admitted>, StoreError> {
    let Some((id, digest)) = recognize(presented) else {
        return Ok(None);
    };
    let Some(key) = store.api_key(id).await? else {
        return Ok(None);
    };
    if key.digest != digest || key.expires_at <= now {
        return Ok(None);
    }
    Ok(Some(Admitted {
        id,
        is_notable: key
            .last_used_at
            .is_none_or(|last| now.seconds_since(last) >= NOTE_EVERY),
        areas: key.scope.iter().filter_map(|name| Area::parse(name)).collect(),
        name: key.name,
    }))
}

fn text(id: Id, secret: &[u8; SECRET]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + ID_TEXT + 1 + 43));
    text.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(id.0, &mut text);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(secret, &mut text);
    text
}

fn recognize(text: &str) -> Option<(Id, Digest)> {
    let (id, tail) = text.strip_prefix(PREFIX)?.split_once('.')?;
    if id.len() != ID_TEXT || tail.len() != 43 {
        return None;
    }
    let id = Id(URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?);
    let mut secret = Zeroizing::new([0; SECRET]);
    // The buffer has room for exactly the secret.
    URL_SAFE_NO_PAD.decode_slice(tail, secret.as_mut()).ok()?;
    Some((id, digest(id, &secret)))
}

fn digest(id: Id, secret: &[u8; SECRET]) -> Digest {
    let mut hash = Context::new(&SHA256);
    hash.update(b"api_key");
    hash.update(&id.0);
    hash.update(secret);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.finish().as_ref());
    Digest(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryStore;
    use crate::testing::now;
    use crate::token::testing::Counter;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn make(store: &MemoryStore, name: &str, areas: &[Area], life: Option<Duration>) -> Result<Created, CreateError> {
        now(create(
            store,
            (NOW, 1_800_000_000_000, &Counter::default()),
            name,
            areas,
            life,
        ))
    }

    fn admitted(store: &MemoryStore, at: i64, text: &str) -> Option<Admitted> {
        now(admit(store, Timestamp(NOW.0 + at), text)).expect("the store answers")
    }

    #[test]
    fn a_key_opens_its_areas_and_no_other() {
        let store = MemoryStore::default();
        let key = make(&store, "login app", &[Area::Flows, Area::Read], None).expect("a good name");
        assert!(key.text.starts_with(PREFIX) && key.text.matches('.').count() == 1);
        let admitted = admitted(&store, 0, &key.text).expect("our own key");
        assert_eq!((admitted.id, admitted.name.as_str()), (key.record.id, "login app"));
        assert!(admitted.opens(&[Area::Flows]) && admitted.opens(&[Area::Read, Area::Clients]));
        assert!(!admitted.opens(&[Area::Clients, Area::Keys, Area::Introspect]) && !admitted.opens(&[]));
    }

    #[test]
    fn a_key_for_everything_opens_every_area() {
        let store = MemoryStore::default();
        let key = make(&store, "ops", &[Area::Everything], None).expect("a good name");
        let admitted = admitted(&store, 0, &key.text).expect("our own key");
        assert!(Area::ALL.iter().all(|area| admitted.opens(&[*area])));
    }

    #[test]
    fn nothing_stored_can_be_presented() {
        let store = MemoryStore::default();
        let key = make(&store, "ops", &[Area::Read], None).expect("a good name");
        let digest = URL_SAFE_NO_PAD.encode(key.record.digest.0);
        let stored = format!("{PREFIX}{}.{digest}", URL_SAFE_NO_PAD.encode(key.record.id.0));
        assert_eq!(admitted(&store, 0, &stored), None);
    }

    #[test]
    fn any_changed_character_makes_another_key() {
        let store = MemoryStore::default();
        let text = make(&store, "ops", &[Area::Read], None).expect("a good name").text;
        for at in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(admitted(&store, 0, &changed), None, "character {at}");
        }
        for garbage in [
            "",
            ".",
            "clv_ak_",
            "clv_ak_.",
            "clv_ak_ä.ö",
            &"x".repeat(10_000),
            &text[..40],
        ] {
            assert_eq!(admitted(&store, 0, garbage), None, "{garbage}");
        }
    }

    #[test]
    fn a_key_ends_when_it_expires_or_is_revoked() {
        let store = MemoryStore::default();
        let hour = Some(Duration::from_secs(3600));
        let key = make(&store, "ops", &[Area::Read], hour).expect("a good name");
        assert!(admitted(&store, 3599, &key.text).is_some());
        assert_eq!(admitted(&store, 3600, &key.text), None);
        let ended = now(revoke(&store, "ops"))
            .expect("the store answers")
            .expect("it is there");
        assert_eq!(ended.id, key.record.id);
        assert_eq!(admitted(&store, 0, &key.text), None);
        assert_eq!(now(revoke(&store, "ops")).expect("the store answers"), None);
        let id = make(&store, "ops", &[Area::Read], hour)
            .expect("the name is free")
            .record
            .id;
        assert!(
            now(revoke(&store, &id.to_string()))
                .expect("the store answers")
                .is_some()
        );
    }

    #[test]
    fn a_name_is_taken_once_and_readable() {
        let store = MemoryStore::default();
        assert!(make(&store, "ops", &[Area::Read], None).is_ok());
        assert!(matches!(
            make(&store, "ops", &[Area::Read], None),
            Err(CreateError::Taken)
        ));
        let id = Id([7; 16]).to_string();
        for name in ["", " ops", "o\nps", "o\0", &"x".repeat(101), &id] {
            let refused = make(&store, name, &[Area::Read], None);
            assert!(matches!(refused, Err(CreateError::Name)), "{name:?}");
        }
        assert!(matches!(make(&store, "none", &[], None), Err(CreateError::Nothing)));
    }

    #[test]
    fn a_use_is_worth_a_note_once_an_hour() {
        let store = MemoryStore::default();
        let key = make(&store, "ops", &[Area::Read], None).expect("a good name");
        let is_notable = |at| admitted(&store, at, &key.text).expect("our own key").is_notable;
        assert!(is_notable(0));
        let id = key.record.id;
        let _ = now(store.apply(Change::UseApiKey { id, at: NOW })).expect("the store answers");
        assert!(!is_notable(0) && !is_notable(3599) && is_notable(3600));
    }
}
