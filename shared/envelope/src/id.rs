//! Ids of events, of what they are about, and those that are derived.

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};

use crate::text::{Invalid, is_plain, plain};
use crate::text_type;

text_type!(
    /// Subject of an event: the one that it is about, such as a user, an address of mail or an ARN. 1 to 1,024
    /// bytes without control characters: a key of DynamoDB has no more.
    Subject,
    subject_rule,
    { "type": "string", "minLength": 1, "maxLength": 1024, "pattern": crate::describe::PLAIN, "examples": ["web-17"] }
);

fn subject_rule(text: &str) -> Result<(), Invalid> {
    plain(text, MAX_SUBJECT_BYTES)?;
    if text.len() > MAX_SUBJECT_BYTES {
        return Err(Invalid::rule(format!("must be 1 to {MAX_SUBJECT_BYTES} bytes")));
    }
    Ok(())
}

const MAX_SUBJECT_BYTES: usize = 1_024;

impl Subject {
    /// The longest beginning of `text` that is a subject; of an id that keeps the rule it is all of it. An empty text becomes
    /// `-`.
    #[must_use]
    pub fn shortened(text: &str) -> Self {
        let mut bytes = 0;
        let fits = |c: &char| {
            bytes += c.len_utf8();
            bytes <= MAX_SUBJECT_BYTES
        };
        let kept: String = text.chars().filter(|c| is_plain(*c)).take_while(fits).collect();
        Self(if kept.is_empty() { "-".to_owned() } else { kept })
    }
}

text_type!(
    /// Id of one event, unique for ever for its source. The same event published twice has the same id. Of ours it is a
    /// UUIDv7 (RFC 9562); others have 1 to 128 characters of any kind but control characters.
    EventId,
    event_id_rule,
    {
        "type": "string",
        "minLength": 1,
        "maxLength": 128,
        "pattern": crate::describe::PLAIN,
        "examples": ["019aa9d0-7c00-7b1e-9f00-5a0000000017"],
    }
);

fn event_id_rule(text: &str) -> Result<(), Invalid> {
    plain(text, 128)
}

impl EventId {
    /// `UUIDv7` of a time, in milliseconds since 1970, and ten random bytes.
    #[must_use]
    pub fn v7(millis: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().hyphenated().to_string())
    }
}

/// Derives an id with a prefix from `parts` alone: the same parts give the same id, different ones another (the first 130
/// bits of their SHA-256, in Crockford's base 32). Each part is preceded by its length, so that `["ab", "c"]` and
/// `["a", "bc"]` differ. A second attempt at something can so ask for it by the name that the first had for it.
#[must_use]
pub fn derive_id(prefix: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let text = crockford().encode(&hash.finalize());
    format!("{}{}", prefix, &text[..26])
}

fn crockford() -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    specification.encoding().unwrap_or(data_encoding::BASE32HEX_NOPAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_depends_on_every_part() {
        let id = |parts: &[&str]| derive_id("ord_", parts);
        assert_eq!(id(&["ab", "c"]), id(&["ab", "c"]));
        assert_ne!(id(&["ab", "c"]), id(&["a", "bc"]));
        assert_eq!(id(&["a"]).len(), 30);
        // Both sides of a retry derive it, in whatever build: this value may never change.
        assert_eq!(derive_id("pay_", &["ord_1"]), "pay_1ez6m7xhq1v6vjcndwmdyvsfys");
    }

    #[test]
    fn an_id_of_ours_is_a_uuid_of_version_7() {
        let id = EventId::v7(1_700_000_000_000, [7; 10]);
        assert_eq!(id.as_str(), "018bcfe5-6800-7707-8707-070707070707");
        assert_eq!(uuid::Uuid::try_parse(id.as_str()).map(|uuid| uuid.get_version_num()), Ok(7));
    }

    #[test]
    fn ids_and_subjects_of_others_are_taken() {
        let longest = "x".repeat(128);
        for good in ["1", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "a b/ü", &longest] {
            assert!(EventId::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "a\n", &"x".repeat(129)] {
            assert!(EventId::new(bad).is_err(), "{bad:?}");
        }
        for good in ["auth0|42", "ada@example.com", "arn:aws:iam::123456789012:user/Ada", &"x".repeat(1_024)] {
            assert!(Subject::new(good).is_ok(), "{good:?}");
        }
        assert_eq!(Subject::shortened(&"ü".repeat(513)).as_str(), "ü".repeat(512));
        assert_eq!(Subject::shortened("a\nb").as_str(), "ab");
        for bad in ["", "a\u{0}", &"x".repeat(1_025), &"ü".repeat(513)] {
            assert!(Subject::new(bad).is_err(), "{bad:?}");
        }
    }
}
