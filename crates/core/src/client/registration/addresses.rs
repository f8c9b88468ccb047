//! Where the addresses of a client may be that registered itself. The operator may know better, and is not asked.
//!
//! OpenID Connect Dynamic Client Registration §2 (`application_type`), RFC 8252 §7.1 and §7.3, Front-Channel Logout §2.

use url::{Host, Url};

use crate::client::metadata::Metadata;
use crate::client::validate::{NOT_BESIDE, is_beside_redirects, told};
use crate::fault::{Failure, Fault};

const NATIVE: &str = "native";
const WEB: &str = "web";

/// Fills `application_type` in, and refuses addresses that do not suit it. Those that are no addresses at all are refused
/// elsewhere.
pub(super) fn limit(metadata: &mut Metadata) -> Result<(), Failure> {
    let redirects: Vec<(&String, Url)> = metadata
        .redirect_uris
        .iter()
        .filter_map(|uri| Some((uri, Url::parse(uri).ok()?)))
        .collect();
    // The default is `web`. RFC 7591 does not know the member, though, so an app that says nothing is known by its addresses.
    let is_native = match metadata.application_type.as_str() {
        "" => !redirects.is_empty() && redirects.iter().all(|(_, url)| suits_native(url)),
        named => named == NATIVE,
    };
    let (suits, reason): (fn(&Url) -> bool, _) = if is_native {
        (
            suits_native,
            "is not for the 'application_type' native; use a scheme of your own, or http with 127.0.0.1, [::1] or localhost",
        )
    } else {
        (
            suits_web,
            "is not for the 'application_type' web; use https and a host that is not localhost, or say that it is native",
        )
    };
    if let Some((uri, _)) = redirects.iter().find(|(_, url)| !suits(url)) {
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

fn suits_web(url: &Url) -> bool {
    url.scheme() == "https" && !is_local(url)
}

fn suits_native(url: &Url) -> bool {
    match url.scheme() {
        "https" => false,
        "http" => is_local(url),
        _ => true,
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
