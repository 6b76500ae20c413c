//! Topic of all facts.

use std::rc::Rc;

use onewrite::relay::{Entry, Refusal, Topic};
use onewrite::{Failure, Result};

use crate::caller::Caller;
use crate::faults::FaultKind;
use crate::head::Head;
use crate::model::topic::FifoTopic;
use crate::safeguard::Safeguard;

/// Topic, as a relay may touch it.
#[derive(Clone)]
pub struct TopicPort {
    /// The caller.
    pub caller: Caller,
    /// The topic.
    pub topic: Rc<FifoTopic>,
}

impl Topic for TopicPort {
    fn name(&self) -> &'static str {
        "events"
    }

    async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
        let run = &self.caller.run;
        let (mut refusals, mut taken) = (Vec::new(), Vec::new());
        let partial = run.faults.strikes(FaultKind::Partial);
        for (index, entry) in batch.iter().enumerate() {
            if partial && run.faults.below(2) == 0 {
                refusals.push(Refusal { index, failure: Failure::transient("InternalError: simulated") });
            } else {
                taken.push(entry.clone());
            }
        }
        if run.lacks(Safeguard::PUBLISH_ENTRIES) {
            refusals.clear();
        }
        if taken.is_empty() && !batch.is_empty() {
            return Ok(refusals);
        }
        let (caller, topic) = (self.caller.clone(), Rc::clone(&self.topic));
        let effect = move || async move {
            for entry in &taken {
                caller.tell_of(&Head::of(&entry.message).subject, || {
                    format!("publishes {}", Head::of(&entry.message).described())
                });
            }
            topic.publish(&taken).await
        };
        self.caller.ask("topic", "publish", effect).await?;
        Ok(refusals)
    }

    async fn warm(&self) {}
}
