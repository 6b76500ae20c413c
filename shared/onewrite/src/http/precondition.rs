//! Preconditions of requests.

use lambda_http::http::HeaderValue;

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
    /// Reads the header; `None` if it is no list of tags.
    #[must_use]
    pub fn read(header: Option<&HeaderValue>) -> Option<Self> {
        let Some(value) = header else { return Some(Self::Anything) };
        let value = value.to_str().ok()?.trim();
        if value == "*" {
            return Some(Self::Something);
        }
        // A list may have nothing between two commas, or in all (section 5.6.1.2): that is no tag, and nothing matches it.
        let tags = value.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        let tags: Vec<String> = tags.map(str::to_owned).collect();
        let is_tag = |tag: &str| {
            let quoted =
                tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            quoted.is_some_and(|opaque| !opaque.contains('"'))
        };
        tags.iter().all(|tag| is_tag(tag)).then_some(Self::OneOf(tags))
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
