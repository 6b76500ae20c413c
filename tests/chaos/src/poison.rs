//! Messages that can never be handled.

use fastrand::Rng;
use orderflow_tests::{SERVICES, Service};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::plan::pick;

/// A message that was sent to a service's queue, and has to be in its dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poison {
    pub(crate) service: Service,
    /// No other message has this body.
    pub(crate) body: String,
}

/// Fault of a poisonous message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NotJson,
    Half,
    NoCloudEvent,
    UnknownType,
    LaterVersion,
    AnothersSource,
    NoData,
    AnotherOrder,
}

impl Fault {
    /// The journal looks at the envelope only, and keeps what is wrong behind it.
    fn is_poison_to(self, service: Service) -> bool {
        service != "Journal" || matches!(self, Self::NotJson | Self::Half | Self::NoCloudEvent)
    }

    fn body(self, order: &str) -> String {
        let mut event = cancellation(order);
        match self {
            Self::NotJson => return format!("this is no event: {}", Uuid::now_v7()),
            Self::Half => {
                let text = event.to_string();
                return text[..text.len() / 2].to_owned();
            }
            Self::NoCloudEvent => return json!({ "poison": Uuid::now_v7().to_string() }).to_string(),
            Self::UnknownType => event["type"] = json!("OrderTeleported"),
            Self::LaterVersion => event["dataschema"] = json!("urn:orderflow:OrderCancelled:2"),
            // Whoever believes it cancels an order that nobody wanted to cancel.
            Self::AnothersSource => event["source"] = json!("https://shop.example/web"),
            Self::NoData => event["data"] = json!([]),
            Self::AnotherOrder => event["data"]["orderId"] = json!("another"),
        }
        event.to_string()
    }
}

fn cancellation(order: &str) -> Value {
    json!({
        "id": Uuid::now_v7().to_string(),
        "specversion": "1.0",
        "source": "orderflow/orders",
        "type": "OrderCancelled",
        "subject": order,
        "time": "2026-11-22T09:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:orderflow:OrderCancelled:1",
        "data": { "orderId": order, "reason": "customerRequest" },
    })
}

impl Poison {
    /// What is poison to every service.
    pub(crate) fn of_every_service(service: Service) -> Self {
        Self { service, body: Fault::NotJson.body("") }
    }

    /// Some poison about that order.
    pub(crate) fn draw(rng: &mut Rng, order: &str) -> Self {
        let service = *rng.choice(SERVICES.iter()).unwrap_or(&"Orders");
        let faults = [
            (1, Fault::NotJson),
            (1, Fault::Half),
            (1, Fault::NoCloudEvent),
            (1, Fault::UnknownType),
            (1, Fault::LaterVersion),
            (2, Fault::AnothersSource),
            (1, Fault::NoData),
            (1, Fault::AnotherOrder),
        ];
        loop {
            let fault = *pick(rng, &faults);
            if fault.is_poison_to(service) {
                return Self { service, body: fault.body(order) };
            }
        }
    }
}

/// A type that no service knows.
pub(crate) const STRANGE: &str = "OrderPraised";

/// An event of a type that no service knows: the journal alone keeps it.
pub(crate) fn stranger(order: &str) -> Value {
    let mut event = cancellation(order);
    event["source"] = json!("https://shop.example/web");
    event["type"] = json!(STRANGE);
    event["dataschema"] = json!("urn:orderflow:OrderPraised:1");
    event
}

#[cfg(test)]
mod tests {
    use orderflow_events::Event;

    use super::*;

    #[test]
    fn every_poison_is_poison() {
        let mut rng = Rng::with_seed(1);
        let drawn: Vec<Poison> = (0..500).map(|_| Poison::draw(&mut rng, "ord_1")).collect();
        for service in SERVICES.iter().copied() {
            assert!(drawn.iter().any(|poison| poison.service == service), "{service}");
        }
        for poison in drawn {
            let read = serde_json::from_str::<Value>(&poison.body);
            assert!(read.is_err() || Event::from_value(&read.unwrap()).is_err(), "{}", poison.body);
        }
        assert!(Event::from_value(&cancellation("ord_1")).is_ok());
    }
}
