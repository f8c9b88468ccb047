//! Explanations, offline and with a database.

use claviger_core::token::opaque::{Fresh, Kind};

use super::*;
use crate::cli::terminal::testing::terminal;
use crate::config::Purpose;
use crate::testing::{SECRET, Stage};

fn asked(what: &str, env: &[(&str, &str)]) -> Result<String, String> {
    let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    let question = Question {
        what: Secret::from(what.to_owned()),
        sources: Sources {
            env: env.collect(),
            purpose: Purpose::Show,
            ..Sources::default()
        },
        offline: false,
        format: Format::Table,
    };
    let (mut terminal, output, _) = terminal("", Vec::new());
    match explain(question, &mut terminal) {
        Ok(()) => Ok(output.text()),
        Err(failure) => Err(failure.to_string()),
    }
}

#[test]
fn every_refusal_is_explained_by_its_name_and_by_its_code_with_its_section() {
    for fault in Fault::ALL {
        let text = asked(fault.name(), &[]).unwrap();
        assert!(text.contains(fault.description()), "{text}");
        assert!(asked(fault.code().as_str(), &[]).unwrap().contains(fault.name()));
    }
    let text = asked("error=invalid_scope", &[]).unwrap();
    assert!(
        text.contains("RFC 6749 §3.3") && text.matches("it is").count() >= 3,
        "{text}"
    );
    assert!(asked("codeused", &[]).unwrap().contains("CodeUsed"));
}

#[test]
fn a_request_id_leads_to_the_log() {
    let ids = crate::edge::request_id::RequestIds::new(1);
    let id = ids.generate().to_string();
    let text = asked(&id, &[]).unwrap();
    let year = &jiff::Timestamp::now().to_string()[..4];
    assert!(
        text.contains(&format!("request_id={id}")) && text.contains(year),
        "{text}"
    );
}

#[test]
fn what_needs_secrets_says_so_and_what_is_not_ours_too() {
    assert!(asked("clv_at_abc.def", &[]).unwrap_err().contains("SECRETS_SYSTEM"));
    let error = asked("clv_at_abc.def", &[("SECRETS_SYSTEM", SECRET)]).unwrap_err();
    assert!(
        error.contains("nothing of this server") && !error.contains("clv_at_abc"),
        "{error}"
    );
}

/// A database in a file, with the tokens of a client and of a person in it.
fn prepared(file: &std::path::Path) -> [String; 3] {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stage = Stage::at(Some(file), &[]).await;
        let client = stage.client("shop").await;
        let (own, granted) = (stage.own_token(&client).await, stage.granted(&client).await);
        let cx = stage.provider.cx();
        let code = Fresh::generate(cx.secrets, cx.entropy, &cx.policy.prefixes, Kind::Code, cx.new_id());
        stage.go_down().await;
        [
            own.text.to_string(),
            granted.refresh.text.to_string(),
            code.text.to_string(),
        ]
    })
}

#[test]
fn a_token_says_what_became_of_it_and_nothing_of_a_person() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("db");
    let [own, refresh, code] = prepared(&file);
    let dsn = format!("sqlite://{}", file.display());
    let env = [("DSN", dsn.as_str()), ("SECRETS_SYSTEM", SECRET)];
    for (text, kind, state) in [
        (&own, "an access token", "active\n"),
        (&refresh, "a refresh token", "active\n"),
        (&code, "an authorization code", "not in the database"),
    ] {
        let told = asked(text, &env).unwrap();
        assert!(told.contains(kind) && told.contains(state), "{told}");
        assert!(!told.contains(text) && !told.contains("alice"), "{told}");
    }
    let offline = asked(&own, &env[1..]).unwrap();
    assert!(offline.contains("was not asked"), "{offline}");
    let other = [env[0], ("SECRETS_SYSTEM", "Zu7kQ2mZp9vB4nR8tL1wY6cJ3hF5gD0s")];
    assert!(asked(&own, &other).unwrap_err().contains("nothing of this server"));
}
