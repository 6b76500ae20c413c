//! Settings of the intake.

use std::collections::BTreeSet;

use onewrite::envelope::{Faults, Node, Read, reads};
use orderflow_events::{Source, Text};

/// Settings: the variable `SETTINGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the price table.
    pub price_table_name: Text,
    /// Name of the table that has the keys of the customers.
    pub key_table_name: Text,
    /// Producers that may state prices.
    pub pricing_producers: PricingProducers,
}

reads!(Settings {
    price_table_name: required("priceTableName"),
    key_table_name: required("keyTableName"),
    pricing_producers: required("pricingProducers"),
});

/// Producers, by the `source` of their events, whose prices count; those of all others must be the price table's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PricingProducers {
    /// Each that may publish to the intake's topic.
    Each,
    /// These.
    These(BTreeSet<Source>),
}

impl PricingProducers {
    /// Tells that the prices of that producer count.
    #[must_use]
    pub fn may_state(&self, producer: &Source) -> bool {
        match self {
            Self::Each => true,
            Self::These(sources) => sources.contains(producer),
        }
    }
}

/// Sources with commas between them, `*` for each; an empty text is none.
impl Read for PricingProducers {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let sources = match node.text(faults)? {
            "*" => return Some(Self::Each),
            "" => return Some(Self::These(BTreeSet::new())),
            sources => sources.split(','),
        };
        let sources: Result<_, _> = sources.map(|source| Source::new(source.to_owned())).collect();
        sources.map(Self::These).map_err(|rule| faults.add(node, format!("has a source that {rule}"))).ok()
    }
}

#[cfg(test)]
mod tests {
    use orderflow_events::parse;
    use serde_json::json;

    use super::*;

    #[test]
    fn producers_are_each_or_none_or_some_by_name() {
        let read = |producers| {
            let settings = json!({ "priceTableName": "prices", "keyTableName": "keys", "pricingProducers": producers });
            parse::<Settings>(&settings).map(|settings| settings.pricing_producers)
        };
        let may = |producers: &str| {
            let producers = read(json!(producers)).unwrap();
            ["https://a.example", "/b"].map(|source| producers.may_state(&Source::new(source).unwrap()))
        };
        for (producers, expected) in [
            ("*", [true, true]),
            ("", [false, false]),
            ("/b", [false, true]),
            ("/b,https://a.example", [true, true]),
            ("https://a.example/", [false, false]),
            ("/b,*", [false, true]),
        ] {
            assert_eq!(may(producers), expected, "{producers}");
        }
        for wrong in [json!(null), json!(["/b"]), json!("/b,"), json!("/b, /c")] {
            let faults = read(wrong.clone()).unwrap_err();
            assert_eq!(faults.as_slice()[0].pointer, "/pricingProducers", "{wrong}");
        }
    }
}
