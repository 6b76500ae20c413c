//! Jobs whose function is killed at its work.

use std::collections::BTreeSet;

use orderflow_tests::eventually;
use serde_json::{Value, json};

use crate::faults::{Treatment, is_second_row};
use crate::scene::Scene;

/// Number of orders.
const ORDERS: usize = 40;

/// Number of letters of one redrive.
const OF_ONE: usize = 10;

/// Calls of the jobs at which they are killed. Each kill keeps the jobs that were being run from all others until their lease
/// is over, so that the next one meets others.
const KILLED_AT: [u32; 5] = [30, 75, 120, 166, 211];

pub(crate) async fn jobs_that_are_killed_in_their_middle(scene: &Scene<'_>) {
    scene.faults.refuse(scene.function("Payment"), (400, "ValidationException"), is_second_row);
    let orders = scene.orders("killed", ORDERS).await;
    let letters = eventually("each order is a letter", async || {
        let letters = scene.letters("payment").await;
        if letters.len() == ORDERS { Ok(letters) } else { Err(json!(letters)) }
    })
    .await;
    // Screening has never heard of them: that is what there is to replay.
    let table = scene.shop.output("ScreeningTableName");
    scene.forget(table, |order| orders.contains(order)).await;

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
    let mut ended = Vec::new();
    for id in &ids {
        ended.push(scene.job(&["job", "follow", id, "--json"]).await);
    }
    assert_eq!(scene.faults.kills() as usize, KILLED_AT.len());
    scene.faults.end();
    for ended in ended {
        let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        let expected = if told["service"] == "screening" { ORDERS } else { OF_ONE };
        let [total, handled, again, left] =
            ["total", "handled", "parkedAgain", "left"].map(|name| told[name].as_u64().expect("a number"));
        assert_eq!([total, handled, again, left], [expected as u64, expected as u64, 0, 0], "{told}");
    }
    for letter in &letters {
        let letter = scene.shop.letter(letter).await;
        assert_eq!(letter.history(), ["parked", "sent", "handled"], "{letter:?}");
    }
    let screened = scene.shop.scan(table).await;
    let screened: Vec<&String> =
        screened.iter().map(|row| row["pk"].as_s().expect("a text")).filter(|order| orders.contains(order)).collect();
    assert_eq!((screened.len(), screened.iter().collect::<BTreeSet<_>>().len()), (ORDERS, ORDERS));
    scene.ends(&orders).await;
}
