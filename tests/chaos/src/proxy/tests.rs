//! Each fault as a function sees it, through the clients that it uses.

use std::convert::Infallible;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use aws_sdk_sns::types::PublishBatchRequestEntry;
use fastrand::Rng;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use onewrite::FailureKind;
use onewrite::aws::classify;
use orderflow_local::Endpoint;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Duration, Instant, timeout};

use super::*;
use crate::call::Trouble;
use crate::fault_mix::Outage;

/// Clients behind a proxy, and what arrives at the other side of it.
struct Bench {
    fault_mix: Rc<FaultMix>,
    arrived: Rc<RefCell<Vec<String>>>,
    dynamo: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
}

impl Bench {
    /// The other side answers every call as if it had been done.
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let arrived = Rc::<RefCell<Vec<String>>>::default();
        let log = Rc::clone(&arrived);
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let log = Rc::clone(&log);
                let service = service_fn(move |request: Request<Incoming>| {
                    let log = Rc::clone(&log);
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let text = String::from_utf8(body.to_vec()).unwrap();
                        let answer = if text.starts_with('{') { "{}".to_owned() } else { published(&text) };
                        log.borrow_mut().push(text);
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
                    }
                });
                spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        let fault_mix = Rc::new(FaultMix::new(Rng::with_seed(1)));
        let sabotage = Sabotage::new(Rc::clone(&fault_mix), Rc::default());
        let proxy = Proxy::open(port, Rc::new(sabotage)).await;
        let sdk = Endpoint::local(proxy.port()).sdk_config();
        let sdk = sdk.into_builder().retry_config(RetryConfig::disabled()).build();
        Self {
            fault_mix,
            arrived,
            dynamo: aws_sdk_dynamodb::Client::new(&sdk),
            sqs: aws_sdk_sqs::Client::new(&sdk),
            sns: aws_sdk_sns::Client::new(&sdk),
        }
    }

    /// Lets every call of that operation fail like this.
    fn spoil(&self, operation: &str, fault: Fault) {
        let until = Instant::now() + Duration::from_mins(1);
        self.fault_mix.begin(Outage { victim: operation.to_owned(), fault, share: 1.0, until });
    }

    async fn put(&self) -> Result<(), FailureKind> {
        let put = self.dynamo.put_item().table_name("t").item("pk", AttributeValue::S("1".to_owned()));
        put.send().await.map(drop).map_err(|error| classify("PutItem", &error).kind())
    }

    /// Publishes three events, and answers the ids of those that were not published.
    async fn publish(&self) -> Result<Vec<String>, FailureKind> {
        let mut publish = self.sns.publish_batch().topic_arn("t");
        for id in ["0", "1", "2"] {
            let entry = PublishBatchRequestEntry::builder().id(id).message(format!("event {id}"));
            publish = publish.publish_batch_request_entries(entry.build().unwrap());
        }
        let answer = publish.send().await.map_err(|error| classify("PublishBatch", &error).kind())?;
        Ok(answer.failed().iter().map(|failed| failed.id().to_owned()).collect())
    }

    fn arrivals(&self) -> usize {
        self.arrived.take().len()
    }
}

/// Answer of SNS to a batch.
fn published(form: &str) -> String {
    let ids = form_urlencoded::parse(form.as_bytes()).filter(|(name, _)| name.ends_with(".Id"));
    let done = ids.map(|(_, id)| format!("<member><Id>{id}</Id><MessageId>m</MessageId></member>"));
    let done = done.collect::<Vec<_>>().concat();
    format!(
        "<PublishBatchResponse><PublishBatchResult><Successful>{done}</Successful><Failed></Failed></PublishBatchResult>\
         </PublishBatchResponse>"
    )
}

fn on_a_bench(test: impl AsyncFnOnce(Bench)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async { test(Bench::open().await).await });
}

#[test]
fn without_faults_a_call_goes_through() {
    on_a_bench(async |bench: Bench| {
        assert_eq!((bench.put().await, bench.arrivals()), (Ok(()), 1));
        assert_eq!((bench.publish().await, bench.arrivals()), (Ok(Vec::new()), 1));
    });
}

#[test]
fn a_fault_on_the_way_is_what_its_name_says() {
    on_a_bench(async |bench: Bench| {
        let lost = Err(FailureKind::Unavailable);
        for (fault, result, arrivals) in [
            (Fault::Delayed(Duration::from_millis(1)), Ok(()), 1),
            (Fault::NotDelivered, lost, 0),
            (Fault::AnswerLost, lost, 1),
            (Fault::AnswerCut, lost, 1),
            (Fault::DoneTwice, Ok(()), 2),
            // Nobody is killed who is no function of the emulator.
            (Fault::KilledBefore, lost, 0),
            (Fault::KilledAfter, lost, 1),
        ] {
            bench.spoil("PutItem", fault);
            assert_eq!((bench.put().await, bench.arrivals()), (result, arrivals), "{fault:?}");
        }
        bench.spoil("PutItem", Fault::AnswerLate(Duration::from_mins(1)));
        assert!(timeout(Duration::from_millis(300), bench.put()).await.is_err());
        assert_eq!(bench.arrivals(), 1);
    });
}

#[test]
fn every_service_refuses_in_its_own_words() {
    on_a_bench(async |bench: Bench| {
        for (trouble, kind) in
            [(Trouble::Throttled, FailureKind::Transient), (Trouble::Broken, FailureKind::Unavailable)]
        {
            bench.spoil("PutItem", Fault::Refused(trouble));
            assert_eq!(bench.put().await, Err(kind));
            bench.spoil("PublishBatch", Fault::Refused(trouble));
            assert_eq!(bench.publish().await, Err(kind));
            bench.spoil("SendMessage", Fault::Refused(trouble));
            let refused = bench.sqs.send_message().queue_url("q").message_body("b").send().await.unwrap_err();
            assert_eq!(classify("SendMessage", &refused).kind(), kind);
        }
        assert_eq!(bench.arrivals(), 0);
    });
}

#[test]
fn a_conflict_is_told_as_dynamodb_does() {
    on_a_bench(async |bench: Bench| {
        let put = || bench.dynamo.put_item().table_name("t").item("pk", AttributeValue::S("1".to_owned()));
        bench.spoil("PutItem", Fault::Refused(Trouble::Conflict));
        let refused = put().send().await.unwrap_err().into_service_error();
        assert!(refused.is_transaction_conflict_exception(), "{refused:?}");
        bench.spoil("TransactWriteItems", Fault::Refused(Trouble::Conflict));
        let item = Put::builder().table_name("t").item("pk", AttributeValue::S("1".to_owned())).build().unwrap();
        let item = TransactWriteItem::builder().put(item).build();
        let transaction = bench.dynamo.transact_write_items().transact_items(item.clone()).transact_items(item);
        let refused = transaction.send().await.unwrap_err().into_service_error();
        let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            cancelled,
        ) = refused
        else {
            panic!("another error: {refused:?}")
        };
        let codes: Vec<_> = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
        assert_eq!(codes, ["None", "TransactionConflict"]);
        assert_eq!(bench.arrivals(), 0);
    });
}

#[test]
fn of_a_batch_one_event_is_left_out_and_said_to_be() {
    on_a_bench(async |bench: Bench| {
        bench.spoil("PublishBatch", Fault::DoneInPart);
        let failed = bench.publish().await.unwrap();
        let [left_out] = failed.as_slice() else { panic!("{failed:?}") };
        let arrived = bench.arrived.take().concat();
        let messages: Vec<_> = form_urlencoded::parse(arrived.as_bytes())
            .filter(|(name, _)| name.ends_with(".Message"))
            .map(|(name, message)| (name.into_owned(), message.into_owned()))
            .collect();
        let rest = ["0", "1", "2"].into_iter().filter(|id| id != left_out);
        let expected: Vec<_> = rest
            .zip(1..)
            .map(|(id, number)| (format!("PublishBatchRequestEntries.member.{number}.Message"), format!("event {id}")))
            .collect();
        assert_eq!(messages, expected);
    });
}
