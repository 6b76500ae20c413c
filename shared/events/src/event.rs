//! Tests of the contract as a whole: documents in, events or all their faults out.

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{Event, Payload, Personal, Time};

    fn created() -> Value {
        json!({
            "specversion": "1.0",
            "id": "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
            "source": "https://shop.example/web",
            "type": "OrderCreated",
            "subject": "web-17",
            "time": "2026-11-22T09:00:00.000Z",
            "datacontenttype": "application/json",
            "dataschema": "urn:orderflow:OrderCreated:2",
            "sequence": "00000000000000000001",
            "correlationid": "0193a5c0-7b1e-7c3a-9f00-0123456789ab",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "data": {
                "orderId": "web-17",
                "customer": { "id": "c1", "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+4930123456" },
                "lines": [
                    { "sku": "A-1", "quantity": 2, "unitPrice": { "amount": 995, "currency": "EUR" } },
                    { "sku": "A-1", "quantity": 1, "unitPrice": { "amount": 0, "currency": "EUR" } }
                ],
                "total": { "amount": 1990, "currency": "EUR" },
                "shippingAddress": {
                    "name": "Ada", "line1": "Road 1", "city": "Berlin", "postalCode": "10115", "country": "DE"
                },
                "paymentMethod": "pm_card_visa"
            }
        })
    }

    /// The same in version 3.
    fn sealed() -> Value {
        let mut event = created();
        event["dataschema"] = json!("urn:orderflow:OrderCreated:3");
        event["data"]["customer"] = json!({ "id": "c1" });
        event["data"]["shippingAddress"] = json!({ "country": "DE" });
        event["data"]["personal"] =
            json!("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiayJ9..AAAAAAAAAAAAAAAA..AAAAAAAAAAAAAAAAAAAAAA");
        event
    }

    /// `created()` with the value at a JSON Pointer replaced, or removed where it is `null`.
    fn with(pointer: &str, value: Value) -> Value {
        let mut event = created();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match event.pointer_mut(parent).unwrap() {
            Value::Object(object) if value.is_null() => drop(object.remove(name)),
            Value::Object(object) => drop(object.insert(name.to_owned(), value)),
            Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
            _ => panic!("{parent} has no members"),
        }
        event
    }

    #[test]
    fn an_event_survives_being_written_and_read() {
        // The last is a fraction that a quick reading gets wrong in its last digit.
        for kept in [json!("kept"), json!(null), json!(-6.530_729_239_331_848_5e-152)] {
            let mut document = sealed();
            document["partnerid"] = kept.clone();
            let event = Event::from_value(&document).unwrap();
            assert_eq!(event.context.extensions.get("partnerid"), Some(&kept));
            assert_eq!(Event::decode(&serde_json::to_string(&event).unwrap()), Ok(event.clone()));
            assert_eq!(serde_json::to_value(&event).unwrap(), document);
        }
    }

    #[test]
    fn what_may_be_absent_or_unknown_is_no_fault() {
        for event in [
            with("/datacontenttype", Value::Null),
            with("/sequence", Value::Null),
            with("/correlationid", Value::Null),
            with("/traceparent", json!("nonsense")),
            with("/data/customer/phone", Value::Null),
            with("/data/giftWrap", json!(true)),
            with("/data/total/amount", json!(2490)),
            with("/time", json!("2026-11-22T09:00:00+00:00")),
            with("/time", json!("2026-11-22T10:00:00.123456+01:00")),
            with("/id", json!("order 17 of the web")),
            with("/id", json!("6ba7b810-9dad-11d1-80b4-00c04fd430c8")),
            with("/sequence", json!("7")),
            with("/sequence", json!("0".repeat(20))),
        ] {
            assert!(Event::from_value(&event).is_ok(), "{event}");
        }
    }

    #[test]
    fn a_producer_that_never_heard_of_versions_and_times_has_the_first_and_now() {
        let mut event = with("/dataschema", Value::Null);
        event["data"]["customer"].as_object_mut().unwrap().remove("name");
        let received = Time::from_millis(1_800_000_000_000);
        let read = Event::received(&event, received).unwrap();
        let Payload::OrderCreated(order) = &read.data else { panic!("another type") };
        assert_eq!(
            order.details.personal.clear().unwrap().name.as_str(),
            "Ada",
            "version 1 has the name of the recipient"
        );
        assert_eq!(read.context.time, Time::new("2026-11-22T09:00:00.000Z").unwrap());
        event.as_object_mut().unwrap().remove("time");
        assert_eq!(Event::received(&event, received).map(|event| event.context.time), Ok(received));
    }

    #[test]
    fn every_broken_rule_is_named_with_its_place() {
        let long = "x".repeat(201);
        let line = |amount: i64, currency: &str| json!({ "sku": "B", "quantity": 9999, "unitPrice": { "amount": amount, "currency": currency } });
        for (pointer, value, reason) in [
            ("/specversion", json!("0.3"), "not a CloudEvent: /specversion must be \"1.0\""),
            ("/id", json!(""), "not a CloudEvent: /id must be 1 to 128 characters"),
            ("/id", Value::Null, "not a CloudEvent: /id is required"),
            ("/source", json!(""), "not a CloudEvent: /source must be 1 to 200 characters"),
            ("/type", json!(7), "not a CloudEvent: /type must be a text"),
            ("/subject", json!(""), "not a CloudEvent: /subject must be 1 to 1024 characters"),
            ("/data/orderId", json!("a b"), "data is invalid: /orderId must be 1 to 64 of [A-Za-z0-9_-]"),
            ("/time", json!("now"), "not a CloudEvent: /time must be a time of RFC 3339"),
            ("/datacontenttype", json!("text/xml"), "not a CloudEvent: /datacontenttype must be application/json"),
            ("/time", Value::Null, "not a CloudEvent: /time is required"),
            ("/data", Value::Null, "not a CloudEvent: /data is required"),
            ("/type", json!("OrderEaten"), "unknown event type OrderEaten"),
            (
                "/dataschema",
                json!("urn:orderflow:OrderCreated:4"),
                "version 4 of OrderCreated is later than 3, the newest that this consumer knows: upgrade it",
            ),
            (
                "/dataschema",
                json!("urn:orderflow:OrderCreated:0"),
                "unknown schema urn:orderflow:OrderCreated:0 of OrderCreated: the newest is urn:orderflow:OrderCreated:3",
            ),
            (
                "/dataschema",
                json!("urn:orderflow:OrderEaten:1"),
                "unknown schema urn:orderflow:OrderEaten:1 of OrderCreated: the newest is urn:orderflow:OrderCreated:3",
            ),
            ("/subject", json!("web-18"), "subject is not data.orderId"),
            ("/data/lines", json!([]), "data is invalid: /lines must have 1 to 50 items"),
            (
                "/data/lines/0/quantity",
                json!(0),
                "data is invalid: /lines/0/quantity must be a whole number from 1 to 9999",
            ),
            ("/data/lines/1", line(1, "USD"), "data is invalid: /lines must all have the same currency"),
            (
                "/data/lines/1",
                line(10_001, "EUR"),
                "data is invalid: /lines must sum up to at most 99999999 minor units",
            ),
            ("/data/total/currency", json!("USD"), "data is invalid: /total must have the currency of the lines"),
            ("/data/customer/name", Value::Null, "data is invalid: /customer/name is required"),
            (
                "/data/customer/email",
                json!("nobody"),
                "data is invalid: /customer/email must be one email address, such as ada@example.com",
            ),
            (
                "/data/shippingAddress/city",
                json!(long),
                "data is invalid: /shippingAddress/city must be 1 to 200 characters",
            ),
            (
                "/data/paymentMethod",
                json!("4242 4242 4242 4242"),
                "data is invalid: /paymentMethod must be a token of the payment provider, such as pm_card_visa",
            ),
        ] {
            let error = Event::from_value(&with(pointer, value)).expect_err(reason);
            assert_eq!(error.to_string(), reason);
        }
    }

    #[test]
    fn all_faults_of_a_document_are_found_at_once_with_their_places() {
        let faults = |document: &Value| {
            let faults = Event::faults(document);
            faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect::<Vec<_>>()
        };
        assert_eq!(faults(&created()), [""; 0]);
        let mut bad = with("/id", json!(""));
        bad["subject"] = json!("web-18");
        bad["data"]["customer"]["email"] = json!("nobody");
        bad["data"]["lines"][0]["quantity"] = json!(0);
        let expected = [
            "/id must be 1 to 128 characters",
            "/data/customer/email must be one email address, such as ada@example.com",
            "/data/lines/0/quantity must be a whole number from 1 to 9999",
            "/subject is not data.orderId",
        ];
        assert_eq!(faults(&bad), expected);
        for (pointer, value, expected) in [
            ("/subject", json!("web-18"), "/subject is not data.orderId"),
            ("/data/orderId", json!("web-18"), "/subject is not data.orderId"),
            ("/type", json!("OrderEaten"), "/type unknown event type OrderEaten"),
            ("/type", Value::Null, "/type is required"),
            ("/source", json!(""), "/source must be 1 to 200 characters"),
            ("/data", json!([]), "/data must be an object"),
            ("/data", Value::Null, "/data is required"),
        ] {
            assert_eq!(faults(&with(pointer, value))[0], expected);
        }
        assert_eq!(faults(&with("/data", Value::Null)), ["/data is required"]);
        let later = faults(&with("/dataschema", json!("urn:orderflow:OrderCreated:4")));
        assert!(later[0].starts_with("/dataschema version 4 of OrderCreated is later than 3"), "{later:?}");
        let mut paid = with("/type", json!("PaymentProcessed"));
        paid["dataschema"] = json!("urn:orderflow:PaymentProcessed:1");
        assert_eq!(
            faults(&paid),
            [
                "/source PaymentProcessed does not count from source https://shop.example/web",
                "/data/paymentId is required",
                "/data/amount is required"
            ]
        );
        assert_eq!(faults(&json!([])), [" must be an object"]);
    }

    #[test]
    fn version_1_of_an_order_has_the_name_of_its_recipient() {
        let newest = Event::from_value(&with("/data/customer/name", json!("Ada"))).unwrap();
        let mut first = with("/dataschema", json!("urn:orderflow:OrderCreated:1"));
        // Members that version 1 does not know are ignored, as in every version.
        for name in [json!("Grace"), json!({ "first": "Grace" }), Value::Null] {
            first["data"]["customer"]["name"] = name;
            assert_eq!(Event::from_value(&first), Ok(newest.clone()));
        }
        first["data"]["customer"]["email"] = json!("nobody");
        first["data"]["total"]["currency"] = json!("USD");
        let error = Event::from_value(&first).expect_err("a rule is broken").to_string();
        assert_eq!(
            error,
            "data is invalid: /customer/email must be one email address, such as ada@example.com; /total must have the currency of the lines"
        );
    }

    #[test]
    fn version_3_has_its_person_sealed_and_says_so_where_it_has_not() {
        let event = Event::from_value(&sealed()).unwrap();
        let Payload::OrderCreated(order) = &event.data else { panic!("another type") };
        assert_eq!(order.details.personal.sealed().map(Personal::key_name), Some("k"));
        let mut open = sealed();
        open["data"]["personal"] = json!("Ada Lovelace");
        let error = Event::from_value(&open).unwrap_err().to_string();
        assert!(error.starts_with("data is invalid: /personal must be a JWE"), "{error}");
        assert!(Event::from_value(&with("/dataschema", json!("urn:orderflow:OrderCreated:3"))).is_err());
    }

    #[test]
    fn a_person_in_clear_cannot_be_written() {
        let event = Event::from_value(&created()).unwrap();
        let refused = serde_json::to_string(&event).unwrap_err().to_string();
        assert_eq!(refused, "a person in clear is not written: it is to be sealed first");
    }

    #[test]
    fn only_an_order_may_be_created_by_anyone() {
        let paid = |source: &str| {
            let mut event = with("/source", json!(source));
            event["type"] = json!("PaymentProcessed");
            event["dataschema"] = json!("urn:orderflow:PaymentProcessed:1");
            event["data"] = json!({
                "orderId": "web-17", "paymentId": "pay_1", "amount": { "amount": 1, "currency": "EUR" }
            });
            Event::from_value(&event)
        };
        assert!(paid("orderflow/payment").is_ok());
        assert_eq!(
            paid("https://evil.example").map_err(|error| error.to_string()),
            Err("PaymentProcessed does not count from source https://evil.example".to_owned())
        );
    }

    #[test]
    fn junk_is_no_event_and_no_panic() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for junk in ["", "hello", "{", "null", "[]", "42", "{}", deep.as_str()] {
            assert!(Event::decode(junk).is_err(), "{junk:.20}");
        }
    }

    #[test]
    fn lines_of_one_sku_are_summed() {
        let Payload::OrderCreated(order) = Event::from_value(&created()).unwrap().data else { panic!("another type") };
        let lines: Vec<_> =
            order.details.stock_lines().into_iter().map(|line| (line.sku.to_string(), line.quantity)).collect();
        assert_eq!(lines, [("A-1".to_owned(), 3)]);
        assert_eq!(order.details.total().map(|total| total.amount()), Some(1990));
    }
}
