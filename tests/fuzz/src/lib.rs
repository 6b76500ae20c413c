//! Properties of all that comes from outside. Fuzzers look for something that lacks one, and `cargo test`
//! tries the seeds that they begin with.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use futures::executor::block_on;
use lambda_http::http::{HeaderMap, HeaderValue, Request as Builder, header};
use lambda_http::{Body, RequestExt};
use onewrite::access::Access;
use onewrite::config::QueueSettings;
use onewrite::memory::{MemoryKeys, MemoryLog, MemoryQueue, VirtualTime};
use onewrite::personal::KeyRing;
use onewrite::port::Clock;
use onewrite::{Batch, Delivery, Failure, Handle, Handled, Ledger};
use orderflow_events::{
    DecodeError, Envelope, Event, EventType, OrderCreated, OrderDetails, Payload, Person, Time, parse,
};
use orderflow_orders::{MemoryPrices, OrdersApi, WithdrawalPeriod};
use serde_json::{Value, json};

/// Time at which everything here is received: that of an event that has none.
const RECEIVED_MS: i64 = 1_767_225_600_000;

/// An event as a consumer reads it.
fn read(text: &str) -> Result<Event, DecodeError> {
    let document = serde_json::from_str(text).map_err(|error| DecodeError::NotJson(error.to_string()))?;
    Event::received(&document, Time::from_millis(RECEIVED_MS))
}

/// The attributes of an event: any text is an envelope or is refused with its faults, and what was read is written and
/// read again as the same. Answers whether it was one.
pub fn envelope(text: &str) -> bool {
    let decoded = read(text);
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        assert!(matches!(decoded, Err(DecodeError::NotJson(_))));
        return false;
    };
    assert_eq!(Event::faults(&document).is_empty(), decoded.is_ok());
    let envelope = match Envelope::from_value(&document, Time::from_millis(RECEIVED_MS)) {
        Ok(envelope) => envelope,
        Err(faults) => {
            assert!(!faults.is_empty());
            assert_eq!(decoded, Err(DecodeError::NotCloudEvent(faults)));
            return false;
        }
    };
    // An order may be created by any source, so every context can stand over one, whose id the subject can be.
    if orderflow_events::OrderId::new(envelope.context.subject.as_str()).is_err() {
        return true;
    }
    let event = Event { data: order(envelope.context.subject.as_str()).into(), context: envelope.context };
    assert_eq!(Event::decode(&serde_json::to_string(&event).expect("an event is JSON")), Ok(event));
    true
}

fn order(id: &str) -> OrderCreated {
    let price = json!({ "amount": 1, "currency": "EUR" });
    parse(&json!({
        "orderId": id,
        "customer": { "id": "c" },
        "lines": [{ "sku": "A", "quantity": 1, "unitPrice": price }],
        "total": price,
        "shippingAddress": { "country": "DE" },
        "personal": "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiayJ9..AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA",
        "paymentMethod": "pm_x",
    }))
    .expect("the order keeps every rule")
}

/// Data of an event: under attributes that are always right, the data of any text is a payload of the type that the
/// text names, or is refused with its faults; and what was read is written and read again as the same. Answers whether
/// it was one.
pub fn payload(text: &str) -> bool {
    let Ok(told) = serde_json::from_str::<Value>(text) else { return false };
    let Some(kind) = told["type"].as_str().and_then(EventType::named) else { return false };
    let schema = told["dataschema"].as_str().filter(|schema| kind.version_named(schema).is_some());
    let document = json!({
        "specversion": "1.0",
        "id": "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
        "source": kind.source().map_or_else(|| "shop".to_owned(), String::from),
        "type": kind.as_str(),
        "subject": told["data"]["orderId"].as_str().unwrap_or("ord_1"),
        "time": "2026-11-22T09:00:00.000Z",
        "dataschema": schema.map_or_else(|| kind.schema(), str::to_owned),
        "data": told["data"],
    });
    let decoded = Event::from_value(&document);
    assert_eq!(Event::faults(&document).is_empty(), decoded.is_ok());
    match decoded {
        Ok(event) => {
            match serde_json::to_string(&event) {
                Ok(text) => assert_eq!(Event::decode(&text), Ok(event)),
                Err(refused) => assert!(is_in_clear(&event), "{refused}"),
            }
            return true;
        }
        Err(DecodeError::InvalidData(faults) | DecodeError::NotCloudEvent(faults)) => assert!(!faults.is_empty()),
        Err(DecodeError::LaterVersion { version, .. }) => assert!(version > kind.newest_version()),
        Err(other) => panic!("{other} of {document}"),
    }
    false
}

/// Tells that an event has a person in clear, as in older versions: such an event is read, and never written.
fn is_in_clear(event: &Event) -> bool {
    matches!(&event.data, Payload::OrderCreated(order) if order.details.personal.sealed().is_none())
}

/// The body of a message, with and without an SNS notification around it: a batch hands over every event that it has as
/// it was published, and parks every other body with the reason. Answers whether it had one.
pub fn notification(text: &str) -> bool {
    // The text as it is may be a notification itself; inside one, it is an event or nothing.
    let notification = json!({ "Type": "Notification", "MessageId": "1", "Message": text }).to_string();
    let expected = read(text).map(|event| (event, text.to_owned()));
    assert_eq!(deliver(&notification).ok(), expected.ok());
    let Ok((event, published)) = deliver(text) else { return false };
    assert_eq!(read(&published).as_ref(), Ok(&event));
    if !is_in_clear(&event) {
        let written = serde_json::to_string(&event).expect("an event is JSON");
        assert_eq!(deliver(&written), Ok((event, written)));
    }
    true
}

/// Sends the body through a batch. Answers what was handled, or why it was parked.
fn deliver(body: &str) -> Result<(Event, String), String> {
    let (seen, queue, world) = (Rc::default(), MemoryQueue::default(), VirtualTime::new(1));
    let settings = QueueSettings {
        queue_url: String::new(),
        dead_letter_queue_url: String::new(),
        max_receive_count: 12,
        max_backoff_seconds: 900,
        function: "fuzz".to_owned(),
    };
    let mut message = SqsMessage::default();
    message.message_id = Some("1".to_owned());
    message.receipt_handle = Some("1".to_owned());
    message.body = Some(body.to_owned());
    let mut event = SqsEvent::default();
    event.records = vec![message];
    let deadline = world.now().after(Duration::from_mins(1));
    let response = block_on(Batch::new(Seen(Rc::clone(&seen)), &queue, &world, settings).run(event, deadline));
    assert!(response.batch_item_failures.is_empty(), "it comes again");
    match (seen.take(), queue.letters().as_slice()) {
        (Some(handled), []) => Ok(handled),
        (None, [letter]) => {
            assert_eq!(letter.body, body);
            Err(format!("{:?}", letter.attributes["failure-reason"]))
        }
        (handled, letters) => panic!("{handled:?} {letters:?}"),
    }
}

/// Takes every event, and remembers it as it was published.
struct Seen(Rc<RefCell<Option<(Event, String)>>>);

impl Handle for Seen {
    type Incoming = Event;

    fn consumes(&self, _: &Event) -> bool {
        true
    }

    async fn warm(&self) {}

    async fn handle(&self, event: &Event, delivery: &Delivery<'_>) -> Result<Handled, Failure> {
        *self.0.borrow_mut() = Some((event.clone(), delivery.text.to_owned()));
        Ok(Handled::Changed)
    }
}

/// A request to place an order, as the function of the API has it: any bytes are an order, or are refused as a problem of
/// the caller and leave nothing. What became of an order is the same order when it is placed again. Answers whether it
/// was one.
///
/// Before the body there may be two lines, which are the headers `Content-Type` and `Idempotency-Key`. A body that is an
/// object begins with its brace.
pub fn http_body(bytes: &[u8]) -> bool {
    let (media_type, key, body) = match bytes.splitn(3, |byte| *byte == b'\n').collect::<Vec<_>>().as_slice() {
        [media_type, key, body] if !bytes.starts_with(b"{") => (*media_type, *key, *body),
        _ => (&b"application/json"[..], &b"key-1"[..], bytes),
    };
    let (Ok(media_type), Ok(key)) = (HeaderValue::from_bytes(media_type), HeaderValue::from_bytes(key)) else {
        return false;
    };
    let (log, keys) = (MemoryLog::default(), MemoryKeys::default());
    let shop = Shop { log, keys, world: VirtualTime::new(1), media_type, key };
    let (status, headers, told) = shop.place(body.to_vec());
    if status != 201 {
        assert!(matches!(status, 400 | 413 | 415 | 422), "{status} {told}");
        assert_eq!(
            (&headers[header::CONTENT_TYPE], &told["status"]),
            (&"application/problem+json".parse().expect("a header"), &json!(status))
        );
        assert_eq!(status == 422, told["errors"].as_array().is_some_and(|faults| !faults.is_empty()), "{told}");
        assert!(shop.log.is_empty());
        return false;
    }
    let published = shop.log.published::<Payload>();
    let [Event { data: Payload::OrderCreated(order), .. }] = published.as_slice() else { panic!("{published:?}") };
    assert_eq!(
        Event::decode(&serde_json::to_string(&published[0]).expect("an event is JSON")).as_ref(),
        Ok(&published[0])
    );
    let written = serde_json::to_vec(&shop.posted(&order.details)).expect("an order is JSON");
    for body in [body.to_vec(), written] {
        let (status, headers, again) = shop.place(body);
        assert_eq!((status, &again), (201, &told));
        assert!(headers.contains_key("idempotent-replayed"));
    }
    assert_eq!(shop.log.published::<Payload>(), published);
    true
}

/// The orders' API in memory, and the headers that are sent to it.
struct Shop {
    log: MemoryLog,
    keys: MemoryKeys,
    world: VirtualTime,
    media_type: HeaderValue,
    key: HeaderValue,
}

impl Shop {
    fn place(&self, body: Vec<u8>) -> (u16, HeaderMap, Value) {
        let request = Builder::post("/orders").header(header::CONTENT_TYPE, self.media_type.clone());
        let request = request.header("idempotency-key", self.key.clone()).body(Body::Binary(body)).expect("a request");
        let (prices, period) = (MemoryPrices::new(&self.log), WithdrawalPeriod::of_days(14));
        let (ledger, keys) = (Ledger::new(&self.log, &self.world), KeyRing::new(&self.keys, &self.world));
        let api = OrdersApi::new(ledger, prices, keys, Access::open(), period);
        let (head, body) = block_on(api.answer(&request.with_raw_http_path("/orders"))).into_parts();
        (head.status.as_u16(), head.headers, serde_json::from_slice(&body).expect("an answer is JSON"))
    }

    /// An order that was placed, as it can be posted.
    fn posted(&self, details: &OrderDetails) -> Value {
        let OrderDetails { customer, lines, shipping_address: _, personal, payment_method } = details;
        let sealed = personal.sealed().expect("the person of a row is sealed");
        let opened = block_on(KeyRing::new(&self.keys, &self.world).open(customer.id.as_str(), sealed));
        let Person { name, email, phone, shipping_address } = opened.expect("a key").expect("the customer's key");
        json!({
            "customer": { "id": customer.id, "name": name, "email": email, "phone": phone },
            "lines": lines,
            "shippingAddress": shipping_address,
            "paymentMethod": payment_method,
        })
    }
}
