//! Valid events at random, with everything odd that the contract allows, and JSON that is not valid: what the property
//! tests of this crate, and of those that build on it, are fed with.

use proptest::collection::{hash_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use crate::context::KNOWN;
use crate::time::WRITABLE_MS;
use crate::{Event, EventId, EventType, MAX_AMOUNT, MAX_LINES, MAX_QUANTITY, Time};

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

/// The document with everything that is ignored: fields that nobody knows in each object of the data, and `null` where
/// an optional field is absent. It tells the same.
pub fn decorated(document: Value) -> impl Strategy<Value = Value> {
    let unknown = hash_map("x-[a-zA-Z~/]{0,8}", json(), 0..3);
    let media = select(&["application/json", "Application/JSON; charset=utf-8", ""][..]);
    (unknown, media, any::<bool>()).prop_map(move |(unknown, media, upper)| {
        let mut document = document.clone();
        decorate(&mut document["data"], &unknown.into_iter().collect());
        if media.is_empty() {
            document.as_object_mut().map(|attributes| attributes.remove("datacontenttype"));
        } else {
            document["datacontenttype"] = json!(media);
        }
        if upper {
            document["id"] = document["id"].as_str().map(str::to_uppercase).into();
            document["time"] = document["time"].as_str().map(|time| time.replace('Z', "999+00:00")).into();
        }
        document
    })
}

fn decorate(value: &mut Value, unknown: &Map<String, Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| decorate(item, unknown)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| decorate(field, unknown));
            for optional in ["phone", "line2", "region"] {
                fields.entry(optional).or_insert(Value::Null);
            }
            fields.extend(unknown.clone());
        }
        _ => {}
    }
}

/// A document that was valid until up to four places of it were changed, removed, repeated or made long.
pub fn damaged() -> impl Strategy<Value = Value> {
    let blow = (any::<Index>(), 0..5_u8, json());
    (document(), vec(blow, 1..5)).prop_map(|(mut document, blows)| {
        for (place, how, value) in blows {
            let places = pointers(&document);
            let pointer = place.get(&places).clone();
            damage(&mut document, &pointer, how, value);
        }
        document
    })
}

fn damage(document: &mut Value, pointer: &str, how: u8, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    if how == 0 {
        if let Some(Value::Object(fields)) = document.pointer_mut(parent) {
            fields.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        return;
    }
    let Some(place) = document.pointer_mut(pointer) else { return };
    match (how, place) {
        // What has been repeated is not repeated again, or some documents would fill the memory.
        (1, Value::Array(items)) if items.len() < 1_000 => {
            *items = items.iter().cycle().take(items.len() * 60).cloned().collect();
        }
        (1, Value::String(text)) if text.len() < 10_000 => *text = text.repeat(250),
        (2, Value::String(text)) => text.push('\u{7}'),
        (3, Value::Number(number)) => *number = number.as_i64().map_or(i64::MAX, |number| -1 - number).into(),
        (_, place) => *place = value,
    }
}

/// All places of a document, as JSON Pointers, the whole first.
#[must_use]
pub fn pointers(document: &Value) -> Vec<String> {
    let step = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        pointers(value).into_iter().map(move |rest| format!("/{name}{rest}")).collect::<Vec<_>>()
    };
    let below: Vec<String> = match document {
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, item)| step(&index.to_string(), item)).collect()
        }
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| step(name, value)).collect(),
        _ => Vec::new(),
    };
    std::iter::once(String::new()).chain(below).collect()
}

/// Any JSON.
pub fn json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            hash_map(any::<String>(), inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// What a customer decides about an order, as the heart of `OrderCreated` has it, and as it can be posted.
pub fn order() -> impl Strategy<Value = Value> {
    currency().prop_flat_map(order_in)
}

fn order_in(currency: &'static str) -> impl Strategy<Value = Value> {
    let customer = (text(), text(), email(), option::of(text())).prop_map(|(id, name, email, phone)| {
        object(json!({ "id": id, "name": name, "email": email }), [("phone", phone)])
    });
    let address = (text(), text(), option::of(text()), text(), option::of(text()), text(), text()).prop_map(
        |(name, line1, line2, city, region, code, country)| {
            let address = json!({ "name": name, "line1": line1, "city": city, "postalCode": code, "country": country });
            object(address, [("line2", line2), ("region", region)])
        },
    );
    (customer, lines(currency), address, text().prop_map(|token| format!("pm{}", short(&token, 198)))).prop_map(
        |(customer, lines, address, token)| {
            json!({ "customer": customer, "lines": lines, "shippingAddress": address, "paymentMethod": token })
        },
    )
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
    let rest: BoxedStrategy<Value> = match kind {
        EventType::OrderCreated => currency()
            .prop_flat_map(|currency| (order_in(currency), money_in(currency)))
            .prop_map(|(details, total)| joined(&details, json!({ "total": total })))
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
        EventType::OrderFlagged => {
            let reason = (text(), text()).prop_map(|(code, detail)| json!({ "code": code, "detail": detail }));
            (prop_oneof![Just(0), Just(100), 0..=100_u8], list(reason, 100))
                .prop_map(|(score, reasons)| json!({ "score": score, "reasons": reasons }))
                .boxed()
        }
    };
    rest.prop_map(move |rest| joined(&rest, order.clone())).boxed()
}

fn context() -> impl Strategy<Value = Map<String, Value>> {
    let id =
        (any::<u64>(), any::<[u8; 10]>()).prop_map(|(millis, chance)| EventId::from_parts(millis, chance).to_string());
    let sequence = prop_oneof![Just(1), Just(u64::MAX), 1..=u64::MAX].prop_map(|count| format!("{count:020}"));
    let name = prop_oneof![4 => "[a-z0-9]{1,20}", 1 => any::<String>()]
        .prop_filter("an extension", |name| !KNOWN.contains(&name.as_str()));
    let optional = (
        option::of(sequence),
        option::of(text()),
        option::of(text()),
        option::of(any::<String>()),
        option::of(any::<String>()),
    );
    (id, time(), optional, hash_map(name, json(), 0..3)).prop_map(
        |(id, time, (sequence, correlation, causation, parent, state), extensions)| {
            let optional = [
                ("sequence", sequence),
                ("correlationid", correlation),
                ("causationid", causation),
                ("traceparent", parent),
                ("tracestate", state),
            ];
            let mut context: Map<String, Value> = extensions.into_iter().collect();
            context.extend([("id".to_owned(), json!(id)), ("time".to_owned(), json!(time.to_string()))]);
            context.extend(present(optional));
            context
        },
    )
}

fn source(kind: EventType) -> BoxedStrategy<String> {
    kind.source().map_or_else(
        || "[A-Za-z0-9._~%:/?#\\[\\]@!$&'()*+,;=-]{1,200}".boxed(),
        |source| Just(source.as_str().to_owned()).boxed(),
    )
}

/// A point in time.
pub fn time() -> impl Strategy<Value = Time> {
    prop_oneof![Just(i64::MIN), Just(-1), Just(0), Just(i64::MAX), WRITABLE_MS].prop_map(Time::from_millis)
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
    select(&["EUR", "USD", "JPY", "BHD", "CLF", "XAU"][..])
}

fn money() -> impl Strategy<Value = Value> {
    currency().prop_flat_map(money_in)
}

fn money_in(currency: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![Just(0), Just(MAX_AMOUNT), 0..=MAX_AMOUNT]
        .prop_map(move |amount| json!({ "amount": amount, "currency": currency }))
}

fn email() -> impl Strategy<Value = String> {
    let side = |most| text().prop_map(move |text| short(&text.replace([' ', '@'], "."), most));
    (side(125), side(125)).prop_map(|(local, domain)| {
        let blankless = |text: String| text.replace(char::is_whitespace, "_");
        format!("a@{}@{}", blankless(local), blankless(domain))
    })
}

/// A text that the contract allows, odd as it may be: what looks like syntax, turns the direction, is no character alone,
/// or stands at the end of a range of Unicode.
///
/// It is boxed, for what a text is made from is large, and what an order is made from has a dozen of it: as one value, it
/// would overflow the stack of a test.
pub fn text() -> BoxedStrategy<String> {
    const ODD: &[char] = &[
        '"',
        '\\',
        '/',
        '{',
        '\'',
        '<',
        '&',
        '~',
        ' ',
        '\u{a0}',
        '\u{ad}',
        '\u{301}',
        '\u{200b}',
        '\u{202e}',
        '\u{2028}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{fdd0}',
        '\u{feff}',
        '\u{fffd}',
        '\u{10000}',
        '\u{1f469}',
        '\u{1ffff}',
        '\u{10ffff}',
    ];
    let character = prop_oneof![
        3 => proptest::char::range(' ', '~'),
        1 => select(ODD),
        1 => any::<char>().prop_map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { 'x' } else { c }),
    ];
    (vec(character, 1..=10), prop_oneof![9 => Just(1), 1 => Just(200)])
        .prop_map(|(characters, times): (Vec<char>, usize)| {
            characters.iter().cycle().take(characters.len().max(times)).collect()
        })
        .boxed()
}

/// Mostly few items, and sometimes as many as there may be.
fn list<T: std::fmt::Debug>(item: impl Strategy<Value = T> + 'static, most: usize) -> impl Strategy<Value = Vec<T>> {
    let item = item.boxed();
    prop_oneof![9 => vec(item.clone(), 1..=3), 1 => vec(item, most)]
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
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
