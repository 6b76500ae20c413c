//! The services that take events: what each sends and receives, as its own code says it.

use onewrite::Decider;
use onewrite::envelope::Heard;
use orderflow_events::{EventType, Payload, Source};
use orderflow_inventory::Inventory;
use orderflow_notification::Notification;
use orderflow_orders::Orders;
use orderflow_payment::Payment;
use orderflow_screening::Screening;
use orderflow_shipping::Shipping;

/// A service with a queue.
pub(crate) struct Service {
    /// Its name, as `template.yaml` writes it.
    pub(crate) name: &'static str,
    /// Types that it consumes; all, where there is no list.
    pub(crate) consumes: Option<&'static [EventType]>,
    source: Option<Source>,
}

impl Service {
    /// The types that it receives.
    #[allow(dead_code, reason = "each of those who share this list asks some of its questions")]
    pub(crate) fn receives(&self) -> Vec<EventType> {
        self.consumes.map_or_else(|| EventType::ALL.to_vec(), <[EventType]>::to_vec)
    }

    /// The types that it sends.
    pub(crate) fn sends(&self) -> Vec<EventType> {
        EventType::ALL.into_iter().filter(|kind| self.source == Some(kind.producer())).collect()
    }
}

/// Every service with a queue.
pub(crate) fn services() -> [Service; 7] {
    [
        service::<Orders>("Orders"),
        service::<Inventory>("Inventory"),
        service::<Payment>("Payment"),
        service::<Shipping>("Shipping"),
        service::<Screening>("Screening"),
        service::<Notification>("Notification"),
        Service { name: "Journal", consumes: None, source: None },
    ]
}

fn service<D: Decider<Heard: Heard<Contract = Payload>>>(name: &'static str) -> Service {
    Service { name, consumes: Some(<D::Heard as Heard>::TYPES), source: Some(D::SOURCE) }
}
