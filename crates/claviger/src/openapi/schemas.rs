//! The schemas of what is read and written, derived from the types of the handlers.

use std::borrow::Cow;

use claviger_core::client::metadata::Metadata;
use claviger_core::flow::consent::SessionClaims;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

/// The schemas that one document refers to. A type may have two: what is always written need not be there when it is read.
pub(super) struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of a request body.
    pub(super) fn read<T: JsonSchema>(&mut self) -> Value {
        self.read.subschema_for::<T>().to_value()
    }

    /// The schema of an answer.
    pub(super) fn written<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// All schemas that have a name, and the names that two different ones have.
    pub(super) fn finish(mut self) -> (Map<String, Value>, Vec<String>) {
        let mut all = self.written.take_definitions(true);
        let mut twice = Vec::new();
        for (name, schema) in self.read.take_definitions(true) {
            match all.get(&name) {
                Some(written) if *written != schema => twice.push(name),
                Some(_) => {}
                None => {
                    all.insert(name, schema);
                }
            }
        }
        (all, twice)
    }
}

/// Declares a name for the schema of a type where it goes the other way.
macro_rules! renamed {
    ($(#[$doc:meta])* $name:ident => $shown:literal, $of:ty) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $shown.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$of>::json_schema(generator)
            }
        }
    };
}

renamed! {
    /// The metadata of a client as it is sent: what is left out gets its default.
    ClientBody => "oAuth2ClientBody", Metadata
}
renamed! {
    /// The claims of a consent as they are shown.
    SessionClaimsShown => "oAuth2ConsentSessionClaims", SessionClaims
}

/// A key that somebody else may have made: with members that we do not know.
pub(crate) struct JsonWebKey;

impl JsonSchema for JsonWebKey {
    fn schema_name() -> Cow<'static, str> {
        "jsonWebKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A JSON Web Key (RFC 7517). Further members depend on `kty`; those of private keys are shown on the admin port only.",
            "type": "object",
            "properties": {
                "kty": {"type": "string", "description": "`RSA`, `EC`, `OKP` or `oct`."},
                "use": {"type": "string", "description": "`sig` or `enc`."},
                "alg": {"type": "string", "description": "The algorithm that the key is for."},
                "kid": {"type": "string", "description": "The name of the key in its set."},
            },
            "required": ["kty"],
            "additionalProperties": true,
        })
    }
}

/// A JSON Web Key Set (RFC 7517 §5).
#[derive(JsonSchema)]
#[schemars(rename = "jsonWebKeySet")]
pub(super) struct JsonWebKeySet {
    /// The keys.
    #[expect(dead_code, reason = "it is a schema only")]
    keys: Vec<JsonWebKey>,
}

/// One operation of a JSON Patch (RFC 6902).
pub(super) struct JsonPatch;

impl JsonSchema for JsonPatch {
    fn schema_name() -> Cow<'static, str> {
        "jsonPatch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One operation of a JSON Patch (RFC 6902).",
            "type": "object",
            "properties": {
                "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                "path": {"type": "string", "description": "A JSON Pointer (RFC 6901) into the client."},
                "from": {"type": "string", "description": "A JSON Pointer, for `move` and `copy`."},
                "value": {"description": "For `add`, `replace` and `test`."},
            },
            "required": ["op", "path"],
        })
    }
}

/// The claims of userinfo.
pub(super) struct UserInfo;

impl JsonSchema for UserInfo {
    fn schema_name() -> Cow<'static, str> {
        "oidcUserInfo".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Claims about the person: `sub`, and what the consent app said for the scopes that were granted.",
            "type": "object",
            "properties": {"sub": {"type": "string", "description": "What the client calls the person."}},
            "required": ["sub"],
            "additionalProperties": true,
        })
    }
}

/// An OpenAPI document.
pub(super) struct Document;

impl JsonSchema for Document {
    fn schema_name() -> Cow<'static, str> {
        "openApiDocument".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An OpenAPI 3.1 document.",
            "type": "object",
            "properties": {"openapi": {"type": "string"}},
            "required": ["openapi"],
            "additionalProperties": true,
        })
    }
}
