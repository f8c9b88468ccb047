//! A device, a person with a browser, and the apps in between: RFC 8628 from the first request to the tokens.

mod person;
mod polling;
mod request;

use std::time::Duration;

use serde_json::Value;

use super::begin;
use crate::authorize::{Browser, CookieChange, Destination, Reply, Stage, verify_device};
use crate::client::{AuthMethod, Client};
use crate::client_auth::Credentials;
use crate::context::Id;
use crate::fault::Fault;
use crate::flow::consent::{self, ConsentAcceptance};
use crate::flow::device::accept;
use crate::flow::login::{self, LoginAcceptance, Rejection};
use crate::flow::{Unanswerable, with_parameter};
use crate::grant::{self, DEVICE_CODE};
use crate::params::Params;
use crate::testing::{Desk, form, now};

const VERIFY: &str = "https://op.example/oauth2/device/verify";

/// A client on a device, and the browser of a person.
struct Scene {
    desk: Desk,
    session: Option<String>,
    marks: Vec<(Stage, Id, String)>,
}

/// What the device shows, and what it keeps.
struct Codes {
    device: String,
    user: String,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// With a changed client.
    fn with(change: impl FnOnce(&mut Client)) -> Self {
        let desk = Desk::new();
        let mut draft = desk.draft("tv");
        draft.grant_types.push(DEVICE_CODE.to_owned());
        change(&mut draft);
        desk.register(&draft);
        Self {
            desk,
            session: None,
            marks: Vec::new(),
        }
    }

    fn ask(&self, changed: &[(&str, &str)]) -> Result<Value, Fault> {
        let mut pairs = vec![
            ("client_id", "tv"),
            ("client_secret", "secret"),
            ("scope", "openid offline"),
        ];
        pairs.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        pairs.extend_from_slice(changed);
        let credentials = Credentials {
            authorization: None,
            params: &form(&pairs),
        };
        match now(begin(&self.desk.world(), &credentials)) {
            Ok(response) => Ok(serde_json::to_value(response).expect("the response is JSON")),
            Err(failure) => Err(failure.fault()),
        }
    }

    fn codes(&self) -> Codes {
        let response = self.ask(&[]).expect("the device is let in");
        let text = |name: &str| response[name].as_str().expect("a text").to_owned();
        Codes {
            device: text("device_code"),
            user: text("user_code"),
        }
    }

    fn poll(&self, code: &str) -> Result<Value, Fault> {
        self.poll_as("tv", code)
    }

    fn poll_as(&self, client: &str, code: &str) -> Result<Value, Fault> {
        let params = form(&[
            ("grant_type", DEVICE_CODE),
            ("client_id", client),
            ("client_secret", "secret"),
            ("device_code", code),
        ]);
        let credentials = Credentials {
            authorization: None,
            params: &params,
        };
        match now(grant::run(&self.desk.world(), &credentials)) {
            Ok(response) => Ok(serde_json::to_value(response).expect("the response is JSON")),
            Err(failure) => Err(failure.fault()),
        }
    }

    fn visit(&mut self, url: &str) -> Result<String, Fault> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let params = Params::parse(query.as_bytes()).expect("our own URLs are well formed");
        let marks = |wanted: Stage| {
            let ours = self.marks.iter().filter(|(stage, ..)| *stage == wanted);
            ours.map(|(.., value)| value.clone()).collect()
        };
        let browser = Browser {
            session: self.session.clone(),
            login_marks: marks(Stage::Login),
            consent_marks: marks(Stage::Consent),
            device_marks: marks(Stage::Device),
        };
        let reply = now(verify_device(&self.desk.world(), &params, &browser));
        self.arrive(reply)
    }

    /// Where the browser is sent.
    fn arrive(&mut self, reply: Reply) -> Result<String, Fault> {
        for change in reply.cookies {
            match change {
                CookieChange::Mark(stage, flow, value) => self.marks.push((stage, flow, value)),
                CookieChange::Unmark(stage, flow) => self.marks.retain(|(s, f, _)| (*s, *f) != (stage, flow)),
                CookieChange::Session { value, .. } => self.session = Some(value),
                CookieChange::EndSession => self.session = None,
            }
        }
        match reply.to {
            Destination::Url(url) => Ok(url),
            Destination::ErrorPage(failure) => Err(failure.fault()),
            Destination::Client(delivery) => panic!("no client sent the browser, but it goes to {delivery:?}"),
        }
    }

    /// The challenge of a visit of the page for user codes.
    fn page(&mut self) -> String {
        let url = self.visit(VERIFY).expect("everybody may come");
        parameter(&url, "device_challenge")
    }

    fn enter(&self, challenge: &str, code: &str) -> Result<String, Unanswerable> {
        now(accept(&self.desk.world(), challenge, code))
    }

    /// The person enters the code and comes to the login app.
    fn reach_login(&mut self, code: &str) -> String {
        let challenge = self.page();
        let onward = self.enter(&challenge, code).expect("the code is right");
        let url = self.visit(&onward).expect("the browser is the same");
        parameter(&url, "login_challenge")
    }

    fn log_in(&mut self, challenge: &str, body: LoginAcceptance) -> Result<String, Fault> {
        let body = LoginAcceptance {
            subject: Some("alice".to_owned()),
            ..body
        };
        let onward = now(login::accept(&self.desk.world(), challenge, body)).expect("the login is accepted");
        self.visit(&onward)
    }

    fn reach_consent(&mut self, code: &str) -> String {
        let challenge = self.reach_login(code);
        let url = self.log_in(&challenge, LoginAcceptance::default());
        parameter(&url.expect("the login counts"), "consent_challenge")
    }

    fn allow(&mut self, challenge: &str, body: ConsentAcceptance) -> Result<String, Fault> {
        let body = ConsentAcceptance {
            grant_scope: Some(vec!["openid".to_owned(), "offline".to_owned()]),
            ..body
        };
        let onward = now(consent::accept(&self.desk.world(), challenge, body)).expect("the consent is accepted");
        self.visit(&onward)
    }

    fn approve(&mut self, code: &str) {
        let challenge = self.reach_consent(code);
        let url = self.allow(&challenge, ConsentAcceptance::default());
        assert_eq!(url.as_deref(), Ok("https://op.example/device/done?client_id=tv"));
    }
}

fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let params = Params::parse(query.as_bytes()).expect("our own URLs are well formed");
    params
        .get(name)
        .unwrap_or_else(|| panic!("{url} has no {name}"))
        .to_owned()
}

fn refused(answer: Result<String, Unanswerable>) -> Fault {
    match answer {
        Err(Unanswerable::Failure(failure)) => failure.fault(),
        other => panic!("not refused but {other:?}"),
    }
}

fn denied() -> Rejection {
    Rejection {
        error: Some("access_denied".to_owned()),
        ..Rejection::default()
    }
}
