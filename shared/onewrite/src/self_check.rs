//! Self-check of producers: with the feature `self-check`, what leaves is held against the committed schemas, so that types
//! and documents cannot drift apart. It is for tests and a developer's stack; functions are released without it.

#[cfg(not(feature = "self-check"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(crate) fn check<P>(_: &envelope::Event<P>) -> crate::failure::Result<()> {
    Ok(())
}

#[cfg(feature = "self-check")]
pub(crate) use schemas::check;

#[cfg(feature = "self-check")]
mod schemas {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::rc::Rc;

    use envelope::{Contract, Event, EventType};
    use jsonschema::Validator;
    use serde_json::Value;

    use crate::failure::{Failure, Result};

    thread_local! {
        /// A validator for each committed schema, by its text.
        static VALIDATORS: RefCell<HashMap<&'static str, Rc<Validator>>> = RefCell::default();
    }

    /// Makes sure that an event is what the schemas say. A failure is a fault of ours, and does not pass.
    pub(crate) fn check<P: Contract>(event: &Event<P>) -> Result<()> {
        let document = serde_json::to_value(event).map_err(|error| Failure::permanent(error.to_string()))?;
        let event_type = event.event_type();
        let mut faults = Vec::new();
        let mut collect = |schema: Option<&'static str>, part: &Value, place: &str| -> Result<()> {
            let Some(schema) = schema else { return Ok(()) };
            let validator = validator(schema)?;
            // The validator's own words have the value in them, which could be a personal datum.
            let errors = validator.iter_errors(part);
            faults
                .extend(errors.map(|error| format!("{place}{} breaks {}", error.instance_path(), error.schema_path())));
            Ok(())
        };
        collect(P::COMMITTED_SCHEMA, &document, "")?;
        collect(event_type.committed_schema(event_type.newest_version()), &document["data"], "/data")?;
        if faults.is_empty() {
            return Ok(());
        }
        Err(Failure::permanent(format!("{event_type} is not what its schema says: {}", faults.join("; "))))
    }

    fn validator(text: &'static str) -> Result<Rc<Validator>> {
        if let Some(known) = VALIDATORS.with_borrow(|known| known.get(text).cloned()) {
            return Ok(known);
        }
        let unusable = |error: String| Failure::permanent(format!("a committed schema is of no use: {error}"));
        let schema = serde_json::from_str(text).map_err(|error| unusable(error.to_string()))?;
        let validator = jsonschema::options().should_validate_formats(true).build(&schema);
        let validator = Rc::new(validator.map_err(|error| unusable(error.to_string()))?);
        VALIDATORS.with_borrow_mut(|known| known.insert(text, Rc::clone(&validator)));
        Ok(validator)
    }
}

#[cfg(all(test, feature = "self-check"))]
mod tests {
    use super::*;
    use crate::memory::sample::{BookReady, Library, event, requested};

    #[test]
    fn an_event_that_leaves_is_held_against_its_schema() {
        let mut event = event::<Library>(requested("req_1"));
        assert_eq!(check(&event), Ok(()));
        // No door of the contract lets such an event in. But a decider can make one.
        event.data = BookReady { request_id: event.context.subject.clone(), copies: 0 }.into();
        let reason = check(&event).map_err(|failure| failure.reason().to_owned());
        let expected = "BookReady is not what its schema says: /data/copies breaks /properties/copies/minimum";
        assert_eq!(reason, Err(expected.to_owned()));
    }
}
