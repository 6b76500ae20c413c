//! Producers check themselves: in debug builds, and so in tests, what leaves is held against the committed schemas, so that
//! types and documents cannot drift apart. Release builds have none of it.

#[cfg(not(debug_assertions))]
pub(crate) fn check(_: &orderflow_events::Event) -> crate::failure::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
pub(crate) use debug::check;

#[cfg(debug_assertions)]
mod debug {
    use std::sync::OnceLock;

    use jsonschema::Validator;
    use orderflow_events::{Event, EventType, schema};
    use serde_json::Value;

    use crate::failure::{Failure, Result};

    /// Makes sure that an event is what the schemas say. A failure is a fault of ours, and does not pass.
    pub(crate) fn check(event: &Event) -> Result<()> {
        let document = serde_json::to_value(event).map_err(|error| Failure::permanent(error.to_string()))?;
        let (kind, mut faults) = (event.kind(), Vec::new());
        let mut collect = |validator: &Validator, part: &Value, place: &str| {
            // What the validator says has the value in it, which could be a personal datum.
            let errors = validator.iter_errors(part);
            faults
                .extend(errors.map(|error| format!("{place}{} breaks {}", error.instance_path(), error.schema_path())));
        };
        collect(of_event()?, &document, "");
        collect(of_data(kind)?, &document["data"], "/data");
        if faults.is_empty() {
            return Ok(());
        }
        Err(Failure::permanent(format!("{kind} is not what its schema says: {}", faults.join("; "))))
    }

    fn of_event() -> Result<&'static Validator> {
        static VALIDATOR: OnceLock<Result<Validator>> = OnceLock::new();
        made_once(&VALIDATOR, "Event", schema::COMMITTED_EVENT)
    }

    fn of_data(kind: EventType) -> Result<&'static Validator> {
        static VALIDATORS: [OnceLock<Result<Validator>>; EventType::ALL.len()] =
            [const { OnceLock::new() }; EventType::ALL.len()];
        let text = kind.committed_schema(kind.newest_version()).unwrap_or_default();
        made_once(&VALIDATORS[kind as usize], kind.as_str(), text)
    }

    fn made_once(cell: &'static OnceLock<Result<Validator>>, name: &str, text: &str) -> Result<&'static Validator> {
        let unusable = |error: String| Failure::permanent(format!("the schema of {name} is of no use: {error}"));
        let make = || {
            let schema = serde_json::from_str(text).map_err(|error| unusable(error.to_string()))?;
            jsonschema::options()
                .should_validate_formats(true)
                .build(&schema)
                .map_err(|error| unusable(error.to_string()))
        };
        cell.get_or_init(make).as_ref().map_err(Clone::clone)
    }
}

#[cfg(test)]
mod tests {
    use orderflow_events::{EventType, InventoryReserved, Payload};

    use super::*;
    use crate::memory::sample;

    #[test]
    fn what_leaves_is_what_its_schema_says() {
        let mut event = sample::event(sample::order("ord_1"));
        assert_eq!(check(&event), Ok(()));
        // No door of the contract lets such an event in. But a decider can make one.
        event.data = Payload::from(InventoryReserved { order_id: event.context.subject.clone(), lines: Vec::new() });
        assert_eq!(event.kind(), EventType::InventoryReserved);
        let reason = check(&event).map_err(|failure| failure.reason().to_owned());
        let expected = "InventoryReserved is not what its schema says: /data/lines breaks /properties/lines/minItems";
        assert_eq!(reason, Err(expected.to_owned()));
    }
}
