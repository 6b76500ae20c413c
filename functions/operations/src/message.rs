//! Message of a dead letter: as it lies in a queue, and as it is kept.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use onewrite::Attribute;
use onewrite::envelope::derive_id;
use onewrite::personal::SealedText;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Message as it lies in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct Message {
    /// The body.
    pub body: String,
    /// The attributes, without what was said about a failure.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Message {
    /// Digest of its body: of JSON that of what it says, for on its way a text may have been written anew.
    #[must_use]
    pub fn digest(&self) -> String {
        let canonical = serde_json::from_str::<Value>(&self.body).map(|json| json.to_string());
        derive_id("", &[canonical.as_deref().unwrap_or(&self.body)])
    }
}

/// Message as it is kept: sealed where it may have a person in clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kept {
    /// Nobody is in it.
    Clear(Message),
    /// Somebody may be.
    Sealed {
        /// Owner of the key that opens it.
        owner: String,
        /// The message.
        message: SealedText,
    },
}

/// Message as JSON.
#[derive(Serialize, Deserialize)]
struct Stored {
    body: String,
    attributes: BTreeMap<String, StoredAttribute>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredAttribute {
    data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl From<Message> for Stored {
    fn from(Message { body, attributes }: Message) -> Self {
        let stored = |attribute| match attribute {
            Attribute::Text(data_type, text) => StoredAttribute { data_type, text: Some(text), base64: None },
            Attribute::Binary(data_type, bytes) => {
                StoredAttribute { data_type, text: None, base64: Some(BASE64.encode(&bytes)) }
            }
        };
        let attributes = attributes.into_iter().map(|(name, attribute)| (name, stored(attribute)));
        Self { body, attributes: attributes.collect() }
    }
}

impl TryFrom<Stored> for Message {
    type Error = &'static str;

    fn try_from(Stored { body, attributes }: Stored) -> Result<Self, Self::Error> {
        let attribute = |StoredAttribute { data_type, text, base64 }| match (text, base64) {
            (Some(text), _) => Ok(Attribute::Text(data_type, text)),
            (None, Some(base64)) => {
                let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| "an attribute is not in base 64")?;
                Ok(Attribute::Binary(data_type, bytes))
            }
            (None, None) => Err("an attribute has no value"),
        };
        let attributes = attributes.into_iter().map(|(name, stored)| attribute(stored).map(|stored| (name, stored)));
        Ok(Self { body, attributes: attributes.collect::<Result<_, Self::Error>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_message_is_the_same() {
        let attributes = [
            ("a".to_owned(), Attribute::Text("Number".to_owned(), "1".to_owned())),
            ("b".to_owned(), Attribute::Binary("Binary.png".to_owned(), vec![0, 255])),
        ];
        let kept = Kept::Clear(Message { body: "{\"a\": 1 }".to_owned(), attributes: attributes.into() });
        let stored = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Kept>(&stored).unwrap(), kept);
        for strange in [r#"{"dataType": "String"}"#, r#"{"dataType": "Binary", "base64": "?"}"#] {
            let stored = format!(r#"{{"clear": {{"body": "", "attributes": {{"a": {strange}}}}}}}"#);
            assert!(serde_json::from_str::<Kept>(&stored).is_err(), "{strange}");
        }
    }
}
