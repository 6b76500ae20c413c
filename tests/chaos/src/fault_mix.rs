//! Fault mix: which calls fail, and how, drawn from a seed.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use fastrand::Rng;
use orderflow_tests::{AwsService, Call};
use tokio::time::Instant;

use crate::call::{Trouble, may_conflict, mentions};

/// Delay of an answer that comes too late: the functions wait two seconds for each attempt.
const TOO_LATE: Duration = Duration::from_millis(2_500);

/// Fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It arrives late.
    Delayed(Duration),
    /// It does not arrive, and there is no answer.
    NotDelivered,
    /// It is done, and there is no answer.
    AnswerLost,
    /// It is done, and half of the answer comes.
    AnswerCut,
    /// It is done, and the answer comes when nobody waits for it any more.
    AnswerLate(Duration),
    /// It is done twice, and one of the two answers comes.
    DoneTwice,
    /// It is not done, and the service says so.
    Refused(Trouble),
    /// One entry of its batch is not done, and the answer says so, with status 200.
    DoneInPart,
    /// The caller is killed before it is done.
    KilledBefore,
    /// The caller is killed when it is done, before there is an answer.
    KilledAfter,
}

impl Fault {
    /// Its name in the summary.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Delayed(_) => "call delayed",
            Self::NotDelivered => "call lost",
            Self::AnswerLost => "answer lost",
            Self::AnswerCut => "answer cut off",
            Self::AnswerLate(_) => "answer too late",
            Self::DoneTwice => "call executed twice",
            Self::Refused(Trouble::Throttled) => "throttled",
            Self::Refused(Trouble::Broken) => "status 500",
            Self::Refused(Trouble::Conflict) => "transaction conflict",
            Self::DoneInPart => "batch done in part",
            Self::KilledBefore => "killed at a call, before it was done",
            Self::KilledAfter => "killed at a call, after it was done",
        }
    }

    fn can_happen_to(self, call: &Call) -> bool {
        match self {
            Self::Refused(Trouble::Conflict) => may_conflict(call),
            // What is sent to a connection nobody repeats, and neither does the wire.
            Self::DoneTwice => call.service != AwsService::Connections,
            Self::DoneInPart => (call.service, call.operation.as_str()) == (AwsService::Sns, "PublishBatch"),
            _ => true,
        }
    }
}

/// Frequency of each fault: of 10,000 calls that it can happen to. All together it is about one call in nine.
fn likely(rng: &mut Rng) -> [(Fault, u32); 12] {
    let delay = Duration::from_millis(rng.u64(5..200));
    [
        (Fault::Delayed(delay), 300),
        (Fault::NotDelivered, 100),
        (Fault::AnswerLost, 150),
        (Fault::AnswerCut, 50),
        (Fault::AnswerLate(TOO_LATE), 10),
        (Fault::DoneTwice, 150),
        (Fault::Refused(Trouble::Throttled), 150),
        (Fault::Refused(Trouble::Broken), 100),
        (Fault::Refused(Trouble::Conflict), 200),
        (Fault::DoneInPart, 800),
        (Fault::KilledBefore, 7),
        (Fault::KilledAfter, 13),
    ]
}

/// A time in which nearly every call to one place fails in one way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outage {
    /// Text in the request of such a call: the name of a table, or of an operation.
    pub(crate) victim: String,
    /// Fault of such a call.
    pub(crate) fault: Fault,
    /// Share of the calls that fail, from 0 to 1.
    pub(crate) share: f64,
    /// Moment at which it is over.
    pub(crate) until: Instant,
}

/// Decides about calls. At first, all of them go well.
#[derive(Debug)]
pub(crate) struct FaultMix {
    rng: RefCell<Rng>,
    /// By how much faults are more likely than usual; 0 is never.
    severity: Cell<f64>,
    outage: RefCell<Option<Outage>>,
}

impl FaultMix {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng: RefCell::new(rng), severity: Cell::new(0.0), outage: RefCell::new(None) }
    }

    pub(crate) fn set(&self, severity: f64) {
        self.severity.set(severity);
    }

    /// From now on every call goes well.
    pub(crate) fn calm(&self) {
        self.set(0.0);
        self.outage.replace(None);
    }

    pub(crate) fn begin(&self, outage: Outage) {
        self.outage.replace(Some(outage));
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: usize) -> usize {
        self.rng.borrow_mut().usize(..bound)
    }

    /// Fault for `call`; `None` if it goes well.
    pub(crate) fn on(&self, call: &Call) -> Option<Fault> {
        let mut rng = self.rng.borrow_mut();
        if let Some(outage) = &*self.outage.borrow()
            && Instant::now() < outage.until
            && (mentions(call, &outage.victim) || call.operation == outage.victim)
            && rng.f64() < outage.share
        {
            return Some(outage.fault);
        }
        let drawn = rng.f64() * 10_000.0;
        let mut bound = 0.0;
        for (fault, weight) in likely(&mut rng) {
            if fault.can_happen_to(call) {
                bound += f64::from(weight) * self.severity.get();
                if drawn < bound {
                    return Some(fault);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn call(operation: &str) -> Call {
        Call {
            service: AwsService::DynamoDb,
            operation: operation.to_owned(),
            path: "/".to_owned(),
            is_retry: false,
            body: Bytes::from_static(br#"{"TableName":"orders"}"#),
        }
    }

    fn faults(fault_mix: &FaultMix, call: &Call) -> usize {
        (0..1_000).filter(|_| fault_mix.on(call).is_some()).count()
    }

    #[tokio::test]
    async fn faults_happen_when_they_are_to() {
        let fault_mix = FaultMix::new(Rng::with_seed(1));
        assert_eq!(faults(&fault_mix, &call("Query")), 0);
        fault_mix.set(1.0);
        assert!((50..200).contains(&faults(&fault_mix, &call("Query"))));
        fault_mix.set(4.0);
        assert!((300..600).contains(&faults(&fault_mix, &call("Query"))));
        fault_mix.calm();
        assert_eq!(faults(&fault_mix, &call("Query")), 0);
    }

    #[tokio::test]
    async fn only_writes_conflict() {
        let fault_mix = FaultMix::new(Rng::with_seed(1));
        fault_mix.set(1.0);
        let conflict = Some(Fault::Refused(Trouble::Conflict));
        assert!((0..1_000).any(|_| fault_mix.on(&call("PutItem")) == conflict));
        assert!((0..1_000).all(|_| fault_mix.on(&call("Query")) != conflict));
    }

    #[tokio::test]
    async fn an_outage_has_one_victim_and_an_end() {
        let fault_mix = FaultMix::new(Rng::with_seed(1));
        let begin = |victim: &str, until| {
            fault_mix.begin(Outage { victim: victim.to_owned(), fault: Fault::NotDelivered, share: 1.0, until });
            faults(&fault_mix, &call("Query"))
        };
        let later = Instant::now() + Duration::from_mins(1);
        assert_eq!(begin("orders", later), 1_000);
        assert_eq!(begin("Query", later), 1_000);
        assert_eq!(begin("payments", later), 0);
        assert_eq!(begin("orders", Instant::now()), 0);
    }
}
