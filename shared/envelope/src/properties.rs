//! Properties of texts, times, attributes, and of everything that is none.

use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::strategy::{context, json, pointers, text, time};
use crate::{Envelope, EventId, Source, Subject, Text, Time, parse};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_attributes_of_any_event_are_read(attributes in context(), subject in text(), schema in any::<bool>()) {
        let mut document = attributes;
        let received = Time::from_millis(1_000);
        for (name, value) in [("specversion", "1.0"), ("source", "https://a.example"), ("type", "Any"), ("subject", &subject)] {
            document.insert(name.to_owned(), json!(value));
        }
        if schema {
            document.insert("dataschema".to_owned(), json!("urn:a:b"));
        }
        document.insert("data".to_owned(), json!({}));
        let envelope = Envelope::from_value(&Value::Object(document.clone()), received).unwrap();
        prop_assert_eq!(envelope.context.id.as_str(), document["id"].as_str().unwrap());
        prop_assert_eq!(envelope.context.time.to_string(), document["time"].as_str().unwrap());
        prop_assert_eq!(envelope.schema.is_some(), schema);
        document.remove("time");
        let envelope = Envelope::from_value(&Value::Object(document), received).unwrap();
        prop_assert_eq!(envelope.context.time, received);
    }

    #[test]
    fn any_json_is_an_envelope_or_refused(document in json(), id in "[a-z]{0,2}") {
        let read = Envelope::from_value(&document, Time::from_millis(0));
        prop_assert!(read.is_err(), "nothing at random has all the attributes");
        let empty = Value::Object(Map::from_iter([("id".to_owned(), json!(id))]));
        prop_assert!(Envelope::from_value(&empty, Time::from_millis(0)).is_err());
    }

    #[test]
    fn a_text_keeps_its_rule_and_itself(odd in text(), any in any::<String>(), repeated in 1..300_usize) {
        prop_assert!(Text::new(odd.clone()).is_ok());
        for text in [odd, any.clone(), any.repeat(repeated)] {
            let plain = |c: char| !c.is_control() && c != '\u{fffe}' && c != '\u{ffff}';
            let good = (1..=200).contains(&text.chars().count()) && text.chars().all(plain);
            prop_assert_eq!(Text::new(text.clone()).is_ok(), good);
            let shortened = Text::shortened(&text);
            prop_assert_eq!(Text::new(shortened.as_str()), Ok(shortened.clone()));
            prop_assert!(!good || shortened.as_str() == text);
            check_text(&text, Text::new, Text::as_str)?;
            check_text(&text, Source::new, Source::as_str)?;
            check_text(&text, EventId::new, EventId::as_str)?;
            check_text(&text, Subject::new, Subject::as_str)?;
        }
    }

    #[test]
    fn a_time_is_read_as_it_was_written(
        millis in prop_oneof![any::<i64>(), -400_000_000_000_000..400_000_000_000_000_i64],
        time in time(),
        text in prop_oneof![any::<String>(), "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,12})?([Zz]|[+-][0-9]{2}:[0-9]{2})"],
    ) {
        again(&time)?;
        for time in [time, Time::from_millis(millis)] {
            prop_assert_eq!(Time::new(&time.to_string()), Ok(time));
            prop_assert_eq!(Time::from_millis(time.as_millis()), time);
            prop_assert_eq!(time.to_string().len(), "2026-11-22T09:00:00.000Z".len());
        }
        if let Ok(time) = Time::new(&text) {
            prop_assert_eq!(Time::new(&time.to_string()), Ok(time));
        }
        let later = time.after(std::time::Duration::from_millis(millis.unsigned_abs()));
        prop_assert!(later >= time && time.until(later) <= std::time::Duration::from_millis(millis.unsigned_abs()));
    }
}

/// Checks that a value is read as it was written.
fn again<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let text = serde_json::to_string(value).unwrap();
    prop_assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    Ok(())
}

/// A text that is taken is itself, and is read as it was written; one that is refused is refused by `serde` and by
/// [`parse`], too.
fn check_text<T>(
    text: &str,
    new: fn(String) -> Result<T, crate::Invalid>,
    as_str: fn(&T) -> &str,
) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + crate::Read + PartialEq + Debug,
{
    let made = new(text.to_owned()).ok();
    prop_assert_eq!(made.as_ref().map(as_str), made.as_ref().map(|_| text));
    prop_assert_eq!(&parse::<T>(&json!(text)).ok(), &made);
    prop_assert_eq!(serde_json::from_value::<T>(json!(text)).ok(), made);
    Ok(())
}

#[test]
fn every_place_of_a_document_can_be_damaged() {
    let places = pointers(&json!({ "a/b": [1, { "c": null }] }));
    assert_eq!(places, ["", "/a~1b", "/a~1b/0", "/a~1b/1", "/a~1b/1/c"]);
}
