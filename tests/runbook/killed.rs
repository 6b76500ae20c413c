//! Jobs whose function is killed at its work.

use std::collections::BTreeSet;

use futures::future::join_all;
use orderflow_tests::{AwsService, Call, eventually};
use serde_json::json;

use crate::faults::Treatment;
use crate::scene::Scene;

/// Number of orders.
const ORDERS: usize = 40;

/// Number of letters of one redrive.
const OF_ONE: usize = 10;

/// Calls of the jobs at which they are killed: those are no two at the same place.
const KILLED_AT: [u32; 5] = [30, 75, 120, 166, 211];

/// Tells a write of the second row of an order's payment.
fn is_second_row(call: &Call) -> bool {
    (call.service, call.operation.as_str()) == (AwsService::DynamoDb, "PutItem")
        && call.json()["Item"]["sk"]["N"] == "2"
}

pub(crate) async fn jobs_that_are_killed_in_their_middle(scene: &Scene<'_>) {
    let payment = scene.function("Payment");
    scene.faults.begin(move |function, call| {
        if function == payment && is_second_row(call) {
            return Treatment::Refused(400, "ValidationException");
        }
        Treatment::Passed
    });
    let orders = scene.orders("killed", ORDERS).await;
    eventually("each order is a letter", async || {
        let listed = scene.json(&["dlq", "list", "--service", "payment", "--state", "waiting"]).await;
        if listed.len() == ORDERS { Ok(()) } else { Err(json!(listed.len())) }
    })
    .await;
    let letters = scene.letters("payment").await;
    assert_eq!(letters.len(), ORDERS);
    for row in scene.shop.scan(scene.shop.output("ScreeningTableName")).await {
        if orders.contains(row["pk"].as_s().expect("a text")) {
            let delete = scene.shop.dynamodb.delete_item().table_name(scene.shop.output("ScreeningTableName"));
            let delete = delete.key("pk", row["pk"].clone()).key("sk", row["sk"].clone());
            delete.send().await.expect("it is deleted");
        }
    }

    let (jobs, mut calls) = (scene.function("Jobs"), 0);
    scene.faults.begin(move |function, _| {
        if function != jobs {
            return Treatment::Passed;
        }
        calls += 1;
        match KILLED_AT.iter().position(|at| *at == calls) {
            None => Treatment::Passed,
            Some(index) if index % 2 == 0 => Treatment::KilledAfter,
            Some(_) => Treatment::KilledBefore,
        }
    });
    let mut ids = Vec::new();
    for letters in letters.chunks(OF_ONE) {
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        let which = [&["dlq", "redrive", "--rate", "10", "--detach", "--yes"], &letters[..]].concat();
        ids.push(scene.ctl(0, &which).await.stdout.trim().to_owned());
        let which = ["replay", "screening", "--from", &scene.since, "--rate", "10", "--detach", "--yes"];
        ids.push(scene.ctl(0, &which).await.stdout.trim().to_owned());
    }
    let ended = join_all(ids.iter().map(|id| async { scene.job(&["job", "follow", id, "--json"]).await })).await;
    assert_eq!(scene.faults.kills(), KILLED_AT.len() as u32);
    scene.faults.end();
    for ended in ended {
        let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        let expected = if told["service"] == "screening" { ORDERS } else { OF_ONE };
        let [total, handled, again, left] = ["total", "handled", "parkedAgain", "left"].map(|name| told[name].as_u64().expect("a number"));
        assert_eq!([total, handled, again, left], [expected as u64, expected as u64, 0, 0], "{told}");
    }
    for letter in &letters {
        let letter = scene.shop.letter(letter).await;
        assert_eq!(letter.history(), ["parked", "sent", "handled"], "{letter:?}");
    }
    let screened = scene.shop.scan(scene.shop.output("ScreeningTableName")).await;
    let screened: Vec<&String> = screened.iter().map(|row| row["pk"].as_s().expect("a text")).filter(|order| orders.contains(order)).collect();
    assert_eq!((screened.len(), screened.iter().collect::<BTreeSet<_>>().len()), (ORDERS, ORDERS));
    scene.ends(&orders).await;
}
