//! A relying party that nobody here wrote, in C: Debian's `libapache2-mod-auth-openidc`, in an Apache of its own on loopback.

use std::fs;
use std::process::Command;
use std::time::Instant;

use claviger_e2e::client::parameter;
use claviger_e2e::flow::{SUBJECT, text};
use claviger_e2e::process::{PATIENCE, Process};
use claviger_e2e::{Answer, Http, Request, Server, logout, ports};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

const MODULES: &str = "/usr/lib/apache2/modules";

/// An Apache whose folder `private` is for people who logged in at the server.
struct Apache {
    origin: String,
    _process: Process,
    _directory: TempDir,
}

impl Apache {
    async fn start(server: &Server, port: u16, secret: &str) -> Self {
        let module = format!("{MODULES}/mod_auth_openidc.so");
        assert!(
            fs::exists(&module).unwrap(),
            "apt-get install apache2 libapache2-mod-auth-openidc"
        );
        let directory = tempfile::Builder::new().prefix("claviger-apache-").tempdir().unwrap();
        let (root, origin) = (directory.path(), format!("http://127.0.0.1:{port}"));
        fs::create_dir_all(root.join("www/private")).unwrap();
        fs::write(root.join("www/private/index.html"), "private").unwrap();
        fs::write(root.join("www/goodbye.html"), "goodbye").unwrap();
        fs::write(
            root.join("httpd.conf"),
            configuration(server, &root.display().to_string(), port, secret),
        )
        .unwrap();
        // Started by root it serves as another user, who must get at the pages.
        Command::new("chmod").args(["-R", "a+rX"]).arg(root).status().unwrap();
        let mut command = Command::new("/usr/sbin/apache2");
        command.arg("-f").arg(root.join("httpd.conf")).arg("-DFOREGROUND");
        let process = Process::start("apache2", &mut command);
        let deadline = Instant::now() + PATIENCE;
        while Http::new()
            .try_send(Request::get(&format!("{origin}/goodbye.html")))
            .await
            .is_err()
        {
            assert!(Instant::now() < deadline, "Apache does not serve");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Self {
            origin,
            _process: process,
            _directory: directory,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

fn configuration(server: &Server, root: &str, port: u16, secret: &str) -> String {
    let modules = [
        ("mpm_event_module", "mod_mpm_event"),
        ("authn_core_module", "mod_authn_core"),
        ("authz_core_module", "mod_authz_core"),
        ("authz_user_module", "mod_authz_user"),
        ("headers_module", "mod_headers"),
        ("auth_openidc_module", "mod_auth_openidc"),
    ];
    let modules: String = modules
        .iter()
        .map(|(name, file)| format!("LoadModule {name} {MODULES}/{file}.so\n"))
        .collect();
    let metadata = server.public("/.well-known/openid-configuration");
    format!(
        r#"
ServerRoot {root}
PidFile {root}/pid
Listen 127.0.0.1:{port}
ServerName 127.0.0.1
ErrorLog /dev/stderr
User www-data
Group www-data
Mutex pthread
{modules}
ServerLimit 1
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
DocumentRoot {root}/www
OIDCProviderMetadataURL {metadata}
OIDCClientID apache
OIDCClientSecret {secret}
OIDCRedirectURI http://127.0.0.1:{port}/callback
OIDCCryptoPassphrase passphrase-of-the-test
OIDCScope "openid profile"
OIDCPKCEMethod S256
OIDCProviderBackChannelLogoutSupported On
<Location /callback>
    AuthType openid-connect
    Require valid-user
</Location>
<Location /private>
    AuthType openid-connect
    Require valid-user
    Header always set X-Subject "%{{OIDC_CLAIM_sub}}e"
    Header always set X-Email "%{{OIDC_CLAIM_email}}e"
    Header always set X-Session "%{{OIDC_CLAIM_sid}}e"
    Header always set X-Issuer "%{{OIDC_CLAIM_iss}}e"
</Location>
"#
    )
}

/// Whoever takes no HTML is no browser to the module, and not sent anywhere.
async fn visit(browser: &mut Http, url: &str) -> Answer {
    browser.send(Request::get(url).header("accept", "text/html")).await
}

/// The browser goes where it is sent, with yes to every question on the way, until something else than a redirect comes.
async fn browse(server: &Server, browser: &mut Http, url: &str) -> Answer {
    let mut next = url.to_owned();
    for _ in 0..20 {
        let answer = visit(browser, &next).await;
        if answer.status != 302 && answer.status != 303 {
            return answer;
        }
        let location = answer.location();
        next = match question(&location) {
            Some((kind, challenge)) => agree(server, kind, &challenge).await,
            None => location.to_string(),
        };
    }
    panic!("no way from {url}, but to {next}");
}

fn question(url: &Url) -> Option<(&'static str, String)> {
    let kinds = ["login", "consent", "logout"].into_iter();
    kinds
        .filter_map(|kind| Some((kind, parameter(url, &format!("{kind}_challenge"))?)))
        .next()
}

async fn agree(server: &Server, kind: &str, challenge: &str) -> String {
    let body = match kind {
        "login" => json!({"subject": SUBJECT, "remember": true}),
        "consent" => json!({"grant_scope": ["openid", "profile"], "session": {"id_token": {"email": SUBJECT}}}),
        _ => Value::Null,
    };
    let path = format!("/admin/oauth2/auth/requests/{kind}/accept?{kind}_challenge={challenge}");
    let answer = Http::new().send(Request::put(&server.admin(&path)).json(&body)).await;
    assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
    text(&answer.json(), "redirect_to")
}

#[tokio::test]
async fn apache_lets_a_person_in_knows_who_it_is_and_logs_out_by_both_channels() {
    let (_database, server) = logout::server().await;
    let port = ports::free();
    let origin = format!("http://127.0.0.1:{port}");
    let secret = "correct-horse-battery";
    server
        .create_client(&json!({
            "client_id": "apache", "client_secret": secret, "scope": "openid profile",
            "redirect_uris": [format!("{origin}/callback")],
            "post_logout_redirect_uris": [format!("{origin}/goodbye.html")],
            "backchannel_logout_uri": format!("{origin}/callback?logout=backchannel"),
            "backchannel_logout_session_required": true,
        }))
        .await;
    let apache = Apache::start(&server, port, secret).await;
    let private = apache.url("/private/index.html");
    let mut browser = Http::new();
    let page = browse(&server, &mut browser, &private).await;
    assert_eq!((page.status, page.text().as_str()), (200, "private"));
    assert_eq!(page.header("x-subject"), SUBJECT);
    assert_eq!(page.header("x-email"), SUBJECT, "from userinfo");
    assert_eq!(page.header("x-issuer"), server.public("/"));

    // RP-Initiated Logout: the module shows its ID token, and the person lands where the application said.
    let goodbye = apache.url("/goodbye.html");
    let leaving = apache.url(&format!("/callback?logout={goodbye}"));
    let page = browse(&server, &mut browser, &leaving).await;
    assert_eq!((page.status, page.text().as_str()), (200, "goodbye"));
    assert_eq!(
        visit(&mut browser, &private).await.status,
        302,
        "nobody is logged in any more"
    );

    // Back-Channel Logout: the operator ends the session, and Apache is told.
    let page = browse(&server, &mut browser, &private).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let path = format!("/admin/oauth2/auth/sessions/login?sid={}", page.header("x-session"));
    assert_eq!(
        Http::new().send(Request::delete(&server.admin(&path))).await.status,
        204
    );
    let deadline = Instant::now() + PATIENCE;
    while visit(&mut browser, &private).await.status == 200 {
        assert!(Instant::now() < deadline, "Apache was never told: {}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
