//! Orphans: open orders of a customer who is erased, of which nobody was told.
//!
//! An erasure deletes the key, and then tells of each order that it finds. An order that is being placed at that moment it does not
//! find, and where it dies half-way nobody may ask for the rest. Such an order can never be shipped: the clock of the orders
//! looks at each that is open, and ends it as the erasure would have done.

use std::time::Duration;

use onewrite::personal::{Key, Keys};
use onewrite::{Ending, EndingOf, Result, Step};

use crate::domain::erasure::erase;
use crate::domain::{Order, Orders, Status};

/// Age from which an order is looked at. Nearly all have ended long before, and an erasure that is under way has told of it.
const LOOKED_AT_AFTER: Duration = Duration::from_mins(5);

/// End of an open order of that age, if it is an orphan: sealed with another key than its customer has now.
///
/// # Errors
///
/// The keys cannot be read.
pub(crate) async fn end_orphan(keys: &impl Keys, order: &Order, age: Duration) -> Result<Option<EndingOf<Orders>>> {
    let Order::Known(known) = order else { return Ok(None) };
    let details = &known.created.details;
    let (true, Status::Open(_), Some(_)) = (age >= LOOKED_AT_AFTER, known.status, details.personal.sealed()) else {
        return Ok(None);
    };
    let key = keys.find(details.customer.id.as_str()).await?;
    let Step::Commit(commit) = erase(order, key.as_ref().map(Key::name)) else { return Ok(None) };
    Ok(Some(Ending { name: "EndOrphan", commit, correlation_id: Some(known.correlation_id.clone()) }))
}
