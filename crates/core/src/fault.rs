//! The one table of refusals: every way in which a request can be refused, with its OAuth code and its reason.
//!
//! Nothing else may name an OAuth error code. The edge renders a fault as a JSON body, a redirect, a page or a
//! `WWW-Authenticate` challenge.

use crate::params::ParamsError;
use crate::port::StoreError;

#[cfg(test)]
mod reference;

/// `error` codes of RFC 6749 §4.1.2.1 and §5.2, OpenID Connect Core §3.1.2.6, RFC 6750 §3.1, RFC 7591 §3.2.2, RFC 8628
/// §3.5 and, where
/// clients of Hydra know no other, Hydra's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// `access_denied`
    AccessDenied,
    /// `access_denied` as an answer of the token endpoint (RFC 8628 §3.5)
    AuthorizationDenied,
    /// `authorization_pending`
    AuthorizationPending,
    /// `consent_required`
    ConsentRequired,
    /// `expired_token`
    ExpiredToken,
    /// `insufficient_entropy` (Hydra)
    InsufficientEntropy,
    /// `insufficient_scope`
    InsufficientScope,
    /// `invalid_client`
    InvalidClient,
    /// `invalid_client_metadata`
    InvalidClientMetadata,
    /// `invalid_grant`
    InvalidGrant,
    /// `invalid_redirect_uri`
    InvalidRedirectUri,
    /// `invalid_request`
    InvalidRequest,
    /// `invalid_scope`
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// OpenID Connect Core Error Code unmet_authentication_requirements §2.
    UnmetAuthenticationRequirements,
    /// `invalid_state` (Hydra)
    InvalidState,
    /// `invalid_token`
    InvalidToken,
    /// `login_required`
    LoginRequired,
    /// `missing_required_parameter` (Hydra)
    MissingRequiredParameter,
    /// `registration_not_supported`
    RegistrationNotSupported,
    /// `invalid_request_object`
    InvalidRequestObject,
    /// `invalid_request_uri`
    InvalidRequestUri,
    /// `request_forbidden` (Hydra): the browser is not the one that started
    RequestForbidden,
    /// `request_unauthorized` (Hydra): too late, or no credentials
    RequestUnauthorized,
    /// `server_error`
    ServerError,
    /// `slow_down`
    SlowDown,
    /// `temporarily_unavailable`
    TemporarilyUnavailable,
    /// `temporarily_unavailable` for one who asks too often (RFC 6585 §4)
    TooManyRequests,
    /// `unauthorized_client`
    UnauthorizedClient,
    /// `unsupported_grant_type`
    UnsupportedGrantType,
    /// `unsupported_response_mode` (Hydra)
    UnsupportedResponseMode,
    /// `unsupported_response_type`
    UnsupportedResponseType,
    /// `unsupported_token_type`
    UnsupportedTokenType,
}

impl Code {
    /// The `error` member.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied | Self::AuthorizationDenied => "access_denied",
            Self::AuthorizationPending => "authorization_pending",
            Self::ConsentRequired => "consent_required",
            Self::ExpiredToken => "expired_token",
            Self::InsufficientEntropy => "insufficient_entropy",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidState => "invalid_state",
            Self::InvalidToken => "invalid_token",
            Self::LoginRequired => "login_required",
            Self::MissingRequiredParameter => "missing_required_parameter",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::RequestForbidden => "request_forbidden",
            Self::RequestUnauthorized => "request_unauthorized",
            Self::ServerError => "server_error",
            Self::SlowDown => "slow_down",
            Self::TemporarilyUnavailable | Self::TooManyRequests => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseMode => "unsupported_response_mode",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
        }
    }

    /// The HTTP status where the error is a response of its own.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient | Self::InvalidToken | Self::RequestUnauthorized => 401,
            Self::AccessDenied | Self::RequestForbidden | Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::TooManyRequests => 429,
            _ => 400,
        }
    }
}

macro_rules! faults {
    ($($fault:ident => $code:ident, $rule:literal, $text:literal;)*) => {
        /// One way to refuse a request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault { $(#[doc = $text] $fault,)* }

        impl Fault {
            /// Every fault, for tests and documentation.
            pub const ALL: &[Self] = &[$(Self::$fault,)*];

            /// The OAuth error code.
            #[must_use]
            pub fn code(self) -> Code {
                match self { $(Self::$fault => Code::$code,)* }
            }

            /// The specification and section that asks for the refusal.
            #[must_use]
            pub fn rule(self) -> &'static str {
                match self { $(Self::$fault => $rule,)* }
            }

            /// What happened and what to do, for `error_description`.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$fault => $text,)* }
            }

            /// The name of the fault, for logs and metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$fault => stringify!($fault),)* }
            }
        }
    };
}

faults! {
    // Any endpoint
    MalformedRequest => InvalidRequest, "RFC 6749 \u{a7}3.1", "The request could not be read. Send each parameter once, as percent-encoded UTF-8.";
    EmptyRequest => InvalidRequest, "RFC 6749 \u{a7}3.2", "The request body is empty. Send the parameters as application/x-www-form-urlencoded.";
    AddressTooFast => TooManyRequests, "RFC 6585 \u{a7}4", "Too many requests come from this address. Wait as long as the header Retry-After says.";

    // Client
    ClientUnknown => InvalidClient, "RFC 6749 \u{a7}5.2", "Client authentication failed. Check the client id, the secret and the authentication method.";
    ClientUnnamed => InvalidRequest, "RFC 6749 \u{a7}3.2.1", "The request names no client. Authenticate with HTTP Basic, or send client_id and client_secret in the form.";
    CredentialsTwice => InvalidRequest, "RFC 6749 \u{a7}2.3", "The request carries the credentials of a client in more than one way. Send them once, either in the Authorization header or in the form.";
    BasicMalformed => InvalidRequest, "RFC 6749 \u{a7}2.3.1", "The Authorization header is not Basic with base64 of client id, colon and secret, each form-encoded before.";
    ClientSchemeUnsupported => InvalidClient, "RFC 6749 \u{a7}5.2", "The scheme of the Authorization header does not authenticate clients. Use Basic.";
    ClientAssertion => InvalidClient, "RFC 7523 \u{a7}3", "The client assertion is not accepted. It must be signed by the client's registered method, algorithm and key.";
    ClientAssertionMissing => InvalidRequest, "RFC 7521 \u{a7}4.2", "The parameter client_assertion is missing. Send the assertion together with its type.";
    ClientAssertionType => InvalidRequest, "RFC 7521 \u{a7}4.2", "The client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.";
    ClientAssertionUsed => InvalidClient, "RFC 7523 \u{a7}3", "The client assertion was used already. Make a new one, with a jti of its own, for each request.";
    ClientSecretExpired => InvalidClient, "RFC 7591 \u{a7}3.2.1", "The client's secret has expired. Its operator can set a later client_secret_expires_at or make a new secret.";
    ClientMethodUnregistered => InvalidClient, "RFC 7591 \u{a7}2", "The client used another authentication method than the registered one.";
    ClientMissing => InvalidClient, "RFC 6749 \u{a7}4.1.2.1", "The parameter client_id is missing or names no client.";

    // Client registration
    ClientMetadataInvalid => InvalidClientMetadata, "RFC 7591 \u{a7}3.2.2", "The client's metadata cannot be accepted.";
    RedirectUriInvalid => InvalidRedirectUri, "RFC 7591 \u{a7}3.2.2", "A redirect URI of the client cannot be accepted.";

    InitialTokenMissing => RequestUnauthorized, "RFC 7591 \u{a7}3", "Clients register here with an initial access token. Ask the operator of this server for one, and send it in the header Authorization, after the word Bearer.";
    InitialTokenInvalid => InvalidToken, "RFC 7591 \u{a7}3", "This initial access token is not one of this server. Ask its operator for a new one.";
    RegistrationTokenInvalid => InvalidToken, "RFC 7592 \u{a7}2", "The registration access token does not belong to a client at this address. Send the newest one in the header Authorization, after the word Bearer.";

    // Authorization request
    RequestTooLong => InvalidRequest, "RFC 9700 \u{a7}4.15", "The authorization request is longer than 16 KB. Send shorter parameters.";
    RedirectUriMissing => InvalidRequest, "OpenID Connect Core \u{a7}3.1.2.1", "The parameter redirect_uri is missing. Send one of the redirect URIs registered for the client.";
    RedirectUriUnregistered => InvalidRequest, "RFC 6749 \u{a7}3.1.2.4", "The redirect_uri is not registered for the client. It must equal a registered one to the letter.";
    RedirectUriInsecure => InvalidRequest, "RFC 9700 \u{a7}2.6", "The redirect_uri uses http on a host that is not this machine. Use https.";
    ResponseTypeUnsupported => UnsupportedResponseType, "RFC 6749 \u{a7}4.1.2.1", "The response_type is missing or not supported.";
    ResponseTypeUnregistered => UnauthorizedClient, "RFC 6749 \u{a7}4.1.2.1", "The client is not registered for this response_type or for the grant type that it needs.";
    IdTokenWithoutOpenId => UnsupportedResponseType, "OpenID Connect Core \u{a7}3.2.2.1", "The response_type asks for an ID token, which only the scope openid gives. Ask for it, and grant it.";
    ResponseModeUnsupported => UnsupportedResponseMode, "OAuth 2.0 Multiple Response Types \u{a7}2.1", "The response_mode is not supported for this response_type.";
    ScopeUnregistered => InvalidScope, "RFC 6749 \u{a7}3.3", "A requested scope is malformed or not registered for the client.";
    ClaimsMalformed => InvalidRequest, "OpenID Connect Core \u{a7}5.5", "The parameter claims is not a JSON object with requests for claims under id_token and userinfo.";
    AcrUnmet => UnmetAuthenticationRequirements, "OpenID Connect Core \u{a7}5.5.1.1", "The person did not authenticate in a way that the client accepts. Send acr_values that the login app can offer.";
    ResourceMalformed => InvalidTarget, "RFC 8707 \u{a7}2", "A resource is not an absolute URI without fragment.";
    ResourceUnknown => InvalidTarget, "RFC 8707 \u{a7}2", "A requested resource is not registered as an audience of the client.";
    ResourceNotGranted => InvalidTarget, "RFC 8707 \u{a7}2.2", "A requested resource was not granted. A token can be meant for fewer than were granted, not for others.";
    AudienceUnregistered => InvalidRequest, "RFC 8707 \u{a7}2", "A requested audience is not registered for the client.";
    RegistrationParameter => RegistrationNotSupported, "OpenID Connect Core \u{a7}7.2.1", "The parameter registration is not supported.";
    RequestTwice => InvalidRequest, "RFC 9101 \u{a7}5", "The parameters request and request_uri exclude each other.";
    RequestObjectInvalid => InvalidRequestObject, "RFC 9101 \u{a7}6", "The request object is not accepted.";
    RequestUriUnregistered => InvalidRequestUri, "OpenID Connect Core \u{a7}6.2", "The request_uri is not registered for the client. It must equal one of its request_uris to the letter.";
    RequestUriUnanswered => InvalidRequestUri, "RFC 9101 \u{a7}7", "No request object could be fetched from the request_uri. It must be served with status 200, over https, at a public address.";
    StateTooShort => InvalidState, "RFC 9700 \u{a7}4.7.1", "The state has fewer than eight characters and neither PKCE nor nonce protects the request. Send a longer one, or none with PKCE.";
    NonceMissing => InvalidRequest, "OpenID Connect Core \u{a7}3.2.2.1", "The parameter nonce is missing. A response_type with id_token needs it.";
    NonceTooShort => InsufficientEntropy, "OpenID Connect Core \u{a7}15.5.2", "The nonce has fewer than eight characters. Send a longer random value.";
    PromptUnknown => InvalidRequest, "OpenID Connect Core \u{a7}3.1.2.1", "The parameter prompt has an unknown value, or none together with another one.";
    MaxAgeMalformed => InvalidRequest, "OpenID Connect Core \u{a7}3.1.2.1", "The parameter max_age is not a number of seconds.";
    HintInvalid => InvalidRequest, "OpenID Connect Core \u{a7}3.1.2.1", "The id_token_hint is not an ID token of this server.";
    ChallengeMethod => InvalidRequest, "RFC 7636 \u{a7}4.4.1", "The code_challenge_method must be S256.";
    ChallengeMalformed => InvalidRequest, "RFC 7636 \u{a7}4.2", "The code_challenge is not a base64url-encoded SHA-256 value.";
    ChallengeRequired => InvalidRequest, "RFC 7636 \u{a7}4.4.1", "This client must use PKCE. Send a code_challenge with the method S256.";
    LoginRequired => LoginRequired, "OpenID Connect Core \u{a7}3.1.2.6", "The person must log in, which this request does not allow.";
    ConsentRequired => ConsentRequired, "OpenID Connect Core \u{a7}3.1.2.6", "The person must consent, which this request does not allow.";
    SubjectMismatch => LoginRequired, "OpenID Connect Core \u{a7}3.1.2.2", "Another person than the one named by id_token_hint is logged in.";

    // Token request
    GrantTypeMissing => InvalidRequest, "RFC 6749 \u{a7}4.1.3", "The parameter grant_type is missing. Name the kind of grant, authorization_code for one.";
    GrantTypeUnsupported => UnsupportedGrantType, "RFC 6749 \u{a7}5.2", "The grant_type is not supported. Discovery lists those that are, in grant_types_supported.";
    GrantTypeUnregistered => UnauthorizedClient, "RFC 6749 \u{a7}5.2", "The client is not registered for this grant_type. Add it to the client's grant_types.";
    ClientPublic => UnauthorizedClient, "RFC 6749 \u{a7}4.4", "A public client cannot act for itself. Register one with a secret.";
    CodeMissing => InvalidRequest, "RFC 6749 \u{a7}4.1.3", "The parameter code is missing. Send the code from the authorization response.";
    CodeInvalid => InvalidGrant, "RFC 6749 \u{a7}5.2", "The code is unknown, was revoked, or was issued to another client. Start a new authorization.";
    CodeUsed => InvalidGrant, "RFC 6749 \u{a7}4.1.2", "The code was used already; a wrong code_verifier uses it too. If it gave tokens, they are revoked. Start a new authorization and redeem its code once.";
    CodeExpired => InvalidGrant, "RFC 6749 \u{a7}4.1.2", "The code has expired. Start a new authorization and redeem its code at once.";
    RedirectUriMismatch => InvalidGrant, "RFC 6749 \u{a7}4.1.3", "The redirect_uri is not the one of the authorization request. Send the same one.";
    VerifierMissing => InvalidGrant, "RFC 7636 \u{a7}4.6", "The code is bound to a code_challenge. Send the code_verifier.";
    VerifierUnexpected => InvalidGrant, "RFC 9700 \u{a7}2.1.1", "A code_verifier was sent, but the authorization request had no code_challenge. Send both or none.";
    VerifierWrong => InvalidGrant, "RFC 7636 \u{a7}4.6", "The code_verifier does not belong to the code_challenge, so the code cannot be used any more. Start a new authorization.";
    RefreshTokenMissing => InvalidRequest, "RFC 6749 \u{a7}6", "The parameter refresh_token is missing. Send the newest refresh token.";
    RefreshTokenInvalid => InvalidGrant, "RFC 6749 \u{a7}5.2", "The refresh token is unknown, was revoked, or was issued to another client. Start a new authorization.";
    RefreshTokenUsed => InvalidGrant, "RFC 9700 \u{a7}4.14.2", "The refresh token was used already. Use the newest one; if this one was stolen, start a new authorization.";
    RefreshTokenExpired => InvalidGrant, "RFC 6749 \u{a7}5.2", "The refresh token has expired. Start a new authorization.";
    AssertionMissing => InvalidRequest, "RFC 7521 \u{a7}4.1", "The parameter assertion is missing. Send the JWT of a trusted issuer.";
    AssertionInvalid => InvalidGrant, "RFC 7523 \u{a7}3.1", "The assertion is not accepted.";
    AssertionUntrusted => InvalidGrant, "RFC 7523 \u{a7}3.1", "The assertion is not signed with a key that is trusted for its issuer and subject now.";
    AssertionUsed => InvalidGrant, "RFC 7523 \u{a7}3", "The assertion was used already. Make a new one, with a jti of its own, for each request.";
    ScopeUntrusted => InvalidScope, "RFC 7521 \u{a7}4.1", "A requested scope is beyond what the issuer of the assertion is trusted with.";
    DeviceCodeMissing => InvalidRequest, "RFC 8628 \u{a7}3.4", "The parameter device_code is missing. Send the code from the device authorization response.";
    DeviceCodeInvalid => InvalidGrant, "RFC 6749 \u{a7}5.2", "The device code is unknown, its grant was revoked, or it was issued to another client. Start a new device authorization.";
    DeviceCodeUsed => InvalidGrant, "RFC 6749 \u{a7}5.2", "The device code was used already. Use the tokens that it gave, or start a new device authorization.";
    DeviceCodeExpired => ExpiredToken, "RFC 8628 \u{a7}3.5", "The device code has expired. Start a new device authorization.";
    DeviceDenied => AuthorizationDenied, "RFC 8628 \u{a7}3.5", "The device was not allowed.";
    DevicePending => AuthorizationPending, "RFC 8628 \u{a7}3.5", "Nobody has answered for the device yet. Ask again after the interval.";
    DeviceTooFast => SlowDown, "RFC 8628 \u{a7}3.5", "The device asks too often. From now on, wait five seconds longer between two requests.";
    ScopeTooWide => InvalidScope, "RFC 6749 \u{a7}6", "A requested scope was not granted. A refresh can narrow the scope but not widen it.";

    // Flow
    ChallengeUnknown => InvalidRequest, "-", "The challenge is unknown. Start again from the application.";
    ChallengeAbsent => InvalidRequest, "-", "The query parameter with the challenge is missing.";
    ChallengeExpired => RequestUnauthorized, "-", "The request has expired. Start again from the application.";
    VerifierInvalid => AccessDenied, "-", "The verifier is unknown or was used already. Start again from the application.";
    BrowserMismatch => RequestForbidden, "RFC 9700 \u{a7}4.7", "The browser does not hold the cookie of this request. Allow cookies and start again from the application, in the browser in which you began.";
    UserCodeAbsent => InvalidRequest, "RFC 8628 \u{a7}3.3", "The member user_code is missing. Send the code that the person entered.";
    UserCodeUnknown => InvalidRequest, "RFC 8628 \u{a7}3.3", "The code is wrong, has expired or was used already. Compare it with the one that the device shows, or start again at the device.";
    UserCodeGuessed => AccessDenied, "RFC 8628 \u{a7}5.1", "Too many wrong codes were entered. Start again from the address that the device shows.";
    UserCodesGuessed => TemporarilyUnavailable, "RFC 8628 \u{a7}5.1", "Too many people enter wrong codes right now. Try again in a minute.";
    SubjectAbsent => InvalidRequest, "-", "The member subject is missing. Name the person who logged in.";
    GrantTooWide => InvalidRequest, "RFC 6749 \u{a7}3.3", "Scopes or audiences were granted that are not registered for the client.";
    SubjectTypeDisabled => InvalidRequest, "OpenID Connect Core \u{a7}8", "The client is registered for pairwise subject identifiers, which are not enabled any more.";
    HookDenied => AccessDenied, "-", "The operator's token hook refuses these tokens.";
    HookFailed => ServerError, "-", "The operator's token hook did not decide. Nothing was used up: try again, and tell the operator if it goes on.";
    AnswerMalformed => InvalidRequest, "-", "The body is not the JSON object that is documented.";

    // Logout request
    LogoutUnbound => InvalidRequest, "RP-Initiated Logout \u{a7}3", "A post_logout_redirect_uri belongs to a client. Send the id_token_hint or the client_id with it.";
    LogoutClientUnknown => InvalidRequest, "RP-Initiated Logout \u{a7}2", "The client_id, or the audience of the id_token_hint, names no client.";
    LogoutClientMismatch => InvalidRequest, "RP-Initiated Logout \u{a7}2", "The id_token_hint was issued to another client than the one that client_id names.";
    LogoutUriUnregistered => InvalidRequest, "RP-Initiated Logout \u{a7}3", "The post_logout_redirect_uri is not registered for the client. It must equal a registered one to the letter.";
    // Trusted issuers
    TrustIncomplete => MissingRequiredParameter, "-", "A required member of the trust is missing.";
    TrustInvalid => InvalidRequest, "-", "The trust cannot be made.";

    // Tokens that are presented
    TokenMissing => InvalidRequest, "RFC 7009 \u{a7}2.1", "The parameter token is missing. Send the token in the body.";
    ClientIdAbsent => InvalidRequest, "-", "The query parameter client_id is missing. Name the client whose access tokens shall end.";
    SubjectMissing => InvalidRequest, "-", "The query parameter subject is missing. Name the person whose consents are asked for.";
    ConsentsUnnamed => InvalidRequest, "-", "It is not said which consents shall end. Send subject with client, or subject with all=true, or consent_request_id alone.";
    SessionsUnnamed => InvalidRequest, "-", "It is not said which sessions shall end. Send sid, or subject for all sessions of a person.";
    BearerMissing => RequestUnauthorized, "RFC 6750 \u{a7}3.1", "There is no access token. Send it in the header Authorization, after the word Bearer.";
    BearerTwice => InvalidRequest, "RFC 6750 \u{a7}2", "There is an access token in the header and in the body. Send it once.";
    BearerInvalid => InvalidToken, "RFC 6750 \u{a7}3.1", "The access token is unknown, expired or revoked. Get a new one.";
    OpenIdNotGranted => InsufficientScope, "OpenID Connect Core \u{a7}5.3.1", "The access token was not granted the scope openid by a person. Ask for that scope in the authorization request.";

    // Ours
    Unavailable => TemporarilyUnavailable, "RFC 6749 \u{a7}4.1.2.1", "The server cannot reach its database right now. Try again in a few seconds.";
    Internal => ServerError, "RFC 6749 \u{a7}4.1.2.1", "The server met an unexpected error. Tell its operator the request id.";
}

/// Why a request was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is refused, with the detail of this instance if it may be told.
    #[error("{}: {}", .0.name(), .1.as_deref().unwrap_or("-"))]
    Refused(Fault, Option<String>),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something of ours is broken; the text is for the log only.
    #[error("{0}")]
    Internal(String),
}

/// A detail may repeat what was sent: so many characters of it are enough to recognize it.
const LONGEST_DETAIL: usize = 300;

impl Failure {
    /// The fault to tell: the refusal itself, or the one that stands for a failure of ours (D5: never the client's).
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused(fault, _) => *fault,
            Self::Store(StoreError::Unavailable(_) | StoreError::NotMigrated) => Fault::Unavailable,
            Self::Store(StoreError::Broken(_)) | Self::Internal(_) => Fault::Internal,
        }
    }

    /// The `error_description`: what happened, and the detail of this instance, in the characters that RFC 6749 §5.2
    /// allows. Quotation marks become apostrophes.
    #[must_use]
    pub fn description(&self) -> String {
        let text = self.fault().description();
        let whole = match self {
            Self::Refused(_, Some(detail)) => {
                let detail: String = detail.chars().take(LONGEST_DETAIL).collect();
                format!("{text} {detail}")
            }
            _ => text.to_owned(),
        };
        whole
            .chars()
            .map(|c| match c {
                '"' => '\'',
                '\\' => '/',
                ' '..='~' => c,
                _ => '?',
            })
            .collect()
    }
}

impl Fault {
    /// The refusal with a detail of this instance.
    #[must_use]
    pub fn because(self, detail: impl Into<String>) -> Failure {
        Failure::Refused(self, Some(detail.into()))
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault, None)
    }
}

impl From<ParamsError> for Failure {
    fn from(error: ParamsError) -> Self {
        Fault::MalformedRequest.because(error.to_string())
    }
}
