//! Proxies before the server: whose word is taken about where a request came from, and whether it came encrypted.
//!
//! `X-Forwarded-For` and `X-Forwarded-Proto` count only from the networks of `tls.allow_termination_from`: anybody can
//! write these headers. `X-Forwarded-Host` never counts, because links are made from the settings. Attacks: a forged
//! client address, a request in the clear that claims to have been encrypted.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName};

use super::call::{Arrival, Peer};
use super::reply;
use crate::config::tls::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Probes come from the machine or the cluster itself, in the clear.
const PROBES: &[&str] = &["/health/alive", "/health/ready", "/metrics/prometheus"];

/// The address of the client itself: that of the peer, or what trusted proxies say of it; none on a Unix socket.
///
/// The list is read from its end, where the nearest proxy wrote: the first address that is not a trusted proxy's is the
/// client's, and whatever stands before it may be invented.
#[must_use]
pub fn client_address(peer: Peer, headers: &HeaderMap, proxies: &Networks) -> Option<IpAddr> {
    let mut address = peer.ip();
    let lists = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = lists.flat_map(|list| list.to_str().unwrap_or_default().rsplit(','));
    for hop in hops {
        let is_trusted = match address {
            Some(address) => proxies.contains(address),
            None => !proxies.is_empty(),
        };
        match (is_trusted, address_of(hop)) {
            (true, Some(named)) => address = Some(named),
            _ => break,
        }
    }
    address
}

/// Some proxies add the port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let alone = hop.trim_matches(['[', ']']).parse::<IpAddr>();
    let with_port = || hop.parse::<std::net::SocketAddr>().map(|address| address.ip());
    alone
        .or_else(|_| with_port())
        .ok()
        .map(|address| address.to_canonical())
}

/// The layer of a port that speaks plain HTTP behind proxies: what did not come through one, encrypted, is refused.
pub async fn demand_tls(State(proxies): State<Arc<Networks>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let path = path.strip_prefix("/admin").unwrap_or(path);
    let peer = request
        .extensions()
        .get::<Arrival>()
        .map_or(Peer::Local, |arrival| arrival.peer);
    if PROBES.contains(&path) || came_encrypted(peer, request.headers(), &proxies) {
        next.run(request).await
    } else {
        reply::unencrypted()
    }
}

/// A process on this machine that reaches our socket is a proxy that the operator put there.
fn came_encrypted(peer: Peer, headers: &HeaderMap, proxies: &Networks) -> bool {
    let is_proxy = peer.ip().is_none_or(|address| proxies.contains(address));
    let mut says = headers.get_all(FORWARDED_PROTO).iter();
    let says_https =
        matches!((says.next(), says.next()), (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"https"));
    is_proxy && says_https
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies() -> Networks {
        Networks::parse(["10.0.0.0/8"]).unwrap()
    }

    fn peer(address: &str) -> Peer {
        Peer::Network(format!("{address}:1234").parse().unwrap())
    }

    fn client(from: Peer, lists: &[&'static str]) -> Option<IpAddr> {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(list));
        }
        client_address(from, &headers, &proxies())
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_stranger_is_where_it_connects_from_whatever_it_says() {
        assert_eq!(client(peer("192.0.2.1"), &["198.51.100.9"]), ip("192.0.2.1"));
        assert_eq!(client(peer("192.0.2.1"), &["10.0.0.1"]), ip("192.0.2.1"));
    }

    #[test]
    fn a_proxy_names_the_client_and_what_the_client_wrote_before_does_not_count() {
        assert_eq!(client(peer("10.0.0.1"), &["1.1.1.1, 198.51.100.9"]), ip("198.51.100.9"));
        assert_eq!(
            client(peer("10.0.0.1"), &["1.1.1.1", "198.51.100.9, 10.0.0.2"]),
            ip("198.51.100.9")
        );
        assert_eq!(client(peer("10.0.0.1"), &["[2001:db8::1]:443"]), ip("2001:db8::1"));
        assert_eq!(client(Peer::Local, &["198.51.100.9"]), ip("198.51.100.9"));
    }

    #[test]
    fn without_a_readable_word_of_the_proxy_the_proxy_is_the_client() {
        assert_eq!(client(peer("10.0.0.1"), &[]), ip("10.0.0.1"));
        assert_eq!(client(peer("10.0.0.1"), &["198.51.100.9, unknown"]), ip("10.0.0.1"));
        assert_eq!(client(Peer::Local, &[]), None);
    }

    #[test]
    fn only_a_proxy_can_say_that_a_request_came_encrypted() {
        let says = |word| HeaderMap::from_iter([(FORWARDED_PROTO, HeaderValue::from_static(word))]);
        assert!(came_encrypted(peer("10.0.0.1"), &says("https"), &proxies()));
        assert!(!came_encrypted(peer("10.0.0.1"), &says("http"), &proxies()));
        assert!(!came_encrypted(peer("192.0.2.1"), &says("https"), &proxies()));
        let mut twice = says("https");
        twice.append(FORWARDED_PROTO, HeaderValue::from_static("http"));
        assert!(!came_encrypted(peer("10.0.0.1"), &twice, &proxies()));
    }

    proptest::proptest! {
        /// Whatever strangers wrote, they are where they connect from; behind proxies, the nearest word that no proxy of
        /// ours wrote about another counts.
        #[test]
        fn forwarded_lists_are_read_as_a_slow_model_says(
            hops in proptest::collection::vec((0..4_usize, 0..250_u8, 0..5_usize), 0..8), noise in "[0-9a-f.:, \\[\\]]{0,24}",
        ) {
            let hops: Vec<(String, Option<IpAddr>)> = hops.into_iter().map(|(kind, last, form)| {
                let address = [format!("10.1.2.{last}"), format!("198.51.100.{last}"), format!("2001:db8::{last:x}"), format!("::ffff:10.0.0.{last}")][kind].clone();
                let canonical = address.parse::<IpAddr>().expect("an address").to_canonical();
                let bracketed = if address.contains(':') { format!("[{address}]") } else { address.clone() };
                match form {
                    0 => (" unknown ".to_owned(), None),
                    1 => (format!("{bracketed}:443"), Some(canonical)),
                    2 => (bracketed, Some(canonical)),
                    _ => (format!(" {address}"), Some(canonical)),
                }
            }).collect();
            let list = hops.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(",");
            let headers = HeaderMap::from_iter([(FORWARDED_FOR, HeaderValue::from_str(&list).expect("text"))]);
            let stranger = peer("203.0.113.1");
            proptest::prop_assert_eq!(client_address(stranger, &headers, &proxies()), stranger.ip());
            let mut expected = ip("10.0.0.1");
            for (_, named) in hops.iter().rev() {
                match named {
                    Some(_) if expected.is_some_and(|known| proxies().contains(known)) => expected = *named,
                    _ => break,
                }
            }
            proptest::prop_assert_eq!(client_address(peer("10.0.0.1"), &headers, &proxies()), expected, "{}", list);
            let behind = format!("{noise}, 198.51.100.7");
            let headers = HeaderMap::from_iter([(FORWARDED_FOR, HeaderValue::from_str(&behind).expect("text"))]);
            proptest::prop_assert_eq!(client_address(peer("10.0.0.1"), &headers, &proxies()), ip("198.51.100.7"));
        }

        #[test]
        fn only_the_one_word_https_of_a_proxy_says_that_a_request_came_encrypted(words in proptest::collection::vec("https|HTTPS|http|https, http| https|", 0..3)) {
            let mut headers = HeaderMap::new();
            for word in &words {
                headers.append(FORWARDED_PROTO, HeaderValue::from_str(word).expect("text"));
            }
            let says = words.len() == 1 && words[0].eq_ignore_ascii_case("https");
            proptest::prop_assert_eq!(came_encrypted(peer("10.0.0.1"), &headers, &proxies()), says);
            proptest::prop_assert_eq!(came_encrypted(Peer::Local, &headers, &proxies()), says);
            proptest::prop_assert!(!came_encrypted(peer("203.0.113.1"), &headers, &proxies()));
        }
    }
}
