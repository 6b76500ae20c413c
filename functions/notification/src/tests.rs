//! The whole service on ports in memory: who is told what, and how often.

use std::cell::Cell;
use std::time::Duration;

use onewrite::memory::{MemoryLeases, MemoryLog, VirtualTime};
use onewrite::port::{Acquired, Clock as _, Leases};
use onewrite::{Delivery, Failure, FailureKind, Handle, Handled, Ledger, Process, Result};
use orderflow_events::{Event, EventType, Payload, Time};

use crate::fixture::{consumed, contact, created, created_with_phone, event, inventory_reserved};
use crate::{MailError, MemoryMailer, MemorySms, Messenger, Notification, SmsError};

/// Time that an invocation may take, and so the time that a lease is held.
const INVOCATION: Duration = Duration::from_secs(10);

/// Notification on ports in memory.
struct Service {
    world: VirtualTime,
    log: MemoryLog,
    leases: FragileLeases,
    mailer: MemoryMailer,
    sms: MemorySms,
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

    async fn complete(&self, key: &str, owner: &str) -> Result<bool> {
        if self.hangs.get() {
            std::future::pending::<()>().await;
        }
        if self.fails.get() {
            return Err(Failure::transient("the table is down"));
        }
        self.leases.complete(key, owner).await
    }

    async fn release(&self, key: &str, owner: &str) -> Result<()> {
        self.leases.release(key, owner).await
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
        }
    }

    async fn handle(&self, event: &Event) -> Result<Handled> {
        let messenger = Messenger::new(&self.mailer, &self.sms, &self.leases, &self.world);
        let process = Process::<Notification, _, _, _>::new(Ledger::new(&self.log, &self.world), messenger);
        let delivery = Delivery { text: "", deadline: self.world.now().after(INVOCATION) };
        process.handle(event, &delivery).await
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

#[tokio::test]
async fn every_message_goes_out_once_on_each_channel_however_often_its_event_comes() {
    let service = Service::new();
    for event in consumed() {
        for _ in 0..3 {
            assert_eq!(service.handle(&event).await, Ok(Handled::Performed), "{}", event.event_type());
        }
    }
    for event in consumed() {
        service.handle(&event).await.unwrap();
    }
    let subjects = [
        "Thank you for your order ord_1",
        "We have your payment for order ord_1",
        "Your payment for order ord_1 was declined",
        "Your refund for order ord_1",
        "Your order ord_1 is on its way",
        "Your order ord_1 is cancelled",
    ];
    assert_eq!(service.sent(), (subjects.map(str::to_owned).to_vec(), 6));
    assert!(service.mailer.sent().iter().all(|(recipient, _)| *recipient == contact().email));
    assert!(service.sms.sent().iter().all(|(recipient, _)| recipient.as_str() == "+4930123456"));
    assert_eq!(service.log.published::<Payload>(), []);
}

#[tokio::test]
async fn an_event_of_an_unknown_order_comes_again() {
    let service = Service::new();
    let failure = service.handle(&event(EventType::PaymentProcessed)).await.unwrap_err();
    assert_eq!(failure, Failure::transient("too early: the customer is not known yet"));
    service.assert_sent(0, 0);
}

#[tokio::test]
async fn a_second_creation_is_refused_and_not_told() {
    let service = Service::new();
    let (first, mut second) = (created(), created());
    second.context.id = event(EventType::PaymentFailed).context.id;
    service.handle(&first).await.unwrap();
    assert_eq!(service.handle(&second).await.unwrap_err().kind(), FailureKind::Permanent);
    service.assert_sent(1, 1);
    service.handle(&event(EventType::OrderCancelled)).await.unwrap();
    assert_eq!(service.handle(&second).await.unwrap_err().kind(), FailureKind::Permanent);
    service.assert_sent(2, 2);
}

#[tokio::test]
async fn after_a_cancellation_a_late_success_is_not_told() {
    let service = Service::new();
    for event in [created(), event(EventType::OrderCancelled), event(EventType::ShipmentCreated)] {
        service.handle(&event).await.unwrap();
    }
    service.handle(&event(EventType::PaymentRefunded)).await.unwrap();
    assert_eq!(service.handle(&inventory_reserved()).await, Ok(Handled::Ignored));
    let subjects = ["Thank you for your order ord_1", "Your order ord_1 is cancelled", "Your refund for order ord_1"];
    assert_eq!(service.sent(), (subjects.map(str::to_owned).to_vec(), 3));
}

#[tokio::test]
async fn a_success_that_could_not_be_told_before_the_cancellation_is_not_told_after_it() {
    let service = Service::new();
    service.handle(&created()).await.unwrap();
    let paid = event(EventType::PaymentProcessed);
    service.mailer.fail_next(MailError::Paused);
    service.sms.fail_next(SmsError::Other(Failure::transient("down")));
    assert_eq!(service.handle(&paid).await.unwrap_err().kind(), FailureKind::Misconfigured);
    service.handle(&event(EventType::OrderCancelled)).await.unwrap();
    assert_eq!(service.handle(&paid).await, Ok(Handled::Unchanged));
    let subjects = ["Thank you for your order ord_1", "Your order ord_1 is cancelled"];
    assert_eq!(service.sent(), (subjects.map(str::to_owned).to_vec(), 2));
}

#[tokio::test]
async fn a_crash_between_sending_and_recording_repeats_the_message_once_after_the_lease() {
    for opening in [created(), event(EventType::OrderCancelled)] {
        let service = Service::new();
        if opening.event_type() != EventType::OrderCreated {
            service.handle(&created()).await.unwrap();
        }
        let before = service.mailer.sent().len();

        service.leases.hangs.set(true);
        service.die_while_handling(&opening).await;
        service.leases.hangs.set(false);
        service.assert_sent(before + 1, before + 1);

        // The dead attempt may still be at work for all that others know.
        let failure = service.handle(&opening).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Transient);
        service.assert_sent(before + 1, before + 1);

        service.world.pass(INVOCATION);
        for _ in 0..3 {
            service.handle(&opening).await.unwrap();
        }
        service.assert_sent(before + 2, before + 2);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_recorded_as_sent_is_repeated_once_after_the_lease() {
    let service = Service::new();
    service.leases.fails.set(true);
    let failure = service.handle(&created()).await.unwrap_err();
    assert_eq!(failure, Failure::transient("email: the table is down; sms: the table is down"));
    service.leases.fails.set(false);
    service.world.pass(INVOCATION);
    for _ in 0..3 {
        service.handle(&created()).await.unwrap();
    }
    service.assert_sent(2, 2);
}

#[tokio::test]
async fn a_channel_that_fails_neither_stops_nor_repeats_the_other() {
    let service = Service::new();
    service.mailer.fail_next(MailError::Paused);
    let failure = service.handle(&created()).await.unwrap_err();
    assert_eq!(failure, Failure::new(FailureKind::Misconfigured, "email: sending is paused"));
    service.assert_sent(0, 1);
    service.world.pass(INVOCATION);
    service.handle(&created()).await.unwrap();
    service.assert_sent(1, 1);

    let paid = event(EventType::PaymentProcessed);
    service.sms.fail_next(SmsError::Other(Failure::transient("down")));
    assert_eq!(service.handle(&paid).await.unwrap_err(), Failure::transient("sms: down"));
    service.assert_sent(2, 1);
    service.world.pass(INVOCATION);
    service.handle(&paid).await.unwrap();
    service.assert_sent(2, 2);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_even_if_the_other_channel_failed_for_ever() {
    let service = Service::new();
    service.mailer.fail_next(MailError::Other(Failure::transient("down")));
    service.sms.fail_next(SmsError::Refused("InvalidParameter".to_owned()));
    let failure = service.handle(&created()).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::transient("email: down; sms: the number or the message was refused (InvalidParameter)")
    );
    service.world.pass(INVOCATION);
    service.sms.fail_next(SmsError::Refused("InvalidParameter".to_owned()));
    assert_eq!(service.handle(&created()).await.unwrap_err().kind(), FailureKind::Permanent);
    service.assert_sent(1, 0);
}

#[tokio::test]
async fn a_customer_without_a_number_of_e164_gets_mails_only() {
    for phone in [None, Some("030 123456")] {
        let service = Service::new();
        service.handle(&created_with_phone(phone)).await.unwrap();
        service.handle(&event(EventType::ShipmentCreated)).await.unwrap();
        service.assert_sent(2, 0);
    }
}
