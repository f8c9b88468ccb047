//! Where requests may go that are made because a client said so.
//!
//! Addresses by the IANA special-purpose registries (RFC 6890 and its updates). An IPv6 address that carries an IPv4
//! one (mapped, NAT64, 6to4) is judged by both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::config::settings::Outgoing;

/// The operator's decision.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    is_strict: bool,
    exceptions: Vec<String>,
    own: Vec<Url>,
}

/// Networks inside the machine or the operator's own, and those that lead nowhere.
const PRIVATE_V4: [(Ipv4Addr, u32); 14] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

impl Guard {
    pub(super) fn new(settings: &Outgoing) -> Self {
        Self {
            is_strict: settings.disallow_private_ip_ranges,
            exceptions: settings.private_ip_exception_urls.clone(),
            own: own_urls(settings),
        }
    }

    /// Whether `url` may be fetched from any address.
    pub(super) fn is_excepted(&self, url: &Url) -> bool {
        !self.is_strict || self.exceptions.iter().any(|pattern| matches(pattern, url.as_str()))
    }

    /// Whether it is one of the operator's hooks.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        self.own.contains(url)
    }

    /// The first address that a request for `url` may go to.
    pub(super) fn choose<T: Copy>(&self, url: &Url, found: &[T], ip: fn(&T) -> IpAddr) -> Option<T> {
        let is_anywhere = self.is_excepted(url) || self.is_own(url);
        let may_go = |found: &&T| is_anywhere || is_public(ip(found));
        found.iter().find(may_go).copied()
    }
}

/// As the client sends them: a star in one stands for itself.
fn own_urls(settings: &Outgoing) -> Vec<Url> {
    let urls = settings.own_urls.iter();
    urls.filter_map(|url| Url::parse(url).ok()).collect()
}

/// `**` stands for any text and `*` for any without dots and slashes, as in Hydra; an entry may leave out the final
/// slash of an empty path.
fn matches(pattern: &str, url: &str) -> bool {
    glob(pattern.as_bytes(), url.as_bytes())
        || url
            .strip_suffix('/')
            .is_some_and(|url| glob(pattern.as_bytes(), url.as_bytes()))
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on when the rest does not fit: after the star, with one more byte of the text taken by it.
    let (mut p, mut t) = (pattern, text);
    let mut star: Option<(&[u8], &[u8], bool)> = None;
    loop {
        match (p, t) {
            ([b'*', rest @ ..], _) => {
                let (rest, is_wide) = rest.strip_prefix(b"*").map_or((rest, false), |rest| (rest, true));
                star = Some((rest, t, is_wide));
                p = rest;
                continue;
            }
            ([], []) => return true,
            ([a, p_rest @ ..], [b, t_rest @ ..]) if a == b => {
                (p, t) = (p_rest, t_rest);
                continue;
            }
            _ => {}
        }
        match star {
            Some((rest, [taken, after @ ..], is_wide)) if is_wide || !b"./".contains(taken) => {
                star = Some((rest, after, is_wide));
                (p, t) = (rest, after);
            }
            _ => return false,
        }
    }
}

/// Whether an address belongs to the Internet, and neither to this machine nor to a network like the operator's own.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_in = |(network, bits): &(Ipv4Addr, u32)| (address.to_bits() ^ network.to_bits()) >> (32 - bits) == 0;
    !PRIVATE_V4.iter().any(is_in)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let carried = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(carried(high, low)),
        [0x2002, high, low, ..] => is_public_v4(carried(high, low)),
        // Teredo, benchmarking, ORCHID and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Nothing else is global unicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(is_strict: bool, exceptions: &[&str]) -> Guard {
        Guard {
            is_strict,
            exceptions: exceptions.iter().map(|text| (*text).to_owned()).collect(),
            own: Vec::new(),
        }
    }

    fn lets(guard: &Guard, url: &str, address: &str) -> bool {
        let address: IpAddr = address.parse().expect("an address");
        let url = Url::parse(url).expect("a URL");
        guard.choose(&url, &[address], |address| *address).is_some()
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn addresses_of_machines_and_private_networks_are_not() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.19.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn a_name_with_a_private_and_a_public_address_leads_to_the_public_one() {
        let found = ["10.0.0.1", "1.1.1.1"].map(|text| text.parse::<IpAddr>().expect("an address"));
        let url = Url::parse("https://app.example/jwks").expect("a URL");
        assert_eq!(
            guard(true, &[]).choose(&url, &found, |address| *address),
            Some(found[1])
        );
        assert_eq!(
            guard(false, &[]).choose(&url, &found, |address| *address),
            Some(found[0])
        );
    }

    #[test]
    fn exceptions_are_whole_urls() {
        let guard = guard(true, &["http://10.0.0.1/jwks", "http://10.0.0.2"]);
        assert!(lets(&guard, "http://10.0.0.1/jwks", "10.0.0.1"));
        assert!(lets(&guard, "http://10.0.0.2/", "10.0.0.2"));
        for url in [
            "http://10.0.0.1/jwks2",
            "http://10.0.0.1/",
            "https://10.0.0.1/jwks",
            "http://10.0.0.2/x",
        ] {
            assert!(!lets(&guard, url, "10.0.0.1"), "{url}");
        }
    }

    #[test]
    fn the_operators_own_urls_are_meant_literally_and_serve_no_documents() {
        let guard = Guard::new(&Outgoing {
            disallow_private_ip_ranges: true,
            own_urls: vec!["http://Hook.internal:80/a*".to_owned()],
            ..Outgoing::default()
        });
        assert!(lets(&guard, "http://hook.internal/a*", "10.0.0.1"));
        for url in [
            "http://hook.internal/ab",
            "http://hook.internal/",
            "https://hook.internal/a*",
        ] {
            assert!(!lets(&guard, url, "10.0.0.1"), "{url}");
        }
        let own = Url::parse("http://hook.internal/a*").expect("a URL");
        assert!(!guard.is_excepted(&own), "a document there needs TLS as anywhere");
    }

    #[test]
    fn a_star_stands_for_a_part_and_two_stars_for_anything() {
        let guard = guard(true, &["http://*.internal/keys/*", "https://127.0.0.1:**"]);
        assert!(lets(&guard, "http://app.internal/keys/1", "10.0.0.1"));
        assert!(!lets(&guard, "http://a.b.internal/keys/1", "10.0.0.1"));
        assert!(!lets(&guard, "http://app.internal/keys/1/2", "10.0.0.1"));
        assert!(lets(&guard, "https://127.0.0.1:8443/a/b.json", "127.0.0.1"));
        assert!(!lets(&guard, "https://127.0.0.2:8443/a/b.json", "127.0.0.2"));
    }
}
