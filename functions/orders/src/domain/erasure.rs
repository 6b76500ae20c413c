//! Erasure of a customer: what becomes of each of their orders once nobody can open any more whose it was.
//!
//! Money, goods and times stay, as the law on taxes asks; who it was is gone with the key.

use onewrite::Step;
use onewrite::envelope::KeyName;
use orderflow_events::{CancellationReason, Personal, PersonalDataErased};

use super::{Next, Order, Status};

/// Next step of an order whose customer is erased, and has that key now, if they have come back: what is sealed with it was placed
/// after the erasure, and goes on. One that is open is cancelled with it, for nobody can ship to an address that
/// nobody knows; of one that was told of before nothing has to be done.
#[must_use]
pub(crate) fn erase(order: &Order, key: Option<&KeyName>) -> Next {
    let Order::Known(known) = order else { return Step::Nothing };
    let sealed_with = known.created.details.personal.sealed().map(Personal::key_name);
    let is_of_after = key.is_some_and(|key| sealed_with == Some(key.as_str()));
    if known.is_erased || is_of_after {
        return Step::Nothing;
    }
    let erased = PersonalDataErased { order_id: known.created.order_id.clone() };
    match known.status {
        Status::Open(_) => known.cancelled(CancellationReason::CustomerRequest, None).publishing(erased),
        Status::Cancelled(_) | Status::Shipped => Step::publish(erased),
    }
}
