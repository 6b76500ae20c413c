//! The HTTP API of the stock.

use std::time::Duration;

use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Request, Response};
use onewrite::Failure;
use onewrite::http::{Problem, answer, path, read_body};
use onewrite::port::{Clock, Random};
use orderflow_events::{Faults, Node, Read, Sku};
use serde::Serialize;
use tracing::info;

use crate::stock::{Counted, Revision, Stock, StockStore};

/// Number of attempts at a count that collides with reservations.
const MAX_RACES: u64 = 20;

/// The most pieces that a shelf may hold.
const MAX_ON_HAND: i64 = 1_000_000_000;

/// Shows the stock of a SKU, and takes counts.
pub struct InventoryApi<S, W> {
    stocks: S,
    world: W,
}

impl<S: StockStore, W: Clock + Random> InventoryApi<S, W> {
    /// The API on those stocks.
    pub fn new(stocks: S, world: W) -> Self {
        Self { stocks, world }
    }

    /// Opens the connection to the table. Whether it works out shows soon enough.
    pub async fn warm(&self) {
        if let Ok(nothing) = Sku::new("-") {
            let _ = self.stocks.get(&nothing).await;
        }
    }

    /// Answers a request.
    pub async fn answer(&self, request: &Request) -> Response<Body> {
        let answered = match (request.method(), path(request).as_slice()) {
            (&Method::GET, ["inventory", sku]) => self.show(sku).await,
            (&Method::PUT, ["inventory", sku]) => self.count(request, sku).await,
            _ => Err(Problem::not_found("resource")),
        };
        answered.unwrap_or_else(Response::from)
    }

    async fn show(&self, sku: &str) -> Result<Response<Body>, Problem> {
        let sku = Sku::new(sku).map_err(|_| Problem::not_found("SKU"))?;
        let stock = self.stocks.get(&sku).await?.ok_or_else(|| Problem::not_found("SKU"))?;
        Ok(shown(&sku, stock))
    }

    /// A count is absolute, and what is reserved changes at any moment, so it is written only onto the stock that it
    /// was reckoned from.
    async fn count(&self, request: &Request, sku: &str) -> Result<Response<Body>, Problem> {
        let sku = Sku::new(sku)
            .map_err(|rule| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("The SKU in the path {rule}.")))?;
        let expected = IfMatch::of(request)?;
        let Count { on_hand } = read_body(request)?;
        let mut attempted = None;
        for race in 0..MAX_RACES {
            let before = self.stocks.get(&sku).await?;
            // The last attempt was refused, and yet what it meant to write is there: its first answer was lost.
            if let Some(stock) = before.filter(|_| before == attempted) {
                return Ok(shown(&sku, stock));
            }
            if !expected.accepts(before) {
                return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "The stock has changed since that ETag.")
                    .of_kind("urn:orderflow:problem:stock-changed", "Stock changed"));
            }
            let stock = counted(before, on_hand)?;
            attempted = Some(stock);
            let since = before.map_or(Revision::New, |before| Revision::Read(before.revision));
            match self.stocks.count(&sku, stock, since).await? {
                Counted::Done => {
                    info!(sku = sku.as_str(), on_hand, "stock counted");
                    return Ok(shown(&sku, stock));
                }
                Counted::Changed => self.world.sleep(Duration::from_millis(self.world.below(5 * (race + 1)))).await,
            }
        }
        Err(Failure::transient(format!("a count lost {MAX_RACES} races")).into())
    }
}

fn counted(before: Option<Stock>, on_hand: i64) -> Result<Stock, Problem> {
    let (reserved, revision) = before.map_or((0, 0), |before| (before.reserved, before.revision));
    if on_hand < reserved {
        let detail = format!("{reserved} pieces are reserved: onHand cannot be less.");
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .of_kind("urn:orderflow:problem:stock-reserved", "Stock reserved"));
    }
    Ok(Stock { available: on_hand - reserved, reserved, revision: revision + 1 })
}

/// A count of the shelf.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
struct Count {
    /// How many pieces there are, those that are reserved included.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = MAX_ON_HAND)))]
    on_hand: i64,
}

struct OnHand(i64);

impl Read for OnHand {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.integer(0, MAX_ON_HAND, faults).map(Self)
    }
}

impl Read for Count {
    fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        node.object(faults)?;
        node.required("onHand", faults).map(|OnHand(on_hand)| Self { on_hand })
    }
}

/// The precondition of a request (RFC 9110, section 13.1.1).
enum IfMatch {
    /// There is none.
    Anything,
    /// There must be a stock.
    Something,
    /// It must have one of these tags. A weak one never matches.
    OneOf(Vec<String>),
}

impl IfMatch {
    fn of(request: &Request) -> Result<Self, Problem> {
        let malformed = || Problem::malformed("The header If-Match must be ETags, or *.");
        let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(Self::Anything) };
        let value = value.to_str().map_err(|_| malformed())?.trim();
        if value == "*" {
            return Ok(Self::Something);
        }
        // A list may have nothing between two commas, or in all (section 5.6.1.2): that is no tag, and nothing matches it.
        let tags = value.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        let tags: Vec<String> = tags.map(str::to_owned).collect();
        let is_tag = |tag: &str| {
            let quoted =
                tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            quoted.is_some_and(|opaque| !opaque.contains('"'))
        };
        if tags.iter().all(|tag| is_tag(tag)) { Ok(Self::OneOf(tags)) } else { Err(malformed()) }
    }

    fn accepts(&self, stock: Option<Stock>) -> bool {
        match (self, stock) {
            (Self::Anything, _) | (Self::Something, Some(_)) => true,
            (Self::Something | Self::OneOf(_), None) => false,
            (Self::OneOf(tags), Some(stock)) => tags.contains(&tag(stock)),
        }
    }
}

fn tag(stock: Stock) -> String {
    format!("\"{}\"", stock.revision)
}

/// The stock of a SKU.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    /// What it is of.
    sku: &'a Sku,
    /// How many pieces there are.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    on_hand: i64,
    /// How many of them are set aside for orders.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    reserved: i64,
    /// How many of them can be ordered.
    #[cfg_attr(feature = "schema", schemars(range(min = 0)))]
    available: i64,
}

/// JSON Schemas of a count and of the answer, each under its name.
#[cfg(feature = "schema")]
#[must_use]
pub fn schemas() -> [(&'static str, serde_json::Value); 2] {
    use orderflow_events::schema::{of_answer, of_request};
    [("Count", of_request::<Count>()), ("Stock", of_answer::<Shown<'_>>())]
}

fn shown(sku: &Sku, stock: Stock) -> Response<Body> {
    let Stock { available, reserved, .. } = stock;
    let mut response = answer(StatusCode::OK, &Shown { sku, on_hand: stock.on_hand(), reserved, available });
    if let Ok(tag) = HeaderValue::from_str(&tag(stock)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::executor::block_on;
    use lambda_http::{RequestExt, http};
    use onewrite::Result;
    use onewrite::memory::{MemoryLog, VirtualTime};
    use orderflow_events::strategy::json;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::stock::{AVAILABLE, RESERVED, REVISION};

    /// Stocks of which others take a piece between a reading and a writing, so many times; and of which an answer may
    /// be lost, so that a second attempt, made behind the caller's back, is the one that is answered.
    struct Busy<'a> {
        log: &'a MemoryLog,
        rivals: Cell<u32>,
        loses_answers: Cell<bool>,
    }

    impl<'a> Busy<'a> {
        fn new(log: &'a MemoryLog) -> Self {
            Self { log, rivals: Cell::new(0), loses_answers: Cell::new(false) }
        }
    }

    impl StockStore for &Busy<'_> {
        async fn get(&self, sku: &Sku) -> Result<Option<Stock>> {
            self.log.get(sku).await
        }

        async fn count(&self, sku: &Sku, stock: Stock, since: Revision) -> Result<Counted> {
            if self.rivals.get() > 0 {
                self.rivals.set(self.rivals.get() - 1);
                for (counter, delta) in [(AVAILABLE, -1), (RESERVED, 1), (REVISION, 1)] {
                    self.log.set_counter(sku.as_str(), counter, self.log.counter(sku.as_str(), counter) + delta);
                }
            }
            if self.loses_answers.get() {
                self.log.count(sku, stock, since).await?;
            }
            self.log.count(sku, stock, since).await
        }
    }

    fn send(busy: &Busy<'_>, method: &str, sku: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, Value) {
        let path = format!("/inventory/{sku}");
        let request = http::Request::builder().method(method).uri(&path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::from(body)).unwrap().with_raw_http_path(&path);
        let api = InventoryApi::new(busy, VirtualTime::new(1));
        let (head, body) = block_on(api.answer(&request)).into_parts();
        let tag = head.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned()).unwrap_or_default();
        (head.status.as_u16(), tag, serde_json::from_slice(&body).unwrap())
    }

    fn shown(on_hand: i64, reserved: i64) -> Value {
        json!({ "sku": "A-1", "onHand": on_hand, "reserved": reserved, "available": on_hand - reserved })
    }

    #[test]
    fn a_count_is_absolute_and_has_a_tag() {
        let log = MemoryLog::default();
        let busy = Busy::new(&log);
        assert_eq!(send(&busy, "GET", "A-1", &[], "").0, 404);
        assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#), (200, "\"1\"".to_owned(), shown(5, 0)));
        assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 3}"#), (200, "\"2\"".to_owned(), shown(3, 0)));
        assert_eq!(send(&busy, "GET", "A-1", &[], ""), (200, "\"2\"".to_owned(), shown(3, 0)));
    }

    #[test]
    fn what_is_reserved_stays_reserved() {
        let log = MemoryLog::default();
        let busy = Busy::new(&log);
        send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#);
        busy.rivals.set(2);
        // Two reservations come between: the count is reckoned anew from what they leave.
        assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 10}"#), (200, "\"4\"".to_owned(), shown(10, 2)));
        assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 1}"#).0, 409);
        assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 2}"#).2, shown(2, 2));
        busy.rivals.set(1_000);
        assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5000}"#).0, 503);
    }

    #[test]
    fn a_precondition_holds_at_the_moment_of_writing() {
        let log = MemoryLog::default();
        let busy = Busy::new(&log);
        let put = |tag: &str| send(&busy, "PUT", "A-1", &[("If-Match", tag)], r#"{"onHand": 5}"#).0;
        assert_eq!((put("*"), put("\"1\"")), (412, 412));
        send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#);
        assert_eq!((put("\"0\""), put("W/\"1\""), put("\"1\""), put("\"1\"")), (412, 412, 200, 412));
        assert_eq!((put("*"), put("\"9\", \"3\"")), (200, 200));
        busy.rivals.set(1);
        assert_eq!(put("\"4\""), 412);
        for no_tags in ["4", "\"", "\"4", "4\"", "\"5\", 4", "\"\"\"", "W/\"", "W/W/\"4\""] {
            assert_eq!(put(no_tags), 400, "{no_tags}");
        }
        assert_eq!((put(""), put(",\"0\","), put("\"5\",,")), (412, 412, 200));
    }

    #[test]
    fn a_count_whose_answer_was_lost_is_no_conflict() {
        let log = MemoryLog::default();
        let busy = Busy::new(&log);
        busy.loses_answers.set(true);
        let count = |tag: &str| send(&busy, "PUT", "A-1", &[("If-Match", tag)], r#"{"onHand": 5}"#);
        assert_eq!(send(&busy, "PUT", "A-1", &[], r#"{"onHand": 3}"#), (200, "\"1\"".to_owned(), shown(3, 0)));
        assert_eq!(count("\"1\""), (200, "\"2\"".to_owned(), shown(5, 0)));
        assert_eq!(count("\"1\"").0, 412);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// A count that is taken is what was counted, and one that is refused changes nothing.
        #[test]
        fn any_count_is_taken_or_a_problem_of_the_caller(
            body in prop_oneof![
                (-1..=MAX_ON_HAND + 1).prop_map(|count| json!({ "onHand": count })),
                (-2..=2).prop_map(|halves| json!({ "onHand": f64::from(halves) / 2.0 })),
                json().prop_map(|count| json!({ "onHand": count })),
                json(),
            ],
            tag in prop_oneof!["(W/)?\"[0-2]\"( ?, ?\"[0-2]\")?|\\*", "[ -~]{1,8}", "[\",W/* ]{1,4}"],
        ) {
            let log = MemoryLog::default();
            let busy = Busy::new(&log);
            let before = send(&busy, "PUT", "A-1", &[], r#"{"onHand": 5}"#);
            let whole = |count: &Value| count.as_i64().or_else(|| count.to_string().strip_suffix(".0")?.parse().ok());
            let count = body.get("onHand").and_then(whole).filter(|count| (0..=MAX_ON_HAND).contains(count));
            let answer = send(&busy, "PUT", "A-1", &[("If-Match", &tag)], &body.to_string());
            let tags: Vec<&str> = tag.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
            let is_any = tag.trim() == "*";
            let is_formed = |tag: &&str| {
                let opaque = tag.strip_prefix("W/").unwrap_or(tag);
                opaque.len() > 1 && opaque.starts_with('"') && opaque.ends_with('"') && opaque.matches('"').count() == 2
            };
            let expected = match count {
                _ if !is_any && !tags.iter().all(is_formed) => 400,
                None => 422,
                Some(_) if !is_any && !tags.contains(&"\"1\"") => 412,
                Some(_) => 200,
            };
            prop_assert_eq!(answer.0, expected);
            if let (200, Some(count)) = (expected, count) {
                prop_assert_eq!(&answer, &(200, "\"2\"".to_owned(), shown(count, 0)));
                prop_assert_eq!(send(&busy, "GET", "A-1", &[], ""), answer);
            } else {
                prop_assert_eq!(send(&busy, "GET", "A-1", &[], ""), before);
            }
        }
    }

    #[test]
    fn bad_counts_are_told_what_is_wrong() {
        let log = MemoryLog::default();
        let busy = Busy::new(&log);
        for (sku, body, status) in [
            ("A-1", "", 400),
            ("A-1", "{}", 422),
            ("A-1", r#"{"onHand": -1}"#, 422),
            ("A-1", r#"{"onHand": 1.5}"#, 422),
            ("A-1", r#"{"onHand": "1"}"#, 422),
            ("A-1", r#"{"onHand": 99999999999999999999}"#, 422),
            ("A%201", r#"{"onHand": 1}"#, 422),
        ] {
            assert_eq!(send(&busy, "PUT", sku, &[], body).0, status, "{sku} {body}");
        }
        assert_eq!(send(&busy, "DELETE", "A-1", &[], "").0, 404);
    }
}
