//! Scene of a fault: orders, the operator, and the end of it all.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use orderflow_events::Time;
use orderflow_local::Stack;
use orderflow_tests::{
    Datum, Emulator, FULFILLED, JOBS, Orderctl, PATIENCE, Ran, Shop, eventually, foreign_order, order,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::faults::Faults;

/// Scopes of an operator.
const SCOPES: &str = "operations stock:read stock:write orders:any prices:state prices:write";

/// Stack on which the faults are made.
pub(crate) struct Stage {
    pub(crate) stack: Stack,
    pub(crate) emulator: Emulator,
    pub(crate) faults: Faults,
}

/// Scene of a fault.
pub(crate) struct Scene<'a> {
    pub(crate) shop: Shop,
    pub(crate) faults: &'a Faults,
    /// Time at which it began.
    pub(crate) since: String,
}

impl<'a> Scene<'a> {
    /// A scene on that stack.
    pub(crate) fn on(stage: &'a Stage) -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970");
        let since = Time::from_millis(since.as_millis().try_into().expect("a time")).to_string();
        Self { shop: Shop::on(&stage.stack, &stage.emulator), faults: &stage.faults, since }
    }

    /// Name of a function of the stack.
    pub(crate) fn function(&self, name: &str) -> String {
        self.shop.output(&format!("{name}FunctionName")).to_owned()
    }

    /// Puts goods on the shelf, and lets another producer begin so many orders of them, each of a customer of its own.
    pub(crate) async fn orders(&self, name: &str, count: usize) -> Vec<String> {
        self.shop.stock(name, count as u64).await;
        let orders: Vec<String> = (0..count).map(|number| format!("web-{name}-{number}")).collect();
        for order in &orders {
            let mut event = foreign_order(order, name);
            of_a_customer_of_its_own(&mut event["data"], order);
            self.shop.publish(&event).await;
        }
        orders
    }

    /// Puts goods on the shelf, and places so many orders of them at the shop's own door.
    pub(crate) async fn own_orders(&self, name: &str, count: usize) -> Vec<String> {
        self.shop.stock(name, count as u64).await;
        let mut orders = Vec::new();
        for number in 0..count {
            let mut order = order(name, 1, "pm_card_visa");
            of_a_customer_of_its_own(&mut order, &format!("{name}-{number}"));
            orders.push(self.shop.order(&order).await);
        }
        orders
    }

    /// Runs `orderctl`, and wants that exit code.
    pub(crate) async fn ctl(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.operator().run(arguments).await;
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        ran
    }

    /// Runs `orderctl` with `--json`: a document for each line.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        self.operator().json(arguments).await
    }

    fn operator(&self) -> Orderctl {
        Orderctl::of(&self.shop, "ada", SCOPES)
    }

    /// Runs an `orderctl` that follows a job to its end, and has the jobs go on meanwhile, not at the next minute.
    pub(crate) async fn job(&self, arguments: &[&str]) -> Ran {
        let operator = self.operator();
        let keep_going = async {
            loop {
                sleep(Duration::from_secs(2)).await;
                self.shop.run_jobs().await;
                sleep(Duration::from_secs(8)).await;
            }
        };
        tokio::select! {
            ran = operator.run(arguments) => ran,
            () = keep_going => unreachable!("it goes on for ever"),
            () = sleep(PATIENCE) => panic!("{arguments:?}: not after {PATIENCE:?}"),
        }
    }

    /// Waits until that fault is one group of so many letters, and answers its reason.
    pub(crate) async fn group(&self, service: &str, class: &str, is_whole: impl Fn(u64) -> bool) -> String {
        let group = eventually("the fault is one group", async || {
            let groups = self.json(&["dlq", "groups"]).await.remove(0);
            match groups["groups"].as_array().map_or(&[][..], |groups| groups) {
                [group] if group["count"].as_u64().is_some_and(&is_whole) => Ok(group.clone()),
                _ => Err(groups),
            }
        })
        .await;
        assert_eq!((group["service"].as_str(), group["class"].as_str()), (Some(service), Some(class)), "{group}");
        group["reason"].as_str().expect("a reason").to_owned()
    }

    /// Ids of the letters of a service about which nothing was done.
    pub(crate) async fn letters(&self, service: &str) -> Vec<String> {
        let listed = self.json(&["dlq", "list", "--service", service, "--state", "waiting", "--limit", "1000"]).await;
        listed.iter().map(|letter| letter["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Drops all of them, for that reason.
    pub(crate) async fn drop_all(&self, service: &str, why: &str) {
        let letters = self.letters(service).await;
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        self.ctl(0, &[&["dlq", "drop", "--why", why, "--yes"], &letters[..]].concat()).await;
    }

    /// Takes the rows with such keys out of a table, as if its service had never put them there.
    pub(crate) async fn forget(&self, table: &str, is_forgotten: impl Fn(&String) -> bool) {
        for row in self.shop.scan(table).await {
            if row["pk"].as_s().is_ok_and(&is_forgotten) {
                let delete = self.shop.dynamodb.delete_item().table_name(table);
                let delete = delete.key("pk", row["pk"].clone()).key("sk", row["sk"].clone());
                delete.send().await.expect("it is deleted");
            }
        }
    }

    /// Has the jobs count the letters of a service until they count so many at the least, and wants the alarm for that to be heard.
    pub(crate) async fn letters_ring(&self, service: &str, class: &str, count: usize) {
        #[expect(clippy::cast_precision_loss, reason = "as many as a scene has")]
        let count = count as f64;
        let dimensions = [("Service", service), ("Class", class)];
        let series = Datum::new(self.shop.name(), "LettersWaiting", &dimensions, 0.0);
        let waiting = self.shop.counted(JOBS, &series, |number| number >= count).await;
        self.shop.rings(&format!("{service}-{class}-letters"), &waiting).await;
    }

    /// Findings of a reconciliation from the beginning of the scene on, by kind; none where it has found nothing.
    pub(crate) async fn reconcile(&self, options: &[&str]) -> BTreeMap<String, usize> {
        // What is younger than a second is under way.
        sleep(Duration::from_secs(1)).await;
        let command = ["reconcile", "--from", &self.since, "--older-than", "1s", "--json"];
        let ran = self.job(&[&command[..], options].concat()).await;
        let told: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        let mut kinds = BTreeMap::new();
        let findings = told["findings"].as_array().expect("findings");
        for finding in findings {
            *kinds.entry(finding["kind"].as_str().expect("a kind").to_owned()).or_default() += 1;
        }
        let is_all_well = findings.iter().all(|finding| finding["healed"] == true);
        assert_eq!(ran.code, Some(if is_all_well { 0 } else { 6 }), "{ran:?}");
        kinds
    }

    /// Events of the journal from the beginning of the scene on: for each order how often each type is there.
    async fn journal(&self) -> BTreeMap<String, BTreeMap<String, usize>> {
        let mut orders: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for entry in self.json(&["journal", "export", "--from", &self.since]).await {
            let text = |name: &str| entry["event"][name].as_str().expect("a text").to_owned();
            *orders.entry(text("subject")).or_default().entry(text("type")).or_default() += 1;
        }
        orders
    }

    /// Waits until the journal has the payments of these orders.
    pub(crate) async fn has_paid(&self, orders: &[String]) {
        self.all("all orders are paid", orders, |events| events.contains_key("PaymentProcessed")).await;
    }

    /// Waits until these orders are shipped, each event of theirs once.
    pub(crate) async fn shipped(&self, orders: &[String]) {
        let expected = FULFILLED.map(|kind| (kind.to_owned(), 1)).into();
        self.all("all orders have ended", orders, |events| *events == expected).await;
    }

    /// Waits until the journal has such events of each of these orders, by type.
    async fn all(&self, what: &str, orders: &[String], is_there: impl Fn(&BTreeMap<String, usize>) -> bool) {
        eventually(what, async || {
            let journal = self.journal().await;
            let is_open = |order: &&String| !journal.get(*order).is_some_and(&is_there);
            let open: Vec<_> = orders.iter().filter(is_open).collect();
            match open[..] {
                [] => Ok(()),
                [first, ..] => Err(json!([open.len(), first, journal.get(first)])),
            }
        })
        .await;
    }

    /// Waits until these orders are shipped, and wants nothing else to be left of a fault.
    pub(crate) async fn ends(&self, orders: &[String]) {
        self.shipped(orders).await;
        eventually("nothing waits", async || {
            let status = self.json(&["status"]).await.remove(0);
            if counts(&status).all(|count| count == 0) { Ok(()) } else { Err(status) }
        })
        .await;
        let found = self.reconcile(&["--late-after", "1s"]).await;
        assert!(found.is_empty(), "{found:?}");
        let charges = self.shop.all_charges().await;
        assert!(charges.len() >= orders.len(), "{} payments of {} orders", charges.len(), orders.len());
        assert!(charges.values().all(|charges| *charges == 1), "{charges:?}");
    }
}

/// Numbers of the letters that are open, and of the messages in each queue.
fn counts(status: &Value) -> impl Iterator<Item = &Value> {
    let letters = ["waiting", "sent", "parkedAgain"].map(|state| &status["letters"][state]);
    let queues = status["queues"].as_array().expect("queues").iter();
    queues.flat_map(|queue| [&queue["visible"], &queue["hidden"]]).chain(letters)
}

/// Gives an order a customer of its own: screening would flag all of them as those of one eager buyer.
fn of_a_customer_of_its_own(order: &mut Value, name: &str) {
    order["customer"]["id"] = json!(format!("cus_{name}"));
    order["customer"]["email"] = json!(format!("{name}@example.com"));
}
