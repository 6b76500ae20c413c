//! The words: a mail and a short message for everything that a customer is told.
//!
//! The bodies of the mails are in `templates/`: `mail.txt` and `mail.html` are what all mails have in common, and the
//! other files are one for each message. What is put into HTML is escaped, by the ending of the file's name.

use askama::Template;
use orderflow_events::{CancellationReason, OrderId};

use crate::domain::Message;
use crate::port::Mail;

/// Length of one short message: 160 characters of 7 bits (3GPP TS 23.038). Beyond that the carrier makes two of it.
const MAX_SEPTETS: usize = 160;

#[derive(Template)]
#[template(path = "mail.txt")]
struct Plain<'a> {
    order: &'a OrderId,
    message: &'a Message,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    subject: &'a str,
    order: &'a OrderId,
    message: &'a Message,
}

/// The mail that tells `message`.
///
/// # Errors
///
/// A template cannot be rendered.
pub(crate) fn mail(order: &OrderId, message: &Message) -> askama::Result<Mail> {
    let subject = subject(order, message);
    let text = Plain { order, message }.render()?;
    let html = Html { subject: &subject, order, message }.render()?;
    Ok(Mail { subject, text, html })
}

/// An order id has no control characters, and nothing else in a subject is anybody's own: it cannot break out of the
/// head of the mail.
fn subject(order: &OrderId, message: &Message) -> String {
    match message {
        Message::Received { .. } => format!("Thank you for your order {order}"),
        Message::Paid { .. } => format!("We have your payment for order {order}"),
        Message::Declined { .. } => format!("Your payment for order {order} was declined"),
        Message::Refunded { .. } => format!("Your refund for order {order}"),
        Message::Shipped { .. } => format!("Your order {order} is on its way"),
        Message::Cancelled { .. } => format!("Your order {order} is cancelled"),
    }
}

/// The short message that tells `message`: at most 160 characters of the GSM alphabet.
#[must_use]
pub(crate) fn sms(order: &OrderId, message: &Message) -> String {
    match message {
        Message::Received { total, .. } => format!("Thank you for your order {order} of {total}."),
        Message::Paid { amount } => format!("We have your payment of {amount} for order {order}. Thank you!"),
        Message::Declined { .. } => format!("Your payment for order {order} was declined."),
        Message::Refunded { amount } => format!("You get {amount} back for order {order}."),
        Message::Shipped { carrier, tracking_number } => first_that_fits([
            format!("Your order {order} is on its way with {carrier}, tracking number {tracking_number}."),
            format!("Your order {order} is on its way, tracking number {tracking_number}."),
            format!("Your order {order} is on its way."),
        ]),
        Message::Cancelled { reason } => format!("Your order {order} is cancelled, {}.", because(reason)),
    }
}

/// Reason why an order was cancelled, in words that go on from a comma.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
fn because(reason: &CancellationReason) -> &'static str {
    match reason {
        CancellationReason::CustomerRequest => "as you asked us to",
        CancellationReason::OutOfStock => "because we have run out of stock",
        CancellationReason::PaymentFailed => "because the payment was declined",
    }
}

/// Names of carriers and their numbers come from outside, and may be of any length and alphabet. Half a tracking
/// number is of no use, so what does not fit is left out. The last text is taken in any case.
fn first_that_fits<const N: usize>(texts: [String; N]) -> String {
    let fits = |text: &String| septets(text).is_some_and(|septets| septets <= MAX_SEPTETS);
    let last = texts.last().cloned().unwrap_or_default();
    texts.into_iter().find(fits).unwrap_or(last)
}

/// Septets of a short message that `text` takes; `None` where it has a character that is not of the GSM alphabet.
fn septets(text: &str) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡\
                         ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENDED: &str = "\u{c}^{}\\[~]|€";
    let width = |c| if BASIC.contains(c) { Some(1) } else { EXTENDED.contains(c).then_some(2) };
    text.chars().map(width).sum()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use orderflow_events::{MAX_AMOUNT, Money, Text};

    use onewrite::envelope::Heard as _;

    use super::*;
    use crate::domain::Heard;
    use crate::fixture::{consumed, order};

    fn messages() -> Vec<Message> {
        consumed().iter().map(|event| Message::of(&Heard::hear(&event.data).unwrap())).collect()
    }

    #[test]
    fn the_mails_read_like_this() {
        for event in consumed() {
            let Mail { subject, text, html } =
                mail(&order(), &Message::of(&Heard::hear(&event.data).unwrap())).unwrap();
            let kind = event.event_type();
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                assert_snapshot!(format!("{kind}.txt"), format!("Subject: {subject}\n\n{text}"));
                assert_snapshot!(format!("{kind}.html"), html);
            });
        }
    }

    #[test]
    fn the_short_messages_read_like_this() {
        let texts: Vec<String> = messages().iter().map(|message| sms(&order(), message)).collect();
        assert_snapshot!(texts.join("\n"), @r"
        Thank you for your order ord_1 of 19.90 EUR.
        We have your payment of 19.90 EUR for order ord_1. Thank you!
        Your payment for order ord_1 was declined.
        You get 19.90 EUR back for order ord_1.
        Your order ord_1 is on its way with Hare & Hound, tracking number HH-2026-000017.
        Your order ord_1 is cancelled, as you asked us to.
        ");
    }

    #[test]
    fn every_reason_has_its_words() {
        let words = |reason| sms(&order(), &Message::Cancelled { reason });
        assert_eq!(words(CancellationReason::CustomerRequest), "Your order ord_1 is cancelled, as you asked us to.");
        assert_eq!(
            words(CancellationReason::OutOfStock),
            "Your order ord_1 is cancelled, because we have run out of stock."
        );
        assert_eq!(
            words(CancellationReason::PaymentFailed),
            "Your order ord_1 is cancelled, because the payment was declined."
        );
    }

    #[test]
    fn what_comes_from_outside_cannot_break_out_of_html() {
        let evil = Text::new("<script>\"'&").unwrap();
        for message in [
            Message::Declined { reason: evil.clone() },
            Message::Shipped { carrier: evil.clone(), tracking_number: evil },
        ] {
            let mail = mail(&order(), &message).unwrap();
            assert!(!mail.html.contains("<script>"), "{}", mail.html);
            assert!(mail.text.contains("<script>\"'&"), "{}", mail.text);
        }
    }

    #[test]
    fn a_subject_is_one_line() {
        let order = OrderId::new("x".repeat(64)).unwrap();
        for message in messages() {
            let subject = subject(&order, &message);
            assert!(!subject.contains(char::is_control) && subject.len() <= 120, "{subject}");
        }
    }

    #[test]
    fn a_short_message_is_one() {
        let order = OrderId::new("x".repeat(64)).unwrap();
        let amount = Money::new(MAX_AMOUNT, "EUR").unwrap();
        let text = |text: &str| Text::new(text).unwrap();
        let shipped =
            |carrier: &str, number: &str| Message::Shipped { carrier: text(carrier), tracking_number: text(number) };
        let mut longest = vec![
            Message::Received { lines: Vec::new(), total: amount },
            Message::Paid { amount },
            Message::Declined { reason: text(&"x".repeat(200)) },
            Message::Refunded { amount },
            shipped(&"x".repeat(200), &"1".repeat(200)),
            shipped("快递", "1"),
            shipped("a", "\u{1f69a}"),
            shipped(&"€".repeat(20), &"€".repeat(20)),
        ];
        longest.extend(
            [CancellationReason::CustomerRequest, CancellationReason::OutOfStock, CancellationReason::PaymentFailed]
                .map(|reason| Message::Cancelled { reason }),
        );
        for message in longest {
            let text = sms(&order, &message);
            assert!(septets(&text).is_some_and(|septets| septets <= MAX_SEPTETS), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_into_a_short_message_is_left_out() {
        for (carrier, number, text) in [
            ("DHL", "17", "Your order ord_1 is on its way with DHL, tracking number 17."),
            ("快递", "17", "Your order ord_1 is on its way, tracking number 17."),
            ("DHL", "快递", "Your order ord_1 is on its way."),
        ] {
            let message =
                Message::Shipped { carrier: Text::new(carrier).unwrap(), tracking_number: Text::new(number).unwrap() };
            assert_eq!(sms(&order(), &message), text);
        }
    }

    #[test]
    fn some_characters_count_twice() {
        for (text, width) in [("", Some(0)), ("Öre_@", Some(5)), ("1 €", Some(4)), ("[x]", Some(5)), ("快", None)] {
            assert_eq!(septets(text), width, "{text}");
        }
    }
}
