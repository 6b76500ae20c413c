//! Stateless handler: does something on an event, once.

use std::marker::PhantomData;
use std::time::Duration;

use envelope::{Event, Heard};

use crate::breaker::CircuitBreaker;
use crate::failure::Result;
use crate::handle::{Delivery, Handle, Handled};
use crate::inspect::Outlook;
use crate::lease::{Lease, Leased, with_lease};
use crate::port::{Clock, Leases, Random};

/// Does something on each event that it hears, once, and remembers nothing of the subject: "send a welcome mail on
/// `UserLoggedIn`".
///
/// The act is behind a [lease](with_lease) of its event: it is done at least once, and again only after a crash in its
/// middle, when the answer was lost, or where nothing can be recorded for seconds. What can be asked whether it was done, or has to know what was before, is better a
/// [`Decider`](crate::Decider).
///
/// ```
/// # use std::cell::RefCell;
/// # use futures::executor::block_on;
/// use envelope::{Event, consumes};
/// use onewrite::memory::sample::{BookReady, Library, event};
/// use onewrite::memory::{MemoryLeases, VirtualTime};
/// use onewrite::{Delivery, Handle, Handled, On};
///
/// consumes!(enum Heard in Library { BookReady });
///
/// let (mails, world) = (RefCell::new(Vec::new()), VirtualTime::new(1));
/// let on = On::new("ready-mail", MemoryLeases::default(), &world, async |event: &Event<Heard>, _: &Delivery<'_>| {
///     mails.borrow_mut().push(event.context.subject.to_string());
///     Ok(())
/// });
/// let ready = event::<Library>(BookReady { request_id: "req_1".parse()?, copies: 1 });
/// for handled in [Handled::Performed, Handled::Duplicate] {
///     let delivery = Delivery { text: "", deadline: ready.context.time };
///     assert_eq!(block_on(on.handle(&ready, &delivery)), Ok(handled));
/// }
/// assert_eq!(*mails.borrow(), ["req_1"]);
/// # Ok::<(), envelope::Invalid>(())
/// ```
pub struct On<H, F, L, W> {
    name: String,
    leases: L,
    world: W,
    act: F,
    breaker: CircuitBreaker,
    heard: PhantomData<H>,
}

impl<H, F, L, W> On<H, F, L, W>
where
    H: Heard,
    F: AsyncFn(&Event<H>, &Delivery<'_>) -> Result<()>,
    L: Leases,
    W: Clock + Random,
{
    /// A handler of that name, which is part of the keys of its leases: another one with another name acts on the same
    /// events for itself.
    pub fn new(name: impl Into<String>, leases: L, world: W, act: F) -> Self {
        Self { name: name.into(), leases, world, act, breaker: CircuitBreaker::default(), heard: PhantomData }
    }

    fn key(&self, event: &Event<H::Contract>) -> String {
        format!("{}#{}#{}", self.name, event.context.source, event.context.id)
    }
}

impl<H, F, L, W> Handle for On<H, F, L, W>
where
    H: Heard,
    F: AsyncFn(&Event<H>, &Delivery<'_>) -> Result<()>,
    L: Leases,
    W: Clock + Random,
{
    type Incoming = Event<H::Contract>;

    fn consumes(&self, event: &Self::Incoming) -> bool {
        H::TYPES.contains(&event.event_type())
    }

    async fn warm(&self) {}

    async fn handle(&self, event: &Self::Incoming, delivery: &Delivery<'_>) -> Result<Handled> {
        let Some(heard) = event.heard::<H>() else { return Ok(Handled::Ignored) };
        let lease = Lease { key: self.key(event), until: delivery.deadline };
        let act = with_lease(&self.leases, &self.world, lease, (self.act)(&heard, delivery));
        match self.breaker.call(&self.world, &event.context.subject, act).await? {
            Leased::Now => Ok(Handled::Performed),
            Leased::Before => Ok(Handled::Duplicate),
        }
    }

    async fn outlook(&self, event: &Self::Incoming) -> Result<Outlook> {
        if !self.consumes(event) {
            return Ok(Outlook::Nothing);
        }
        Ok(if self.leases.done(&self.key(event)).await?.all { Outlook::Nothing } else { Outlook::Due })
    }

    fn outage(&self) -> Option<Duration> {
        self.breaker.outage(&self.world)
    }
}
