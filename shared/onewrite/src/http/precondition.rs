//! Preconditions of requests.

use lambda_http::Request;
use lambda_http::http::header;

use super::Problem;

/// Precondition of a request: the header `If-Match` (RFC 9110, section 13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// There is none.
    Anything,
    /// There must be something.
    Something,
    /// It must have one of these tags, each in its quotes. A weak one never matches.
    OneOf(Vec<String>),
}

impl IfMatch {
    /// The precondition of a request.
    ///
    /// # Errors
    ///
    /// 400 if the header is no list of tags.
    pub fn of(request: &Request) -> Result<Self, Problem> {
        let malformed = || Problem::malformed("The header If-Match must be ETags, or *.");
        let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(Self::Anything) };
        let value = value.to_str().map_err(|_| malformed())?.trim();
        if value == "*" {
            return Ok(Self::Something);
        }
        // A list may have nothing between two commas, or in all (section 5.6.1.2): that is no tag, and nothing matches it.
        let tags = value.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        let tags: Vec<String> = tags.map(str::to_owned).collect();
        let is_tag = |tag: &str| {
            let quoted =
                tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            quoted.is_some_and(|opaque| !opaque.contains('"'))
        };
        if tags.iter().all(|tag| is_tag(tag)) { Ok(Self::OneOf(tags)) } else { Err(malformed()) }
    }

    /// True if it holds for what has that tag; `None` is what does not exist.
    #[must_use]
    pub fn accepts(&self, tag: Option<&str>) -> bool {
        match (self, tag) {
            (Self::Anything, _) | (Self::Something, Some(_)) => true,
            (Self::Something | Self::OneOf(_), None) => false,
            (Self::OneOf(tags), Some(tag)) => tags.iter().any(|known| known == tag),
        }
    }
}
