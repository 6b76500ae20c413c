//! The stack on the emulator's `CloudFormation`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, Parameter, ResourceStatus, Stack, StackEvent, StackStatus,
};
use tokio::time::{Instant, sleep};

use crate::terminal::progress::{Progress, Step};

const POLL: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_mins(5);

/// Failure to deploy the stack.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// A call failed.
    #[error("CloudFormation: {0}")]
    Call(String),
    /// The template was refused before anything was made.
    #[error("CloudFormation refuses the template: {0}")]
    Refused(String),
    /// A resource could not be made.
    #[error("the deployment failed at {resource}: {reason}")]
    Resource {
        /// Its logical id and type.
        resource: String,
        /// Its own reason.
        reason: String,
    },
    /// The stack failed, and no resource says why.
    #[error("the deployment ended as {status}: {reason}")]
    Stack {
        /// The stack's status.
        status: String,
        /// The stack's own reason.
        reason: String,
    },
    /// It does not end.
    #[error("the deployment is not over after {} s", LIMIT.as_secs())]
    TooSlow,
}

impl<E, R> From<SdkError<E, R>> for DeployError
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata,
{
    fn from(error: SdkError<E, R>) -> Self {
        let said = error.message().map(str::to_owned);
        Self::Call(said.unwrap_or_else(|| DisplayErrorContext(&error).to_string()))
    }
}

/// A client of `CloudFormation` for one stack.
#[derive(Debug)]
pub(crate) struct Deployment {
    client: Client,
    name: String,
}

impl Deployment {
    /// A client for the stack of that name.
    pub(crate) fn new(sdk: &aws_config::SdkConfig, name: impl Into<String>) -> Self {
        Self { client: Client::new(sdk), name: name.into() }
    }

    /// Creates the stack or updates it.
    pub(crate) async fn deploy(
        &self,
        template_url: &str,
        parameters: &BTreeMap<String, String>,
        resource_count: usize,
        progress: Progress,
    ) -> Result<(), DeployError> {
        let step = progress.step("deploy");
        step.at("change set");
        let kind = self.kind_of_change().await?;
        let change_set = self.create_change_set(template_url, parameters, &kind).await?;
        let changed = self.wait_for_change_set(&change_set).await?;
        if changed {
            self.client.execute_change_set().change_set_name(&change_set).send().await?;
            self.wait_for_stack(resource_count, &step).await?;
        }
        step.done(&match (changed, kind) {
            (false, _) => "nothing has changed".to_owned(),
            (true, ChangeSetType::Create) => format!("stack {}: {resource_count} resources created", self.name),
            (true, _) => format!("stack {} updated", self.name),
        });
        Ok(())
    }

    /// Outputs of the stack.
    pub(crate) async fn outputs(&self) -> Result<BTreeMap<String, String>, DeployError> {
        let stack = self.stack().await?;
        let pairs = stack.outputs().iter();
        Ok(pairs
            .filter_map(|output| Some((output.output_key()?.to_owned(), output.output_value()?.to_owned())))
            .collect())
    }

    /// Names of the stack's own buckets; none if there is no stack.
    pub(crate) async fn buckets(&self) -> Result<Vec<String>, DeployError> {
        if self.existing().await?.is_none() {
            return Ok(Vec::new());
        }
        let resources = self.client.list_stack_resources().stack_name(&self.name).into_paginator().items().send();
        let resources = resources.collect::<Result<Vec<_>, _>>().await?;
        let buckets = resources.into_iter().filter(|resource| resource.resource_type() == Some("AWS::S3::Bucket"));
        Ok(buckets.filter_map(|bucket| bucket.physical_resource_id).collect())
    }

    /// Deletes the stack and waits until it is gone.
    pub(crate) async fn delete(&self, progress: Progress) -> Result<(), DeployError> {
        let step = progress.step("delete");
        step.at(format!("stack {}", self.name));
        self.wait_for_rest().await?;
        self.client.delete_stack().stack_name(&self.name).send().await?;
        self.wait_for_deletion().await?;
        step.done(&format!("stack {}", self.name));
        Ok(())
    }

    /// A stack that never came to be can only be replaced.
    async fn kind_of_change(&self) -> Result<ChangeSetType, DeployError> {
        let Some(stack) = self.existing().await? else { return Ok(ChangeSetType::Create) };
        match stack.stack_status() {
            Some(StackStatus::ReviewInProgress | StackStatus::DeleteComplete) => Ok(ChangeSetType::Create),
            Some(StackStatus::RollbackComplete | StackStatus::RollbackFailed | StackStatus::CreateFailed) => {
                self.client.delete_stack().stack_name(&self.name).send().await?;
                self.wait_for_deletion().await?;
                Ok(ChangeSetType::Create)
            }
            _ => Ok(ChangeSetType::Update),
        }
    }

    async fn create_change_set(
        &self,
        template_url: &str,
        parameters: &BTreeMap<String, String>,
        kind: &ChangeSetType,
    ) -> Result<String, DeployError> {
        let parameters = parameters
            .iter()
            .map(|(name, value)| Parameter::builder().parameter_key(name).parameter_value(value).build());
        let request = self.client.create_change_set().stack_name(&self.name).template_url(template_url);
        let reply = request
            .change_set_name(unique("local")?)
            .change_set_type(kind.clone())
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .set_parameters(Some(parameters.collect()))
            .send()
            .await?;
        reply.id.ok_or_else(|| DeployError::Call("the change set has no id".to_owned()))
    }

    /// True if there is anything to change.
    async fn wait_for_change_set(&self, id: &str) -> Result<bool, DeployError> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            let set = self.client.describe_change_set().change_set_name(id).stack_name(&self.name).send().await?;
            match set.status() {
                Some(ChangeSetStatus::CreateComplete) => return Ok(true),
                Some(ChangeSetStatus::Failed) if says_no_change(set.status_reason()) => {
                    self.client.delete_change_set().change_set_name(id).stack_name(&self.name).send().await?;
                    return Ok(false);
                }
                Some(ChangeSetStatus::Failed) => {
                    return Err(DeployError::Refused(set.status_reason().unwrap_or("no reason given").to_owned()));
                }
                _ => sleep(POLL).await,
            }
        }
        Err(DeployError::TooSlow)
    }

    async fn wait_for_stack(&self, resource_count: usize, step: &Step) -> Result<(), DeployError> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            let stack = self.stack().await?;
            let status = stack.stack_status().map_or("", StackStatus::as_str);
            match outcome_of(status) {
                Some(true) => return Ok(()),
                Some(false) => return Err(self.failure(status, stack.stack_status_reason()).await?),
                None => step.at(self.how_far(resource_count).await?),
            }
            sleep(POLL).await;
        }
        Err(DeployError::TooSlow)
    }

    /// Waits for the end of what an interrupted command has begun. AWS breaks it off to delete a stack; LocalStack goes
    /// on with it, and what it then makes belongs to no stack.
    async fn wait_for_rest(&self) -> Result<(), DeployError> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            match self.existing().await?.as_ref().and_then(Stack::stack_status) {
                Some(status) if is_under_way(status.as_str()) => sleep(POLL).await,
                _ => return Ok(()),
            }
        }
        Err(DeployError::TooSlow)
    }

    async fn wait_for_deletion(&self) -> Result<(), DeployError> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            match self.existing().await?.as_ref().and_then(Stack::stack_status) {
                None | Some(StackStatus::DeleteComplete) => return Ok(()),
                Some(StackStatus::DeleteFailed) => return Err(self.failure("DELETE_FAILED", None).await?),
                Some(_) => sleep(POLL).await,
            }
        }
        Err(DeployError::TooSlow)
    }

    async fn how_far(&self, resource_count: usize) -> Result<String, DeployError> {
        let events = self.events().await?;
        let done = latest_operation(&events).filter(|event| is_complete(event) && !is_of_stack(event)).count();
        Ok(format!("{done} of {resource_count} resources"))
    }

    /// The reason of the resource that failed first: those after it only failed because of it.
    async fn failure(&self, status: &str, reason: Option<&str>) -> Result<DeployError, DeployError> {
        let events = self.events().await?;
        let culprit = latest_operation(&events).filter(|event| is_own_failure(event) && !is_of_stack(event)).last();
        Ok(match culprit {
            Some(event) => DeployError::Resource {
                resource: format!(
                    "{} ({})",
                    event.logical_resource_id().unwrap_or("?"),
                    event.resource_type().unwrap_or("?")
                ),
                reason: one_line(event.resource_status_reason().unwrap_or("no reason given")),
            },
            None => {
                DeployError::Stack { status: status.to_owned(), reason: one_line(reason.unwrap_or("no reason given")) }
            }
        })
    }

    async fn events(&self) -> Result<Vec<StackEvent>, DeployError> {
        let reply = self.client.describe_stack_events().stack_name(&self.name).into_paginator().items().send();
        Ok(reply.collect::<Result<Vec<_>, _>>().await?)
    }

    async fn stack(&self) -> Result<Stack, DeployError> {
        self.existing().await?.ok_or_else(|| DeployError::Call(format!("the stack {} has disappeared", self.name)))
    }

    async fn existing(&self) -> Result<Option<Stack>, DeployError> {
        match self.client.describe_stacks().stack_name(&self.name).send().await {
            Ok(reply) => Ok(reply.stacks.unwrap_or_default().into_iter().next()),
            Err(error) if error.message().is_some_and(|message| message.contains("does not exist")) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A name that nothing has had before.
fn unique(prefix: &str) -> Result<String, DeployError> {
    let number = getrandom::u64().map_err(|error| DeployError::Call(error.to_string()))?;
    Ok(format!("{prefix}-{number:016x}"))
}

/// True if the stack has arrived at what was wanted; `None` while it is on the way.
fn outcome_of(status: &str) -> Option<bool> {
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => Some(true),
        // The rest is only the removal of what the update has replaced.
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" | "REVIEW_IN_PROGRESS" => None,
        status if status.ends_with("_IN_PROGRESS") => None,
        _ => Some(false),
    }
}

/// True while something is being made. A change set that nobody has executed makes nothing.
fn is_under_way(status: &str) -> bool {
    status != "REVIEW_IN_PROGRESS" && outcome_of(status).is_none()
}

fn says_no_change(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| reason.contains("didn't contain changes") || reason.contains("No updates"))
}

/// The events since the stack was last told to change. The newest event comes first.
fn latest_operation(events: &[StackEvent]) -> impl Iterator<Item = &StackEvent> {
    events.iter().take_while(|event| !(is_of_stack(event) && is_start(event)))
}

fn is_start(event: &StackEvent) -> bool {
    let status = event.resource_status().map(ResourceStatus::as_str);
    matches!(status, Some("CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS"))
}

fn is_complete(event: &StackEvent) -> bool {
    event.resource_status().is_some_and(|status| matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE"))
}

fn is_of_stack(event: &StackEvent) -> bool {
    event.resource_type() == Some("AWS::CloudFormation::Stack")
}

fn is_own_failure(event: &StackEvent) -> bool {
    let failed = event.resource_status().is_some_and(|status| status.as_str().ends_with("_FAILED"));
    failed && !event.resource_status_reason().unwrap_or_default().contains("cancelled")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_operation_is_looked_at() {
        let event = |id: &str, kind: &str, status: &str| {
            let status = ResourceStatus::from(status);
            StackEvent::builder().logical_resource_id(id).resource_type(kind).resource_status(status).build()
        };
        let stack = "AWS::CloudFormation::Stack";
        let newest_first = [
            event("orderflow", stack, "UPDATE_ROLLBACK_IN_PROGRESS"),
            event("NewCulprit", "AWS::SQS::Queue", "CREATE_FAILED"),
            event("orderflow", stack, "UPDATE_IN_PROGRESS"),
            event("OldCulprit", "AWS::SQS::Queue", "CREATE_FAILED"),
        ];
        let culprits = latest_operation(&newest_first).filter(|event| is_own_failure(event));
        assert_eq!(culprits.filter_map(StackEvent::logical_resource_id).collect::<Vec<_>>(), ["NewCulprit"]);
    }

    #[test]
    fn a_stack_is_over_when_it_has_arrived_or_rolled_back() {
        for (status, expected) in [
            ("CREATE_IN_PROGRESS", None),
            ("REVIEW_IN_PROGRESS", None),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None),
            ("ROLLBACK_IN_PROGRESS", None),
            ("CREATE_COMPLETE", Some(true)),
            ("UPDATE_COMPLETE", Some(true)),
            ("ROLLBACK_COMPLETE", Some(false)),
            ("CREATE_FAILED", Some(false)),
            ("UPDATE_ROLLBACK_COMPLETE", Some(false)),
        ] {
            assert_eq!(outcome_of(status), expected, "{status}");
            assert_eq!(is_under_way(status), expected.is_none() && status != "REVIEW_IN_PROGRESS", "{status}");
        }
    }

    #[test]
    fn a_resource_that_was_cancelled_is_not_the_culprit() {
        let event =
            |status, reason: &str| StackEvent::builder().resource_status(status).resource_status_reason(reason).build();
        assert!(is_own_failure(&event(ResourceStatus::CreateFailed, "no such bucket")));
        assert!(!is_own_failure(&event(ResourceStatus::CreateFailed, "Resource creation cancelled")));
        assert!(!is_own_failure(&event(ResourceStatus::CreateComplete, "")));
    }
}
