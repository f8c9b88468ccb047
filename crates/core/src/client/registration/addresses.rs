//! Where the addresses of a client may be that registered itself. The operator may know better, and is not asked.
//!
//! OpenID Connect Dynamic Client Registration §2 (`application_type`), RFC 8252 §7, Front-Channel Logout §2. Deviates: a
//! native app may have https addresses, as RFC 8252 §7.2 recommends. A scheme without a period, which "SHOULD be rejected"
//! (RFC 8252 §8.4), is taken, since editors and agents have such ones: who else claims it gets a code, which PKCE makes useless.

use url::Url;

use crate::authorize::{is_allowed_in_clear, is_secure, is_this_machine};
use crate::client::metadata::Metadata;
use crate::client::validate::{NOT_BESIDE, is_beside_redirects, told};
use crate::context::Policy;
use crate::fault::{Failure, Fault};

const NATIVE: &str = "native";
const WEB: &str = "web";

/// Fills `application_type` in, and refuses addresses that do not suit it. Those that are no addresses at all are refused
/// elsewhere.
pub(super) fn limit(metadata: &mut Metadata, policy: &Policy) -> Result<(), Failure> {
    let redirects: Vec<(&String, Url)> = metadata
        .redirect_uris
        .iter()
        .filter_map(|uri| Some((uri, Url::parse(uri).ok()?)))
        .collect();
    // The default is `web`. RFC 7591 does not know the member, though, so an app that says nothing is known by its addresses.
    let is_native = match metadata.application_type.as_str() {
        "" => redirects.iter().any(|(_, url)| is_of_an_app(url)),
        named => named == NATIVE,
    };
    let (suits, reason): (fn(&str, &Url, &Policy) -> bool, _) = if is_native {
        (
            suits_native,
            "is not for the 'application_type' native; use https, a scheme of your own, or http with 127.0.0.1, [::1] or localhost",
        )
    } else if is_implicit(metadata) {
        (
            suits_implicit,
            "is not for the 'application_type' web with the grant type implicit; use https and a host that is not localhost, \
             or say that it is native",
        )
    } else {
        (
            suits_web,
            "is not for the 'application_type' web; use https, or http with 127.0.0.1, [::1] or localhost, or say that it is native",
        )
    };
    if let Some((uri, _)) = redirects.iter().find(|(uri, url)| !suits(uri, url, policy)) {
        return Err(Fault::RedirectUriInvalid.because(told("redirect_uris", uri, reason)));
    }
    if metadata.application_type.is_empty() {
        let kind = if is_native { NATIVE } else { WEB };
        kind.clone_into(&mut metadata.application_type);
    }
    let frame = &metadata.frontchannel_logout_uri;
    if !frame.is_empty() && !is_beside_redirects(metadata, frame) {
        return Err(Fault::ClientMetadataInvalid.because(told("frontchannel_logout_uri", frame, NOT_BESIDE)));
    }
    Ok(())
}

/// Whether the client may get tokens from the authorization endpoint, which takes the grant type `implicit` (§2).
fn is_implicit(metadata: &Metadata) -> bool {
    let words = metadata.response_types.iter().flat_map(|words| words.split(' '));
    metadata.grant_types.iter().any(|grant| grant == "implicit")
        || words.into_iter().any(|word| word.ends_with("token"))
}

/// A scheme of its own, or `http` on the machine of the person.
fn is_of_an_app(url: &Url) -> bool {
    !is_of_the_web(url) || url.scheme() == "http" && is_this_machine(url)
}

fn is_of_the_web(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "http")
}

fn suits_native(uri: &str, _: &Url, policy: &Policy) -> bool {
    is_secure(uri, policy)
}

fn suits_web(uri: &str, url: &Url, policy: &Policy) -> bool {
    is_of_the_web(url) && is_secure(uri, policy)
}

/// "Web Clients using the OAuth Implicit Grant Type MUST only register URLs using the https scheme as redirect_uris; they
/// MUST NOT use localhost as the hostname" (§2); but for what the operator allowed.
fn suits_implicit(uri: &str, url: &Url, policy: &Policy) -> bool {
    url.scheme() == "https" && !is_this_machine(url) || is_of_the_web(url) && is_allowed_in_clear(uri, policy)
}
