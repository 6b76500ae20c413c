//! The suite of live's [`Watches`].

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::{join, join_all};
use libtest_mimic::Trial;
use orderflow_events::{OrderId, Time};
use orderflow_live::{
    Added, DynamoWatches, Found, MAX_SUBSCRIPTIONS, MemoryWatches, PAGE, Right, Topic, Watch, Watches,
};
use orderflow_local::Endpoint;
use orderflow_tests::{Answer, Arrived, Dropped, Interceptor, Proxy, whole};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::aws::Aws;
use crate::suite::trial;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    let mut trials = crate::suite::suite!(
        aws,
        MemoryWatches::default,
        on_aws,
        [
            a_connection_is_opened_once,
            a_subscription_is_added_to_an_open_connection_alone_and_once,
            subscriptions_are_found_by_their_topic,
            subscriptions_of_a_connection_to_a_topic_are_found,
            one_attempt_sends_and_only_from_where_the_last_has_ended,
            whoever_has_not_held_releases_nothing,
            a_position_that_comes_back_is_another_turn,
            of_many_who_would_send_one_does,
            a_subscription_that_is_removed_is_gone_for_its_topic_too,
            a_subscription_that_is_forgotten_is_gone_for_its_topic,
            a_subscription_that_is_ended_before_it_is_added_is_not_added_once,
            a_connection_has_so_many_subscriptions_and_no_more,
            an_order_has_so_many_who_watch_it_and_they_come_in_pages,
            nothing_is_left_of_a_connection_that_is_closed,
            of_many_who_watch_the_events_of_all_each_is_found_told_and_removed,
            whoever_begins_to_watch_as_others_look_is_found_from_then_on,
            whoever_is_cut_off_as_they_begin_to_watch_is_found_if_they_do,
        ]
    );
    let name = "whoever_begins_to_watch_between_a_look_and_its_word_is_found";
    let aws = Arc::clone(aws);
    trials.push(trial("aws", name, async move || LocalSet::new().run_until(between_a_look_and_its_word(&aws)).await));
    trials
}

async fn on_aws(aws: &Aws) -> DynamoWatches {
    DynamoWatches::new(aws.clients().0, aws.sorted_table(2, ScalarAttributeType::S).await)
}

fn later() -> Time {
    Time::from_millis(1_767_225_600_000).after(Duration::from_hours(3))
}

fn order(number: u32) -> OrderId {
    OrderId::new(format!("ord_{number}")).unwrap()
}

fn key(number: u32) -> String {
    Topic::key_of(&order(number))
}

fn watch(connection: &str, subscription: &str, number: u32) -> Watch {
    Watch {
        topic: Topic::Order(order(number)),
        connection: connection.to_owned(),
        subscription: subscription.to_owned(),
        right: Right::Holder { order: order(number), issued_at: later(), ends_at: later() },
        request: r#"{"query":"subscription"}"#.to_owned(),
        position: "3".to_owned(),
        turn: "begun".to_owned(),
        holder: None,
    }
}

async fn opened(watches: &impl Watches, connection: &str) {
    assert!(watches.open(connection, &Right::Anybody, later()).await.unwrap());
}

async fn added(watches: &impl Watches, watch: &Watch) {
    assert_eq!(watches.add(watch, later()).await.unwrap(), Added::Done);
}

/// All subscriptions of a topic.
async fn of_topic(watches: &impl Watches, key: &str) -> Vec<Watch> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = watches.page(key, after.as_deref()).await.unwrap();
        assert!(page.found.len() <= PAGE);
        for found in page.found {
            let Found::Watch(watch) = found else { panic!("{found:?}") };
            all.push(watch);
        }
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn a_connection_is_opened_once(watches: &impl Watches) {
    assert_eq!(watches.connection("a").await.unwrap(), None);
    let right = Right::Nobody("The token does not count.".to_owned());
    assert!(watches.open("a", &right, later()).await.unwrap());
    assert!(!watches.open("a", &Right::Anybody, later()).await.unwrap());
    let known = watches.connection("a").await.unwrap().unwrap();
    assert_eq!((known.right, known.subscriptions), (right, BTreeMap::new()));
}

async fn a_subscription_is_added_to_an_open_connection_alone_and_once(watches: &impl Watches) {
    assert_eq!(watches.add(&watch("a", "1", 1), later()).await.unwrap(), Added::Closed);
    opened(watches, "a").await;
    added(watches, &watch("a", "1", 1)).await;
    assert_eq!(watches.add(&watch("a", "1", 1), later()).await.unwrap(), Added::Taken);
    assert_eq!(watches.add(&watch("a", "1", 2), later()).await.unwrap(), Added::Taken);
    added(watches, &watch("a", "#2", 1)).await;
    let known = watches.connection("a").await.unwrap().unwrap().subscriptions;
    assert_eq!(known, ["#2", "1"].map(|id| (id.to_owned(), key(1))).into());
}

async fn subscriptions_are_found_by_their_topic(watches: &impl Watches) {
    for connection in ["a", "b"] {
        opened(watches, connection).await;
    }
    let [one, two, other] = [watch("a", "1", 1), watch("b", "1", 1), watch("b", "2", 2)];
    for watch in [&one, &two, &other] {
        added(watches, watch).await;
    }
    let mut found = of_topic(watches, &key(1)).await;
    found.sort_by(|one, other| one.connection.cmp(&other.connection));
    assert_eq!(found, [one.clone(), two]);
    assert_eq!(of_topic(watches, &key(2)).await, [other]);
    assert_eq!(of_topic(watches, &key(3)).await, []);
    assert_eq!(watches.get(&key(1), "a", "1").await.unwrap(), Some(one));
    assert_eq!(watches.get(&key(2), "a", "1").await.unwrap(), None);
    let pattern = serde_json::json!({ "type": ["PaymentFailed"] });
    let events = Watch { topic: Topic::Events(Some(pattern)), ..watch("a", "e", 1) };
    added(watches, &events).await;
    assert_eq!(of_topic(watches, Topic::EVENTS).await, [events]);
}

async fn one_attempt_sends_and_only_from_where_the_last_has_ended(watches: &impl Watches) {
    opened(watches, "a").await;
    let watch = watch("a", "1", 1);
    added(watches, &watch).await;
    assert!(watches.hold(&watch, "x").await.unwrap());
    assert!(watches.hold(&watch, "x").await.unwrap(), "it is the same attempt");
    assert!(!watches.hold(&watch, "y").await.unwrap());
    let held = watches.get(&key(1), "a", "1").await.unwrap().unwrap();
    assert_eq!((held.holder.as_deref(), held.position.as_str()), (Some("x"), "3"));
    assert!(watches.release(&watch, "x", "5").await.unwrap());
    assert!(!watches.hold(&watch, "y").await.unwrap(), "it knows of 3 alone");
    let known = watches.get(&key(1), "a", "1").await.unwrap().unwrap();
    assert_eq!((&known.holder, known.position.as_str()), (&None, "5"));
    assert!(watches.hold(&known, "y").await.unwrap());
}

async fn whoever_has_not_held_releases_nothing(watches: &impl Watches) {
    opened(watches, "a").await;
    let watch = watch("a", "1", 1);
    assert!(!watches.hold(&watch, "x").await.unwrap(), "it is not there");
    assert!(!watches.release(&watch, "x", "9").await.unwrap());
    assert_eq!(of_topic(watches, &key(1)).await, [], "it is not made by that");
    added(watches, &watch).await;
    assert!(!watches.release(&watch, "x", "9").await.unwrap());
    assert!(watches.hold(&watch, "x").await.unwrap());
    assert!(!watches.release(&watch, "y", "9").await.unwrap());
    assert_eq!(watches.get(&key(1), "a", "1").await.unwrap().unwrap().position, "3");
}

async fn a_position_that_comes_back_is_another_turn(watches: &impl Watches) {
    opened(watches, "a").await;
    let begun = watch("a", "1", 1);
    added(watches, &begun).await;
    for (position, holder) in [("5", "x"), ("3", "y")] {
        let known = watches.get(&key(1), "a", "1").await.unwrap().unwrap();
        assert!(watches.hold(&known, holder).await.unwrap());
        assert!(watches.release(&known, holder, position).await.unwrap());
    }
    let again = watches.get(&key(1), "a", "1").await.unwrap().unwrap();
    assert_eq!(again.position, begun.position);
    assert!(!watches.hold(&begun, "z").await.unwrap(), "it is at 3 once more");
    assert!(watches.hold(&again, "z").await.unwrap());

    watches.end("a", "1").await.unwrap();
    let anew = Watch { turn: "anew".to_owned(), ..begun.clone() };
    added(watches, &anew).await;
    assert!(!watches.hold(&begun, "z").await.unwrap(), "another has its id");
    assert!(watches.hold(&anew, "z").await.unwrap());
}

async fn of_many_who_would_send_one_does(watches: &impl Watches) {
    opened(watches, "a").await;
    let watch = watch("a", "1", 1);
    added(watches, &watch).await;
    let holders: Vec<String> = (0..10).map(|number| format!("holder {number}")).collect();
    let held = join_all(holders.iter().map(|holder| watches.hold(&watch, holder))).await;
    assert_eq!(held.into_iter().filter(|held| *held == Ok(true)).count(), 1);
}

async fn subscriptions_of_a_connection_to_a_topic_are_found(watches: &impl Watches) {
    let none: [&str; 0] = [];
    assert_eq!(watches.watching("a", &key(1)).await.unwrap(), none);
    for connection in ["a", "b"] {
        opened(watches, connection).await;
    }
    for (connection, subscription, number) in [("a", "1", 1), ("a", "2", 2), ("a", "#3", 1), ("b", "4", 1)] {
        added(watches, &watch(connection, subscription, number)).await;
    }
    assert_eq!(watches.watching("a", &key(1)).await.unwrap(), ["#3", "1"]);
    assert_eq!(watches.watching("a", &key(3)).await.unwrap(), none);
    watches.close("a").await.unwrap();
    assert_eq!(watches.watching("a", &key(1)).await.unwrap(), none);
}

async fn a_subscription_that_is_removed_is_gone_for_its_topic_too(watches: &impl Watches) {
    opened(watches, "a").await;
    added(watches, &watch("a", "1", 1)).await;
    added(watches, &watch("a", "2", 1)).await;
    for _ in 0..2 {
        watches.remove("a", "1").await.unwrap();
    }
    assert_eq!(of_topic(watches, &key(1)).await, [watch("a", "2", 1)]);
    assert_eq!(watches.connection("a").await.unwrap().unwrap().subscriptions, [("2".to_owned(), key(1))].into());
    added(watches, &watch("a", "1", 2)).await;
}

async fn nothing_is_left_of_a_connection_that_is_closed(watches: &impl Watches) {
    for connection in ["a", "b"] {
        opened(watches, connection).await;
        for number in 0..15 {
            added(watches, &watch(connection, &number.to_string(), number % 3)).await;
        }
    }
    for _ in 0..2 {
        watches.close("a").await.unwrap();
    }
    assert_eq!(watches.connection("a").await.unwrap(), None);
    for number in 0..3 {
        let left = of_topic(watches, &key(number)).await;
        assert!(left.len() == 5 && left.iter().all(|watch| watch.connection == "b"), "{left:?}");
    }
    assert_eq!(watches.add(&watch("a", "1", 1), later()).await.unwrap(), Added::Closed);
}

async fn a_subscription_that_is_forgotten_is_gone_for_its_topic(watches: &impl Watches) {
    opened(watches, "a").await;
    for subscription in ["1", "2"] {
        added(watches, &watch("a", subscription, 1)).await;
    }
    for _ in 0..2 {
        watches.forget(&watch("a", "1", 1)).await.unwrap();
        assert_eq!(of_topic(watches, &key(1)).await, [watch("a", "2", 1)]);
    }
    watches.close("a").await.unwrap();
    watches.forget(&watch("a", "2", 1)).await.unwrap();
    assert_eq!(of_topic(watches, &key(1)).await, []);
}

async fn a_subscription_that_is_ended_before_it_is_added_is_not_added_once(watches: &impl Watches) {
    watches.end("a", "1").await.unwrap();
    assert_eq!(watches.add(&watch("a", "1", 1), later()).await.unwrap(), Added::Closed);
    opened(watches, "a").await;
    for _ in 0..2 {
        watches.end("a", "1").await.unwrap();
    }
    added(watches, &watch("a", "2", 1)).await;
    assert_eq!(watches.add(&watch("a", "1", 1), later()).await.unwrap(), Added::Ended);
    assert_eq!(of_topic(watches, &key(1)).await, [watch("a", "2", 1)]);
    added(watches, &watch("a", "1", 1)).await;
    watches.end("a", "1").await.unwrap();
    assert_eq!(of_topic(watches, &key(1)).await, [watch("a", "2", 1)]);
    added(watches, &watch("a", "1", 1)).await;

    opened(watches, "b").await;
    for number in 0..MAX_SUBSCRIPTIONS {
        watches.end("b", &number.to_string()).await.unwrap();
    }
    assert!(watches.end("b", "one more").await.is_err());
    watches.close("b").await.unwrap();
}

async fn a_connection_has_so_many_subscriptions_and_no_more(watches: &impl Watches) {
    opened(watches, "a").await;
    for number in 0..MAX_SUBSCRIPTIONS {
        added(watches, &watch("a", &number.to_string(), 1)).await;
    }
    assert_eq!(watches.add(&watch("a", "one more", 2), later()).await.unwrap(), Added::ConnectionFull);
    watches.remove("a", "7").await.unwrap();
    added(watches, &watch("a", "one more", 2)).await;
}

async fn an_order_has_so_many_who_watch_it_and_they_come_in_pages(watches: &impl Watches) {
    let most = watch("a", "1", 1).topic.most();
    let numbers: Vec<usize> = (0..most).collect();
    for some in numbers.chunks(10) {
        join_all(some.iter().map(async |number| {
            let connection = format!("c{number}");
            opened(watches, &connection).await;
            added(watches, &watch(&connection, "1", 1)).await;
            added(watches, &Watch { topic: Topic::Events(None), ..watch(&connection, "e", 1) }).await;
        }))
        .await;
    }
    opened(watches, "more").await;
    assert_eq!(watches.add(&watch("more", "1", 1), later()).await.unwrap(), Added::TopicFull);
    added(watches, &Watch { topic: Topic::Events(None), ..watch("more", "e", 1) }).await;
    assert_eq!(of_topic(watches, &key(1)).await.len(), most);
    let mut places: Vec<String> =
        of_topic(watches, Topic::EVENTS).await.into_iter().map(|watch| watch.connection).collect();
    assert!(places.len() > PAGE, "more than a page");
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), most + 1);
    watches.close("c7").await.unwrap();
    added(watches, &watch("more", "1", 1)).await;
}

fn of_events(connection: &str, subscription: &str) -> Watch {
    Watch { topic: Topic::Events(None), ..watch(connection, subscription, 1) }
}

/// Connections and subscriptions of watches, in their sequence.
fn sorted(watches: &[Watch]) -> Vec<(&str, &str)> {
    let mut sorted: Vec<(&str, &str)> =
        watches.iter().map(|watch| (watch.connection.as_str(), watch.subscription.as_str())).collect();
    sorted.sort_unstable();
    sorted
}

async fn of_many_who_watch_the_events_of_all_each_is_found_told_and_removed(watches: &impl Watches) {
    let connections: Vec<String> = (0..13).map(|number| format!("c{number}")).collect();
    let subscriptions: Vec<String> = (0..MAX_SUBSCRIPTIONS).map(|number| number.to_string()).collect();
    join_all(connections.iter().map(async |connection| {
        opened(watches, connection).await;
        for subscription in &subscriptions {
            added(watches, &of_events(connection, subscription)).await;
        }
    }))
    .await;
    opened(watches, "other").await;
    let board = Watch { topic: Topic::Board, ..watch("other", "1", 1) };
    added(watches, &board).await;

    let all = of_topic(watches, Topic::EVENTS).await;
    let expected: Vec<Watch> = connections
        .iter()
        .flat_map(|connection| subscriptions.iter().map(move |id| of_events(connection, id)))
        .collect();
    assert!(all.len() > PAGE, "more than a page");
    assert_eq!(sorted(&all), sorted(&expected));
    assert_eq!(of_topic(watches, Topic::BOARD).await, [board]);
    let known = watches.connection("c0").await.unwrap().unwrap().subscriptions;
    assert_eq!(known.len(), MAX_SUBSCRIPTIONS);
    assert!(known.values().all(|key| key == Topic::EVENTS), "{known:?}");
    assert_eq!(watches.watching("c0", Topic::EVENTS).await.unwrap().len(), MAX_SUBSCRIPTIONS);
    assert_eq!(watches.add(&of_events("c0", "7"), later()).await.unwrap(), Added::Taken);

    let some = all.iter().filter(|watch| watch.subscription == "7");
    join_all(some.map(async |watch| {
        assert!(watches.hold(watch, "x").await.unwrap());
        assert!(!watches.hold(watch, "y").await.unwrap());
        assert!(watches.release(watch, "x", "9").await.unwrap());
        let known = watches.get(Topic::EVENTS, &watch.connection, &watch.subscription).await.unwrap().unwrap();
        assert_eq!(known, Watch { position: "9".to_owned(), turn: "x".to_owned(), ..watch.clone() });
    }))
    .await;

    watches.remove("c0", "7").await.unwrap();
    watches.end("c0", "8").await.unwrap();
    watches.forget(&of_events("c0", "9")).await.unwrap();
    let left = of_topic(watches, Topic::EVENTS).await;
    assert_eq!(left.len(), all.len() - 3);
    for subscription in ["7", "8", "9"] {
        assert_eq!(watches.get(Topic::EVENTS, "c0", subscription).await.unwrap(), None, "{subscription}");
        assert!(
            left.iter().all(|watch| (watch.connection.as_str(), watch.subscription.as_str()) != ("c0", subscription))
        );
    }
    join_all(connections.iter().map(async |connection| watches.close(connection).await.unwrap())).await;
    // The second look is at a topic that is known to be left by all.
    for _ in 0..2 {
        assert_eq!(of_topic(watches, Topic::EVENTS).await, []);
    }
    added(watches, &of_events("other", "e")).await;
    assert_eq!(of_topic(watches, Topic::EVENTS).await, [of_events("other", "e")]);
}

async fn whoever_begins_to_watch_as_others_look_is_found_from_then_on(watches: &impl Watches) {
    opened(watches, "a").await;
    let watch = of_events("a", "1");
    for round in 0..30 {
        join(join(of_topic(watches, Topic::EVENTS), of_topic(watches, Topic::EVENTS)), added(watches, &watch)).await;
        assert_eq!(of_topic(watches, Topic::EVENTS).await, std::slice::from_ref(&watch), "round {round}");
        watches.remove("a", "1").await.unwrap();
    }
}

async fn whoever_is_cut_off_as_they_begin_to_watch_is_found_if_they_do(watches: &impl Watches) {
    let mut there = 0;
    for round in 0..20 {
        // In any part: one that somebody is said to be joining is looked at in any case.
        let connection = format!("a{round}");
        opened(watches, &connection).await;
        let watch = of_events(&connection, "1");
        let add = timeout(Duration::from_micros(600 * round), watches.add(&watch, later()));
        let _: (_, Result<_, Elapsed>) = join(of_topic(watches, Topic::EVENTS), add).await;
        // What is on its way arrives, and a look meanwhile may find it, or not.
        for _ in 0..5 {
            of_topic(watches, Topic::EVENTS).await;
        }
        let is_there = watches.get(Topic::EVENTS, &connection, "1").await.unwrap().is_some();
        there += usize::from(is_there);
        assert_eq!(of_topic(watches, Topic::EVENTS).await.len(), usize::from(is_there), "round {round}");
        watches.remove(&connection, "1").await.unwrap();
    }
    assert!(there > 0, "it was always cut off before");
}

/// Holds the subscription back until a look has found nobody, and what that look says of it until the subscription is there.
#[derive(Default)]
struct Between {
    joining: Notify,
    looked: Notify,
    joined: Notify,
}

impl Interceptor for Between {
    async fn intercept(&self, proxy: &Rc<Proxy>, arrived: Arrived) -> Result<Answer, Dropped> {
        let body = String::from_utf8_lossy(&arrived.call.body);
        match arrived.call.operation.as_str() {
            "TransactWriteItems" => {
                self.joining.notify_one();
                self.looked.notified().await;
            }
            "UpdateItem" if body.contains("emptyAt") => {
                self.looked.notify_one();
                self.joined.notified().await;
            }
            _ => {}
        }
        proxy.forward(arrived.request).await.map(whole)
    }
}

async fn between_a_look_and_its_word(aws: &Aws) {
    let between = Rc::new(Between::default());
    let proxy = Proxy::open(aws.stack().endpoint().port(), Rc::clone(&between)).await;
    let client = aws_sdk_dynamodb::Client::new(&Endpoint::local(proxy.port()).sdk_config());
    let watches = DynamoWatches::new(client, aws.sorted_table(2, ScalarAttributeType::S).await);
    opened(&watches, "a").await;
    let watch = of_events("a", "1");
    let joins = async {
        added(&watches, &watch).await;
        between.joined.notify_one();
    };
    let looks = async {
        between.joining.notified().await;
        assert_eq!(of_topic(&watches, Topic::EVENTS).await, []);
        between.looked.notify_one();
    };
    join(joins, looks).await;
    assert_eq!(of_topic(&watches, Topic::EVENTS).await, [watch]);
}
