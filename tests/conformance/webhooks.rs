//! The suites of the webhooks' [`Endpoints`] and [`Deliveries`].

use std::sync::Arc;

use aws_sdk_dynamodb::types::ScalarAttributeType;
use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::memory::VirtualTime;
use onewrite::personal::{Key, SealedText, seal_text};
use orderflow_events::{Text, Time};
use orderflow_webhooks::{
    Act, Deliveries, Delivery, DeliveryState, Disabled, DynamoWebhooks, Endpoint, Endpoints, Failing, MemoryWebhooks,
    Place, Roster, Untold, What,
};
use serde_json::json;

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryWebhooks::default,
        on_aws,
        [
            an_endpoint_is_put_as_the_next_revision_of_the_one_that_was_read,
            of_many_who_change_an_endpoint_one_does,
            all_endpoints_and_the_place_are_in_the_roster,
            a_delivery_waits_and_then_has_ended,
            the_latest_event_comes_first,
        ]
    )
}

async fn on_aws(aws: &Aws) -> DynamoWebhooks {
    DynamoWebhooks::new(aws.clients().0, aws.sorted_table(2, ScalarAttributeType::S).await)
}

fn at(seconds: i64) -> Time {
    Time::from_millis(1_767_225_600_000 + seconds * 1_000)
}

fn sealed() -> SealedText {
    seal_text("whsec_", &Key::draw(&VirtualTime::new(1)).unwrap(), [7; 12]).unwrap()
}

fn endpoint(id: &str) -> Endpoint {
    Endpoint {
        id: id.to_owned(),
        revision: 0,
        owner: Some(Text::new("auth0|42").unwrap()),
        url: "https://partner.example/hook".to_owned(),
        pattern: Some(json!({ "type": ["OrderFlagged"] })),
        description: Some(Text::new("mine").unwrap()),
        in_order: true,
        created_at: at(0),
        secret: sealed(),
        public_key: Some("whpk_AAAA".to_owned()),
        previous: vec![(sealed(), at(8)), (sealed(), at(9))],
        disabled: Some((Disabled::Gone, at(8))),
        cursor: "3.1-0-7".parse().unwrap(),
        wakes: 12,
        due: Some(at(7)),
        hold: Some(("holder".to_owned(), at(6))),
        failing: Some(Failing {
            since: at(5),
            rounds: 4,
            refused_new: 2,
            had_new: true,
            missed_after: "2-0-7".parse().unwrap(),
        }),
        unable_since: Some(at(5)),
        has_waiting: true,
        hurries: true,
        contact: Some(sealed()),
        untold: Some(Untold { due: at(4), attempts: 2, reason: Disabled::Gone, since: at(8) }),
        told_at: Some(at(3)),
        earlier: vec![
            (Some(json!({ "type": ["OrderCreated"] })), "3-0-8".parse().unwrap()),
            (None, "4".parse().unwrap()),
        ],
        resending: Some("9-9-9".parse().unwrap()),
        operator: Some(Act { at: at(2), by: Some(Text::new("ops").unwrap()), what: What::Disabled }),
        deleted: None,
    }
}

fn delivery(event: &str, place: u64) -> Delivery {
    let key = ("ord_1".to_owned(), format!("{event}#orderflow/orders"));
    Delivery::new(&json!({ "id": event, "type": "OrderFlagged" }), key, place, at(1))
}

fn ended(event: &str) -> Delivery {
    Delivery {
        state: DeliveryState::Delivered,
        attempts: 2,
        last_at: Some(at(2)),
        next_at: None,
        status: Some(200),
        answer: Some("thanks".to_owned()),
        ..delivery(event, 0)
    }
}

async fn an_endpoint_is_put_as_the_next_revision_of_the_one_that_was_read(store: &impl Endpoints) {
    assert_eq!(store.get("whk_1").await.unwrap(), None);
    let stale = Endpoint { revision: 1, ..endpoint("whk_1") };
    assert!(!store.put(&stale).await.unwrap(), "there is none");
    assert!(store.put(&endpoint("whk_1")).await.unwrap());
    assert!(!store.put(&endpoint("whk_1")).await.unwrap(), "there is one");
    let first = store.get("whk_1").await.unwrap().unwrap();
    assert_eq!(first, Endpoint { revision: 1, ..endpoint("whk_1") });
    let changed = Endpoint { due: None, pattern: None, ..first.clone() };
    assert!(store.put(&changed).await.unwrap());
    assert!(!store.put(&first).await.unwrap());
    assert_eq!(store.get("whk_1").await.unwrap(), Some(Endpoint { revision: 2, ..changed }));
    assert_eq!(store.removed("whk_1").await.unwrap(), None);
    let last = store.get("whk_1").await.unwrap().unwrap();
    let last = Endpoint { deleted: Some((at(9), None)), ..last };
    for _ in 0..2 {
        store.remove(&last).await.unwrap();
    }
    assert_eq!(store.get("whk_1").await.unwrap(), None);
    assert_eq!(store.removed("whk_1").await.unwrap(), Some(last));
    assert_eq!(store.roster().await.unwrap(), Roster::default());
    assert!(!store.put(&first).await.unwrap(), "what is removed stays so");
}

async fn of_many_who_change_an_endpoint_one_does(store: &impl Endpoints) {
    assert!(store.put(&endpoint("whk_1")).await.unwrap());
    let read = store.get("whk_1").await.unwrap().unwrap();
    let changes: Vec<Endpoint> = (0..10).map(|wakes| Endpoint { wakes, ..read.clone() }).collect();
    let put = join_all(changes.iter().map(|change| store.put(change))).await;
    assert_eq!(put.into_iter().filter(|put| *put == Ok(true)).count(), 1);
}

async fn all_endpoints_and_the_place_are_in_the_roster(store: &(impl Endpoints + Deliveries)) {
    assert_eq!(store.roster().await.unwrap(), Roster::default());
    let mut ids: Vec<String> = (0..40).map(|number| format!("whk_{number}")).collect();
    for id in &ids {
        assert!(store.put(&endpoint(id)).await.unwrap());
        store.record(id, &delivery("e-1", 0), false).await.unwrap();
    }
    let place = |revision| Place { cursor: format!("{revision}-2").parse().unwrap(), revision };
    assert!(store.put_place(&place(0)).await.unwrap());
    assert!(!store.put_place(&place(0)).await.unwrap());
    assert!(store.put_place(&place(1)).await.unwrap());
    let roster = store.roster().await.unwrap();
    assert_eq!(roster.place, Some(Place { revision: 2, ..place(1) }));
    ids.sort();
    assert_eq!(roster.endpoints.iter().map(|it| it.id.clone()).collect::<Vec<_>>(), ids);
}

async fn a_delivery_waits_and_then_has_ended(store: &impl Deliveries) {
    for (event, place) in [("e-2", 7), ("e-1", 11), ("e-3", 9)] {
        store.record("whk_1", &delivery(event, place), false).await.unwrap();
    }
    store.record("whk_2", &delivery("e-1", 0), false).await.unwrap();
    let again = Delivery { attempts: 3, next_at: Some(at(9)), ..delivery("e-3", 9) };
    store.record("whk_1", &again, true).await.unwrap();
    let waiting = store.waiting("whk_1").await.unwrap();
    assert_eq!(waiting, [delivery("e-2", 7), again, delivery("e-1", 11)], "in their order");
    assert_eq!(store.ended("whk_1", None, 9).await.unwrap(), []);
    for _ in 0..2 {
        store.record("whk_1", &ended("e-2"), true).await.unwrap();
    }
    store.record("whk_1", &ended("e-4"), false).await.unwrap();
    assert_eq!(store.waiting("whk_1").await.unwrap().len(), 2);
    assert_eq!(store.ended("whk_1", None, 9).await.unwrap(), [ended("e-4"), ended("e-2")]);
    assert_eq!(store.waiting("whk_2").await.unwrap().len(), 1);
}

async fn the_latest_event_comes_first(store: &impl Deliveries) {
    for number in 0..30 {
        store.record("whk_1", &ended(&format!("e-{number:02}")), false).await.unwrap();
    }
    let ids = |deliveries: Vec<Delivery>| deliveries.into_iter().map(|it| it.event_id).collect::<Vec<_>>();
    let page = ids(store.ended("whk_1", None, 10).await.unwrap());
    assert_eq!((page.len(), page[0].as_str(), page[9].as_str()), (10, "e-29", "e-20"));
    let page = ids(store.ended("whk_1", Some("e-20"), 10).await.unwrap());
    assert_eq!((page[0].as_str(), page[9].as_str()), ("e-19", "e-10"));
    assert_eq!(ids(store.ended("whk_1", Some("e-03"), 10).await.unwrap()), ["e-02", "e-01", "e-00"]);
}
