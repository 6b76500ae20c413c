//! Valid events at random, with everything odd that the contract allows, and JSON that is not valid: what the property
//! tests of this crate, and of those that build on it, are fed with.

use std::fs;

use proptest::collection::{hash_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::text::{customer_id_rule, phone_rule, words_rule};
use crate::{Country, Email, Event, EventType, MAX_AMOUNT, MAX_LINES, MAX_QUANTITY, PaymentMethod, Person};

use envelope::strategy::{context, personal};
pub use envelope::strategy::{json, pointers, text, time};

/// The document of an event that was valid until up to four places of it were changed, removed, repeated or made long.
pub fn damaged() -> impl Strategy<Value = Value> {
    envelope::strategy::damaged(document())
}

/// A valid event.
pub fn event() -> impl Strategy<Value = Event> {
    document().prop_filter_map("a document is an event", |document| Event::from_value(&document).ok())
}

/// The document of a valid event, of any type in its newest version: exactly as it is written.
pub fn document() -> impl Strategy<Value = Value> {
    select(&EventType::ALL[..]).prop_flat_map(document_of)
}

/// The same, of one type.
pub fn document_of(kind: EventType) -> impl Strategy<Value = Value> {
    order_id().prop_flat_map(move |order| (data(kind, &order), context(), source(kind), Just(order))).prop_map(
        move |(data, context, source, order)| {
            let mut document = context;
            document.insert("specversion".to_owned(), json!("1.0"));
            document.insert("source".to_owned(), json!(source));
            document.insert("type".to_owned(), json!(kind.as_str()));
            document.insert("subject".to_owned(), json!(order));
            document.insert("datacontenttype".to_owned(), json!("application/json"));
            document.insert("dataschema".to_owned(), json!(kind.schema()));
            document.insert("data".to_owned(), data);
            Value::Object(document)
        },
    )
}

/// The document with everything that is ignored: fields that nobody knows in each object of the data, and `null` or
/// an empty text where an optional field is absent. It tells the same.
pub fn decorated(document: Value) -> impl Strategy<Value = Value> {
    let unknown = hash_map("x-[a-zA-Z~/]{0,8}", json(), 0..3);
    let media = select(&["application/json", "Application/JSON; charset=utf-8", ""][..]);
    let absent = select(&["", "null"][..]).prop_map(|absent| if absent.is_empty() { json!("") } else { Value::Null });
    (unknown, media, any::<bool>(), absent).prop_map(move |(unknown, media, upper, absent)| {
        let mut document = document.clone();
        decorate(&mut document["data"], &unknown.into_iter().collect(), &absent);
        if media.is_empty() {
            document.as_object_mut().map(|attributes| attributes.remove("datacontenttype"));
        } else {
            document["datacontenttype"] = json!(media);
        }
        if upper {
            document["time"] = document["time"].as_str().map(|time| time.replace('Z', "999+00:00")).into();
        }
        document
    })
}

fn decorate(value: &mut Value, unknown: &Map<String, Value>, absent: &Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| decorate(item, unknown, absent)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| decorate(field, unknown, absent));
            for optional in ["phone", "line2", "city", "region", "postalCode", "paymentMethod"] {
                fields.entry(optional).or_insert(absent.clone());
            }
            fields.extend(unknown.clone());
        }
        _ => {}
    }
}

/// Document of a valid `OrderCreated` in version 2, in which the person is in clear.
pub fn document_in_clear() -> impl Strategy<Value = Value> {
    let order = currency().prop_flat_map(|currency| (order_in(currency).boxed(), money_in(currency)));
    (document_of(EventType::OrderCreated).boxed(), order.boxed()).prop_map(|(mut document, (details, total))| {
        document["dataschema"] = json!(EventType::OrderCreated.schema_of(2));
        document["data"] = joined(&with_total(&details, total), json!({ "orderId": document["subject"] }));
        document
    })
}

/// An order with its total, which is 0 where nothing says how it is paid.
fn with_total(details: &Value, mut total: Value) -> Value {
    if details.get("paymentMethod").is_none() {
        total["amount"] = json!(0);
    }
    joined(details, json!({ "total": total }))
}

/// Order as a customer decides it, as it can be posted.
pub fn order() -> impl Strategy<Value = Value> {
    currency().prop_flat_map(order_in)
}

fn order_in(currency: &'static str) -> impl Strategy<Value = Value> {
    let customer = (id_of_theirs(), words(), email(), option::of(phone())).prop_map(|(id, name, email, phone)| {
        object(json!({ "id": id, "name": name, "email": email }), [("phone", phone)])
    });
    (customer, lines(currency), address(), option::weighted(0.9, payment_method())).prop_map(
        |(customer, mut lines, address, method)| {
            if method.is_none() {
                for line in &mut lines {
                    line["unitPrice"]["amount"] = json!(0);
                }
            }
            let order = json!({ "customer": customer, "lines": lines, "shippingAddress": address });
            object(order, [("paymentMethod", method)])
        },
    )
}

/// An address with no more than its country asks for, or with everything.
fn address() -> impl Strategy<Value = Value> {
    let optional = (option::of(words()), option::of(words()), option::of(words()), option::of(words()));
    (words(), words(), optional, words(), select(&["AE", "DE", "GB", "HK", "IE", "JP", "SG", "US", "XK"][..])).prop_map(
        |(name, line1, (line2, city, region, postal_code), needed, country)| {
            let needs = Country::new(country).map(|country| (country.has_cities(), country.has_postal_codes()));
            let (has_cities, has_postal_codes) = needs.unwrap_or((true, true));
            let city = city.or_else(|| has_cities.then(|| needed.clone()));
            let postal_code = postal_code.or_else(|| has_postal_codes.then_some(needed));
            let address = json!({ "name": name, "line1": line1, "country": country });
            object(address, [("line2", line2), ("city", city), ("region", region), ("postalCode", postal_code)])
        },
    )
}

/// Text that has no card number by chance.
fn words() -> impl Strategy<Value = String> {
    text().prop_filter("no card number", |text| words_rule(text).is_ok())
}

/// Customer's id, as some provider of identities may make it.
fn id_of_theirs() -> impl Strategy<Value = String> {
    let id = prop_oneof!["cus_[0-9]{1,6}", "auth0\\|[0-9a-f]{24}", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text()];
    id.prop_filter("no card number", |id| customer_id_rule(id).is_ok())
}

/// Telephone number in some writing, or what is none.
fn phone() -> impl Strategy<Value = String> {
    let phone = prop_oneof!["\\+[1-9][0-9]{6,14}", "\\(?0[0-9]{2,4}\\)?[ /-][0-9]{3,4}[ .-]?[0-9]{2,4}", text()];
    phone.prop_filter("no card number", |phone| phone_rule(phone).is_ok())
}

fn payment_method() -> impl Strategy<Value = String> {
    let token = prop_oneof!["[a-z]{1,5}_[A-Za-z0-9_]{1,24}", "pm_[A-Za-z]{197}"];
    token.prop_filter("no card number", |token| PaymentMethod::new(token.clone()).is_ok())
}

fn lines(currency: &'static str) -> impl Strategy<Value = Vec<Value>> {
    let quantity = prop_oneof![Just(1), Just(MAX_QUANTITY), 1..=MAX_QUANTITY];
    let share = prop_oneof![Just(0), Just(1_000), 0..=1_000_i64];
    list((sku(), quantity, share), MAX_LINES).prop_map(move |lines| {
        let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let line = |(sku, quantity, share): (String, u32, i64)| {
            let most = MAX_AMOUNT / count / i64::from(quantity);
            let price = json!({ "amount": most * share / 1_000, "currency": currency });
            json!({ "sku": sku, "quantity": quantity, "unitPrice": price })
        };
        lines.into_iter().map(line).collect()
    })
}

fn data(kind: EventType, order: &str) -> BoxedStrategy<Value> {
    let order = json!({ "orderId": order });
    #[allow(
        unreachable_patterns,
        clippy::match_wildcard_for_single_variants,
        reason = "a new type begins without a strategy of its own"
    )]
    let rest: BoxedStrategy<Value> = match kind {
        EventType::OrderCreated => currency()
            .prop_flat_map(|currency| (order_in(currency), money_in(currency), personal::<Person>()))
            .prop_map(|(mut details, total, personal)| {
                details["customer"] = json!({ "id": details["customer"]["id"] });
                details["shippingAddress"] = json!({ "country": details["shippingAddress"]["country"] });
                details["personal"] = json!(personal);
                with_total(&details, total)
            })
            .boxed(),
        EventType::OrderCancelled => select(&["customerRequest", "outOfStock", "paymentFailed"][..])
            .prop_map(|reason| json!({ "reason": reason }))
            .boxed(),
        EventType::InventoryReserved | EventType::InventoryReleased => {
            let line = (sku(), pieces()).prop_map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }));
            list(line, MAX_LINES).prop_map(|lines| json!({ "lines": lines })).boxed()
        }
        EventType::InventoryRejected => {
            let available = prop_oneof![Just(0), Just(i64::MAX), 0..=i64::MAX];
            let shortage = (sku(), pieces(), available).prop_map(
                |(sku, requested, available)| json!({ "sku": sku, "requested": requested, "available": available }),
            );
            list(shortage, MAX_LINES).prop_map(|shortages| json!({ "shortages": shortages })).boxed()
        }
        EventType::PaymentProcessed => {
            (id("pay_"), money()).prop_map(|(id, amount)| json!({ "paymentId": id, "amount": amount })).boxed()
        }
        EventType::PaymentFailed => (id("pay_"), text(), text())
            .prop_map(|(id, code, message)| json!({ "paymentId": id, "reason": { "code": code, "message": message } }))
            .boxed(),
        EventType::PaymentRefunded => (id("pay_"), id("rfd_"), money())
            .prop_map(|(payment, refund, amount)| json!({ "paymentId": payment, "refundId": refund, "amount": amount }))
            .boxed(),
        EventType::ShipmentCreated => (id("shp_"), text(), text())
            .prop_map(|(id, carrier, number)| json!({ "shipmentId": id, "carrier": carrier, "trackingNumber": number }))
            .boxed(),
        EventType::ShipmentCancelled => id("shp_").prop_map(|id| json!({ "shipmentId": id })).boxed(),
        EventType::ReturnRequested => id("ret_").prop_map(|id| json!({ "returnId": id })).boxed(),
        EventType::GoodsReturned => {
            let line = (sku(), pieces()).prop_map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }));
            (id("ret_"), list(line, MAX_LINES))
                .prop_map(|(id, lines)| json!({ "returnId": id, "lines": lines }))
                .boxed()
        }
        EventType::PersonalDataErased => Just(json!({})).boxed(),
        EventType::OrderFlagged => {
            let reason = (text(), text()).prop_map(|(code, detail)| json!({ "code": code, "detail": detail }));
            (prop_oneof![Just(0), Just(100), 0..=100_u8], list(reason, 100), any::<bool>())
                .prop_map(|(score, reasons, held)| {
                    let mut flag = json!({ "score": score, "reasons": reasons });
                    if held {
                        flag["held"] = json!(true);
                    }
                    flag
                })
                .boxed()
        }
        EventType::OrderCleared => {
            prop_oneof![Just("screening"), Just("person")].prop_map(|by| json!({ "by": by })).boxed()
        }
        _ => Just(golden_data(kind)).boxed(),
    };
    rest.prop_map(move |rest| joined(&rest, order.clone())).boxed()
}

/// Data of the golden event of a type.
fn golden_data(kind: EventType) -> Value {
    let path = format!("{}/golden/{kind}.{}.json", env!("CARGO_MANIFEST_DIR"), kind.newest_version());
    let event = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut event: Value = serde_json::from_str(&event).unwrap_or_else(|error| panic!("{path}: {error}"));
    event["data"].as_object_mut().map(|data| data.remove("orderId"));
    event["data"].take()
}

fn source(kind: EventType) -> BoxedStrategy<String> {
    kind.source().map_or_else(
        || "[A-Za-z0-9._~%:/?#\\[\\]@!$&'()*+,;=-]{1,200}".boxed(),
        |source| Just(source.as_str().to_owned()).boxed(),
    )
}

/// An order's id.
pub fn order_id() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9_-]{1,12}", "[A-Za-z0-9_-]{64}"]
}

fn id(prefix: &'static str) -> impl Strategy<Value = String> {
    prop_oneof!["[!-~]{1,10}", "[!-~]{60}"].prop_map(move |rest| format!("{prefix}{rest}"))
}

fn sku() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[A-Za-z0-9._-]{1,8}", 1 => "[A-Za-z0-9._-]{64}"]
}

fn pieces() -> impl Strategy<Value = i64> {
    let most = i64::from(MAX_QUANTITY) * i64::try_from(MAX_LINES).unwrap_or(1);
    prop_oneof![Just(1), Just(most), 1..=most]
}

fn currency() -> impl Strategy<Value = &'static str> {
    select(&["EUR", "USD", "JPY", "BHD", "CLF", "XOF"][..])
}

fn money() -> impl Strategy<Value = Value> {
    currency().prop_flat_map(money_in)
}

fn money_in(currency: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![Just(0), Just(MAX_AMOUNT), 0..=MAX_AMOUNT]
        .prop_map(move |amount| json!({ "amount": amount, "currency": currency }))
}

/// Email address, with everything odd that is deliverable.
fn email() -> impl Strategy<Value = String> {
    let local =
        prop_oneof!["[a-z0-9]{1,8}", "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,30}(\\.[A-Za-z0-9]{1,10}){0,3}", "[a-z]{64}"];
    let domain = prop_oneof![
        "[a-z0-9]{1,8}(\\.[a-z0-9]{1,8}){0,2}\\.example",
        "[A-Za-z][a-z0-9-]{0,20}[a-z]\\.Example",
        "[äöüßéñçåø]{1,8}\\.example",
        "(例え|пример|παράδειγμα|उदाहरण)\\.(テスト|испытание|δοκιμή|परीक्षा)",
        "([a-z]{60}\\.){3}nu",
    ];
    (local, domain).prop_map(|(local, domain)| format!("{local}@{domain}")).prop_filter("deliverable", |email| {
        // Two hyphens in the third and fourth place are IDNA's own.
        Email::new(email.clone()).is_ok()
    })
}

/// Mostly few items, and sometimes as many as there may be.
fn list<T: std::fmt::Debug>(item: impl Strategy<Value = T> + 'static, most: usize) -> impl Strategy<Value = Vec<T>> {
    let item = item.boxed();
    prop_oneof![9 => vec(item.clone(), 1..=3), 1 => vec(item, most)]
}

fn object<const N: usize>(required: Value, optional: [(&str, Option<String>); N]) -> Value {
    joined(&present(optional).collect(), required)
}

fn present<const N: usize>(optional: [(&str, Option<String>); N]) -> impl Iterator<Item = (String, Value)> {
    optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
}

/// The fields of two objects in one.
fn joined(one: &Value, mut other: Value) -> Value {
    if let (Some(fields), Some(more)) = (other.as_object_mut(), one.as_object()) {
        fields.extend(more.clone());
    }
    other
}
