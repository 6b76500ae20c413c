//! Redrives of many letters: what they ask for, and how little one fault has to do with the letters of others.

use onewrite::FailureKind;

use super::*;

/// Calls of a redrive of 1,000 letters that are handled at once, at the most. Three of each letter are conditional writes: the claim,
/// the confirmation, and that it is handled. One by one it was 23,013 calls.
const BUDGET: [(&str, u32); 9] = [
    ("active", 4),
    // The revision of a job is read before each of its writes.
    ("job", 185),
    ("put_job", 185),
    ("part", 4),
    ("letters_of", 180),
    ("messages_of", 280),
    ("inspect", 180),
    ("put", 3_000),
    ("send", 100),
];

/// A stack with letters of these services and numbers, each of which has a queue and a function of its name.
fn with_letters_of(services: &[&str], count: u32) -> Stack {
    let stack = Stack::new();
    for service in services {
        for number in 0..count {
            let mut arrival = stack.arrival(message(number, service), None);
            (*service).clone_into(&mut arrival.service);
            arrival.destination = Destination {
                queue_url: format!("{service}-queue"),
                function: format!("{service}-function"),
                ..destination()
            };
            block_on(stack.collect(&arrival, &Pace::of(u32::MAX))).unwrap();
        }
    }
    stack
}

fn states_of(stack: &Stack, service: &str) -> BTreeMap<State, usize> {
    let mut states = BTreeMap::new();
    for letter in stack.ports.letters().into_iter().filter(|letter| letter.service == service) {
        *states.entry(letter.state).or_default() += 1;
    }
    states
}

#[test]
fn a_redrive_asks_for_many_letters_at_once() {
    let stack = Stack::with_letters(1_000);
    let id = stack.redrive(&json!({ "service": "payment" }));
    CALLS_MADE.take();
    stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    assert_eq!((stack.told(&id).head.progress, stack.told(&id).handled), (Progress::Done, 1_000));
    let made = CALLS_MADE.take();
    for (call, number) in &made {
        let most = BUDGET.iter().find(|(name, _)| name == call).map_or(1, |(_, most)| *most);
        assert!(*number <= most, "{call}: {number} times, {most} at the most: {made:?}");
    }
}

#[test]
fn letters_whose_queue_is_gone_are_parked_again_for_that_reason_and_the_others_are_sent() {
    for in_one in [true, false] {
        let stack = with_letters_of(&["gone", "payment"], 3);
        stack.ports.remove_queue("gone-queue");
        let ids: Vec<_> = stack.ports.letters().into_iter().map(|letter| letter.id).collect();
        let redrives = if in_one {
            vec![stack.redrive(&json!({ "letters": ids }))]
        } else {
            ["gone", "payment"].map(|service| stack.redrive(&json!({ "service": service }))).into()
        };
        stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
        assert_eq!(states_of(&stack, "gone"), BTreeMap::from([(State::ParkedAgain, 3)]));
        assert_eq!(stack.ports.sent().len(), 3);
        assert!(stack.ports.sent().iter().all(|(queue, _)| queue == "payment-queue"));
        for letter in stack.ports.letters().into_iter().filter(|letter| letter.service == "gone") {
            assert!(letter.reason.contains("queue is gone"), "{}", letter.reason);
            assert_eq!(letter.history.last().unwrap().why.as_deref(), Some(&*letter.reason));
        }
        let told: Vec<Redrive> = redrives.iter().map(|id| stack.told(id)).collect();
        assert_eq!(told.iter().map(|redrive| redrive.parked_again).sum::<u32>(), 3);
        assert!(in_one || told[0].head.progress == Progress::Done, "{told:?}");
    }
}

/// The stack, of which nobody may ask one function, and one queue takes nothing.
struct Forbidden<'a>(&'a MemoryOperations);

impl Queues for Forbidden<'_> {
    async fn send(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>> {
        if queue_url == "forbidden-queue" {
            return Err(Failure::new(FailureKind::Misconfigured, "SendMessageBatch: AccessDenied"));
        }
        self.0.send(queue_url, messages).await
    }

    async fn depth(&self, queue_url: &str) -> Result<Depth> {
        self.0.depth(queue_url).await
    }
}

impl Consumers for Forbidden<'_> {
    async fn inspect(&self, function: &str, inquiry: &Inquiry) -> Result<Option<Answers>> {
        if function == "forbidden-function" {
            return Err(Failure::new(FailureKind::Misconfigured, "Invoke: AccessDenied"));
        }
        self.0.inspect(function, inquiry).await
    }
}

impl Stack {
    /// Lets the redrives run for a minute without these rights.
    fn run_without_rights(&self) -> Result<()> {
        let pace = Pace::of(u32::MAX);
        let keys = self.keys(&pace);
        let followed = Followed::default();
        let runner = RedriveRunner::new(&self.ports, &keys, Forbidden(&self.ports), &self.world, &followed);
        block_on(runner.run("run_1", self.world.now().after(Duration::from_mins(1))))
    }
}

#[test]
fn a_service_that_nobody_may_ask_holds_up_no_redrive_of_another() {
    let stack = with_letters_of(&["forbidden", "payment"], 30);
    // Some of each are on their way already, some were claimed by a run that has died.
    for (index, letter) in stack.ports.letters().into_iter().enumerate() {
        let claimed = letter.claimed("red_0", "ada", stack.world.now()).unwrap();
        let claimed = if index % 2 == 0 { claimed.confirmed() } else { claimed };
        if index % 3 > 0 {
            block_on(stack.ports.put(&claimed, Since::Revision(letter.revision))).unwrap();
        }
    }
    let [forbidden, payment] = ["forbidden", "payment"].map(|service| stack.redrive(&json!({ "service": service })));
    for _ in 0..3 {
        stack.world.pass(Duration::from_mins(2));
        let failure = stack.run_without_rights().unwrap_err();
        assert!(failure.reason().contains("AccessDenied"), "the alarm is told of it: {failure}");
        for number in 0..30 {
            stack.ports.set_outlook("payment-function", "s", &number.to_string(), Outlook::Handled { row: Some(1) });
        }
    }
    assert_eq!(states_of(&stack, "payment"), BTreeMap::from([(State::Handled, 30)]));
    assert_eq!(stack.told(&payment).head.progress, Progress::Done);
    let told = stack.told(&forbidden);
    assert_eq!((told.head.progress, told.sent, told.next), (Progress::Running, 0, 0), "it goes on once it may");
    for number in 0..30 {
        stack.ports.set_outlook("forbidden-function", "s", &number.to_string(), Outlook::Handled { row: Some(1) });
    }
    // One sends what was claimed, the next looks what has become of it.
    for _ in 0..2 {
        stack.world.pass(Duration::from_mins(2));
        stack.run(&Pace::of(u32::MAX)).unwrap().unwrap();
    }
    assert_eq!(states_of(&stack, "forbidden"), BTreeMap::from([(State::Handled, 30)]));
}

/// The stack, of which one function takes four seconds for each answer; and the ids of the events that it is asked about.
struct Slow<'a>(&'a Stack, &'a RefCell<Vec<String>>);

impl Queues for Slow<'_> {
    async fn send(&self, queue_url: &str, messages: &[Message]) -> Result<Vec<Result<()>>> {
        self.0.ports.send(queue_url, messages).await
    }

    async fn depth(&self, queue_url: &str) -> Result<Depth> {
        self.0.ports.depth(queue_url).await
    }
}

impl Consumers for Slow<'_> {
    async fn inspect(&self, function: &str, inquiry: &Inquiry) -> Result<Option<Answers>> {
        if function == "slow-function" {
            self.0.world.pass(Duration::from_secs(4));
            self.1.borrow_mut().extend(inquiry.events.iter().filter_map(|event| Glimpse::of(event).id));
        }
        self.0.ports.inspect(function, inquiry).await
    }
}

/// A stack in which so many letters were sent back to a slow service, and none is handled, and three of another wait.
fn with_slow_letters(count: u32) -> Stack {
    let stack = with_letters_of(&["slow"], count);
    for letter in stack.ports.letters() {
        let sent = letter.claimed("red_0", "ada", stack.world.now()).unwrap().confirmed();
        block_on(stack.ports.put(&sent, Since::Revision(letter.revision))).unwrap();
    }
    for number in 0..3 {
        stack.park(message(number, "good"), None);
    }
    stack
}

/// Lets the redrives run for a minute while one service is slow; answers about which of its letters it was asked.
fn run_slowly(stack: &Stack, followed: &Followed) -> Vec<String> {
    let (pace, asked) = (Pace::of(u32::MAX), RefCell::default());
    let keys = stack.keys(&pace);
    let runner = RedriveRunner::new(&stack.ports, &keys, Slow(stack, &asked), &stack.world, followed);
    block_on(runner.run("run_1", stack.world.now().after(Duration::from_mins(1)))).unwrap();
    asked.take()
}

#[test]
fn many_letters_that_were_sent_to_a_slow_service_hold_up_no_redrive_of_another() {
    let stack = with_slow_letters(3_000);
    let id = stack.redrive(&json!({ "service": "payment" }));
    let begun_at = stack.world.now();
    run_slowly(&stack, &Followed::default());
    assert!(begun_at.until(stack.world.now()) < Duration::from_mins(1));
    assert_eq!((stack.told(&id).sent, stack.ports.sent().len()), (3, 3));
}

#[test]
fn of_many_letters_that_were_sent_to_a_slow_service_each_has_its_turn() {
    let stack = with_slow_letters(60);
    let (followed, mut asked) = (Followed::default(), BTreeMap::<String, u32>::new());
    let mut runs = 0;
    while asked.len() < 60 {
        let of_run = run_slowly(&stack, &followed);
        assert!((15..30).contains(&of_run.len()), "{}", of_run.len());
        for letter in of_run {
            *asked.entry(letter).or_default() += 1;
        }
        runs += 1;
        assert!(runs < 10, "{} letters were looked at in {runs} runs", asked.len());
    }
    let again = asked.values().filter(|times| **times > 1).count();
    assert!(again < 15, "those come last that were looked at: {again}");
    // Those that are behind the end are followed by those before it.
    for _ in 0..runs {
        for letter in run_slowly(&stack, &followed) {
            *asked.entry(letter).or_default() += 1;
        }
    }
    assert!(asked.values().all(|times| *times > 1));
}

#[test]
fn a_redrive_of_a_slow_service_holds_up_none_of_another() {
    let stack = with_letters_of(&["slow"], 1_000);
    let slow = stack.redrive(&json!({ "service": "slow" }));
    stack.world.pass(Duration::from_secs(1));
    for number in 0..3 {
        stack.park(message(number, "good"), None);
    }
    let payment = stack.redrive(&json!({ "service": "payment" }));
    run_slowly(&stack, &Followed::default());
    assert!(stack.told(&slow).sent > 0);
    assert_eq!(stack.told(&payment).sent, 3);
}
