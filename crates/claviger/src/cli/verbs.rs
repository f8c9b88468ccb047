//! The command tree of Hydra v2: a verb, then what it is done to.

use clap::{Args, Subcommand};

use super::api_keys::{self, Job};
use super::failure::Failure;
use super::perform_code::PerformAuthorizationCode;
use super::perform_device::PerformDeviceCode;
use super::remote::Remote;
use super::terminal::Terminal;
use super::{jwks, oauth2_clients, tokens};

/// A verb with the connection and output flags that everything it is done to shares.
#[derive(Args, Debug)]
pub(crate) struct Verb<O: Subcommand> {
    #[command(flatten)]
    remote: Remote,

    #[command(subcommand)]
    object: O,
}

#[derive(Subcommand, Debug)]
pub(crate) enum CreateObject {
    /// Create an OAuth 2.0 client
    #[command(name = "oauth2-client", visible_aliases = ["client", "clients", "oauth2-clients"])]
    Client(Box<oauth2_clients::Create>),
    /// Create a key in a JSON Web Key set
    #[command(visible_alias = "jwks")]
    Jwk(jwks::Create),
    /// Create a key of the admin port, in the database itself
    #[command(visible_alias = "api-keys")]
    ApiKey(api_keys::Create),
}

#[derive(Subcommand, Debug)]
pub(crate) enum GetObject {
    /// Show OAuth 2.0 clients
    #[command(name = "oauth2-client", visible_aliases = ["client", "clients", "oauth2-clients"])]
    Client(oauth2_clients::Ids),
    /// Show JSON Web Key sets
    #[command(visible_alias = "jwks")]
    Jwk(jwks::Get),
}

#[derive(Subcommand, Debug)]
pub(crate) enum ListObject {
    /// List OAuth 2.0 clients, a page at a time
    #[command(name = "oauth2-clients", visible_aliases = ["clients", "client", "oauth2-client"])]
    Clients(oauth2_clients::List),
    /// List the keys of the admin port, from the database itself
    #[command(visible_alias = "api-key")]
    ApiKeys(api_keys::List),
}

#[derive(Subcommand, Debug)]
pub(crate) enum UpdateObject {
    /// Replace an OAuth 2.0 client
    #[command(name = "oauth2-client", visible_aliases = ["client", "clients", "oauth2-clients"])]
    Client(Box<oauth2_clients::Update>),
}

#[derive(Subcommand, Debug)]
pub(crate) enum RotateObject {
    /// Give an OAuth 2.0 client one more secret, and print it
    #[command(
        name = "oauth2-client-secret",
        visible_aliases = ["client-secret", "client-secrets", "oauth2-client-secrets"]
    )]
    ClientSecret(oauth2_clients::Rotation),
}

#[derive(Subcommand, Debug)]
pub(crate) enum DeleteObject {
    /// Delete OAuth 2.0 clients
    #[command(name = "oauth2-client", visible_aliases = ["client", "clients", "oauth2-clients"])]
    Client(oauth2_clients::Ids),
    /// End the secrets of an OAuth 2.0 client, except the newest
    #[command(
        name = "rotated-oauth2-client-secrets",
        visible_aliases = ["rotated-client-secrets", "rotated-client-secret", "rotated-oauth2-client-secret"]
    )]
    RotatedSecrets(oauth2_clients::Rotation),
    /// Delete JSON Web Key sets
    #[command(visible_alias = "jwks")]
    Jwk(jwks::Delete),
    /// End all access tokens of an OAuth 2.0 client
    #[command(visible_alias = "access-token")]
    AccessTokens(tokens::DeleteAccessTokens),
}

#[derive(Subcommand, Debug)]
pub(crate) enum ImportObject {
    /// Create OAuth 2.0 clients from JSON files
    #[command(name = "oauth2-client", visible_aliases = ["client", "clients", "oauth2-clients"])]
    Client(oauth2_clients::Import),
    /// Add keys from files to a JSON Web Key set
    #[command(visible_alias = "jwks")]
    Jwk(jwks::Import),
}

#[derive(Subcommand, Debug)]
pub(crate) enum PerformObject {
    /// Get an access token for a client itself
    ClientCredentials(tokens::PerformClientCredentials),
    /// Get tokens for a person, in the browser
    AuthorizationCode(Box<PerformAuthorizationCode>),
    /// Get tokens for a person who answers on another device
    DeviceCode(PerformDeviceCode),
}

#[derive(Subcommand, Debug)]
pub(crate) enum IntrospectObject {
    /// Show what a token stands for
    #[command(visible_alias = "tokens")]
    Token(tokens::IntrospectToken),
}

#[derive(Subcommand, Debug)]
pub(crate) enum RevokeObject {
    /// End a token
    #[command(visible_alias = "tokens")]
    Token(tokens::RevokeToken),
    /// End a key of the admin port, in the database itself
    #[command(visible_alias = "api-keys")]
    ApiKey(api_keys::Revoke),
}

impl Verb<CreateObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.object {
            CreateObject::Client(arguments) => arguments.run(&self.remote, terminal).await,
            CreateObject::Jwk(arguments) => arguments.run(&self.remote, terminal).await,
            // Run by `run` itself, without a server.
            CreateObject::ApiKey(_) => Ok(()),
        }
    }

    pub(super) fn api_keys(&self) -> Option<(Job<'_>, &Remote)> {
        match &self.object {
            CreateObject::ApiKey(arguments) => Some((Job::Create(arguments), &self.remote)),
            _ => None,
        }
    }
}

impl Verb<GetObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.object {
            GetObject::Client(arguments) => arguments.get(&self.remote, terminal).await,
            GetObject::Jwk(arguments) => arguments.run(&self.remote, terminal).await,
        }
    }
}

impl Verb<ListObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.object {
            ListObject::Clients(arguments) => arguments.run(&self.remote, terminal).await,
            ListObject::ApiKeys(_) => Ok(()),
        }
    }

    pub(super) fn api_keys(&self) -> Option<(Job<'_>, &Remote)> {
        match &self.object {
            ListObject::ApiKeys(arguments) => Some((Job::List(arguments), &self.remote)),
            ListObject::Clients(_) => None,
        }
    }
}

impl Verb<UpdateObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let UpdateObject::Client(arguments) = &self.object;
        arguments.run(&self.remote, terminal).await
    }
}

impl Verb<RotateObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let RotateObject::ClientSecret(arguments) = &self.object;
        arguments.add(&self.remote, terminal).await
    }
}

impl Verb<DeleteObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.object {
            DeleteObject::Client(arguments) => arguments.delete(&self.remote, terminal).await,
            DeleteObject::RotatedSecrets(arguments) => arguments.end_older(&self.remote, terminal).await,
            DeleteObject::Jwk(arguments) => arguments.run(&self.remote, terminal).await,
            DeleteObject::AccessTokens(arguments) => arguments.run(&self.remote, terminal).await,
        }
    }
}

impl Verb<ImportObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.object {
            ImportObject::Client(arguments) => arguments.run(&self.remote, terminal).await,
            ImportObject::Jwk(arguments) => arguments.run(&self.remote, terminal).await,
        }
    }
}

impl Verb<PerformObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.object {
            PerformObject::ClientCredentials(arguments) => arguments.run(&self.remote, terminal).await,
            PerformObject::AuthorizationCode(arguments) => arguments.run(&self.remote, terminal).await,
            PerformObject::DeviceCode(arguments) => arguments.run(&self.remote, terminal).await,
        }
    }
}

impl Verb<IntrospectObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let IntrospectObject::Token(arguments) = &self.object;
        arguments.run(&self.remote, terminal).await
    }
}

impl Verb<RevokeObject> {
    pub(super) async fn run(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        match &self.object {
            RevokeObject::Token(arguments) => arguments.run(&self.remote, terminal).await,
            RevokeObject::ApiKey(_) => Ok(()),
        }
    }

    pub(super) fn api_keys(&self) -> Option<(Job<'_>, &Remote)> {
        match &self.object {
            RevokeObject::ApiKey(arguments) => Some((Job::Revoke(arguments), &self.remote)),
            RevokeObject::Token(_) => None,
        }
    }
}
