//! Intake: the door for orders of other producers, which become ours here.
//!
//! ```text
//!   producer ──► IntakeTopic ──► intake ──► row 1 of the order, with OrderCreated from orderflow/orders
//!                                  └─ whatever is not right: one dead letter here, before anything is fanned out
//! ```
//!
//! Who orders comes in clear, in versions 1 and 2, and is sealed here before there is a row.
//!
//! A producer that may not state prices has those of its order held against the price table, before the order becomes ours.

use onewrite::personal::{KeyRing, Keys};
use onewrite::port::{Clock, Log, Random};
use onewrite::{
    Attempt, Decider, Decision, Delivery, Effects, Failure, Handle, Handled, Ledger, Outlook, Process, Rejection,
    Result, Step, consumes,
};
use orderflow_events::{
    Event, EventType, Extensions, ORDERS, OrderCreated, OrderDetails, Payload, Person, Personal, PersonalData, Source,
    Text,
};

use crate::domain::{Change, Order, Orders};
use crate::port::PriceStore;
use crate::pricing::{prices_of, skus_to_read};
use crate::settings::PricingProducers;

/// The intake of orders.
#[derive(Clone, Copy, Debug)]
pub enum Intake {}

consumes!(
    /// Events that the intake takes, of others only.
    pub enum Heard in Payload { OrderCreated }
);

/// Person to be sealed, before there is an order of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The customer, with whose key it is done.
    pub customer: Text,
    /// The person.
    pub person: Person,
}

/// Effects of the intake, on the keys of the customers.
#[derive(Debug)]
pub struct SealEffects<R, W> {
    keys: KeyRing<R, W>,
}

impl<R: Keys, W: Clock + Random> Effects<Intake> for SealEffects<R, W> {
    async fn perform(&self, seal: Seal, _: Attempt, _: &Delivery<'_>) -> Result<Personal<Person>> {
        self.keys.seal(seal.customer.as_str(), &seal.person).await
    }
}

/// Prefix of the sources of our own services.
const OURS: &str = "orderflow/";

/// Prefix of the ids of orders that we make.
const OUR_ORDERS: &str = "ord_";

impl Decider for Intake {
    const SOURCE: Source = ORDERS;
    const BEGINS: Option<&'static str> = Some(EventType::OrderCreated.as_str());
    type Heard = Heard;
    type State = Order;
    type Change = Change;
    type Effect = Seal;
    type Reply = Personal<Person>;

    fn evolve(order: Order, change: Change) -> Order {
        Orders::evolve(order, change)
    }

    /// An order that is known was begun by another event: the ledger refuses it.
    fn decide(order: &Order, event: &onewrite::Event<Heard>, sealed: Option<&Personal<Person>>) -> Decision<Self> {
        let Heard::OrderCreated(created) = &event.data;
        let (source, subject) = (event.context.source.as_str(), event.context.subject.as_str());
        if source.starts_with(OURS) {
            return forbidden("the source is one of ours, and our own orders come in over HTTP");
        }
        if subject.starts_with(OUR_ORDERS) {
            return forbidden("ids that begin with ord_ are ours alone");
        }
        if created.details.total() != Some(created.total) {
            return forbidden("the total is not the sum of the lines");
        }
        let PersonalData::Clear(person) = &created.details.personal else {
            return forbidden(
                "the person is sealed, which nobody but us can do: version 2 of OrderCreated has them in clear",
            );
        };
        Ok(match (order, sealed) {
            (Order::Unknown, None) => {
                let customer = created.details.customer.id.clone();
                Step::Perform(Seal { customer, person: Person::clone(person) })
            }
            (Order::Unknown, Some(sealed)) => {
                let details = OrderDetails { personal: sealed.clone().into(), ..created.details.clone() };
                Step::publish(OrderCreated { details, ..created.clone() })
            }
            (Order::Known(_), _) => Step::Nothing,
        })
    }

    fn change_from(event: &Event) -> Option<Change> {
        Orders::change_from(event)
    }

    fn evolve_published(order: Order, event: &Event) -> Order {
        Orders::evolve_published(order, event)
    }

    fn owner(event: &Event) -> Option<&str> {
        Orders::owner(event)
    }

    /// The producer's event is named in ours, so that the producer finds its order again.
    fn extensions(event: &onewrite::Event<Heard>) -> Extensions {
        let origin = [("originsource", event.context.source.as_str()), ("originid", event.context.id.as_str())];
        origin.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
    }
}

fn forbidden(why: &str) -> Decision<Intake> {
    Err(Rejection::Forbidden(why.to_owned()))
}

/// Handler of the intake's queue. What is an event of ours, and none that the intake takes, is refused: nothing comes here
/// by a filter.
pub struct IntakeHandler<L, P, W, R> {
    process: Process<Intake, L, W, SealEffects<R, W>>,
    prices: P,
    producers: PricingProducers,
}

impl<L: Log, P: PriceStore, W: Clock + Random, R: Keys> IntakeHandler<L, P, W, R> {
    /// An intake to that ledger, which seals with those keys, and where the prices of those producers count, and else those of
    /// the price table.
    pub fn new(ledger: Ledger<L, W>, keys: KeyRing<R, W>, prices: P, producers: PricingProducers) -> Self {
        Self { process: Process::new(ledger, SealEffects { keys }), prices, producers }
    }

    /// Reason to refuse an event whatever the ledger says of its order, if there is one.
    async fn refusal(&self, event: &Event) -> Result<Option<String>> {
        let Payload::OrderCreated(created) = &event.data else { return Ok(Some(not_taken(event))) };
        if self.producers.may_state(&event.context.source) {
            return Ok(None);
        }
        let lines = || created.details.lines.iter().map(|line| (&line.sku, Some(line.unit_price)));
        let quote = self.prices.quote(&skus_to_read(lines(), false), &event.context.subject).await?;
        // An order that is known has the prices that it began with, and this may be its event once more.
        if quote.is_placed {
            return Ok(None);
        }
        let Err(mispriced) = prices_of(lines(), &quote.prices, false) else { return Ok(None) };
        let faults = mispriced.faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail));
        let faults = faults.collect::<Vec<_>>().join("; ");
        Ok(Some(format!("the producer may not state prices, and those of the table are others: {faults}")))
    }
}

impl<L: Log, P: PriceStore, W: Clock + Random, R: Keys> Handle for IntakeHandler<L, P, W, R> {
    type Incoming = Event;

    fn consumes(&self, _: &Event) -> bool {
        true
    }

    async fn warm(&self) {
        self.process.warm().await;
    }

    async fn handle(&self, event: &Event, delivery: &Delivery<'_>) -> Result<Handled> {
        match self.refusal(event).await? {
            Some(reason) => Err(Failure::permanent(reason)),
            None => self.process.handle(event, delivery).await,
        }
    }

    async fn outlook(&self, event: &Event) -> Result<Outlook> {
        match self.refusal(event).await? {
            Some(reason) => Ok(Outlook::Refused { reason }),
            None => self.process.outlook(event).await,
        }
    }
}

fn not_taken(event: &Event) -> String {
    format!("{} is not taken at the intake: OrderCreated is", event.event_type())
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use onewrite::FailureKind;
    use onewrite::memory::{MemoryKeys, MemoryLog, VirtualTime};
    use orderflow_events::sample::{self, event};
    use orderflow_events::{InventoryReserved, Money, Sku, Subject, Time};
    use serde_json::json;

    use super::*;
    use crate::memory::MemoryPrices;
    use crate::port::NewPrice;

    /// The order as another producer has it.
    fn order(id: &str) -> OrderCreated {
        sample::order_in_clear(id)
    }

    struct Door {
        log: MemoryLog,
        keys: MemoryKeys,
        time: VirtualTime,
        prices: Vec<(&'static str, i64)>,
        producers: PricingProducers,
    }

    impl Door {
        fn new() -> Self {
            let (log, keys) = (MemoryLog::default(), MemoryKeys::default());
            Self { log, keys, time: VirtualTime::new(1), prices: Vec::new(), producers: PricingProducers::Each }
        }

        fn handler(&self) -> IntakeHandler<&MemoryLog, MemoryPrices<&MemoryLog>, &VirtualTime, &MemoryKeys> {
            let prices = MemoryPrices::new(&self.log);
            for (sku, amount) in &self.prices {
                let (unit_price, at) = (Money::new(*amount, "EUR").unwrap(), Time::from_millis(0));
                let sku = Sku::new(*sku).unwrap();
                assert_eq!(block_on(prices.set(&sku, NewPrice { unit_price, by: None, at }, 0)), Ok(true));
            }
            let (ledger, keys) = (Ledger::new(&self.log, &self.time), KeyRing::new(&self.keys, &self.time));
            IntakeHandler::new(ledger, keys, prices, self.producers.clone())
        }

        fn handle(&self, event: &Event) -> Result<Handled> {
            block_on(self.handler().handle(event, &Delivery { text: "", deadline: Time::from_millis(0) }))
        }
    }

    #[test]
    fn an_order_of_another_producer_becomes_ours() {
        let (door, theirs) = (Door::new(), event(order("web-17")));
        assert_eq!(door.handle(&theirs), Ok(Handled::Changed));
        let [ours] = door.log.published::<Payload>().try_into().unwrap();
        let Payload::OrderCreated(created) = &ours.data else { panic!("another type") };
        let sealed = created.details.personal.sealed().unwrap();
        let opened = block_on(KeyRing::new(&door.keys, &door.time).open("cus_1", sealed));
        assert_eq!(opened, Ok(Some(sample::person())));
        let details = OrderDetails { personal: sample::person().into(), ..created.details.clone() };
        assert_eq!(Payload::from(OrderCreated { details, ..created.clone() }), theirs.data);
        assert_eq!(ours.context.source, ORDERS);
        assert_eq!(ours.context.causation_id.unwrap().as_str(), theirs.context.id.as_str());
        assert_eq!(ours.context.correlation_id, theirs.context.correlation_id);
        assert_eq!(ours.context.extensions["originsource"], json!(theirs.context.source.as_str()));
        assert_eq!(ours.context.extensions["originid"], json!(theirs.context.id.as_str()));
        let ledger = Ledger::new(&door.log, &door.time);
        let history = block_on(ledger.load::<Orders>(&Subject::shortened("web-17"))).unwrap();
        assert!(matches!(history.state, Order::Known(_)), "the orders service knows it");
    }

    #[test]
    fn the_same_event_again_is_a_duplicate_and_another_is_refused() {
        let (door, theirs) = (Door::new(), event(order("web-17")));
        assert_eq!(door.handle(&theirs), Ok(Handled::Changed));
        assert_eq!(door.handle(&theirs), Ok(Handled::Duplicate));
        let mut of_another = theirs;
        of_another.context.source = Source::from_static("https://another.example");
        for second in [sample::another_event(order("web-17"), 1), of_another] {
            assert_eq!(door.handle(&second).map_err(|failure| failure.kind()), Err(FailureKind::Permanent));
        }
        assert_eq!(door.log.published::<Payload>().len(), 1);
    }

    #[test]
    fn a_producer_that_may_not_state_prices_has_those_of_the_table() {
        let theirs = event(order("web-17"));
        let others = "the producer may not state prices, and those of the table are others";
        for (prices, refused) in [
            (vec![("A-1", 995), ("B-2", 700)], None),
            (
                vec![("A-1", 996), ("B-2", 700)],
                Some("/lines/0/unitPrice is not the price of the SKU; /lines/2/unitPrice is not the price of the SKU"),
            ),
            (vec![("A-1", 995)], Some("/lines/1/unitPrice is not known: the SKU has no price")),
        ] {
            let mut door =
                Door { prices, producers: PricingProducers::These(std::iter::empty().collect()), ..Door::new() };
            let reason = refused.map(|faults| format!("{others}: {faults}"));
            let outlook = block_on(door.handler().outlook(&theirs)).unwrap();
            assert_eq!(matches!(outlook, Outlook::Refused { .. }), reason.is_some(), "{outlook:?}");
            let expected = reason.map_or(Ok(Handled::Changed), |reason| Err(Failure::permanent(reason)));
            assert_eq!(door.handle(&theirs), expected);
            // Once it is an order of ours, its prices are frozen.
            if refused.is_none() {
                door.prices = vec![("A-1", 1)];
                assert_eq!(door.handle(&theirs), Ok(Handled::Duplicate));
            }
            assert_eq!(door.log.len(), usize::from(refused.is_none()));
            let trusted = std::iter::once(theirs.context.source.clone()).collect();
            let trusting = Door { producers: PricingProducers::These(trusted), ..Door::new() };
            assert_eq!(trusting.handle(&theirs), Ok(Handled::Changed), "one whose prices count needs no table");
        }
    }

    #[test]
    fn what_is_not_right_is_refused_before_anything_is_fanned_out() {
        let good = event(order("web-17"));
        let mut forged = good.clone();
        forged.context.source = ORDERS;
        let mut cheap = good.clone();
        let Payload::OrderCreated(created) = &mut cheap.data else { panic!("another type") };
        created.total = Money::new(1, "EUR").unwrap();
        let reserved = event(InventoryReserved { order_id: "web-17".parse().unwrap(), lines: Vec::new() });
        for (event, reason) in [
            (forged, "the source is one of ours, and our own orders come in over HTTP"),
            (event(order("ord_1")), "ids that begin with ord_ are ours alone"),
            (cheap, "the total is not the sum of the lines"),
            (
                event(sample::order("web-17")),
                "the person is sealed, which nobody but us can do: version 2 of OrderCreated has them in clear",
            ),
            (reserved, "InventoryReserved is not taken at the intake: OrderCreated is"),
        ] {
            let door = Door::new();
            assert_eq!(door.handle(&event), Err(Failure::permanent(reason)));
            assert!(door.log.is_empty());
            assert_eq!(door.keys.owners(), [""; 0]);
        }
    }
}
