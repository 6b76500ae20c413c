//! Erasure of a customer: what becomes of each of their orders once nobody can open any more whose it was.
//!
//! Money, goods and times stay, as the law on taxes asks; who it was is gone with the key.

use onewrite::Step;
use orderflow_events::{CancellationReason, PersonalDataErased};

use super::{Next, Order, Status};

/// Next step of an order whose customer is erased. One that is open is cancelled with it, for nobody can ship to an address that
/// nobody knows; of one that was told of before nothing has to be done.
#[must_use]
pub(crate) fn erase(order: &Order) -> Next {
    let Order::Known(known) = order else { return Step::Nothing };
    if known.is_erased {
        return Step::Nothing;
    }
    let erased = PersonalDataErased { order_id: known.created.order_id.clone() };
    match known.status {
        Status::Open(_) => known.cancelled(CancellationReason::CustomerRequest, None).publishing(erased),
        Status::Cancelled(_) | Status::Shipped => Step::publish(erased),
    }
}
