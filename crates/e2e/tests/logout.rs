//! Logout: RP-initiated, by the person, front-channel, back-channel and without a browser.

use claviger_e2e::flow::{SUBJECT, text};
use claviger_e2e::logout::{GOODBYE, Visit, decide, options, question, server, servers, told, url};
use claviger_e2e::tokens::claims;
use claviger_e2e::{Callback, Database, Http, Request, Server};
use serde_json::json;

mod rp_initiated_logout {
    use super::*;

    #[tokio::test]
    async fn a_person_logs_out_of_an_application_and_lands_where_it_said() {
        for (_database, server) in servers().await {
            let mut visit = Visit::begin(&server, &json!({})).await;
            let hint = visit.id_token.clone();
            let parameters = [
                ("id_token_hint", hint.as_str()),
                ("post_logout_redirect_uri", GOODBYE),
                ("state", "s t&te"),
            ];
            let challenge = visit.challenge(&server, &parameters).await;
            assert!(challenge.len() <= 500, "{} characters", challenge.len());
            let asked = question(&server, &challenge).await;
            assert_eq!(asked.status, 200, "{}", asked.text());
            let asked = asked.json();
            assert_eq!(
                (&asked["subject"], &asked["rp_initiated"]),
                (&json!(SUBJECT), &json!(true))
            );
            assert_eq!(text(&asked, "sid"), visit.sid());
            assert_eq!(asked["client"]["client_id"], visit.flow.client_id.as_str());
            assert!(text(&asked, "request_url").starts_with("/oauth2/sessions/logout?"));
            assert!(visit.is_logged_in().await);
            let answer = visit.agree(&server, &challenge).await;
            assert_eq!(answer.status, 302, "{}", answer.text());
            assert_eq!(answer.header("location"), format!("{GOODBYE}?state=s+t%26te"));
            assert!(!visit.is_logged_in().await);
            // Tokens outlive a logout.
            assert!(server.is_active(&text(&visit.tokens, "access_token")).await);
        }
    }

    #[tokio::test]
    async fn a_logout_request_may_be_posted() {
        for (_database, server) in servers().await {
            let mut visit = Visit::begin(&server, &json!({})).await;
            let form = [
                ("id_token_hint", visit.id_token.as_str()),
                ("post_logout_redirect_uri", GOODBYE),
            ];
            let request = Request::post(&server.public("/oauth2/sessions/logout")).form(&form);
            let answer = visit.flow.http.send(request).await;
            let challenge = claviger_e2e::flow::challenge(&answer, "logout_challenge");
            let answer = visit.agree(&server, &challenge).await;
            assert_eq!(answer.header("location"), GOODBYE);
        }
    }

    #[tokio::test]
    async fn a_person_logs_out_by_themselves_and_lands_on_the_operators_page() {
        for (_database, server) in servers().await {
            let mut visit = Visit::begin(&server, &json!({})).await;
            let challenge = visit.challenge(&server, &[]).await;
            let asked = question(&server, &challenge).await.json();
            assert_eq!(
                (&asked["rp_initiated"], &asked["client"]),
                (&json!(false), &json!(null))
            );
            let accepted = decide(&server, "accept", &challenge).await.json();
            let verifier = text(&accepted, "redirect_to");
            // Another browser cannot end the session.
            let answer = Http::new().get(&verifier).await;
            assert_eq!(answer.location().path(), "/oauth2/fallbacks/logout/callback");
            assert!(visit.is_logged_in().await);
            let answer = visit.flow.http.get(&verifier).await;
            assert_eq!(answer.location().path(), "/oauth2/fallbacks/logout/callback");
            assert!(!visit.is_logged_in().await);
            let nobody = visit.ask(&server, &[]).await;
            assert_eq!(nobody.location().path(), "/oauth2/fallbacks/logout/callback");
        }
    }

    #[tokio::test]
    async fn a_person_who_stays_is_still_logged_in() {
        for (_database, server) in servers().await {
            let mut visit = Visit::begin(&server, &json!({})).await;
            let hint = visit.id_token.clone();
            let challenge = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
            assert_eq!(decide(&server, "reject", &challenge).await.status, 204);
            assert_eq!(decide(&server, "reject", &challenge).await.status, 204);
            assert!(visit.is_logged_in().await);
        }
    }

    #[tokio::test]
    async fn a_trusted_client_needs_no_page() {
        for (_database, server) in servers().await {
            let mut visit = Visit::begin(&server, &json!({"skip_logout_consent": true})).await;
            let named = visit.flow.client_id.clone();
            // Its name alone is no proof.
            visit.challenge(&server, &[("client_id", &named)]).await;
            let hint = visit.id_token.clone();
            let answer = visit
                .ask(
                    &server,
                    &[("id_token_hint", &hint), ("post_logout_redirect_uri", GOODBYE)],
                )
                .await;
            assert_eq!(answer.header("location"), GOODBYE);
            assert!(!visit.is_logged_in().await);
        }
    }

    #[tokio::test]
    async fn what_is_not_proved_or_not_registered_is_refused_on_a_page() {
        for (_database, server) in servers().await {
            let mut visit = Visit::begin(&server, &json!({})).await;
            let other = Visit::begin(&server, &json!({})).await;
            let (hint, id) = (visit.id_token.clone(), visit.flow.client_id.clone());
            let forged = format!("{}x", &hint[..hint.len() - 8]);
            let evil = "https://evil.example/";
            for parameters in [
                vec![("id_token_hint", forged.as_str())],
                vec![("id_token_hint", "not a token")],
                vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", evil)],
                vec![
                    ("id_token_hint", hint.as_str()),
                    ("client_id", other.flow.client_id.as_str()),
                ],
                vec![("client_id", id.as_str()), ("post_logout_redirect_uri", evil)],
                vec![("client_id", "nobody")],
                vec![("post_logout_redirect_uri", GOODBYE)],
                vec![("logout_verifier", "forged")],
            ] {
                let location = visit.ask(&server, &parameters).await.location();
                assert_eq!(location.path(), "/oauth2/fallbacks/error", "{parameters:?}: {location}");
            }
            let repeated = format!("{}&client_id={id}&client_id={id}", url(&server, &[]));
            let location = visit.flow.http.get(&repeated).await.location();
            assert_eq!(location.path(), "/oauth2/fallbacks/error");
            assert!(visit.is_logged_in().await);
        }
    }

    #[tokio::test]
    async fn a_challenge_that_nobody_made_is_unknown() {
        for (_database, server) in servers().await {
            for challenge in ["", "undefined", "AAAA"] {
                for answer in [
                    question(&server, challenge).await,
                    decide(&server, "accept", challenge).await,
                    decide(&server, "reject", challenge).await,
                ] {
                    assert_eq!(answer.status, 404, "{challenge}: {}", answer.text());
                    assert_eq!(answer.error(), "Unable to locate the resource");
                }
            }
        }
    }
}

mod front_channel_logout {
    use super::*;

    #[tokio::test]
    async fn the_page_frames_the_clients_with_issuer_and_session_and_leads_on() {
        for (_database, server) in servers().await {
            let uri = "http://127.0.0.1:9010/out?x=1";
            let mut visit = Visit::begin(&server, &json!({"frontchannel_logout_uri": uri})).await;
            let hint = visit.id_token.clone();
            let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", GOODBYE)];
            let challenge = visit.challenge(&server, &parameters).await;
            let answer = visit.agree(&server, &challenge).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let mut query = form_urlencoded::Serializer::new(String::new());
            query
                .append_pair("iss", &server.public("/"))
                .append_pair("sid", &visit.sid());
            let framed = format!("{uri}&{}", query.finish()).replace('&', "&#38;");
            assert!(
                answer.text().contains(&format!("<iframe src=\"{framed}\"")),
                "{}",
                answer.text()
            );
            assert!(
                answer.text().contains(&format!("href=\"{GOODBYE}\"")),
                "{}",
                answer.text()
            );
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("frame-src http://127.0.0.1:9010"), "{policy}");
            assert!(!visit.is_logged_in().await);
        }
    }
}

mod back_channel_logout {
    use claviger_e2e::logout::log_out;
    use claviger_e2e::process::PATIENCE;

    use super::*;

    #[tokio::test]
    async fn every_client_of_the_session_is_told_once_and_no_other() {
        for (_database, server) in servers().await {
            let (first, second, stranger) = (Callback::listen(), Callback::listen(), Callback::listen());
            let uri = |client: &Callback| json!({"backchannel_logout_uri": client.url()});
            let mut visit = Visit::begin(&server, &uri(&first)).await;
            // A second client in the same browser, which goes on with the session.
            let http = visit.flow.http.clone();
            let mut metadata = claviger_e2e::flow::web_client();
            metadata["backchannel_logout_uri"] = json!(second.url());
            let mut flow = claviger_e2e::Flow::of(&server, &server.create_client(&metadata).await);
            flow.http = http;
            flow.finish().await;
            Visit::begin(&server, &uri(&stranger)).await;
            let hint = visit.id_token.clone();
            let challenge = visit.challenge(&server, &[("id_token_hint", &hint)]).await;
            let accepted = decide(&server, "accept", &challenge).await.json();
            let verifier = text(&accepted, "redirect_to");
            for _ in 0..2 {
                assert_eq!(visit.flow.http.get(&verifier).await.status, 302);
            }
            for (client, id) in [(&first, &visit.flow.client_id), (&second, &flow.client_id)] {
                let tokens = told(client, 1).await;
                let token = claims(&tokens[0]);
                assert_eq!((&token["aud"], text(&token, "sid")), (&json!([id]), visit.sid()));
            }
            let metrics = Http::new().get(&server.admin("/admin/metrics/prometheus")).await.text();
            assert!(
                metrics.contains("backchannel_logout_attempts_total{outcome=\"delivered\"}"),
                "{metrics}"
            );
            server.stop();
            assert_eq!(
                (first.forms().len(), second.forms().len(), stranger.forms().len()),
                (1, 1, 0)
            );
        }
    }

    #[tokio::test]
    async fn a_logout_with_a_hint_and_without_a_session_still_informs_the_client() {
        for (_database, server) in servers().await {
            let client = Callback::listen();
            let login = json!({"subject": SUBJECT});
            let more = json!({"backchannel_logout_uri": client.url()});
            let visit = Visit::begin_with(&server, &more, &login).await;
            let parameters = [
                ("id_token_hint", visit.id_token.as_str()),
                ("post_logout_redirect_uri", GOODBYE),
            ];
            for _ in 0..2 {
                let answer = Http::new().get(&url(&server, &parameters)).await;
                assert_eq!(answer.header("location"), GOODBYE);
            }
            assert_eq!(text(&claims(&told(&client, 1).await[0]), "sid"), visit.sid());
            server.stop();
            assert_eq!(client.forms().len(), 1);
        }
    }

    #[tokio::test]
    async fn the_end_of_a_session_on_the_admin_api_informs_its_clients() {
        for (_database, server) in servers().await {
            let client = Callback::listen();
            let mut visit = Visit::begin(&server, &json!({"backchannel_logout_uri": client.url()})).await;
            let sessions = server.admin(&format!("/admin/oauth2/auth/sessions/login?sid={}", visit.sid()));
            for _ in 0..2 {
                assert_eq!(Http::new().send(Request::delete(&sessions)).await.status, 204);
            }
            told(&client, 1).await;
            assert!(!visit.is_logged_in().await);
            server.stop();
            assert_eq!(client.forms().len(), 1);
        }
    }

    /// It accepts the connection and says nothing. Neither the browser nor another client waits for it.
    #[tokio::test]
    async fn a_client_that_never_answers_holds_up_nobody() {
        let (_database, server) = server().await;
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/logout", silent.local_addr().unwrap());
        let (sends, called) = std::sync::mpsc::channel();
        std::thread::spawn(move || sends.send(silent.accept().unwrap().0));
        let listening = Callback::listen();
        let mut first = Visit::begin(&server, &json!({"backchannel_logout_uri": uri})).await;
        let mut second = Visit::begin(&server, &json!({"backchannel_logout_uri": listening.url()})).await;
        log_out(&server, &mut first).await;
        let held = called.recv_timeout(PATIENCE).unwrap();
        log_out(&server, &mut second).await;
        told(&listening, 1).await;
        let mut start = [0; 21];
        std::io::Read::read_exact(&mut &held, &mut start).unwrap();
        assert_eq!(&start, b"POST /logout HTTP/1.1");
    }

    /// Whoever claims a notice first sends it, and the metrics of both servers add up.
    #[tokio::test]
    async fn two_servers_tell_each_client_once() {
        const CLIENTS: usize = 6;
        let database = Database::postgres();
        claviger_e2e::server::migrate(&database);
        let one = options(&database).start().await;
        let other = options(&database)
            .with("URLS_SELF_ISSUER", &one.public("/"))
            .start()
            .await;
        let client = Callback::listen();
        let mut expected = Vec::new();
        for number in 0..CLIENTS {
            let visit = Visit::begin(&one, &json!({"backchannel_logout_uri": client.url()})).await;
            let path = format!("/admin/oauth2/auth/sessions/login?sid={}", visit.sid());
            // Both servers are told of each end, and the first one of every second.
            let urls = [one.admin(&path), other.admin(&path)];
            for url in [&urls[number % 2], &urls[1 - number % 2]] {
                assert_eq!(Http::new().send(Request::delete(url)).await.status, 204);
            }
            expected.push(visit.sid());
        }
        let tokens = told(&client, CLIENTS).await;
        let mut sids: Vec<String> = tokens.iter().map(|token| text(&claims(token), "sid")).collect();
        sids.sort();
        expected.sort();
        assert_eq!(sids, expected);
        let count = async |server: &Server, line: &str| -> usize {
            let metrics = Http::new().get(&server.admin("/admin/metrics/prometheus")).await.text();
            let found = metrics.lines().find_map(|text| text.strip_prefix(line));
            found
                .unwrap_or_else(|| panic!("no {line} in {metrics}"))
                .trim()
                .parse()
                .unwrap()
        };
        for line in [
            "backchannel_logout_notices_total{event=\"queued\"}",
            "backchannel_logout_notices_total{event=\"settled\"}",
            "backchannel_logout_attempts_total{outcome=\"delivered\"}",
        ] {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while count(&one, line).await + count(&other, line).await != CLIENTS {
                assert!(
                    std::time::Instant::now() < deadline,
                    "{line} does not come to {CLIENTS}"
                );
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        one.stop();
        other.stop();
        assert_eq!(client.forms().len(), CLIENTS);
    }

    /// The queue is in the database: another server sends what a dead one left.
    #[tokio::test]
    async fn news_survive_the_server_that_wrote_them() {
        let database = Database::postgres();
        claviger_e2e::server::migrate(&database);
        // This server may not tell anybody on this machine, so that the news wait.
        let mut guarded = Server::on(&database).await;
        let client = Callback::listen();
        let visit = Visit::begin(&guarded, &json!({"backchannel_logout_uri": client.url()})).await;
        let sessions = guarded.admin(&format!("/admin/oauth2/auth/sessions/login?sid={}", visit.sid()));
        assert_eq!(Http::new().send(Request::delete(&sessions)).await.status, 204);
        // Stopped in the middle, it would leave the news to others only when its lease is over.
        guarded.process.wait_for_output("could not be told of a logout");
        guarded.stop();
        assert_eq!(client.forms().len(), 0);
        let free = options(&database).start().await;
        let token = claims(&told(&client, 1).await[0]);
        assert_eq!(text(&token, "sid"), visit.sid());
        free.stop();
    }
}
