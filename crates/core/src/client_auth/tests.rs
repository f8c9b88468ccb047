//! Client authentication as requests meet it.

mod assertions;

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::port::{Change, Store as _};
use crate::testing::{Desk, form, now};
use crate::world::Slow;

fn try_with(
    desk: &Desk,
    authorization: Option<&str>,
    pairs: &[(&str, &str)],
    freshness: Freshness,
) -> Result<Arc<Client>, Failure> {
    let params = form(pairs);
    let credentials = Credentials {
        authorization,
        params: &params,
    };
    now(authenticate(&desk.world(), &credentials, freshness)).map(|authenticated| authenticated.client)
}

fn basic(desk: &Desk, header: &str) -> Result<Arc<Client>, Failure> {
    try_with(desk, Some(header), &[], Freshness::Latest)
}

fn post(desk: &Desk, id: &str, secret: &str) -> Result<Arc<Client>, Failure> {
    let pairs = [("client_id", id), ("client_secret", secret)];
    try_with(desk, None, &pairs, Freshness::ProvedByWrite)
}

fn header(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn fault(outcome: Result<Arc<Client>, Failure>) -> Fault {
    outcome.expect_err("the client is refused").fault()
}

fn registered(method: AuthMethod) -> (Desk, Client) {
    let desk = Desk::new();
    let client = Client {
        auth_method: method,
        ..desk.draft("app")
    };
    desk.register(&client);
    (desk, client)
}

mod rfc6749_2_3 {
    use super::*;

    #[test]
    fn every_method_that_clients_can_register_has_its_line_in_the_table() {
        for method in AuthMethod::ALL {
            assert!(METHODS.iter().any(|(known, _)| *known == method), "{method:?}");
        }
    }

    #[test]
    fn a_client_authenticates_by_its_registered_method() {
        let (desk, _) = registered(AuthMethod::ClientSecretBasic);
        assert_eq!(&*basic(&desk, &header("app", "secret")).expect("basic").id, "app");
        let (desk, _) = registered(AuthMethod::ClientSecretPost);
        assert_eq!(&*post(&desk, "app", "secret").expect("post").id, "app");
        let (desk, _) = registered(AuthMethod::None);
        let client = try_with(&desk, None, &[("client_id", "app")], Freshness::Latest);
        assert_eq!(&*client.expect("none").id, "app");
    }

    #[test]
    fn two_methods_in_one_request_are_refused() {
        let (desk, _) = registered(AuthMethod::ClientSecretBasic);
        let header = header("app", "secret");
        for pairs in [
            &[("client_id", "app"), ("client_secret", "secret")][..],
            &[("client_secret", "secret")],
            &[("client_id", "other")],
        ] {
            let outcome = try_with(&desk, Some(&header), pairs, Freshness::Latest);
            assert_eq!(fault(outcome), Fault::CredentialsTwice, "{pairs:?}");
        }
        let named_twice = try_with(&desk, Some(&header), &[("client_id", "app")], Freshness::Latest);
        assert!(named_twice.is_ok(), "naming the same client again is no second method");
    }

    #[test]
    fn another_method_than_the_registered_one_is_named_to_who_knows_the_secret_only() {
        let (desk, _) = registered(AuthMethod::ClientSecretPost);
        let right = basic(&desk, &header("app", "secret")).expect_err("the method is another");
        assert_eq!(right.fault(), Fault::ClientMethodUnregistered);
        assert!(
            right.description().ends_with("client_secret_post."),
            "{}",
            right.description()
        );
        assert_eq!(fault(basic(&desk, &header("app", "guess"))), Fault::ClientUnknown);
        let (desk, _) = registered(AuthMethod::ClientSecretBasic);
        assert_eq!(fault(post(&desk, "app", "secret")), Fault::ClientMethodUnregistered);
    }

    #[test]
    fn a_request_that_names_no_client_is_refused() {
        let (desk, _) = registered(AuthMethod::ClientSecretPost);
        for pairs in [&[][..], &[("client_secret", "secret")], &[("client_id", "")]] {
            let outcome = try_with(&desk, None, pairs, Freshness::Latest);
            assert_eq!(fault(outcome), Fault::ClientUnnamed, "{pairs:?}");
        }
        assert_eq!(fault(basic(&desk, &header("", "secret"))), Fault::ClientUnnamed);
    }
}

mod rfc6749_2_1 {
    use super::*;

    #[test]
    fn a_public_client_that_sends_a_secret_is_refused() {
        let (desk, _) = registered(AuthMethod::None);
        assert_eq!(fault(post(&desk, "app", "secret")), Fault::ClientUnknown);
        assert_eq!(fault(basic(&desk, &header("app", "secret"))), Fault::ClientUnknown);
        assert!(
            basic(&desk, &header("app", "")).is_ok(),
            "an empty secret is none, as in Hydra"
        );
    }

    #[test]
    fn a_confidential_client_without_its_secret_is_refused() {
        let (desk, _) = registered(AuthMethod::ClientSecretPost);
        let named = try_with(&desk, None, &[("client_id", "app")], Freshness::Latest);
        assert_eq!(fault(named), Fault::ClientUnknown);
        assert_eq!(fault(basic(&desk, &header("app", ""))), Fault::ClientUnknown);
    }
}

mod rfc6749_2_3_1 {
    use super::*;

    #[test]
    fn id_and_secret_are_form_encoded_inside_basic() {
        let desk = Desk::new();
        let (id, secret) = ("https://app.example/?a=b:c", "p\u{e4}ss%:+ word");
        let digest = secret::digest_generated(desk.cx().entropy, secret);
        desk.register(&Client {
            secrets: vec![digest],
            auth_method: AuthMethod::ClientSecretBasic,
            ..desk.draft(id)
        });
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let encoded = header(&encode(id), &encode(secret));
        assert_eq!(&*basic(&desk, &encoded).expect("the encoded pair").id, id);
        let lower = encoded.replacen("Basic", "basic", 1);
        assert!(basic(&desk, &lower).is_ok(), "the scheme has no case (RFC 7617)");
    }

    #[test]
    fn a_header_that_cannot_be_decoded_is_a_malformed_request() {
        let (desk, _) = registered(AuthMethod::ClientSecretBasic);
        let no_colon = format!("Basic {}", STANDARD.encode("app"));
        let not_encoded = header("app", "100%");
        let nul = header("a%00", "secret");
        for malformed in ["Basic", "Basic ", "Basic !!!", &no_colon, &not_encoded, &nul] {
            assert_eq!(fault(basic(&desk, malformed)), Fault::BasicMalformed, "{malformed}");
        }
    }

    #[test]
    fn other_schemes_do_not_authenticate() {
        let (desk, _) = registered(AuthMethod::ClientSecretBasic);
        for scheme in ["Bearer abc", "Digest username=\"app\"", ""] {
            assert_eq!(fault(basic(&desk, scheme)), Fault::ClientSchemeUnsupported, "{scheme}");
        }
    }
}

mod rfc6749_5_2 {
    use super::*;

    #[test]
    fn an_unknown_client_and_a_wrong_secret_look_alike_and_cost_alike() {
        let (desk, client) = registered(AuthMethod::ClientSecretPost);
        let chosen = now(secret::hash_chosen(&desk.world(), "a chosen secret")).expect("a hash");
        desk.register(&Client {
            secrets: vec![chosen],
            ..Client {
                id: "chosen".into(),
                ..client
            }
        });
        desk.register(&Client {
            auth_method: AuthMethod::None,
            ..desk.draft("public")
        });
        let mut seen = Vec::new();
        for id in ["nobody", "app", "chosen", "public"] {
            let before = desk.slow.jobs();
            let refusal = post(&desk, id, "guess").expect_err("a guess");
            seen.push((refusal.fault(), refusal.description(), desk.slow.jobs() - before));
        }
        assert!(seen.iter().all(|outcome| *outcome == seen[0]), "{seen:?}");
    }

    #[test]
    fn d5_a_database_that_does_not_answer_is_not_the_clients_fault() {
        let (desk, _) = registered(AuthMethod::ClientSecretPost);
        desk.store.go_down();
        assert_eq!(fault(post(&desk, "app", "secret")), Fault::Unavailable);
    }
}

mod freshness {
    use super::*;

    #[test]
    fn a_remembered_client_is_authenticated_without_a_read() {
        let (desk, _) = registered(AuthMethod::ClientSecretPost);
        desk.store.freeze_memory();
        desk.store.reads();
        assert!(post(&desk, "app", "secret").is_ok());
        assert_eq!(desk.store.reads(), 0);
    }

    #[test]
    fn a_refusal_from_memory_is_decided_again_on_the_latest_facts() {
        let (desk, client) = registered(AuthMethod::ClientSecretPost);
        desk.store.freeze_memory();
        desk.register(&Client {
            secrets: vec![secret::digest_generated(desk.cx().entropy, "rotated")],
            ..client
        });
        assert!(post(&desk, "app", "rotated").is_ok());
        desk.register(&desk.draft("new"));
        assert!(post(&desk, "new", "secret").is_ok());
    }

    #[test]
    fn a_deleted_client_is_refused_where_no_write_follows() {
        let (desk, _) = registered(AuthMethod::ClientSecretPost);
        desk.store.freeze_memory();
        desk.apply(Change::DeleteClient("app".to_owned()));
        let pairs = [("client_id", "app"), ("client_secret", "secret")];
        assert_eq!(
            fault(try_with(&desk, None, &pairs, Freshness::Latest)),
            Fault::ClientUnknown
        );
        assert!(
            now(desk.store.client("app", Freshness::Latest))
                .expect("an answer")
                .is_none()
        );
    }
}

mod secrets {
    use super::*;

    fn with_secrets(secrets: Vec<String>) -> Desk {
        let desk = Desk::new();
        desk.register(&Client {
            secrets,
            ..desk.draft("app")
        });
        desk
    }

    #[test]
    fn a_generated_secret_has_26_characters_of_hydras_alphabet_and_no_two_are_equal() {
        struct Dice;
        impl crate::context::Entropy for Dice {
            fn fill(&self, bytes: &mut [u8]) {
                aws_lc_rs::rand::fill(bytes).expect("the system has random bytes");
            }
        }
        let drawn: Vec<_> = (0..200).map(|_| secret::generate_secret(&Dice)).collect();
        for secret in &drawn {
            assert_eq!(secret.len(), 26);
            let is_ours = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
            assert!(secret.chars().all(is_ours), "{}", **secret);
        }
        let different: std::collections::BTreeSet<&str> = drawn.iter().map(|secret| secret.as_str()).collect();
        assert_eq!(different.len(), drawn.len());
    }

    #[test]
    fn a_generated_secret_is_verified_at_once_whatever_the_system_secret_is() {
        let mut desk = Desk::new();
        desk.register(&desk.draft("app"));
        desk.secrets = crate::secrets::Secrets::derive(&["fedcba9876543210"]).expect("long enough");
        assert!(post(&desk, "app", "secret").is_ok());
        assert_eq!(fault(post(&desk, "app", "guess")), Fault::ClientUnknown);
        assert_eq!(desk.slow.jobs(), 1, "only the refusal is made to take long");
    }

    #[test]
    fn what_is_stored_holds_no_secret() {
        let desk = Desk::new();
        let generated = secret::digest_generated(desk.cx().entropy, "generated-secret");
        let chosen = now(secret::hash_chosen(&desk.world(), "chosen-secret")).expect("a hash");
        assert!(generated.starts_with("$clv-hmac-sha256$") && !generated.contains("generated-secret"));
        assert!(chosen.starts_with("$argon2id$") && !chosen.contains("chosen-secret"));
        let again = now(secret::hash_chosen(&desk.world(), "chosen-secret")).expect("a hash");
        assert_ne!(chosen, again, "each hash has its own salt");
        let again = secret::digest_generated(desk.cx().entropy, "generated-secret");
        assert_ne!(generated, again, "each digest has its own salt");
    }

    /// Runs a job when it is asked a second time, and keeps how long each took.
    #[derive(Default)]
    struct Queue(Mutex<Vec<Duration>>);

    #[async_trait::async_trait]
    impl Slow for Queue {
        async fn run(&self, job: Box<dyn FnOnce() + Send>) -> bool {
            let mut was_asked = false;
            std::future::poll_fn(|_| match std::mem::replace(&mut was_asked, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            let begun = Instant::now();
            job();
            self.0.lock().expect("no panic").push(begun.elapsed());
            true
        }
    }

    #[test]
    fn those_who_come_at_once_with_the_same_secret_wait_for_one_hash() {
        let desk = Desk::new();
        let hash = now(secret::hash_chosen(&desk.world(), "chosen")).expect("a hash");
        let client = Client {
            secrets: vec![hash],
            ..desk.draft("app")
        };
        let queue = Queue::default();
        let world = World {
            slow: &queue,
            ..desk.world()
        };
        let mut all = [(); 8].map(|()| Box::pin(secret::proves(&world, Some(&client), "chosen")));
        let mut context = Context::from_waker(Waker::noop());
        let mut ended = Vec::new();
        for _ in 0..2 {
            ended.extend(all.iter_mut().map(|one| one.as_mut().poll(&mut context)));
        }
        let (waiting, right) = ended.split_at(8);
        assert!(waiting.iter().all(Poll::is_pending));
        assert!(right.iter().all(|one| matches!(one, Poll::Ready(Ok(true)))));
        let took = queue.0.lock().expect("no panic");
        let (first, others) = took.split_first().expect("eight");
        let others: Duration = others.iter().sum();
        assert!(
            others < *first,
            "seven took {others:?} after the first had taken {first:?}"
        );
    }

    #[test]
    fn a_chosen_secret_is_hashed_once_for_each_version_of_its_client() {
        let desk = Desk::new();
        let hash = now(secret::hash_chosen(&desk.world(), "chosen")).expect("a hash");
        let client = Client {
            secrets: vec![hash],
            ..desk.draft("app")
        };
        desk.register(&client);
        let before = desk.slow.jobs();
        for _ in 0..3 {
            assert!(post(&desk, "app", "chosen").is_ok());
        }
        assert_eq!(desk.slow.jobs() - before, 1);
        assert_eq!(fault(post(&desk, "app", "guess")), Fault::ClientUnknown);
        desk.register(&client);
        let before = desk.slow.jobs();
        assert!(post(&desk, "app", "chosen").is_ok());
        assert_eq!(desk.slow.jobs() - before, 1, "a changed client proves its secret anew");
    }

    #[test]
    fn any_secret_of_a_rotation_authenticates() {
        let desk = Desk::new();
        let old = now(secret::hash_chosen(&desk.world(), "old")).expect("a hash");
        let desk = with_secrets(vec![secret::digest_generated(desk.cx().entropy, "new"), old]);
        assert!(post(&desk, "app", "new").is_ok());
        assert!(post(&desk, "app", "old").is_ok());
        assert_eq!(fault(post(&desk, "app", "older")), Fault::ClientUnknown);
    }

    /// Stored by Hydra 1.11.2 (bcrypt) and 26.2.0 (both) for these secrets.
    #[test]
    fn hashes_that_hydra_made_verify_as_they_are() {
        for (secret, stored) in [
            (
                "c-basic-secret",
                "$2a$10$MnRFkHyrhleT3Z7NVCqwiO9r90mrd2ML/e6qIoEoZTAPBIc9dlrXy",
            ),
            (
                "c-post-secret",
                "$2a$05$l2VMsuyevo9gki1tfCwp.e6p0FeYgVLrm7Hh/5gIZpwlZwfEJ5EeC",
            ),
            (
                "c-basic-secret",
                "$pbkdf2-sha256$i=25000,l=32$oCgaIFGKB7sLrBYdahis+w$Pvy10iY169yFO1eS38OeEH2NDuFhh+T5R0CodYhGU8w",
            ),
        ] {
            let desk = with_secrets(vec![stored.to_owned()]);
            assert!(post(&desk, "app", secret).is_ok(), "{stored}");
            assert_eq!(
                fault(post(&desk, "app", "c-basic-secre")),
                Fault::ClientUnknown,
                "{stored}"
            );
        }
    }

    /// bcrypt ends at 72 bytes, and Hydra let longer secrets in.
    #[test]
    fn a_long_secret_that_hydra_hashed_still_authenticates() {
        let long = "0123456789".repeat(8);
        let stored = bcrypt::hash(&long, 4).expect("a hash");
        assert!(post(&with_secrets(vec![stored]), "app", &long).is_ok());
    }

    #[test]
    fn a_stored_value_that_is_no_hash_matches_nothing() {
        for broken in [
            "",
            "$",
            "secret",
            "$clv-hmac-sha256$",
            "$clv-hmac-sha256$AAAAAAAAAAAAAAAAAAAAAA",
            "$clv-hmac-sha256$AAAAAAAAAAAAAAAAAAAAAA$",
            "$clv-hmac-sha256$$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "$2a$10$short",
            "$argon2id$v=19$broken",
            "$pbkdf2-sha256$i=0,l=0$$",
            "$pbkdf2-sha256$i=1,l=0$$",
            "$pbkdf2-sha384$i=1,l=1$AA$AA",
        ] {
            let desk = with_secrets(vec![broken.to_owned()]);
            for guess in ["secret", broken] {
                assert!(post(&desk, "app", guess).is_err(), "{broken:?} by {guess:?}");
            }
        }
    }
}
