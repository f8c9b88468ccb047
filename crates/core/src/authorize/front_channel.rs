//! The tokens that a client gets at the authorization endpoint itself.
//!
//! RFC 6749 §4.2.2, OpenID Connect Core §3.2.2.5, §3.2.2.10 and §3.3.2.11. Never a refresh token (RFC 6749 §4.2). Attacks:
//! a token or code that is exchanged on its way through the browser (the ID token beside it holds hashes of all).

use super::request::AuthorizationRequest;
use super::response_type::ResponseType;
use super::return_path::ReturnPath;
use crate::consented::Consented;
use crate::fault::{Failure, Fault};
use crate::grant::lives::Lives;
use crate::port::{GrantRecord, Owner};
use crate::token::access::{Draft, Made};
use crate::token::id_token::{Beside, IdToken};
use crate::token::opaque::{Fresh, Kind};
use crate::world::World;

/// What the response type has besides a code.
pub(super) struct FrontChannel {
    pub(super) access: Option<Made>,
    pub(super) id_token: Option<String>,
}

impl FrontChannel {
    /// The tokens of `grant`, which go with `code` if there is one.
    pub(super) async fn make(
        world: &World<'_>,
        (request, path, response_type): (&AuthorizationRequest, &ReturnPath, ResponseType),
        grant: &GrantRecord,
        consented: &Consented,
        code: Option<&str>,
    ) -> Result<Self, Failure> {
        let (access_life, id_life) = Lives::implicit(world.cx.policy, &request.client);
        let access = if response_type.has_token() {
            let draft = Draft {
                client: &request.client,
                grant: Some(grant),
                consented,
                owner: Owner::Grant {
                    id: grant.id,
                    scope: None,
                    audience: None,
                },
                life: access_life,
            };
            Some(draft.make(world, fresh(world)).await?)
        } else {
            None
        };
        if !response_type.has_id_token() {
            return Ok(Self { access, id_token: None });
        }
        if !grant.scope.iter().any(|scope| scope == "openid") {
            return Err(Fault::IdTokenWithoutOpenId.into());
        }
        let token = IdToken {
            alg: request.client.choices.id_token_alg,
            grant,
            consented,
            beside: Beside {
                access_token: access.as_ref().map(|access| access.text.as_str()),
                code,
                state: path.state(),
            },
            life: id_life,
        };
        let id_token = Some(token.sign(world).await?);
        Ok(Self { access, id_token })
    }
}

fn fresh(world: &World<'_>) -> Fresh {
    let cx = &world.cx;
    Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Access, cx.new_id())
}
