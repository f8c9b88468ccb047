//! The end of an entry of `secrets.system`: a session or flow that rests under it is gone, and people begin again.

use super::*;
use crate::flow::Unanswerable;
use crate::flow::handle::{ConsentHandle, Verifier};
use crate::port::{Freshness, Store as _};
use crate::seal::Purpose;
use crate::secrets::Secrets;

const OLD: &str = "0123456789abcdef";
const NEW: &str = "fedcba9876543210";

impl Walk {
    fn configure(&mut self, secrets: &[&str]) {
        self.desk.secrets = Secrets::derive(secrets).expect("the secrets are long enough");
    }
}

#[test]
fn a_session_that_no_secret_opens_is_no_session() {
    let mut walk = Walk::new();
    assert!(walk.finish(&[], true).has_code());
    walk.configure(&[NEW, OLD]);
    let login = walk.start(&[]).login();
    let extend = LoginAcceptance {
        extend_session_lifespan: Some(true),
        ..LoginAcceptance::default()
    };
    walk.log_in(&login, extend).consent();
    let begun = walk.start(&[]).login();
    assert!(
        now(login::read(&walk.desk.world(), &begun))
            .expect("it can be read")
            .skip
    );
    walk.configure(&[NEW]);
    // The cookie is new, but what it names rests under the old secret.
    let login = walk.start(&[]).login();
    assert!(
        !now(login::read(&walk.desk.world(), &login))
            .expect("it can be read")
            .skip
    );
    walk.log_in(&begun, LoginAcceptance::default()).login();
    walk.log_in(&login, LoginAcceptance::default()).consent();
}

#[test]
fn a_flow_that_no_secret_opens_is_unknown() {
    let mut walk = Walk::new();
    let [login, asked] = [walk.start(&[]).login(), walk.start(&[]).login()];
    walk.log_in(&asked, LoginAcceptance::default()).consent();
    let body = LoginAcceptance {
        subject: Some("alice".to_owned()),
        ..LoginAcceptance::default()
    };
    now(login::accept(&walk.desk.world(), &login, body)).expect("the login is accepted");
    let ids: Vec<Id> = walk.desk.store.state().flows.keys().copied().collect();
    walk.configure(&[NEW]);
    let cx = walk.desk.cx();
    for id in ids {
        let flow = now(walk.desk.store.flow(id, Freshness::Latest)).unwrap().unwrap();
        let challenge = ConsentHandle {
            flow: id,
            asked: flow.version,
            skip: false,
        };
        let answered = now(consent::accept(
            &walk.desk.world(),
            &challenge.seal(&cx),
            ConsentAcceptance::default(),
        ));
        assert!(matches!(answered, Err(Unanswerable::Unknown)), "{answered:?}");
        let verifiers = [
            ("login_verifier", Purpose::LoginVerifier),
            ("consent_verifier", Purpose::ConsentVerifier),
        ];
        for (name, purpose) in verifiers {
            let verifier = Verifier {
                flow: id,
                answer: [0; 16],
            }
            .seal(&cx, purpose);
            let reply = now(authorize(
                &walk.desk.world(),
                form(&[(name, &verifier)]),
                &Browser::default(),
            ));
            assert!(matches!(reply.to, Destination::ErrorPage(failure) if failure.fault() == Fault::VerifierInvalid));
        }
    }
}
