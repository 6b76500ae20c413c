//! `cargo local watch`: the events as they happen, one line each.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::Style;

use crate::client::events::{Event, EventStream, EventsError};
use crate::client::outputs::Outputs;
use crate::commands::demo::{describe, producer};
use crate::terminal::colours::Colours;
use crate::terminal::signals::Signals;
use crate::terminal::stranger::{shown, shown_json};
use crate::terminal::style::{faint, styled};

/// Longest wait of one call for events, so that Ctrl-C is noticed soon.
const PATIENCE: Duration = Duration::from_secs(1);

/// Failure to show the events.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The events cannot be followed.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// Choice of what is shown.
#[derive(Debug)]
pub(crate) struct Watch {
    /// One order alone.
    pub(crate) order: Option<String>,
    /// One JSON object a line, as it was published.
    pub(crate) json: bool,
}

impl Watch {
    /// Shows events until it is asked to end, and leaves nothing of itself on the topic.
    pub(crate) async fn run(&self, outputs: &Outputs, signals: &mut Signals) -> Result<(), WatchError> {
        let stream = EventStream::open(&outputs.endpoint().sdk_config(), outputs).await?;
        let shown = tokio::select! {
            () = signals.ask_to_end() => Ok(()),
            error = self.show(&stream) => Err(error),
        };
        let closed = stream.close().await;
        shown?;
        Ok(closed?)
    }

    async fn show(&self, stream: &EventStream) -> WatchError {
        let mut colours = Colours::default();
        loop {
            let events = match stream.next(PATIENCE).await {
                Ok(events) => events,
                Err(error) => return error.into(),
            };
            let wanted = |event: &&Event| self.order.as_ref().is_none_or(|order| *order == event.subject);
            for event in events.iter().filter(wanted) {
                let line = if self.json { shown_json(&event.text) } else { line(event, colour(&mut colours, event)) };
                if let Err(error) = writeln!(anstream::stdout(), "{line}") {
                    return error.into();
                }
            }
        }
    }
}

/// `09:15:02.117  InventoryReserved  inventory     ord_1…  2 coffee-beans-1kg`
fn line(event: &Event, colour: Style) -> String {
    let time = event.time.split_once('T').map_or(event.time.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let [time, kind, who, subject, what] =
        [time, &event.kind, producer(event), &event.subject, &describe(event)].map(shown);
    let (kind, who) = (format!("{kind:<18}"), format!("{who:<10}"));
    format!("{}  {}  {}  {subject}  {what}", faint(time), styled(colour, kind), styled(colour, who))
}

/// Colour of an event's service; a producer from outside has none.
fn colour(colours: &mut Colours, event: &Event) -> Style {
    match event.source.strip_prefix("orderflow/") {
        Some(service) => colours.of(service),
        None => Style::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_producer_from_outside_has_no_colour() {
        let mut colours = Colours::default();
        let mut of = |source: &str| colour(&mut colours, &Event { source: source.to_owned(), ..Event::default() });
        assert_eq!(of("https://shop.example"), Style::new());
        assert_ne!(of("orderflow/orders"), Style::new());
    }

    #[test]
    fn an_event_is_one_aligned_line() {
        let event = Event {
            source: "orderflow/inventory".to_owned(),
            kind: "InventoryReserved".to_owned(),
            subject: "ord_1".to_owned(),
            time: "2026-11-22T09:15:02.117Z".to_owned(),
            data: json!({ "lines": [{ "sku": "a", "quantity": 2 }] }),
            ..Event::default()
        };
        let plain = anstream::adapter::strip_str(&line(&event, colour(&mut Colours::default(), &event))).to_string();
        assert_eq!(plain, "09:15:02.117  InventoryReserved   inventory   ord_1  2 a");
    }

    #[test]
    fn an_event_of_a_stranger_commands_no_terminal() {
        let evil = "\u{1b}[2J\r\n".to_owned();
        let event = Event {
            source: evil.clone(),
            kind: "ShipmentCreated".to_owned(),
            subject: evil.clone(),
            time: evil.clone(),
            data: json!({ "carrier": evil, "trackingNumber": evil }),
            ..Event::default()
        };
        let line = anstream::adapter::strip_str(&line(&event, Style::new())).to_string();
        assert_eq!(line.matches("\\u{1b}[2J\\u{d}\\u{a}").count(), 5, "{line:?}");
    }
}
