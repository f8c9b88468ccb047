//! What the login, consent, logout and device apps ask and answer.

use claviger_core::flow::consent::ConsentAcceptance;
use claviger_core::flow::login::{LoginAcceptance, Rejection};

use crate::admin::requests::{ConsentShown, DeviceAcceptance, LoginShown, LogoutShown, Onward};
use crate::openapi::operation::Operation;

const UNREADABLE: &str = "`invalid_request`: the challenge is missing, or the body is not what it should be.";

/// `challenge` is what apps for version 1 send instead.
fn about_challenge<'o>(op: Operation<'o>, name: &str) -> Operation<'o> {
    op.needs_query(
        name,
        "What the browser brought. Apps for version 1 send it as `challenge`.",
    )
    .refuses(404, "Nobody knows this challenge.")
    .asks_database()
}

/// The browser may have gone on already.
fn may_be_over(op: Operation<'_>) -> Operation<'_> {
    op.answer::<Onward>(
        410,
        "It was answered or has expired: send the browser to `redirect_to`, where it goes on.",
    )
}

fn login(op: Operation<'_>) -> Operation<'_> {
    may_be_over(about_challenge(op, "login_challenge")).refuses(400, UNREADABLE)
}

fn consent(op: Operation<'_>) -> Operation<'_> {
    may_be_over(about_challenge(op, "consent_challenge")).refuses(400, UNREADABLE)
}

fn logout(op: Operation<'_>) -> Operation<'_> {
    about_challenge(op, "logout_challenge").refuses(400, "`invalid_request`: the query cannot be read.")
}

fn onward(op: Operation<'_>) -> Operation<'_> {
    op.answer::<Onward>(200, "Send the browser to `redirect_to`.")
}

pub fn read_login(op: Operation<'_>) -> Operation<'_> {
    login(op.named("getOAuth2LoginRequest", "oAuth2", "Read a login request"))
        .answer::<LoginShown<'_>>(200, "The request.")
}

pub fn accept_login(op: Operation<'_>) -> Operation<'_> {
    onward(login(op.named(
        "acceptOAuth2LoginRequest",
        "oAuth2",
        "Accept a login request",
    )))
    .about("Somebody logged in. Accepting again before the browser comes back is safe: the last answer counts.")
    .json::<LoginAcceptance>()
}

pub fn reject_login(op: Operation<'_>) -> Operation<'_> {
    onward(login(op.named(
        "rejectOAuth2LoginRequest",
        "oAuth2",
        "Reject a login request",
    )))
    .about("The client gets the error.")
    .json::<Rejection>()
}

pub fn read_consent(op: Operation<'_>) -> Operation<'_> {
    consent(op.named("getOAuth2ConsentRequest", "oAuth2", "Read a consent request"))
        .answer::<ConsentShown<'_>>(200, "The request.")
}

pub fn accept_consent(op: Operation<'_>) -> Operation<'_> {
    onward(consent(op.named(
        "acceptOAuth2ConsentRequest",
        "oAuth2",
        "Accept a consent request",
    )))
    .about("Scopes and audiences that are not registered for the client cannot be granted.")
    .json::<ConsentAcceptance>()
}

pub fn reject_consent(op: Operation<'_>) -> Operation<'_> {
    onward(consent(op.named(
        "rejectOAuth2ConsentRequest",
        "oAuth2",
        "Reject a consent request",
    )))
    .about("The client gets the error.")
    .json::<Rejection>()
}

pub fn read_logout(op: Operation<'_>) -> Operation<'_> {
    may_be_over(logout(op.named(
        "getOAuth2LogoutRequest",
        "oAuth2",
        "Read a logout request",
    )))
    .answer::<LogoutShown<'_>>(200, "The request.")
}

pub fn accept_logout(op: Operation<'_>) -> Operation<'_> {
    onward(logout(may_be_over(op).named(
        "acceptOAuth2LogoutRequest",
        "oAuth2",
        "Accept a logout request",
    )))
    .about("The session ends when the browser comes back.")
}

pub fn reject_logout(op: Operation<'_>) -> Operation<'_> {
    logout(op.named("rejectOAuth2LogoutRequest", "oAuth2", "Reject a logout request"))
        .about("For good: it cannot be accepted any more. A body means nothing.")
        .empty(204, "It is rejected.")
}

pub fn accept_device(op: Operation<'_>) -> Operation<'_> {
    let op = op.named(
        "acceptUserCodeRequest",
        "oAuth2",
        "Accept the code that a person entered for a device",
    );
    onward(about_challenge(op, "device_challenge"))
        .about("Case and dashes do not matter. The person then logs in and agrees.")
        .json::<DeviceAcceptance>()
        .refuses(
            400,
            "`invalid_request`: the code is wrong, or the challenge or code is missing. The person may try again.",
        )
        .refuses(403, "`access_denied`: too many wrong codes. The person starts again.")
}
