//! Pages of lists, in both families of parameters.
//!
//! `page_size` and `page_token` of Hydra 2: a token names the last id of the page before, sealed for its list (D39), and
//! is good for an hour. `limit` and `offset` of Hydra 1 ([`v1`]): counted from the beginning. The `Link` header (RFC 8288 §3) speaks the family
//! that the request spoke, in relative references with every parameter kept.

use claviger_core::context::{Cx, Timestamp};
use claviger_core::params::Params;
use claviger_core::seal::{self, Purpose};

use crate::edge::problem::{Problem, Resource};
use crate::v1;

const USUAL: u32 = 100;
const MOST: u32 = 500;
/// Seconds for which a page token is good.
const TOKEN_LIFE: i64 = 3600;

/// Which part of the list was asked for.
#[derive(Debug)]
pub(super) struct Page {
    /// What the tokens of this list are sealed for.
    purpose: Purpose,
    size: u32,
    position: Position,
    params: Params,
}

/// Whether more follows than was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surplus(bool);

#[derive(Debug)]
enum Position {
    /// After this id; at the beginning without one.
    After(Option<String>),
    /// After so many members.
    Offset(u32),
}

impl Page {
    /// Reads the parameters; those of Hydra 1 if it `counts`.
    pub(super) fn parse(cx: &Cx<'_>, purpose: Purpose, params: &Params, counts: bool) -> Result<Self, Problem> {
        let by_token = params.has("page_size") || params.has("page_token");
        let counted = v1::count(params).filter(|_| counts && !by_token);
        let (size, position) = match counted {
            Some((limit, offset)) => (limit, Position::Offset(offset)),
            None => (page_size(params)?, Position::After(page_token(cx, purpose, params)?)),
        };
        Ok(Self {
            purpose,
            // Hydra 1 drops the connection when asked for nothing; what it does otherwise is more use.
            size: size.filter(|size| *size > 0).unwrap_or(USUAL).min(MOST),
            position,
            params: params.clone(),
        })
    }

    /// How many to ask the store for: one more than is shown, to see whether anything follows.
    pub(super) fn limit(&self) -> u32 {
        self.size + 1
    }

    /// The last id of the page before; none at the beginning, or if pages are counted.
    pub(super) fn after(&self) -> Option<&str> {
        match &self.position {
            Position::After(id) => id.as_deref(),
            Position::Offset(_) => None,
        }
    }

    /// How many to skip.
    pub(super) fn offset(&self) -> u32 {
        match self.position {
            Position::After(_) => 0,
            Position::Offset(offset) => offset,
        }
    }

    /// Cuts the surplus member off.
    pub(super) fn cut<T>(&self, members: &mut Vec<T>) -> Surplus {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let has_more = members.len() > size;
        members.truncate(size);
        Surplus(has_more)
    }

    /// Writes the `Link` header for a page that was cut and ends with the id `last`.
    pub(super) fn links(
        &self,
        cx: &Cx<'_>,
        path: &str,
        (Surplus(has_more), last): (Surplus, Option<&str>),
        total: u64,
    ) -> Option<String> {
        let links: Vec<String> = match &self.position {
            Position::After(_) => {
                let to = |rel, after: &str| self.link(path, rel, &self.token_target(cx, after));
                let first = to("first", "");
                let next = last.filter(|_| has_more).map(|last| to("next", last));
                [Some(first), next].into_iter().flatten().collect()
            }
            Position::Offset(offset) => {
                let links = v1::links(self.size, u64::from(*offset), total);
                let write = |link: &v1::Link| self.link(path, link.rel, &link.target());
                links.iter().map(write).collect()
            }
        };
        (!links.is_empty()).then(|| links.join(","))
    }

    fn token_target(&self, cx: &Cx<'_>, after: &str) -> [(&'static str, String); 2] {
        let end = cx.now.0.saturating_add(TOKEN_LIFE).to_be_bytes();
        let plain = [&end, after.as_bytes()].concat();
        let token = seal::seal_text(cx.secrets, cx.entropy, self.purpose, &plain);
        [("page_size", self.size.to_string()), ("page_token", token)]
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::Stage;

    /// A runtime goes with the stage, whose store needs it.
    static STAGE: LazyLock<(tokio::runtime::Runtime, Stage)> = LazyLock::new(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let stage = runtime.block_on(Stage::new(&[]));
        (runtime, stage)
    });

    fn parsed(purpose: Purpose, pairs: &[(&str, &str)]) -> Result<Page, Problem> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let params = Params::from_pairs(pairs.collect());
        Page::parse(&STAGE.1.provider.cx(), purpose, &params, true)
    }

    proptest! {
        #[test]
        fn a_page_token_names_its_place_in_its_own_list_only(
            after in "[^\0]{1,40}", noise in ".{0,60}", at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_-]",
        ) {
            let page = parsed(Purpose::ClientPage, &[]).unwrap();
            let [_, (_, token)] = page.token_target(&STAGE.1.provider.cx(), &after);
            let next = parsed(Purpose::ClientPage, &[("page_token", &token)]).unwrap();
            prop_assert_eq!(next.after(), Some(&*after));
            prop_assert!(parsed(Purpose::TrustPage, &[("page_token", &token)]).is_err());
            prop_assert!(noise.is_empty() || parsed(Purpose::ClientPage, &[("page_token", &noise)]).is_err());
            let mut forged = token.clone();
            let at = at.index(token.len());
            forged.replace_range(at..=at, &other);
            prop_assert!(forged == token || parsed(Purpose::ClientPage, &[("page_token", &forged)]).is_err());
        }

        #[test]
        fn sizes_and_offsets_of_any_shape_stay_in_bounds(size in ".{0,12}", number: i64, offset: u32, more in "[^\0]{0,12}") {
            let (number, offset) = (number.to_string(), offset.to_string());
            for pairs in [[("page_size", &*size), ("x", &*more)], [("page_size", &*number), ("x", &*more)], [("limit", &*number), ("offset", &*offset)]] {
                if let Ok(page) = parsed(Purpose::ClientPage, &pairs) {
                    prop_assert!((2..=MOST + 1).contains(&page.limit()));
                    let links = page.links(&STAGE.1.provider.cx(), "/admin/clients", (Surplus(true), Some("a")), 7);
                    let links = links.unwrap_or_default();
                    prop_assert!(http::HeaderValue::from_str(&links).is_ok(), "{}", links);
                    // Every parameter that is not about pages comes along.
                    let kept = Params::from_pairs(vec![("x".to_owned(), more.clone())]).encode();
                    prop_assert!(pairs[1].0 != "x" || links.contains(&kept), "{} {}", links, kept);
                }
            }
        }
    }
}
