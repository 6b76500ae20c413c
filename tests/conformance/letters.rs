//! The suite of the operations' [`LetterStore`] and [`JobStore`].

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use libtest_mimic::Trial;
use onewrite::Attribute;
use onewrite::memory::VirtualTime;
use onewrite::personal::{Key, seal_text};
use orderflow_events::Time;
use orderflow_operations::{
    Act, Arrival, Backlog, Class, Destination, DynamoOperations, Job, JobStore, Kept, Letter, LetterId, LetterStore,
    MemoryOperations, Message, OpenLetters, Origin, Outcome, PartStore, Redrive, RedriveId, Since, State, Stored,
};

use crate::aws::Aws;

pub(crate) fn trials(aws: &Arc<Aws>) -> Vec<Trial> {
    crate::suite::suite!(
        aws,
        MemoryOperations::default,
        store,
        [
            a_letter_comes_back_as_it_was_put,
            a_letter_replaces_the_one_that_was_read_and_no_other,
            of_many_changes_of_one_revision_one_is_done,
            letters_are_paged_by_state_the_oldest_failure_first,
            a_letter_that_changes_its_state_is_in_one_page_alone,
            messages_are_kept_by_the_names_of_their_bodies,
            a_large_message_comes_back_whole,
            many_letters_and_their_messages_are_found_at_once,
            open_letters_are_counted_by_service_and_class,
            redrives_that_are_active_are_found,
            the_list_of_a_redrive_is_kept_in_parts,
        ]
    )
}

async fn store(aws: &Aws) -> DynamoOperations {
    DynamoOperations::new(aws.clients().0, aws.letters_table().await)
}

fn arrival(body: &str, failed_at: i64) -> Arrival {
    Arrival {
        service: "payment".to_owned(),
        origin: Origin::Consumer,
        source_queue: "arn:dlq".to_owned(),
        destination: Destination {
            queue_url: "q".to_owned(),
            function: "f".to_owned(),
            is_journal: false,
            is_door: false,
        },
        message: Message { body: body.to_owned(), attributes: BTreeMap::new() },
        class: Class::Permanent,
        reason: "why, \"ü\"?".to_owned(),
        failed_at: Time::from_millis(failed_at),
        function: "f".to_owned(),
        receives: 3,
        mark: None,
    }
}

fn letter(body: &str, failed_at: i64) -> Letter {
    let arrival = arrival(body, failed_at);
    Letter::collected(None, arrival.letter_id(), &arrival).unwrap()
}

async fn put(store: &impl LetterStore, letter: &Letter, since: Since) -> Stored {
    store.put(letter, since).await.unwrap()
}

fn claimed(letter: &Letter) -> Letter {
    letter.claimed("red_1", "ada", Time::from_millis(99)).unwrap()
}

async fn a_letter_comes_back_as_it_was_put(store: &impl LetterStore) {
    let letter = letter(r#"{"type": "T", "subject": "ord_1", "id": "1", "source": "s"}"#, 7);
    assert_eq!(store.letter(&letter.id).await, Ok(None));
    assert_eq!(put(store, &letter, Since::New).await, Stored::Done);
    assert_eq!(store.letter(&letter.id).await, Ok(Some(letter.clone())));
    let sent = claimed(&letter).confirmed();
    assert_eq!(put(store, &sent, Since::Revision(1)).await, Stored::Done);
    assert_eq!(store.letter(&letter.id).await, Ok(Some(sent)));
}

async fn a_letter_replaces_the_one_that_was_read_and_no_other(store: &impl LetterStore) {
    let letter = letter("a", 7);
    let sent = claimed(&letter);
    assert_eq!(put(store, &sent, Since::Revision(1)).await, Stored::Changed, "there is none");
    assert_eq!(put(store, &letter, Since::New).await, Stored::Done);
    for since in [Since::New, Since::Revision(0), Since::Revision(2)] {
        assert_eq!(put(store, &sent, since).await, Stored::Changed, "{since:?}");
        assert_eq!(store.letter(&letter.id).await, Ok(Some(letter.clone())), "{since:?}");
    }
    assert_eq!(put(store, &sent, Since::Revision(1)).await, Stored::Done);
    assert_eq!(put(store, &sent, Since::Revision(1)).await, Stored::Changed, "the same again");
}

async fn of_many_changes_of_one_revision_one_is_done(store: &impl LetterStore) {
    let letter = letter("a", 7);
    for since in [Since::New, Since::Revision(1)] {
        let changes = (0..8).map(|row| {
            let changed =
                if since == Since::New { letter.clone() } else { letter.handled(Some(row), letter.failed_at).unwrap() };
            async move { put(store, &changed, since).await }
        });
        let results = join_all(changes).await;
        assert_eq!(results.iter().filter(|result| **result == Stored::Done).count(), 1, "{since:?}");
    }
}

/// The places of all letters of a state, page by page.
async fn paged(store: &impl LetterStore, state: State, from: Option<&str>) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), from.map(str::to_owned));
    loop {
        let page = store.page(state, after.as_deref()).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.place());
        all.extend(page.iter().map(Letter::place));
    }
}

async fn letters_are_paged_by_state_the_oldest_failure_first(store: &impl LetterStore) {
    assert_eq!(paged(store, State::Waiting, None).await, [""; 0]);
    let mut places = Vec::new();
    for number in 0..130 {
        // Some have failed at the same moment.
        let letter = letter(&number.to_string(), number * 37 % 50);
        places.push(letter.place());
        put(store, &letter, Since::New).await;
    }
    places.sort();
    assert_eq!(paged(store, State::Waiting, None).await, places);
    assert_eq!(paged(store, State::Waiting, Some(&places[64])).await, places[65..]);
    assert_eq!(paged(store, State::Waiting, Some(&places[129])).await, [""; 0]);
    assert_eq!(paged(store, State::Sent, None).await, [""; 0]);
}

async fn a_letter_that_changes_its_state_is_in_one_page_alone(store: &impl LetterStore) {
    let letter = letter("a", 7);
    put(store, &letter, Since::New).await;
    let sent = claimed(&letter);
    put(store, &sent, Since::Revision(1)).await;
    assert_eq!(paged(store, State::Waiting, None).await, [""; 0]);
    assert_eq!(paged(store, State::Sent, None).await, [letter.place()], "its place is that of the first failure");
    assert_eq!(store.page(State::Sent, None).await, Ok(vec![sent]));
}

async fn messages_are_kept_by_the_names_of_their_bodies(store: &impl LetterStore) {
    let id = letter("a", 7).id;
    let attributes = [
        ("a".to_owned(), Attribute::Text("String".to_owned(), "ü".to_owned())),
        ("b".to_owned(), Attribute::Binary("Binary.png".to_owned(), vec![0, 255])),
    ];
    let first = Message { body: "a \u{fffd} b".to_owned(), attributes: attributes.into() };
    let second = sealed("other");
    for (name, message) in [("first", &Kept::Clear(first.clone())), ("second", &second), ("second", &sealed("another"))]
    {
        assert_eq!(store.keep(&id, name, message).await, Ok(()), "twice is once");
    }
    assert_eq!(store.message(&id, "first").await, Ok(Some(Kept::Clear(first))));
    assert_eq!(store.message(&id, "second").await, Ok(Some(second)), "as it was the first time");
    assert_eq!(store.message(&id, "unknown").await, Ok(None));
    assert_eq!(store.message(&LetterId::new("let_0").unwrap(), "second").await, Ok(None));
}

fn sealed(text: &str) -> Kept {
    let key = Key::draw(&VirtualTime::new(1)).unwrap();
    Kept::Sealed { owner: "ada".to_owned(), message: seal_text(text, &key, [7; 12]).unwrap() }
}

async fn a_large_message_comes_back_whole(store: &impl LetterStore) {
    let id = letter("a", 7).id;
    // The largest that SQS takes.
    let body = "ü".repeat(512 * 1024);
    let clear = Kept::Clear(Message { body: body.clone(), attributes: BTreeMap::new() });
    for (name, message) in [("clear", &clear), ("sealed", &sealed(&body))] {
        for _ in 0..2 {
            assert_eq!(store.keep(&id, name, message).await, Ok(()));
            assert!(store.message(&id, name).await.unwrap().as_ref() == Some(message));
        }
    }
}

async fn many_letters_and_their_messages_are_found_at_once(store: &impl LetterStore) {
    let letters: Vec<Letter> = (0..130).map(|number| letter(&format!("body {number}"), number)).collect();
    let message = |letter: &Letter| {
        // Of some the message has several parts.
        let body = if letter.failed_at.as_millis() % 60 == 7 { "ü".repeat(512 * 1024) } else { letter.place() };
        Kept::Clear(Message { body, attributes: BTreeMap::new() })
    };
    for letter in letters.iter().step_by(2) {
        put(store, letter, Since::New).await;
    }
    for letter in &letters[1..] {
        assert_eq!(store.keep(&letter.id, &letter.message, &message(letter)).await, Ok(()));
    }
    // In no order, and one of them twice.
    let asked: Vec<&Letter> = (0..131).map(|number| &letters[number * 37 % 130]).collect();
    let ids: Vec<LetterId> = asked.iter().map(|letter| letter.id.clone()).collect();
    let found = store.letters_of(&ids).await.unwrap();
    let expected = |letter: &&Letter| (letter.failed_at.as_millis() % 2 == 0).then(|| (*letter).clone());
    assert_eq!(found, asked.iter().map(expected).collect::<Vec<_>>());
    let found = store.messages_of(&asked).await.unwrap();
    let expected = |letter: &&Letter| (letter.failed_at.as_millis() > 0).then(|| message(letter));
    assert!(found == asked.iter().map(expected).collect::<Vec<_>>());
    assert_eq!((store.letters_of(&[]).await, store.messages_of(&[]).await), (Ok(Vec::new()), Ok(Vec::new())));
}

async fn open_letters_are_counted_by_service_and_class(store: &(impl LetterStore + Backlog)) {
    assert_eq!(store.open_letters().await, Ok(Vec::new()));
    let groups = [
        ("pay", Class::Permanent, 1),
        ("payment", Class::Exhausted, 2),
        ("payment", Class::None, 1),
        ("payment", Class::Permanent, 40),
        ("shipping", Class::Permanent, 3),
    ];
    let mut letters = Vec::new();
    for (service, class, count) in groups {
        for number in 0..count {
            let mut arrival = arrival(&format!("{service} {class:?} {number}"), 50 - number);
            (arrival.service, arrival.class) = (service.to_owned(), class);
            let letter = Letter::collected(None, arrival.letter_id(), &arrival).unwrap();
            put(store, &letter, Since::New).await;
            letters.push(letter);
        }
    }
    let expected = |(service, class, count): (&str, Class, i64)| OpenLetters {
        service: service.to_owned(),
        class,
        count: count.try_into().unwrap(),
        oldest: Time::from_millis(51 - count),
    };
    assert_eq!(store.open_letters().await, Ok(groups.map(expected).into()));
    // What is sent is not open; what comes back is, in the class that it has then.
    for letter in letters.iter().filter(|letter| letter.service != "payment") {
        assert_eq!(put(store, &claimed(letter), Since::Revision(1)).await, Stored::Done);
    }
    let back = claimed(&letters[0]).unsendable("it is too large", Time::from_millis(99));
    assert_eq!(put(store, &back, Since::Revision(2)).await, Stored::Done);
    let dropped = letters[1].dropped("ada", "a test", Time::from_millis(99)).unwrap().unwrap();
    assert_eq!(put(store, &dropped, Since::Revision(1)).await, Stored::Done);
    let mut left: Vec<OpenLetters> = groups[..4].iter().copied().map(expected).collect();
    (left[1].count, left[1].oldest) = (1, letters[2].failed_at);
    assert_eq!(store.open_letters().await, Ok(left));
}

fn redrive(number: u32) -> Redrive {
    let id = RedriveId::new(format!("red_{number}")).unwrap();
    Redrive::new(id, "ada", Time::from_millis(number.into()), 2, true, Some(3))
}

async fn redrives_that_are_active_are_found(store: &impl JobStore) {
    let (first, second) = (redrive(1), redrive(2));
    assert_eq!(store.job::<Redrive>(first.head.id.as_str()).await, Ok(None));
    for redrive in [&second, &first] {
        assert_eq!(store.put_job(redrive, Since::New).await, Ok(Stored::Done));
        assert_eq!(store.put_job(redrive, Since::New).await, Ok(Stored::Changed));
        assert_eq!(store.job(redrive.head.id.as_str()).await, Ok(Some(redrive.clone())));
    }
    assert_eq!(store.active().await, Ok(vec![first.clone(), second.clone()]));
    let stopped = first.stopped().unwrap();
    assert_eq!(store.put_job(&stopped, Since::Revision(7)).await, Ok(Stored::Changed));
    assert_eq!(store.put_job(&stopped, Since::Revision(1)).await, Ok(Stored::Done));
    let sent = second.after(&[(Act::Send(0), Outcome::Sent)]);
    assert_eq!(store.put_job(&sent, Since::Revision(1)).await, Ok(Stored::Done));
    assert_eq!(store.active().await, Ok(vec![sent]));
}

async fn the_list_of_a_redrive_is_kept_in_parts(store: &impl PartStore) {
    let id = redrive(1).head.id;
    let letters = |from: u32| {
        (from..from + 1_000).map(|number| LetterId::new(format!("let_{number}")).unwrap()).collect::<Vec<_>>()
    };
    for part in [0, 1] {
        assert_eq!(store.keep_part(&id, part, &letters(part * 1_000)).await, Ok(()));
    }
    for part in [0, 1] {
        assert_eq!(store.part(&id, part).await, Ok(letters(part * 1_000)));
    }
    assert!(store.part(&id, 2).await.is_err());
}
