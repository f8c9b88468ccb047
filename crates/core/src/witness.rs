//! What came to pass, for the operator's eyes: told when it is committed, and never before.
//!
//! Nothing secret is told: names of clients and people, no token, code or challenge.

use crate::token::access::Format;

/// Somebody who is told what came to pass.
pub trait Witness: Send + Sync {
    /// Must not wait.
    fn see(&self, seen: Seen<'_>);
}

/// A client and the person whom it serves; for a client that acts for itself both are its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties<'a> {
    /// The client's id.
    pub client: &'a str,
    /// Who logged in or granted.
    pub subject: &'a str,
}

/// One thing that came to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// The login app has said who it is.
    LoginAccepted(Parties<'a>),
    /// The login app has said no to this client's request.
    LoginRejected {
        /// The client's id.
        client: &'a str,
    },
    /// The consent app has granted something.
    ConsentAccepted(Parties<'a>),
    /// The consent app has granted nothing.
    ConsentRejected(Parties<'a>),
    /// A person has entered the code of a device.
    UserCodeAccepted {
        /// The device's client.
        client: &'a str,
    },
    /// A client was made.
    ClientCreated {
        /// Its id.
        client: &'a str,
        /// What people call it.
        name: &'a str,
    },
    /// A client was changed.
    ClientUpdated {
        /// Its id.
        client: &'a str,
        /// What people call it.
        name: &'a str,
    },
    /// A client is gone.
    ClientDeleted {
        /// Its id.
        client: &'a str,
    },
    /// Tokens were issued.
    Issued {
        /// To whom.
        to: Parties<'a>,
        /// By which grant; `implicit` at the authorization endpoint.
        grant_type: &'static str,
        /// The form of the access token, if there is one.
        access: Option<Format>,
        /// Whether there is a refresh token.
        refresh: bool,
        /// Whether there is an ID token.
        id_token: bool,
    },
    /// A token that lives was introspected.
    Inspected(Parties<'a>),
    /// A client has revoked a token of its own.
    Revoked {
        /// The client's id.
        client: &'a str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::registry;
    use crate::consented::Consented;
    use crate::introspect::{Caller, introspect};
    use crate::revoke::{Revocation, revoke};
    use crate::testing::{Desk, now};

    #[test]
    fn what_was_committed_is_told_once_and_what_came_to_nothing_is_not() {
        let desk = Desk::new();
        let (client, other) = (desk.register(&desk.draft("app")), desk.register(&desk.draft("other")));
        desk.witness.take();
        let grant = desk.consent(&client, "openid", &Consented::default());
        let access = desk.issued(&client, &grant, None).access;
        desk.witness.take();
        let told = |text: &str| now(introspect(&desk.world(), text, Caller::Admin { scope: None })).expect("an answer");
        told(&access.text);
        told("nonsense");
        let inspected = Seen::Inspected(Parties {
            client: "app",
            subject: &grant.subject,
        });
        assert_eq!(desk.witness.take(), [format!("{inspected:?}")]);

        let revoked = |client| now(revoke(&desk.world(), &desk.authenticated(client), &access.text));
        assert!(matches!(revoked(&other), Ok(Revocation::OfAnother { .. })));
        assert_eq!(desk.witness.take(), Vec::<String>::new());
        assert!(matches!(revoked(&client), Ok(Revocation::Revoked)));
        assert!(matches!(revoked(&client), Ok(Revocation::Unknown)));
        assert_eq!(desk.witness.take(), [format!("{:?}", Seen::Revoked { client: "app" })]);

        assert!(now(registry::delete(&desk.world(), "app")).is_ok());
        assert!(now(registry::delete(&desk.world(), "app")).is_err());
        assert_eq!(
            desk.witness.take(),
            [format!("{:?}", Seen::ClientDeleted { client: "app" })]
        );
    }
}
