use std::iter::successors;

use futures::executor::block_on;
use lambda_http::http;
use onewrite::memory::{MemoryFeed, MemoryIssuer, VirtualTime};
use onewrite::{Delivery, Project};
use orderflow_events::{Envelope, Time};
use serde_json::json;

use super::*;
use crate::handler::Journal;
use crate::memory::MemoryJournal;

/// A journal, its feed, and who reads it.
struct Shop {
    world: VirtualTime,
    store: MemoryJournal,
    feed: MemoryFeed,
}

impl Shop {
    /// A shop in which so many events have happened, each third one a payment.
    fn of(events: usize) -> Self {
        let shop = Self { world: VirtualTime::new(1), store: MemoryJournal::default(), feed: MemoryFeed::default() };
        for number in 0..events {
            shop.tell(&event(number));
        }
        shop
    }

    fn tell(&self, event: &Value) {
        let text = event.to_string();
        let envelope = Envelope::from_value(event, Time::from_millis(0)).unwrap();
        // A writer for each: they write to different shards.
        let journal = Journal::new(&self.store, &self.feed, 3, &self.world);
        self.world.pass(std::time::Duration::from_millis(1));
        let delivery = Delivery { text: &text, deadline: self.world.now() };
        block_on(journal.project(&envelope, &delivery)).unwrap();
    }

    fn get(&self, query: &[(&str, &str)]) -> (u16, Value) {
        get(&FeedApi::new(&self.feed, 3, &self.store, &self.world, Access::open()), query, None)
    }

    /// All pages, up to the end.
    fn pages(&self, query: &[(&str, &str)]) -> Vec<Vec<Value>> {
        let page = |after: &str| {
            let (status, page) = self.get(&[query, &[("after", after)]].concat());
            assert_eq!(status, 200, "{page}");
            page
        };
        let next = |page: &Value| page["next"].as_str().unwrap().to_owned();
        let pages = successors(Some(page("")), |last| {
            let following = page(&next(last));
            (next(&following) != next(last)).then_some(following)
        });
        pages.map(|page| page["events"].as_array().unwrap().clone()).collect()
    }
}

fn event(number: usize) -> Value {
    let event_type = if number % 3 == 0 { "PaymentProcessed" } else { "ShipmentCreated" };
    json!({
        "specversion": "1.0", "id": format!("e-{number}"), "source": "orderflow/payment", "type": event_type,
        "subject": format!("ord_{}", number % 7), "time": "2026-11-29T09:00:00.000Z", "data": { "amount": number },
    })
}

fn get(
    api: &FeedApi<impl FeedLog, impl Events, impl Clock, impl KeySets>,
    query: &[(&str, &str)],
    token: Option<&str>,
) -> (u16, Value) {
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let mut request = http::Request::builder().uri(format!("/events?{query}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request: Request = request.body(Body::Empty).unwrap().with_raw_http_path("/events");
    let pairs = form_urlencoded::parse(query.as_bytes()).into_owned().map(|(name, value)| (name, vec![value]));
    let request = request.with_query_string_parameters(pairs.collect::<std::collections::HashMap<_, _>>());
    let response = block_on(api.answer(&request));
    (response.status().as_u16(), serde_json::from_slice(response.body().as_ref()).unwrap())
}

#[test]
fn a_reader_of_any_pace_sees_each_event_once_and_in_the_same_order() {
    let shop = Shop::of(230);
    let expected: Vec<Value> = (0..230).map(event).collect();
    for limit in ["1", "7", "100", "500"] {
        let pages = shop.pages(&[("limit", limit)]);
        assert!(pages.iter().all(|page| page.len() <= limit.parse().unwrap()), "{limit}");
        assert_eq!(pages.concat(), expected, "{limit}");
    }
    assert_eq!(shop.pages(&[])[0].len(), 100);
}

#[test]
fn at_the_end_there_is_nothing_and_the_cursor_stays() {
    let shop = Shop::of(3);
    let (_, all) = shop.get(&[]);
    let next = all["next"].as_str().unwrap();
    assert_eq!(shop.get(&[("after", next)]), (200, json!({ "events": [], "next": next })));
    shop.tell(&event(3));
    assert_eq!(shop.get(&[("after", next)]).1["events"], json!([event(3)]));
    assert_eq!(Shop::of(0).get(&[]), (200, json!({ "events": [], "next": "0" })));
}

#[test]
fn a_pattern_lets_through_what_matches_and_the_cursor_goes_on_all_the_same() {
    let shop = Shop::of(1_205);
    let payments = r#"{"type":["PaymentProcessed"],"data":{"amount":[{"numeric":[">=",600]}]}}"#;
    let pages = shop.pages(&[("match", payments)]);
    assert_eq!(pages.concat(), (600..1_205).filter(|number| number % 3 == 0).map(event).collect::<Vec<_>>());
    // Of the first thousand and of the rest.
    let sparse = shop.pages(&[("match", r#"{"data":{"amount":[1204]}}"#)]);
    assert_eq!(sparse, [vec![], vec![event(1_204)]]);
}

#[test]
fn an_event_is_shown_to_the_letter() {
    let shop = Shop::of(0);
    let text = r#"{ "specversion":"1.0", "id":"1", "source":"a", "type":"T", "subject":"s", "data": {"b":1.50, "a":"\u00e9"} }"#;
    let envelope = Envelope::from_value(&serde_json::from_str(text).unwrap(), Time::from_millis(0)).unwrap();
    let journal = Journal::new(&shop.store, &shop.feed, 3, &shop.world);
    block_on(journal.project(&envelope, &Delivery { text, deadline: shop.world.now() })).unwrap();
    let api = FeedApi::new(&shop.feed, 3, &shop.store, &shop.world, Access::open());
    let request: Request = http::Request::get("/events").body(Body::Empty).unwrap().with_raw_http_path("/events");
    let response = block_on(api.answer(&request));
    let body = String::from_utf8(response.body().as_ref().to_vec()).unwrap();
    assert!(body.contains(text), "{body}");
}

#[test]
fn large_events_are_fewer_to_a_page() {
    let shop = Shop::of(0);
    for number in 0..50 {
        let mut large = event(number);
        large["data"] = json!("x".repeat(190_000));
        shop.tell(&large);
    }
    let pages = shop.pages(&[]);
    assert_eq!((pages.len(), pages.concat().len()), (3, 50));
}

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let shop = Shop::of(1);
    for (query, status, told) in [
        (("limit", "0"), 400, "limit must be"),
        (("limit", "501"), 400, "limit must be"),
        (("limit", "many"), 400, "limit must be"),
        (("after", "x"), 400, "after must be"),
        (("after", "1-2-"), 400, "after must be"),
        (("match", "{"), 400, "match is not JSON"),
        (("match", "[]"), 422, "must be an object"),
        (("match", r#"{"type":"T"}"#), 422, r#""pointer":"/type""#),
        (("match", r#"{"type":[{"like":"T"}]}"#), 422, r#""pointer":"/type/0""#),
    ] {
        let (found, problem) = shop.get(&[query]);
        assert_eq!(found, status, "{query:?}: {problem}");
        assert!(problem.to_string().contains(told), "{query:?}: {problem}");
    }
}

#[test]
fn only_who_may_read_events_reads_them() {
    let (shop, issuer) = (Shop::of(1), MemoryIssuer::new("1"));
    let api = FeedApi::new(&shop.feed, 3, &shop.store, &shop.world, issuer.access());
    let ask = |scope: &str| get(&api, &[], Some(&issuer.token("partner", scope))).0;
    assert_eq!([ask("events:read"), ask("operations orders:any"), ask("")], [200, 403, 403]);
    assert_eq!(get(&api, &[], None).0, 401);
}
