//! Consents that were given and logins that last, as the operator lists and ends them.
//!
//! The shapes are those of Hydra's admin API. To end a consent is to revoke all that was given because of it; to end
//! a login is to be asked again, and takes no token away.

use std::sync::Arc;

use crate::authorize::OidcContext;
use crate::consented::Consented;
use crate::context::Timestamp;
use crate::fault::{Failure, Fault};
use crate::flow::challenge::began;
use crate::flow::consent::{ConsentRequest, SessionClaims};
use crate::flow::request_url;
use crate::params::Params;
use crate::port::{Change, Freshness, GrantQuery, GrantRecord};
use crate::world::World;

/// One consent that a person gave.
#[derive(Clone, Debug)]
pub struct GivenConsent {
    /// What was asked. Its `skip` is false, as the person was.
    pub request: ConsentRequest,
    /// `grant_scope`.
    pub scope: Vec<String>,
    /// `grant_access_token_audience`.
    pub audience: Vec<String>,
    /// `session`.
    pub claims: SessionClaims,
    /// `remember`.
    pub remember: bool,
    /// `remember_for`: seconds from the beginning of the authorization; 0 means for ever, or not at all.
    pub remember_for: u64,
    /// `handled_at`.
    pub handled_at: Timestamp,
    /// `context`: what the consent app keeps for itself.
    pub context: serde_json::Value,
}

/// The consents that `query` asks for.
///
/// # Errors
/// What the store says, or a row that cannot be read.
pub async fn consents(world: &World<'_>, query: &GrantQuery) -> Result<Vec<GivenConsent>, Failure> {
    let mut given = Vec::new();
    for grant in world.store.grants(query).await? {
        given.extend(consent(world, grant).await?);
    }
    Ok(given)
}

/// Nothing if the client was removed meanwhile.
async fn consent(world: &World<'_>, grant: GrantRecord) -> Result<Option<GivenConsent>, Failure> {
    let Some(client) = world.client(&grant.client_id, Freshness::ProvedByWrite).await? else {
        return Ok(None);
    };
    // One that was sealed under a secret that is gone can still be ended, so it is listed with what its row says.
    let consented = Consented::open(&world.cx, &grant)?.unwrap_or_default();
    let asked = consented.asked.unwrap_or_default();
    let params = Params::parse(asked.request.as_bytes())?;
    let request = ConsentRequest {
        id: grant.id.to_string(),
        scope: params.scope(),
        audience: params.audience(),
        skip: false,
        subject: grant.subject,
        oidc_context: OidcContext::of(&params, &client),
        client: Arc::clone(&client),
        request_url: request_url(world, &params, None),
        session_id: grant.session_id.map(|id| id.to_string()).unwrap_or_default(),
        acr: consented.acr.unwrap_or_default(),
        amr: consented.amr,
        context: asked.login_context,
    };
    let limit = grant.remembered_until.filter(|until| *until != Timestamp::NEVER);
    Ok(Some(GivenConsent {
        request,
        scope: grant.scope,
        audience: grant.audience,
        claims: SessionClaims {
            access_token: Some(consented.access_token),
            id_token: Some(consented.id_token),
            userinfo: consented.userinfo,
        },
        remember: grant.remembered_until.is_some(),
        remember_for: limit.map_or(0, |until| until.seconds_since(began(grant.id))),
        handled_at: grant.created_at,
        context: asked.context,
    }))
}

/// Which consents shall end: those of `subject` to `client`, or with `all=true` all of theirs, or the one with this
/// `consent_request_id`. Nothing if that id names none.
///
/// # Errors
/// For any other combination, as it may be a slip that would end too much.
pub fn consents_to_end(query: &Params) -> Result<Option<Change>, Fault> {
    let subject = query.get("subject").map(str::to_owned);
    let client = query.get("client").map(str::to_owned);
    let all = query.get("all") == Some("true");
    match (query.get("consent_request_id"), subject, client, all) {
        (Some(id), None, None, _) => Ok(crate::context::Id::parse(id).map(Change::RevokeGrant)),
        (None, Some(subject), Some(client), false) => Ok(Some(Change::RevokeGrants {
            subject,
            client: Some(client),
        })),
        (None, Some(subject), None, true) => Ok(Some(Change::RevokeGrants { subject, client: None })),
        _ => Err(Fault::ConsentsUnnamed),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::consented::Asked;
    use crate::context::Id;
    use crate::testing::{Desk, form, now};

    fn of(subject: &str, at: Timestamp) -> GrantQuery {
        GrantQuery {
            subject: subject.to_owned(),
            session: None,
            at,
            after: None,
            offset: 0,
            limit: 10,
        }
    }

    #[test]
    fn a_consent_tells_what_was_asked_and_what_was_given() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let consented = Consented {
            acr: Some("2".to_owned()),
            asked: Some(Asked {
                request: "client_id=app&scope=openid+profile&login_hint=ann".to_owned(),
                login_context: json!({"a": 1}),
                context: json!("mine"),
            }),
            ..Consented::default()
        };
        let mut grant = desk.consent(&client, "openid", &consented);
        grant.remembered_until = Some(Timestamp(began(grant.id).0 + 60));
        desk.code(&grant, None);
        let given = now(consents(&desk.world(), &of("alice", desk.cx().now))).expect("the store answers");
        let [given] = given.as_slice() else { panic!("{given:?}") };
        assert_eq!(given.request.scope, ["openid", "profile"]);
        assert_eq!(given.scope, ["openid"]);
        assert_eq!((given.remember, given.remember_for), (true, 60));
        assert_eq!(
            (&given.request.context, &given.context),
            (&json!({"a": 1}), &json!("mine"))
        );
        assert_eq!(given.request.oidc_context.login_hint, "ann");
        assert!(
            given
                .request
                .request_url
                .starts_with("https://op.example/oauth2/auth?client_id=app")
        );
        assert_eq!(given.request.acr, "2");
        let none = now(consents(&desk.world(), &of("bob", desk.cx().now))).expect("the store answers");
        assert!(none.is_empty());
    }

    #[test]
    fn a_consent_under_a_secret_that_is_gone_is_listed_so_that_it_can_be_ended() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let lost = GrantRecord {
            sealed: b"sealed under another secret".to_vec(),
            ..desk.consent(&client, "openid", &Consented::default())
        };
        desk.code(&lost, None);
        let given = now(consents(&desk.world(), &of("alice", desk.cx().now))).expect("the store answers");
        assert_eq!((given.len(), &given[0].scope), (1, &lost.scope));
    }

    #[test]
    fn only_combinations_that_cannot_be_a_slip_end_consents() {
        let id = Id([7; 16]);
        let text = id.to_string();
        let of = |client: Option<&str>| Change::RevokeGrants {
            subject: "ann".to_owned(),
            client: client.map(str::to_owned),
        };
        let (subject, client, all) = (("subject", "ann"), ("client", "app"), ("all", "true"));
        let one = ("consent_request_id", text.as_str());
        for (query, expected) in [
            (vec![subject, client], Ok(Some(of(Some("app"))))),
            (vec![subject, all], Ok(Some(of(None)))),
            (vec![one], Ok(Some(Change::RevokeGrant(id)))),
            (vec![one, all], Ok(Some(Change::RevokeGrant(id)))),
            (vec![("consent_request_id", "nothing")], Ok(None)),
            (vec![subject, client, all], Err(Fault::ConsentsUnnamed)),
            (vec![subject], Err(Fault::ConsentsUnnamed)),
            (vec![subject, ("all", "1")], Err(Fault::ConsentsUnnamed)),
            (vec![client], Err(Fault::ConsentsUnnamed)),
            (vec![all], Err(Fault::ConsentsUnnamed)),
            (vec![one, subject], Err(Fault::ConsentsUnnamed)),
            (vec![one, client], Err(Fault::ConsentsUnnamed)),
            (vec![], Err(Fault::ConsentsUnnamed)),
        ] {
            assert_eq!(consents_to_end(&form(&query)), expected, "{query:?}");
        }
    }
}
