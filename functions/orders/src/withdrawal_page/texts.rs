//! Texts of the page, all in one place: who translates it writes another table.
//!
//! A table, and no crate for messages: there is no plural, no gender and no number in it, and what differs from order to
//! order stands in a list of its own, and not within a sentence.

/// Texts in one language.
pub(super) struct Texts {
    pub(super) first_step: &'static str,
    pub(super) second_step: &'static str,
    pub(super) offer_title: &'static str,
    pub(super) offer: &'static str,
    /// Label of the function, as the law has it: "withdraw from contract here".
    pub(super) withdraw: &'static str,
    pub(super) review_title: &'static str,
    /// The statement that the customer makes.
    pub(super) statement: &'static str,
    /// Label of the function, as the law has it: "confirm withdrawal".
    pub(super) confirm: &'static str,
    pub(super) back: &'static str,
    pub(super) received_title: &'static str,
    pub(super) received: &'static str,
    pub(super) cancelled_title: &'static str,
    pub(super) order: &'static str,
    pub(super) placed_at: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) received_at: &'static str,
    pub(super) cancelled_at: &'static str,
    pub(super) number: &'static str,
    pub(super) will_be_cancelled: &'static str,
    pub(super) is_cancelled: &'static str,
    pub(super) will_be_returned: &'static str,
    pub(super) is_to_be_returned: &'static str,
}

pub(super) static ENGLISH: Texts = Texts {
    first_step: "Step 1 of 2",
    second_step: "Step 2 of 2",
    offer_title: "Withdraw from your contract",
    offer: "You can withdraw from this order. You need not say why.",
    withdraw: "Withdraw from contract here",
    review_title: "Confirm your withdrawal",
    statement: "I withdraw from the contract about this order.",
    confirm: "Confirm withdrawal",
    back: "Go back",
    received_title: "We have received your withdrawal",
    received: "A mail with this content is on its way to you. Keep it as your proof.",
    cancelled_title: "This order is cancelled already",
    order: "Order",
    placed_at: "Placed",
    name: "Your name",
    email: "We confirm it to",
    received_at: "Received",
    cancelled_at: "Cancelled",
    number: "Number of the record",
    will_be_cancelled: "The goods have not left yet. The order will be cancelled, and if you have paid, you get your money back.",
    is_cancelled: "The order is cancelled. If you have paid, you get your money back.",
    will_be_returned: "The goods have left. You will have to send them back to us within 14 days; if you have paid, you get your \
                       money back once they are here.",
    is_to_be_returned: "Send the goods back to us within 14 days. If you have paid, you get your money back once they are here.",
};
