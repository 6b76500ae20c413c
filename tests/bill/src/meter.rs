//! Meter at the proxy: every call of a function with its bytes, and what `DynamoDB` and SNS bill for it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use hyper::Response;
use orderflow_tests::{
    Answer, Arrived, AwsService, Call, Counted, Dropped, Interceptor, Proxy, Tally, Units, entries, item_bytes,
    read_units, whole, write_units,
};
use serde_json::{Map, Value};
use tokio::time::Instant;

/// Meter of all calls.
#[derive(Default)]
pub(crate) struct Meter {
    counts: RefCell<Counts>,
}

/// Counts since the last time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Calls by function, as it is deployed, and service.
    pub(crate) tallies: BTreeMap<(String, AwsService), Tally>,
    /// Requests by which events were published.
    pub(crate) publications: Vec<Publication>,
    /// Items that were put and stay for ever.
    pub(crate) kept_items: u64,
    /// Bytes of these.
    pub(crate) kept_bytes: u64,
    /// Mails.
    pub(crate) mails: u64,
    /// Short messages.
    pub(crate) texts: u64,
}

/// One request to a topic.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) function: String,
    pub(crate) at: Instant,
    /// Its messages.
    pub(crate) texts: Vec<String>,
}

impl Meter {
    /// Counts since the last time.
    pub(crate) fn take(&self) -> Counts {
        self.counts.take()
    }
}

impl Interceptor for Meter {
    async fn intercept(&self, proxy: &Rc<Proxy>, arrived: Arrived) -> Result<Answer, Dropped> {
        let function = proxy.function(&arrived).unwrap_or_else(|| "unknown".to_owned());
        let Arrived { call, request, .. } = arrived;
        let at = Instant::now();
        let answer = proxy.forward(request).await?;
        self.counts.borrow_mut().count(function, &call, &answer, at);
        Ok(whole(answer))
    }
}

impl Counts {
    fn count(&mut self, function: String, call: &Call, answer: &Response<Bytes>, at: Instant) {
        let is_refused = !answer.status().is_success();
        let body = call.json();
        let units = match call.service {
            AwsService::DynamoDb => units(&call.operation, &body, answer.body()),
            AwsService::Sqs
            | AwsService::Sns
            | AwsService::Ses
            | AwsService::SecretsManager
            | AwsService::Ssm
            | AwsService::Lambda
            | AwsService::Connections => Units::default(),
        };
        self.tallies.entry((function.clone(), call.service)).or_default().count(Counted {
            operation: &call.operation,
            is_refused,
            is_retry: call.is_retry,
            sent_bytes: call.body.len() as u64,
            received_bytes: answer.body().len() as u64,
            units,
        });
        if is_refused {
            return;
        }
        match call.service {
            AwsService::DynamoDb => self.keep(&call.operation, &body),
            AwsService::Sqs
            | AwsService::SecretsManager
            | AwsService::Ssm
            | AwsService::Lambda
            | AwsService::Connections => {}
            AwsService::Sns if call.operation == "PublishBatch" => {
                let texts = entries(&call.form(), "Message").into_iter().map(str::to_owned).collect();
                self.publications.push(Publication { function, at, texts });
            }
            AwsService::Sns => self.texts += 1,
            AwsService::Ses => self.mails += 1,
        }
    }

    /// Counts what is stored by a call. What has a time to live goes by itself.
    fn keep(&mut self, operation: &str, body: &Value) {
        let transacted = body["TransactItems"].as_array().into_iter().flatten().map(|one| &one["Put"]["Item"]);
        let put = (operation == "PutItem").then_some(&body["Item"]);
        for item in transacted.chain(put).filter_map(Value::as_object).filter(|item| !item.contains_key("expiresAt")) {
            self.kept_items += 1;
            self.kept_bytes += item_bytes(item) as u64;
        }
    }
}

/// Units of a call to `DynamoDB`. A write is reckoned by what is in the request: of an item that is updated that is the key
/// and what is set, and so the least. A condition that does not hold costs as much.
fn units(operation: &str, request: &Value, answer: &[u8]) -> Units {
    let empty = Map::new();
    let written = |write: &Value| {
        let parts = ["Item", "Key", "ExpressionAttributeValues"].map(|part| write[part].as_object().unwrap_or(&empty));
        write_units(parts.map(item_bytes).iter().sum()) + of_index(parts[0])
    };
    let (mut read, mut write) = (0.0, 0.0);
    match operation {
        "TransactWriteItems" => {
            let writes = request["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object);
            write = 2.0 * writes.flat_map(Map::values).map(written).sum::<f64>();
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => write = written(request),
        _ => {
            let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
            let items = answer["Items"].as_array().into_iter().flatten().chain(answer.get("Item"));
            read = read_units(items.filter_map(Value::as_object).map(item_bytes).sum(), request);
        }
    }
    Units { read, write }
}

/// Units of the indexes that an item is in, too, of which each has the keys alone: an entry of the journal, or the first row
/// of an order, which its customer's orders are found by. That row is taken out of the index of the open ones again, once and later than
/// anybody counts here: an update of it, and of the index.
fn of_index(item: &Map<String, Value>) -> f64 {
    let entry = write_units(0);
    let of = |key: &str, units: f64| if item.contains_key(key) { units } else { 0.0 };
    of("slot", entry) + of("owner", entry) + of("open", entry + write_units(item_bytes(item)) + entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn units_of(operation: &str, request: &Value, answer: &Value) -> (f64, f64) {
        let Units { read, write } = units(operation, request, answer.to_string().as_bytes());
        (read, write)
    }

    #[test]
    fn a_write_costs_by_the_item_and_double_in_a_transaction() {
        let put = |length: usize| json!({"Item": {"pk": {"S": "x".repeat(length)}}});
        assert_eq!(units_of("PutItem", &put(1_022), &json!({})), (0.0, 1.0));
        assert_eq!(units_of("PutItem", &put(1_023), &json!({})), (0.0, 2.0));
        let update = json!({"Update": {"Key": {"pk": {"S": "a"}}, "ExpressionAttributeValues": {":d": {"N": "1"}}}});
        let transaction = json!({"TransactItems": [{"Put": put(1_500)}, update, update]});
        assert_eq!(units_of("TransactWriteItems", &transaction, &json!({})), (0.0, 8.0));
    }

    #[test]
    fn an_entry_of_an_index_costs_a_unit_more() {
        let put = json!({"Item": {"pk": {"S": "a"}, "slot": {"S": "2026-11-28T20#1"}}});
        assert_eq!(units_of("PutItem", &put, &json!({})), (0.0, 2.0));
        let put = json!({"Item": {"pk": {"S": "a".repeat(1_500)}, "open": {"S": "1"}}});
        assert_eq!(units_of("PutItem", &put, &json!({})), (0.0, 6.0), "and again as it is closed");
        let put = json!({"Item": {"pk": {"S": "a"}, "owner": {"S": "cus_1"}, "open": {"S": "1"}}});
        assert_eq!(units_of("PutItem", &put, &json!({})), (0.0, 5.0), "one of each index, and its end");
    }

    #[test]
    fn a_read_costs_by_what_comes_back() {
        let query = |consistent: bool| json!({"ConsistentRead": consistent});
        let items = |count: usize| json!({"Items": vec![json!({"pk": {"S": "x".repeat(998)}}); count]});
        assert_eq!(units_of("Query", &query(true), &items(0)), (1.0, 0.0));
        assert_eq!(units_of("Query", &query(true), &items(4)), (1.0, 0.0));
        assert_eq!(units_of("Query", &query(true), &items(5)), (2.0, 0.0));
        assert_eq!(units_of("Query", &query(false), &items(5)), (1.0, 0.0));
    }

    #[test]
    fn what_expires_is_not_kept() {
        let mut counts = Counts::default();
        counts.keep("PutItem", &json!({"Item": {"pk": {"S": "12345678"}}}));
        counts.keep("PutItem", &json!({"Item": {"pk": {"S": "1"}, "expiresAt": {"N": "1"}}}));
        counts.keep(
            "TransactWriteItems",
            &json!({"TransactItems": [{"Put": {"Item": {"pk": {"S": "1"}}}}, {"Update": {}}]}),
        );
        assert_eq!((counts.kept_items, counts.kept_bytes), (2, 13));
    }
}
