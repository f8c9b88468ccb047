//! `perform device-code`: the device authorization grant with this program as the device.
//!
//! Implements RFC 8628 §3.2 to §3.5 and §3.4 (the interval is kept, and grows with `slow_down`).

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::api::Api;
use super::failure::Failure;
use super::oauth2::{self, Credentials, Tokens};
use super::remote::{ClientFlags, Remote};
use super::terminal::Terminal;
use super::tokens::token_report;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// "If no value is provided, clients MUST use 5 as the default" (§3.2), and `slow_down` adds as much (§3.5).
const INTERVAL: Duration = Duration::from_secs(5);
/// Between two attempts while the server does not answer, at most, unless it asked for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Where the server does not say how long its codes live.
const PATIENCE: Duration = Duration::from_secs(600);
/// No person takes longer.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `perform device-code`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example, for a client with the grant type urn:ietf:params:oauth:grant-type:device_code:
  claviger perform device-code -e http://127.0.0.1:4444 --client-id my-tv --format json-pretty"
)]
pub(crate) struct PerformDeviceCode {
    #[command(flatten)]
    client: ClientFlags,

    /// Scopes to ask for, separated by commas
    #[arg(long, value_name = "SCOPE", value_delimiter = ',', default_value = "offline,openid")]
    scope: Vec<String>,

    /// Audiences to ask for, separated by commas
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    audience: Vec<String>,

    /// URL of the device authorization endpoint, if it is not ENDPOINT/oauth2/device/auth
    #[arg(long, value_name = "URL")]
    device_auth_url: Option<String>,

    /// URL of the token endpoint, if it is not ENDPOINT/oauth2/token
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
}

/// What the device authorization endpoint answered.
struct Codes {
    device_code: String,
    address: String,
    interval: Duration,
    life: Duration,
}

impl PerformDeviceCode {
    pub(super) async fn run(&self, remote: &Remote, terminal: &mut Terminal) -> Result<(), Failure> {
        let missing = "Please provide a Client ID using --client-id flag, or OAUTH2_CLIENT_ID environment variable.";
        let credentials = Credentials {
            id: self.client.id(terminal).ok_or_else(|| Failure::input(missing))?,
            secret: self.client.secret(terminal)?,
        };
        let begin = below(remote, terminal, self.device_auth_url.as_deref(), "/oauth2/device/auth")?;
        let token = below(remote, terminal, self.token_url.as_deref(), "/oauth2/token")?;
        let api = remote.endpoints(&begin)?;
        let answer = oauth2::post(&api, &begin, &credentials, self.request()).await?;
        let codes = Codes::read(&answer.json()?)?;
        terminal.explain(&format!("To login please go to:\n\t {}", codes.address));
        let tokens = poll(&api, &token, &credentials, &codes, terminal).await?;
        terminal.explain("Successfully signed in!");
        remote.print(terminal, &token_report(&tokens, true))
    }

    fn request(&self) -> Vec<(&'static str, String)> {
        let mut form = vec![("scope", self.scope.join(" "))];
        if !self.audience.is_empty() {
            form.push(("audience", self.audience.join(" ")));
        }
        form
    }
}

/// An endpoint from its own flag or below the server's address.
fn below(remote: &Remote, terminal: &Terminal, flag: Option<&str>, path: &str) -> Result<String, Failure> {
    match flag {
        Some(url) => Ok(url.to_owned()),
        None => Ok(format!("{}{path}", remote.endpoint(terminal)?.trim_end_matches('/'))),
    }
}

impl Codes {
    fn read(answer: &Value) -> Result<Self, Failure> {
        let member = |name: &str| answer.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let seconds = |name: &str| answer.get(name).and_then(Value::as_u64).map(Duration::from_secs);
        let incomplete = || {
            Failure::input("The server answered the device authorization request incompletely, against RFC 8628 §3.2")
        };
        let plain = || {
            let (uri, code) = (member("verification_uri")?, member("user_code")?);
            Some(format!("{uri}\n\tand enter the code {code}"))
        };
        Ok(Self {
            device_code: member("device_code").ok_or_else(incomplete)?,
            address: member("verification_uri_complete")
                .or_else(plain)
                .ok_or_else(incomplete)?,
            interval: seconds("interval").unwrap_or(INTERVAL).min(DAY),
            // What is added to the time of now must stay a time.
            life: seconds("expires_in").unwrap_or(PATIENCE).min(DAY),
        })
    }
}

/// Asks for tokens until there is an answer.
async fn poll(
    api: &Api,
    url: &str,
    credentials: &Credentials,
    codes: &Codes,
    terminal: &mut Terminal,
) -> Result<Tokens, Failure> {
    let end = Instant::now() + codes.life;
    let mut interval = codes.interval;
    let mut pause = interval;
    let mut is_told = false;
    loop {
        tokio::time::sleep(pause).await;
        let form = vec![
            ("grant_type", GRANT.to_owned()),
            ("device_code", codes.device_code.clone()),
        ];
        let answer = match oauth2::post(api, url, credentials, form).await {
            Ok(answer) if !answer.status().is_server_error() => answer,
            // "On encountering a connection timeout, clients MUST unilaterally reduce their polling frequency" (§3.5). The
            // person may still be typing the code, so neither that nor a server that is busy is the end.
            failed => {
                pause = longer(pause, interval);
                if Instant::now() + pause >= end {
                    return Tokens::read(failed?.json()?, jiff::Timestamp::now());
                }
                if !is_told {
                    let why = failed.map_or_else(
                        |error| error.to_string(),
                        |answer| format!("The server answered with status {}", answer.status().as_u16()),
                    );
                    terminal.explain(&format!("{why}. It is asked again until the code expires …"));
                    is_told = true;
                }
                continue;
            }
        };
        match answer.error_code().as_deref() {
            Some("authorization_pending" | "slow_down") if Instant::now() >= end => {
                return Err(Failure::input("Nobody answered in time. Run the command again"));
            }
            Some("authorization_pending") => {}
            Some("slow_down") => interval += INTERVAL,
            _ => return Tokens::read(answer.json()?, jiff::Timestamp::now()),
        }
        pause = interval;
    }
}

/// The pause after one that met no answer; never shorter than what the server asks for.
fn longer(pause: Duration, interval: Duration) -> Duration {
    (pause * 2).clamp(Duration::from_secs(1), LONGEST_PAUSE).max(interval)
}

#[cfg(test)]
mod rfc8628_3_2 {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_leaves_out_has_its_default() {
        let answer = json!({ "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://a.example/" });
        let codes = Codes::read(&answer).unwrap();
        assert_eq!((codes.interval, codes.life), (INTERVAL, PATIENCE));
        assert!(codes.address.contains("https://a.example/") && codes.address.contains("WDJB-MJHT"));
    }

    #[test]
    fn a_life_beyond_all_measure_is_a_day() {
        let answer = json!({
            "device_code": "d", "verification_uri_complete": "u", "expires_in": u64::MAX, "interval": u64::MAX,
        });
        let codes = Codes::read(&answer).unwrap();
        assert_eq!((codes.interval, codes.life), (DAY, DAY));
    }

    #[test]
    fn an_incomplete_answer_is_an_error() {
        for answer in [
            json!({}),
            json!({ "device_code": "d" }),
            json!({ "verification_uri_complete": "u" }),
        ] {
            assert!(Codes::read(&answer).is_err(), "{answer}");
        }
    }
}

#[cfg(test)]
mod rfc8628_3_5 {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::process::ExitCode;

    use serde_json::json;

    use super::*;
    use crate::cli::terminal::testing::terminal;

    #[test]
    fn pauses_grow_up_to_half_a_minute_and_are_never_shorter_than_the_interval() {
        let seconds = Duration::from_secs;
        let mut pause = Duration::ZERO;
        let pauses = [1, 2, 4, 8, 16, 30, 30].map(seconds);
        for expected in pauses {
            pause = longer(pause, Duration::ZERO);
            assert_eq!(pause, expected);
        }
        assert_eq!(longer(seconds(60), seconds(60)), seconds(60));
    }

    /// Answers one request after the other, and ends the connection of one that has none.
    fn server(answers: Vec<Option<(u16, String)>>) -> (u16, std::thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).unwrap() > 0);
                if let Some((status, body)) = answer {
                    let length = body.len();
                    let head = "Content-Type: application/json\r\nConnection: close";
                    write!(
                        stream,
                        "HTTP/1.1 {status} S\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"
                    )
                    .unwrap();
                }
            }
        });
        (port, serving)
    }

    #[test]
    fn a_server_that_is_busy_or_gone_for_a_moment_is_asked_again() {
        let codes = json!({
            "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://a.example/", "interval": 0,
        });
        let busy = json!({"error": "temporarily_unavailable"});
        let (port, serving) = server(vec![
            Some((200, codes.to_string())),
            Some((503, busy.to_string())),
            None,
            Some((200, json!({"access_token": "at", "token_type": "bearer"}).to_string())),
        ]);
        let (mut terminal, output, errors) = terminal("", Vec::new());
        let endpoint = format!("http://127.0.0.1:{port}");
        let words = [
            "claviger",
            "perform",
            "device-code",
            "-e",
            &endpoint,
            "--client-id",
            "tv",
            "--format",
            "json",
        ];
        let ended = crate::cli::run(words.map(Into::into), &mut terminal);
        assert_eq!(ended, ExitCode::SUCCESS, "{}", errors.text());
        assert!(output.text().contains("\"at\""), "{}", output.text());
        let told = errors.text();
        assert_eq!(told.matches("asked again").count(), 1, "{told}");
        assert!(told.contains("503"), "{told}");
        serving.join().unwrap();
    }
}
