//! Queues and their consumers.

use onewrite::config::{Environment, QueueSettings};
use serde_json::{Value as Json, json};

use crate::stack::{GONE, QUEUE, SUBSCRIPTION, Stack, arn, check, id_of, number, plain, reference, unlike};

const DAY_SECONDS: u64 = 24 * 60 * 60;

#[test]
fn every_consumer_queue_has_a_dead_letter_queue_of_its_own() {
    check(
        "Without one, a message that kills its function comes again for two weeks. A receive for which there is no free \
         slot counts too: so SQS moves a message itself well after the function would have.",
        dead_letter_queues,
        &[
            ("Queue RedrivePolicy", GONE, "OrdersQueue"),
            ("Queue RedrivePolicy/deadLetterTargetArn", arn("Table"), "OrdersQueue"),
            ("Queue RedrivePolicy/deadLetterTargetArn", arn("UndeliverableQueue"), "OrdersQueue"),
            ("EventSource EventSourceArn", arn("Dlq"), "OrdersQueue"),
            ("service Mappings/Queue/Consumer/MaxReceiveCount", json!(39), "JournalQueue"),
            ("Function Environment/Variables/MAX_RECEIVE_COUNT", json!("31"), "IntakeQueue"),
            ("Function Environment/Variables/QUEUE_URL", reference("Dlq"), "OrdersFunction"),
            ("Function Environment/Variables/DEAD_LETTER_QUEUE_URL", reference("Queue"), "OrdersFunction"),
        ],
    );
}

fn dead_letter_queues(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for (_, subscription) in stack.of_type(SUBSCRIPTION) {
        let queue = id_of(&subscription["Endpoint"]);
        let Some(source) = stack.sources(QUEUE).find(|source| source.of == queue) else {
            faults.push(format!("{queue}: nobody consumes it"));
            continue;
        };
        let redrive = &stack.properties(queue)["RedrivePolicy"];
        let dead_letters = id_of(&redrive["deadLetterTargetArn"]);
        faults.extend(not_its_own(stack, queue, &GONE, dead_letters));
        let variables = stack.variables(source.function);
        let receives = [&redrive["maxReceiveCount"], &variables["MAX_RECEIVE_COUNT"]].map(number);
        if !matches!(receives, [Some(by_sqs), Some(own)] if by_sqs >= 2 * own) {
            faults.push(format!(
                "{queue}: SQS gives up after {:?} receives, its function after {:?}",
                receives[0], receives[1]
            ));
        }
        let expected = [("/QUEUE_URL", reference(queue)), ("/DEAD_LETTER_QUEUE_URL", reference(dead_letters))];
        faults.extend(unlike(source.function, variables, &expected));
    }
    faults
}

/// What is wrong with `target` as the queue for what `sender`, which is FIFO or not, cannot hand on.
pub(crate) fn not_its_own(stack: &Stack, sender: &str, is_fifo: &Json, target: &str) -> Option<String> {
    let sends = |resource: &Json| resource["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] == arn(target);
    let senders: Vec<_> = stack.resources().filter(|(_, resource)| sends(resource)).map(|(id, _)| id).collect();
    if stack.resource(target)["Type"] != QUEUE {
        Some(format!("{sender}: has no dead-letter queue"))
    } else if senders != [sender] {
        Some(format!("{sender}: {target} is not its own, but of {senders:?}"))
    } else if stack.properties(target)["FifoQueue"] != *is_fifo {
        Some(format!("{sender}: it and {target} are not both FIFO, or both not"))
    } else if stack.sources(QUEUE).any(|source| source.of == target) {
        Some(format!("{sender}: {target} is consumed, so it keeps nothing"))
    } else {
        None
    }
}

#[test]
fn a_batch_is_over_before_its_messages_come_again() {
    check(
        "Lambda asks for six times the function's timeout, and the batching window: else a throttled batch is handed out \
         twice at once.",
        visibility_timeouts,
        &[
            ("service Mappings/Queue/Consumer/VisibilityTimeoutSeconds", json!(69), "OrdersQueue"),
            ("service Mappings/Function/Consumer/TimeoutSeconds", json!(11), "OrdersQueue"),
            ("template Parameters/BatchingWindowSeconds/MaxValue", json!(11), "IntakeQueue"),
            ("Queue VisibilityTimeout", GONE, "PaymentQueue"),
        ],
    );
}

fn visibility_timeouts(stack: &Stack) -> Vec<String> {
    let stack = stack.with("BatchingWindowSeconds", stack.parameter("BatchingWindowSeconds", "MaxValue"));
    let faults = stack.sources(QUEUE).filter_map(|source| {
        let visibility = number(&stack.properties(source.of)["VisibilityTimeout"]).unwrap_or(0);
        let timeout = number(&stack.properties(source.function)["Timeout"])?;
        let window = number(&source.properties["MaximumBatchingWindowInSeconds"])?;
        (visibility < 6 * timeout + window)
            .then(|| format!("{}: hides for {visibility} s what may take {timeout} s, after {window} s", source.of))
    });
    faults.collect()
}

#[test]
fn every_queue_keeps_its_messages() {
    check(
        "A dead letter waits for a person, and is as large as its message and the reason. With a KMS key of AWS's the \
         topic could deliver nothing, silently. FIFO are the queues for what a FIFO topic could not deliver, and no others.",
        queue_settings,
        &[
            ("Dlq MessageRetentionPeriod", json!(345_600), "OrdersDlq"),
            ("service Mappings/Queue/Every/RetentionSeconds", json!(86_400), "OrdersRelayDlq"),
            ("service Mappings/Queue/Every/MaximumMessageBytes", json!(262_144), "OrdersRelayDlq"),
            ("RelayDlq SqsManagedSseEnabled", json!(false), "OrdersRelayDlq"),
            ("Queue KmsMasterKeyId", json!("alias/aws/sqs"), "OrdersQueue"),
            ("Queue FifoQueue", json!(true), "OrdersQueue"),
            ("UndeliverableQueue FifoQueue", json!(true), "IntakeUndeliverableQueue"),
            ("UndeliverableQueue FifoQueue", GONE, "OrdersUndeliverableQueue"),
            ("UndeliverableQueue DeduplicationScope", json!("queue"), "OrdersUndeliverableQueue"),
            ("UndeliverableQueue FifoThroughputLimit", GONE, "OrdersUndeliverableQueue"),
        ],
    );
}

fn queue_settings(stack: &Stack) -> Vec<String> {
    let undeliverable = |queue: &str| {
        stack.of_type(SUBSCRIPTION).any(|(_, subscription)| {
            subscription["RedrivePolicy"]["deadLetterTargetArn"] == arn(queue)
                && stack.properties(id_of(&subscription["TopicArn"]))["FifoTopic"] == true
        })
    };
    let faults = stack.of_type(QUEUE).flat_map(|(id, properties)| {
        let fifo = |value: Json| if undeliverable(id) { value } else { GONE };
        let expected = [
            ("/MessageRetentionPeriod", json!(14 * DAY_SECONDS)),
            ("/MaximumMessageSize", json!(1024 * 1024)),
            ("/SqsManagedSseEnabled", json!(true)),
            ("/KmsMasterKeyId", GONE),
            ("/FifoQueue", fifo(json!(true))),
            ("/DeduplicationScope", fifo(json!("messageGroup"))),
            ("/FifoThroughputLimit", fifo(json!("perMessageGroupId"))),
        ];
        unlike(id, properties, &expected)
    });
    faults.collect()
}

#[test]
fn every_queue_source_reports_its_failures_and_has_a_maximum() {
    check(
        "Else one failure repeats its whole batch. Without a maximum, a source takes what cannot run, and one backlog takes \
         all of the account's concurrency. What a filter of Lambda's refuses is deleted.",
        queue_sources,
        &[
            ("EventSource FunctionResponseTypes", GONE, "OrdersFunction"),
            ("EventSource BatchSize", json!(11), "OrdersFunction"),
            ("EventSource MaximumBatchingWindowInSeconds", json!(0), "OrdersFunction"),
            ("EventSource FilterCriteria", json!({"Filters": []}), "OrdersFunction"),
            ("EventSource Enabled", json!(false), "OrdersFunction"),
            ("EventSource ScalingConfig", GONE, "OrdersFunction"),
            ("Journal Parameters/MaximumConcurrency", json!(1_000), "JournalFunction"),
            ("Inventory Parameters/MaximumConcurrency", reference("MaximumConcurrency"), "InventoryFunction"),
            ("Notification Parameters/MaximumConcurrency", reference("MaximumConcurrency"), "NotificationFunction"),
            ("template Parameters/MaximumConcurrency/MinValue", json!(1), "MaximumConcurrency"),
            ("template Parameters/InventoryMaximumConcurrency/MaxValue", GONE, "InventoryMaximumConcurrency"),
        ],
    );
}

fn queue_sources(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for parameter in ["MaximumConcurrency", "InventoryMaximumConcurrency"] {
        let limits = [("/MinValue", json!(2)), ("/MaxValue", json!(1_000))];
        faults.extend(unlike(parameter, &stack.files.template["Parameters"][parameter], &limits));
    }
    let stack = stack.with("BatchingWindowSeconds", 3).with("MaximumConcurrency", 50);
    let stack = stack.with("InventoryMaximumConcurrency", 40);
    for source in stack.sources(QUEUE) {
        let maximum = match source.function {
            "InventoryFunction" => 40,
            "NotificationFunction" => 2,
            _ => 50,
        };
        let expected = [
            ("/FunctionResponseTypes", json!(["ReportBatchItemFailures"])),
            ("/BatchSize", json!(10)),
            ("/MaximumBatchingWindowInSeconds", json!(3)),
            ("/ScalingConfig/MaximumConcurrency", json!(maximum)),
            ("/FilterCriteria", GONE),
            ("/Enabled", GONE),
        ];
        faults.extend(unlike(source.function, source.properties, &expected));
    }
    faults
}

#[test]
fn the_consumers_accept_their_settings() {
    check(
        "A function that refuses its settings does not start; and a message must be parked before its queue forgets it.",
        settings,
        &[
            ("template Parameters/MaxBackoffSeconds/MaxValue", json!(43_200), "OrdersFunction"),
            ("template Parameters/MaxBackoffSeconds/MinValue", json!(0), "OrdersFunction"),
            ("template Parameters/MaxBackoffSeconds/Default", json!("soon"), "OrdersFunction"),
            ("service Mappings/Function/Consumer/MaxReceiveCount", json!("1001"), "OrdersFunction"),
            ("service Mappings/Function/Consumer/MaxReceiveCount", json!("40"), "OrdersFunction"),
        ],
    );
}

fn settings(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for limit in ["Default", "MinValue", "MaxValue"] {
        let stack = stack.with("MaxBackoffSeconds", stack.parameter("MaxBackoffSeconds", limit));
        for source in stack.sources(QUEUE) {
            let (function, variables) = (source.function, stack.variables(source.function).clone());
            let lookup = move |name: &str| match name {
                "AWS_LAMBDA_FUNCTION_NAME" => Some("a function".to_owned()),
                name => variables.get(name).map(plain),
            };
            match Environment::new(lookup).read(QueueSettings::read) {
                Err(error) => faults.push(format!("{function}: {error} (MaxBackoffSeconds at its {limit})")),
                Ok(read) => {
                    let kept = number(&stack.properties(source.of)["MessageRetentionPeriod"]);
                    let tried = u64::from(read.max_receive_count) * u64::from(read.max_backoff_seconds);
                    if kept.is_none_or(|kept| kept <= tried) {
                        faults.push(format!("{function}: tries for {tried} s what its queue keeps for {kept:?} s"));
                    }
                }
            }
        }
    }
    faults
}
