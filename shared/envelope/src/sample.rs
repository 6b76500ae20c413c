//! Sample events of any contract, to try consumers with.

use crate::{Context, Contract, Event, EventId, EventType, Extensions, Source, Subject, Text, Time};

/// Event that says this, from the source that its type counts from; a web site's where that is anyone. Two events of one
/// type about one subject are the same event, with the same id.
#[must_use]
pub fn event<P: Contract>(data: impl Into<P>) -> Event<P> {
    another_event(data, 0)
}

/// Like [`event`], with another id for each `number`.
///
/// # Panics
///
/// The data is about no subject.
#[must_use]
#[expect(clippy::expect_used, reason = "a sample that is wrong should be noticed at once")]
pub fn another_event<P: Contract>(data: impl Into<P>, number: u8) -> Event<P> {
    const ANYONE: Source = Source::from_static("https://library.example");
    let data = data.into();
    let event_type = data.event_type();
    let step = P::Type::ALL.iter().position(|other| *other == event_type).and_then(|step| u8::try_from(step).ok());
    let mut random = [number; 10];
    random[0] = step.unwrap_or(u8::MAX);
    let subject = Subject::new(data.about().as_ref()).expect("data about a subject");
    for (index, byte) in subject.as_str().bytes().enumerate() {
        random[2 + index % 8] = random[2 + index % 8].rotate_left(3) ^ byte;
    }
    let millis = 1_767_225_600_000 + u64::from(step.unwrap_or_default()) * 1_000;
    let context = Context {
        id: EventId::v7(millis, random),
        source: event_type.source().unwrap_or(ANYONE),
        subject,
        time: Time::from_millis(i64::try_from(millis).unwrap_or_default()),
        sequence: Some(1),
        correlation_id: Some(Text::shortened("flow-1")),
        causation_id: None,
        trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        trace_state: None,
        extensions: Extensions::new(),
    };
    Event { context, data }
}
