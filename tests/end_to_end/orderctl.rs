//! The operator's way: the real `orderctl`, from the first look to the end.

use std::fs;
use std::time::Duration;

use orderflow_tests::{Orderctl, Ran, Shop, eventually};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::letters::park;
use crate::{FULFILLED, foreign_order, order};

/// Number of messages that a fault parks.
const MANY: usize = 12;

/// Scopes of an operator who minds the shelf, too.
const SCOPES: &str = "operations stock:read stock:write orders:any prices:state prices:write";

fn of(shop: &Shop) -> Orderctl {
    Orderctl::of(shop, "ada", SCOPES)
}

/// Runs a command that follows a job to its end.
async fn run_job(shop: &Shop, arguments: &[&str]) -> Ran {
    let ctl = of(shop);
    let begun = async {
        sleep(Duration::from_secs(3)).await;
        shop.run_jobs().await;
    };
    tokio::join!(ctl.run(arguments), begun).0
}

/// Runs a redrive to its end.
async fn redrive(shop: &Shop, arguments: &[&str]) -> Ran {
    run_job(shop, &[&["dlq", "redrive", "--yes"], arguments].concat()).await
}

pub(crate) async fn the_guide_leads_from_a_fault_to_its_end(shop: &Shop) {
    let ctl = of(shop);
    let orders: Vec<String> = (0..MANY).map(|number| format!("web-guide-{number}")).collect();
    park(shop, &orders, "the outage").await;
    let reason = "the outage of …, attempt …";
    eventually("the fault is one group", async || {
        let groups = ctl.json(&["dlq", "groups"]).await.remove(0);
        let groups = groups["groups"].as_array().cloned().unwrap_or_default();
        let group = groups.iter().find(|group| group["reason"] == reason);
        if group.is_some_and(|group| group["count"] == MANY) { Ok(()) } else { Err(json!(groups)) }
    })
    .await;
    let groups = ctl.run(&["dlq", "groups"]).await.stdout;
    let line = groups.lines().find(|line| line.ends_with(reason)).expect("a line for the group");
    let words: Vec<&str> = line.split_whitespace().take(4).collect();
    assert_eq!(words, ["12", "screening", "OrderCreated", "exhausted"], "{groups}");

    let listed = ctl.json(&["dlq", "list", "--service", "screening", "--reason", reason]).await;
    assert_eq!(listed.len(), MANY, "{listed:?}");
    let which = ["--service", "screening", "--reason", reason, "--ramp"];
    let told = ctl.run(&[&["dlq", "redrive", "--dry-run"], &which[..]].concat()).await;
    assert_eq!(
        (told.code, told.stdout.as_str()),
        (Some(0), "12 letters of screening would be sent back.\n"),
        "{told:?}"
    );
    let unasked = ctl.run(&[&["dlq", "redrive"], &which[..]].concat()).await;
    assert_eq!(unasked.code, Some(2), "nobody has agreed to it: {unasked:?}");

    let ended = redrive(shop, &which).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.ends_with("12 of 12 sent, 12 handled, 0 parked again, 0 left.\n"), "{ended:?}");
    assert!(ended.stderr.lines().count() > 1, "nobody could follow it: {ended:?}");
    let handled = ctl.json(&["dlq", "list", "--state", "handled", "--reason", reason]).await;
    assert_eq!(handled.len(), MANY, "{handled:?}");
    let shown = ctl.run(&["dlq", "show", handled[0]["id"].as_str().expect("an id")]).await;
    let history: Vec<&str> = shown.stdout.lines().filter(|line| line.contains('●')).collect();
    assert!(
        matches!(&history[..], [_, sent, handled]
        if sent.contains("by ada: red_") && handled.ends_with("handled      by screening: row 1")),
        "{}",
        shown.stdout
    );
}

pub(crate) async fn a_relapse_ends_with_an_exit_code_of_its_own(shop: &Shop) {
    // What is no event of any order is parked again at once.
    let bodies: Vec<String> = (0..4).map(|number| format!("relapse {number} of web-orderctl")).collect();
    for body in &bodies {
        shop.send("Shipping", body).await;
    }
    let mut letters = Vec::new();
    for body in &bodies {
        letters.push(shop.wait_for_letter("Shipping", body).await.id().to_owned());
    }
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    let ended = redrive(shop, &[&letters[..], &["--ramp", "--rate", "50"]].concat()).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    let expected = "has stopped, for a letter was parked again: 1 of 4 sent, 0 handled, 1 parked again, 3 left.\n";
    assert!(ended.stdout.ends_with(expected), "{ended:?}");
    let dropped =
        of(shop).run(&[&["dlq", "drop", "--why", "no order of anybody", "--yes"], &letters[..]].concat()).await;
    assert_eq!((dropped.code, dropped.stdout.lines().count()), (Some(0), letters.len()), "{dropped:?}");
    for letter in letters {
        let letter = shop.letter(letter).await;
        assert_eq!(letter.field("state"), "dropped");
        assert_eq!(letter.why().last().map(String::as_str), Some("no order of anybody"));
    }
}

pub(crate) async fn who_loses_a_race_of_two_editors_is_told_by_whom(shop: &Shop) {
    shop.stock("orderctl-mend", 5).await;
    let right = foreign_order("web-orderctl-mend", "orderctl-mend");
    let mut broken = right.clone();
    broken["data"]["lines"][0]["quantity"] = json!("one");
    shop.publish(&broken).await;
    let letter = shop.wait_for_letter("Intake", &broken.to_string()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| {
        fs::write(path(name), text).unwrap();
        path(name)
    };
    let mut still_broken = broken.clone();
    still_broken["data"]["lines"][0]["quantity"] = json!(0);
    let (still_broken, right) =
        (write("broken.json", &still_broken.to_string()), write("right.json", &right.to_string()));

    let ctl = of(shop);
    let edit = |file| ["dlq", "edit", letter.id(), "--why", "a quantity is a number", "--yes", "--file", file];
    let refused = ctl.run(&edit(&still_broken)).await;
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(refused.stderr.contains("\n  /data/lines/0/quantity  "), "{}", refused.stderr);

    // While ada is at her editor, bob mends it.
    let bob = Orderctl::of(shop, "bob", "operations");
    let [(_, url), (_, token)] = bob.environment();
    let program = Orderctl::program().display();
    let bobs = edit(&right).map(|word| format!("'{word}'")).join(" ");
    let script = format!(
        "ORDERFLOW_API='{url}' ORDERFLOW_TOKEN='{token}' '{program}' {bobs} >&2 && sed -i 's/\"one\"/2/' \"$1\"\n"
    );
    let editor = format!("sh {}", write("editor.sh", &script));
    let adas = ["dlq", "edit", letter.id(), "--why", "two were meant", "--yes"];
    let lost = ctl.run_with(&adas, &[("VISUAL", &editor)]).await;
    assert_eq!(lost.code, Some(4), "{lost:?}");
    assert!(lost.stdout.contains("-        \"quantity\": \"one\""), "the difference is shown: {}", lost.stdout);
    assert!(lost.stderr.contains("edited       by bob: a quantity is a number"), "{}", lost.stderr);
    let kept = lost.stderr.split("your text is kept: --file ").nth(1).unwrap().trim();
    let text: Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    assert_eq!(text["data"]["lines"][0]["quantity"], 2);
    fs::remove_file(kept).unwrap();

    let sent = redrive(shop, &[letter.id()]).await;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    shop.wait_for("web-orderctl-mend", "shipped").await;
    shop.wait_for_types("web-orderctl-mend", &FULFILLED).await;
}

pub(crate) async fn what_is_not_allowed_not_there_or_not_possible_is_told_apart(shop: &Shop) {
    shop.send("Inventory", "orderctl drops it").await;
    let letter = shop.wait_for_letter("Inventory", "orderctl drops it").await;
    let ctl = of(shop);
    let drop = ["dlq", "drop", letter.id(), "--why", "nothing is to be done", "--yes"];
    assert_eq!(ctl.run(&[&drop[..], &["--dry-run"]].concat()).await.code, Some(0));
    let mallory = Orderctl::of(shop, "mallory", "orders:any");
    assert_eq!(mallory.run(&drop).await.code, Some(5));
    assert_eq!(ctl.run_with(&drop, &[("ORDERFLOW_TOKEN", "")]).await.code, Some(5));
    assert_eq!(shop.letter(letter.id()).await.field("state"), "waiting");

    assert_eq!(ctl.run(&drop).await.code, Some(0));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), foreign_order("web-orderctl-late", "orderctl").to_string()).unwrap();
    let edit = ["dlq", "edit", letter.id(), "--why", "late", "--yes", "--file", file.path().to_str().unwrap()];
    assert_eq!(ctl.run(&edit).await.code, Some(4), "what is dropped is not edited");
    assert_eq!(ctl.run(&["dlq", "redrive", letter.id(), "--yes"]).await.code, Some(7), "nor sent back");
    assert_eq!(ctl.run(&["dlq", "show", "let_0"]).await.code, Some(3));
    assert_eq!(ctl.run(&["job", "show", "red_0"]).await.code, Some(3));
}

pub(crate) async fn an_order_is_told_exported_and_replayed(shop: &Shop) {
    shop.stock("orderctl-told", 5).await;
    let id = shop.order(&order("orderctl-told", 1, "pm_card_visa")).await;
    shop.wait_for(&id, "shipped").await;
    shop.wait_for_types(&id, &FULFILLED).await;
    let ctl = of(shop);
    eventually("the order waits for nothing", async || {
        let told = ctl.run(&["order", &id]).await;
        let is_at_rest = told.stdout.starts_with(&format!("{id}  waits for nothing\n"));
        if is_at_rest { Ok(()) } else { Err(json!(told.stdout)) }
    })
    .await;
    let told = ctl.run(&["order", &id]).await.stdout;
    for (kind, cause) in [("ShipmentCreated", "PaymentProcessed"), ("PaymentProcessed", "InventoryReserved")] {
        let step = told.lines().find(|line| line.contains(&format!("  {kind} "))).expect("a step");
        assert!(step.ends_with(cause), "{told}");
    }

    let entries = ctl.json(&["journal", "export", "--order", &id]).await;
    let mut types: Vec<&str> = entries.iter().filter_map(|entry| entry["event"]["type"].as_str()).collect();
    types.sort_unstable();
    assert_eq!(types, FULFILLED);
    let replay = ["replay", "shipping", "--order", &id, "--yes"];
    let told = ctl.run(&[&replay[..], &["--dry-run"]].concat()).await;
    assert_eq!(told.stdout, "2 events would be sent to shipping.\n", "{told:?}");
    let replayed = run_job(shop, &replay).await;
    assert_eq!(replayed.code, Some(0), "{replayed:?}");
    assert!(replayed.stdout.contains("0 of 2 sent, 2 handled, 0 parked again, 0 left."), "{replayed:?}");
    let status = ctl.json(&["status"]).await.remove(0);
    assert!(status["letters"]["waiting"].is_number(), "{status}");
}

pub(crate) async fn goods_and_orders_are_placed(shop: &Shop) {
    let ctl = of(shop);
    let set = ctl.run(&["stock", "set", "orderctl", "5", "--yes"]).await;
    assert_eq!(set.code, Some(0), "{set:?}");
    assert_eq!(ctl.run(&["stock", "add", "orderctl", "-2", "--yes"]).await.code, Some(0));
    let stock = ctl.json(&["stock", "get", "orderctl"]).await;
    assert_eq!(stock, [json!({ "sku": "orderctl", "onHand": 3, "reserved": 0, "available": 3 })]);
    assert_eq!(ctl.run(&["stock", "set", "orderctl", "9", "--yes", "--if-match", "\"0\""]).await.code, Some(4));
    assert_eq!(ctl.run(&["stock", "get", "orderctl-none"]).await.code, Some(3));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order.json");
    fs::write(&file, order("orderctl", 1, "pm_card_visa").to_string()).unwrap();
    let publish = ["publish", file.to_str().unwrap(), "--key", "orderctl-1", "--yes"];
    let placed = ctl.json(&publish).await.remove(0);
    let id = placed["orderId"].as_str().expect("an id");
    let again = ctl.run(&publish).await;
    assert_eq!(again.stdout, format!("{id} is created, as before by this key.\n"), "{again:?}");
    shop.wait_for(id, "shipped").await;
    fs::write(&file, order("orderctl", 0, "pm_card_visa").to_string()).unwrap();
    let refused = ctl.run(&["publish", file.to_str().unwrap(), "--yes"]).await;
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(refused.stderr.contains("\n  /lines/0/quantity  "), "{}", refused.stderr);
}
