//! Where browsers are sent: authorization, device verification, logout.

use crate::openapi::operation::{Field, Operation, field};

const AUTHORIZATION: [Field; 23] = [
    field("client_id", "The client. Required."),
    field(
        "response_type",
        "`code`, `id_token`, `token`, or several of them. Required.",
    ),
    field(
        "redirect_uri",
        "A registered one. Required with `openid`, or if several are registered.",
    ),
    field("scope", "Registered ones, separated by spaces."),
    field("state", "Comes back with the answer."),
    field("response_mode", "`query`, `fragment` or `form_post`."),
    field("nonce", "Comes back in the ID token."),
    field("code_challenge", "RFC 7636."),
    field("code_challenge_method", "`S256`."),
    field("audience", "Registered ones, separated by spaces. May repeat."),
    field("resource", "RFC 8707. May repeat."),
    field(
        "prompt",
        "`none`, `login`, `consent`; `create` and `select_account` are for the login app.",
    ),
    field("max_age", "Seconds after which the person logs in again."),
    field("login_hint", "For the login app."),
    field("ui_locales", "For the apps."),
    field("display", "For the apps."),
    field("acr_values", "For the login app."),
    field("id_token_hint", "Who the person should be."),
    field("claims", "OpenID Connect Core §5.5."),
    field("request", "A request object (RFC 9101)."),
    field("request_uri", "A registered address of one."),
    field("login_verifier", "From the login app's answer."),
    field("consent_verifier", "From the consent app's answer."),
];

fn authorization(op: Operation<'_>) -> Operation<'_> {
    op.redirect(302, "To the login, consent or error page.")
        .redirect(
            303,
            "Back to the client, with the answer or an error (RFC 6749 §4.1.2, with `iss` of RFC 9207).",
        )
        .page(200, "A page that posts the answer to the client (`form_post`).")
}

/// Every field is a parameter of the query as well.
fn queries<'o>(op: Operation<'o>, fields: &[Field]) -> Operation<'o> {
    fields.iter().fold(op, |op, field| op.query(field.name, field.text))
}

/// The pages that a form gets which cannot be read.
fn unreadable(op: Operation<'_>) -> Operation<'_> {
    op.page(400, "The body is not a form, or broke off.")
        .page(408, "The body did not arrive in time.")
        .page(413, "The body is too large.")
}

pub fn authorize(op: Operation<'_>) -> Operation<'_> {
    let op = op
        .named("oAuth2Authorize", "oAuth2", "Ask a person for authorization")
        .about("The browser visits it three times: first from the client, then with the verifiers of the login and consent apps.");
    authorization(queries(op, &AUTHORIZATION))
}

pub fn authorize_by_form(op: Operation<'_>) -> Operation<'_> {
    let op = op
        .named(
            "oAuth2AuthorizeByForm",
            "oAuth2",
            "Ask a person for authorization, by a form",
        )
        .about("Parameters may be in the query as well.")
        .form(&AUTHORIZATION);
    unreadable(authorization(op))
}

pub fn verify_device(op: Operation<'_>) -> Operation<'_> {
    op.named(
        "performOAuth2DeviceVerificationFlow",
        "oAuth2",
        "Where the person goes who allows a device (RFC 8628 §3.3)",
    )
    .query("user_code", "The code, if the address has it in it.")
    .query("device_verifier", "From the device app's answer.")
    .query("login_verifier", "From the login app's answer.")
    .query("consent_verifier", "From the consent app's answer.")
    .redirect(302, "To the device, login, consent, last or error page.")
}

const LOGOUT: [Field; 5] = [
    field("id_token_hint", "An ID token of the session; it may have expired."),
    field("client_id", "The client, instead of the hint."),
    field(
        "post_logout_redirect_uri",
        "A registered address where the person goes in the end.",
    ),
    field("state", "Comes back with that address."),
    field("logout_verifier", "From the logout app's answer; in the query only."),
];

fn logged_out(op: Operation<'_>) -> Operation<'_> {
    op.redirect(
        302,
        "To the logout page, where the person goes in the end, or to the error page.",
    )
    .page(
        200,
        "A page that loads the clients' `frontchannel_logout_uri` in frames and goes on.",
    )
}

pub fn logout(op: Operation<'_>) -> Operation<'_> {
    let op = op.named(
        "revokeOidcSession",
        "oidc",
        "Log a person out (OpenID Connect RP-Initiated Logout)",
    );
    logged_out(queries(op, &LOGOUT))
}

pub fn logout_by_form(op: Operation<'_>) -> Operation<'_> {
    let op = op
        .named("revokeOidcSessionByForm", "oidc", "Log a person out, by a form")
        .form(LOGOUT.split_last().map_or(&[], |(_, fields)| fields));
    unreadable(logged_out(op))
}
