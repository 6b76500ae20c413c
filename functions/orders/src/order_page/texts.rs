//! Texts of the page, all in one place: who translates it writes another table.

use orderflow_events::{CancellationReason, EventType};

/// Texts in one language.
pub(super) struct Texts {
    /// Meaning of an event to the customer; none of one that is none of theirs.
    pub(super) event: fn(EventType) -> Option<&'static str>,
    pub(super) order: &'static str,
    /// Headline, and what comes next, by how far the order is.
    pub(super) created: Stage,
    pub(super) reserved: Stage,
    pub(super) reserved_free: Stage,
    pub(super) paid: Stage,
    pub(super) shipped: Stage,
    pub(super) awaited_back: Stage,
    pub(super) back_unpaid: Stage,
    pub(super) back: Stage,
    pub(super) at_customers_request: Stage,
    pub(super) out_of_stock: Stage,
    pub(super) unpaid: Stage,
    pub(super) slow: &'static str,
    pub(super) money_to_come: &'static str,
    pub(super) money_is_back: &'static str,
    pub(super) expired: &'static str,
    pub(super) is_shipped_already: &'static str,
    pub(super) happened: &'static str,
    pub(super) now: &'static str,
    pub(super) next: &'static str,
    pub(super) set_aside: &'static str,
    pub(super) charge: &'static str,
    pub(super) ship: &'static str,
    pub(super) send_back: &'static str,
    pub(super) refund: &'static str,
    pub(super) tracking_number: &'static str,
    pub(super) goods: &'static str,
    pub(super) pieces: &'static str,
    pub(super) total: &'static str,
    pub(super) who: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) erased: &'static str,
    pub(super) cancel: &'static str,
    pub(super) cancel_means: &'static str,
    pub(super) cancel_confirm: &'static str,
    pub(super) withdraw: &'static str,
    pub(super) return_id: &'static str,
}

/// Stage of an order, in words.
pub(super) struct Stage {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}

impl Texts {
    pub(super) const fn cancelled(&self, reason: CancellationReason) -> &Stage {
        match reason {
            CancellationReason::CustomerRequest => &self.at_customers_request,
            CancellationReason::OutOfStock => &self.out_of_stock,
            CancellationReason::PaymentFailed => &self.unpaid,
        }
    }
}

pub(super) static ENGLISH: Texts = Texts {
    event: english_event,
    order: "Order",
    created: Stage { title: "We have your order", text: "We are setting your goods aside." },
    reserved: Stage { title: "Your goods are set aside", text: "Now we wait for your payment to go through." },
    reserved_free: Stage {
        title: "Your goods are set aside",
        text: "There is nothing to pay. We are getting it on its way.",
    },
    paid: Stage { title: "Your order is paid", text: "We are handing it to the carrier." },
    shipped: Stage {
        title: "Your order is on its way",
        text: "The carrier has it. There is nothing left to do for you.",
    },
    awaited_back: Stage {
        title: "We wait for your goods",
        text: "You have withdrawn from this order. Send the goods back to us within 14 days of that.",
    },
    back_unpaid: Stage { title: "Your goods are back", text: "We are giving your money back." },
    back: Stage { title: "Your goods are back", text: "That is all: there is nothing left to do." },
    at_customers_request: Stage { title: "Your order is cancelled", text: "As you have asked." },
    out_of_stock: Stage {
        title: "We had to cancel your order",
        text: "Something in it is out of stock. We are sorry.",
    },
    unpaid: Stage {
        title: "Your order is cancelled",
        text: "The payment did not go through. You can order again by other means.",
    },
    slow: "This takes longer than it should. You need not do anything: we go on as soon as we can.",
    money_to_come: "We are giving your money back.",
    money_is_back: "Your money is on its way back to you. How soon it is there is up to your bank.",
    expired: "This link has expired: it shows how the order goes, and no more. Sign in at the shop, or write to us.",
    is_shipped_already: "It was on its way already, and could not be cancelled any more. You can withdraw from it instead.",
    happened: "So far",
    now: "Now",
    next: "Then",
    set_aside: "We set your goods aside",
    charge: "Your payment goes through",
    ship: "The carrier takes your parcel",
    send_back: "You send the goods back",
    refund: "We give your money back",
    tracking_number: "Tracking number",
    goods: "Goods",
    pieces: "×",
    total: "Total",
    who: "Ordered by",
    name: "Name",
    email: "Email",
    erased: "Your personal data was erased: nobody can tell any more who has placed this order.",
    cancel: "Cancel the order…",
    cancel_means: "The goods go back on the shelf, and if you have paid, you get your money back. This cannot be undone.",
    cancel_confirm: "Cancel the order",
    withdraw: "Withdraw from contract here",
    return_id: "Number of the return",
};

const fn english_event(event_type: EventType) -> Option<&'static str> {
    Some(match event_type {
        EventType::OrderCreated => "We have your order",
        EventType::InventoryReserved => "Your goods are set aside",
        EventType::InventoryRejected => "Something in it is out of stock",
        EventType::PaymentProcessed => "Your payment has gone through",
        EventType::PaymentFailed => "Your payment was declined",
        EventType::PaymentRefunded => "Your money is on its way back to you",
        EventType::ShipmentCreated => "Your parcel is with the carrier",
        EventType::ShipmentCancelled => "The shipment was stopped",
        EventType::OrderCancelled => "The order was cancelled",
        EventType::ReturnRequested => "You have withdrawn from the order",
        EventType::GoodsReturned => "Your goods are back with us",
        EventType::PersonalDataErased => "Your personal data was erased",
        // Those of services that the customer need not know of, and of those that are yet to come.
        _ => return None,
    })
}
