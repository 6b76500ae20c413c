//! Properties of every event, and of everything that is none.

use std::collections::BTreeSet;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::strategy::{damaged, decorated, document, document_in_clear, event, json, order, text};
use crate::{
    DecodeError, Email, Envelope, Event, EventType, Fault, IdKind, MAX_AMOUNT, Money, NewOrder, OrderCreated,
    OrderCreatedV2, OrderDetails, OrderId, Payload, PaymentId, PaymentMethod, RefundId, ShipmentId, Sku, Time, parse,
};

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig::with_cases(count)
}

/// Every fault has a place that is in the document, or would be if it were not missing, and is told once.
fn check_faults(document: &Value, faults: &[Fault]) -> Result<(), TestCaseError> {
    prop_assert!(!faults.is_empty(), "a refusal without a fault");
    for (index, Fault { pointer, detail }) in faults.iter().enumerate() {
        let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        let there = document.pointer(pointer).is_some();
        prop_assert!(there || document.pointer(parent).is_some_and(Value::is_object), "{pointer} is nowhere");
        prop_assert!(there || detail == "is required", "{pointer} is missing, and {detail}");
        prop_assert!(!faults[..index].contains(&faults[index]), "{pointer} {detail} is told twice");
    }
    Ok(())
}

/// Decoding the document does not panic, and says where it is wrong; what is an event is one again when it is written.
fn check_decode(document: &Value) -> Result<(), TestCaseError> {
    let envelope = Envelope::from_value(document, Time::from_millis(0));
    // An event without a time is one that happens as it comes.
    let read = Event::received(document, Time::from_millis(0));
    let faults = Event::faults(document);
    prop_assert_eq!(faults.is_empty(), read.is_ok());
    if !faults.is_empty() {
        check_faults(document, faults.as_slice())?;
    }
    match read {
        Ok(event) => {
            prop_assert_eq!(envelope.map(|envelope| envelope.context), Ok(event.context.clone()));
            let text = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(Event::decode(&text), Ok(event));
        }
        Err(DecodeError::NotCloudEvent(faults)) => {
            prop_assert_eq!(envelope, Err(faults.clone()));
            check_faults(document, faults.as_slice())?;
        }
        Err(DecodeError::InvalidData(faults)) => check_faults(&document["data"], faults.as_slice())?,
        Err(_) => prop_assert!(envelope.is_ok()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn an_event_is_read_as_it_was_written(event in event()) {
        let text = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(Event::decode(&text), Ok(event.clone()));
        let Event { context, data } = event;
        let kind = data.event_type();
        let envelope = Envelope { context, event_type: kind.as_str().to_owned(), schema: Some(kind.schema()) };
        prop_assert_eq!(Envelope::from_value(&serde_json::from_str(&text).unwrap(), Time::from_millis(0)), Ok(envelope));
    }

    /// Nothing that the contract knows is lost or added, and what it does not know in the data changes nothing.
    #[test]
    fn a_document_is_written_as_it_was_read(
        (document, decorated) in document().prop_flat_map(|document| (Just(document.clone()), decorated(document))),
    ) {
        let event = Event::from_value(&decorated);
        prop_assert_eq!(event.map(|event| serde_json::to_value(event).unwrap()), Ok(document));
    }

    #[test]
    fn version_1_of_an_order_is_read_as_version_2(document in document_in_clear(), name in json()) {
        let (mut first, mut second) = (document.clone(), document);
        first["dataschema"] = json!("urn:orderflow:OrderCreated:1");
        first["data"]["customer"]["name"] = name;
        second["data"]["customer"]["name"] = second["data"]["shippingAddress"]["name"].clone();
        let event = Event::decode(&second.to_string());
        prop_assert!(event.is_ok(), "{event:?}");
        prop_assert_eq!(Event::decode(&first.to_string()), event);
    }

    /// Whatever an older version has in clear is nowhere to be seen, and not to be written.
    #[test]
    fn a_person_in_clear_is_shown_to_nobody(document in document_in_clear()) {
        let event = Event::decode(&document.to_string()).unwrap();
        prop_assert!(serde_json::to_string(&event).is_err());
        let shown = format!("{event:?}");
        let Payload::OrderCreated(order) = &event.data else { panic!("another type") };
        let person = order.details.personal.clear().unwrap();
        prop_assert!(!shown.contains(person.email.as_str()), "{}", shown);
        prop_assert!(shown.contains("personal: (a person)"), "{}", shown);
    }

    #[test]
    fn a_damaged_event_is_refused_in_good_order(document in damaged()) {
        check_decode(&document)?;
    }

    /// Rows of services have parts of payloads, which are read by `serde`.
    #[test]
    fn a_part_of_a_payload_is_kept_as_it_was(event in event()) {
        match event.data {
            Payload::OrderCreated(data) => again(&data.details)?,
            Payload::InventoryReserved(data) => again(&data.lines)?,
            Payload::PaymentProcessed(data) => again(&(data.payment_id, data.amount))?,
            Payload::PaymentFailed(data) => again(&data.reason)?,
            Payload::OrderFlagged(data) => again(&data.reasons)?,
            _ => {}
        }
    }

    #[test]
    fn an_order_over_http_is_read_as_it_was_posted(order in order()) {
        let read = parse::<NewOrder>(&order).map(|new| new.priced(|_, _| None));
        let mut published = order;
        published["orderId"] = json!("ord_1");
        published["total"] = json!(read.as_ref().unwrap().as_ref().unwrap().total());
        let published = OrderCreated::from(parse::<OrderCreatedV2>(&published).unwrap());
        prop_assert_eq!(read, Ok(Some(published.details)));
    }

    /// Prices may be left out, of some lines or of all: those of the table make the same order of it.
    #[test]
    fn an_order_without_prices_is_the_same_with_those_of_the_table(order in order(), left_out in any::<u64>()) {
        let details: OrderDetails = parse::<NewOrder>(&order).unwrap().priced(|_, _| None).unwrap();
        let mut document = order;
        let mut has_all = true;
        for (index, line) in document["lines"].as_array_mut().unwrap().iter_mut().enumerate() {
            if left_out >> (index % 64) & 1 == 1 {
                line["unitPrice"] = Value::Null;
                has_all = false;
            }
        }
        let new = parse::<NewOrder>(&document).unwrap();
        prop_assert_eq!(new.clone().priced(|_, _| None).is_some(), has_all);
        prop_assert_eq!(new.priced(|index, _| Some(details.lines[index].unit_price)), Some(details));
    }

    #[test]
    fn every_fault_of_an_order_is_found_at_once(order in order(), broken in subsequence(BREAKS, 1..=BREAKS.len())) {
        let mut document = order;
        for (pointer, value) in &broken {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let fields = document.pointer_mut(parent).unwrap();
            match serde_json::from_str(value).unwrap() {
                Value::Null => drop(fields.as_object_mut().unwrap().remove(name)),
                value => fields[name] = value,
            }
        }
        let faults = parse::<NewOrder>(&document).map_err(|faults| {
            faults.as_slice().iter().map(|fault| fault.pointer.clone()).collect::<BTreeSet<_>>()
        });
        prop_assert_eq!(faults, Err(broken.iter().map(|(pointer, _)| (*pointer).to_owned()).collect()));
    }
}

/// Places of an order, and values that they may not have; `null` takes the place away.
const BREAKS: &[(&str, &str)] = &[
    ("/customer/id", "7"),
    ("/customer/name", r#""\u0000""#),
    ("/customer/email", r#""ada@""#),
    ("/customer/phone", "[]"),
    ("/shippingAddress/name", r#""""#),
    ("/shippingAddress/line1", r#""4242 4242 4242 4242""#),
    ("/shippingAddress/line2", r#""a\ufffe""#),
    ("/shippingAddress/city", "7"),
    ("/shippingAddress/country", r#""UK""#),
    ("/lines/0/sku", r#""a b""#),
    ("/lines/0/quantity", "10000"),
    ("/lines/0/unitPrice/amount", "1.5"),
    ("/lines/0/unitPrice/currency", r#""eur""#),
    ("/paymentMethod", r#""4242 4242 4242 4242""#),
];

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn any_json_is_an_event_or_refused_in_good_order(document in json()) {
        check_decode(&document)?;
    }

    #[test]
    fn any_text_is_an_event_or_refused(text in any::<String>(), cut in any::<prop::sample::Index>()) {
        prop_assert!(Event::decode(&text).is_err());
        let golden = include_str!("../golden/OrderCreated.3.json");
        let cut: Vec<char> = golden.trim_end().chars().collect::<Vec<_>>()[..cut.index(golden.trim_end().len())].to_vec();
        let cut: String = cut.into_iter().collect();
        prop_assert!(matches!(Event::decode(&cut), Err(DecodeError::NotJson(_))));
        prop_assert!(Event::decode(&(cut + &text)).is_err());
    }

    #[test]
    fn a_text_keeps_its_rule_and_itself(odd in text(), any in any::<String>(), repeated in 1..300_usize) {
        for text in [odd, any.clone(), any.repeat(repeated)] {
            check_text(&text, Email::new, Email::as_str)?;
            check_text(&text, PaymentMethod::new, PaymentMethod::as_str)?;
        }
    }

    #[test]
    fn an_id_keeps_its_rule_and_itself(
        text in prop_oneof![any::<String>(), "[!-~]{1,66}", "[A-Za-z0-9._-]{1,66}", "(ord|pay|rfd|shp)_[!-~]{0,61}"],
    ) {
        let set = |more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        let short = (1..=64).contains(&text.len());
        prop_assert_eq!(OrderId::new(text.clone()).is_ok(), short && set("_-"));
        prop_assert_eq!(Sku::new(text.clone()).is_ok(), short && set("._-"));
        check_text(&text, OrderId::new, OrderId::as_str)?;
        check_text(&text, Sku::new, Sku::as_str)?;
        check_text(&text, PaymentId::new, PaymentId::as_str)?;
        check_text(&text, RefundId::new, RefundId::as_str)?;
        check_text(&text, ShipmentId::new, ShipmentId::as_str)?;
        let prefixed = |prefix: &str| text.starts_with(prefix) && text.len() > 4 && short && text.is_ascii();
        let printable = text.chars().all(|c| c.is_ascii_graphic());
        prop_assert_eq!(PaymentId::new(text.clone()).is_ok(), prefixed("pay_") && printable);
        if let Ok(order) = OrderId::new(text.clone()) {
            check_text(PaymentId::of(&order).as_str(), PaymentId::new, PaymentId::as_str)?;
            prop_assert!(PaymentId::new(PaymentId::of(&order).as_str()).is_ok());
            prop_assert!(RefundId::new(RefundId::of(&order).as_str()).is_ok());
            prop_assert!(ShipmentId::new(ShipmentId::of(&order).as_str()).is_ok());
        }
        prop_assert!(OrderId::new(IdKind::Order.derive(&[&text])).is_ok());
    }

    #[test]
    fn money_is_in_its_range_or_refused(
        amount in prop_oneof![any::<i64>(), -1..=MAX_AMOUNT + 1, Just(MAX_AMOUNT)],
        currency in prop_oneof![Just("EUR".to_owned()), "[A-Z]{3}", any::<String>()],
    ) {
        match Money::new(amount, &currency) {
            Ok(money) => {
                prop_assert_eq!((money.amount(), money.currency()), (amount, currency.as_str()));
                prop_assert!((0..=MAX_AMOUNT).contains(&amount));
                prop_assert_eq!(parse::<Money>(&json!({ "amount": amount, "currency": currency })), Ok(money));
                let shown: String = money.to_string().chars().filter(char::is_ascii_digit).collect();
                prop_assert_eq!(shown.parse(), Ok(amount));
                again(&money)?;
            }
            Err(_) => prop_assert!(!(currency == "EUR" && (0..=MAX_AMOUNT).contains(&amount))),
        }
    }

    #[test]
    fn a_schema_names_its_version(kind in proptest::sample::select(&EventType::ALL[..]), version in 1..=u32::MAX, text in any::<String>()) {
        prop_assert_eq!(kind.version_named(&kind.schema_of(version)), Some(version));
        prop_assert_eq!(kind.version_named(&text), None);
        let named = kind.version_named(&format!("urn:orderflow:{kind}:{text}"));
        prop_assert!(named.is_none_or(|version| version.to_string() == text));
    }
}

/// Checks that a value is read as it was written.
fn again<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let text = serde_json::to_string(value).unwrap();
    prop_assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
    Ok(())
}

/// A text that is taken is itself, and is read as it was written; one that is refused is refused by `serde` and by
/// [`parse`], too.
fn check_text<T>(
    text: &str,
    new: fn(String) -> Result<T, crate::Invalid>,
    as_str: fn(&T) -> &str,
) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + crate::Read + PartialEq + Debug,
{
    let made = new(text.to_owned()).ok();
    prop_assert_eq!(made.as_ref().map(as_str), made.as_ref().map(|_| text));
    prop_assert_eq!(&parse::<T>(&json!(text)).ok(), &made);
    prop_assert_eq!(serde_json::from_value::<T>(json!(text)).ok(), made);
    Ok(())
}
