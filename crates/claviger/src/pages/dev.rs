//! The sample login, consent, device and logout pages of `--dev`, so that a flow runs in a browser with nothing else.
//!
//! Each form answers with `answer`, which is [`ACCEPT`] or [`REJECT`], and its challenge under the name that the page was
//! called with (`login_challenge`, `consent_challenge`, `device_challenge`, `logout_challenge`).

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::qr::Picture;
use super::{WITH_FORM, respond};

/// The value of `answer` when the person agrees.
pub const ACCEPT: &str = "accept";
/// The value of `answer` when the person does not.
pub const REJECT: &str = "reject";
/// A ticked scope `x` arrives as a field of this and `x`: a name that repeats would be refused.
pub const SCOPE_PREFIX: &str = "scope:";

/// The login page. Its fields: `name`, and `remember` (`on`) if ticked.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub struct Login<'a> {
    /// Where the form goes.
    pub action: &'a str,
    pub challenge: &'a str,
    pub client_name: &'a str,
    /// What the field holds at first: `login_hint`, or what was typed before.
    pub name: &'a str,
    /// What was wrong with the last try, or nothing.
    pub alert: &'a str,
}

/// The consent page. Its fields: [`SCOPE_PREFIX`] and a scope (`on`) for each ticked box, and `remember` (`on`).
#[derive(Debug, Template)]
#[template(path = "consent.html")]
pub struct Consent<'a> {
    /// Where the form goes.
    pub action: &'a str,
    pub challenge: &'a str,
    pub client_name: &'a str,
    pub subject: &'a str,
    /// What was asked for; every box is ticked at first.
    pub scopes: &'a [String],
    pub audiences: &'a [String],
}

/// The page for user codes. Its field: `user_code`.
#[derive(Debug, Template)]
#[template(path = "device.html")]
pub struct Device<'a> {
    /// Where the form goes.
    pub action: &'a str,
    pub challenge: &'a str,
    /// What the field holds at first: the code of the address, or what was typed before.
    pub code: &'a str,
    /// What was wrong with the last try, or nothing.
    pub alert: &'a str,
    /// Where to begin on another device.
    pub address: &'a str,
    /// The same for its camera.
    pub picture: Option<Picture>,
}

/// The logout page.
#[derive(Debug, Template)]
#[template(path = "logout.html")]
pub struct Logout<'a> {
    /// Where the form goes.
    pub action: &'a str,
    pub challenge: &'a str,
    pub subject: &'a str,
    /// Empty when the person, and no application, asked.
    pub client_name: &'a str,
}

/// Renders the login page.
#[must_use]
pub fn login(page: &Login<'_>) -> Response {
    respond(StatusCode::OK, page, &WITH_FORM)
}

/// Renders the consent page.
#[must_use]
pub fn consent(page: &Consent<'_>) -> Response {
    respond(StatusCode::OK, page, &WITH_FORM)
}

/// Renders the page for user codes.
#[must_use]
pub fn device(page: &Device<'_>) -> Response {
    respond(StatusCode::OK, page, &WITH_FORM)
}

/// Renders the logout page.
#[must_use]
pub fn logout(page: &Logout<'_>) -> Response {
    respond(StatusCode::OK, page, &WITH_FORM)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_sound, read};
    use super::*;

    const EVIL: &str = "\"><script>alert('x')</script>";

    #[tokio::test]
    async fn the_login_page_keeps_what_was_typed_and_tells_screen_readers_what_is_wrong() {
        let page = Login {
            action: "/dev/login",
            challenge: EVIL,
            client_name: EVIL,
            name: "ann\"a",
            alert: "Type a name.",
        };
        let (policy, html) = read(login(&page)).await;
        assert_sound(&policy, &html);
        assert!(html.contains("value=\"ann&#34;a\""), "{html}");
        assert!(
            html.contains("role=\"alert\"") && html.contains("aria-describedby=\"alert\""),
            "{html}"
        );
        assert!(html.contains("<label for=\"name\">"), "{html}");
    }

    #[tokio::test]
    async fn the_page_for_user_codes_keeps_what_was_typed_and_says_what_is_wrong() {
        let page = Device {
            action: "/dev/device",
            challenge: EVIL,
            code: "WDJB\"",
            alert: "The code is wrong.",
            address: EVIL,
            picture: Picture::of(EVIL),
        };
        let (policy, html) = read(device(&page)).await;
        assert_sound(&policy, &html);
        assert!(
            html.contains("<svg ") && html.contains("role=\"img\" aria-label="),
            "{html}"
        );
        assert!(html.contains("value=\"WDJB&#34;\""), "{html}");
        assert!(
            html.contains("role=\"alert\"") && html.contains("<label for=\"user_code\">"),
            "{html}"
        );
    }

    #[tokio::test]
    async fn every_scope_has_a_box_of_its_own_name() {
        let scopes = ["openid".to_owned(), EVIL.to_owned()];
        let page = Consent {
            action: "/dev/consent",
            challenge: "c",
            client_name: EVIL,
            subject: EVIL,
            scopes: &scopes,
            audiences: &[EVIL.to_owned()],
        };
        let (policy, html) = read(consent(&page)).await;
        assert_sound(&policy, &html);
        assert!(html.contains("name=\"scope:openid\" value=\"on\" checked"), "{html}");
        assert_eq!(html.matches("type=\"checkbox\"").count(), 3, "{html}");
    }

    #[tokio::test]
    async fn the_logout_page_asks_before_it_acts() {
        let page = Logout {
            action: "/dev/logout",
            challenge: "c",
            subject: EVIL,
            client_name: "",
        };
        let (policy, html) = read(logout(&page)).await;
        assert_sound(&policy, &html);
        assert!(html.contains("<form method=\"post\" action=\"/dev/logout\">"), "{html}");
        assert!(!html.contains("asks to log you out"), "{html}");
    }
}
