//! More letters than one request looks at.

use super::*;
use crate::archive::Recorded;
use crate::letter_id_of;
use crate::service::TableType;
use crate::tests::jobs::service;

/// More letters than a list looks at for one page.
const FLOOD: i64 = 20_001;

fn put(store: &MemoryOperations, arrival: &Arrival) -> Letter {
    let mut letter = Letter::collected(None, arrival.letter_id(), arrival).unwrap();
    block_on(sealing::keep(store, &keys(), &mut letter, &arrival.message, Time::from_millis(0))).unwrap();
    block_on(store.put(&letter, Since::New)).unwrap();
    letter
}

/// A store with a flood of letters of the intake, the first of which failed at that time; and, after these, as many of payment as are
/// said.
fn flooded(begin: i64, is_dropped: bool, of_payment: i64) -> MemoryOperations {
    let store = MemoryOperations::in_pages_of(100);
    for number in 0..FLOOD {
        // Their messages are not kept: nobody reads them.
        let mut arrival = arrival(begin + number, "intake", &format!("{{\"stream\": {number}}}"), "poison");
        arrival.origin = if is_dropped { Origin::Relay } else { Origin::Consumer };
        let letter = Letter::collected(None, arrival.letter_id(), &arrival).unwrap();
        let letter = if is_dropped {
            letter.dropped("ada", "poison", Time::from_millis(begin)).unwrap().unwrap()
        } else {
            letter
        };
        block_on(store.put(&letter, Since::New)).unwrap();
    }
    for number in 0..of_payment {
        put(&store, &arrival(begin + FLOOD + number, "payment", &format!("{{\"row\": {number}}}"), "late"));
    }
    store
}

fn now() -> i64 {
    VirtualTime::new(1).now().as_millis()
}

fn order(store: &MemoryOperations, id: &str) -> (u16, Vec<Value>, Value) {
    let (status, _, told) = ask(store, "GET", &format!("orders/{id}"), &[], &Value::Null);
    let ids = told["letters"].as_array().map(|letters| letters.iter().map(|letter| letter["id"].clone()).collect());
    (status, ids.unwrap_or_default(), told)
}

#[test]
fn a_flood_hides_no_letter_of_an_order_that_is_younger_or_in_the_journal() {
    let hour = 3_600_000;
    let store = flooded(now() - 24 * 40 * hour, true, 0);
    for (name, table_type) in [("journal", TableType::Journal), ("payment", TableType::Outbox)] {
        store.add_service(service(name, table_type, &[]));
    }
    let drop = |letter: &Letter| {
        let dropped = letter.dropped("ada", "a test", Time::from_millis(now())).unwrap().unwrap();
        block_on(store.put(&dropped, Since::Revision(letter.revision))).unwrap();
    };
    let body =
        |order: &str| json!({ "id": order, "source": "s", "type": "OrderCreated", "subject": order }).to_string();
    // One is in the journal, and older than all of them; the others are not.
    store.record(Recorded { at: Time::from_millis(now() - 24 * 90 * hour), text: body("ord_old") });
    let old = put(&store, &arrival(now() - 24 * 90 * hour, "payment", &body("ord_old"), "late"));
    drop(&old);
    assert_eq!(old.id, letter_id_of("payment", &body("ord_old")));
    let young = put(&store, &arrival(now() - hour, "intake", &body("ord_young"), "late"));
    drop(&young);
    let hidden = put(&store, &arrival(now() - 24 * 90 * hour, "intake", &body("ord_hidden"), "late"));
    let open = put(&store, &arrival(now() - 24 * 90 * hour, "intake", &body("ord_open"), "late"));
    for (name, letter) in [("ord_old", &old), ("ord_young", &young), ("ord_open", &open)] {
        let (status, ids, told) = order(&store, name);
        assert_eq!((status, ids), (200, vec![json!(letter.id)]), "{name}: {told}");
    }
    drop(&hidden);
    let (status, _, problem) = order(&store, "ord_hidden");
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 404 && detail.contains("There are more"), "{problem}");
}

#[test]
fn a_flood_of_one_service_hides_no_open_letter_of_another() {
    let store = flooded(0, false, 2);
    let redrive = json!({ "service": "payment", "dryRun": true });
    let (status, _, taken) = ask(&store, "POST", "redrives", &[], &redrive);
    assert_eq!((status, &taken["total"]), (200, &json!(2)), "{taken}");
    let all = json!({ "service": "intake", "dryRun": true });
    assert_eq!(ask(&store, "POST", "redrives", &[], &all).2["total"], 10_000, "one redrive has so many at the most");
    let (_, _, groups) = ask(&store, "GET", "groups", &[], &Value::Null);
    let counts: Vec<&Value> = groups["groups"].as_array().unwrap().iter().map(|group| &group["count"]).collect();
    assert_eq!(counts, [&json!(FLOOD), &json!(2)]);
}

/// A world in which a second passes at each look at the clock.
struct Hasty(VirtualTime);

impl Clock for Hasty {
    fn now(&self) -> Time {
        self.0.pass(Duration::from_secs(1));
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

impl Random for Hasty {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

#[test]
fn where_the_time_is_up_before_all_are_looked_at_nothing_is_begun_and_nothing_told() {
    let (store, _) =
        store(&(0..60).map(|number| arrival(number, "payment", &number.to_string(), "late")).collect::<Vec<_>>());
    let ask = |method: &str, path: &str, body: &Value| {
        let (keys, world) = (keys_in(Hasty(VirtualTime::new(7))), Hasty(VirtualTime::new(1)));
        let api = OperationsApi::new(&store, keys, &store, world, Access::open(), LATE_AFTER);
        ask_of(&api, method, path, &[], body)
    };
    let kind = json!("urn:orderflow:problem:too-many-letters");
    let (status, _, problem) = ask("POST", "redrives", &json!({ "service": "payment" }));
    assert_eq!((status, &problem["type"]), (422, &kind), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("Nothing was begun"), "{problem}");
    assert!(!store.has_active_jobs());
    let (status, _, problem) = ask("GET", "groups", &Value::Null);
    assert_eq!((status, &problem["type"]), (422, &kind), "{problem}");
    let (status, _, problem) = ask("GET", "orders/ord_1", &Value::Null);
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 404 && detail.contains("There are more"), "{problem}");
    // Letters that are named need no walk.
    let named = json!({ "letters": [store.letters()[0].id] });
    assert_eq!(ask("POST", "redrives", &named).0, 202);
}
