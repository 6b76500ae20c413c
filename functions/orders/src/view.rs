//! What the API shows of an order.

use orderflow_contracts::{CancellationReason, Customer, Line, Money, OrderId, Time};
use serde::Serialize;

use crate::domain::{Known, Payment, Progress, Seen, Shipment, Status};

/// The answer to a new order. It is the same for every repetition of the request, whatever has become of the order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt<'a> {
    order_id: &'a OrderId,
    status: &'static str,
    total: Money,
    created_at: Option<Time>,
}

/// The answer to a cancellation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Brief<'a> {
    order_id: &'a OrderId,
    status: &'static str,
}

/// An order in full.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Whole<'a> {
    order_id: &'a OrderId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancellation_reason: Option<CancellationReason>,
    customer: &'a Customer,
    lines: &'a [Line],
    total: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<&'a Payment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipment: Option<&'a Shipment>,
    created_at: Option<Time>,
    updated_at: Option<Time>,
    timeline: Vec<&'a Seen>,
}

impl Known {
    pub(crate) fn receipt(&self) -> Receipt<'_> {
        Receipt {
            order_id: &self.created.order_id,
            status: name(Status::Open(Progress::Created)),
            total: self.created.total,
            created_at: self.timeline.first().map(|seen| seen.time),
        }
    }

    pub(crate) fn brief(&self) -> Brief<'_> {
        Brief { order_id: &self.created.order_id, status: name(self.status) }
    }

    pub(crate) fn whole(&self) -> Whole<'_> {
        let mut timeline: Vec<&Seen> = self.timeline.iter().collect();
        // By the time at which it happened: the service may have learned of it in another order. All but the creation,
        // which comes first even if the clock of its producer is wrong.
        if let [_creation, rest @ ..] = timeline.as_mut_slice() {
            rest.sort_by_key(|seen| seen.time);
        }
        let cancellation_reason = match self.status {
            Status::Cancelled(reason) => Some(reason),
            Status::Open(_) | Status::Shipped => None,
        };
        Whole {
            order_id: &self.created.order_id,
            status: name(self.status),
            cancellation_reason,
            customer: &self.created.details.customer,
            lines: &self.created.details.lines,
            total: self.created.total,
            payment: self.payment.as_ref(),
            shipment: self.shipment.as_ref(),
            created_at: self.timeline.first().map(|seen| seen.time),
            updated_at: timeline.iter().map(|seen| seen.time).max(),
            timeline,
        }
    }
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Open(Progress::Created) => "created",
        Status::Open(Progress::Reserved) => "reserved",
        Status::Open(Progress::Paid) => "paid",
        Status::Cancelled(_) => "cancelled",
        Status::Shipped => "shipped",
    }
}

#[cfg(test)]
mod tests {
    use orderflow_consumer::memory::sample;
    use orderflow_consumer::{Decider, Step};
    use orderflow_contracts::{InventoryReserved, Payload, PaymentId, PaymentProcessed};
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{Order, Orders};

    fn at(second: i64) -> Time {
        Time::from_millis(1_767_225_600_000 + second * 1_000)
    }

    /// What is shown of an order that has learned of these facts, each with the second at which it happened.
    fn shown(learned: Vec<(Payload, i64)>) -> Value {
        let order = learned.into_iter().fold(Order::default(), |order, (fact, second)| {
            let mut event = sample::event(fact);
            event.context.time = at(second);
            let Ok(Step::Commit(commit)) = Orders::decide(&order, &event, None) else { panic!("{event:?}") };
            Orders::evolve(order, commit.change.unwrap())
        });
        let Order::Known(known) = order else { panic!("nobody has created it") };
        serde_json::to_value(known.whole()).unwrap()
    }

    #[test]
    fn the_timeline_is_in_the_order_of_time_with_the_creation_first() {
        let order_id = OrderId::new("ord_1").unwrap();
        let (payment_id, amount) = (PaymentId::of(&order_id), Money::new(3685, "EUR").unwrap());
        let paid: Payload = PaymentProcessed { order_id: order_id.clone(), payment_id, amount }.into();
        let reserved: Payload = InventoryReserved { order_id, lines: Vec::new() }.into();
        let created: Payload = sample::order("ord_1").into();
        for (creation, updated) in [(0, 2), (3_600, 3_600)] {
            let shown = shown(vec![(created.clone(), creation), (paid.clone(), 2), (reserved.clone(), 1)]);
            let timeline: Vec<(&Value, &Value)> =
                shown["timeline"].as_array().unwrap().iter().map(|seen| (&seen["type"], &seen["time"])).collect();
            let happened = |kind: &str, second| (json!(kind), json!(at(second)));
            let expected =
                [happened("OrderCreated", creation), happened("InventoryReserved", 1), happened("PaymentProcessed", 2)];
            assert_eq!(timeline, expected.each_ref().map(|(kind, time)| (kind, time)), "created at {creation} s");
            assert_eq!(shown["createdAt"], json!(at(creation)));
            assert_eq!(shown["updatedAt"], json!(at(updated)), "created at {creation} s");
            assert_eq!(shown["status"], "paid");
        }
    }
}
