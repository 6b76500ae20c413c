//! Texts with a rule: each is checked once, in its constructor, and is right from then on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rule that a text breaks, such as `must be 1 to 200 characters`. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) String);

impl Invalid {
    pub(crate) fn rule(rule: impl Into<String>) -> Self {
        Self(rule.into())
    }
}

/// Defines a text type by its rule, which its JSON Schema tells as far as it can.
macro_rules! text_type {
    ($(#[doc = $doc:literal])* $name:ident, $rule:path, $schema:tt) => {
        $crate::schema::json_schema_of!($name, [$($doc),*], $schema);

        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the rule of this type.
            ///
            /// # Errors
            ///
            /// The rule that `text` breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, $crate::text::Invalid> {
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

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::text::Invalid;

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
            type Err = $crate::text::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl $crate::read::Read for $name {
            fn read(node: &$crate::read::Node<'_>, faults: &mut $crate::read::Faults) -> Option<Self> {
                let text = node.text(faults)?;
                Self::new(text).map_err(|rule| faults.add(node, rule.to_string())).ok()
            }
        }
    };
}
pub(crate) use text_type;

/// At least one and at most `most` characters, none of them a control character: these texts end up in the heads of
/// mails and on labels, where a line break is an attack.
fn plain(text: &str, most: usize) -> Result<(), Invalid> {
    let length = text.chars().count();
    if length == 0 || length > most {
        return Err(Invalid::rule(format!("must be 1 to {most} characters")));
    }
    if !text.chars().all(is_plain) {
        return Err(Invalid::rule("must not contain control characters"));
    }
    Ok(())
}

/// No control character, and none of the two that SQS refuses in a message although they are Unicode (U+FFFE, U+FFFF):
/// an event that has one could be committed, and never be delivered.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// What [`is_plain`] takes, as a pattern of JSON Schema.
#[cfg(feature = "schema")]
pub(crate) const PLAIN: &str = r"^[^\u0000-\u001f\u007f-\u009f\ufffe\uffff]*$";

/// 1 to 64 characters, each of which `allowed` takes; `set` names them.
pub(crate) fn token(text: &str, set: &str, allowed: fn(u8) -> bool) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err(Invalid::rule(format!("must be 1 to 64 of {set}")));
    }
    Ok(())
}

text_type!(
    /// Any text of 1 to 200 characters without control characters: a name, a street, a reason.
    Text,
    text_rule,
    { "type": "string", "minLength": 1, "maxLength": 200, "pattern": PLAIN }
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

text_type!(
    /// A stock keeping unit: 1 to 64 of `[A-Za-z0-9._-]`.
    Sku,
    sku_rule,
    { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$", "examples": ["coffee-beans-1kg"] }
);

fn sku_rule(text: &str) -> Result<(), Invalid> {
    token(text, "[A-Za-z0-9._-]", |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

text_type!(
    /// An email address of at most 254 characters (RFC 5321, erratum 1690). Whether it can be delivered to, only a
    /// mail can tell, so the rule is no more than something on both sides of the last `@`, and no blank.
    Email,
    email_rule,
    {
        "type": "string",
        "format": "idn-email",
        "minLength": 3,
        "maxLength": 254,
        "pattern": r"^[^\s\u0000-\u001f\u007f-\u009f\ufffe\uffff]+@[^\s@\u0000-\u001f\u007f-\u009f\ufffe\uffff]+$",
        "examples": ["ada@example.com"],
    }
);

fn email_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 254)?;
    let sides = text.rsplit_once('@');
    if sides.is_none_or(|(local, domain)| local.is_empty() || domain.is_empty()) || text.contains(char::is_whitespace) {
        return Err(Invalid::rule("must be an email address"));
    }
    Ok(())
}

text_type!(
    /// The payment provider's token for a way to pay, such as `pm_card_visa`. A card number is refused here, so that
    /// none can ever be stored, published or logged.
    PaymentMethod,
    payment_method_rule,
    { "type": "string", "minLength": 1, "maxLength": 200, "pattern": PLAIN, "examples": ["pm_card_visa"] }
);

fn payment_method_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 200)?;
    if is_card_number(text) {
        return Err(Invalid::rule("must be a token of the payment provider, not a card number"));
    }
    Ok(())
}

/// 12 to 19 digits, however they are grouped, with a valid check digit (ISO/IEC 7812-1).
fn is_card_number(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let only_digits = text.chars().all(|c| c.is_ascii_digit() || c == ' ' || c == '-');
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    only_digits && (12..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

crate::schema::json_schema_of!(
    Source,
    ["Who says it: a non-empty URI-reference (RFC 3986) of at most 200 characters."],
    {
        "type": "string",
        "format": "uri-reference",
        "minLength": 1,
        "maxLength": 200,
        "pattern": r"^[A-Za-z0-9\-._~%:/?#\[\]@!$&'()*+,;=]+$",
        "examples": ["https://shop.example/web"],
    }
);

/// Who says it: a non-empty URI-reference (RFC 3986) of at most 200 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Source(std::borrow::Cow<'static, str>);

impl Source {
    /// `orderflow/orders`
    pub const ORDERS: Self = Self::from_static("orderflow/orders");
    /// `orderflow/inventory`
    pub const INVENTORY: Self = Self::from_static("orderflow/inventory");
    /// `orderflow/payment`
    pub const PAYMENT: Self = Self::from_static("orderflow/payment");
    /// `orderflow/shipping`
    pub const SHIPPING: Self = Self::from_static("orderflow/shipping");
    /// `orderflow/screening`
    pub const SCREENING: Self = Self::from_static("orderflow/screening");

    /// A source that is known when the program is compiled: a constant that breaks the rule does not compile.
    ///
    /// ```
    /// # use orderflow_events::Source;
    /// const SOURCE: Source = Source::from_static("orderflow/loyalty");
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
        check(Sku::new, &["A", "a.b_c-9", &"x".repeat(64)], &["", "a b", "ä", "a/b", &"x".repeat(65)]);
        let (longest, too_long) = (format!("{}@b.example", "a".repeat(244)), format!("{}@b.example", "a".repeat(245)));
        check(Email::new, &["a@b", &longest], &["", "a", "@b", "a@", "a b@c", "a@b\r\nBcc: x@y", &too_long]);
        check(Source::new, &["orderflow/orders", "https://shop.example/a?b#c"], &["", "a b", "ä", "<x>"]);
    }

    #[test]
    fn a_card_number_is_no_payment_method() {
        check(
            PaymentMethod::new,
            &["pm_card_visa", "tok_4242424242424242", "4242424242424241", "42"],
            &["4242424242424242", "4242 4242 4242 4242", "3782-822463-10005", ""],
        );
    }

    #[test]
    fn words_from_outside_are_shortened_to_a_text() {
        assert_eq!(Text::shortened(&format!("a\n{}", "b".repeat(300))).as_str().len(), 200);
        assert_eq!(Text::shortened("").as_str(), "-");
    }
}
