use serde_json::json;

use super::*;
use crate::client::metadata::Metadata;
use crate::client::registry;
use crate::testing::{Desk, now};

const SECTOR: &str = "https://sector.example/uris.json";

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.policy.pairwise_salt = Some(PairwiseSalt::new("a long salt".to_owned()));
    desk
}

fn metadata(members: &serde_json::Value) -> Metadata {
    serde_json::from_value(members.clone()).expect("metadata")
}

fn refused(desk: &Desk, members: &serde_json::Value) -> String {
    let refused = now(registry::create(&desk.world(), metadata(members))).expect_err("it is refused");
    refused.to_string()
}

mod openid_connect_core_8_1 {
    use super::*;

    #[test]
    fn identifiers_are_those_that_hydra_made() {
        let salt = PairwiseSalt::new("h2-pairwise-salt-0001".to_owned());
        assert_eq!(
            salt.identifier("app.example.org", "dave"),
            "b1cdaa7770e7bc196d6a8bc96e5a9e4f20a492c7e0e9d934ef4f80a17b02ad88"
        );
        assert_eq!(format!("{salt:?}"), "PairwiseSalt");
    }

    #[test]
    fn a_sector_is_its_uri_or_the_one_host_of_the_redirect_uris() {
        let uris = |uris: &[&str]| uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>();
        let one = uris(&["https://a.example:8443/cb", "https://a.example:8443/other"]);
        assert_eq!(sector(SECTOR, &one).as_deref(), Some(SECTOR));
        assert_eq!(sector("", &one).as_deref(), Some("a.example:8443"));
        assert_eq!(sector("", &uris(&["com.example.app:/cb"])).as_deref(), Some(""));
        let two = uris(&["https://a.example/cb", "https://b.example/cb"]);
        assert_eq!(sector("", &two), None);
        assert_eq!(sector("", &[]), None);
    }
}

mod dynamic_registration_5 {
    use super::*;

    #[test]
    fn the_sector_lists_every_redirect_uri() {
        let desk = desk();
        let asked = json!({
            "client_id": "app", "subject_type": "pairwise", "sector_identifier_uri": SECTOR,
            "redirect_uris": ["https://a.example/cb", "https://b.example/cb"],
        });
        assert!(refused(&desk, &asked).contains("sector_identifier_uri"));
        for (status, body) in [
            (404, r#"["https://a.example/cb", "https://b.example/cb"]"#),
            (200, r#"["https://a.example/cb"]"#),
            (200, r#"{"https://a.example/cb": "https://b.example/cb"}"#),
            (200, "secret of somebody else"),
        ] {
            desk.network.publish(SECTOR, status, body);
            let why = refused(&desk, &asked);
            assert!(
                why.contains("sector_identifier_uri") && !why.contains("secret"),
                "{why}"
            );
        }
        desk.network.publish(
            SECTOR,
            200,
            r#"["https://a.example/cb", "https://b.example/cb", "https://c.example/"]"#,
        );
        let shown = now(registry::create(&desk.world(), metadata(&asked))).expect("the client is registered");
        assert_eq!(
            (shown.subject_type.as_str(), shown.sector_identifier_uri.as_str()),
            ("pairwise", SECTOR)
        );
    }

    #[test]
    fn a_client_does_not_leave_its_sector_by_a_change() {
        let desk = desk();
        desk.network.publish(SECTOR, 200, r#"["https://a.example/cb"]"#);
        let asked = json!({
            "client_id": "app", "subject_type": "pairwise", "sector_identifier_uri": SECTOR,
            "redirect_uris": ["https://a.example/cb"],
        });
        now(registry::create(&desk.world(), metadata(&asked))).expect("the client is registered");
        desk.network.asked();
        let mut changed = asked.clone();
        changed["client_name"] = json!("App");
        now(registry::replace(&desk.world(), "app", metadata(&changed))).expect("a name may change");
        assert_eq!(desk.network.asked().len(), 0, "what was proved is not asked again");
        changed["redirect_uris"] = json!(["https://evil.example/cb"]);
        now(registry::replace(&desk.world(), "app", metadata(&changed))).expect_err("the sector does not list it");
    }

    #[test]
    fn pairwise_needs_a_sector_and_the_operators_leave() {
        let two = json!({"subject_type": "pairwise", "redirect_uris": ["https://a.example/", "https://b.example/"]});
        assert!(refused(&desk(), &two).contains("sector_identifier_uri"));
        let one = json!({"subject_type": "pairwise", "redirect_uris": ["https://a.example/"]});
        assert!(refused(&Desk::new(), &one).contains("supported_types"));
        now(registry::create(&desk().world(), metadata(&one))).expect("one host is a sector");
        let plain = json!({"sector_identifier_uri": "http://a.example/", "redirect_uris": ["https://a.example/"]});
        assert!(refused(&desk(), &plain).contains("https"));
    }

    #[test]
    fn where_nothing_else_is_enabled_pairwise_is_the_default() {
        let mut desk = desk();
        desk.policy.public_subjects = false;
        let asked = json!({"redirect_uris": ["https://a.example/"]});
        let shown = now(registry::create(&desk.world(), metadata(&asked))).expect("the client is registered");
        assert_eq!(shown.subject_type, "pairwise");
        let public = json!({"redirect_uris": ["https://a.example/"], "subject_type": "public"});
        assert!(refused(&desk, &public).contains("supported_types"));
    }
}

#[test]
fn openid_connect_core_8_1_a_sector_without_a_salt_gives_no_identifier() {
    let desk = Desk::new();
    let mut client = desk.draft("app");
    client.choices.sector = Some("a.example".to_owned());
    let refused = pairwise(&desk.policy, &client, "alice", None).expect_err("there is no salt");
    assert_eq!(refused.fault(), Fault::SubjectTypeDisabled);
}
