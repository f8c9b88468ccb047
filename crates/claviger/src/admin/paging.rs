//! Pages of a list, in both families of parameters.
//!
//! `page_size` and `page_token` of Hydra 2: a token names the last id of the page before, sealed, and is good for an
//! hour. `limit` and `offset` of Hydra 1: counted from the beginning. The `Link` header (RFC 8288 §3) speaks the family
//! that the request spoke, in relative references with every parameter kept.

use claviger_core::context::{Cx, Timestamp};
use claviger_core::params::Params;
use claviger_core::port::ClientQuery;
use claviger_core::seal::{self, Purpose};

use crate::edge::problem::{Problem, Resource};

const USUAL: u32 = 100;
const MOST: u32 = 500;
/// Seconds for which a page token is good.
const TOKEN_LIFE: i64 = 3600;

/// Which part of the list was asked for.
#[derive(Debug)]
pub(super) struct Page {
    size: u32,
    position: Position,
    params: Params,
    purpose: Purpose,
}

#[derive(Debug)]
enum Position {
    /// After this id; at the beginning without one.
    After(Option<String>),
    /// After so many rows.
    Offset(u32),
}

impl Page {
    /// Reads the parameters. A page token is good for the list of its purpose only (D39).
    pub(super) fn parse(cx: &Cx<'_>, purpose: Purpose, params: &Params) -> Result<Self, Problem> {
        let by_token = params.has("page_size") || params.has("page_token");
        let by_offset = !by_token && (params.has("limit") || params.has("offset"));
        let (size, position) = if by_offset {
            let number = |name| params.get(name).and_then(|text| text.parse::<u32>().ok());
            (number("limit"), Position::Offset(number("offset").unwrap_or_default()))
        } else {
            (page_size(params)?, Position::After(page_token(cx, purpose, params)?))
        };
        Ok(Self {
            // Hydra 1 drops the connection when asked for nothing; what it does otherwise is more use.
            size: size.filter(|size| *size > 0).unwrap_or(USUAL).min(MOST),
            position,
            params: params.clone(),
            purpose,
        })
    }

    /// After which id, and after how many.
    pub(super) fn position(&self) -> (Option<&str>, u32) {
        match &self.position {
            Position::After(id) => (id.as_deref(), 0),
            Position::Offset(offset) => (None, *offset),
        }
    }

    /// How many to ask the store for: one more than is shown, to see whether anything follows.
    pub(super) fn limit(&self) -> u32 {
        self.size + 1
    }

    /// What to ask the store for clients.
    pub(super) fn query(&self) -> ClientQuery {
        let text = |name| self.params.get(name).map(str::to_owned);
        let (after, offset) = self.position();
        ClientQuery {
            name: text("client_name"),
            owner: text("owner"),
            after: after.map(str::to_owned),
            offset,
            limit: self.limit(),
        }
    }

    /// Cuts the surplus row off, and writes the `Link` header.
    pub(super) fn links<T>(
        &self,
        cx: &Cx<'_>,
        path: &str,
        rows: &mut Vec<T>,
        total: u64,
        id: fn(&T) -> &str,
    ) -> Option<String> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let has_more = rows.len() > size;
        rows.truncate(size);
        let links = match &self.position {
            Position::After(_) => {
                let last = rows.last().filter(|_| has_more);
                let to = |rel, after: &str| self.link(path, rel, &self.token_target(cx, after));
                let first = to("first", "");
                let next = last.map(|row| to("next", id(row)));
                [Some(first), next].into_iter().flatten().collect()
            }
            Position::Offset(offset) => self.offset_links(path, u64::from(*offset), total),
        };
        (!links.is_empty()).then(|| links.join(","))
    }

    fn token_target(&self, cx: &Cx<'_>, after: &str) -> [(&'static str, String); 2] {
        let end = cx.now.0.saturating_add(TOKEN_LIFE).to_be_bytes();
        let plain = [&end, after.as_bytes()].concat();
        let token = seal::seal_text(cx.secrets, cx.entropy, self.purpose, &plain);
        [("page_size", self.size.to_string()), ("page_token", token)]
    }

    /// Whole pages from the beginning, as Hydra 1 counts them: the first page names what follows, the last one what
    /// came before, and a list of one page names itself.
    fn offset_links(&self, path: &str, offset: u64, total: u64) -> Vec<String> {
        let size = u64::from(self.size);
        let to = |rel, size: u64, offset: u64| {
            let target = [("limit", size.to_string()), ("offset", offset.to_string())];
            self.link(path, rel, &target)
        };
        if total <= size {
            return vec![to("first", total, 0)];
        }
        let here = offset / size * size;
        let last = (total - 1) / size * size;
        let mut links = Vec::new();
        if here > 0 {
            links.push(to("first", size, 0));
        }
        if here < last {
            links.push(to("next", size, here + size));
        }
        if here > 0 {
            links.push(to("prev", size, (here - size).min(last)));
        }
        if here < last {
            links.push(to("last", size, last));
        }
        links
    }

    /// The request's own parameters with those of `target` in their place, sorted.
    fn link(&self, path: &str, rel: &str, target: &[(&'static str, String)]) -> String {
        let names: Vec<&str> = target.iter().map(|(name, _)| *name).collect();
        let mut pairs = self.params.without(&names).pairs().to_vec();
        pairs.extend(target.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        pairs.sort();
        format!("<{path}?{}>; rel=\"{rel}\"", Params::from_pairs(pairs).encode())
    }
}

fn page_size(params: &Params) -> Result<Option<u32>, Problem> {
    let Some(text) = params.get("page_size") else {
        return Ok(None);
    };
    let size: i64 = text
        .parse()
        .map_err(|_| Resource::Malformed.because("The parameter page_size is not a number. Send one up to 500."))?;
    Ok(Some(u32::try_from(size.max(0)).unwrap_or(u32::MAX)))
}

fn page_token(cx: &Cx<'_>, purpose: Purpose, params: &Params) -> Result<Option<String>, Problem> {
    let Some(token) = params.get("page_token") else {
        return Ok(None);
    };
    let refusal =
        |reason: &str| Resource::Malformed.because(format!("The page_token {reason}. Begin at the first page."));
    let plain = seal::open_text(cx.secrets, purpose, token).map_err(|_| refusal("is not one of this list"))?;
    let split = plain.split_first_chunk::<8>();
    let (end, after) = split.ok_or_else(|| refusal("is not one of this list"))?;
    if Timestamp(i64::from_be_bytes(*end)) < cx.now {
        return Err(refusal("has expired"));
    }
    let after = String::from_utf8(after.to_vec()).map_err(|_| refusal("is not one of this list"))?;
    Ok(Some(after).filter(|after| !after.is_empty()))
}
