//! Topic of all events, on SNS.

use aws_sdk_sns::Client;
use aws_sdk_sns::operation::publish_batch::PublishBatchOutput;
use aws_sdk_sns::types::PublishBatchRequestEntry;

use super::failure::{classify, without_addresses};
use crate::failure::{Failure, FailureKind, Result};
use crate::relay::{Entry, Refusal, Topic};

/// A topic on SNS.
#[derive(Clone, Debug)]
pub struct SnsTopic {
    client: Client,
    arn: String,
}

impl SnsTopic {
    /// The topic of that ARN.
    pub fn new(client: Client, arn: impl Into<String>) -> Self {
        Self { client, arn: arn.into() }
    }
}

impl Topic for SnsTopic {
    async fn publish(&self, batch: &[Entry]) -> Result<Vec<Refusal>> {
        let mut request = self.client.publish_batch().topic_arn(&self.arn);
        for (index, entry) in batch.iter().enumerate() {
            let entry = PublishBatchRequestEntry::builder()
                .id(index.to_string())
                .message(&entry.message)
                .message_group_id(&entry.group)
                .message_deduplication_id(entry.id.as_str())
                .build()
                .map_err(|error| Failure::permanent(error.to_string()))?;
            request = request.publish_batch_request_entries(entry);
        }
        let answer = Box::pin(request.send()).await.map_err(|error| classify("PublishBatch", &error))?;
        Ok(refusals(&answer, batch.len()))
    }

    fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }

    async fn warm(&self) {
        // A batch of nothing: SNS refuses it, and the function's role allows nothing else.
        let _ = self.client.publish_batch().topic_arn(&self.arn).send().await;
    }
}

/// Entries of so many that were not published. Failures of single entries come with status 200, and an entry that the
/// answer does not mention at all is not known to be published.
fn refusals(answer: &PublishBatchOutput, count: usize) -> Vec<Refusal> {
    let failed = answer.failed().iter().filter_map(|failed| {
        let kind =
            if failed.sender_fault() { FailureKind::of_answer(400, failed.code()) } else { FailureKind::Transient };
        let reason = format!("{}: {}", failed.code(), without_addresses(failed.message().unwrap_or("no message")));
        Some(Refusal { index: failed.id().parse().ok()?, failure: Failure::new(kind, reason) })
    });
    let mut refusals: Vec<Refusal> = failed.collect();
    let published = answer.successful().iter().filter_map(|done| done.id()?.parse().ok());
    let mentioned: Vec<usize> = published.chain(refusals.iter().map(|refusal| refusal.index)).collect();
    let unmentioned = (0..count).filter(|index| !mentioned.contains(index));
    refusals
        .extend(unmentioned.map(|index| Refusal { index, failure: Failure::transient("not mentioned in the answer") }));
    refusals
}

#[cfg(test)]
mod tests {
    use aws_sdk_sns::types::{BatchResultErrorEntry, PublishBatchResultEntry};

    use super::*;

    #[test]
    fn only_what_the_answer_says_is_published_is() {
        let failed = |id: &str, code: &str, is_ours: bool| {
            let failed = BatchResultErrorEntry::builder().id(id).code(code).sender_fault(is_ours);
            failed.message("for ada@example.com").build().unwrap()
        };
        let answer = PublishBatchOutput::builder()
            .successful(PublishBatchResultEntry::builder().id("1").build())
            .failed(failed("0", "InvalidParameter", true))
            .failed(failed("3", "InternalError", false))
            .failed(failed("4", "Throttled", true))
            .failed(failed("none of ours", "InternalError", false))
            .build();
        let refused = |index, kind, reason: &str| Refusal { index, failure: Failure::new(kind, reason) };
        assert_eq!(
            refusals(&answer, 6),
            [
                refused(0, FailureKind::Permanent, "InvalidParameter: for …"),
                refused(3, FailureKind::Transient, "InternalError: for …"),
                refused(4, FailureKind::Transient, "Throttled: for …"),
                refused(2, FailureKind::Transient, "not mentioned in the answer"),
                refused(5, FailureKind::Transient, "not mentioned in the answer"),
            ]
        );
        assert_eq!(refusals(&PublishBatchOutput::builder().build(), 1).len(), 1);
    }
}
