//! Files that commands read.

use serde_json::Value;

use super::failure::Failure;

/// The bytes of a file.
pub(super) fn bytes(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file(path, &error))
}

/// The JSON of a file, which must be what the command expects.
pub(super) fn json(path: &str, expected: &str, is_expected: fn(&Value) -> bool) -> Result<Value, Failure> {
    parse(path, &bytes(path)?, expected, is_expected)
}

/// JSON from `origin`, which must be what the command expects.
pub(super) fn parse(
    origin: &str,
    bytes: &[u8],
    expected: &str,
    is_expected: fn(&Value) -> bool,
) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Failure::input(format!("{origin} is not JSON: {error}. Expected is {expected}")))?;
    if is_expected(&value) {
        return Ok(value);
    }
    Err(Failure::input(format!("{origin} is JSON, but not {expected}")))
}
