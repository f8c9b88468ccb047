//! What a person reads who has started development mode: where it is, and how to go through a first flow.

use std::io::Write;

use super::ports::Side;
use crate::config::{Dsn, Settings};

/// Where the second command waits for the browser to come back.
const CALLBACK: &str = "http://127.0.0.1:4446/callback";

/// Says it on standard output, which has nothing else; logs are on standard error.
pub(super) fn print(settings: &Settings, sides: &[Side]) {
    let text = text(settings, sides);
    let mut output = std::io::stdout().lock();
    // Whoever closed it does not want to read it.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

fn text(settings: &Settings, sides: &[Side]) -> String {
    let public = settings.urls.public.trim_end_matches('/');
    let admin = admin_url(settings);
    let mut text = "\nClaviger in development mode. Never open it to the internet.\n\n".to_owned();
    if sides.contains(&Side::Public) {
        text.push_str(&format!("  public port, for browsers and applications   {public}\n"));
    }
    if sides.contains(&Side::Admin) {
        text.push_str(&format!("  admin port, for your own services            {admin}\n"));
    }
    if sides.len() == 2 {
        text.push_str(&first_flow(public, &admin));
        text.push_str(&what_stays(settings));
    }
    text.push('\n');
    text
}

/// A socket is named as the commands take it.
fn admin_url(settings: &Settings) -> String {
    match settings.admin.authority() {
        Some(authority) => format!("{}://{authority}", settings.admin.scheme()),
        None => settings.admin.host.replacen("unix:", "unix://", 1),
    }
}

/// Two commands that run as they stand.
fn first_flow(public: &str, admin: &str) -> String {
    format!(
        "
Register a first application:

  claviger create client --endpoint {admin} \\
      --id first-app --secret first-app-secret --name 'First app' \\
      --grant-type authorization_code,refresh_token --response-type code \\
      --scope openid,offline --redirect-uri {CALLBACK}

Log in to it with your browser, under any name:

  claviger perform authorization-code --endpoint {public} \\
      --client-id first-app --client-secret first-app-secret

Ctrl-C stops the server. "
    )
}

fn what_stays(settings: &Settings) -> String {
    match settings.dsn() {
        Ok(Dsn::Memory) | Err(_) => "Its data is in memory only, and gone then.\n".to_owned(),
        Ok(dsn) => format!("Its data stays in {dsn}, and the next start goes on with it.\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Purpose, Sources, load};

    fn dev(env: &[(&str, &str)]) -> (tempfile::TempDir, Settings) {
        let directory = tempfile::tempdir().unwrap();
        let mut env: Vec<_> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        env.push(("DEV".to_owned(), "true".to_owned()));
        let sources = Sources {
            env,
            directory: directory.path().to_owned(),
            purpose: Purpose::Serve {
                public: true,
                admin: true,
            },
            ..Sources::default()
        };
        (directory, load(sources).unwrap())
    }

    #[test]
    fn both_addresses_and_both_commands_are_told() {
        let (_directory, settings) = dev(&[("SERVE_PUBLIC_PORT", "5004"), ("SERVE_ADMIN_PORT", "5005")]);
        let text = text(&settings, &[Side::Public, Side::Admin]);
        for told in [
            "  http://127.0.0.1:5004\n",
            "  http://127.0.0.1:5005\n",
            "  claviger create client --endpoint http://127.0.0.1:5005 \\\n",
            "  claviger perform authorization-code --endpoint http://127.0.0.1:5004 \\\n",
            "claviger.sqlite, and the next start goes on with it.\n",
        ] {
            assert!(text.contains(told), "{told:?} is not in:\n{text}");
        }
    }

    #[test]
    fn one_port_alone_is_told_without_commands_that_need_the_other() {
        let (_directory, settings) = dev(&[]);
        let text = text(&settings, &[Side::Admin]);
        assert!(
            text.contains(":4445") && !text.contains(":4444") && !text.contains("create client"),
            "{text}"
        );
    }
}
