//! One endpoint as the document describes it.

use claviger_core::api_key::Area;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::edge::reply::ErrorBody;

/// The security scheme of the admin port.
pub(super) const API_KEY: &str = "api_key";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// The description of one endpoint while it is written.
pub struct Operation<'s> {
    schemas: &'s mut Schemas,
    members: Map<String, Value>,
    parameters: Vec<Value>,
    answers: Map<String, Value>,
}

/// A field of a form.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    is_needed: bool,
}

/// A field that must be there.
pub(super) const fn needed(name: &'static str, text: &'static str) -> Field {
    Field {
        name,
        text,
        is_needed: true,
    }
}

/// A field that may be there.
pub(super) const fn field(name: &'static str, text: &'static str) -> Field {
    Field {
        name,
        text,
        is_needed: false,
    }
}

impl<'s> Operation<'s> {
    pub(super) fn new(schemas: &'s mut Schemas) -> Self {
        Self {
            schemas,
            members: Map::new(),
            parameters: Vec::new(),
            answers: Map::new(),
        }
    }
}

impl Operation<'_> {
    /// The name that SDKs give it (Hydra's, where Hydra has the endpoint), its chapter, and what it is good for.
    pub(super) fn named(mut self, id: &str, tag: &str, summary: &str) -> Self {
        self.members.insert("operationId".into(), id.into());
        self.members.insert("tags".into(), json!([tag]));
        self.members.insert("summary".into(), summary.into());
        self
    }

    /// More about it.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.members.insert("description".into(), text.into());
        self
    }

    /// A part of the path.
    pub(super) fn path(self, name: &str, text: &str) -> Self {
        self.parameter("path", name, text, true)
    }

    /// A parameter of the query.
    pub(super) fn query(self, name: &str, text: &str) -> Self {
        self.parameter("query", name, text, false)
    }

    /// A parameter of the query that must be there.
    pub(super) fn needs_query(self, name: &str, text: &str) -> Self {
        self.parameter("query", name, text, true)
    }

    fn parameter(mut self, place: &str, name: &str, text: &str, is_needed: bool) -> Self {
        self.parameters.push(json!({
            "name": name, "in": place, "required": is_needed, "description": text, "schema": {"type": "string"},
        }));
        self
    }

    /// The parameters of lists, in both families.
    pub(super) fn pages(self) -> Self {
        self.query("page_size", "Most entries of a page: 100 if not given, at most 500.")
            .query("page_token", "From the link `next` of the page before.")
            .query("limit", "As version 1 has it: most entries of a page.")
            .query("offset", "As version 1 has it: entries to skip.")
    }

    /// A form as the body.
    pub(super) fn form(mut self, fields: &[Field]) -> Self {
        let properties: Map<String, Value> = fields
            .iter()
            .map(|field| {
                let schema = json!({"type": "string", "description": field.text});
                (field.name.to_owned(), schema)
            })
            .collect();
        let needed: Vec<&str> = fields
            .iter()
            .filter(|field| field.is_needed)
            .map(|field| field.name)
            .collect();
        let mut schema = json!({"type": "object", "properties": properties});
        if let (Some(schema), false) = (schema.as_object_mut(), needed.is_empty()) {
            schema.insert("required".into(), json!(needed));
        }
        let body = json!({"required": !needed.is_empty(), "content": {FORM: {"schema": schema}}});
        self.members.insert("requestBody".into(), body);
        self
    }

    /// A JSON document as the body.
    pub(super) fn json<T: JsonSchema>(mut self) -> Self {
        let schema = self.schemas.read::<T>();
        let body = json!({"required": true, "content": {JSON: {"schema": schema}}});
        self.members.insert("requestBody".into(), body);
        self.may_be_too_large()
    }

    /// What may happen to a body, told in JSON.
    pub(super) fn may_be_too_large(self) -> Self {
        self.common(408, "slowBody").common(413, "tooLarge")
    }

    /// Who may call it: the names of security schemes, any of which will do. An empty one stands for nobody in particular.
    pub(super) fn security(mut self, schemes: &[&str]) -> Self {
        let any: Vec<Value> = schemes
            .iter()
            .map(|scheme| match *scheme {
                "" => json!({}),
                scheme => json!({scheme: []}),
            })
            .collect();
        self.members.insert("security".into(), any.into());
        self
    }

    /// An answer with a JSON document.
    pub(super) fn answer<T: JsonSchema>(self, status: u16, text: &str) -> Self {
        let schema = self.schemas.written::<T>();
        self.content(status, text, JSON, &schema)
    }

    /// An answer of any other type.
    pub(super) fn text(self, status: u16, media_type: &str, text: &str) -> Self {
        self.content(status, text, media_type, &json!({"type": "string"}))
    }

    /// A page for a person.
    pub(super) fn page(self, status: u16, text: &str) -> Self {
        self.text(status, "text/html", text)
    }

    /// A refusal in the JSON of RFC 6749 §5.2.
    pub(super) fn refuses(self, status: u16, text: &str) -> Self {
        self.answer::<ErrorBody<'_>>(status, text)
    }

    /// An answer without a body.
    pub(super) fn empty(mut self, status: u16, text: &str) -> Self {
        self.answers.insert(status.to_string(), json!({"description": text}));
        self
    }

    /// An answer that sends the browser on.
    pub(super) fn redirect(self, status: u16, text: &str) -> Self {
        self.empty(status, text)
            .header(status, "Location", "Where the browser goes on.")
    }

    fn content(mut self, status: u16, text: &str, media_type: &str, schema: &Value) -> Self {
        let answer = self.answers.entry(status.to_string()).or_insert_with(|| json!({}));
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("description".into(), text.into());
            let content = answer.entry("content").or_insert_with(|| json!({}));
            if let Some(content) = content.as_object_mut() {
                content.insert(media_type.to_owned(), json!({"schema": schema}));
            }
        }
        self
    }

    /// A header of an answer that was described before.
    pub(super) fn header(mut self, status: u16, name: &str, text: &str) -> Self {
        let answer = self.answers.get_mut(&status.to_string());
        if let Some(answer) = answer.and_then(Value::as_object_mut) {
            let headers = answer.entry("headers").or_insert_with(|| json!({}));
            if let Some(headers) = headers.as_object_mut() {
                let header = json!({"description": text, "schema": {"type": "string"}});
                headers.insert(name.to_owned(), header);
            }
        }
        self
    }

    /// An answer that many endpoints share, by its name among the components.
    fn common(mut self, status: u16, name: &str) -> Self {
        let answer = json!({"$ref": format!("#/components/responses/{name}")});
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// What may happen to everything that asks the database.
    pub(super) fn asks_database(self) -> Self {
        self.common(500, "serverError").common(503, "unavailable")
    }

    /// On a port that asks for API keys, this needs one for one of the areas, or for everything.
    pub(super) fn asks_for_key(mut self, areas: &[Area]) -> Self {
        let names: Vec<String> = areas
            .iter()
            .chain(&[Area::Everything])
            .map(|area| format!("`{}`", area.name()))
            .collect();
        let before = self
            .members
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let text = format!("{before} API key for: {}.", names.join(", "));
        self.members.insert("description".into(), text.trim().into());
        self.security(&[API_KEY])
            .common(401, "keyMissing")
            .common_unless_described(403, "keyForOtherAreas")
    }

    /// One address may ask only so often.
    pub(super) fn limited(self) -> Self {
        self.common(429, "tooManyRequests")
    }

    /// As [`Self::common`], where the endpoint does not have an answer of this status itself.
    fn common_unless_described(self, status: u16, name: &str) -> Self {
        if self.answers.contains_key(&status.to_string()) {
            return self;
        }
        self.common(status, name)
    }

    pub(super) fn finish(self) -> Value {
        let mut members = self.members;
        if !self.parameters.is_empty() {
            members.insert("parameters".into(), self.parameters.into());
        }
        members.insert("responses".into(), self.answers.into());
        members.into()
    }
}
