//! For which resource servers a token is meant.
//!
//! Implements RFC 8707 §2: `resource` at the authorization, device and token endpoints, beside Hydra's `audience`, which
//! means the same there. What an authorization asks for is granted by the consent app; when tokens are taken, `resource`
//! narrows one access token to a part of what was granted (§2.2), while `audience` changes nothing, as in Hydra.
//!
//! Attacks: a resource server that uses a token at another one (§3: a narrowed token is good for nothing else).

use url::Url;

use crate::client::Client;
use crate::fault::{Failure, Fault};
use crate::params::Params;
use crate::port::GrantRecord;

/// The resource servers that a request names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    audience: Vec<String>,
    resources: Vec<String>,
}

impl Target {
    /// Reads `audience` and `resource`.
    ///
    /// # Errors
    /// [`Fault::ResourceMalformed`]: "Its value MUST be an absolute URI ... MUST NOT include a fragment component" (§2).
    pub(crate) fn parse(params: &Params) -> Result<Self, Failure> {
        let mut resources: Vec<String> = Vec::new();
        for uri in params.all("resource") {
            if !resources.iter().any(|known| known == uri) {
                resources.push(uri.to_owned());
            }
        }
        match resources.iter().find(|uri| !is_resource(uri)) {
            Some(uri) => Err(Fault::ResourceMalformed.because(format!("It is '{uri}'."))),
            None => Ok(Self {
                audience: params.audience(),
                resources,
            }),
        }
    }

    /// Refuses what the client is not registered for.
    pub(crate) fn require_registered(&self, client: &Client) -> Result<(), Failure> {
        let unregistered = |wanted: &&String| !client.may_have_audience(wanted);
        if let Some(resource) = self.resources.iter().find(unregistered) {
            return Err(Fault::ResourceUnknown.because(format!("It is '{resource}'.")));
        }
        match self.audience.iter().find(unregistered) {
            Some(wanted) => Err(Fault::AudienceUnregistered.because(format!("It is '{wanted}'."))),
            None => Ok(()),
        }
    }

    /// The audience of one token of the grant; none if it is the whole of the grant's.
    ///
    /// # Errors
    /// [`Fault::ResourceNotGranted`] for anything else than a part of it.
    pub(crate) fn narrow(&self, grant: &GrantRecord) -> Result<Option<Vec<String>>, Failure> {
        if self.resources.is_empty() {
            return Ok(None);
        }
        match self.resources.iter().find(|wanted| !grant.audience.contains(wanted)) {
            Some(wanted) => Err(Fault::ResourceNotGranted.because(format!("It is '{wanted}'."))),
            None => Ok((self.resources.len() < grant.audience.len()).then(|| self.resources.clone())),
        }
    }

    /// Everything that is named, each once.
    pub(crate) fn into_audience(self) -> Vec<String> {
        self.audience
    }
}

fn is_resource(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.fragment().is_none())
}

#[cfg(test)]
mod rfc8707_2 {
    use super::*;
    use crate::testing::{Desk, form};

    fn target(pairs: &[(&str, &str)]) -> Target {
        Target::parse(&form(pairs)).expect("a well-formed target")
    }

    #[test]
    fn a_resource_is_an_absolute_uri_without_fragment() {
        for uri in ["api", "/api", "https://api.example/#f", "api.example"] {
            let refused = Target::parse(&form(&[("resource", uri)])).expect_err(uri);
            assert!(
                matches!(refused, Failure::Refused(Fault::ResourceMalformed, _)),
                "{uri}"
            );
        }
        target(&[
            ("resource", "https://api.example/v1?tenant=a"),
            ("resource", "urn:api:1"),
        ]);
    }

    #[test]
    fn audience_and_resource_together_name_each_server_once() {
        let both = target(&[
            ("audience", "https://a.example https://b.example"),
            ("resource", "https://b.example"),
            ("resource", "https://c.example"),
        ]);
        let all = ["https://a.example", "https://b.example", "https://c.example"];
        assert_eq!(both.into_audience(), all);
    }

    #[test]
    fn a_token_is_narrowed_within_its_grant_and_never_widened() {
        let desk = Desk::new();
        let client = desk.register(&desk.draft("app"));
        let mut grant = desk.consent(&client, "openid", &Default::default());
        grant.audience = vec!["https://a.example".into(), "https://b.example".into()];
        let narrowed = |target: Target| target.narrow(&grant).expect("it was granted");
        assert_eq!(narrowed(target(&[])), None);
        let one = target(&[("resource", "https://b.example")]);
        assert_eq!(narrowed(one), Some(vec!["https://b.example".to_owned()]));
        let all = target(&[("resource", "https://b.example"), ("resource", "https://a.example")]);
        assert_eq!(narrowed(target(&[("audience", "https://c.example")])), None);
        assert_eq!(narrowed(all), None);
        let more = target(&[("resource", "https://b.example"), ("resource", "https://c.example")]);
        let refused = more.narrow(&grant).expect_err("one was not granted");
        assert!(matches!(refused, Failure::Refused(Fault::ResourceNotGranted, _)));
    }
}
