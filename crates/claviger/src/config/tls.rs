//! How a listener speaks TLS, and whose word about TLS it takes where a proxy speaks it.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::de::DeserializeOwned;

use super::error::ConfigError;
use super::secret::Secret;
use super::values::Values;

/// Where a certificate or a key is.
#[derive(Clone, Debug)]
pub enum Pem {
    /// In this file, which is read again when it changes.
    File(PathBuf),
    /// In the setting itself: PEM in base64.
    Base64(Secret),
}

/// What a listener needs to speak TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate chain, that of the server first.
    pub certificate: Pem,
    /// Its private key.
    pub key: Pem,
    /// Who signs the certificates of clients. Set, a client without one is turned away.
    pub client_ca: Option<Pem>,
}

impl Tls {
    /// `serve.<name>.tls`, and `serve.tls` where that says nothing; none if the listener speaks plain HTTP.
    pub(super) fn from_values(values: &Values, name: &str, is_socket: bool) -> Result<Option<Self>, ConfigError> {
        let enabled: bool = own_or_common(values, name, "enabled")?;
        let own_switch = format!("serve.{name}.tls.enabled");
        let (certificate, key) = (inherited(values, name, "cert")?, inherited(values, name, "key")?);
        let client_ca = match name {
            "admin" => pem(values, "serve.admin.tls.client_ca")?,
            _ => None,
        };
        if is_socket && enabled && values.is_set(&own_switch) {
            let reason = "asks for TLS on a Unix socket, which its mode and owner protect; remove this setting";
            return Err(values.invalid(&own_switch, reason));
        }
        if !enabled || is_socket {
            return match client_ca {
                Some(_) => Err(ConfigError::Refused(
                    "serve.admin.tls.client_ca asks for client certificates, which exist in TLS only: set serve.admin.tls.enabled, and a host that is not a socket".into(),
                )),
                None => Ok(None),
            };
        }
        let missing = |what: &str| {
            let reason = format!(
                "asks for TLS, but there is no {what}: set serve.{name}.tls.{what}.path or serve.tls.{what}.path to a PEM file"
            );
            let switch = if values.is_set(&own_switch) {
                own_switch.as_str()
            } else {
                "serve.tls.enabled"
            };
            values.invalid(switch, reason)
        };
        Ok(Some(Self {
            certificate: certificate.ok_or_else(|| missing("cert"))?,
            key: key.ok_or_else(|| missing("key"))?,
            client_ca,
        }))
    }
}

/// The value of `serve.<name>.tls.<key>` if it was given, or that of `serve.tls.<key>`.
fn own_or_common<T: DeserializeOwned>(values: &Values, name: &str, key: &str) -> Result<T, ConfigError> {
    let own = format!("serve.{name}.tls.{key}");
    let (for_one, for_both) = (values.get(&own)?, values.get(&format!("serve.tls.{key}"))?);
    Ok(if values.is_set(&own) { for_one } else { for_both })
}

fn inherited(values: &Values, name: &str, what: &str) -> Result<Option<Pem>, ConfigError> {
    let own = pem(values, &format!("serve.{name}.tls.{what}"))?;
    let common = pem(values, &format!("serve.tls.{what}"))?;
    Ok(own.or(common))
}

fn pem(values: &Values, path: &str) -> Result<Option<Pem>, ConfigError> {
    let (file, base64) = (format!("{path}.path"), format!("{path}.base64"));
    match (
        values.get::<Option<PathBuf>>(&file)?,
        values.get::<Option<Secret>>(&base64)?,
    ) {
        (Some(_), Some(_)) => Err(values.invalid(&file, format!("and {base64} are both set; keep one"))),
        (Some(path), None) => Ok(Some(Pem::File(path))),
        (None, text) => Ok(text.map(Pem::Base64)),
    }
}

/// Networks whose word is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Networks in CIDR notation, or single addresses.
    #[must_use]
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        texts.into_iter().map(network).collect::<Option<_>>().map(Self)
    }

    /// Whether the address lies in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list at `path`.
    pub(super) fn from_values(values: &Values, path: &str) -> Result<Self, ConfigError> {
        let texts: Option<Vec<String>> = values.get(path)?;
        let networks = Self::parse(texts.iter().flatten().map(String::as_str));
        networks.ok_or_else(|| values.invalid(path, "is not a list of networks"))
    }

    pub(super) fn of_proxies(values: &Values, name: &str) -> Result<Self, ConfigError> {
        let texts: Option<Vec<String>> = own_or_common(values, name, "allow_termination_from")?;
        let networks = Self::parse(texts.iter().flatten().map(String::as_str));
        networks.ok_or_else(|| {
            values.invalid(
                &format!("serve.{name}.tls.allow_termination_from"),
                "is not a list of networks",
            )
        })
    }
}

fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses_also_in_the_ipv6_form_of_ipv4() {
        let networks = Networks::parse(["10.0.0.0/8", "fd00::/8", "192.0.2.7"]).unwrap();
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "192.0.2.7"] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "fe80::1", "192.0.2.8", "::1"] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        assert_eq!(Networks::parse(["10.0.0.0/33"]), None);
        assert_eq!(Networks::parse(["proxy.example"]), None);
    }
}
