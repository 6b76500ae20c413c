//! A mail and a short message for everything that a customer is told.
//!
//! All words are in `templates/`, and none here: who translates them writes other files in that folder. `mail.txt` and `mail.html`
//! are what all mails have in common, `subject.txt`, `greeting.txt` and `reason.txt` parts of them, `short.txt` is the short
//! message, and the other files are one for each message. What is put into HTML is escaped, by the ending of the file's name.

use askama::Template;
use orderflow_events::{CancellationReason, Money, OrderId, Text, Time, amount, format_utc};

use crate::domain::Message;
use crate::port::Mail;

/// Length of one short message: 160 characters of 7 bits (3GPP TS 23.038). Beyond that the carrier makes two of it.
const MAX_SEPTETS: usize = 160;

/// Length of a name that is greeted by.
const MAX_NAME: usize = 60;

#[derive(Template)]
#[template(path = "mail.txt")]
struct Plain<'a> {
    words: &'a Words<'a>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    subject: &'a str,
    words: &'a Words<'a>,
}

/// Subject of a mail. An order id has no control characters, and nothing else in it is anybody's own: it cannot break out of the
/// head of the mail.
#[derive(Template)]
#[template(path = "subject.txt")]
struct Subject<'a> {
    order: &'a OrderId,
    message: &'a Message,
}

/// Greeting of a customer, by their name if it is one.
#[derive(Template)]
#[template(path = "greeting.txt")]
struct Greeting<'a> {
    name: Option<&'a str>,
}

/// Reason why an order was cancelled, in words that go on from a comma.
#[derive(Template)]
#[template(path = "reason.txt")]
struct Reason {
    reason: CancellationReason,
}

/// Short message, with as much of a shipment as may stand in it.
#[derive(Template)]
#[template(path = "short.txt")]
struct Short<'a> {
    order: &'a OrderId,
    total: Option<String>,
    message: &'a Message,
    has_carrier: bool,
    has_tracking_number: bool,
}

/// Parts of a mail that differ.
struct Words<'a> {
    greeting: String,
    order: &'a OrderId,
    message: &'a Message,
    /// Total of the order; none where there is nothing to pay.
    total: Option<String>,
    /// Link to the order, for whoever has no other way to it.
    link: Option<&'a str>,
    /// Link to the page of the withdrawal, in the mail about the shipment: from then on goods have to be sent back.
    withdrawal: Option<&'a str>,
}

/// Links that a mail may have.
#[derive(Clone, Debug, Default)]
pub(crate) struct MailedLinks {
    /// The order, for whoever has no other way to it.
    pub(crate) order: Option<String>,
    /// The page of the withdrawal.
    pub(crate) withdrawal: Option<String>,
}

/// The mail that tells `message` about an order of that total to who has that name, with those of the links that belong into it.
///
/// # Errors
///
/// A template cannot be rendered.
pub(crate) fn mail(
    order: &OrderId,
    name: &Text,
    total: Money,
    message: &Message,
    links: &MailedLinks,
) -> askama::Result<Mail> {
    let (subject, greeting) = (Subject { order, message }.render()?, greeting(name)?);
    let withdrawal = match message {
        Message::Shipped { .. } => links.withdrawal.as_deref(),
        Message::Received { .. } | Message::Cancelled { .. } | Message::Withdrawn { .. } => None,
    };
    let words = &Words { greeting, order, message, total: to_pay(total), link: links.order.as_deref(), withdrawal };
    let text = Plain { words }.render()?;
    let html = Html { subject: &subject, words }.render()?;
    Ok(Mail { subject, text, html })
}

/// A name may be anything, and whoever gets the mail need not be whoever wrote it: what is too long for a name, or what a
/// mail program would make a link of, is not repeated.
fn greeting(name: &Text) -> askama::Result<String> {
    let name = name.as_str().trim();
    let dots = || name.char_indices().filter(|(_, c)| *c == '.').map(|(at, _)| &name[at + 1..]);
    let has_link =
        name.contains(['/', ':', '@', '\\', '<', '>']) || dots().any(|rest| rest.starts_with(char::is_alphanumeric));
    let is_name = !name.is_empty() && name.chars().count() <= MAX_NAME && !has_link;
    Greeting { name: is_name.then_some(name) }.render()
}

fn to_pay(total: Money) -> Option<String> {
    (!total.is_zero()).then(|| amount(total))
}

/// The short message that tells `message`: at most 160 characters of the GSM alphabet.
///
/// # Errors
///
/// A template cannot be rendered.
pub(crate) fn sms(order: &OrderId, total: Money, message: &Message) -> askama::Result<String> {
    let with = |[has_carrier, has_tracking_number]: [bool; 2]| {
        Short { order, total: to_pay(total), message, has_carrier, has_tracking_number }.render()
    };
    let [all, without_carrier, least] = [[true, true], [false, true], [false, false]].map(with);
    Ok(first_that_fits([all?, without_carrier?, least?]))
}

/// Reason why an order was cancelled, as a template takes it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
const fn because(reason: &CancellationReason) -> Reason {
    Reason { reason: *reason }
}

/// The time of an event, in words.
fn time(at: &Time) -> String {
    format_utc(*at)
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
    use orderflow_events::MAX_AMOUNT;

    use super::*;
    use crate::fixture::{messages, order, person, total};

    fn none() -> MailedLinks {
        MailedLinks::default()
    }

    fn linked(order: Option<&str>, withdrawal: &str) -> MailedLinks {
        MailedLinks { order: order.map(ToOwned::to_owned), withdrawal: Some(withdrawal.to_owned()) }
    }

    fn written(message: &Message) -> Mail {
        mail(&order(), &person().name, total(), message, &none()).unwrap()
    }

    fn short(message: &Message) -> String {
        sms(&order(), total(), message).unwrap()
    }

    fn free() -> Money {
        Money::new(0, "EUR").unwrap()
    }

    #[test]
    fn the_mails_read_like_this() {
        let mails = messages().into_iter().map(|(name, message)| (name.to_owned(), written(&message)));
        let free = messages().into_iter().filter(|(name, _)| *name != "shipped").map(|(name, message)| {
            (format!("{name}, free"), mail(&order(), &person().name, free(), &message, &none()).unwrap())
        });
        for (name, Mail { subject, text, html }) in mails.chain(free) {
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                assert_snapshot!(format!("{name}.txt"), format!("Subject: {subject}\n\n{text}"));
                assert_snapshot!(format!("{name}.html"), html);
            });
        }
    }

    #[test]
    fn a_link_stands_in_both_forms_of_a_mail_and_is_escaped() {
        let link = "https://shop.example/orders/ord_1?access=1.a";
        let page = "https://shop.example/orders/ord_1/withdrawal?access=1.a";
        for (name, message) in messages() {
            let Mail { subject, text, html } =
                mail(&order(), &person().name, total(), &message, &linked(Some(link), page)).unwrap();
            assert!(text.contains(&format!("\n{link}\n")), "{name}: {text}");
            assert!(html.contains(&format!("href=\"{link}\"")), "{name}: {html}");
            let is_shipped = name == "shipped";
            assert_eq!(text.contains(&format!("\n{page}\n")), is_shipped, "{name}: {text}");
            assert_eq!(html.contains(&format!("href=\"{page}\"")), is_shipped, "{name}: {html}");
            assert!(!subject.contains("access"), "{subject}");
            assert!(!short(&message).contains("access"));
        }
        for (name, message) in messages().into_iter().filter(|(name, _)| ["received", "shipped"].contains(name)) {
            let mut mails = vec![(format!("{name}, to a guest"), linked(Some(link), page))];
            if name == "shipped" {
                mails.push((
                    format!("{name}, with the page"),
                    linked(None, "https://shop.example/orders/ord_1/withdrawal"),
                ));
            }
            for (name, links) in mails {
                let Mail { subject, text, html } = mail(&order(), &person().name, total(), &message, &links).unwrap();
                insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                    assert_snapshot!(format!("{name}.txt"), format!("Subject: {subject}\n\n{text}"));
                    assert_snapshot!(format!("{name}.html"), html);
                });
            }
            let evil = "https://a\"><script>";
            let evil = mail(&order(), &person().name, total(), &message, &linked(Some(evil), evil)).unwrap();
            assert!(!evil.html.contains("<script>"), "{}", evil.html);
        }
    }

    #[test]
    fn the_short_messages_read_like_this() {
        let mut texts: Vec<String> = messages().iter().map(|(_, message)| short(message)).collect();
        texts.extend(messages().first().map(|(_, message)| sms(&order(), free(), message).unwrap()));
        assert_snapshot!(texts.join("\n"), @r"
        Thank you for your order ord_1 of 1.019,90 EUR.
        Your order ord_1 is on its way with Hare & Hound, tracking number HH-2026-000017.
        Your order ord_1 is cancelled, as you asked us to.
        Your order ord_1 is cancelled, because we have run out of stock.
        Your order ord_1 is cancelled, because the payment did not go through.
        We have received your withdrawal from order ord_1 of 2026-11-22 09:00:00 UTC.
        Thank you for your order ord_1.
        ");
    }

    #[test]
    fn a_mail_about_nothing_to_pay_names_no_money() {
        for (name, message) in messages() {
            let Mail { text, html, .. } = mail(&order(), &person().name, free(), &message, &none()).unwrap();
            for word in ["EUR", "paid", "charged", "Total"] {
                assert!(!text.contains(word) && !html.contains(word), "{name}: {text}");
            }
        }
    }

    #[test]
    fn customers_are_greeted_by_their_names_unless_those_are_none() {
        for (name, greeted) in [
            ("Ada Lovelace", "Hello Ada Lovelace,"),
            ("Dr. Ada King, Countess of Lovelace", "Hello Dr. Ada King, Countess of Lovelace,"),
            ("Sammy Davis Jr.", "Hello Sammy Davis Jr.,"),
            (" 山田 太郎 ", "Hello 山田 太郎,"),
            ("O'Hara & Sons", "Hello O'Hara & Sons,"),
            (" ", "Hello,"),
            ("verify at www.evil.example", "Hello,"),
            ("https://evil.example", "Hello,"),
            ("evil.example/login", "Hello,"),
            ("<b>Ada</b>", "Hello,"),
            ("ada@example.com", "Hello,"),
            (&"Ada ".repeat(16), "Hello,"),
        ] {
            assert_eq!(greeting(&Text::new(name).unwrap()).unwrap(), greeted, "{name}");
        }
    }

    #[test]
    fn what_comes_from_outside_cannot_break_out_of_html() {
        let evil = Text::new("<script>\"'&").unwrap();
        let Mail { text, html, .. } = written(&Message::Shipped { carrier: evil.clone(), tracking_number: evil });
        assert!(!html.contains("<script>"), "{html}");
        assert!(text.contains("<script>\"'&"), "{text}");
        let name = Text::new("Ada & \"Co\"").unwrap();
        let (_, received) = messages().swap_remove(0);
        let mail = mail(&order(), &name, total(), &received, &none());
        assert!(mail.unwrap().html.contains("Hello Ada &#38; &#34;Co&#34;,"));
    }

    #[test]
    fn a_subject_is_one_line() {
        let order = OrderId::new("x".repeat(64)).unwrap();
        for (_, message) in messages() {
            let subject = Subject { order: &order, message: &message }.render().unwrap();
            assert!(!subject.contains(char::is_control) && subject.len() <= 120, "{subject}");
        }
    }

    #[test]
    fn a_short_message_is_one() {
        let order = OrderId::new("x".repeat(64)).unwrap();
        let total = Money::new(MAX_AMOUNT, "INR").unwrap();
        let text = |text: &str| Text::new(text).unwrap();
        let shipped =
            |carrier: &str, number: &str| Message::Shipped { carrier: text(carrier), tracking_number: text(number) };
        let mut longest: Vec<Message> = messages().into_iter().map(|(_, message)| message).collect();
        longest.extend([
            shipped(&"x".repeat(200), &"1".repeat(200)),
            shipped("快递", "1"),
            shipped("a", "\u{1f69a}"),
            shipped(&"€".repeat(20), &"€".repeat(20)),
        ]);
        for message in longest {
            let text = sms(&order, total, &message).unwrap();
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
            assert_eq!(short(&message), text);
        }
    }

    #[test]
    fn some_characters_count_twice() {
        for (text, width) in [("", Some(0)), ("Öre_@", Some(5)), ("1 €", Some(4)), ("[x]", Some(5)), ("快", None)] {
            assert_eq!(septets(text), width, "{text}");
        }
    }
}
