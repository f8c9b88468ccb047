//! How long tokens live: by the client's own lifespans, else by the operator's.

use std::time::Duration;

use super::is_offline;
use crate::client::Client;
use crate::context::{Policy, Timestamp};

/// The lives of the tokens that one grant type issues together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Access tokens.
    pub access: Duration,
    /// ID tokens.
    pub id: Duration,
    /// Refresh tokens; none means that they never expire.
    pub refresh: Option<Duration>,
}

impl Lives {
    /// Tokens for a code.
    #[must_use]
    pub fn authorization_code(policy: &Policy, client: &Client) -> Self {
        let own = client.lifespans;
        Self {
            access: seconds(own.authorization_code_grant_access_token_lifespan).unwrap_or(policy.access_token_life),
            id: seconds(own.authorization_code_grant_id_token_lifespan).unwrap_or(policy.id_token_life),
            refresh: seconds(own.authorization_code_grant_refresh_token_lifespan).or(policy.refresh_token_life),
        }
    }

    /// Tokens for a refresh token.
    #[must_use]
    pub fn refresh_token(policy: &Policy, client: &Client) -> Self {
        let own = client.lifespans;
        Self {
            access: seconds(own.refresh_token_grant_access_token_lifespan).unwrap_or(policy.access_token_life),
            id: seconds(own.refresh_token_grant_id_token_lifespan).unwrap_or(policy.id_token_life),
            refresh: seconds(own.refresh_token_grant_refresh_token_lifespan).or(policy.refresh_token_life),
        }
    }

    /// Tokens for a device.
    #[must_use]
    pub fn device_code(policy: &Policy, client: &Client) -> Self {
        let own = client.lifespans;
        Self {
            access: seconds(own.device_authorization_grant_access_token_lifespan).unwrap_or(policy.access_token_life),
            id: seconds(own.device_authorization_grant_id_token_lifespan).unwrap_or(policy.id_token_life),
            refresh: seconds(own.device_authorization_grant_refresh_token_lifespan).or(policy.refresh_token_life),
        }
    }

    /// Tokens that the authorization endpoint itself gives: access and ID tokens.
    #[must_use]
    pub fn implicit(policy: &Policy, client: &Client) -> (Duration, Duration) {
        let own = client.lifespans;
        (
            seconds(own.implicit_grant_access_token_lifespan).unwrap_or(policy.access_token_life),
            seconds(own.implicit_grant_id_token_lifespan).unwrap_or(policy.id_token_life),
        )
    }

    /// Access tokens of clients themselves.
    #[must_use]
    pub fn client_credentials(policy: &Policy, client: &Client) -> Duration {
        seconds(client.lifespans.client_credentials_grant_access_token_lifespan).unwrap_or(policy.access_token_life)
    }

    /// Access tokens for assertions.
    #[must_use]
    pub fn jwt_bearer(policy: &Policy, client: &Client) -> Duration {
        seconds(client.lifespans.jwt_bearer_grant_access_token_lifespan).unwrap_or(policy.access_token_life)
    }

    /// When a refresh token that is issued now expires.
    #[must_use]
    pub fn refresh_until(&self, now: Timestamp) -> Timestamp {
        self.refresh.map_or(Timestamp::NEVER, |life| now.plus(life))
    }

    /// How long a grant of this scope is kept whose tokens are issued now: as long as its access token, and if it gives
    /// a refresh token, twice the life of that, so that a used one that comes back is still recognized.
    #[must_use]
    pub fn keep_grant(&self, scope: &[String], now: Timestamp) -> Timestamp {
        let access = now.plus(self.access);
        if !is_offline(scope) {
            return access;
        }
        let refresh = self.refresh.map(|life| now.plus(life.saturating_mul(2)));
        refresh.map_or(Timestamp::NEVER, |refresh| refresh.max(access))
    }
}

fn seconds(own: Option<u64>) -> Option<Duration> {
    own.map(Duration::from_secs)
}
