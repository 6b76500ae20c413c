use std::time::Instant;

use futures::executor::block_on;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::memory::{MemoryKeys, VirtualTime};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    email: String,
}

fn ada() -> Person {
    Person { name: "Ada Lovelace".to_owned(), email: "ada@example.com".to_owned() }
}

fn key(name: &str, secret: impl Iterator<Item = u8>) -> Key {
    Key::new(KeyName::new(name).unwrap(), &secret.take(SECRET_BYTES).collect::<Vec<u8>>()).unwrap()
}

/// Made by `jose` of npm, version 6, of the key 0, 1, … 31 and a nonce of sevens.
const OF_ANOTHER: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoia2V5XzEifQ..BwcHBwcHBwcHBwcH.\
                          dEjIPQJq9c7k3HfhoB2b7cQw7BDt1a07m9Y_k2j8CDlGIJA-5DiV_3KSxNOheLQExg.KuhNnG_rdJiVQ2SYqI-4VQ";

#[test]
fn another_implementation_makes_the_same_of_it() {
    let key = key("key_1", 0..);
    assert_eq!(seal(&ada(), &key, [7; NONCE_BYTES]).unwrap().as_str(), OF_ANOTHER);
    assert_eq!(open(&Personal::from_compact(OF_ANOTHER).unwrap(), &key), Ok(ada()));
}

#[test]
fn no_other_key_opens_it_and_no_changed_text() {
    let (own, other) = (key("k", 0..), key("k", 1..));
    let sealed = seal(&ada(), &own, [0; NONCE_BYTES]).unwrap();
    let refused = open(&sealed, &other).unwrap_err();
    assert_eq!(refused.kind(), FailureKind::Permanent);
    let renamed = sealed.as_str().replacen(&sealed_header(own.name()), &sealed_header(&KeyName::new("l").unwrap()), 1);
    assert!(open(&Personal::<Person>::from_compact(renamed).unwrap(), &own).is_err(), "the header is sealed, too");
    let mut parts = sealed.parts().unwrap();
    parts.ciphertext_and_tag[0] ^= 1;
    assert!(open(&Personal::<Person>::from_parts(&parts).unwrap(), &own).is_err());
}

#[test]
fn what_is_no_such_thing_is_told_without_a_word_of_it() {
    let key = key("k", 0..);
    let sealed = seal(&json!({ "name": "Ada" }), &key, [0; NONCE_BYTES]).unwrap();
    let failure = open(&Personal::<Person>::from_compact(sealed.as_str()).unwrap(), &key).unwrap_err();
    assert_eq!(failure.reason(), "sealed personal data is not understood");
    let long = seal(&"x".repeat(20_000), &key, [0; NONCE_BYTES]).unwrap_err();
    assert_eq!(long.reason(), "sealed personal data must be at most 16384 bytes");
    assert!(!format!("{key:?}").contains("secret"), "{key:?}");
    assert!(Key::new(KeyName::new("k").unwrap(), &[0; 31]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn whatever_is_sealed_comes_back(data in envelope::strategy::json(), nonce: [u8; NONCE_BYTES], seed: u64) {
        let key = Key::draw(&VirtualTime::new(seed)).unwrap();
        let sealed = seal(&data, &key, nonce).unwrap();
        prop_assert_eq!(sealed.key_name(), key.name().as_str());
        prop_assert_eq!(open::<Value>(&sealed, &key), Ok(data));
    }

    #[test]
    fn a_text_that_is_sealed_comes_back(text: String, nonce: [u8; NONCE_BYTES], seed: u64) {
        let key = Key::draw(&VirtualTime::new(seed)).unwrap();
        let sealed = seal_text(&text, &key, nonce).unwrap();
        let stored = serde_json::from_str(&serde_json::to_string(&sealed).unwrap()).unwrap();
        prop_assert_eq!(&sealed, &stored);
        prop_assert_eq!(open_text(&stored, &key), Ok(text));
    }

    #[test]
    fn what_nobody_has_sealed_is_refused(sealed in envelope::strategy::personal::<Value>(), seed: u64) {
        let key = Key::draw(&VirtualTime::new(seed)).unwrap();
        prop_assert!(open(&sealed, &key).is_err());
    }
}

#[test]
fn a_sealed_text_is_opened_by_its_key_alone_and_as_it_is() {
    let (own, other) = (key("k", 0..), key("k", 1..));
    let long = "Ada Lovelace ".repeat(100_000);
    let sealed = seal_text(&long, &own, [0; NONCE_BYTES]).unwrap();
    assert_eq!(open_text(&sealed, &own).as_deref(), Ok(long.as_str()), "it may be long");
    assert_eq!(format!("{sealed:?}"), r#"SealedText { key_name: "k", .. }"#);
    assert!(open_text(&sealed, &other).is_err());
    let with = |member: &str, value: &str| {
        let mut stored = serde_json::to_value(&sealed).unwrap();
        stored[member] = json!(value);
        open_text(&serde_json::from_value(stored).unwrap(), &own).map_err(|failure| failure.kind())
    };
    for (member, value) in
        [("kid", "l"), ("nonce", "AAAAAAAAAAAAAAAB"), ("nonce", "AAAA"), ("text", "AAAA"), ("text", "=")]
    {
        assert_eq!(with(member, value), Err(FailureKind::Permanent), "{member} {value}");
    }
}

/// Keys, and two functions that use them.
struct Bench {
    keys: MemoryKeys,
    world: VirtualTime,
}

impl Bench {
    fn new() -> Self {
        Self { keys: MemoryKeys::default(), world: VirtualTime::new(1) }
    }

    fn function(&self) -> KeyRing<&MemoryKeys, &VirtualTime> {
        KeyRing::new(&self.keys, &self.world)
    }
}

#[test]
fn each_person_has_a_key_and_each_text_a_nonce() {
    let bench = Bench::new();
    let [door, reader] = [bench.function(), bench.function()];
    let seal = |owner| block_on(door.seal(owner, &ada())).unwrap();
    let [first, second, other] = [seal("ada"), seal("ada"), seal("bob")];
    assert_eq!(first.key_name(), second.key_name());
    assert_ne!(first.key_name(), other.key_name());
    assert_ne!(first, second, "no two have the same nonce");
    assert_eq!(block_on(reader.open("ada", &first)), Ok(Some(ada())));
    assert_eq!(block_on(reader.open("bob", &first)), Ok(None), "it is not Bob's");
    assert_eq!(block_on(reader.open("eve", &first)), Ok(None), "Eve has none");
}

#[test]
fn a_key_is_at_hand_for_a_minute() {
    let bench = Bench::new();
    let reader = bench.function();
    let sealed = block_on(bench.function().seal("ada", &ada())).unwrap();
    for (seconds, finds) in [(0, 1), (59, 1), (1, 2), (59, 2)] {
        bench.world.pass(Duration::from_secs(seconds));
        assert_eq!(block_on(reader.open("ada", &sealed)), Ok(Some(ada())));
        assert_eq!(bench.keys.finds(), finds, "after {seconds} s more");
    }
}

#[test]
fn nobody_opens_what_was_erased_a_minute_later() {
    let bench = Bench::new();
    let [door, reader] = [bench.function(), bench.function()];
    let sealed = block_on(door.seal("ada", &ada())).unwrap();
    assert_eq!(block_on(reader.open("ada", &sealed)), Ok(Some(ada())));
    assert_eq!(block_on(door.erase("ada")), Ok(true));
    assert_eq!(block_on(door.open("ada", &sealed)), Ok(None), "who erases it has it at hand no more");
    assert_eq!(block_on(door.erase("ada")), Ok(false));
    bench.world.pass(KEY_AT_HAND);
    assert_eq!(block_on(reader.open("ada", &sealed)), Ok(None));
}

#[test]
fn who_comes_back_has_a_new_key_that_opens_nothing_old() {
    let bench = Bench::new();
    let [door, reader] = [bench.function(), bench.function()];
    let old = block_on(door.seal("ada", &ada())).unwrap();
    assert_eq!(block_on(reader.open("ada", &old)), Ok(Some(ada())));
    block_on(bench.function().erase("ada")).unwrap();
    // At once, by a door that has the old key at hand: it must not seal with it.
    let new = block_on(door.seal("ada", &ada())).unwrap();
    assert_ne!(old.key_name(), new.key_name());
    assert_eq!(block_on(reader.open("ada", &new)), Ok(Some(ada())), "the key at hand is another");
    assert_eq!(block_on(reader.open("ada", &old)), Ok(None));
}

#[test]
fn a_text_is_opened_while_its_key_is_there() {
    let bench = Bench::new();
    let [door, reader] = [bench.function(), bench.function()];
    let end = Time::from_millis(7_999);
    let sealed = block_on(door.seal_text("letters", "Ada", Some(end))).unwrap();
    assert_eq!(block_on(reader.open_text("letters", &sealed)), Ok(Some("Ada".to_owned())));
    assert_eq!(block_on(reader.open_text("ada", &sealed)), Ok(None));
    let key = block_on(bench.keys.find("letters")).unwrap().unwrap();
    assert_eq!(key.expires_at(), Some(Time::from_millis(7_000)), "to the second");
    assert_eq!(block_on(door.erase("letters")), Ok(true));
    assert_eq!(block_on(door.open_text("letters", &sealed)), Ok(None));
    let again = block_on(door.seal_text("letters", "Ada", None)).unwrap();
    assert_ne!(again.key_name(), sealed.key_name());
    let key = block_on(bench.keys.find("letters")).unwrap().unwrap();
    assert_eq!(key.expires_at(), None);
}

#[test]
fn a_key_for_something_else_is_made_once_and_read_once_a_minute() {
    let bench = Bench::new();
    let [first, second] = [bench.function(), bench.function()];
    let key = block_on(first.key_of("digests")).unwrap();
    assert_eq!(block_on(second.key_of("digests")), Ok(key.clone()));
    let finds = bench.keys.finds();
    assert_eq!(block_on(second.key_of("digests")), Ok(key.clone()));
    assert_eq!(bench.keys.finds(), finds);
    bench.world.pass(KEY_AT_HAND);
    assert_eq!(block_on(second.key_of("digests")), Ok(key));
    assert_eq!(bench.keys.finds(), finds + 1);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is the time that it takes")]
fn a_person_of_an_order_costs_next_to_nothing() {
    let bench = Bench::new();
    let [door, reader] = [bench.function(), bench.function()];
    // A person is sealed once, and opened by three services. The best of many is what it takes when nobody disturbs.
    let sealing = || {
        let begun = Instant::now();
        let sealed = block_on(door.seal("ada", &ada())).unwrap();
        for _ in 0..3 {
            assert_eq!(block_on(reader.open("ada", &sealed)), Ok(Some(ada())));
        }
        begun.elapsed()
    };
    let best = (0..1_000).map(|_| sealing()).min().unwrap();
    // Without optimization it takes some times as long.
    let most = Duration::from_micros(if cfg!(debug_assertions) { 500 } else { 50 });
    assert!(best < most, "{best:?}");
    assert_eq!(bench.keys.finds(), 1, "the key is at hand");
}

#[test]
fn keys_at_hand_are_bounded() {
    let bench = Bench::new();
    let door = bench.function();
    for owner in 0..=MAX_KEYS_AT_HAND {
        block_on(door.seal(&owner.to_string(), &ada())).unwrap();
        assert!(door.at_hand().len() <= MAX_KEYS_AT_HAND);
    }
}
