//! Letters with somebody in them: in nothing that is stored in clear, and opened by nobody once they are erased.

use onewrite::FailureKind;
use onewrite::personal::{Key, Keys};

use super::*;

/// Texts of nobody but this customer.
const CANARY: [&str; 3] = ["Quintilla Vesper", "quintilla.vesper@example.com", "Canary Mews 77"];

/// An order as another producer has written it, which the door could not take.
fn order_in_clear() -> Message {
    let [name, email, line1] = CANARY;
    let body = json!({
        "specversion": "1.0", "id": "1", "source": "https://shop.example", "type": "OrderCreated", "subject": "web-17",
        "data": {
            "orderId": "web-17", "customer": { "id": "cus_q", "name": name, "email": email }, "lines": [],
            "shippingAddress": { "name": name, "line1": line1, "city": "Berlin", "postalCode": "10115", "country": "DE" },
        },
    });
    Message { body: body.to_string(), attributes: BTreeMap::new() }
}

/// The same in order, under that id.
fn mended(id: &str) -> String {
    let mut body: Value = serde_json::from_str(&order_in_clear().body).unwrap();
    let price = json!({ "amount": 995, "currency": "EUR" });
    (body["id"], body["data"]["total"]) = (json!(id), price.clone());
    body["data"]["lines"] = json!([{ "sku": "A-1", "quantity": 1, "unitPrice": price }]);
    (body["time"], body["data"]["paymentMethod"]) = (json!("2026-11-22T09:00:00Z"), json!("pm_card_visa"));
    body["dataschema"] = json!("urn:orderflow:OrderCreated:2");
    body.to_string()
}

/// Keys as a collector may use them: it seals, and opens nothing.
struct Sealing<K>(K);

impl<K: Keys> Keys for Sealing<K> {
    async fn find(&self, _: &str) -> Result<Option<Key>> {
        Err(Failure::new(FailureKind::Misconfigured, "GetItem: AccessDenied"))
    }

    async fn find_or_create(&self, owner: &str, fresh: &Key, now: Time) -> Result<Key> {
        self.0.find_or_create(owner, fresh, now).await
    }

    async fn erase(&self, _: &str) -> Result<bool> {
        Err(Failure::new(FailureKind::Misconfigured, "DeleteItem: AccessDenied"))
    }
}

/// Puts a message on record that has failed now at the door.
async fn collect_at_door(stack: &Stack, message: &Message, pace: &Pace) -> Result<()> {
    let mut arrival = stack.arrival(message.clone(), None);
    arrival.destination.is_door = true;
    let keys = KeyRing::new(Sealing(Paced { port: &stack.keys, pace }), &stack.world);
    let store = Paced { port: &stack.ports, pace };
    Collector::new(store, keys, MemoryQueue::default(), &stack.world, Stack::post()).collect(&arrival).await
}

fn park_at_door(stack: &Stack, message: &Message) {
    block_on(collect_at_door(stack, message, &Pace::of(u32::MAX))).unwrap();
}

/// A stack with that letter at the door.
fn with_letter(message: &Message) -> (Stack, LetterId) {
    let stack = Stack::new();
    park_at_door(&stack, message);
    let id = stack.ports.letters().remove(0).id;
    (stack, id)
}

/// The only letter, and its message, if anybody can open it.
fn only_letter(stack: &Stack) -> (Letter, Option<Message>) {
    let [letter] = stack.ports.letters().try_into().unwrap();
    let message = stack.opened(&letter.id, &letter.message);
    (letter, message)
}

/// Puts the next revision of the only letter on record.
fn change(stack: &Stack, next: impl Fn(&Letter) -> Letter) {
    let letter = stack.ports.letters().remove(0);
    block_on(stack.ports.put(&next(&letter), Since::Revision(letter.revision))).unwrap();
}

/// Everything that is stored of letters, as text.
fn stored(stack: &Stack) -> String {
    let letters = stack.ports.letters();
    let names = letters.iter().flat_map(|letter| {
        let replaced = letter.history.iter().filter_map(|entry| entry.replaced.as_ref());
        replaced.chain([&letter.message]).map(|name| (&letter.id, name))
    });
    let messages = names.map(|(id, name)| block_on(stack.ports.message(id, name)).unwrap().unwrap());
    let messages = serde_json::to_string(&messages.collect::<Vec<_>>()).unwrap();
    serde_json::to_string(&letters).unwrap() + &messages
}

fn erase(stack: &Stack) {
    block_on(stack.keys.erase("cus_q")).unwrap();
}

fn has_canary(text: &str) -> bool {
    CANARY.iter().any(|personal| text.contains(personal))
}

#[test]
fn who_operates_sees_and_mends_what_is_sealed() {
    let (stack, id) = with_letter(&order_in_clear());
    assert!(!has_canary(&stored(&stack)));
    let path = format!("/operations/letters/{id}");
    let (status, shown) = stack.ask("GET", &path, "*", &json!(null));
    assert_eq!(
        (status.as_u16(), shown["body"].as_str(), shown.get("erased")),
        (200, Some(&*order_in_clear().body), None)
    );
    assert_eq!((&shown["orderId"], &shown["type"]), (&json!("web-17"), &json!("OrderCreated")));
    let listed = stack.ask("GET", "/operations/letters?state=waiting", "*", &json!(null)).1;
    assert_eq!(listed["letters"][0]["body"], shown["body"]);

    let (status, edited) = stack.ask("PUT", &path, "\"1\"", &json!({ "body": mended("1"), "why": "it was half" }));
    assert_eq!(status, 200, "{edited}");
    let earlier = edited["history"][1]["replaced"].as_str().unwrap();
    assert_eq!(edited["earlier"][earlier], shown["body"]);
    let body: Value = serde_json::from_str(edited["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["editedfrom"], &body["data"]["customer"]["name"]), (&json!("1"), &json!(CANARY[0])));
    assert!(!has_canary(&stored(&stack)), "nor after the edit");

    stack.redrive(&json!({ "letters": [id] }));
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    let [(_, sent)] = stack.ports.sent().try_into().unwrap();
    assert_eq!(sent.body, body.to_string());
    assert_eq!(stack.states(), BTreeMap::from([(State::Handled, 1)]));
    assert!(!has_canary(&stored(&stack)));
}

#[test]
fn an_edit_that_names_somebody_is_sealed_wherever_it_does() {
    let order =
        serde_json::to_value(orderflow_events::sample::event(orderflow_events::sample::order("ord_1"))).unwrap();
    let failed = include_str!("../../../../shared/events/golden/PaymentFailed.1.json");
    let failed: Value = serde_json::from_str(failed).unwrap();
    // What no schema forbids: a member that nobody reads, beside a sealed person too, and a text.
    for (event, pointer, name) in
        [(&order, "/data/customer", "name"), (&failed, "/data", "note"), (&failed, "/data/reason", "message")]
    {
        let (stack, id) = {
            let stack = Stack::new();
            stack.park(Message { body: event.to_string(), attributes: BTreeMap::new() }, None);
            let id = stack.ports.letters().remove(0).id;
            (stack, id)
        };
        assert!(!stack.ports.letters()[0].is_sealed, "a fact of ours has nobody in clear");
        let mut edited = event.clone();
        edited.pointer_mut(pointer).unwrap()[name] = json!(CANARY[0]);
        let path = format!("/operations/letters/{id}");
        let body = json!({ "body": edited.to_string(), "why": "it was half" });
        let (status, shown) = stack.ask("PUT", &path, "\"1\"", &body);
        assert_eq!(status, 200, "{shown}");
        assert!(shown["body"].as_str().unwrap().contains(CANARY[0]), "who operates sees it");
        assert!(!has_canary(&stored(&stack)), "{pointer}/{name}");

        // It comes back without its mark, as one does that has as many attributes as SQS takes.
        let body = shown["body"].as_str().unwrap().to_owned();
        stack.park(Message { body, attributes: BTreeMap::new() }, None);
        assert!(!has_canary(&stored(&stack)), "{pointer}/{name}, back again");
    }
}

#[test]
fn an_erased_letter_can_be_dropped_and_nothing_else() {
    let (stack, id) = with_letter(&order_in_clear());
    let path = format!("/operations/letters/{id}");
    let body = json!({ "body": mended("1"), "why": "it was half" });
    assert_eq!(stack.ask("PUT", &path, "\"1\"", &body).0, 200);
    erase(&stack);
    let (status, shown) = stack.ask("GET", &path, "*", &json!(null));
    assert_eq!(
        (status.as_u16(), &shown["erased"], &shown["body"], &shown["earlier"]),
        (200, &json!(true), &json!(""), &json!({}))
    );
    let listed = stack.ask("GET", "/operations/letters?state=waiting", "*", &json!(null)).1;
    assert_eq!((&listed["letters"][0]["erased"], &listed["letters"][0]["orderId"]), (&json!(true), &json!("web-17")));

    let erased = json!("urn:orderflow:problem:letter-erased");
    let (status, problem) = stack.ask("PUT", &path, "\"2\"", &body);
    assert_eq!((status.as_u16(), &problem["type"]), (409, &erased), "{problem}");
    let (status, problem) = stack.ask("POST", "/operations/redrives", "*", &json!({ "letters": [id] }));
    assert_eq!((status.as_u16(), &problem["type"]), (409, &erased), "{problem}");
    // One of all of a service passes it over.
    let redrive = stack.redrive(&json!({ "service": "payment" }));
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    assert_eq!((stack.ports.sent().len(), stack.told(&redrive).head.progress), (0, Progress::Done));
    assert_eq!(stack.states(), BTreeMap::from([(State::Waiting, 1)]));

    let (status, dropped) = stack.ask("DELETE", &path, "*", &json!({ "why": "they are erased" }));
    assert_eq!((status.as_u16(), &dropped["state"], &dropped["erased"]), (200, &json!("dropped"), &json!(true)));
}

#[test]
fn who_is_erased_while_their_letter_is_on_its_way_is_not_sent() {
    let (stack, id) = with_letter(&order_in_clear());
    let letter = stack.ports.letters().remove(0);
    let claimed = letter.claimed("red_1", "ada", stack.world.now()).unwrap();
    block_on(stack.ports.put(&claimed, Since::Revision(letter.revision))).unwrap();
    erase(&stack);
    stack.world.pass(Duration::from_mins(10));
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    let letter = stack.ports.letters().remove(0);
    assert_eq!((stack.ports.sent().len(), letter.state, &letter.id), (0, State::ParkedAgain, &id));
    assert_eq!(letter.reason, sealing::ERASED);
    assert!(letter.dropped("ada", "erased", stack.world.now()).is_ok());
}

#[test]
fn who_comes_back_opens_nothing_of_before() {
    let (stack, id) = with_letter(&order_in_clear());
    let name = stack.ports.letters().remove(0).message;
    assert_eq!(stack.opened(&id, &name), Some(order_in_clear()));
    erase(&stack);
    block_on(stack.keys(&Pace::of(u32::MAX)).seal_text("cus_q", "anew", None)).unwrap();
    assert_eq!(stack.opened(&id, &name), None);
}

#[test]
fn of_whom_nobody_can_tell_the_letters_have_an_end() {
    let message = Message { body: CANARY.join(", "), attributes: BTreeMap::new() };
    let (stack, id) = with_letter(&message);
    assert!(!has_canary(&stored(&stack)));
    let [owner] = stack.keys.owners().try_into().unwrap();
    let now = stack.world.now();
    assert_eq!(owner, format!("\tletters {}", &now.to_string()[..7]), "one key a month");
    let key = block_on(stack.keys.find(&owner)).unwrap().unwrap();
    let kept = now.until(key.expires_at().unwrap());
    assert!(kept >= crate::UNOWNED_KEPT, "{kept:?}");
    let name = stack.ports.letters().remove(0).message;
    assert_eq!(stack.opened(&id, &name), Some(message));
    block_on(stack.keys.erase(&owner)).unwrap();
    assert_eq!(stack.opened(&id, &name), None);
}

#[test]
fn what_comes_again_after_an_erasure_is_a_letter_that_opens() {
    let sent = |letter: &Letter, now: Time| letter.claimed("red_1", "ada", now).unwrap().confirmed();
    let again = |change_of: &dyn Fn(&Stack)| {
        let (stack, _) = with_letter(&order_in_clear());
        change_of(&stack);
        erase(&stack);
        stack.world.pass(Duration::from_mins(2));
        let before = only_letter(&stack);
        assert_eq!(before.1, None, "nobody can open it");
        park_at_door(&stack, &order_in_clear());
        assert!(!has_canary(&stored(&stack)));
        (before.0, stack)
    };
    let drop_it = |letter: &Letter, now: Time| letter.dropped("ada", "erased", now).unwrap().unwrap();
    let relapsed = |letter: &Letter, now: Time| sent(letter, now).unsendable("why", now);
    let failed_otherwise = |letter: &Letter| Letter {
        reason: "another".to_owned(),
        class: Class::Exhausted,
        revision: letter.revision + 1,
        ..letter.clone()
    };
    for (change_of, after) in [
        (&(|_: &Stack| ()) as &dyn Fn(&Stack), State::Waiting),
        (&|stack| change(stack, failed_otherwise), State::Waiting),
        (&|stack| change(stack, |letter| drop_it(letter, stack.world.now())), State::Waiting),
        (&|stack| change(stack, |letter| sent(letter, stack.world.now())), State::ParkedAgain),
        (&|stack| change(stack, |letter| relapsed(letter, stack.world.now())), State::ParkedAgain),
    ] {
        let (before, stack) = again(change_of);
        let (letter, message) = only_letter(&stack);
        let in_history = letter.history.len() - before.history.len();
        assert_eq!((letter.state, letter.revision, in_history), (after, before.revision + 1, 1), "{:?}", before.state);
        assert_eq!(message, Some(order_in_clear()), "{:?}", before.state);
        assert_ne!(letter.reason, "another", "it is that of the latest failure");
        // A copy of it changes nothing, and it can be sent back.
        park_at_door(&stack, &order_in_clear());
        assert_eq!(only_letter(&stack).0, letter);
        stack.redrive(&json!({ "letters": [letter.id] }));
        stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
        assert_eq!(stack.ports.sent().remove(0).1.body, order_in_clear().body);
        erase(&stack);
        stack.world.pass(Duration::from_mins(2));
        assert_eq!(only_letter(&stack).1, None, "an erasure reaches it");
    }
    let handled = |stack: &Stack| change(stack, |letter| letter.handled(Some(1), stack.world.now()).unwrap());
    let (before, stack) = again(&handled);
    assert_eq!(only_letter(&stack), (before, None), "nothing is left to be done");
}

#[test]
fn what_comes_again_after_an_erasure_is_kept_wherever_its_collector_dies() {
    at_every_call(
        || {
            let (stack, _) = with_letter(&order_in_clear());
            erase(&stack);
            stack.world.pass(Duration::from_mins(2));
            stack
        },
        |stack, pace| is_done(collect_at_door(stack, &order_in_clear(), pace)),
        |stack| park_at_door(stack, &order_in_clear()),
        |stack, place| {
            let (letter, message) = only_letter(stack);
            assert_eq!((letter.state, letter.revision), (State::Waiting, 2), "{place}");
            assert_eq!(message, Some(order_in_clear()), "{place}");
        },
    );
}

#[test]
fn who_is_erased_while_their_letter_is_put_on_record_loses_it_to_nobody() {
    let stack = Stack::new();
    assert!(!is_done(collect_at_door(&stack, &order_in_clear(), &Pace::until("before put"))));
    erase(&stack);
    park_at_door(&stack, &order_in_clear());
    assert_eq!(only_letter(&stack).1, Some(order_in_clear()));
}

#[test]
fn what_comes_again_after_its_end_has_another() {
    let message = Message { body: CANARY.join(", "), attributes: BTreeMap::new() };
    for is_dropped in [true, false] {
        let (stack, id) = with_letter(&message);
        if is_dropped {
            change(&stack, |letter| letter.dropped("ada", "a test", stack.world.now()).unwrap().unwrap());
        }
        stack.world.pass(Duration::from_hours(122 * 24));
        for owner in stack.keys.owners() {
            block_on(stack.keys.erase(&owner)).unwrap();
        }
        park_at_door(&stack, &message);
        let (letter, opened) = only_letter(&stack);
        assert_eq!((letter.state, opened), (State::Waiting, Some(message.clone())), "{is_dropped}");
        assert_eq!(letter.readable_until, Some(stack.world.now().after(crate::UNOWNED_KEPT)));
        assert!(!has_canary(&stored(&stack)));
        let shown = stack.ask("GET", &format!("/operations/letters/{id}"), "*", &json!(null)).1;
        assert_eq!((&shown["body"], shown.get("erased")), (&json!(message.body), None));
    }
}

#[test]
fn an_edit_stays_until_nobody_can_open_it() {
    let named = |id: &str, customer: &str| mended(id).replace("cus_q", customer);
    for (customer, is_renewed) in [("cus_q", true), ("cus_other", false)] {
        let (stack, id) = with_letter(&order_in_clear());
        let body = json!({ "body": named("1", customer), "why": "it was half" });
        assert_eq!(stack.ask("PUT", &format!("/operations/letters/{id}"), "\"1\"", &body).0, 200);
        let edited = only_letter(&stack);
        park_at_door(&stack, &order_in_clear());
        assert_eq!(only_letter(&stack), edited, "a copy of what it was made of undoes no edit");
        erase(&stack);
        stack.world.pass(Duration::from_mins(2));
        park_at_door(&stack, &order_in_clear());
        let (letter, message) = only_letter(&stack);
        if is_renewed {
            assert_eq!((letter.state, message), (State::Waiting, Some(order_in_clear())));
            assert_eq!(letter.history.last().unwrap().replaced.as_ref(), Some(&edited.0.message));
        } else {
            assert_eq!((letter, message), edited, "it is somebody else's");
        }
    }
}
