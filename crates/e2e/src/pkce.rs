//! Proof Key for Code Exchange (RFC 7636), from the client's side: the example of appendix B.

/// `code_verifier`.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// `code_challenge` of method S256.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
