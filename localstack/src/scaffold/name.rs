//! Names of services and of types, in each of their spellings.

use std::fmt;
use std::str::FromStr;

/// Most characters of a service's name: IAM allows 64 for that of a role, which has the application's and the stage's too.
const MOST: usize = 24;

/// Names that a service's own file has for other things.
const WORDS_OF_THE_TOOLKIT: [&str; 7] = ["decider", "decision", "event", "heard", "payload", "source", "step"];

/// Name of a service, such as `gift-cards`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

/// Name of a type of events, such as `PointsChanged`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventName(String);

/// Reason why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("a service's name is small letters and digits, with hyphens between words, such as gift-cards")]
    NoName,
    #[error("a service's name has {MOST} characters at the most")]
    TooLong,
    #[error("that word has a meaning in the toolkit")]
    Reserved,
    #[error("a type's name is words that begin with a capital, such as PointsChanged")]
    NoType,
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) || !text.split('-').all(is_word) {
            return Err(NameError::NoName);
        }
        if text.len() > MOST {
            return Err(NameError::TooLong);
        }
        if WORDS_OF_THE_TOOLKIT.contains(&text) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Name {
    /// `gift-cards`
    pub(crate) fn kebab(&self) -> &str {
        &self.0
    }

    /// `gift_cards`
    pub(crate) fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// `GIFT_CARDS`
    pub(crate) fn shouting(&self) -> String {
        self.snake().to_uppercase()
    }

    /// `GiftCards`
    pub(crate) fn pascal(&self) -> String {
        self.0.split('-').map(capitalized).collect()
    }

    /// `gift cards`
    pub(crate) fn words(&self) -> String {
        self.0.replace('-', " ")
    }

    /// `Gift cards`
    pub(crate) fn title(&self) -> String {
        capitalized(&self.words())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_type = text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_type { Ok(Self(text.to_owned())) } else { Err(NameError::NoType) }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_spelling_for_each_place() {
        let name: Name = "gift-cards".parse().unwrap();
        let spellings = [name.snake(), name.shouting(), name.pascal(), name.words(), name.title()];
        assert_eq!(spellings, ["gift_cards", "GIFT_CARDS", "GiftCards", "gift cards", "Gift cards"]);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", "Loyalty", "gift_cards", "-gift", "gift-", "gift--cards", "7up", "gift cards", "../orders", "müsli"]
        {
            assert_eq!(text.parse::<Name>(), Err(NameError::NoName), "{text}");
        }
        assert_eq!("a".repeat(25).parse::<Name>(), Err(NameError::TooLong));
        assert_eq!("event".parse::<Name>(), Err(NameError::Reserved));
        for text in ["", "pointsChanged", "Points-Changed", "Points Changed", "1Points"] {
            assert_eq!(text.parse::<EventName>(), Err(NameError::NoType), "{text}");
        }
    }
}
