//! Whole flows, hop by hop, with a browser that keeps cookies and apps that answer.

mod answers;
mod flows;
mod matrix;
mod proofs;
mod refusals;
mod requests;
mod response_types;
mod sessions;
mod system_secrets;

use super::{Browser, CookieChange, Delivery, Destination, Reply, Stage, authorize};
use crate::client::Client;
use crate::context::Id;
use crate::fault::{Code, Fault};
use crate::flow::consent::{self, ConsentAcceptance};
use crate::flow::login::{self, LoginAcceptance};
use crate::params::Params;
use crate::testing::{Desk, form, now};

const CALLBACK: &str = "https://app.example/callback";
/// That of an app on a device.
const APP_CALLBACK: &str = "com.example.app:/cb";

/// A client, a person with a browser, and the two apps.
struct Walk {
    desk: Desk,
    session: Option<String>,
    marks: Vec<(Stage, Id, String)>,
}

/// Where the browser was sent.
#[derive(Debug, PartialEq)]
enum Place {
    Login(String),
    Consent(String),
    Client(Params),
    /// The same in a fragment.
    Fragment(Params),
    Again(Params),
    ErrorPage(Code),
}

impl Place {
    fn login(self) -> String {
        match self {
            Self::Login(challenge) => challenge,
            other => panic!("not at the login app but at {other:?}"),
        }
    }

    fn consent(self) -> String {
        match self {
            Self::Consent(challenge) => challenge,
            other => panic!("not at the consent app but at {other:?}"),
        }
    }

    /// A member of the answer that the client got.
    fn told(&self, name: &str) -> Option<&str> {
        match self {
            Self::Client(answer) | Self::Fragment(answer) => answer.get(name),
            other => panic!("not at the client but at {other:?}"),
        }
    }

    fn error(&self) -> &str {
        self.told("error").expect("the client got an error")
    }

    fn has_code(&self) -> bool {
        self.told("code").is_some()
    }
}

impl Walk {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Client)) -> Self {
        let desk = Desk::new();
        let mut draft = desk.draft("app");
        change(&mut draft);
        desk.register(&draft);
        Self {
            desk,
            session: None,
            marks: Vec::new(),
        }
    }

    /// The authorization request with these parameters changed; an empty value leaves one out.
    fn request(&self, changed: &[(&str, &str)]) -> Params {
        let mut pairs = vec![
            ("client_id", "app"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid offline"),
            ("state", "state-1234567"),
            ("nonce", "nonce-1234567"),
        ];
        pairs.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
        pairs.extend_from_slice(changed);
        form(&pairs)
    }

    fn start(&mut self, changed: &[(&str, &str)]) -> Place {
        let request = self.request(changed);
        self.visit(&request)
    }

    fn visit(&mut self, params: &Params) -> Place {
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
        let reply = now(authorize(&self.desk.world(), params.clone(), &browser));
        self.arrive(reply)
    }

    fn follow(&mut self, url: &str) -> Place {
        self.visit(&query_of(url))
    }

    fn arrive(&mut self, reply: Reply) -> Place {
        for change in reply.cookies {
            match change {
                CookieChange::Mark(stage, flow, value) => self.marks.push((stage, flow, value)),
                CookieChange::Unmark(stage, flow) => {
                    self.marks.retain(|(s, f, _)| (*s, *f) != (stage, flow));
                }
                CookieChange::Session { value, .. } => self.session = Some(value),
                CookieChange::EndSession => self.session = None,
            }
        }
        match reply.to {
            Destination::ErrorPage(failure) => Place::ErrorPage(failure.fault().code()),
            Destination::Client(Delivery::Redirect(url)) => {
                assert!(url.starts_with(CALLBACK) || url.starts_with(APP_CALLBACK), "{url}");
                match url.split_once('#') {
                    Some((_, fragment)) => Place::Fragment(Params::parse(fragment.as_bytes()).expect("well formed")),
                    None => Place::Client(query_of(&url)),
                }
            }
            Destination::Client(Delivery::Form { action, fields }) => {
                assert_eq!(action, CALLBACK);
                Place::Client(Params::from_pairs(fields))
            }
            Destination::Url(url) => place(&url),
        }
    }

    /// The person logs in as alice; returns where the browser is sent after it came back.
    fn log_in(&mut self, challenge: &str, body: LoginAcceptance) -> Place {
        let body = LoginAcceptance {
            subject: body.subject.or(Some("alice".to_owned())),
            ..body
        };
        let onward = now(login::accept(&self.desk.world(), challenge, body)).expect("the login is accepted");
        self.follow(&onward)
    }

    /// The person grants everything; returns where the browser is sent after it came back.
    fn allow(&mut self, challenge: &str, body: ConsentAcceptance) -> Place {
        let body = ConsentAcceptance {
            grant_scope: body
                .grant_scope
                .or(Some(vec!["openid".to_owned(), "offline".to_owned()])),
            ..body
        };
        let onward = now(consent::accept(&self.desk.world(), challenge, body)).expect("the consent is accepted");
        self.follow(&onward)
    }

    /// A whole flow whose login, and whose consent, are remembered or not.
    fn finish(&mut self, changed: &[(&str, &str)], remember: bool) -> Place {
        let challenge = self.start(changed).login();
        let login = LoginAcceptance {
            remember: Some(remember),
            ..LoginAcceptance::default()
        };
        let challenge = self.log_in(&challenge, login).consent();
        let consent = ConsentAcceptance {
            remember: Some(remember),
            ..ConsentAcceptance::default()
        };
        self.allow(&challenge, consent)
    }
}

fn place(url: &str) -> Place {
    let params = query_of(url);
    let challenge = |name: &str| params.get(name).unwrap_or_default().to_owned();
    match url.split('?').next() {
        Some("https://op.example/login") => Place::Login(challenge("login_challenge")),
        Some("https://op.example/consent") => Place::Consent(challenge("consent_challenge")),
        Some("https://op.example/oauth2/auth") => Place::Again(params),
        _ => panic!("sent to {url}"),
    }
}

fn query_of(url: &str) -> Params {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    Params::parse(query.as_bytes()).expect("our own URLs are well formed")
}
