//! The end of a session, with the news of it for its clients.

use super::{Farewell, Onward};
use crate::client::Client;
use crate::context::{Cx, Id};
use crate::fault::Failure;
use crate::flow::with_parameter;
use crate::logout::notice;
use crate::port::{Change, FlowRecord, Freshness, NoticeRecord, Outcome};
use crate::world::World;

/// What ends, and where its owner goes.
pub(super) struct Ending {
    pub(super) session: Id,
    /// Whose session it is, as far as is known.
    pub(super) subject: String,
    pub(super) target: String,
}

/// Ends the session and uses the challenge up, if there was one. Nothing if that was used before.
pub(super) async fn end(
    world: &World<'_>,
    ending: &Ending,
    spent: Option<FlowRecord>,
) -> Result<Option<Farewell>, Failure> {
    let cx = &world.cx;
    let (mut frames, mut notices) = (Vec::new(), Vec::new());
    let subject = Some(ending.subject.as_str()).filter(|subject| !subject.is_empty());
    for participant in world.store.participants(ending.session, subject).await? {
        let Some(client) = world.client(&participant.client, Freshness::Latest).await? else {
            continue;
        };
        if let Some(uri) = client.frontchannel_logout_uri() {
            frames.push(frame(cx, uri, ending.session));
        }
        if client.backchannel_logout_uri().is_some() {
            notices.push(news(cx, &client, ending.session, participant.subject));
        }
    }
    let has_notices = !notices.is_empty();
    let change = Change::Logout {
        spent,
        session: Some(ending.session),
        notices,
    };
    if world.store.apply(change).await? == Outcome::LostRace {
        return Ok(None);
    }
    let next = ending.target.clone();
    Ok(Some(Farewell {
        to: if frames.is_empty() {
            Onward::Url(next)
        } else {
            Onward::Frames { frames, next }
        },
        forgets_session: false,
        has_notices,
    }))
}

/// Ends a session without a browser, and queues the news for its clients. Says whether there are any. It does not
/// matter whether the session still exists.
///
/// # Errors
/// What the store says.
pub async fn end_session(world: &World<'_>, session: Id) -> Result<bool, Failure> {
    let ending = Ending {
        session,
        subject: String::new(),
        target: String::new(),
    };
    let farewell = end(world, &ending, None).await?;
    Ok(farewell.is_some_and(|farewell| farewell.has_notices))
}

/// Front-Channel Logout §3: both parameters are always sent, so that a client need not say that it wants them.
fn frame(cx: &Cx<'_>, uri: &str, session: Id) -> String {
    let with_issuer = with_parameter(uri, "iss", &cx.policy.issuer);
    with_parameter(&with_issuer, "sid", &session.to_string())
}

fn news(cx: &Cx<'_>, client: &Client, session: Id, subject: String) -> NoticeRecord {
    NoticeRecord {
        id: cx.new_id(),
        client: client.id.to_string(),
        session,
        subject,
        attempts: 0,
        due_at: cx.now,
        expires_at: cx.now.plus(notice::PATIENCE),
    }
}
