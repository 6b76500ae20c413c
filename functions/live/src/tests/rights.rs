//! Rights of those who watch, and their end.

use std::time::Duration;

use onewrite::link::Links;
use onewrite::memory::{MemoryIssuer, MemoryLinkKeys};
use orderflow_events::guest_of;
use orderflow_orders::Guests;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// An order of somebody, and those who want to watch it.
struct Door {
    stage: Stage,
    issuer: MemoryIssuer,
    keys: MemoryLinkKeys,
}

impl Door {
    fn new(customer: &str) -> Self {
        let stage = Stage::new();
        let mut order = sample::order(ORDER);
        order.details.customer.id = orderflow_events::Text::new(customer).unwrap();
        stage.commit(Commit::publish(order));
        Self { stage, issuer: MemoryIssuer::new("1"), keys: MemoryLinkKeys::new("a") }
    }

    fn links(&self) -> Links<&MemoryLinkKeys> {
        Links::new(&self.keys, HOUR)
    }

    /// Says something on a connection.
    fn say(&self, connection: &str, message: &Value) {
        self.say_at(&Pace::of(u32::MAX), connection, message);
    }

    fn say_at(&self, pace: &Pace, connection: &str, message: &Value) {
        let guests = Some(Guests::new(self.links(), "https://shop.example"));
        let routes = Routes::new(self.stage.push(pace), self.issuer.access(), guests);
        self.stage.sockets.connect(connection);
        let event = json!({
            "requestContext": { "connectionId": connection, "eventType": "MESSAGE" }, "body": message.to_string(),
        });
        run(routes.answer(&serde_json::from_value(event).unwrap())).unwrap().unwrap();
    }

    /// Messages that somebody with those credentials gets who watches the order.
    fn watch(&self, connection: &str, credentials: &Value) -> Vec<Value> {
        self.say(connection, &json!({ "type": "connection_init", "payload": credentials }));
        let payload = json!({ "query": QUERY, "variables": { "id": ORDER } });
        self.say(connection, &json!({ "id": "1", "type": "subscribe", "payload": payload }));
        self.received(connection)
    }

    fn received(&self, connection: &str) -> Vec<Value> {
        let texts = self.stage.sockets.received(connection);
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    fn last(&self, connection: &str) -> String {
        told(&self.received(connection))
    }
}

/// The last that somebody was told: a sequence, or the code of an error.
fn told(messages: &[Value]) -> String {
    let last = messages.last().unwrap();
    match last["type"].as_str().unwrap() {
        "next" => last["payload"]["data"]["order"]["sequence"].to_string(),
        "error" => last["payload"][0]["extensions"]["code"].as_str().unwrap().to_owned(),
        other => other.to_owned(),
    }
}

#[test]
fn an_order_is_watched_by_its_customer_and_by_those_who_may_see_any() {
    let door = Door::new("ada");
    let token = |subject: &str, scopes: &str| json!({ "token": door.issuer.token(subject, scopes) });
    for (connection, credentials, expected) in [
        ("1", token("ada", ""), "1"),
        ("2", token("staff", "orders:any"), "1"),
        ("3", token("mallory", "stock:read"), "NOT_FOUND"),
        ("4", json!({}), "UNAUTHENTICATED"),
        ("5", json!({ "token": "a.b.c" }), "UNAUTHENTICATED"),
        ("6", json!({ "order": ORDER, "access": "1.a.1.2.b" }), "UNAUTHENTICATED"),
    ] {
        assert_eq!(told(&door.watch(connection, &credentials)), expected, "{credentials}");
    }
}

#[test]
fn a_guest_watches_one_order_by_its_link_until_it_is_revoked() {
    let guest = guest_of(&OrderId::new(ORDER).unwrap());
    let door = Door::new(guest.as_str());
    let issued_at = door.stage.world.now();
    door.stage.world.pass(Duration::from_secs(1));
    let access = |order: &str| block_on(door.links().signer(issued_at)).unwrap().sign(order, issued_at);
    let credentials = json!({ "order": ORDER, "access": access(ORDER) });
    assert_eq!(told(&door.watch("1", &credentials)), "1");
    // That of another order is no link to this one.
    let other = json!({ "order": "ord_2", "access": access("ord_2") });
    assert_eq!(told(&door.watch("2", &other)), "NOT_FOUND");
    let mixed = json!({ "order": ORDER, "access": access("ord_2") });
    assert_eq!(told(&door.watch("3", &mixed)), "UNAUTHENTICATED");
    // Nor is anything read of this one: else the time of the answer would tell that there is one.
    door.say("4", &json!({ "type": "connection_init", "payload": other }));
    let payload = json!({ "query": QUERY, "variables": { "id": ORDER } });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    door.say_at(&Pace::until("before read"), "4", &subscribe);
    assert_eq!(door.last("4"), "NOT_FOUND");

    let revoked = Change::LinksRevoked(door.stage.world.now());
    door.stage.commit(Commit { change: Some(revoked), events: Vec::new(), updates: Vec::new(), unfinished: false });
    door.stage.go_on(1);
    assert!(door.stage.tell(&Pace::of(u32::MAX)));
    assert_eq!(door.last("1"), "NOT_FOUND");
    door.stage.go_on(2);
    assert!(door.stage.tell(&Pace::of(u32::MAX)));
    assert_eq!(door.received("1").iter().filter(|message| message["type"] == "next").count(), 1);
}

#[test]
fn nobody_is_told_anything_once_their_token_has_ended() {
    let door = Door::new("ada");
    let mut claims = MemoryIssuer::claims("ada", "");
    claims["exp"] = json!(door.stage.world.now().after(HOUR).as_millis() / 1_000);
    let token = door.issuer.signed(&json!({ "alg": "ES256", "kid": "1" }), &claims);
    assert_eq!(told(&door.watch("1", &json!({ "token": token }))), "1");
    door.stage.world.pass(2 * HOUR);
    door.stage.go_on(1);
    assert!(door.stage.tell(&Pace::of(u32::MAX)));
    assert_eq!(door.last("1"), "UNAUTHENTICATED");
    let next = door.received("1").iter().filter(|message| message["type"] == "next").count();
    assert_eq!(next, 1);
}

#[test]
fn what_is_no_subscription_of_the_schema_is_told_so() {
    let door = Door::new("ada");
    let token = door.issuer.token("ada", "");
    door.say("1", &json!({ "type": "connection_init", "payload": { "token": token } }));
    let mut number = 0;
    for (query, variables, expected) in [
        ("subscription { order(id: \"ord_1\") { sequence } }", json!({}), "next"),
        ("subscription { order(id: \"ord_1\", after: 1) { sequence } }", json!({}), ""),
        ("subscription { order(id: \"ord_1\", after: 2) { sequence } }", json!({}), "error"),
        ("subscription { order(id: \"ord_1\", after: -1) { sequence } }", json!({}), "error"),
        ("subscription { order(id: \"ord_2\") { sequence } }", json!({}), "error"),
        ("subscription { order(id: \"ord_1\") { nothing } }", json!({}), "error"),
        ("subscription { order { sequence } }", json!({}), "error"),
        (
            "subscription { a: order(id: \"ord_1\") { sequence } b: order(id: \"ord_1\") { sequence } }",
            json!({}),
            "error",
        ),
        ("subscription ($id: ID!) { order(id: $id) { sequence } }", json!({}), "error"),
        ("query { order(id: \"ord_1\") { id } }", json!({}), "error"),
        ("{ __schema { types { name } } }", json!({}), "error"),
        ("subscription {", json!({}), "error"),
        ("", json!({}), "error"),
    ] {
        number += 1;
        let before = door.received("1").len();
        let payload = json!({ "query": query, "variables": variables });
        door.say("1", &json!({ "id": number.to_string(), "type": "subscribe", "payload": payload }));
        let after = door.received("1");
        let kinds: Vec<&str> = after[before..].iter().map(|message| message["type"].as_str().unwrap()).collect();
        assert_eq!(kinds.join(" "), expected, "{query}");
    }
}

#[test]
fn a_client_that_does_not_keep_to_the_protocol_is_closed() {
    for messages in [
        vec![json!("nonsense")],
        vec![json!({ "type": "connection_init" }), json!({ "type": "connection_init" })],
        vec![json!({ "id": "1", "type": "subscribe", "payload": { "query": QUERY } })],
    ] {
        let door = Door::new("ada");
        for message in &messages {
            door.say("1", message);
        }
        assert!(!door.stage.sockets.is_open("1"), "{messages:?}");
        assert!(door.stage.watches.is_empty(), "{messages:?}");
    }
}

#[test]
fn the_events_of_all_orders_are_for_those_who_may_read_them_and_come_once_and_in_order() {
    let door = Door::new("ada");
    let event = |number: u32, kind: &str| {
        let data = json!({ "total": number });
        json!({ "id": number.to_string(), "source": "s", "type": kind, "subject": ORDER, "time": "t", "data": data })
    };
    for (number, kind) in [(1, "OrderCreated"), (2, "PaymentFailed"), (3, "OrderCreated")] {
        door.stage.feed.add(event(number, kind));
    }
    let watch = |connection: &str, scopes: &str, variables: Value| {
        let token = door.issuer.token("staff", scopes);
        door.say(connection, &json!({ "type": "connection_init", "payload": { "token": token } }));
        let query =
            "subscription ($match: JSON, $after: String) { events(match: $match, after: $after) { id cursor data } }";
        let payload = json!({ "query": query, "variables": variables });
        door.say(connection, &json!({ "id": "e", "type": "subscribe", "payload": payload }));
    };
    let ids = |connection: &str| {
        let received = door.received(connection);
        let next = received.iter().filter(|message| message["type"] == "next");
        next.map(|message| message["payload"]["data"]["events"]["id"].as_str().unwrap().to_owned()).collect::<String>()
    };
    watch("all", "events:read", json!({}));
    watch(
        "some",
        "events:read",
        json!({ "match": { "type": ["OrderCreated"], "data": { "total": [{ "numeric": [">", 1] }] } } }),
    );
    watch("later", "events:read", json!({ "after": "2" }));
    watch("now", "events:read", json!({ "after": "now" }));
    assert_eq!([ids("all"), ids("some"), ids("later"), ids("now")], ["123", "3", "3", ""]);
    door.stage.feed.add(event(4, "OrderCreated"));
    door.stage.feed.add(event(5, "PaymentFailed"));
    for _ in 0..2 {
        let pace = Pace::of(u32::MAX);
        assert_eq!(run(door.stage.push(&pace).tell_events()), Some(Ok(())));
    }
    assert_eq!([ids("all"), ids("some"), ids("later"), ids("now")], ["12345", "34", "345", "45"]);

    watch("nobody", "orders:any", json!({}));
    assert_eq!(door.last("nobody"), "FORBIDDEN");
    for (connection, wrong) in [("1", json!({ "match": { "type": "a" } })), ("2", json!({ "after": "x" }))] {
        watch(connection, "events:read", wrong);
        assert_eq!(door.last(connection), "BAD_USER_INPUT");
    }
    let at = door.received("1").last().unwrap()["payload"][0]["message"].to_string();
    assert!(at.contains("/type"), "{at}");
}

#[test]
fn whoever_loses_a_right_is_told_so_wherever_an_attempt_dies() {
    for place in 0..20 {
        let door = Door::new("ada");
        let mut claims = MemoryIssuer::claims("ada", "");
        claims["exp"] = json!(door.stage.world.now().after(HOUR).as_millis() / 1_000);
        let token = door.issuer.signed(&json!({ "alg": "ES256", "kid": "1" }), &claims);
        assert_eq!(told(&door.watch("1", &json!({ "token": token }))), "1");
        door.stage.world.pass(2 * HOUR);
        door.stage.go_on(1);
        let is_done = door.stage.tell(&Pace::of(place));
        assert!(door.stage.tell(&Pace::of(u32::MAX)));
        // Whoever is not told comes back, and is told then.
        let errors = door.received("1").iter().filter(|message| message["type"] == "error").count();
        assert!(errors == 1 || (errors == 0 && !door.stage.sockets.is_open("1")), "after {place}: {errors}");
        assert!(!is_done || errors == 1, "after {place}");
        assert!(door.stage.watches.len() <= 1, "after {place}: no subscription is left");
    }
}

#[test]
fn the_board_is_for_operators_and_readers_of_events_and_comes_when_it_changes() {
    let door = Door::new("ada");
    let watch = |connection: &str, scopes: &str| {
        let token = door.issuer.token("staff", scopes);
        door.say(connection, &json!({ "type": "connection_init", "payload": { "token": token } }));
        let payload = json!({ "query": "subscription { board { at minutes { created createdAmount } } }" });
        door.say(connection, &json!({ "id": "b", "type": "subscribe", "payload": payload }));
    };
    let told = |connection: &str| -> Vec<i64> {
        let received = door.received(connection);
        let boards = received.iter().filter(|message| message["type"] == "next");
        let created = |minute: &Value| minute["created"].as_i64().unwrap();
        boards
            .map(|board| board["payload"]["data"]["board"]["minutes"].as_array().unwrap().iter().map(created).sum())
            .collect()
    };
    let tell = || assert_eq!(run(door.stage.push(&Pace::of(u32::MAX)).tell_board()), Some(Ok(())));
    for (connection, scopes) in [("1", "operations"), ("2", "events:read"), ("3", "orders:any stock:read")] {
        watch(connection, scopes);
    }
    assert_eq!([told("1"), told("2"), told("3")], [vec![0], vec![0], vec![]]);
    assert_eq!(door.last("3"), "FORBIDDEN");
    tell();
    door.stage.count_order(1);
    door.stage.count_order(2);
    for _ in 0..2 {
        tell();
    }
    assert_eq!([told("1"), told("2")], [vec![0, 2], vec![0, 2]]);
    // An attempt that has looked long ago tells nobody what was.
    let pace = Pace::until("before hold");
    door.stage.count_order(3);
    let push = door.stage.push(&pace);
    let mut slow = std::pin::pin!(push.tell_board());
    assert!(slow.as_mut().now_or_never().is_none());
    door.stage.count_order(4);
    tell();
    pace.release();
    assert_eq!(run(slow), Some(Ok(())));
    assert_eq!([told("1"), told("2")], [vec![0, 2, 4], vec![0, 2, 4]]);
    // As time goes by it is no other board.
    door.stage.world.pass(Duration::from_secs(1));
    tell();
    assert_eq!(told("1"), [0, 2, 4]);
}

#[test]
fn the_board_tells_how_many_letters_each_service_has_and_since_when() {
    let door = Door::new("ada");
    let token = door.issuer.token("wall", "events:read");
    door.say("1", &json!({ "type": "connection_init", "payload": { "token": token } }));
    let payload = json!({ "query": "subscription { board { letters { service count oldest } } }" });
    door.say("1", &json!({ "id": "b", "type": "subscribe", "payload": payload }));
    let tell = || assert_eq!(run(door.stage.push(&Pace::of(u32::MAX)).tell_board()), Some(Ok(())));
    let last = || door.received("1").last().unwrap()["payload"]["data"]["board"]["letters"].clone();
    assert_eq!(last(), json!([]));
    let first = door.stage.world.now();
    door.stage.park("shipping", Class::Permanent);
    door.stage.world.pass(HOUR);
    door.stage.park("payment", Class::None);
    door.stage.park("shipping", Class::Exhausted);
    let count = door.received("1").len();
    for _ in 0..2 {
        tell();
    }
    assert_eq!(door.received("1").len(), count + 1, "once");
    let expected = json!([
        { "service": "payment", "count": 1, "oldest": door.stage.world.now().to_string() },
        { "service": "shipping", "count": 2, "oldest": first.to_string() },
    ]);
    assert_eq!(last(), expected);
}

/// Of the time that goes by nobody writes a row.
#[test]
fn the_board_moves_with_the_time_at_each_ping_of_whoever_watches_it() {
    let door = Door::new("ada");
    let say = |connection: &str, message: Value| door.say(connection, &message);
    let mut claims = MemoryIssuer::claims("wall", "operations");
    claims["exp"] = json!(door.stage.world.now().after(2 * HOUR).as_millis() / 1_000);
    let token = door.issuer.signed(&json!({ "alg": "ES256", "kid": "1" }), &claims);
    door.stage.count_order(1);
    for connection in ["wall", "idle", "order"] {
        say(connection, json!({ "type": "connection_init", "payload": { "token": token } }));
    }
    let payload = json!({ "query": "subscription { board { minutes { created } } }" });
    for connection in ["wall", "idle"] {
        say(connection, json!({ "id": "b", "type": "subscribe", "payload": payload }));
    }
    let since = |connection: &str, count: usize| -> Vec<Value> {
        let received = door.received(connection).into_iter().skip(count);
        received.map(|message| json!([message["type"], message["payload"]["data"]["board"]["minutes"]])).collect()
    };
    let before = ["wall", "idle", "order"].map(|connection| door.received(connection).len());
    door.stage.world.pass(Duration::from_mins(30));
    say("wall", json!({ "type": "ping" }));
    assert_eq!(since("wall", before[0]), [json!(["pong", null])], "it is the same board");
    door.stage.world.pass(Duration::from_mins(30));
    for connection in ["wall", "wall", "order"] {
        say(connection, json!({ "type": "ping" }));
    }
    let expected = [json!(["pong", null]), json!(["pong", null]), json!(["next", []]), json!(["pong", null])];
    assert_eq!(since("wall", before[0]), expected, "the hour is over");
    assert_eq!(since("order", before[2]), [json!(["pong", null])], "it watches something else");
    assert_eq!(
        since("idle", before[1]),
        Vec::<Value>::new(),
        "what is silent for ten minutes is closed by the gateway"
    );
    // A right ends, too.
    door.stage.world.pass(HOUR);
    say("wall", json!({ "type": "ping" }));
    assert_eq!(door.last("wall"), "UNAUTHENTICATED");
}

#[test]
fn an_update_that_is_too_large_ends_its_subscription_and_not_the_connection() {
    let door = Door::new("ada");
    let token = door.issuer.token("staff", "events:read");
    door.say("1", &json!({ "type": "connection_init", "payload": { "token": token } }));
    let data = json!({ "text": "x".repeat(200 * 1024) });
    door.stage.feed.add(json!({ "id": "1", "source": "s", "type": "t", "subject": ORDER, "time": "t", "data": data }));
    for (id, field, expected) in [("large", "data", "error"), ("small", "type", "next")] {
        let payload = json!({ "query": format!("subscription {{ events {{ cursor {field} }} }}") });
        door.say("1", &json!({ "id": id, "type": "subscribe", "payload": payload }));
        let last = door.received("1").last().unwrap().clone();
        assert_eq!((&last["id"], &last["type"]), (&json!(id), &json!(expected)), "{field}");
    }
    assert!(door.stage.sockets.is_open("1"));
    let open = block_on(door.stage.watches.connection("1")).unwrap().unwrap();
    assert_eq!(open.subscriptions.into_keys().collect::<Vec<_>>(), ["small"]);
}
