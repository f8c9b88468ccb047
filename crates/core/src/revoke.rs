//! Token revocation.
//!
//! Implements RFC 7009 §2. Deviates: `token_type_hint` is not looked at, because a token tells its own kind;
//! `unsupported_token_type` (§2.2.1) is never sent, because every token is revocable. Attacks: token scanning (unknown
//! tokens and those of others are answered as a success, §2.2), revocation across clients (the owner is compared, D26).

use std::sync::Arc;

use crate::client_auth::Authenticated;
use crate::fault::Failure;
use crate::port::{Change, Outcome};
use crate::token::lookup::{KnownAccess, KnownRefresh};
use crate::witness::Seen;
use crate::world::World;

/// What came of a revocation. The client sees a success in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The token is dead, and with a refresh token every token of its grant. Consent stays remembered.
    Revoked,
    /// There is no such token, or it is dead already.
    Unknown,
    /// The token belongs to another client: nothing was done, and the operator should know.
    OfAnother {
        /// The client to which the token was issued.
        owner: Arc<str>,
    },
}

/// Revokes the token behind `text` on behalf of the client that sent it, which may be a public one (§2.1).
///
/// # Errors
/// [`Failure::Store`] if the database does not answer: "the client must assume the token still exists" (§2.2.1).
pub async fn revoke(world: &World<'_>, caller: &Authenticated, text: &str) -> Result<Revocation, Failure> {
    let (owner, change) = if let Some(token) = KnownAccess::find(world, text).await? {
        (Arc::clone(token.client_id()), Change::RevokeAccess(token.id))
    } else if let Some(token) = KnownRefresh::find(world, text).await? {
        // "If the particular token is a refresh token ... the authorization server SHOULD also invalidate all access
        // tokens based on the same authorization grant" (§2.1). A used or expired one ends its grant as well, because
        // its client may not have seen the successor.
        let grant = token.grant();
        (Arc::clone(&grant.client_id), Change::EndGrant(grant.id))
    } else {
        return Ok(Revocation::Unknown);
    };
    // "verifies whether the token was issued to the client making the revocation request" (§2.1).
    if owner != caller.client.id {
        return Ok(Revocation::OfAnother { owner });
    }
    Ok(match world.store.apply(change).await? {
        Outcome::Applied => {
            world.witness.see(Seen::Revoked {
                client: &caller.client.id,
            });
            Revocation::Revoked
        }
        Outcome::LostRace => Revocation::Unknown,
    })
}

#[cfg(test)]
mod rfc7009_2 {
    use super::*;
    use crate::client::{AuthMethod, Client};
    use crate::consented::Consented;
    use crate::introspect::{Caller, Introspection, introspect};
    use crate::testing::{Desk, now};
    use crate::token::opaque::{Fresh, Kind};

    fn revoked(desk: &Desk, client: &Client, token: &Fresh) -> Revocation {
        let caller = desk.authenticated(client);
        now(revoke(&desk.world(), &caller, &token.text)).expect("the store answers")
    }

    fn lives(desk: &Desk, token: &Fresh) -> bool {
        let told = now(introspect(&desk.world(), &token.text, Caller::Admin { scope: None }));
        told.expect("the store answers") != Introspection::Inactive
    }

    #[test]
    fn an_access_token_is_revoked_alone() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let grant = desk.consent(&client, "openid", &Consented::default());
        let pair = desk.issued(&client, &grant, None);
        assert_eq!(revoked(&desk, &client, &pair.access), Revocation::Revoked);
        assert!(!lives(&desk, &pair.access) && lives(&desk, &pair.refresh));
        let own = desk.own_token(&client, "profile");
        assert_eq!(revoked(&desk, &client, &own), Revocation::Revoked);
        assert!(!lives(&desk, &own));
    }

    #[test]
    fn with_a_refresh_token_every_token_of_its_grant_ends() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let grant = desk.consent(&client, "openid", &Consented::default());
        let pair = desk.issued(&client, &grant, None);
        assert_eq!(revoked(&desk, &client, &pair.refresh), Revocation::Revoked);
        assert!(!lives(&desk, &pair.access) && !lives(&desk, &pair.refresh));
        assert_eq!(revoked(&desk, &client, &pair.refresh), Revocation::Unknown);
    }

    /// Contract of Hydra's API: the end of tokens is not the end of a consent.
    #[test]
    fn a_consent_that_is_remembered_outlives_its_refresh_token() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let grant = crate::port::GrantRecord {
            remembered_until: Some(crate::context::Timestamp::NEVER),
            ..desk.consent(&client, "openid", &Consented::default())
        };
        let pair = desk.issued(&client, &grant, None);
        assert_eq!(revoked(&desk, &client, &pair.refresh), Revocation::Revoked);
        assert!(!lives(&desk, &pair.access) && !lives(&desk, &pair.refresh));
        let remembered = now(desk.world().store.remembered("alice", "app", desk.cx().now));
        assert!(remembered.expect("the store answers").is_some());
    }

    #[test]
    fn a_refresh_token_that_was_used_ends_its_grant_as_well() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let grant = desk.consent(&client, "openid", &Consented::default());
        let first = desk.issued(&client, &grant, None);
        let second = desk.rotated(&client, &grant, &first);
        assert!(lives(&desk, &second.refresh));
        assert_eq!(revoked(&desk, &client, &first.refresh), Revocation::Revoked);
        assert!(!lives(&desk, &second.access) && !lives(&desk, &second.refresh));
    }

    #[test]
    fn a_public_client_revokes_its_own_tokens() {
        let desk = Desk::new();
        let mut draft = desk.draft("app");
        draft.auth_method = AuthMethod::None;
        let client = desk.register(&draft);
        let grant = desk.consent(&client, "openid", &Consented::default());
        let pair = desk.issued(&client, &grant, None);
        assert_eq!(revoked(&desk, &client, &pair.refresh), Revocation::Revoked);
        assert!(!lives(&desk, &pair.access));
    }

    #[test]
    fn d26_a_token_of_another_client_lives_on_and_its_owner_is_named() {
        let desk = Desk::new();
        let (owner, stranger) = (desk.register(&desk.draft("app")), desk.register(&desk.draft("other")));
        let grant = desk.consent(&owner, "openid", &Consented::default());
        let pair = desk.issued(&owner, &grant, None);
        for token in [&pair.access, &pair.refresh] {
            let expected = Revocation::OfAnother { owner: "app".into() };
            assert_eq!(revoked(&desk, &stranger, token), expected);
            assert!(lives(&desk, token));
        }
    }

    #[test]
    fn what_nobody_was_given_is_unknown() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let grant = desk.consent(&client, "openid", &Consented::default());
        let pair = desk.issued(&client, &grant, None);
        for kind in [Kind::Access, Kind::Refresh, Kind::Code] {
            let forged = desk.fresh(kind, pair.access.id);
            assert_eq!(revoked(&desk, &client, &forged), Revocation::Unknown);
        }
        assert!(lives(&desk, &pair.access) && lives(&desk, &pair.refresh));
    }

    #[test]
    fn d5_a_revocation_that_did_not_happen_is_not_a_success() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let own = desk.own_token(&client, "profile");
        let caller = desk.authenticated(&client);
        desk.store.go_down();
        let failed = now(revoke(&desk.world(), &caller, &own.text));
        assert!(matches!(failed, Err(Failure::Store(_))));
    }
}
