//! Every service of the shop, once. Documents, the rules of the template, the end-to-end tests, chaos and the simulation
//! take their lists from here; a test holds this one against `template.yaml`.
//!
//! Its name, its types and its source a service says itself.

use std::convert::Infallible;

use onewrite::Decider;
use onewrite::config::Environment;
use onewrite::envelope::Heard;
use orderflow_events::{EventType, Payload, Read, Source};
use simulator::Builder;

/// The services that have a queue at the topic of all facts.
pub static SERVICES: &[Service] = &[
    Service::pure::<orderflow_orders::Orders>("Orders", "orders"),
    Service::pure::<orderflow_inventory::Inventory>("Inventory", "inventory").reads::<orderflow_inventory::Settings>(),
    Service::decider::<orderflow_payment::Payment>("Payment", "payment").reads::<orderflow_payment::Settings>(),
    Service::decider::<orderflow_shipping::Shipping>("Shipping", "shipping").reads::<orderflow_shipping::Settings>(),
    Service::decider::<orderflow_screening::Screening>("Screening", "screening")
        .reads::<orderflow_screening::Settings>(),
    Service::decider::<orderflow_notification::Notification>("Notification", "notification")
        .reads::<orderflow_notification::Settings>(),
    Service::decider::<orderflow_analytics::Analytics>("Analytics", "analytics")
        .reads::<orderflow_analytics::Settings>(),
    Service::of_every_event("Journal", "journal").reads::<orderflow_journal::Settings>(),
];

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Its name in `template.yaml` and in the stack's outputs: `Payment`.
    pub id: &'static str,
    /// Name of its folder and of its binary: `payment`.
    pub name: &'static str,
    /// Types that it consumes; all, where there is no list.
    consumes: Option<&'static [EventType]>,
    source: Option<Source>,
    settings: Option<Reader>,
    join: Option<Join>,
}

/// Reader of a service's settings, of which only the faults count.
type Reader = fn(&mut Environment) -> Option<()>;

/// Adds a service to a simulated stack, under its name.
type Join = fn(Builder, &'static str) -> Builder;

impl Service {
    /// A decider without effects: all that a simulation needs of it is its type.
    const fn pure<D>(id: &'static str, name: &'static str) -> Self
    where
        D: Decider<Effect = Infallible, Heard: Heard<Contract = Payload>> + 'static,
    {
        let mut service = Self::decider::<D>(id, name);
        service.join = Some(Builder::service::<D>);
        service
    }

    /// A decider with effects, which has a place of its own in the simulation: the world that they are done to.
    const fn decider<D: Decider<Heard: Heard<Contract = Payload>>>(id: &'static str, name: &'static str) -> Self {
        let consumes = Some(<D::Heard as Heard>::TYPES);
        Self { id, name, consumes, source: Some(D::SOURCE), settings: None, join: None }
    }

    /// A consumer of whatever happens.
    const fn of_every_event(id: &'static str, name: &'static str) -> Self {
        Self { id, name, consumes: None, source: None, settings: None, join: None }
    }

    /// The same with settings.
    const fn reads<S: Read>(mut self) -> Self {
        self.settings = Some(|environment| environment.settings::<S>().map(drop));
        self
    }

    /// Types that it consumes; `None` of a service that consumes all.
    #[must_use]
    pub const fn consumes(&self) -> Option<&'static [EventType]> {
        self.consumes
    }

    /// Types that it receives.
    #[must_use]
    pub fn receives(&self) -> &'static [EventType] {
        self.consumes.unwrap_or(&EventType::ALL)
    }

    /// Types that it sends. Where there are some, it has a relay.
    #[must_use]
    pub fn sends(&self) -> Vec<EventType> {
        EventType::ALL.into_iter().filter(|kind| self.source == Some(kind.producer())).collect()
    }

    /// True if its table is a ledger: versioned rows of each subject.
    #[must_use]
    pub const fn has_ledger(&self) -> bool {
        self.source.is_some()
    }

    /// Reads its settings as its `main` does; nothing of a service that has none.
    pub fn read_settings(&self, environment: &mut Environment) -> Option<()> {
        self.settings.map_or(Some(()), |read| read(environment))
    }

    /// Adds it to a simulated stack, if it has no effects.
    #[must_use]
    pub fn join(&self, builder: Builder) -> Builder {
        match self.join {
            Some(join) => join(builder, self.name),
            None => builder,
        }
    }
}
