//! The person of an order: who it is, where they live, and how they are reached.
//!
//! No event of ours has that in clear. `OrderCreated` has it sealed, and what came in clear is sealed before the first row.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer, ser};
use serde_json::Value;
#[cfg(feature = "schema")]
use serde_json::json;

use crate::country::Country;
use crate::text::{Email, customer_id_rule, phone_rule, words_rule};
use envelope::{Faults, Invalid, Node, Personal, Read, Text, reads};

/// Writes a [`Debug`](fmt::Debug) that shows nothing: what a person has written is in no log by accident.
macro_rules! shows_nothing {
    ($type:ty, $what:literal) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!("(", $what, ")"))
            }
        }
    };
}

pub(crate) use shows_nothing;

/// The buyer, as everybody may know them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Buyer {
    /// The shop's own id of the customer.
    pub id: Text,
}

reads!(Buyer { id: customer_id("id") });

/// Destination of the goods, as everybody may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Destination {
    /// The country: two letters of ISO 3166-1, or `XK` for Kosovo. The United Kingdom is `GB`.
    pub country: Country,
}

reads!(Destination { country: required("country") });

/// Person of an order: all of it that is nobody's business, and what is sealed. [`Debug`](fmt::Debug) shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Name of the customer.
    pub name: Text,
    /// Address of the customer's mails: one that mail can be sent to, with ASCII before the `@`, and any domain behind it.
    pub email: Email,
    /// Number of the customer's short messages, in any writing: with its country code, or as it is dialled in the country of
    /// the shipping address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Text>,
    /// Address that the goods go to.
    pub shipping_address: Address,
}

shows_nothing!(Person, "a person");

/// Reason why nobody but the intake takes an order whose person is in clear: whoever keeps anything of it would keep that.
pub const IN_CLEAR: &str = "the person of the order is in clear: the intake alone takes that, and seals it";

/// Person of an order, sealed or not yet.
///
/// Nothing that is in clear can be written: [`Serialize`] refuses it, so that no row and no event can have it, and
/// [`Debug`](fmt::Debug) shows none of it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Personal<Person>")]
pub enum PersonalData {
    /// Sealed under the customer's key.
    Sealed(Personal<Person>),
    /// In clear, as it is in versions 1 and 2, and in a request.
    Clear(Box<Person>),
}

impl PersonalData {
    /// The sealed person; none where they are in clear.
    #[must_use]
    pub fn sealed(&self) -> Option<&Personal<Person>> {
        match self {
            Self::Sealed(sealed) => Some(sealed),
            Self::Clear(_) => None,
        }
    }

    /// The person in clear; none where they are sealed.
    #[must_use]
    pub fn clear(&self) -> Option<&Person> {
        match self {
            Self::Sealed(_) => None,
            Self::Clear(person) => Some(person),
        }
    }
}

impl From<Personal<Person>> for PersonalData {
    fn from(sealed: Personal<Person>) -> Self {
        Self::Sealed(sealed)
    }
}

impl From<Person> for PersonalData {
    fn from(person: Person) -> Self {
        Self::Clear(Box::new(person))
    }
}

impl fmt::Debug for PersonalData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed(sealed) => sealed.fmt(f),
            Self::Clear(person) => person.fmt(f),
        }
    }
}

impl Serialize for PersonalData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sealed(sealed) => sealed.serialize(serializer),
            Self::Clear(_) => Err(ser::Error::custom("a person in clear is not written: it is to be sealed first")),
        }
    }
}

impl Read for PersonalData {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        Personal::read(node, faults).map(Self::Sealed)
    }
}

envelope::json_schema_of!(
    OptionalText,
    ["A text of at most 200 characters without control characters. One that is null or empty is absent."],
    { "type": ["string", "null"], "maxLength": 200, "pattern": envelope::PLAIN }
);

/// Text that need not be there: for schemas only.
#[cfg(feature = "schema")]
pub(crate) struct OptionalText;

/// Shipping address. Its country says whether it must have a city and a postal code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = required_by_country))]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// The recipient.
    pub name: Text,
    /// Street and number.
    pub line1: Text,
    /// More of the street, such as a floor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "OptionalText"))]
    pub line2: Option<Text>,
    /// The city or the town; absent only in countries whose addresses have none, such as Singapore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "OptionalText"))]
    pub city: Option<Text>,
    /// State, province or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "OptionalText"))]
    pub region: Option<Text>,
    /// The postal code; absent only in countries that deliver without one, such as Ireland.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "OptionalText"))]
    pub postal_code: Option<Text>,
    /// The country: two letters of ISO 3166-1, or `XK` for Kosovo. The United Kingdom is `GB`.
    pub country: Country,
}

shows_nothing!(Address, "an address");

impl Read for Address {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        let name = node.words("name", faults);
        let line1 = node.words("line1", faults);
        let line2 = node.optional_words("line2", faults);
        let city = node.optional_words("city", faults);
        let region = node.optional_words("region", faults);
        let postal_code = node.optional_words("postalCode", faults);
        let country: Option<Country> = node.required("country", faults);
        if city == Some(None) && country.is_some_and(|country| country.has_cities()) {
            faults.add(&node.field("city"), "is required");
        }
        if postal_code == Some(None) && country.is_some_and(|country| country.has_postal_codes()) {
            faults.add(&node.field("postalCode"), "is required");
        }
        let (name, line1, line2) = (name?, line1?, line2?);
        Some(Self { name, line1, line2, city: city?, region: region?, postal_code: postal_code?, country: country? })
    }
}

/// Adds to the schema of an address which countries ask for a city, and which for a postal code.
#[cfg(feature = "schema")]
fn required_by_country(schema: &mut schemars::Schema) {
    use crate::country::{with_postal_code, without_city};
    let there =
        |field: &str| json!({ "required": [field], "properties": { field: { "type": "string", "minLength": 1 } } });
    let of =
        |countries: Vec<&str>| json!({ "required": ["country"], "properties": { "country": { "enum": countries } } });
    let rules = json!([
        { "if": of(without_city().collect()), "else": there("city") },
        { "if": of(with_postal_code().collect()), "then": there("postalCode") },
    ]);
    schema.insert("allOf".to_owned(), rules);
}

/// Parts of a document that people have written.
#[expect(clippy::option_option, reason = "as of `Node::optional`: nothing may be there, and nothing may be readable")]
pub(crate) trait PersonNode {
    /// Text that is absent where it is `null` or empty.
    fn optional_text<T: Read>(&self, name: &str, faults: &mut Faults) -> Option<Option<T>>;

    /// Words of a person, without a card number.
    fn words(&self, name: &str, faults: &mut Faults) -> Option<Text>;

    /// The same, where they are not `null` or empty.
    fn optional_words(&self, name: &str, faults: &mut Faults) -> Option<Option<Text>>;

    /// A customer's id, without a card number.
    fn customer_id(&self, name: &str, faults: &mut Faults) -> Option<Text>;

    /// Telephone number in any writing, without a card number, where it is not `null` or empty.
    fn optional_phone(&self, name: &str, faults: &mut Faults) -> Option<Option<Text>>;
}

impl PersonNode for Node<'_> {
    fn optional_text<T: Read>(&self, name: &str, faults: &mut Faults) -> Option<Option<T>> {
        let is_empty = self.field(name).value().and_then(Value::as_str).is_some_and(str::is_empty);
        if is_empty { Some(None) } else { self.optional(name, faults) }
    }

    fn words(&self, name: &str, faults: &mut Faults) -> Option<Text> {
        let words = self.required(name, faults);
        kept(&self.field(name), words, words_rule, faults)
    }

    fn optional_words(&self, name: &str, faults: &mut Faults) -> Option<Option<Text>> {
        let words = self.optional_text(name, faults)?;
        words.map_or(Some(None), |words| kept(&self.field(name), Some(words), words_rule, faults).map(Some))
    }

    fn customer_id(&self, name: &str, faults: &mut Faults) -> Option<Text> {
        let id = self.required(name, faults);
        kept(&self.field(name), id, customer_id_rule, faults)
    }

    fn optional_phone(&self, name: &str, faults: &mut Faults) -> Option<Option<Text>> {
        let phone = self.optional_text(name, faults)?;
        phone.map_or(Some(None), |phone| kept(&self.field(name), Some(phone), phone_rule, faults).map(Some))
    }
}

/// The text, if it keeps one more rule.
fn kept(
    node: &Node<'_>,
    text: Option<Text>,
    rule: fn(&str) -> Result<(), Invalid>,
    faults: &mut Faults,
) -> Option<Text> {
    text.filter(|text| rule(text.as_str()).map_err(|broken| faults.add(node, broken.to_string())).is_ok())
}
