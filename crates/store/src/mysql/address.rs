//! The address of a MySQL server, in the form of Go's driver (`mysql://user:pass@tcp(host:3306)/db`) and as a URL.
//!
//! In the form with `tcp(…)` or `unix(…)`, user and password stand as they are; in a URL they are percent-encoded. No
//! error repeats what was given, because it may contain the password.

use percent_encoding::percent_decode_str;

use crate::OpenError;

const DEFAULT_PORT: u16 = 3306;

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Socket(String),
}

/// How the server's certificate is checked, if there is TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tls {
    #[default]
    Off,
    /// TLS if the server offers it. Protects from nobody who can change what is on the wire.
    Preferred,
    /// Whatever certificate it shows.
    Unchecked,
    /// By an authority that is trusted, and for the host of the address.
    Checked,
}

/// Everything that the address says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Servers of which any will do, in the order in which they are tried.
    pub(super) places: Vec<Place>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(super) tls: Tls,
    /// A PEM file of authorities to trust instead of the public ones.
    pub(super) authorities: Option<String>,
    /// PEM files of our certificate and its key.
    pub(super) identity: Option<(String, String)>,
}

/// Parameters of Go's driver that mean nothing here: what they ask for always is so, or concerns that driver only.
const MEANINGLESS: [&str; 18] = [
    "parseTime",
    "multiStatements",
    "clientFoundRows",
    "charset",
    "collation",
    "loc",
    "interpolateParams",
    "allowNativePasswords",
    "checkConnLiveness",
    "columnsWithAlias",
    "connectionAttributes",
    "maxAllowedPacket",
    "rejectReadOnly",
    "timeTruncate",
    "compress",
    "timeout",
    "readTimeout",
    "writeTimeout",
];

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, OpenError> {
        let rest = text.strip_prefix("mysql://").unwrap_or(text);
        let (credentials, places, rest) = match go_form(rest) {
            Some((credentials, protocol, place, rest)) => {
                (credentials.map(as_is).transpose()?, in_go_form(protocol, place)?, rest)
            }
            None => {
                // A password may contain a question mark or a slash; the server begins after the first @.
                let (credentials, server) = rest
                    .split_once('@')
                    .map_or((None, rest), |(credentials, server)| (Some(credentials), server));
                let end = server.find(['/', '?']).unwrap_or(server.len());
                let (server, rest) = server.split_at(end);
                (credentials.map(decoded).transpose()?, several(server)?, rest)
            }
        };
        let (database, query) = rest.split_once('?').unwrap_or((rest, ""));
        let database = decode(database.trim_start_matches('/'))?;
        let (user, password) = credentials.unwrap_or_default();
        let mut address = Self {
            places,
            user,
            password,
            database: Some(database).filter(|name| !name.is_empty()),
            tls: Tls::Off,
            authorities: None,
            identity: None,
        };
        address.take(query)?;
        if address.database.is_none() {
            return Err(refuse(
                "it names no database; write mysql://user:password@tcp(host:3306)/database",
            ));
        }
        Ok(address)
    }

    fn take(&mut self, query: &str) -> Result<(), OpenError> {
        let (mut certificate, mut key) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            match name {
                "tls" => self.tls = tls(&value, query)?,
                "tls-ca" => self.authorities = Some(value),
                "tls-cert" => certificate = Some(value),
                "tls-key" => key = Some(value),
                name if MEANINGLESS.contains(&name) => {}
                name => {
                    let shown = shown(name, query);
                    return Err(OpenError::Address(format!(
                        "the parameter {shown} is not known; those for TLS are tls, tls-ca, tls-cert and tls-key"
                    )));
                }
            }
        }
        self.identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(refuse(
                    "tls-cert and tls-key belong together, and one of them is missing",
                ));
            }
        };
        let has_files = self.authorities.is_some() || self.identity.is_some();
        if has_files && self.tls == Tls::Off {
            return Err(refuse("it names files for TLS, but tls is off; add tls=true"));
        }
        if self.authorities.is_some() && self.tls != Tls::Checked {
            return Err(refuse(
                "tls-ca is used with tls=true only: the others check no certificate",
            ));
        }
        Ok(())
    }
}

/// A part of a query, unless it may belong to a password that is not percent-encoded, which the first `@` cut.
fn shown(part: &str, query: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphabetic() || c == '-' || c == '_';
    match part.chars().all(is_plain) && !query.contains('@') {
        true => format!("{part:?}"),
        false => "(not shown, as it may be of a password, which a URL needs percent-encoded)".to_owned(),
    }
}

fn tls(value: &str, query: &str) -> Result<Tls, OpenError> {
    match value {
        "" | "false" => Ok(Tls::Off),
        "preferred" => Ok(Tls::Preferred),
        "skip-verify" => Ok(Tls::Unchecked),
        // In Go a custom configuration is registered by the program; here its files are named in the address.
        "true" | "custom" => Ok(Tls::Checked),
        other => Err(OpenError::Address(format!(
            "tls {} is not known; use true, skip-verify, preferred, false, or custom with tls-ca, tls-cert and tls-key",
            shown(other, query)
        ))),
    }
}

/// Credentials, protocol, what stands in the parentheses, and what follows.
fn go_form(text: &str) -> Option<(Option<&str>, &str, &str, &str)> {
    ["tcp", "unix"].into_iter().find_map(|protocol| {
        let opening = format!("{protocol}(");
        // The last one: a password may contain it too.
        let start = text
            .rfind(&format!("@{opening}"))
            .map(|at| at + 1)
            .or_else(|| text.starts_with(&opening).then_some(0))?;
        let credentials = start.checked_sub(1).and_then(|end| text.get(..end));
        let (place, rest) = text.get(start + opening.len()..)?.split_once(')')?;
        Some((credentials, protocol, place, rest))
    })
}

fn in_go_form(protocol: &str, place: &str) -> Result<Vec<Place>, OpenError> {
    match protocol {
        "unix" if place.is_empty() => Err(refuse("unix() names no socket")),
        "unix" => Ok(vec![Place::Socket(place.to_owned())]),
        _ => several(place),
    }
}

fn several(servers: &str) -> Result<Vec<Place>, OpenError> {
    servers.split(',').map(tcp).collect()
}

fn tcp(server: &str) -> Result<Place, OpenError> {
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match server.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    if host.is_empty() {
        return Err(refuse(
            "it names no server; write mysql://user:password@tcp(host:3306)/database",
        ));
    }
    let port = port.map_or(Ok(DEFAULT_PORT), str::parse);
    Ok(Place::Tcp {
        host: host.to_owned(),
        port: port.map_err(|_| refuse("the port is not a number; a URL needs a percent-encoded password"))?,
    })
}

type Credentials = (Option<String>, Option<String>);

fn as_is(credentials: &str) -> Result<Credentials, OpenError> {
    let (user, password) = credentials
        .split_once(':')
        .map_or((credentials, None), |(user, password)| (user, Some(password)));
    Ok((
        Some(user).filter(|user| !user.is_empty()).map(str::to_owned),
        password.map(str::to_owned),
    ))
}

fn decoded(credentials: &str) -> Result<Credentials, OpenError> {
    let (user, password) = as_is(credentials)?;
    let decode = |part: Option<String>| part.map(|part| decode(&part)).transpose();
    Ok((decode(user)?, decode(password)?))
}

fn decode(text: &str) -> Result<String, OpenError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| refuse("a part of it is not UTF-8 after percent-decoding"))
}

fn refuse(reason: &str) -> OpenError {
    OpenError::Address(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn host(name: &str, port: u16) -> Place {
        Place::Tcp {
            host: name.to_owned(),
            port,
        }
    }

    #[test]
    fn the_form_of_gos_driver_takes_the_password_as_it_is() {
        let found = address("mysql://hy:dra%41@?/x:y@tcp(db.example:3307)/data?parseTime=true&tls=skip-verify");
        assert_eq!(found.places, [host("db.example", 3307)]);
        assert_eq!(found.user.as_deref(), Some("hy"));
        assert_eq!(found.password.as_deref(), Some("dra%41@?/x:y"));
        assert_eq!(found.database.as_deref(), Some("data"));
        assert_eq!(found.tls, Tls::Unchecked);
    }

    #[test]
    fn a_url_has_a_percent_encoded_password_and_may_leave_the_port_out() {
        let found = address("mysql://hydra:p%40ss%2Fword@db.example/data?multiStatements=true");
        assert_eq!((found.places, found.tls), (vec![host("db.example", 3306)], Tls::Off));
        assert_eq!(found.password.as_deref(), Some("p@ss/word"));
        assert_eq!(address("mysql://[::1]:3308/data").places, [host("::1", 3308)]);
        assert_eq!(
            address("mysql://u@tcp([fe80::1]:3308)/data").places,
            [host("fe80::1", 3308)]
        );
    }

    #[test]
    fn a_socket_may_stand_in_for_the_host() {
        let found = address("mysql://root@unix(/run/mysqld/mysqld.sock)/data");
        assert_eq!(found.places, [Place::Socket("/run/mysqld/mysqld.sock".to_owned())]);
        assert_eq!((found.user.as_deref(), found.password), (Some("root"), None));
    }

    #[test]
    fn several_servers_may_be_named_in_both_forms() {
        let all = [host("one", 3307), host("::2", 3308), host("three", 3306)];
        for text in [
            "mysql://u:a,b@tcp(one:3307,[::2]:3308,three)/data",
            "mysql://u:a,b@one:3307,[::2]:3308,three/data",
        ] {
            let found = address(text);
            assert_eq!((&*found.places, found.password.as_deref()), (&all[..], Some("a,b")));
        }
    }

    #[test]
    fn files_for_tls_are_named_in_the_address() {
        let found = address("mysql://u@tcp(h)/d?tls=custom&tls-ca=%2Fca.pem&tls-cert=/c.pem&tls-key=/k.pem");
        assert_eq!(
            (found.tls, found.authorities.as_deref()),
            (Tls::Checked, Some("/ca.pem"))
        );
        assert_eq!(found.identity, Some(("/c.pem".to_owned(), "/k.pem".to_owned())));
    }

    #[test]
    fn what_is_not_understood_is_refused_without_the_password() {
        for (text, reason) in [
            ("mysql://u:geheim@tcp(h:1)/", "names no database"),
            ("mysql://u:geheim@tcp(:1)/d", "names no server"),
            ("mysql://u:geheim@/d", "names no server"),
            ("mysql://u:geheim@tcp(one,)/d", "names no server"),
            ("mysql://u:geheim@h:port/d", "port is not a number"),
            ("mysql://u:geheim@unix()/d", "names no socket"),
            ("mysql://u:geheim@h/d?tls=maybe", "skip-verify"),
            ("mysql://u:geheim@h/d?sql_mode=x", "\"sql_mode\" is not known"),
            ("mysql://u:geheim@h/d?tls=true&tls-key=/k", "belong together"),
            ("mysql://u:geheim@h/d?tls-ca=/ca", "add tls=true"),
            ("mysql://u@h/d?tls=skip-verify&tls-ca=/ca", "with tls=true only"),
            ("mysql://u@h/d?tls=preferred&tls-ca=/ca", "with tls=true only"),
            ("mysql://u:x@y?geheim@h/d", "not shown"),
            ("mysql://u:x@y?geheim&z@h/d", "not shown"),
            ("mysql://u:x@y?geh=x&geheim=z@h/d", "not shown"),
            ("mysql://u:x@y?tls=geheim@h/d", "not shown"),
            ("mysql://u:x@y?geheim1", "not shown"),
            ("mysql://u:%ff@h/d", "UTF-8"),
        ] {
            let refusal = Address::parse(text).err().unwrap().to_string();
            assert!(
                refusal.contains(reason) && !refusal.contains("geheim"),
                "{text}: {refusal}"
            );
        }
    }
}
