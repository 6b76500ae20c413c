//! The operator's page, in a browser.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use orderflow_tests::{LASTING, PATIENCE, Shop, chromium, event, eventually, node_packages};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::foreign_order;
use crate::letters::park;

/// Letters that are sent back a few at first, and letters whose job is stopped before the last of them is sent.
const RAMP: usize = 6;
const STOPPED: usize = 30;

/// The order that waits for a person.
const HELD: &str = "web-console-held";

/// Letters that fail again, and the order that they are about.
const RELAPSES: usize = 3;
const RELAPSING: &str = "web-console-relapse";

pub(crate) async fn an_operator_mends_by_the_page_alone(shop: &Shop) {
    let (Some(packages), Some(chromium)) = (node_packages(), chromium()) else { return };
    let task = task(shop).await;
    let mut node = Command::new("node");
    node.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/console/console.mjs")).arg(packages).arg(chromium);
    node.arg(format!("{}/console", shop.output("ApiUrl"))).arg(task.to_string()).args(screenshots());
    node.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::select! {
        output = timeout(2 * PATIENCE, node.output()) => output.expect("it ends").expect("it starts"),
        never = run_jobs(shop) => match never {},
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let letter = async |name: &str| shop.letter(task[name].as_str().unwrap()).await;
    let mended = letter("broken").await;
    assert_eq!(mended.history(), ["parked", "edited", "edited", "sent", "handled"]);
    assert_eq!(mended.earlier().len(), 2, "what was replaced is kept");
    let body: Value = serde_json::from_str(mended.body()).unwrap();
    assert_eq!(body["data"]["lines"][0]["quantity"], 1);
    assert_eq!(body["data"]["shippingAddress"]["city"], "Potsdam");
    shop.wait_for("web-console-mend", "shipped").await;
    let dropped = letter("dropped").await;
    assert_eq!(dropped.field("state"), "dropped");
    assert_eq!(dropped.why().last().map(String::as_str), Some("nobody needs it"));
    for service in ["Payment", "Screening"] {
        let open = shop.open_letters(service).await;
        for letter in open.iter().filter(|letter| letter.body().contains("web-console-")) {
            shop.drop_letter(letter).await;
        }
    }
}

/// Letters as faults leave them, and tokens of those who look at them.
async fn task(shop: &Shop) -> Value {
    let orders = |name: &str, count| (0..count).map(|one| format!("web-console-{name}-{one}")).collect::<Vec<_>>();
    park(shop, &orders("ramp", RAMP), "an outage of the ramp").await;
    park(shop, &orders("stop", STOPPED), "an outage of the stop").await;
    let junk = |number| json!({ "id": number, "subject": RELAPSING, "type": "InventoryReserved" }).to_string();
    let relapses: Vec<String> = (0..RELAPSES).map(junk).collect();
    for body in &relapses {
        shop.send("Payment", body).await;
    }
    shop.stock("console", 5).await;
    let mut broken = foreign_order("web-console-mend", "console");
    broken["data"]["lines"][0]["quantity"] = json!("one");
    shop.publish(&broken).await;
    let markup = "<img src=x onerror=alert(1)> is no event";
    shop.send("Inventory", markup).await;

    let broken = shop.wait_for_letter("Intake", &broken.to_string()).await;
    let dropped = shop.wait_for_letter("Inventory", markup).await;
    for body in &relapses {
        shop.wait_for_letter("Payment", body).await;
    }
    eventually("what was parked is collected", async || {
        let letters = shop.open_letters("Screening").await;
        let count = letters.iter().filter(|letter| letter.body().contains("web-console-")).count();
        if count == RAMP + STOPPED { Ok(()) } else { Err(json!(count)) }
    })
    .await;
    hold(shop, HELD).await;
    let token = |subject: &str, scopes: &str| shop.tokens.token(subject, scopes, LASTING).unwrap();
    json!({
        "operator": token("ada", "operations"),
        "second": token("grace", "operations"),
        "other": token("mallory", "orders:any"),
        "group": { "reason": "an outage of the ramp", "count": RAMP },
        "stopped": { "reason": "an outage of the stop of …, attempt …" },
        "relapse": { "order": RELAPSING, "count": RELAPSES },
        "broken": broken.id(),
        "dropped": dropped.id(),
        "order": "web-console-mend",
        "held": HELD,
    })
}

/// An order as it is on record where flagged orders are held, for screening and the journal alone: here none is.
async fn hold(shop: &Shop, id: &str) {
    let mut created = foreign_order(id, "console");
    created["source"] = json!("orderflow/orders");
    let reasons = json!([
        { "code": "disposableEmail", "detail": "mailinator.com gives email addresses to anybody, for minutes" },
        { "code": "highAmount", "detail": "1250.00 EUR is 1000.00 EUR or more" },
    ]);
    let flag =
        event("OrderFlagged", "orderflow/screening", id, json!({ "score": 60, "reasons": reasons, "held": true }));
    shop.send("Screening", &created.to_string()).await;
    for event in [&created, &flag] {
        shop.send("Journal", &event.to_string()).await;
    }
}

/// Runs what jobs need to go on, as a schedule does each minute.
async fn run_jobs(shop: &Shop) -> Infallible {
    loop {
        shop.run_jobs().await;
        sleep(Duration::from_secs(2)).await;
    }
}

/// Folder that pictures of each view are wanted in.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment what there is")]
pub(crate) fn screenshots() -> Option<PathBuf> {
    std::env::var_os("ORDERFLOW_SCREENSHOTS").map(PathBuf::from)
}
