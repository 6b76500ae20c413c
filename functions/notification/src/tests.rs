//! The whole service on ports in memory: who is told what, and how often.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use onewrite::link::Links;
use onewrite::memory::{MemoryKeys, MemoryLeases, MemoryLinkKeys, MemoryLog, VirtualTime};
use onewrite::personal::{KeyRing, Keys as _};
use onewrite::port::{Acquired, Allowances, Clock as _, DoneParts, Leases, NextOfLease};
use onewrite::{Delivery, Failure, FailureKind, Handle, Handled, Ledger, Process, Result};
use orderflow_events::{Event, EventType, Payload, Text, Time, guest_of};

use crate::fixture::{
    consumed, created, created_by_guest, created_with_phone, event, key, order, payment_processed, person,
};
use crate::{
    Countries, Limits, LinkSettings, MailError, MailLinks, MemoryMailer, MemorySms, Messenger, Notification, Number,
    Pacing, ShopUrl, SmsError,
};

/// Time that an invocation may take, and so the time that a lease is held.
const INVOCATION: Duration = Duration::from_secs(10);

/// Notification on ports in memory.
struct Service {
    world: VirtualTime,
    log: MemoryLog,
    leases: FragileLeases,
    mailer: MemoryMailer,
    sms: MemorySms,
    sms_countries: Countries,
    keys: MemoryLinkKeys,
    customers: MemoryKeys,
    has_links: bool,
    shop_url: ShopUrl,
    limits: Limits,
    mails_per_second: u32,
}

/// Leases that may never get to know that an effect was done.
#[derive(Default)]
struct FragileLeases {
    leases: MemoryLeases,
    hangs: Cell<bool>,
    fails: Cell<bool>,
}

impl Leases for FragileLeases {
    async fn acquire(&self, key: &str, owner: &str, now: Time, until: Time) -> Result<Acquired> {
        self.leases.acquire(key, owner, now, until).await
    }

    async fn record(&self, key: &str, owner: &str, done: &BTreeSet<&'static str>, next: NextOfLease) -> Result<bool> {
        if self.hangs.get() {
            std::future::pending::<()>().await;
        }
        if self.fails.get() {
            return Err(Failure::transient("the table is down"));
        }
        self.leases.record(key, owner, done, next).await
    }

    async fn done(&self, key: &str) -> Result<DoneParts> {
        self.leases.done(key).await
    }
}

impl Allowances for FragileLeases {
    async fn admit(&self, key: &str, member: &str, most: u32, expires: Time) -> Result<bool> {
        self.leases.admit(key, member, most, expires).await
    }
}

impl Service {
    fn new() -> Self {
        Self {
            world: VirtualTime::new(1),
            log: MemoryLog::default(),
            leases: FragileLeases::default(),
            mailer: MemoryMailer::default(),
            sms: MemorySms::default(),
            sms_countries: Countries(vec!["DE".parse().unwrap(), "US".parse().unwrap()]),
            keys: MemoryLinkKeys::new("a"),
            customers: MemoryKeys::default(),
            has_links: true,
            shop_url: ShopUrl::default(),
            limits: Limits { mails: Number(20), texts: Number(5) },
            mails_per_second: 1_000,
        }
    }

    /// The service, and an order that it knows.
    async fn met(created: &Event) -> Self {
        let service = Self::new();
        for customer in ["c1".to_owned(), guest_of(&order()).to_string()] {
            service.customers.find_or_create(&customer, &key(), service.world.now()).await.unwrap();
        }
        assert_eq!(service.handle(created).await, Ok(Handled::Changed));
        service
    }

    fn process(&self) -> impl Handle<Incoming = Event> {
        let (pacing, countries) = (Pacing::new(self.mails_per_second, 1), self.sms_countries.clone());
        let customers = KeyRing::new(&self.customers, &self.world);
        let messenger =
            Messenger::new(&self.mailer, pacing, &self.sms, countries, &self.leases, customers, &self.world);
        let text = |text: &str| Text::new(text).unwrap();
        let links = LinkSettings { secret: text("arn"), days: Number(90), shop_url: text("https://shop.example/") };
        let messenger =
            messenger.with_limits(self.limits).with_links(self.has_links.then(|| MailLinks::new(&links, &self.keys)));
        let messenger = messenger.with_shop(self.shop_url.clone());
        Process::<Notification, _, _, _>::new(Ledger::new(&self.log, &self.world), messenger)
    }

    async fn handle(&self, event: &Event) -> Result<Handled> {
        let delivery = Delivery { text: "", deadline: self.world.now().after(INVOCATION) };
        self.process().handle(event, &delivery).await
    }

    /// True if nothing is left to be done about the event.
    async fn is_settled(&self, event: &Event) -> bool {
        self.process().outlook(event).await.unwrap().is_settled()
    }

    /// Begins to handle `event`, and dies when it has to wait.
    async fn die_while_handling(&self, event: &Event) {
        tokio::select! {
            biased;
            _ = self.handle(event) => panic!("it should be dead"),
            () = std::future::ready(()) => {}
        }
    }

    /// The subjects of the mails, and the number of short messages.
    fn sent(&self) -> (Vec<String>, usize) {
        let subjects = self.mailer.sent().into_iter().map(|(_, mail)| mail.subject).collect();
        (subjects, self.sms.sent().len())
    }

    #[track_caller]
    fn assert_sent(&self, mails: usize, texts: usize) {
        assert_eq!((self.mailer.sent().len(), self.sms.sent().len()), (mails, texts), "{:?}", self.sent());
    }
}

fn reserved() -> Event {
    event(EventType::InventoryReserved)
}

fn shipped() -> Event {
    event(EventType::ShipmentCreated)
}

fn cancelled() -> Event {
    event(EventType::OrderCancelled)
}

#[tokio::test]
async fn every_message_goes_out_once_on_each_channel_however_often_its_event_comes() {
    let service = Service::met(&created()).await;
    for event in [reserved(), shipped(), cancelled()] {
        for _ in 0..3 {
            assert_eq!(service.handle(&event).await, Ok(Handled::Performed), "{}", event.event_type());
        }
    }
    for event in consumed() {
        service.handle(&event).await.unwrap();
    }
    let subjects = [
        "Thank you for your order ord_1",
        "Your order ord_1 is on its way",
        "Your order ord_1 is cancelled",
        "We have received your withdrawal from order ord_1",
    ];
    assert_eq!(service.sent(), (subjects.map(str::to_owned).to_vec(), 4));
    assert!(service.mailer.sent().iter().all(|(recipient, _)| *recipient == person().email));
    assert!(service.sms.sent().iter().all(|(recipient, _)| recipient.as_str() == "+4930123456"));
    assert_eq!(service.log.published::<Payload>(), []);
}

#[tokio::test]
async fn whether_a_customer_was_told_is_known_though_no_row_says_so() {
    let service = Service::met(&created()).await;
    for event in [reserved(), shipped(), cancelled()] {
        assert!(!service.is_settled(&event).await, "{}", event.event_type());
        service.handle(&event).await.unwrap();
        assert!(service.is_settled(&event).await, "{}", event.event_type());
    }
    service.assert_sent(3, 3);
}

/// Of two events at once one puts on record that the customer is not reached by mail, and the other has nothing to add.
#[tokio::test]
async fn an_event_whose_mail_reaches_nobody_is_settled_once_its_short_message_is_gone() {
    let service = Service::met(&created()).await;
    service.mailer.fail_next(MailError::Unreachable("InvalidParameterValue".to_owned()));
    service.handle(&reserved()).await.unwrap();
    assert!(!service.is_settled(&shipped()).await);
    let context = shipped().context;
    let (key, now) = (format!("{}#{}", context.source, context.id), service.world.now());
    service.leases.acquire(&key, "other", now, now.after(INVOCATION)).await.unwrap();
    assert!(!service.is_settled(&shipped()).await);
    service.leases.record(&key, "other", &BTreeSet::from(["sms"]), NextOfLease::Released).await.unwrap();
    assert!(service.is_settled(&shipped()).await);
}

#[tokio::test]
async fn nobody_is_told_of_what_is_older_than_the_leases_are_kept() {
    let service = Service::met(&created()).await;
    let age = |days: u64| {
        let mut event = reserved();
        let now = service.world.now().as_millis();
        event.context.time = Time::from_millis(now - i64::try_from(days).unwrap() * 86_400_000);
        event
    };
    assert!(service.is_settled(&age(41)).await);
    assert_eq!(service.handle(&age(41)).await, Ok(Handled::Performed));
    service.assert_sent(0, 0);
    assert!(!service.is_settled(&age(39)).await);
    service.handle(&age(39)).await.unwrap();
    service.assert_sent(1, 1);
}

/// Not before there are goods, and not about the payment.
#[tokio::test]
async fn nothing_is_told_of_an_order_until_its_goods_are_reserved() {
    let service = Service::met(&created()).await;
    service.handle(&created()).await.unwrap();
    assert_eq!(service.handle(&payment_processed()).await, Ok(Handled::Ignored));
    service.assert_sent(0, 0);
    service.handle(&reserved()).await.unwrap();
    service.assert_sent(1, 1);
}

#[tokio::test]
async fn an_event_of_an_unknown_order_comes_again() {
    let service = Service::new();
    let failure = service.handle(&reserved()).await.unwrap_err();
    assert_eq!(failure, Failure::transient("too early: the customer is not known yet"));
    service.assert_sent(0, 0);
}

#[tokio::test]
async fn a_second_creation_is_refused() {
    let (first, mut second) = (created(), created());
    second.context.id = reserved().context.id;
    let service = Service::met(&first).await;
    assert_eq!(service.handle(&second).await.unwrap_err().kind(), FailureKind::Permanent);
    service.handle(&cancelled()).await.unwrap();
    assert_eq!(service.handle(&second).await.unwrap_err().kind(), FailureKind::Permanent);
    service.assert_sent(1, 1);
}

#[tokio::test]
async fn after_a_cancellation_a_late_success_is_not_told() {
    let service = Service::met(&created()).await;
    for event in [cancelled(), reserved(), shipped()] {
        service.handle(&event).await.unwrap();
    }
    assert_eq!(service.sent(), (vec!["Your order ord_1 is cancelled".to_owned()], 1));
}

#[tokio::test]
async fn a_success_that_could_not_be_told_before_the_cancellation_is_not_told_after_it() {
    let service = Service::met(&created()).await;
    service.mailer.fail_next(MailError::Paused);
    service.sms.fail_next(SmsError::Other(Failure::transient("down")));
    assert_eq!(service.handle(&reserved()).await.unwrap_err().kind(), FailureKind::Misconfigured);
    service.handle(&cancelled()).await.unwrap();
    assert_eq!(service.handle(&reserved()).await, Ok(Handled::Unchanged));
    assert_eq!(service.sent(), (vec!["Your order ord_1 is cancelled".to_owned()], 1));
}

#[tokio::test]
async fn a_crash_between_sending_and_recording_repeats_the_message_once_after_the_lease() {
    for told in [reserved(), cancelled()] {
        let service = Service::met(&created()).await;
        service.leases.hangs.set(true);
        service.die_while_handling(&told).await;
        service.leases.hangs.set(false);
        service.assert_sent(1, 1);

        // The dead attempt may still be at work for all that others know.
        let failure = service.handle(&told).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Transient);
        service.assert_sent(1, 1);

        service.world.pass(INVOCATION);
        for _ in 0..3 {
            service.handle(&told).await.unwrap();
        }
        service.assert_sent(2, 2);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_recorded_as_sent_is_repeated_once_after_the_lease() {
    let service = Service::met(&created()).await;
    service.leases.fails.set(true);
    let failure = service.handle(&reserved()).await.unwrap_err();
    assert_eq!(failure, Failure::transient("the table is down"));
    service.leases.fails.set(false);
    service.world.pass(INVOCATION);
    for _ in 0..3 {
        service.handle(&reserved()).await.unwrap();
    }
    service.assert_sent(2, 2);
}

#[tokio::test]
async fn a_channel_that_fails_neither_stops_nor_repeats_the_other() {
    let service = Service::met(&created()).await;
    service.mailer.fail_next(MailError::Paused);
    let failure = service.handle(&reserved()).await.unwrap_err();
    assert_eq!((failure.kind(), failure.reason()), (FailureKind::Misconfigured, "email: sending is paused"));
    service.assert_sent(0, 1);
    service.world.pass(INVOCATION);
    service.handle(&reserved()).await.unwrap();
    service.assert_sent(1, 1);

    service.sms.fail_next(SmsError::Other(Failure::transient("down")));
    assert_eq!(service.handle(&shipped()).await.unwrap_err(), Failure::transient("sms: down"));
    service.assert_sent(2, 1);
    service.world.pass(INVOCATION);
    service.handle(&shipped()).await.unwrap();
    service.assert_sent(2, 2);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_even_if_the_other_channel_reaches_nobody() {
    let service = Service::met(&created()).await;
    for _ in 0..2 {
        service.sms.fail_next(SmsError::Unreachable("InvalidParameter".to_owned()));
    }
    service.mailer.fail_next(MailError::Other(Failure::transient("down")));
    assert_eq!(service.handle(&reserved()).await.unwrap_err(), Failure::transient("email: down"));
    assert_eq!(service.handle(&reserved()).await, Ok(Handled::Changed));
    assert_eq!(service.handle(&reserved()).await, Ok(Handled::Duplicate));
    service.assert_sent(1, 0);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_what_it_says_is_a_dead_letter() {
    let service = Service::met(&created()).await;
    service.mailer.fail_next(MailError::Refused("MessageRejected".to_owned()));
    let failure = service.handle(&reserved()).await.unwrap_err();
    assert_eq!(failure, Failure::permanent("email: the mail was refused (MessageRejected)"));
}

#[tokio::test]
async fn a_mail_that_was_too_fast_waits_in_place() {
    let service = Service::met(&created()).await;
    for _ in 0..3 {
        service.mailer.fail_next(MailError::TooFast);
    }
    let begin = service.world.now();
    assert_eq!(service.handle(&reserved()).await, Ok(Handled::Performed));
    assert_eq!(begin.until(service.world.now()), Duration::from_secs(3));
    service.assert_sent(1, 1);
}

#[tokio::test]
async fn a_mail_that_stays_too_fast_is_left_to_a_later_attempt_and_the_short_message_is_not() {
    let service = Service::met(&created()).await;
    for _ in 0..20 {
        service.mailer.fail_next(MailError::TooFast);
    }
    let failure = service.handle(&reserved()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Deferred);
    service.assert_sent(0, 1);
    service.world.pass(INVOCATION);
    service.handle(&reserved()).await.unwrap_err();
    service.assert_sent(0, 1);
}

#[tokio::test]
async fn who_cannot_be_reached_is_an_outcome_and_not_tried_again() {
    let service = Service::met(&created()).await;
    service.mailer.fail_next(MailError::Unreachable("InvalidParameterValue".to_owned()));
    service.sms.fail_next(SmsError::Unreachable("OptedOut".to_owned()));
    assert_eq!(service.handle(&reserved()).await, Ok(Handled::Changed));
    for event in [reserved(), shipped(), cancelled()] {
        service.handle(&event).await.unwrap();
    }
    service.assert_sent(0, 0);

    let service = Service::met(&created()).await;
    service.mailer.fail_next(MailError::Unreachable("InvalidParameterValue".to_owned()));
    for event in [cancelled(), cancelled()] {
        service.handle(&event).await.unwrap();
    }
    service.assert_sent(0, 1);
}

/// Nobody can open to whom it should go: nothing is sent, nothing is parked, and nobody looks for them again.
#[tokio::test]
async fn a_customer_who_is_erased_is_told_nothing_and_that_is_an_outcome() {
    for (before, first, later) in
        [(vec![], reserved(), shipped()), (vec![reserved()], shipped(), cancelled()), (vec![], cancelled(), reserved())]
    {
        let service = Service::met(&created()).await;
        for event in &before {
            service.handle(event).await.unwrap();
        }
        assert!(service.customers.erase("c1").await.unwrap());
        for event in &before {
            assert!(service.is_settled(event).await, "they were told when somebody knew them still");
        }
        assert!(!service.is_settled(&first).await, "the outcome is not on record yet");
        assert_eq!(service.handle(&first).await, Ok(Handled::Changed), "the outcome is on record");
        let looked_for = service.customers.finds();
        for event in [first, later] {
            service.handle(&event).await.unwrap();
            assert!(service.is_settled(&event).await, "{}", event.event_type());
        }
        assert_eq!(service.customers.finds(), looked_for);
        service.assert_sent(before.len(), before.len());
    }
}

/// The lease is not done by what was not sent, so that the outcome is found out again.
#[tokio::test]
async fn a_crash_before_an_outcome_is_on_record_loses_nothing() {
    let service = Service::met(&created()).await;
    for _ in 0..2 {
        service.mailer.fail_next(MailError::Unreachable("InvalidParameterValue".to_owned()));
    }
    service.leases.hangs.set(true); // The short message is sent, and never recorded.
    service.die_while_handling(&reserved()).await;
    service.leases.hangs.set(false);
    service.world.pass(INVOCATION);
    assert_eq!(service.handle(&reserved()).await, Ok(Handled::Changed));
    service.assert_sent(0, 2);
}

#[tokio::test]
async fn short_messages_go_to_numbers_of_the_countries_that_get_them() {
    for (phone, number) in [
        (Some("+49 (0)30 123456"), Some("+4930123456")),
        (Some("+1 (555) 123-0001"), Some("+15551230001")),
        (Some("0044 20 7946 0000"), None),
        (Some("+1 900 555 1234"), None),
        (Some("+999"), None),
        (None, None),
    ] {
        let service = Service::met(&created_with_phone(phone)).await;
        service.handle(&reserved()).await.unwrap();
        let sent = service.sms.sent().first().map(|(number, _)| number.as_str().to_owned());
        assert_eq!(sent.as_deref(), number, "{phone:?}");
        assert_eq!(service.mailer.sent().len(), 1, "{phone:?}");
    }
}

#[tokio::test]
async fn a_phone_that_is_none_is_on_record_where_short_messages_are_on() {
    for (countries, handled) in [(vec![], Handled::Performed), (vec!["DE".parse().unwrap()], Handled::Changed)] {
        let mut service = Service::met(&created_with_phone(Some("+999"))).await;
        service.sms_countries = Countries(countries);
        assert_eq!(service.handle(&reserved()).await, Ok(handled));
        assert_eq!(service.handle(&shipped()).await, Ok(Handled::Performed));
        service.assert_sent(2, 0);
    }
}

/// The links of all mails that were sent.
fn links_of(service: &Service) -> Vec<String> {
    let mails = service.mailer.sent();
    mails
        .iter()
        .flat_map(|(_, mail)| mail.text.lines().filter(|line| line.contains("access=")).map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn each_mail_to_a_guest_has_a_link_that_counts_from_then_on() {
    let service = Service::met(&created_by_guest()).await;
    service.world.pass(Duration::from_hours(1));
    for event in [reserved(), cancelled()] {
        service.handle(&event).await.unwrap();
    }
    let links = links_of(&service);
    assert_eq!(links.len(), 2);
    for link in links {
        let access = link.strip_prefix("https://shop.example/orders/ord_1?access=").unwrap();
        let now = service.world.now();
        let verified = Links::new(&service.keys, Duration::ZERO).verify(access, "ord_1", now).await.unwrap().unwrap();
        assert_eq!((verified.issued_at, verified.expires_at), (now, now.after(Duration::from_hours(90 * 24))));
    }
    assert!(service.sms.sent().iter().all(|(_, text)| !text.contains("access")), "it would not fit");
    assert_eq!(service.keys.fetches(), 4, "by each attempt's own function, and by the test");
}

#[tokio::test]
async fn the_mail_about_the_shipment_says_where_to_withdraw() {
    let page = "https://shop.example/orders/ord_1/withdrawal";
    for (created, shop_url, expected) in [
        (created_by_guest(), None, Some(true)),
        (created(), Some("https://shop.example/"), Some(false)),
        (created(), None, None),
    ] {
        let shop_url = ShopUrl(shop_url.map(|url| Text::new(url).unwrap()));
        let service = Service { shop_url, ..Service::met(&created).await };
        for event in [reserved(), shipped()] {
            service.handle(&event).await.unwrap();
        }
        let mails = service.mailer.sent();
        let pages: Vec<Vec<&str>> =
            mails.iter().map(|(_, mail)| mail.text.lines().filter(|line| line.starts_with(page)).collect()).collect();
        assert_eq!(pages[0], [""; 0], "goods that have not left are cancelled");
        let has_access = pages[1].first().map(|line| line.starts_with(&format!("{page}?access=")));
        assert_eq!((has_access, pages[1].len()), (expected, usize::from(expected.is_some())));
    }
}

#[tokio::test]
async fn nobody_else_gets_a_link_and_no_key_is_asked_for() {
    for (created, has_links) in [(created(), true), (created_by_guest(), false)] {
        let service = Service { has_links, ..Service::met(&created).await };
        service.handle(&reserved()).await.unwrap();
        assert_eq!((service.mailer.sent().len(), links_of(&service).len(), service.keys.fetches()), (1, 0, 0));
    }
}

#[tokio::test]
async fn a_mail_waits_for_the_keys_of_its_link() {
    let service = Service::met(&created_by_guest()).await;
    service.keys.set_down(true);
    let failure = service.handle(&reserved()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure}");
    assert_eq!(service.mailer.sent().len(), 0);
    service.keys.set_down(false);
    service.world.pass(INVOCATION);
    service.handle(&reserved()).await.unwrap();
    assert_eq!((service.mailer.sent().len(), links_of(&service).len()), (1, 1));
}

/// Nobody is told more in a day, which is on record and no dead letter; and the next day is another.
#[tokio::test]
async fn a_recipient_gets_so_many_messages_in_a_day() {
    let limits = Limits { mails: Number(2), texts: Number(1) };
    let service = Service { limits, ..Service::met(&created()).await };
    assert_eq!(service.handle(&reserved()).await, Ok(Handled::Performed));
    assert_eq!(service.handle(&shipped()).await, Ok(Handled::Changed), "the short message is limited");
    service.assert_sent(2, 1);
    let withdrawn = event(EventType::ReturnRequested);
    assert!(!service.is_settled(&withdrawn).await);
    assert_eq!(service.handle(&withdrawn).await, Ok(Handled::Changed), "and now the mail is, too");
    assert!(service.is_settled(&withdrawn).await);
    for event in [reserved(), shipped(), withdrawn] {
        service.handle(&event).await.unwrap();
    }
    service.assert_sent(2, 1);
    service.world.pass(Duration::from_hours(24));
    assert_eq!(service.handle(&cancelled()).await, Ok(Handled::Performed));
    service.assert_sent(3, 2);
}

/// A message is one of the day's, however often it is tried, and whatever becomes of it.
#[tokio::test]
async fn a_message_that_is_tried_again_takes_one_place() {
    let limits = Limits { mails: Number(2), texts: Number(2) };
    let service = Service { limits, ..Service::met(&created()).await };
    for _ in 0..5 {
        service.mailer.fail_next(MailError::Other(Failure::transient("down")));
        assert_eq!(service.handle(&reserved()).await.unwrap_err().kind(), FailureKind::Transient);
    }
    for event in [reserved(), shipped()] {
        assert_eq!(service.handle(&event).await, Ok(Handled::Performed));
    }
    service.assert_sent(2, 2);
}

#[tokio::test]
async fn who_has_had_enough_takes_nobodys_turn() {
    let limits = Limits { mails: Number(1), texts: Number(5) };
    let service = Service { limits, mails_per_second: 1, ..Service::met(&created()).await };
    let process = service.process();
    let begin = service.world.now();
    let delivery = Delivery { text: "", deadline: begin.after(INVOCATION) };
    process.handle(&reserved(), &delivery).await.unwrap();
    for _ in 0..3 {
        let mut again = shipped();
        again.context.id = cancelled().context.id;
        process.handle(&again, &delivery).await.unwrap();
    }
    assert_eq!(begin.until(service.world.now()), Duration::from_secs(1), "the first of them has waited for its turn");
    service.assert_sent(1, 2);
}

/// That which lasts is recorded first, and that which is limited after it.
#[tokio::test]
async fn a_mail_that_reaches_nobody_and_a_short_message_that_is_one_too_many_are_both_on_record() {
    let limits = Limits { mails: Number(20), texts: Number(1) };
    let service = Service { limits, ..Service::met(&created()).await };
    service.handle(&reserved()).await.unwrap();
    service.mailer.fail_next(MailError::Unreachable("InvalidParameterValue".to_owned()));
    assert_eq!(service.handle(&shipped()).await, Ok(Handled::Changed));
    assert_eq!(service.handle(&shipped()).await, Ok(Handled::Duplicate));
    service.assert_sent(1, 1);
    assert!(service.is_settled(&shipped()).await);
}
