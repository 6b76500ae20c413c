//! Texts with a rule: each is checked once, in its constructor, and is right from then on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rule that a text breaks, such as `must be 1 to 200 characters`. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    /// The error of a text that breaks `rule`, which begins with `must`.
    #[must_use]
    pub fn rule(rule: impl Into<String>) -> Self {
        Self(rule.into())
    }
}

/// Text type by its rule, a function from `&str` to a `Result<(), Invalid>`, which its JSON Schema tells as far as it can.
///
/// ```
/// envelope::text_type!(
///     /// One user: 1 to 64 of `[A-Za-z0-9|_-]`.
///     UserId,
///     user_id_rule,
///     { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9|_-]+$" }
/// );
///
/// fn user_id_rule(text: &str) -> Result<(), envelope::Invalid> {
///     envelope::token(text, "[A-Za-z0-9|_-]", |byte| byte.is_ascii_alphanumeric() || b"|_-".contains(&byte))
/// }
///
/// assert!(UserId::new("auth0|42").is_ok());
/// assert_eq!(UserId::new("a b").unwrap_err().to_string(), "must be 1 to 64 of [A-Za-z0-9|_-]");
/// ```
#[macro_export]
macro_rules! text_type {
    ($(#[doc = $doc:literal])* $name:ident, $rule:path, $schema:tt) => {
        $crate::json_schema_of!($name, [$($doc),*], $schema);

        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks the rule of this type.
            ///
            /// # Errors
            ///
            /// The rule that `text` breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::Invalid> {
                let text = text.into();
                $rule(&text)?;
                Ok(Self(text))
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S: $crate::__private::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as $crate::__private::serde::Deserialize>::deserialize(deserializer)?;
                Self::new(text).map_err($crate::__private::serde::de::Error::custom)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::Invalid;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl $crate::Read for $name {
            fn read(node: &$crate::Node<'_>, faults: &mut $crate::Faults) -> Option<Self> {
                let text = node.text(faults)?;
                Self::new(text).map_err(|rule| faults.add(node, rule.to_string())).ok()
            }
        }
    };
}
/// Checks that a text has 1 to `most` characters, none of them a control character: these texts end up in the heads of
/// mails and on labels, where a line break is an attack.
///
/// # Errors
///
/// The rule that `text` breaks.
pub fn plain(text: &str, most: usize) -> Result<(), Invalid> {
    let length = text.chars().count();
    if length == 0 || length > most {
        return Err(Invalid::rule(format!("must be 1 to {most} characters")));
    }
    if !text.chars().all(is_plain) {
        return Err(Invalid::rule("must not contain control characters"));
    }
    Ok(())
}

/// Tells a character that is no control character, and none of the two that SQS refuses in a message although they are Unicode (U+FFFE, U+FFFF):
/// an event that has one could be committed, and never be delivered.
#[must_use]
pub fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Checks that a text has 1 to 64 characters, each of which `allowed` takes; `set` names them.
///
/// # Errors
///
/// The rule that `text` breaks.
pub fn token(text: &str, set: &str, allowed: fn(u8) -> bool) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err(Invalid::rule(format!("must be 1 to 64 of {set}")));
    }
    Ok(())
}

text_type!(
    /// Any text of 1 to 200 characters without control characters: a name, a street, a reason.
    Text,
    text_rule,
    { "type": "string", "minLength": 1, "maxLength": 200, "pattern": crate::describe::PLAIN }
);

fn text_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 200)
}

impl Text {
    /// The longest beginning of `text` that is a [`Text`]: for words that come from outside and are worth keeping
    /// even if they are too long. An empty text becomes `-`.
    #[must_use]
    pub fn shortened(text: &str) -> Self {
        let kept: String = text.chars().filter(|c| is_plain(*c)).take(200).collect();
        Self(if kept.is_empty() { "-".to_owned() } else { kept })
    }
}

crate::json_schema_of!(
    Source,
    ["The sender: a non-empty URI-reference (RFC 3986) of at most 200 characters."],
    {
        "type": "string",
        "format": "uri-reference",
        "minLength": 1,
        "maxLength": 200,
        "pattern": r"^[A-Za-z0-9\-._~%:/?#\[\]@!$&'()*+,;=]+$",
        "examples": ["https://app.example/web"],
    }
);

/// Producer of an event: a non-empty URI-reference (RFC 3986) of at most 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Source(std::borrow::Cow<'static, str>);

impl Source {
    /// A source that is known when the program is compiled: a constant that breaks the rule does not compile.
    ///
    /// ```
    /// # use envelope::Source;
    /// const SOURCE: Source = Source::from_static("library/fines");
    /// ```
    ///
    /// # Panics
    ///
    /// `name` is no URI-reference of 1 to 200 characters.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 200, "a source has 1 to 200 characters");
        let mut index = 0;
        while index < bytes.len() {
            assert!(is_in_uri(bytes[index]), "a source is a URI-reference");
            index += 1;
        }
        Self(std::borrow::Cow::Borrowed(name))
    }

    /// Checks that `text` is a URI-reference.
    ///
    /// # Errors
    ///
    /// The rule that `text` breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, Invalid> {
        let text = text.into();
        plain(&text, 200)?;
        if !text.bytes().all(is_in_uri) {
            return Err(Invalid::rule("must be a URI-reference"));
        }
        Ok(Self(text.into()))
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The characters of RFC 3986, section 2: reserved, unreserved and the percent sign.
const fn is_in_uri(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'/' | b'?' | b'#' | b'[' | b']')
        || matches!(byte, b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Source {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.0.into_owned()
    }
}

impl crate::read::Read for Source {
    fn read(node: &crate::read::Node<'_>, faults: &mut crate::read::Faults) -> Option<Self> {
        let text = node.text(faults)?;
        Self::new(text).map_err(|rule| faults.add(node, rule.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T>(make: fn(String) -> Result<T, Invalid>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(make((*text).to_owned()).is_ok(), "{text:?} should be taken");
        }
        for text in bad {
            assert!(make((*text).to_owned()).is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn texts_keep_their_rules() {
        let (full, over) = ("ä".repeat(200), "ä".repeat(201));
        check(Text::new, &["x", &full], &["", &over, "a\nb", "a\u{7f}", "a\u{fffe}", "a\u{ffff}"]);
        check(Source::new, &["library/loans", "https://library.example/a?b#c"], &["", "a b", "ä", "<x>"]);
    }

    #[test]
    fn words_from_outside_are_shortened_to_a_text() {
        assert_eq!(Text::shortened(&format!("a\n{}", "b".repeat(300))).as_str().len(), 200);
        assert_eq!(Text::shortened("").as_str(), "-");
    }
}
