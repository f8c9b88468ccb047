//! The flags of `create oauth2-client` and `update oauth2-client`, and the client that they describe.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::output::prune;
use crate::cli::pgp::Pgp;
use crate::cli::secret::Secret;
use crate::cli::terminal::Terminal;

/// What a client can be created or replaced with. Lists may be separated by commas or given by repeating the flag.
#[derive(Args, Debug)]
pub(super) struct Fields {
    /// JSON file with the client, instead of the flags below; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<String>,

    #[command(flatten)]
    pgp: Pgp,

    /// Anything of yours, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    metadata: String,

    /// Who the client belongs to
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,

    /// People responsible for the client
    #[arg(long, value_name = "CONTACT", value_delimiter = ',')]
    contact: Vec<String>,

    /// URLs that request objects may be fetched from
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    request_uri: Vec<String>,

    /// Algorithm that request objects are signed with
    #[arg(long, value_name = "ALG", default_value = "RS256")]
    request_object_signing_alg: String,

    /// Where clients that share pairwise subjects are listed
    #[arg(long, value_name = "URL")]
    sector_identifier_uri: Option<String>,

    /// Redirect URIs
    #[arg(long, value_name = "URI", value_delimiter = ',')]
    redirect_uri: Vec<String>,

    /// Grant types the client may use
    #[arg(
        long,
        value_name = "TYPE",
        value_delimiter = ',',
        default_value = "authorization_code"
    )]
    grant_type: Vec<String>,

    /// Response types the client may use
    #[arg(long, value_name = "TYPE", value_delimiter = ',', default_value = "code")]
    response_type: Vec<String>,

    /// Scopes the client may ask for
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,

    /// Audiences the client may ask for
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,

    /// How the client proves itself: client_secret_basic, client_secret_post, private_key_jwt or none
    #[arg(long, value_name = "METHOD", default_value = "client_secret_basic")]
    token_endpoint_auth_method: String,

    /// Where the client's public keys are
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,

    /// The client's privacy policy
    #[arg(long, value_name = "URL")]
    policy_uri: Option<String>,

    /// The client's terms of service
    #[arg(long, value_name = "URL")]
    tos_uri: Option<String>,

    /// The client's home page
    #[arg(long, value_name = "URL")]
    client_uri: Option<String>,

    /// The client's logo
    #[arg(long, value_name = "URL")]
    logo_uri: Option<String>,

    /// Origins that browsers may call from
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    allowed_cors_origin: Vec<String>,

    /// Subjects the client sees: public or pairwise
    #[arg(long, value_name = "TYPE", default_value = "public")]
    subject_type: String,

    /// The client's secret; without it the server makes one
    #[arg(long, value_name = "SECRET")]
    secret: Option<Secret>,

    /// The client's name, as people read it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Where a person may be sent after logout
    #[arg(long, value_name = "URI", value_delimiter = ',')]
    post_logout_callback: Vec<String>,

    /// Never ask for consent
    #[arg(long)]
    skip_consent: bool,

    /// Never ask before logout
    #[arg(long)]
    skip_logout_consent: bool,

    /// An API that may introspect every access token on the public port
    #[arg(long)]
    resource_server: bool,

    /// Form of access tokens: opaque or jwt
    #[arg(long, value_name = "STRATEGY")]
    access_token_strategy: Option<String>,

    /// Back-channel logout tokens must carry a session id
    #[arg(long)]
    backchannel_logout_session_required: bool,

    /// Where back-channel logout tokens are sent
    #[arg(long, value_name = "URI")]
    backchannel_logout_callback: Option<String>,

    /// Front-channel logout must carry issuer and session id
    #[arg(long)]
    frontchannel_logout_session_required: bool,

    /// The page that front-channel logout loads
    #[arg(long, value_name = "URI")]
    frontchannel_logout_callback: Option<String>,
}

impl Fields {
    /// The client as the API takes it, from the file or from the flags.
    pub(super) fn client(&self, id: Option<&str>, terminal: &mut Terminal) -> Result<Value, Failure> {
        self.pgp.refuse()?;
        let Some(path) = &self.file else {
            return self.described(id);
        };
        let expected = "the JSON object of one client";
        let mut client = match path.as_str() {
            "-" => files::parse("standard input", &terminal.read_input()?, expected, Value::is_object)?,
            path => files::json(path, expected, Value::is_object)?,
        };
        if let Value::Object(members) = &mut client {
            let named = members.remove("client_id").filter(|named| named != "");
            if let (Some(named), Some(id)) = (&named, id)
                && named != id
            {
                terminal.explain(&format!(
                    "The client_id {named} of the file is not used, but {id:?}, as you said"
                ));
            }
            let id = id.map(Value::from).or(named);
            members.extend(id.map(|id| ("client_id".to_owned(), id)));
        }
        Ok(client)
    }

    fn described(&self, id: Option<&str>) -> Result<Value, Failure> {
        let metadata: Value = serde_json::from_str(&self.metadata).map_err(|error| {
            Failure::input(format!(
                "--metadata is not JSON: {error}. Example: --metadata '{{\"a\":1}}'"
            ))
        })?;
        let client = json!({
            "access_token_strategy": self.access_token_strategy,
            "allowed_cors_origins": self.allowed_cors_origin,
            "audience": self.audience,
            "backchannel_logout_session_required": self.backchannel_logout_session_required,
            "backchannel_logout_uri": self.backchannel_logout_callback,
            "client_id": id,
            "client_name": self.name,
            "client_secret": self.secret.as_ref().map(Secret::expose),
            "client_uri": self.client_uri,
            "contacts": self.contact,
            "frontchannel_logout_session_required": self.frontchannel_logout_session_required,
            "frontchannel_logout_uri": self.frontchannel_logout_callback,
            "grant_types": self.grant_type,
            "jwks_uri": self.jwks_uri,
            "logo_uri": self.logo_uri,
            "metadata": metadata,
            "owner": self.owner,
            "policy_uri": self.policy_uri,
            "post_logout_redirect_uris": self.post_logout_callback,
            "redirect_uris": self.redirect_uri,
            "request_object_signing_alg": self.request_object_signing_alg,
            "request_uris": self.request_uri,
            "resource_server": self.resource_server,
            "response_types": self.response_type,
            "scope": Some(self.scope.join(" ")).filter(|scope| !scope.is_empty()),
            "sector_identifier_uri": self.sector_identifier_uri,
            "skip_consent": self.skip_consent,
            "skip_logout_consent": self.skip_logout_consent,
            "subject_type": self.subject_type,
            "token_endpoint_auth_method": self.token_endpoint_auth_method,
            "tos_uri": self.tos_uri,
        });
        Ok(prune(client, true))
    }
}
