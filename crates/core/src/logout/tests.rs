//! Logout over a world in memory; hints are ID tokens that the world signed.

use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{accept, read, reject};
use super::notice::{LEASE, PATIENCE, Told, Unheard, tell};
use super::*;
use crate::client::Client;
use crate::consented::Consented;
use crate::context::Timestamp;
use crate::flow::Unanswerable;
use crate::port::{GrantRecord, NoticeRecord, SessionRecord, Store as _};
use crate::testing::{Desk, form, now};
use crate::token::id_token::{Beside, IdToken};

const GOODBYE: &str = "https://app.example/goodbye";
const TOLD_AT: &str = "https://app.example/backchannel";

/// Somebody who is logged in to the client `app`.
struct Visit {
    desk: Desk,
    grant: GrantRecord,
    hint: String,
}

impl Visit {
    fn begin(metadata: &[(&str, Value)]) -> Self {
        let desk = Desk::new();
        let client = desk.register(&with(&desk, metadata));
        let grant = desk.consent(&client, "openid", &Consented::default());
        desk.code(&grant, None);
        let visit = Self {
            hint: signed(&desk, &grant),
            grant,
            desk,
        };
        visit.log_in(Timestamp::NEVER);
        visit
    }

    fn sid(&self) -> Id {
        self.grant.session_id.expect("every grant of the desk has one")
    }

    fn log_in(&self, until: Timestamp) {
        let session = SessionRecord {
            id: self.sid(),
            subject: "alice".to_owned(),
            authenticated_at: self.desk.cx().now,
            remember: true,
            sealed: Vec::new(),
            expires_at: until,
        };
        self.desk.store.state().sessions.insert(session.id, session);
    }

    fn is_logged_in(&self) -> bool {
        self.desk.store.state().sessions.contains_key(&self.sid())
    }

    fn browser(&self) -> Browser {
        let cx = self.desk.cx();
        let cookie = crate::seal::seal_text(cx.secrets, cx.entropy, Purpose::SessionCookie, &self.sid().0);
        Browser {
            session: Some(cookie),
            ..Browser::default()
        }
    }

    fn ask(&self, pairs: &[(&str, &str)], browser: &Browser) -> Result<Farewell, Fault> {
        let answer = now(logout(&self.desk.world(), &form(pairs), None, browser));
        answer.map_err(|failure| failure.fault())
    }

    fn ask_with_hint(&self) -> Result<Farewell, Fault> {
        self.ask(&[("id_token_hint", &self.hint)], &Browser::default())
    }

    fn return_with(&self, accepted: &str, browser: &Browser) -> Result<Farewell, Fault> {
        let (_, verifier) = accepted.split_once("logout_verifier=").expect("a verifier");
        let answer = now(logout(&self.desk.world(), &form(&[]), Some(verifier), browser));
        answer.map_err(|failure| failure.fault())
    }

    fn claimed(&self) -> NoticeRecord {
        let at = self.desk.cx().now;
        let claimed = now(self.desk.store.claim_notices(at, at.plus(LEASE), 10));
        claimed.expect("the store answers").remove(0)
    }

    fn tell(&self, notice: &NoticeRecord) -> Told {
        now(tell(&self.desk.world(), notice)).expect("the store answers")
    }
}

fn with(desk: &Desk, metadata: &[(&str, Value)]) -> Client {
    let mut draft = desk.draft("app");
    let usual = [("post_logout_redirect_uris", json!([GOODBYE]))];
    for (name, value) in usual.iter().chain(metadata) {
        draft.display.insert((*name).to_owned(), value.clone());
    }
    draft
}

fn signed(desk: &Desk, grant: &GrantRecord) -> String {
    let token = IdToken {
        grant,
        consented: &Consented::default(),
        alg: None,
        beside: Beside::default(),
        life: Duration::from_secs(60),
    };
    now(token.sign(&desk.world())).expect("a token is signed")
}

fn challenge_of(farewell: &Farewell) -> String {
    let Onward::Url(url) = &farewell.to else {
        panic!("{farewell:?}")
    };
    let (page, challenge) = url.split_once("?logout_challenge=").expect("a challenge");
    assert_eq!(page, "https://op.example/logout");
    challenge.to_owned()
}

fn goes_to(farewell: &Farewell) -> &str {
    match &farewell.to {
        Onward::Url(url) => url,
        frames => panic!("{frames:?}"),
    }
}

mod rp_initiated_logout_2 {
    use super::*;

    #[test]
    fn an_id_token_is_a_hint_for_ever() {
        let visit = Visit::begin(&[]);
        visit.desk.advance(Duration::from_secs(365 * 86_400));
        challenge_of(&visit.ask_with_hint().expect("an old hint will do"));
    }

    #[test]
    fn a_hint_of_the_future_or_without_a_session_is_none() {
        let visit = Visit::begin(&[]);
        let claims = |token: String| visit.ask(&[("id_token_hint", &token)], &Browser::default());
        let nowhere = GrantRecord {
            session_id: None,
            ..visit.grant.clone()
        };
        assert_eq!(claims(signed(&visit.desk, &nowhere)), Err(Fault::HintInvalid));
        visit.desk.advance(Duration::from_secs(7200));
        let early = signed(&visit.desk, &visit.grant);
        visit.desk.rewind(Duration::from_secs(7200));
        assert_eq!(claims(early), Err(Fault::HintInvalid));
    }

    #[test]
    fn asking_writes_nothing_and_neither_does_accepting() {
        let visit = Visit::begin(&[]);
        visit.desk.store.writes();
        let challenge = challenge_of(&visit.ask_with_hint().expect("a challenge"));
        now(read(&visit.desk.world(), &challenge)).expect("the question stands");
        let accepted = now(accept(&visit.desk.world(), &challenge)).expect("accepted");
        assert_eq!(visit.desk.store.writes(), 0);
        let farewell = visit.return_with(&accepted, &Browser::default()).expect("the end");
        assert_eq!(goes_to(&farewell), "https://op.example/goodbye");
        assert!(farewell.forgets_session && !visit.is_logged_in());
    }

    #[test]
    fn a_session_that_has_expired_needs_no_question() {
        let visit = Visit::begin(&[]);
        visit.log_in(visit.desk.cx().now);
        let farewell = visit.ask_with_hint().expect("the end");
        assert_eq!(goes_to(&farewell), "https://op.example/goodbye");
    }

    #[test]
    fn state_goes_with_a_registered_address_only() {
        let visit = Visit::begin(&[]);
        let nobody = Browser::default();
        let bound = [
            ("client_id", "app"),
            ("post_logout_redirect_uri", GOODBYE),
            ("state", "s"),
        ];
        let farewell = visit.ask(&bound, &nobody).expect("nobody is logged in");
        assert_eq!(goes_to(&farewell), format!("{GOODBYE}?state=s"));
        let farewell = visit.ask(&[("state", "s")], &nobody).expect("nobody is logged in");
        assert_eq!(goes_to(&farewell), "https://op.example/goodbye");
        let unbound = visit.ask(&bound[1..], &nobody);
        assert_eq!(unbound, Err(Fault::LogoutUnbound));
        for close in [
            "https://app.example/goodbye/",
            "https://app.example/GOODBYE",
            "//app.example/goodbye",
        ] {
            let pairs = [("client_id", "app"), ("post_logout_redirect_uri", close)];
            assert_eq!(visit.ask(&pairs, &nobody), Err(Fault::LogoutUriUnregistered), "{close}");
        }
        let unknown = visit.ask(&[("client_id", "nobody")], &nobody);
        assert_eq!(unknown, Err(Fault::LogoutClientUnknown));
        let mismatch = visit.ask(&[("client_id", "nobody"), ("id_token_hint", &visit.hint)], &nobody);
        assert_eq!(mismatch, Err(Fault::LogoutClientMismatch));
    }

    #[test]
    fn an_address_that_is_not_registered_any_more_is_not_visited() {
        let visit = Visit::begin(&[]);
        let pairs = [
            ("id_token_hint", visit.hint.as_str()),
            ("post_logout_redirect_uri", GOODBYE),
        ];
        let challenge = challenge_of(&visit.ask(&pairs, &Browser::default()).expect("a challenge"));
        let accepted = now(accept(&visit.desk.world(), &challenge)).expect("accepted");
        let none = [("post_logout_redirect_uris", json!([]))];
        visit.desk.register(&with(&visit.desk, &none));
        let farewell = visit.return_with(&accepted, &Browser::default()).expect("the end");
        assert_eq!(goes_to(&farewell), "https://op.example/goodbye");
    }

    #[test]
    fn a_browser_that_shows_another_session_keeps_it() {
        let visit = Visit::begin(&[("skip_logout_consent", json!(true))]);
        let farewell = visit.ask_with_hint().expect("the end");
        assert!(!farewell.forgets_session && !visit.is_logged_in());
        visit.log_in(Timestamp::NEVER);
        let pairs = [("id_token_hint", visit.hint.as_str())];
        assert!(visit.ask(&pairs, &visit.browser()).expect("the end").forgets_session);
    }

    #[test]
    fn who_took_too_long_is_sent_round_again() {
        let visit = Visit::begin(&[]);
        let challenge = challenge_of(&visit.ask(&[], &visit.browser()).expect("a challenge"));
        let accepted = now(accept(&visit.desk.world(), &challenge)).expect("accepted");
        visit.desk.advance(Duration::from_secs(1801));
        let again = now(accept(&visit.desk.world(), &challenge)).expect("sent round");
        assert_eq!(again, "https://op.example/oauth2/sessions/logout");
        let gone = now(read(&visit.desk.world(), &challenge));
        assert!(matches!(gone, Err(Unanswerable::Gone { redirect_to }) if redirect_to == again));
        assert!(now(reject(&visit.desk.world(), &challenge)).is_ok());
        assert_eq!(
            visit.return_with(&accepted, &visit.browser()),
            Err(Fault::ChallengeExpired)
        );
        assert!(visit.is_logged_in());
    }

    #[test]
    fn d30_to_reject_is_final() {
        let visit = Visit::begin(&[]);
        let challenge = challenge_of(&visit.ask_with_hint().expect("a challenge"));
        let accepted = now(accept(&visit.desk.world(), &challenge)).expect("accepted");
        assert!(now(reject(&visit.desk.world(), &challenge)).is_ok());
        assert!(matches!(
            now(accept(&visit.desk.world(), &challenge)),
            Err(Unanswerable::Unknown)
        ));
        let refused = visit.return_with(&accepted, &Browser::default());
        assert_eq!(refused, Err(Fault::VerifierInvalid));
        assert!(visit.is_logged_in());
    }

    #[test]
    fn a_challenge_is_no_verifier_and_the_other_way_round() {
        let visit = Visit::begin(&[]);
        let challenge = challenge_of(&visit.ask_with_hint().expect("a challenge"));
        let accepted = now(accept(&visit.desk.world(), &challenge)).expect("accepted");
        let (_, verifier) = accepted.split_once("logout_verifier=").expect("a verifier");
        assert!(matches!(
            now(read(&visit.desk.world(), verifier)),
            Err(Unanswerable::Unknown)
        ));
        let swapped = visit.return_with(&format!("logout_verifier={challenge}"), &Browser::default());
        assert_eq!(swapped, Err(Fault::VerifierInvalid));
    }
}

mod back_channel_logout_2 {
    use super::*;

    fn informed() -> (Visit, NoticeRecord) {
        let visit = Visit::begin(&[("backchannel_logout_uri", json!(TOLD_AT))]);
        assert!(now(end_session(&visit.desk.world(), visit.sid())).expect("the store answers"));
        let notice = visit.claimed();
        (visit, notice)
    }

    #[test]
    fn d27_a_client_gets_a_logout_token_and_is_told_once() {
        let (visit, notice) = informed();
        visit.desk.network.publish(TOLD_AT, 200, "");
        assert_eq!(visit.tell(&notice), Told::Delivered);
        let asked = visit.desk.network.asked();
        let body = asked[0].content.as_ref().expect("a form").body.clone();
        let form = String::from_utf8(body.to_vec()).expect("text");
        let token = form.strip_prefix("logout_token=").expect("a token");
        let keys = [visit.desk.keys.verifying()];
        let verified = claviger_jose::verify_jws(token, &keys, &claviger_jose::Alg::ALL).expect("our signature");
        assert_eq!(verified.header.typ.as_deref(), Some("logout+jwt"));
        let claims = verified.claims().expect("claims");
        let cx = visit.desk.cx();
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!("alice"), &json!(["app"])));
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(cx.now.0), &json!(cx.now.0 + 120))
        );
        assert!(now(end_session(&visit.desk.world(), visit.sid())).is_ok());
        visit.desk.advance(LEASE);
        let at = visit.desk.cx().now;
        let due = now(visit.desk.store.claim_notices(at, at.plus(LEASE), 10));
        assert!(due.expect("the store answers").is_empty());
    }

    #[test]
    fn a_client_that_does_not_answer_is_tried_less_and_less_often_and_then_no_more() {
        let (visit, mut notice) = informed();
        visit.desk.network.publish(TOLD_AT, 503, "");
        let began = visit.desk.cx().now;
        let mut pauses = Vec::new();
        while visit.tell(&notice) == Told::Later(Unheard::Status(503)) {
            let due = visit.desk.store.state().notices[&notice.id].due_at;
            let pause = due.seconds_since(visit.desk.cx().now);
            pauses.push(pause);
            visit.desk.advance(Duration::from_secs(pause));
            notice = visit.claimed();
        }
        assert_eq!(pauses, [5, 20, 80, 320, 1280, 1800, 1800, 1800]);
        assert!(visit.desk.cx().now.seconds_since(began) < PATIENCE.as_secs());
        assert_eq!(visit.desk.store.state().notices[&notice.id].due_at, Timestamp::NEVER);
    }

    #[test]
    fn a_client_without_an_address_is_not_told() {
        let (visit, notice) = informed();
        visit.desk.register(&with(&visit.desk, &[]));
        assert_eq!(visit.tell(&notice), Told::Unwanted);
        let silent = Visit::begin(&[]);
        assert!(!now(end_session(&silent.desk.world(), silent.sid())).expect("the store answers"));
    }

    #[test]
    fn a_database_that_is_away_leaves_the_notice_to_a_later_claim() {
        let (visit, notice) = informed();
        visit.desk.network.publish(TOLD_AT, 200, "");
        visit.desk.store.go_down();
        assert!(matches!(
            now(tell(&visit.desk.world(), &notice)),
            Err(Failure::Store(_))
        ));
    }
}

mod front_channel_logout_3 {
    use super::*;

    #[test]
    fn the_frame_carries_issuer_and_session_behind_the_clients_own_query() {
        let visit = Visit::begin(&[("frontchannel_logout_uri", json!("https://app.example/out?x=1"))]);
        visit.desk.store.state().sessions.clear();
        let farewell = visit.ask_with_hint().expect("the end");
        let sid = visit.sid();
        let expected = Onward::Frames {
            frames: vec![format!(
                "https://app.example/out?x=1&iss=https%3A%2F%2Fop.example%2F&sid={sid}"
            )],
            next: "https://op.example/goodbye".to_owned(),
        };
        assert_eq!(farewell.to, expected);
    }
}
