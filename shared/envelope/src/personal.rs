//! Personal data of an event, sealed: what is kept for ever can be made unreadable by throwing one key away.
//!
//! ```text
//!   base64url({"alg":"dir","enc":"A256GCM","kid":"<name of the key>"})..<nonce>.<ciphertext>.<tag>
//! ```
//!
//! That is a JWE (RFC 7516) in its compact form, which many libraries read. Here is its shape alone: who seals and opens, and
//! where the keys are, is somebody else's.

use std::fmt;
use std::marker::PhantomData;

use data_encoding::BASE64URL_NOPAD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::read::{Faults, Node, Read};
use crate::text::{Invalid, token};
use crate::text_type;

/// Longest sealed text, in bytes. A person of eight texts of 200 characters of four bytes each takes 9 KB.
const MAX_BYTES: usize = 16 * 1_024;

/// Length of a nonce of AES-GCM, in bytes.
pub const NONCE_BYTES: usize = 12;

/// Length of the tag of AES-GCM, in bytes.
pub const TAG_BYTES: usize = 16;

text_type!(
    /// Name of a key that seals personal data: 1 to 64 of `[A-Za-z0-9_-]`. It is drawn at random, and says nothing about whose
    /// the key is.
    KeyName,
    key_name_rule,
    { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$" }
);

fn key_name_rule(text: &str) -> Result<(), Invalid> {
    token(text, "[A-Za-z0-9_-]", |byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

crate::json_schema_of!(
    Personal<T>,
    [
        "Personal data, sealed: a JWE (RFC 7516) in compact form, of alg dir and enc A256GCM. Its kid is the name of the key, ",
        "of which there is one for each person; once that is deleted nobody can open it."
    ],
    {
        "type": "string",
        "minLength": 1,
        "maxLength": 16384,
        "pattern": r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{22}$",
    }
);

/// Sealed `T`: a JWE in compact form (RFC 7516) of `alg` `dir`, `enc` `A256GCM` and a `kid`, of at most 16 KB. That it has this
/// form is checked; whether anybody can open it, and whether a `T` is in it, shows when somebody does.
pub struct Personal<T> {
    compact: String,
    key_name: KeyName,
    of: PhantomData<fn() -> T>,
}

/// Header of what is sealed: these members, each once, and no others, so that nobody talks a reader into another cipher.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<K> {
    alg: String,
    enc: String,
    kid: K,
}

const ALG: &str = "dir";
const ENC: &str = "A256GCM";

/// Parts of a sealed text, as a cipher takes them.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedParts<'a> {
    /// The header in base64url: what is authenticated besides.
    pub header: &'a str,
    /// The nonce.
    pub nonce: [u8; NONCE_BYTES],
    /// The ciphertext, and the tag of 16 bytes behind it.
    pub ciphertext_and_tag: Vec<u8>,
}

impl<T> Personal<T> {
    /// Takes a JWE in compact form.
    ///
    /// # Errors
    ///
    /// The rule that `compact` breaks.
    pub fn from_compact(compact: impl Into<String>) -> Result<Self, Invalid> {
        let compact = compact.into();
        let (key_name, _) = taken_apart(&compact)?;
        Ok(Self { compact, key_name, of: PhantomData })
    }

    /// Puts together what a cipher has made.
    ///
    /// # Errors
    ///
    /// It is too long, or shorter than a tag, or the header is none of [`sealed_header`].
    pub fn from_parts(parts: &SealedParts<'_>) -> Result<Self, Invalid> {
        let SealedParts { header, nonce, ciphertext_and_tag } = parts;
        let Some((ciphertext, tag)) = ciphertext_and_tag.split_last_chunk::<TAG_BYTES>() else { return Err(lengths()) };
        let [nonce, ciphertext, tag] = [&nonce[..], ciphertext, tag].map(|bytes| BASE64URL_NOPAD.encode(bytes));
        Self::from_compact(format!("{header}..{nonce}.{ciphertext}.{tag}"))
    }

    /// The parts, for a cipher.
    ///
    /// # Errors
    ///
    /// None: the form was checked when it was made.
    pub fn parts(&self) -> Result<SealedParts<'_>, Invalid> {
        taken_apart(&self.compact).map(|(_, parts)| parts)
    }

    /// Name of the key that it is sealed with.
    #[must_use]
    pub fn key_name(&self) -> &str {
        self.key_name.as_str()
    }

    /// The JWE, in compact form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.compact
    }
}

/// Header of what is sealed with the key of that name, in base64url: the first part of a sealed text.
#[must_use]
pub fn sealed_header(key_name: &KeyName) -> String {
    // To the letter as serde writes a [`Header`]; a name has nothing that JSON escapes.
    BASE64URL_NOPAD.encode(format!(r#"{{"alg":"{ALG}","enc":"{ENC}","kid":"{key_name}"}}"#).as_bytes())
}

fn taken_apart(compact: &str) -> Result<(KeyName, SealedParts<'_>), Invalid> {
    if compact.len() > MAX_BYTES {
        return Err(Invalid::rule(format!("must be at most {MAX_BYTES} bytes")));
    }
    let fields: Vec<&str> = compact.split('.').collect();
    let [header, encrypted_key, nonce, ciphertext, tag] = *fields.as_slice() else { return Err(form()) };
    if !encrypted_key.is_empty() {
        return Err(Invalid::rule("must have an empty second part, as a JWE of alg dir has"));
    }
    let bytes = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| form());
    let key_name = key_named(&bytes(header)?)?;
    let (nonce, mut ciphertext, tag) = (bytes(nonce)?, bytes(ciphertext)?, bytes(tag)?);
    let nonce = nonce.try_into().map_err(|_| lengths())?;
    if tag.len() != TAG_BYTES {
        return Err(lengths());
    }
    ciphertext.extend(tag);
    Ok((key_name, SealedParts { header, nonce, ciphertext_and_tag: ciphertext }))
}

fn key_named(header: &[u8]) -> Result<KeyName, Invalid> {
    let rule = "must have a header of alg dir, enc A256GCM and a kid, and of nothing else";
    let header: Header<String> = serde_json::from_slice(header).map_err(|_| Invalid::rule(rule))?;
    if header.alg != ALG || header.enc != ENC {
        return Err(Invalid::rule(rule));
    }
    KeyName::new(header.kid).map_err(|_| Invalid::rule("must have a kid of 1 to 64 of [A-Za-z0-9_-]"))
}

fn form() -> Invalid {
    Invalid::rule("must be a JWE in compact form: five parts of base64url, with a point between them")
}

fn lengths() -> Invalid {
    Invalid::rule(format!("must have a nonce of {NONCE_BYTES} bytes and a tag of {TAG_BYTES}"))
}

impl<T> Clone for Personal<T> {
    fn clone(&self) -> Self {
        Self { compact: self.compact.clone(), key_name: self.key_name.clone(), of: PhantomData }
    }
}

impl<T> PartialEq for Personal<T> {
    fn eq(&self, other: &Self) -> bool {
        self.compact == other.compact
    }
}

impl<T> Eq for Personal<T> {}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Personal").field("key_name", &self.key_name.as_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SealedParts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedParts").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<T> Serialize for Personal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.compact)
    }
}

impl<'de, T> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_compact(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<T> Read for Personal<T> {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let text = node.text(faults)?;
        Self::from_compact(text).map_err(|rule| faults.add(node, rule.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::parse;
    use crate::strategy::{damaged, personal};

    fn encoded(text: &str) -> String {
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    fn with_header(header: &str) -> String {
        let rest = [&[1; NONCE_BYTES][..], b"sealed", &[2; TAG_BYTES]].map(|bytes| BASE64URL_NOPAD.encode(bytes));
        format!("{}..{}", encoded(header), rest.join("."))
    }

    fn rule(compact: &str) -> String {
        Personal::<u8>::from_compact(compact).map_or_else(|rule| rule.to_string(), |_| "taken".to_owned())
    }

    #[test]
    fn only_a_jwe_of_the_one_form_is_taken() {
        let good = with_header(r#"{"alg":"dir","enc":"A256GCM","kid":"key_1"}"#);
        assert_eq!(rule(&good), "taken");
        assert_eq!(Personal::<u8>::from_compact(good.as_str()).unwrap().key_name(), "key_1");
        // Another order is another text of the same; what it says counts.
        assert_eq!(rule(&with_header(r#"{ "kid": "k", "enc": "A256GCM", "alg": "dir" }"#)), "taken");
        for header in [
            "",
            "x",
            "[]",
            r#"{"alg":"dir","enc":"A256GCM"}"#,
            r#"{"alg":"none","enc":"A256GCM","kid":"k"}"#,
            r#"{"alg":"dir","enc":"A128GCM","kid":"k"}"#,
            r#"{"alg":"dir","enc":"A256GCM","kid":"k","zip":"DEF"}"#,
            r#"{"alg":"dir","enc":"A256GCM","kid":"k","crit":["exp"],"exp":1}"#,
            r#"{"alg":"dir","alg":"dir","enc":"A256GCM","kid":"k"}"#,
            r#"{"alg":"dir","enc":"A256GCM","kid":7}"#,
        ] {
            assert!(rule(&with_header(header)).starts_with("must have a header"), "{header}");
        }
        for kid in ["", "a b", "ä", &"k".repeat(65)] {
            let header = format!(r#"{{"alg":"dir","enc":"A256GCM","kid":"{kid}"}}"#);
            assert!(rule(&with_header(&header)).starts_with("must have a kid"), "{kid:?}");
        }
    }

    #[test]
    fn each_part_is_checked() {
        let good = with_header(r#"{"alg":"dir","enc":"A256GCM","kid":"k"}"#);
        let fields: Vec<&str> = good.split('.').collect();
        let with = |index: usize, part: &str| {
            let mut fields = fields.clone();
            fields[index] = part;
            rule(&fields.join("."))
        };
        assert!(with(1, "AA").contains("empty second part"));
        for (index, part) in [(2, ""), (2, "AAAA"), (4, ""), (4, "AAAA")] {
            assert!(with(index, part).starts_with("must have a nonce"), "{index} {part}");
        }
        // Not of base64url, padded, and with bits behind the last byte, which would be a second text of the same.
        for part in ["a+b/", "AA==", "AB"] {
            assert!(with(3, part).starts_with("must be a JWE"), "{part}");
        }
        assert_eq!(with(3, ""), "taken", "nothing at all can be sealed");
        assert!(rule("a.b.c.d").starts_with("must be a JWE"));
        assert!(rule(&format!("{good}.")).starts_with("must be a JWE"));
        assert_eq!(with(3, &"A".repeat(MAX_BYTES)), "must be at most 16384 bytes");
    }

    #[test]
    fn a_fault_names_its_place_and_never_the_value() {
        let faults =
            |document: &serde_json::Value| parse::<Personal<u8>>(document).err().unwrap_or_default().to_string();
        assert_eq!(faults(&json!(7)), "the document must be a text");
        assert!(!faults(&json!("Ada Lovelace")).contains("Ada"));
        let error = serde_json::from_value::<Personal<u8>>(json!("Ada Lovelace")).unwrap_err();
        assert!(!error.to_string().contains("Ada"), "{error}");
    }

    #[test]
    fn nothing_of_it_shows_but_the_name_of_its_key() {
        let sealed = Personal::<u8>::from_compact(with_header(r#"{"alg":"dir","enc":"A256GCM","kid":"k"}"#)).unwrap();
        assert_eq!(format!("{sealed:?}"), r#"Personal { key_name: "k", .. }"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn it_is_put_together_as_it_was_taken_apart(sealed in personal::<u8>()) {
            prop_assert_eq!(Personal::from_parts(&sealed.parts().unwrap()), Ok(sealed.clone()));
            let written = serde_json::to_value(&sealed).unwrap();
            prop_assert_eq!(parse::<Personal<u8>>(&written), Ok(sealed.clone()));
            let name = KeyName::new(sealed.key_name()).unwrap();
            prop_assert_eq!(sealed_header(&name), sealed.parts().unwrap().header);
        }

        #[test]
        fn what_is_damaged_is_read_or_refused(document in damaged(personal::<u8>().prop_map(|sealed| json!(sealed)))) {
            if let Ok(sealed) = parse::<Personal<u8>>(&document) {
                prop_assert!(sealed.parts().is_ok());
            }
        }
    }
}
