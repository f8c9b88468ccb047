//! The sample page for user codes of development mode: it answers device challenges as an app would over the admin API.

use axum::extract::State;
use axum::response::Response;
use claviger_core::fault::{Code, Failure, Fault};
use claviger_core::flow::Unanswerable;
use claviger_core::flow::device::accept;
use http::StatusCode;

use super::dev::{Stop, answered};
use crate::edge::call::Call;
use crate::edge::problem::Problem;
use crate::edge::reply;
use crate::pages;
use crate::pages::dev::Device;
use crate::pages::qr::Picture;
use crate::provider::{Provider, Shared};

const DEVICE: &str = "/oauth2/fallbacks/device";
/// `verification_uri` of the device authorization response.
const VERIFY: &str = "/oauth2/device/verify";

/// `GET /oauth2/fallbacks/device` in development mode
pub async fn show(State(provider): State<Shared>, call: Call) -> Response {
    let shown = || -> Result<Response, Stop> {
        let query = call.query()?;
        let Some(challenge) = query.get("device_challenge") else {
            let text = "Devices show an address at which their code is entered. Start there.";
            let title = "Nothing to connect";
            return Ok(pages::notice(StatusCode::BAD_REQUEST, title, text, call.id()));
        };
        Ok(page(
            &provider,
            challenge,
            query.get("user_code").unwrap_or_default(),
            "",
        ))
    };
    answered(&provider, &call, shown())
}

/// `POST /oauth2/fallbacks/device` in development mode
pub async fn enter(State(provider): State<Shared>, mut call: Call) -> Response {
    let form = call.form().await;
    let result = async {
        let form = form.map_err(Problem::from)?;
        let challenge = form.get("device_challenge").ok_or(Fault::ChallengeAbsent)?;
        let code = form.get("user_code").unwrap_or_default();
        match accept(&provider.world(), challenge, code).await {
            Ok(onward) => Ok(reply::see_other(&onward)),
            // A typing error is shown where it can be mended.
            Err(Unanswerable::Failure(failure)) if is_mistyped(&failure) => {
                Ok(page(&provider, challenge, code, &failure.description()))
            }
            Err(why) => Err(Stop::from(why)),
        }
    };
    let answer = result.await;
    answered(&provider, &call, answer)
}

fn is_mistyped(failure: &Failure) -> bool {
    failure.fault().code() == Code::InvalidRequest
}

fn page(provider: &Provider, challenge: &str, code: &str, alert: &str) -> Response {
    let mut address = format!("{}{VERIFY}", provider.policy.public_url);
    if !code.is_empty() {
        address.push_str("?user_code=");
        address.extend(form_urlencoded::byte_serialize(code.as_bytes()));
    }
    pages::dev::device(&Device {
        picture: Picture::of(&address),
        address: &address,
        action: DEVICE,
        challenge,
        code,
        alert,
    })
}
