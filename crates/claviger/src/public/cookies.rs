//! The cookies of the authorization endpoint.
//!
//! RFC 6265. The login session has one; every flow that is on its way has one for each of its stages, named after the flow,
//! so that many tabs do not disturb each other. Attacks: cookie floods (only the youngest flows are kept), cross-site
//! requests (SameSite, HttpOnly, Secure by configuration).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_core::authorize::{Browser, CookieChange, Stage};
use claviger_core::context::Id;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::config::settings::{Cookies, SameSite};

/// How many flows a browser may have on their way at each stage.
const MOST_FLOWS: usize = 16;

/// What browsers without SameSite=None get besides (`serve.cookies.same_site_legacy_workaround`).
const LEGACY: &str = "_legacy";

/// The cookies of one request, and how they are written.
pub(super) struct Jar<'a> {
    settings: &'a Cookies,
    pairs: Vec<(String, String)>,
}

impl<'a> Jar<'a> {
    /// Reads what the browser sent. What is no cookie of ours, or unreadable, is left alone.
    #[must_use]
    pub(super) fn read(settings: &'a Cookies, headers: &HeaderMap) -> Self {
        let pairs = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { settings, pairs }
    }

    /// The values, for the protocol.
    #[must_use]
    pub(super) fn browser(&self) -> Browser {
        let marks = |stage| {
            let prefix = self.prefix(stage);
            let ours = self.pairs.iter().filter(|(name, _)| name.starts_with(&prefix));
            ours.map(|(_, value)| value.clone()).collect()
        };
        let session = self.pairs.iter().find(|(name, _)| *name == self.settings.session);
        Browser {
            session: session
                .map(|(_, value)| value.clone())
                .filter(|value| !value.is_empty()),
            login_marks: marks(Stage::Login),
            consent_marks: marks(Stage::Consent),
            device_marks: marks(Stage::Device),
        }
    }

    /// Writes the changes into the headers of the answer. A flow may be on its way for `life`.
    pub(super) fn write(&self, life: Duration, changes: &[CookieChange], headers: &mut HeaderMap) {
        for change in changes {
            match change {
                CookieChange::Mark(stage, flow, value) => {
                    let name = self.name(*stage, *flow);
                    self.put(headers, &name, value, "/", life.as_secs());
                    self.prune(*stage, &name, headers);
                }
                CookieChange::Unmark(stage, flow) => {
                    let name = self.name(*stage, *flow);
                    if self.pairs.iter().any(|(sent, _)| *sent == name) {
                        self.put(headers, &name, "", "/", 0);
                    }
                }
                CookieChange::Session { value, life } => {
                    let path = &self.settings.session_path;
                    self.add(headers, &self.settings.session, value, path, life.as_secs(), true);
                }
                CookieChange::EndSession => {
                    let path = &self.settings.session_path;
                    self.add(headers, &self.settings.session, "", path, 0, true);
                }
            }
        }
    }

    /// Removes the oldest flows of a browser that has too many besides the one that was just marked: their names tell their
    /// age.
    fn prune(&self, stage: Stage, marked: &str, headers: &mut HeaderMap) {
        let prefix = self.prefix(stage);
        let mut flows: Vec<(Vec<u8>, &str)> = self
            .pairs
            .iter()
            .filter(|(name, _)| name != marked)
            .filter_map(|(name, _)| {
                let age = URL_SAFE_NO_PAD.decode(name.strip_prefix(&prefix)?).ok()?;
                Some((age, name.as_str()))
            })
            .collect();
        flows.sort();
        let surplus = (flows.len() + 1).saturating_sub(MOST_FLOWS);
        for (_, name) in flows.into_iter().take(surplus) {
            self.put(headers, name, "", "/", 0);
        }
    }

    fn prefix(&self, stage: Stage) -> String {
        match stage {
            Stage::Login => format!("{}_", self.settings.login_csrf),
            Stage::Consent => format!("{}_", self.settings.consent_csrf),
            Stage::Device => format!("{}_", self.settings.device_csrf),
        }
    }

    /// Twelve characters of the flow's id: its time, and three random bytes.
    fn name(&self, stage: Stage, flow: Id) -> String {
        let [a, b, c, d, e, f, .., x, y, z] = flow.0;
        let short = URL_SAFE_NO_PAD.encode([a, b, c, d, e, f, x, y, z]);
        format!("{}{short}", self.prefix(stage))
    }

    fn put(&self, headers: &mut HeaderMap, name: &str, value: &str, path: &str, seconds: u64) {
        self.add(headers, name, value, path, seconds, true);
        if self.settings.legacy_workaround && self.settings.same_site == SameSite::None {
            self.add(headers, &format!("{name}{LEGACY}"), value, path, seconds, false);
        }
    }

    fn add(&self, headers: &mut HeaderMap, name: &str, value: &str, path: &str, seconds: u64, same_site: bool) {
        let mut cookie = format!("{name}={value}; Path={path}");
        if let Some(domain) = &self.settings.domain {
            cookie.push_str("; Domain=");
            cookie.push_str(domain);
        }
        cookie.push_str(&format!("; Max-Age={seconds}; HttpOnly"));
        if self.settings.secure {
            cookie.push_str("; Secure");
        }
        if same_site {
            cookie.push_str(match self.settings.same_site {
                SameSite::Strict => "; SameSite=Strict",
                SameSite::Lax => "; SameSite=Lax",
                SameSite::None => "; SameSite=None",
            });
        }
        match HeaderValue::from_str(&cookie) {
            Ok(cookie) => {
                headers.append(SET_COOKIE, cookie);
            }
            Err(_) => tracing::error!(
                name,
                "a cookie has characters that no header can carry; check serve.cookies"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Cookies {
        Cookies {
            domain: None,
            secure: true,
            same_site: SameSite::None,
            legacy_workaround: false,
            session: "session".into(),
            login_csrf: "login".into(),
            consent_csrf: "consent".into(),
            device_csrf: "device".into(),
            session_path: "/".into(),
        }
    }

    fn flow(age: u8) -> Id {
        Id([0, 0, 0, 0, 0, age, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3])
    }

    /// The changes as the browser sees them.
    fn written(settings: &Cookies, sent: &str, changes: &[CookieChange]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(sent).expect("a cookie line"));
        let mut answer = HeaderMap::new();
        Jar::read(settings, &headers).write(Duration::from_secs(1800), changes, &mut answer);
        answer
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("text").to_owned())
            .collect()
    }

    #[test]
    fn a_flow_and_a_session_are_kept_from_scripts_and_other_sites() {
        let session = CookieChange::Session {
            value: "abc".into(),
            life: Duration::from_secs(60),
        };
        let mark = CookieChange::Mark(Stage::Login, flow(1), "m".into());
        let cookies = written(&settings(), "", &[session, mark]);
        assert_eq!(
            cookies[0],
            "session=abc; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=None"
        );
        assert!(
            cookies[1].starts_with("login_AAAAAAABAQID=m; Path=/; Max-Age="),
            "{cookies:?}"
        );
    }

    #[test]
    fn old_browsers_get_a_twin_without_same_site() {
        let legacy = Cookies {
            legacy_workaround: true,
            ..settings()
        };
        let mark = CookieChange::Mark(Stage::Consent, flow(1), "m".into());
        let cookies = written(&legacy, "", &[mark]);
        assert_eq!(cookies.len(), 2);
        assert!(
            cookies[1].contains("_legacy=m") && !cookies[1].contains("SameSite"),
            "{cookies:?}"
        );
    }

    #[test]
    fn only_the_youngest_flows_stay() {
        let settings = settings();
        let none = HeaderMap::new();
        let jar = Jar::read(&settings, &none);
        let sent: Vec<String> = (1..=20)
            .map(|age| format!("{}=m", jar.name(Stage::Login, flow(age))))
            .collect();
        let mark = CookieChange::Mark(Stage::Login, flow(21), "m".into());
        let cookies = written(&settings, &sent.join("; "), &[mark]);
        let removed: Vec<&String> = cookies.iter().filter(|cookie| cookie.contains("Max-Age=0")).collect();
        assert_eq!(removed.len(), 5);
        assert!(removed[0].starts_with(&jar.name(Stage::Login, flow(1))), "{removed:?}");
    }

    #[test]
    fn rfc6265_4_2_cookies_are_read_whatever_stands_around_them() {
        let settings = settings();
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            HeaderValue::from_static("=; ;;a; session=s; login_x=1;login_y=2"),
        );
        headers.append(COOKIE, HeaderValue::from_static("consent_z=3"));
        let browser = Jar::read(&settings, &headers).browser();
        assert_eq!(browser.session.as_deref(), Some("s"));
        assert_eq!(browser.login_marks, ["1", "2"]);
        assert_eq!(browser.consent_marks, ["3"]);
    }

    /// What a browser has after each answer: it does what it is told.
    #[derive(Default)]
    struct Kept(std::collections::BTreeMap<String, String>);

    impl Kept {
        fn sent(&self) -> String {
            let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
            pairs.join("; ")
        }

        /// Takes the answer, and says which cookies it removed.
        fn take(&mut self, answer: &[String]) -> Vec<String> {
            let mut removed = Vec::new();
            for line in answer {
                let (name, rest) = line.split_once('=').expect("a name");
                let (value, attributes) = rest.split_once(';').expect("attributes");
                if attributes.contains("Max-Age=0;") {
                    removed.extend(self.0.remove(name).map(|_| name.to_owned()));
                } else {
                    self.0.insert(name.to_owned(), value.to_owned());
                }
            }
            removed
        }
    }

    #[test]
    fn the_oldest_of_many_flows_survives_that_its_page_is_loaded_again() {
        let settings = settings();
        let none = HeaderMap::new();
        let jar = Jar::read(&settings, &none);
        let sent: Vec<String> = (1..=16)
            .map(|age| format!("{}=m", jar.name(Stage::Consent, flow(age))))
            .collect();
        let mark = CookieChange::Mark(Stage::Consent, flow(1), "m".into());
        let cookies = written(&settings, &sent.join("; "), &[mark]);
        assert!(
            !cookies.iter().any(|cookie| cookie.contains("Max-Age=0")),
            "{cookies:?}"
        );
    }

    proptest::proptest! {
        /// Whatever flows begin and end in whatever order: a flow that begins is kept, at most sixteen of a stage are, and
        /// who has to go is older than who stays.
        #[test]
        fn a_browser_keeps_the_flow_that_begins_and_the_youngest_others(
            steps in proptest::collection::vec((0..3_usize, 0..24_u8, 0..5_u8), 1..120), legacy_workaround: bool,
        ) {
            let settings = Cookies { legacy_workaround, ..settings() };
            let none = HeaderMap::new();
            let names = Jar::read(&settings, &none);
            let mut kept = Kept::default();
            for (stage, age, ending) in steps {
                let stage = [Stage::Login, Stage::Consent, Stage::Device][stage];
                let name = names.name(stage, flow(age));
                let change = match ending {
                    0 => CookieChange::Unmark(stage, flow(age)),
                    _ => CookieChange::Mark(stage, flow(age), format!("m{age}")),
                };
                let removed = kept.take(&written(&settings, &kept.sent(), &[change]));
                proptest::prop_assert_eq!(kept.0.contains_key(&name), ending > 0);
                let prefix = names.prefix(stage);
                let mine = |name: &&String| name.starts_with(&prefix) && !name.ends_with(LEGACY);
                let all = kept.0.keys().filter(mine).count();
                proptest::prop_assert!(all <= MOST_FLOWS, "{} of {}", all, prefix);
                let left: Vec<&String> = kept.0.keys().filter(mine).filter(|left| **left != name).collect();
                let age = |name: &String| URL_SAFE_NO_PAD.decode(&name[prefix.len()..]).expect("base64");
                let gone = removed.iter().filter(mine).filter(|gone| **gone != name).map(age).max();
                proptest::prop_assert!(gone <= left.iter().map(|left| age(left)).min() || gone.is_none());
                let twins = kept.0.keys().filter(|name| name.ends_with(LEGACY)).count();
                proptest::prop_assert_eq!(twins, if legacy_workaround { kept.0.len() / 2 } else { 0 });
            }
        }

        /// Whatever is sent, what is ours is found in it, and the answer touches nothing else.
        #[test]
        fn headers_of_any_shape_are_read(
            lines in proptest::collection::vec("((session|login_|consent_|x)[a-zA-Z0-9_-]{0,24}=?[ -~]{0,20};? ?){0,20}", 0..3),
        ) {
            let settings = settings();
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(COOKIE, HeaderValue::from_str(line).expect("printable text"));
            }
            headers.append(COOKIE, HeaderValue::from_static("session=ours; login_ours=1"));
            let jar = Jar::read(&settings, &headers);
            let browser = jar.browser();
            proptest::prop_assert!(browser.session.is_some() || lines.iter().any(|line| line.contains("session=")));
            proptest::prop_assert_eq!(browser.login_marks.last().map(String::as_str), Some("1"));
            let mut answer = HeaderMap::new();
            let changes = [
                CookieChange::Mark(Stage::Login, flow(9), "mark".to_owned()),
                CookieChange::Unmark(Stage::Consent, flow(9)),
                CookieChange::EndSession,
            ];
            jar.write(Duration::from_secs(60), &changes, &mut answer);
            for cookie in answer.get_all(SET_COOKIE) {
                let cookie = cookie.to_str().expect("text");
                let name = cookie.split('=').next().expect("a name");
                let is_sent = lines.iter().any(|line| line.contains(&format!("{name}=")));
                let is_ours = name == "session" || name == names_of(&jar, 9);
                proptest::prop_assert!(is_ours || is_sent && name.starts_with("login_"), "{}", cookie);
            }
        }
    }

    fn names_of(jar: &Jar<'_>, age: u8) -> String {
        jar.name(Stage::Login, flow(age))
    }
}
