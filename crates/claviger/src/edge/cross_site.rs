//! The admin port's guard against web pages: who may call it is decided by who reaches it, and every page in a browser on
//! this machine does.
//!
//! Attacks: cross-site requests (a page posts without being able to read; Fetch Metadata, and `Origin` where that is not
//! sent), DNS rebinding (a page's own name is made to point here, so the browser calls it the same origin; RFC 9110 §7.4:
//! a server must judge the `Host` that it was asked for). Programs send neither header and are not concerned.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Uri};

use super::cors::CrossOrigin;
use crate::config::listener::Listener;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the guard judges by.
pub struct Guard {
    cors: Arc<CrossOrigin>,
    /// Where nobody from outside can connect, the names under which programs on this machine do.
    local_host: Option<String>,
}

impl Guard {
    /// The guard of a listener, which lets pass the pages that its CORS settings list.
    #[must_use]
    pub fn new(cors: Arc<CrossOrigin>, listener: &Listener) -> Self {
        Self {
            cors,
            local_host: listener.is_local().then(|| listener.host.clone()),
        }
    }

    /// Why the request is refused, if it is.
    pub(super) fn objects(&self, headers: &HeaderMap, uri: &Uri) -> Option<&'static str> {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let origin = text(ORIGIN);
        let is_listed = origin.is_some_and(|origin| self.cors.allows(origin));
        let is_elsewhere = text(FETCH_SITE).is_some_and(|site| !matches!(site, "none" | "same-origin"));
        if !is_listed && (origin.is_some() || is_elsewhere) {
            return Some(
                "A web page sent this request. Call the admin port from a program, or list the page's origin in \
                 serve.admin.cors.allowed_origins and set serve.admin.cors.enabled.",
            );
        }
        let host = uri.authority().map(http::uri::Authority::as_str).or(text(HOST));
        match (&self.local_host, host) {
            (Some(own), Some(host)) if !is_local_name(host, own) => Some(
                "The Host header names another machine, but this port is for this machine only. Send 127.0.0.1 or \
                 localhost, also from a proxy.",
            ),
            _ => None,
        }
    }
}

/// An address, this machine, or the name that the listener itself has. A Unix socket has none: everything passes.
fn is_local_name(host: &str, own: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']).to_ascii_lowercase();
    own.starts_with("unix:")
        || name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || name == own.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::cors::Cors;
    use crate::config::listener::SocketFile;
    use crate::config::tls::Networks;

    fn objects(host: &str, cors: Cors, headers: &[(&'static str, &str)]) -> bool {
        let listener = Listener {
            host: host.to_owned(),
            port: 4445,
            quiet_health: false,
            v1_paths: true,
            cors: cors.clone(),
            tls: None,
            proxies: Networks::default(),
            socket: SocketFile::default(),
            listen_file: None,
        };
        let guard = Guard::new(Arc::new(CrossOrigin::admin(cors)), &listener);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header value"));
        }
        guard.objects(&map, &Uri::from_static("/admin/clients")).is_some()
    }

    #[test]
    fn programs_pass() {
        for host in ["127.0.0.1:4445", "localhost:4445", "[::1]:4445", "claviger.localhost"] {
            assert!(!objects("127.0.0.1", Cors::default(), &[("host", host)]), "{host}");
        }
        assert!(!objects("127.0.0.1", Cors::default(), &[]));
    }

    #[test]
    fn pages_do_not() {
        for sent in [
            [("sec-fetch-site", "cross-site"), ("host", "localhost")],
            [("sec-fetch-site", "same-site"), ("host", "localhost")],
            [("origin", "https://evil.example"), ("host", "localhost")],
            [("origin", "null"), ("host", "localhost")],
        ] {
            assert!(objects("127.0.0.1", Cors::default(), &sent), "{sent:?}");
        }
    }

    #[test]
    fn a_listed_page_passes() {
        let cors = Cors {
            enabled: true,
            allowed_origins: vec!["https://console.example".to_owned()],
            ..Cors::default()
        };
        let sent = [("origin", "https://console.example"), ("sec-fetch-site", "cross-site")];
        assert!(!objects("127.0.0.1", cors.clone(), &sent));
        assert!(objects("127.0.0.1", cors, &[("origin", "https://evil.example")]));
    }

    #[test]
    fn a_name_that_was_made_to_point_here_is_refused_where_only_this_machine_can_call() {
        let rebound = [("host", "evil.example:4445")];
        assert!(objects("127.0.0.1", Cors::default(), &rebound));
        assert!(objects("localhost", Cors::default(), &rebound));
        assert!(!objects(
            "10.0.0.5",
            Cors::default(),
            &[("host", "admin.internal:4445")]
        ));
        assert!(!objects("unix:/run/claviger.sock", Cors::default(), &rebound));
    }
}
