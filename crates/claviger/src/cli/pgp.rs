//! The flags that ask for secrets encrypted with PGP, which are refused before anything is created.
//!
//! Encrypting for a key of another program is `gpg`'s work: it knows the key, whom it belongs to and whether it still holds.

use clap::Args;

use super::failure::Failure;

#[derive(Args, Debug)]
pub(crate) struct Pgp {
    /// Refused: secrets are not encrypted here. Pipe them into gpg
    #[arg(long, value_name = "KEY", hide_short_help = true)]
    pgp_key: Option<String>,

    /// Refused, as --pgp-key
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pgp_key_url: Option<String>,

    /// Refused, as --pgp-key
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    keybase: Option<String>,
}

impl Pgp {
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        let flags = [
            ("--pgp-key", &self.pgp_key),
            ("--pgp-key-url", &self.pgp_key_url),
            ("--keybase", &self.keybase),
        ];
        let Some((flag, _)) = flags.into_iter().find(|(_, value)| value.is_some()) else {
            return Ok(());
        };
        Err(Failure::input(format!(
            "{flag} asks for a secret that is encrypted with PGP, which this program leaves to gpg; nothing was created.\n\
             Leave the flag out and encrypt the result: … --format json | gpg --encrypt --recipient KEY"
        )))
    }
}
