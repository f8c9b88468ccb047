//! Pages that stand in for the operator's own. With `--dev` four of them work.

use crate::openapi::operation::{Operation, field, needed};

fn stands_in<'o>(op: Operation<'o>, id: &str, setting: &str) -> Operation<'o> {
    op.named(id, "pages", &format!("Says that `{setting}` is not set"))
        .page(200, "The page.")
}

pub fn login(op: Operation<'_>) -> Operation<'_> {
    stands_in(op, "showLoginFallback", "urls.login")
}

pub fn consent(op: Operation<'_>) -> Operation<'_> {
    stands_in(op, "showConsentFallback", "urls.consent")
}

pub fn logout(op: Operation<'_>) -> Operation<'_> {
    stands_in(op, "showLogoutFallback", "urls.logout")
}

pub fn device(op: Operation<'_>) -> Operation<'_> {
    stands_in(op, "showDeviceFallback", "urls.device.verification")
}

pub fn logout_done(op: Operation<'_>) -> Operation<'_> {
    op.named(
        "showLogoutDone",
        "pages",
        "Where a person lands after logout, unless `urls.post_logout_redirect` is set",
    )
    .page(200, "The page.")
}

pub fn device_done(op: Operation<'_>) -> Operation<'_> {
    op.named(
        "showDeviceDone",
        "pages",
        "Where a person lands who allowed a device, unless `urls.device.success` is set",
    )
    .page(200, "The page.")
}

pub fn error(op: Operation<'_>) -> Operation<'_> {
    op.named("showError", "pages", "The error page, unless `urls.error` is set")
        .query("error", "The code.")
        .query("error_description", "What happened.")
        .query("error_hint", "What helps.")
        .query("error_debug", "What the operator wants to know.")
        .query("request_id", "Where it is in the log.")
        .page(500, "The page. The status is 500 whatever the error is.")
}

fn sample<'o>(op: Operation<'o>, id: &str, summary: &str) -> Operation<'o> {
    op.named(id, "pages", summary)
        .about("Only with `--dev`, where the operator has no page. It lets everybody in.")
        .redirect(302, "To the error page; or onward, if nothing needs asking.")
}

pub fn sample_login(op: Operation<'_>) -> Operation<'_> {
    sample(op, "showSampleLogin", "The sample login page")
        .page(400, "The challenge is missing.")
        .page(200, "The page.")
        .redirect(303, "Onward: it was answered.")
        .query("login_challenge", "What the browser brought.")
}

pub fn sample_log_in(op: Operation<'_>) -> Operation<'_> {
    sample(op, "answerSampleLogin", "The answer of the sample login page")
        .page(200, "The page again: the name is missing.")
        .redirect(303, "Onward.")
        .form(&[
            needed("login_challenge", "What the browser brought."),
            field("answer", "`accept`, or anything else to refuse."),
            field("name", "Who the person is."),
            field("remember", "Whether the browser stays logged in."),
        ])
}

pub fn sample_consent(op: Operation<'_>) -> Operation<'_> {
    sample(op, "showSampleConsent", "The sample consent page")
        .page(400, "The challenge is missing.")
        .page(200, "The page.")
        .redirect(303, "Onward: it was answered.")
        .query("consent_challenge", "What the browser brought.")
}

pub fn sample_give_consent(op: Operation<'_>) -> Operation<'_> {
    sample(op, "answerSampleConsent", "The answer of the sample consent page")
        .redirect(303, "Onward.")
        .form(&[
            needed("consent_challenge", "What the browser brought."),
            field("answer", "`accept`, or anything else to refuse."),
            field("remember", "Whether the same need not be asked again."),
            field("scope:openid", "One such field for each scope that is granted."),
        ])
}

pub fn sample_logout(op: Operation<'_>) -> Operation<'_> {
    sample(op, "showSampleLogout", "The sample logout page")
        .page(200, "The page.")
        .redirect(303, "Onward: it was answered.")
        .query("logout_challenge", "What the browser brought.")
}

pub fn sample_log_out(op: Operation<'_>) -> Operation<'_> {
    sample(op, "answerSampleLogout", "The answer of the sample logout page")
        .page(200, "The person stays logged in.")
        .redirect(303, "Onward.")
        .form(&[
            needed("logout_challenge", "What the browser brought."),
            field("answer", "`accept`, or anything else to refuse."),
        ])
}

pub fn sample_device(op: Operation<'_>) -> Operation<'_> {
    sample(op, "showSampleDevice", "The sample page for user codes")
        .page(200, "The page.")
        .page(400, "The challenge is missing.")
        .query("device_challenge", "What the browser brought.")
        .query("user_code", "The code, if the address has it in it.")
}

pub fn sample_enter_code(op: Operation<'_>) -> Operation<'_> {
    sample(op, "answerSampleDevice", "The answer of the sample page for user codes")
        .page(200, "The page again: the code is wrong.")
        .redirect(303, "Onward.")
        .form(&[
            needed("device_challenge", "What the browser brought."),
            field("user_code", "What the person typed."),
        ])
}
