//! Nothing that is stored or logged is worth stealing.

use std::collections::{BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use claviger_e2e::client::parameter;
use claviger_e2e::flow::text;
use claviger_e2e::pkce::{CHALLENGE, VERIFIER};
use claviger_e2e::server::SECRET;
use claviger_e2e::{Collector, Database, Flow, Http, Request, Server, ServerOptions, dump};
use serde_json::{Value, json};

/// A claim in the session of the access token, one in that of the ID token, and one in the login context.
const CLAIMS: [&str; 3] = [
    "diagnosis-ZK4711-confidential",
    "given-name-QX0815-confidential",
    "context-RT1234-private",
];

/// Everything secret that came up in the flows of one test, in every form in which it may be written down.
#[derive(Default)]
struct Secrets {
    needles: Vec<(&'static str, Vec<u8>)>,
}

/// What is found by its beginning is compared whole.
const BEGINNING: usize = 8;

impl Secrets {
    fn add(&mut self, what: &'static str, secret: &str) {
        self.add_bytes(what, secret.as_bytes());
        // The part behind the dot is what only the holder knows. In a JWT it is the signature.
        // A generated client secret may have a dot anywhere.
        if let Some((_, half)) = secret.rsplit_once('.').filter(|(_, half)| half.len() >= BEGINNING) {
            self.add_bytes(what, half.as_bytes());
            let bytes = URL_SAFE_NO_PAD.decode(half).unwrap_or_default();
            if bytes.len() >= BEGINNING {
                self.add_bytes(what, &bytes);
            }
        }
    }

    fn add_bytes(&mut self, what: &'static str, bytes: &[u8]) {
        assert!(
            bytes.len() >= BEGINNING,
            "a {what} is too short to be searched for: {bytes:?}"
        );
        let hex = dump::hex(bytes);
        let mut forms = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        // In the middle of something longer, base64 has three ways to write the same bytes.
        for engine in [&STANDARD, &URL_SAFE] {
            for skip in 0..3 {
                let whole = (bytes.len() - skip) / 3 * 3;
                forms.push(engine.encode(&bytes[skip..skip + whole]).into_bytes());
            }
        }
        let long_enough = forms.into_iter().filter(|form| form.len() >= BEGINNING);
        self.needles.extend(long_enough.map(|form| (what, form)));
    }

    fn add_tokens(&mut self, tokens: &Value) {
        self.add("access token", &text(tokens, "access_token"));
        if let Some(token) = tokens["refresh_token"].as_str() {
            self.add("refresh token", token);
        }
        if let Some(token) = tokens["id_token"].as_str() {
            self.add("ID token", token);
        }
    }

    /// The secrets of which one form or another is in `haystack`.
    fn found_in(&self, haystack: &[u8]) -> Vec<&'static str> {
        let mut by_beginning: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (index, (_, needle)) in self.needles.iter().enumerate() {
            by_beginning.entry(&needle[..BEGINNING]).or_default().push(index);
        }
        let mut found = BTreeSet::new();
        for (at, beginning) in haystack.windows(BEGINNING).enumerate() {
            for &index in by_beginning.get(beginning).into_iter().flatten() {
                let (what, needle) = &self.needles[index];
                if haystack[at..].starts_with(needle) {
                    found.insert(*what);
                }
            }
        }
        found.into_iter().collect()
    }

    fn assert_absent_from(&self, haystack: &[u8], place: &str) {
        let found = self.found_in(haystack);
        assert!(found.is_empty(), "these are in {place}: {found:?}");
    }
}

/// The search itself: what is there in any form is found, and nothing else.
#[test]
fn a_secret_is_found_in_every_form() {
    let mut secrets = Secrets::default();
    secrets.add("token", "clv_at_0123456789.c2VjcmV0LWhhbGYtb2YtdG9rZW4");
    let places = [
        "x clv_at_0123456789.c2VjcmV0LWhhbGYtb2YtdG9rZW4 x".to_owned(),
        "x secret-half-of-token x".to_owned(),
        dump::hex(b"xsecret-half-of-token"),
        STANDARD.encode("some bytes before secret-half-of-token and behind"),
        URL_SAFE_NO_PAD.encode("bytes before clv_at_0123456789.c2VjcmV0LWhhbGYtb2YtdG9rZW4 and behind"),
    ];
    for place in places {
        assert_eq!(secrets.found_in(place.as_bytes()), ["token"], "{place}");
    }
    assert!(secrets.found_in(b"clv_at_0123456789.somebody-elses-half").is_empty());
}

/// Every flow that writes something, with all secrets on the way.
async fn live(server: &Server) -> (Secrets, Vec<Flow>) {
    let mut secrets = Secrets::default();
    secrets.add("system secret", SECRET);
    let generated = server
        .create_client(&json!({"grant_types": ["client_credentials"], "scope": "a"}))
        .await;
    let machine = Flow::of(server, &generated);
    secrets.add("generated client secret", &machine.client_secret);
    secrets.add_tokens(&machine.token(&[("grant_type", "client_credentials")]).await.json());

    let mut flow = Flow::new(server)
        .await
        .with("code_challenge", CHALLENGE)
        .with("code_challenge_method", "S256");
    secrets.add("chosen client secret", &flow.client_secret);
    secrets.add("code verifier", VERIFIER);
    let login = flow.login_challenge().await;
    secrets.add("login challenge", &login);
    let accept = json!({"subject": claviger_e2e::flow::SUBJECT, "remember": true, "context": {"note": CLAIMS[2]}});
    let next = flow.decided("login", "accept", &login, &accept).await;
    secrets.add("login verifier", &query(&next, "login_verifier"));
    let consent = claviger_e2e::flow::challenge(&flow.http.get(&next).await, "consent_challenge");
    secrets.add("consent challenge", &consent);
    let session = json!({"access_token": {"d": CLAIMS[0]}, "id_token": {"given_name": CLAIMS[1]}});
    let body = json!({"grant_scope": ["openid", "offline"], "remember": true, "session": session});
    let next = flow.decided("consent", "accept", &consent, &body).await;
    secrets.add("consent verifier", &query(&next, "consent_verifier"));
    let landed = flow.http.get(&next).await.location();
    let code = parameter(&landed, "code").unwrap();
    secrets.add("authorization code", &code);
    for claim in CLAIMS {
        secrets.add("session claim", claim);
    }
    for (name, value) in flow.http.cookies() {
        assert!(!name.is_empty());
        secrets.add("cookie", value);
    }
    let redirect = claviger_e2e::flow::REDIRECT_URI;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", redirect),
    ];
    let answer = flow.token(&[&form[..], &[("code_verifier", VERIFIER)]].concat()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tokens = answer.json();
    secrets.add_tokens(&tokens);
    let rotated = flow.refresh(&text(&tokens, "refresh_token")).await.json();
    secrets.add_tokens(&rotated);
    let unused = flow
        .clone()
        .without("code_challenge")
        .without("code_challenge_method")
        .code()
        .await;
    secrets.add("unused authorization code", &unused);
    add_private_keys(&mut secrets, server).await;
    (secrets, vec![machine, flow])
}

fn query(url: &str, name: &str) -> String {
    parameter(&url::Url::parse(url).unwrap(), name).unwrap_or_else(|| panic!("no {name} in {url}"))
}

/// The private members of the signing keys, as the admin API tells them.
async fn add_private_keys(secrets: &mut Secrets, server: &Server) {
    let answer = Http::new()
        .get(&server.admin("/admin/keys/hydra.openid.id-token"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let keys = answer.json();
    let mut seen = false;
    for key in keys["keys"].as_array().unwrap() {
        for member in ["d", "p", "q", "dp", "dq", "qi"] {
            if let Some(value) = key[member].as_str() {
                secrets.add("private key", value);
                // Stored as DER, it is the number itself.
                secrets.add_bytes("private key", &URL_SAFE_NO_PAD.decode(value).unwrap());
                seen = true;
            }
        }
    }
    assert!(seen, "there is no private key to look for: {keys}");
}

#[tokio::test]
async fn nothing_secret_is_in_the_database() {
    for database in [Database::postgres(), Database::mariadb(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let (secrets, _) = live(&server).await;
        let dumped = dump::text(&database);
        assert!(
            dumped.contains("Web shop"),
            "the dump holds the rows, and what is public in them"
        );
        secrets.assert_absent_from(dumped.as_bytes(), "the dump");
        secrets.assert_absent_from(&dump::files(&database), "the files");
        let (status, _) = server.stop();
        assert!(status.success());
        secrets.assert_absent_from(dump::text(&database).as_bytes(), "the dump after the end");
        secrets.assert_absent_from(&dump::files(&database), "the files after the end");
    }
}

/// Whoever steals the database tries every value in it as a token, a code and a secret.
#[tokio::test]
async fn nothing_in_the_database_works_as_a_credential() {
    for database in [Database::postgres(), Database::mariadb(), Database::sqlite()] {
        let server = Server::on(&database).await;
        let (_, flows) = live(&server).await;
        let candidates = candidates(&dump::text(&database));
        assert!(candidates.len() > 20, "{} values are no database", candidates.len());
        let mut http = Http::new();
        for value in &candidates {
            for prefix in ["", "clv_at_", "clv_rt_"] {
                let token = format!("{prefix}{value}");
                assert!(!server.is_active(&token).await, "{token} is an active token");
            }
            let token = Request::get(&server.public("/userinfo"));
            if let Ok(answer) = http.try_send(token.bearer(value)).await {
                assert_eq!(answer.status, 401, "{value} opens userinfo");
            }
            for flow in &flows {
                let refused = flow.refresh(&format!("clv_rt_{value}")).await;
                assert_eq!(refused.status, 400, "{value} refreshes");
                let refused = flow.redeem(&format!("clv_ac_{value}")).await;
                assert_eq!(refused.status, 400, "{value} is a code");
            }
        }
        // Client secrets are slow to check where people chose them, so only what looks like one is tried.
        for value in candidates.iter().filter(|value| value.len() >= 20).take(60) {
            for flow in &flows {
                let mut thief = flow.clone();
                thief.client_secret.clone_from(value);
                let refused = thief.token(&[("grant_type", "client_credentials")]).await;
                assert_eq!(refused.status, 401, "{value} is the secret of a client");
            }
        }
    }
}

/// Every value in a dump, and for bytes in hexadecimal their base64 as well.
fn candidates(dump: &str) -> Vec<String> {
    let separators = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '(' | ')' | ',' | ';' | ':' | '{' | '}');
    let rows = dump
        .lines()
        .filter(|line| line.starts_with("INSERT INTO") || line.contains(": "));
    let words = rows.flat_map(|line| line.split(separators));
    let mut values: Vec<String> = Vec::new();
    for word in words.filter(|word| word.len() >= 12 && word.is_ascii()) {
        let digits = word.trim_start_matches("\\x");
        values.push(digits.to_owned());
        if let Some(bytes) = from_hex(digits) {
            values.push(URL_SAFE_NO_PAD.encode(bytes));
        }
    }
    values.retain(|value| value.len() <= 400 && value.bytes().all(|byte| byte.is_ascii_graphic()));
    values.sort();
    values.dedup();
    values
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// The log at its most talkative, in both formats, the metrics, and everything that is sent to a collector of traces.
#[tokio::test]
async fn nothing_secret_is_in_the_log_the_metrics_and_the_traces() {
    for format in ["text", "json"] {
        let collector = Collector::listen();
        let database = Database::sqlite();
        claviger_e2e::server::migrate(&database);
        let options = ServerOptions::new(&database)
            .with("LOG_LEVEL", "trace")
            .with("LOG_FORMAT", format)
            .traced(collector.port);
        let server = options.with("LOG_LEAK_SENSITIVE_VALUES", "true").start().await;
        let (secrets, flows) = live(&server).await;
        let mut wrong = flows[0].clone();
        wrong.client_secret = "a-wrong-secret-that-somebody-typed".to_owned();
        assert_eq!(wrong.token(&[("grant_type", "client_credentials")]).await.status, 401);
        let log = server.log();
        assert!(
            log.contains("/oauth2/token") && log.contains("/oauth2/auth"),
            "the log has the requests:\n{log}"
        );
        secrets.assert_absent_from(log.as_bytes(), "the log");
        assert!(
            !log.contains("a-wrong-secret-that-somebody-typed"),
            "wrong secrets are secrets of somebody else"
        );
        let metrics = Http::new().get(&server.admin("/admin/metrics/prometheus")).await.text();
        assert!(metrics.contains("claviger_token_requests_total"), "{metrics}");
        secrets.assert_absent_from(metrics.as_bytes(), "the metrics");
        let (_, log) = server.stop();
        assert!(!log.contains("credentials-of-the-collector"), "{log}");
        let sent: Vec<u8> = collector.heard().into_iter().flat_map(|(_, body)| body).collect();
        let text = String::from_utf8_lossy(&sent);
        assert!(
            text.contains("POST /oauth2/token") && text.contains("sql "),
            "spans were sent"
        );
        secrets.assert_absent_from(&sent, "the traces");
    }
}

/// What a person is told leads to the line of the log.
#[tokio::test]
async fn an_error_carries_an_id_that_the_log_carries_too() {
    let database = Database::sqlite();
    let server = Server::on(&database).await;
    let flow = Flow::new(&server)
        .await
        .with("redirect_uri", "https://elsewhere.example/");
    let mut flow = flow;
    let answer = flow.start().await;
    // The id of the request that failed, which the page that says so was given.
    let id = answer.header("x-request-id").to_owned();
    let page = if answer.status == 302 || answer.status == 303 {
        flow.http.get(answer.location().as_str()).await
    } else {
        answer
    };
    assert!(
        id.len() == 20 && page.text().contains(&id),
        "{:?} {}",
        page.headers,
        page.text()
    );
    assert!(server.log().contains(&id), "{id} is not in the log:\n{}", server.log());
}
