//! Orphans: open orders of a customer who is erased, of which nobody was told.
//!
//! An erasure deletes the key, and then tells of each order that it finds. An order that is being placed at that moment it does not
//! find, and where it dies half-way nobody may ask for the rest. Such an order can never be shipped: the clock of the orders
//! looks at those that are open for longest, and ends it as the erasure would have done.

use std::time::Duration;

use onewrite::envelope::KeyName;
use onewrite::personal::Keys;
use onewrite::port::{Clock, Log, Random};
use onewrite::telemetry::within_root_span;
use onewrite::{Cause, Committed, Failure, Ledger, Origin, Result, Step, TraceParent};
use orderflow_events::{Extensions, Subject, Time};
use tracing::{info, warn};

use crate::domain::erasure::erase;
use crate::domain::{Known, Order, Orders, Status};

/// Age from which an order is looked at. Nearly all have ended long before.
const LOOKED_AT_AFTER: Duration = Duration::from_mins(5);

/// Name of the cause of an orphan's end, and of its trace.
const END_ORPHAN: &str = "EndOrphan";

/// Number of times that an erasure of one order that loses the race against an event is decided again.
const MAX_RACES: u32 = 10;

/// Tells an order that its customer, who has that key now, is erased, if it was not told before.
pub(crate) async fn tell_erased<L: Log, W: Clock + Random>(
    ledger: &Ledger<L, W>,
    subject: &Subject,
    key: Option<&KeyName>,
    origin: impl Fn(&Known) -> Origin,
) -> Result<()> {
    for _ in 0..MAX_RACES {
        let mut history = ledger.load::<Orders>(subject).await?;
        let (Step::Commit(commit), Order::Known(known)) = (erase(&history.state, key), &history.state) else {
            return Ok(());
        };
        let origin = origin(known);
        match ledger.commit(&mut history, &origin, commit).await? {
            Committed::Done(_) | Committed::Short(_) => return Ok(()),
            Committed::LostRace => {}
        }
    }
    Err(Failure::transient(format!("an erasure lost {MAX_RACES} races")))
}

/// Ends the orphans among open orders, of each of which the time is known at which it was begun; answers how many they were.
///
/// # Errors
///
/// One of them could not be looked at, and is left to the next time. The others were.
pub async fn end_orphans<L: Log, W: Clock + Random>(
    ledger: &Ledger<L, W>,
    keys: &impl Keys,
    open: &[(Subject, Time)],
) -> Result<u32> {
    let (now, mut ended) = (ledger.world().now(), Ok(0));
    for (subject, _) in open.iter().filter(|(_, begun)| begun.until(now) >= LOOKED_AT_AFTER) {
        match end_orphan(ledger, keys, subject).await {
            Ok(true) => {
                info!(subject = subject.as_str(), "ended: its customer is erased");
                ended = ended.map(|ended| ended + 1);
            }
            Ok(false) => {}
            Err(failure) => {
                warn!(subject = subject.as_str(), reason = failure.reason(), "not looked at");
                ended = Err(failure);
            }
        }
    }
    ended
}

async fn end_orphan<L: Log, W: Clock + Random>(
    ledger: &Ledger<L, W>,
    keys: &impl Keys,
    subject: &Subject,
) -> Result<bool> {
    let Order::Known(known) = ledger.load::<Orders>(subject).await?.state else { return Ok(false) };
    let details = &known.created.details;
    let (Status::Open(_), Some(_)) = (known.status, details.personal.sealed()) else { return Ok(false) };
    let key = keys.find(details.customer.id.as_str()).await?.map(|key| key.name().clone());
    let is_orphan = erase(&Order::Known(known), key.as_ref()) != Step::Nothing;
    if is_orphan {
        let told = tell_erased(ledger, subject, key.as_ref(), |known| origin_of_clock(known, ledger.world()));
        within_root_span(END_ORPHAN, told).await?;
    }
    Ok(is_orphan)
}

/// The clock has no request: an order has one erasure, and its id is the order's.
fn origin_of_clock(known: &Known, random: &impl Random) -> Origin {
    let id = known.created.order_id.to_string();
    Origin {
        cause: Cause { source: "orderflow/open-orders".to_owned(), id, event_type: END_ORPHAN.to_owned(), by: None },
        correlation_id: Some(known.correlation_id.clone()),
        causation_id: None,
        extensions: Extensions::new(),
        trace_parent: Some(TraceParent::new(random)),
        trace_state: None,
    }
}
