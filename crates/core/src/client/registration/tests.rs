use serde_json::json;

use super::*;
use crate::client::AuthMethod;
use crate::client::strangers::InitialToken;
use crate::testing::{Desk, now};

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.policy.dynamic_registration = true;
    desk.policy.strangers.grant_types = ["authorization_code", "refresh_token", crate::grant::DEVICE_CODE]
        .map(str::to_owned)
        .to_vec();
    desk.policy.default_client_scope = ["openid", "offline"].map(str::to_owned).to_vec();
    desk
}

fn metadata(members: Value) -> Metadata {
    serde_json::from_value(members).expect("the members have the right types")
}

fn registered(desk: &Desk, members: Value) -> Registered {
    now(register(&desk.world(), metadata(members))).unwrap_or_else(|error| panic!("{error}"))
}

fn fault<T>(answer: Result<T, RegistryError>) -> Fault {
    match answer {
        Err(RegistryError::Failure(failure)) => failure.fault(),
        Err(other) => panic!("not refused but {other}"),
        Ok(_) => panic!("not refused"),
    }
}

fn read_token(desk: &Desk, client: &Registered) -> Result<Registered, RegistryError> {
    now(read(
        &desk.world(),
        &client.client.client_id,
        &client.registration_access_token,
    ))
}

mod rfc7591_3 {
    use super::*;

    #[test]
    fn a_stranger_gets_an_id_a_secret_and_the_offered_scopes() {
        let desk = desk();
        let client = registered(
            &desk,
            json!({ "client_id": "mine", "redirect_uris": ["https://rp.example/cb"], "software_statement": "x" }),
        );
        assert_ne!(client.client.client_id, "mine");
        assert!(!client.client.client_secret.is_empty());
        assert_eq!(client.client.scope, "openid offline");
        let address = format!("https://op.example/oauth2/register/{}", client.client.client_id);
        assert_eq!(client.registration_client_uri, address);
    }

    #[test]
    fn d10_a_stranger_cannot_have_what_only_the_operator_gives() {
        let desk = desk();
        for members in [
            json!({ "scope": "openid admin" }),
            json!({ "scope": "*" }),
            json!({ "grant_types": ["client_credentials"] }),
            json!({ "grant_types": ["authorization_code", "implicit"] }),
            json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"] }),
            json!({ "client_secret": "chosen-by-me" }),
            json!({ "audience": ["https://api.example"] }),
            json!({ "owner": "root" }),
            json!({ "allowed_cors_origins": ["https://evil.example"] }),
            json!({ "metadata": { "role": "admin" } }),
            json!({ "access_token_strategy": "opaque" }),
            json!({ "skip_consent": true }),
            json!({ "skip_logout_consent": true }),
            json!({ "resource_server": true }),
            json!({ "refresh_token_grant_refresh_token_lifespan": "9000h" }),
        ] {
            let refused = fault(now(register(&desk.world(), metadata(members.clone()))));
            assert_eq!(refused, Fault::ClientMetadataInvalid, "{members}");
        }
        assert!(desk.store.state().clients.is_empty());
    }

    #[test]
    fn a_stranger_decides_what_the_operator_left_to_strangers_and_no_more() {
        let mut desk = desk();
        desk.policy.strangers.members = ["audience", "lifespans", "access_token_strategy"]
            .map(str::to_owned)
            .to_vec();
        desk.policy.strangers.grant_types.push("client_credentials".to_owned());
        let client = registered(
            &desk,
            json!({
                "redirect_uris": ["https://rp.example/cb"], "grant_types": ["client_credentials", "authorization_code"],
                "audience": ["https://api.example"], "access_token_strategy": "jwt",
                "client_credentials_grant_access_token_lifespan": "5m",
            }),
        );
        assert_eq!(client.client.audience, ["https://api.example"]);
        assert_eq!(client.client.access_token_strategy, "jwt");
        assert_eq!(client.client.grant_types, ["client_credentials", "authorization_code"]);
        let shown = serde_json::to_value(&client).expect("a client is JSON");
        assert_eq!(shown["client_credentials_grant_access_token_lifespan"], "5m0s");
        for members in [
            json!({ "owner": "root" }),
            json!({ "skip_consent": true }),
            json!({ "resource_server": true }),
        ] {
            let refused = fault(now(register(&desk.world(), metadata(members.clone()))));
            assert_eq!(refused, Fault::ClientMetadataInvalid, "{members}");
        }
    }

    /// OpenID Connect Dynamic Client Registration §2.
    #[test]
    fn application_type_says_where_the_redirect_uris_of_a_stranger_are() {
        let desk = desk();
        let (web, app) = ("https://rp.example/cb", "com.example.app:/cb");
        let (loopback, six, local) = ("http://127.0.0.1/cb", "http://[::1]:9/cb", "http://localhost:9/cb");
        for (kind, uris, expected) in [
            ("", vec![web], Some("web")),
            ("", vec![], Some("web")),
            ("", vec![app, loopback, six, local], Some("native")),
            ("web", vec![web], Some("web")),
            ("native", vec![app, loopback, six, local], Some("native")),
            ("", vec![web, app], Some("native")),
            ("", vec![web, loopback], Some("native")),
            ("", vec!["http://rp.example/cb"], None),
            ("web", vec![app], None),
            ("web", vec![web, loopback], Some("web")),
            ("web", vec!["https://localhost/cb"], Some("web")),
            ("web", vec!["http://rp.example/cb"], None),
            ("native", vec![web, "cursor://mcp/cb"], Some("native")),
            ("native", vec!["http://rp.example/cb"], None),
            ("native", vec!["http://[::ffff:10.0.0.1]/cb"], None),
        ] {
            let members = json!({ "application_type": kind, "redirect_uris": uris });
            let answer = now(register(&desk.world(), metadata(members.clone())));
            match expected {
                Some(expected) => {
                    let client = answer.unwrap_or_else(|error| panic!("{members}: {error}"));
                    assert_eq!(client.client.application_type, expected, "{members}");
                }
                None => assert_eq!(fault(answer), Fault::RedirectUriInvalid, "{members}"),
            }
        }
        let bogus = metadata(json!({ "application_type": "bogus" }));
        assert_eq!(fault(now(register(&desk.world(), bogus))), Fault::ClientMetadataInvalid);
    }

    /// RFC 8252 §7: what an editor registers that people start from its web page as well.
    #[test]
    fn a_native_app_has_https_and_loopback_addresses_together() {
        let desk = desk();
        for kind in ["native", ""] {
            let client = registered(
                &desk,
                json!({
                    "client_name": "Visual Studio Code", "client_uri": "https://code.visualstudio.com",
                    "application_type": kind, "token_endpoint_auth_method": "none",
                    "grant_types": ["authorization_code", "refresh_token", crate::grant::DEVICE_CODE],
                    "response_types": ["code"],
                    "redirect_uris": [
                        "https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect",
                        "http://127.0.0.1/", "http://127.0.0.1:33418/",
                    ],
                }),
            );
            assert_eq!(client.client.application_type, "native");
        }
    }

    /// OpenID Connect Dynamic Client Registration §2.
    #[test]
    fn tokens_in_addresses_of_the_web_go_to_https_elsewhere_only() {
        let mut desk = desk();
        desk.policy.strangers.grant_types.push("implicit".to_owned());
        let with = |desk: &Desk, uri: &str, grants: Value, types: Value| {
            let members = json!({
                "application_type": "web", "redirect_uris": [uri], "grant_types": grants, "response_types": types,
            });
            now(register(&desk.world(), metadata(members)))
        };
        let implicit = [
            (json!(["authorization_code", "implicit"]), json!(["code"])),
            (json!(["authorization_code"]), json!(["code id_token"])),
            (json!(["authorization_code"]), json!(["token"])),
        ];
        for (grants, types) in implicit {
            assert!(with(&desk, "https://rp.example/cb", grants.clone(), types.clone()).is_ok());
            for local in [
                "http://127.0.0.1/cb",
                "https://localhost/cb",
                "https://localhost./cb",
                "https://app.localhost/cb",
                "https://[::ffff:127.0.0.1]/cb",
                "https://[::]/cb",
                "https://0.0.0.0/cb",
            ] {
                let refused = fault(with(&desk, local, grants.clone(), types.clone()));
                assert_eq!(refused, Fault::RedirectUriInvalid, "{local}");
            }
        }
    }

    #[test]
    fn a_stranger_may_have_the_addresses_in_clear_that_the_operator_allowed() {
        let mut desk = desk();
        let with = |desk: &Desk, kind: &str, uri: &str| {
            let members = json!({ "application_type": kind, "redirect_uris": [uri] });
            now(register(&desk.world(), metadata(members)))
        };
        desk.policy.insecure_redirect_uris = vec!["http://rp.internal/cb".to_owned()];
        for kind in ["", "web", "native"] {
            assert!(with(&desk, kind, "http://rp.internal/cb").is_ok(), "{kind}");
            let other = with(&desk, kind, "http://rp.internal/other");
            assert_eq!(fault(other), Fault::RedirectUriInvalid, "{kind}");
        }
        desk.policy.dev = true;
        assert!(with(&desk, "web", "http://rp.internal/other").is_ok());
        assert_eq!(fault(with(&desk, "web", "com.example:/cb")), Fault::RedirectUriInvalid);
    }

    /// Front-Channel Logout §2.
    #[test]
    fn the_logout_frame_of_a_stranger_is_where_a_redirect_uri_is() {
        let desk = desk();
        let with = |frame: &str| {
            let members = json!({ "redirect_uris": ["https://rp.example/cb"], "frontchannel_logout_uri": frame });
            now(register(&desk.world(), metadata(members)))
        };
        assert!(with("https://rp.example:443/logout?x").is_ok());
        for elsewhere in [
            "https://evil.example/",
            "http://rp.example/",
            "https://rp.example:8443/",
        ] {
            assert_eq!(fault(with(elsewhere)), Fault::ClientMetadataInvalid, "{elsewhere}");
        }
    }

    #[test]
    fn where_the_operator_gives_out_initial_tokens_nobody_registers_without_one() {
        let mut desk = desk();
        assert_eq!(admit(&desk.policy, None), Ok(()));
        assert_eq!(admit(&desk.policy, Some("anything")), Ok(()));
        desk.policy.strangers.initial_tokens = vec![InitialToken::of("first"), InitialToken::of("second")];
        assert_eq!(admit(&desk.policy, None), Err(Fault::InitialTokenMissing));
        for wrong in ["", "third", "first ", "firs"] {
            assert_eq!(
                admit(&desk.policy, Some(wrong)),
                Err(Fault::InitialTokenInvalid),
                "{wrong}"
            );
        }
        for right in ["first", "second"] {
            assert_eq!(admit(&desk.policy, Some(right)), Ok(()));
        }
        assert!(!format!("{:?}", desk.policy.strangers).contains("first"));
    }

    #[test]
    fn d10_a_public_client_that_registered_itself_must_use_pkce() {
        let mut desk = desk();
        desk.policy.pkce_enforced_for_public_clients = false;
        let stranger = registered(&desk, json!({ "token_endpoint_auth_method": "none" }));
        let id = &stranger.client.client_id;
        let client = now(desk.world().client(id, Freshness::Latest)).expect("the store answers");
        assert!(client.expect("it is there").must_use_pkce(&desk.policy));
        let mut operators = desk.draft("app");
        operators.auth_method = AuthMethod::None;
        assert!(!operators.must_use_pkce(&desk.policy));
    }

    #[test]
    fn the_database_holds_no_token() {
        let desk = desk();
        let client = registered(&desk, json!({}));
        let state = desk.store.state();
        let document = &state.clients[&client.client.client_id].document;
        let (_, secret) = client.registration_access_token.split_once('.').expect("one dot");
        assert!(!document.contains(secret), "{document}");
    }
}

mod rfc7592_2 {
    use super::*;

    #[test]
    fn d12_reading_shows_the_address_and_the_token_and_no_secret() {
        let desk = desk();
        let client = registered(&desk, json!({ "client_name": "Shop" }));
        let shown = read_token(&desk, &client).expect("the token is right");
        assert_eq!(shown.registration_client_uri, client.registration_client_uri);
        assert_eq!(shown.registration_access_token, client.registration_access_token);
        assert_eq!(shown.client.client_name, "Shop");
        assert!(shown.client.client_secret.is_empty());
    }

    #[test]
    fn a_change_gives_a_new_token_and_ends_the_old_one() {
        let desk = desk();
        let client = registered(&desk, json!({ "client_name": "Shop" }));
        let (id, old) = (&client.client.client_id, &client.registration_access_token);
        let wanted = metadata(json!({ "client_name": "Store" }));
        let changed = now(replace(&desk.world(), id, old, wanted.clone())).expect("the token is right");
        assert_eq!(changed.client.client_name, "Store");
        assert!(changed.client.client_secret.is_empty());
        assert_eq!(fault(read_token(&desk, &client)), Fault::RegistrationTokenInvalid);
        assert!(read_token(&desk, &changed).is_ok());
        let again = now(replace(&desk.world(), id, old, wanted));
        assert_eq!(fault(again), Fault::RegistrationTokenInvalid);
    }

    #[test]
    fn the_answer_to_a_get_can_be_sent_back_even_if_the_operator_changed_the_client() {
        let desk = desk();
        let client = registered(&desk, json!({ "redirect_uris": ["https://rp.example/cb"] }));
        let id = &client.client.client_id;
        let operators = metadata(json!({
            "redirect_uris": ["https://rp.example/cb"], "audience": ["https://api.example"], "scope": "openid admin",
            "grant_types": ["client_credentials"], "skip_consent": true, "metadata": { "note": "trusted" },
            "refresh_token_grant_refresh_token_lifespan": "9h",
        }));
        now(registry::replace(&desk.world(), id, operators)).expect("the operator may");
        // D11: the token is still the one that it was.
        let shown = read_token(&desk, &client).expect("the token is right");
        let body = serde_json::to_value(&shown).expect("the answer is JSON");
        assert_eq!(body["metadata"], json!({}));
        let sent = now(replace(
            &desk.world(),
            id,
            &client.registration_access_token,
            metadata(body),
        ));
        let kept = sent.unwrap_or_else(|error| panic!("{error}")).client;
        assert_eq!((kept.scope.as_str(), kept.skip_consent), ("openid admin", true));
        assert_eq!(kept.audience, ["https://api.example"]);
        let stored = now(registry::read(&desk.world(), id)).expect("it is there");
        assert_eq!(stored.metadata, json!({ "note": "trusted" }));
        assert_eq!(stored.refresh_token_grant_refresh_token_lifespan, Some(9 * 3600));
    }

    #[test]
    fn d11_an_update_by_the_operator_keeps_the_token() {
        let desk = desk();
        let client = registered(&desk, json!({}));
        let id = &client.client.client_id;
        now(registry::replace(&desk.world(), id, Metadata::default())).expect("the operator may");
        assert!(read_token(&desk, &client).is_ok());
    }

    #[test]
    fn another_clients_token_and_an_unknown_id_are_refused_alike() {
        let desk = desk();
        let (one, two) = (registered(&desk, json!({})), registered(&desk, json!({})));
        desk.register(&desk.draft("operators"));
        let token = &one.registration_access_token;
        for id in [two.client.client_id.as_str(), "operators", "unknown", "a\0b"] {
            let world = desk.world();
            assert_eq!(
                fault(now(read(&world, id, token))),
                Fault::RegistrationTokenInvalid,
                "{id}"
            );
            assert_eq!(
                fault(now(delete(&world, id, token))),
                Fault::RegistrationTokenInvalid,
                "{id}"
            );
            let change = now(replace(&world, id, token, Metadata::default()));
            assert_eq!(fault(change), Fault::RegistrationTokenInvalid, "{id}");
        }
        assert_eq!(desk.store.state().clients.len(), 3);
    }

    #[test]
    fn a_client_cannot_take_another_id() {
        let desk = desk();
        let client = registered(&desk, json!({}));
        let other = metadata(json!({ "client_id": "other" }));
        let (id, token) = (&client.client.client_id, &client.registration_access_token);
        assert_eq!(
            fault(now(replace(&desk.world(), id, token, other))),
            Fault::ClientMetadataInvalid
        );
    }

    #[test]
    fn a_removed_client_is_gone() {
        let desk = desk();
        let client = registered(&desk, json!({}));
        let (id, token) = (&client.client.client_id, &client.registration_access_token);
        now(delete(&desk.world(), id, token)).expect("the token is right");
        assert_eq!(fault(read_token(&desk, &client)), Fault::RegistrationTokenInvalid);
        assert!(desk.store.state().clients.is_empty());
    }
}
