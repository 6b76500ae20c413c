//! One event of each type and version, as some build has published it: they must be understood for ever.

use std::collections::BTreeSet;

use orderflow_events::{Event, EventType};
use serde_json::Value;

use crate::document::{committed, files_in};

/// Every type in every version that is understood.
pub(crate) fn versions() -> impl Iterator<Item = (EventType, u32)> {
    EventType::ALL.into_iter().flat_map(|kind| kind.versions().iter().map(move |version| (kind, *version)))
}

/// Path of the event of that version.
fn path(kind: EventType, version: u32) -> String {
    format!("golden/{kind}.{version}.json")
}

/// The committed event of that version, to the letter.
pub(crate) fn text(kind: EventType, version: u32) -> Option<String> {
    committed(&path(kind, version))
}

/// The same, read.
pub(crate) fn read(kind: EventType, version: u32) -> Option<Value> {
    text(kind, version).map(|text| serde_json::from_str(&text).expect("an event is JSON"))
}

/// Every committed event.
pub(crate) fn all() -> Vec<(EventType, u32, Value)> {
    versions().filter_map(|(kind, version)| Some((kind, version, read(kind, version)?))).collect()
}

pub(crate) fn every_type_and_version_has_an_event_and_no_other_has() {
    let expected: BTreeSet<String> = versions().map(|(kind, version)| path(kind, version)).collect();
    let found: BTreeSet<String> = files_in("golden").into_iter().collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?}: save an event there that `cargo local watch --json` shows");
    let lost: Vec<_> = found.difference(&expected).collect();
    assert!(lost.is_empty(), "{lost:?} was published once, and is no longer understood: its version must stay");
}

pub(crate) fn every_event_of_an_earlier_build_is_understood() {
    for (kind, version, event) in all() {
        assert_eq!(event["dataschema"], kind.schema_of(version), "{kind} {version}");
        let decoded = Event::from_value(&event).unwrap_or_else(|error| panic!("{kind} {version}: {error}"));
        assert_eq!(decoded.event_type(), kind);
        // An event that is written again is the same event: to the letter, where its version is the newest. An older one that has
        // a person in clear is never written again.
        let written = match serde_json::to_value(&decoded) {
            Ok(written) => written,
            Err(refused) if version < kind.newest_version() && refused.to_string().contains("in clear") => continue,
            Err(refused) => panic!("{kind} {version}: {refused}"),
        };
        assert_eq!(Event::from_value(&written), Ok(decoded), "{kind} {version}");
        if version == kind.newest_version() {
            assert_eq!(written, event, "{kind} {version}");
        }
    }
}
