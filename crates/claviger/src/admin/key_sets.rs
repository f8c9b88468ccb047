//! The handlers of `/admin/keys`, which read the path and hand on to [`super::keys`].

use axum::extract::State;
use axum::response::Response;

use super::keys;
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::edge::segments::Segments;
use crate::keys::sets::KeySets;
use crate::provider::{Provider, Shared};

/// `GET /admin/keys/{set}`
pub async fn read(State(provider): State<Shared>, Segments(set): Segments<String>, _: Call) -> Response {
    answer(keys::read_set(&sets(&provider), &set).await)
}

/// `POST /admin/keys/{set}`
pub async fn create(State(provider): State<Shared>, Segments(set): Segments<String>, mut call: Call) -> Response {
    answer(keys::create(&sets(&provider), &set, &mut call).await)
}

/// `PUT /admin/keys/{set}`
pub async fn replace(State(provider): State<Shared>, Segments(set): Segments<String>, mut call: Call) -> Response {
    answer(keys::replace_set(&sets(&provider), &set, &mut call).await)
}

/// `DELETE /admin/keys/{set}`
pub async fn delete(State(provider): State<Shared>, Segments(set): Segments<String>, _: Call) -> Response {
    answer(keys::delete_set(&sets(&provider), &set).await)
}

/// `GET /admin/keys/{set}/{kid}`
pub async fn read_key(State(provider): State<Shared>, Segments(key): Segments<(String, String)>, _: Call) -> Response {
    answer(keys::read_key(&sets(&provider), &key.0, &key.1).await)
}

/// `PUT /admin/keys/{set}/{kid}`
pub async fn put_key(
    State(provider): State<Shared>,
    Segments(key): Segments<(String, String)>,
    mut call: Call,
) -> Response {
    answer(keys::put_key(&sets(&provider), &key.0, &key.1, &mut call).await)
}

/// `DELETE /admin/keys/{set}/{kid}`
pub async fn delete_key(
    State(provider): State<Shared>,
    Segments(key): Segments<(String, String)>,
    _: Call,
) -> Response {
    answer(keys::delete_key(&sets(&provider), &key.0, &key.1).await)
}

fn sets(provider: &Provider) -> KeySets<'_> {
    KeySets {
        store: &*provider.store,
        ring: &provider.ring,
        cx: provider.cx(),
    }
}

fn answer(result: Result<Response, Problem>) -> Response {
    result.unwrap_or_else(|problem| reply::admin_error(&problem))
}
