//! The rules of `template.yaml`, each a test.
//!
//! A rule is a function from the template to its faults. Its test wants none of the template as it is, and one for each
//! way in which it breaks the template, so that no rule holds by accident.

#![expect(clippy::expect_used, reason = "all of it is tests, though Clippy does not see any")]

mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use onewrite::config::{Environment, QueueSettings};
use orderflow_local::read_template;
use orderflow_relay::RESERVE;
use serde_json::{Map, Value as Json, json};
use services::{Service, services};

// ── What the rules compare the template with ────────────────────────────────────────────────────────────────────────

/// Function, variable, the resource that it names, and what the function may do with that.
const RIGHTS: [(&str, &str, &str, &str); 15] = [
    ("OrdersApiFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query dynamodb:PutItem"),
    ("OrdersFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query dynamodb:PutItem"),
    ("InventoryApiFunction", "STOCK_TABLE_NAME", "StockTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("InventoryFunction", "TABLE_NAME", "InventoryTable", "dynamodb:Query dynamodb:PutItem"),
    ("InventoryFunction", "STOCK_TABLE_NAME", "StockTable", "dynamodb:UpdateItem"),
    ("PaymentFunction", "TABLE_NAME", "PaymentTable", "dynamodb:Query dynamodb:PutItem"),
    ("PaymentFunction", "PROVIDER_TABLE_NAME", "PaymentProviderTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("ShippingFunction", "TABLE_NAME", "ShippingTable", "dynamodb:Query dynamodb:PutItem"),
    ("ShippingFunction", "CARRIER_TABLE_NAME", "CarrierTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("ScreeningFunction", "TABLE_NAME", "ScreeningTable", "dynamodb:Query dynamodb:PutItem"),
    ("ScreeningFunction", "SIGHTINGS_TABLE_NAME", "SightingsTable", "dynamodb:Query dynamodb:PutItem"),
    ("NotificationFunction", "TABLE_NAME", "NotificationTable", "dynamodb:Query dynamodb:PutItem dynamodb:UpdateItem"),
    ("JournalFunction", "TABLE_NAME", "JournalTable", "dynamodb:PutItem"),
    ("RelayFunction", "TOPIC_ARN", "EventsTopic", "sns:Publish"),
    ("RelayFunction", "DEAD_LETTER_QUEUE_URL", "RelayDlq", "sqs:SendMessage"),
];

/// Rights to what is no resource of the template.
const OTHER_RIGHTS: [(&str, &str); 3] = [
    (
        "NotificationFunction",
        "ses:SendEmail on arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/orders@example.com \
         if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}",
    ),
    (
        "NotificationFunction",
        "ses:SendEmail on arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/example.com \
         if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}",
    ),
    ("NotificationFunction", "sns:Publish on * but arn:${AWS::Partition}:sns:*:*:*"),
];

/// What every function may do with its log group, every consumer with its queue, and the relay with a stream.
const LOG_RIGHTS: [&str; 2] = ["logs:CreateLogStream", "logs:PutLogEvents"];
const TRACE_RIGHTS: [&str; 2] = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];
const QUEUE_RIGHTS: [&str; 4] =
    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"];
const STREAM_RIGHTS: [&str; 3] = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"];

/// Action and end of the resource where a `*` is allowed, for no name is possible.
const WILDCARDS: [(&str, &str); 4] = [
    // X-Ray has no resources.
    ("xray:PutTraceSegments", " on *"),
    ("xray:PutTelemetryRecords", " on *"),
    // It is asked for before a stream's label is known.
    ("dynamodb:ListStreams", "Table.Arn}/stream/*"),
    // An SMS goes to a phone number, which has no ARN: everything that is not a topic.
    ("sns:Publish", " on * but arn:${AWS::Partition}:sns:*:*:*"),
];

/// A part of the toolkit that reads variables for the binary that calls it, and its file.
const TOOLKIT: [(&str, &str); 2] =
    [("QueueSettings::read", "shared/onewrite/src/config.rs"), ("telemetry::init", "shared/onewrite/src/telemetry.rs")];

/// Every answer that a REST API may give itself.
const GATEWAY_RESPONSES: &str = "
    ACCESS_DENIED API_CONFIGURATION_ERROR AUTHORIZER_CONFIGURATION_ERROR AUTHORIZER_FAILURE BAD_REQUEST_BODY
    BAD_REQUEST_PARAMETERS DEFAULT_4XX DEFAULT_5XX EXPIRED_TOKEN INTEGRATION_FAILURE INTEGRATION_TIMEOUT
    INVALID_API_KEY INVALID_SIGNATURE MISSING_AUTHENTICATION_TOKEN QUOTA_EXCEEDED REQUEST_TOO_LARGE
    RESOURCE_NOT_FOUND THROTTLED UNAUTHORIZED UNSUPPORTED_MEDIA_TYPE WAF_FILTERED
";

/// Method, path and function of each request.
const ROUTES: [&str; 5] = [
    "get /inventory/{sku} InventoryApiFunction",
    "get /orders/{orderId} OrdersApiFunction",
    "post /orders OrdersApiFunction",
    "post /orders/{orderId}/cancel OrdersApiFunction",
    "put /inventory/{sku} InventoryApiFunction",
];

const DAY_SECONDS: u64 = 24 * 60 * 60;

// ── Queues ──────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn every_consumer_queue_has_a_dead_letter_queue_of_its_own() {
    check(
        "Without one, a message that kills its function blocks its order for ever. 12 receives at least: the messages \
         behind a failing one are received along with it. The function parks at the receive it is told, so it must be \
         told the queue's.",
        dead_letter_queues,
        &[
            ("OrdersQueue/RedrivePolicy", GONE, "OrdersQueue"),
            ("OrdersQueue/RedrivePolicy/maxReceiveCount", json!(11), "OrdersQueue"),
            ("OrdersQueue/RedrivePolicy/maxReceiveCount", json!(13), "OrdersFunction"),
            ("OrdersQueue/RedrivePolicy/deadLetterTargetArn", arn("PaymentDlq"), "OrdersQueue"),
            ("OrdersQueue/RedrivePolicy/deadLetterTargetArn", arn("OrdersTable"), "OrdersQueue"),
            ("OrdersDlq/FifoQueue", GONE, "OrdersQueue"),
            ("/Mappings/Queue/Consumer/MaxReceiveCount", json!("11"), "JournalQueue"),
            ("OrdersFunction/Environment/Variables/MAX_RECEIVE_COUNT", json!(13), "OrdersFunction"),
            ("OrdersFunction/Environment/Variables/QUEUE_URL", reference("OrdersDlq"), "OrdersFunction"),
            ("OrdersFunction/Environment/Variables/DEAD_LETTER_QUEUE_URL", reference("OrdersQueue"), "OrdersFunction"),
        ],
    );
}

fn dead_letter_queues(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (function, source) in template.sources("SQS") {
        let queue = id_of(&source["Queue"]);
        let redrive = &template.properties(queue)["RedrivePolicy"];
        let dead_letters = id_of(&redrive["deadLetterTargetArn"]);
        faults.extend(not_its_own(template, queue, queue, dead_letters));
        let receives = number(&redrive["maxReceiveCount"]);
        if receives.is_none_or(|receives| receives < 12) {
            faults.push(format!("{queue}: maxReceiveCount is {}, less than 12", redrive["maxReceiveCount"]));
        }
        let variables = template.variables(function);
        if number(&variables["MAX_RECEIVE_COUNT"]) != receives {
            faults.push(format!("{function}: MAX_RECEIVE_COUNT is not the {} of {queue}", redrive["maxReceiveCount"]));
        }
        let expected = [("/QUEUE_URL", reference(queue)), ("/DEAD_LETTER_QUEUE_URL", reference(dead_letters))];
        faults.extend(unlike(function, variables, &expected));
    }
    faults
}

/// What is wrong with `target` as the queue for what `sender` cannot hand on from or to `queue`.
fn not_its_own(template: &Template, sender: &str, queue: &str, target: &str) -> Vec<String> {
    let fifo = |id| &template.properties(id)["FifoQueue"];
    let sends = |resource: &Json| resource["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] == arn(target);
    let senders: Vec<_> = template.resources().filter(|(_, resource)| sends(resource)).map(|(id, _)| id).collect();
    if template.resource(target)["Type"] != "AWS::SQS::Queue" {
        vec![format!("{sender}: has no dead-letter queue")]
    } else if senders != [sender] {
        vec![format!("{sender}: {target} is not its own, but of {senders:?}")]
    } else if fifo(queue) != fifo(target) {
        vec![format!("{sender}: one of {queue} and {target} is FIFO, the other is not")]
    } else if template.sources("SQS").any(|(_, source)| id_of(&source["Queue"]) == target) {
        vec![format!("{sender}: {target} is consumed, so it keeps nothing")]
    } else {
        Vec::new()
    }
}

#[test]
fn a_batch_is_over_before_its_messages_come_again() {
    check(
        "Lambda asks for six times the function's timeout: else a throttled batch is handed out twice at once.",
        visibility_timeouts,
        &[
            ("/Mappings/Queue/Consumer/VisibilityTimeoutSeconds", json!(59), "OrdersQueue"),
            ("/Globals/Function/Timeout", json!(11), "OrdersQueue"),
            ("ShippingFunction/Timeout", json!(11), "ShippingQueue"),
            ("PaymentQueue/VisibilityTimeout", GONE, "PaymentQueue"),
        ],
    );
}

fn visibility_timeouts(template: &Template) -> Vec<String> {
    let sources = template.sources("SQS").filter_map(|(function, source)| {
        let queue = id_of(&source["Queue"]);
        let visibility = number(&template.properties(queue)["VisibilityTimeout"]).unwrap_or(0);
        let timeout = number(&template.properties(function)["Timeout"])?;
        (visibility < 6 * timeout)
            .then(|| format!("{queue}: hidden for {visibility} s, {function} may take {timeout} s"))
    });
    sources.collect()
}

#[test]
fn every_queue_keeps_its_messages_and_serves_orders_side_by_side() {
    check(
        "A dead letter waits for a person, and is as large as its message and the reason. With a KMS key of AWS's the \
         topic could deliver nothing, silently. Without high throughput, orders wait for each other.",
        queue_settings,
        &[
            ("OrdersDlq/MessageRetentionPeriod", json!(345_600), "OrdersDlq"),
            ("/Mappings/Queue/Every/RetentionSeconds", json!(86_400), "RelayDlq"),
            ("/Mappings/Queue/Every/MaximumMessageBytes", json!(262_144), "RelayDlq"),
            ("RelayDlq/SqsManagedSseEnabled", json!(false), "RelayDlq"),
            ("OrdersQueue/KmsMasterKeyId", json!("alias/aws/sqs"), "OrdersQueue"),
            ("OrdersQueue/FifoQueue", GONE, "OrdersQueue"),
            ("OrdersQueue/DeduplicationScope", json!("queue"), "OrdersQueue"),
            ("OrdersQueue/FifoThroughputLimit", GONE, "OrdersQueue"),
        ],
    );
}

fn queue_settings(template: &Template) -> Vec<String> {
    let faults = template.of_type("AWS::SQS::Queue").flat_map(|(id, properties)| {
        // What the relay gives up waits for a person, in no order.
        let fifo = |value: Json| if id == "RelayDlq" { GONE } else { value };
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
fn every_queue_source_reports_the_messages_that_failed() {
    check(
        "Else one failure repeats its whole batch. A FIFO source takes ten messages and no window, and what a filter of \
         Lambda's refuses is deleted.",
        queue_sources,
        &[
            ("OrdersFunction/Events/Queue/Properties/FunctionResponseTypes", GONE, "OrdersFunction"),
            ("OrdersFunction/Events/Queue/Properties/BatchSize", json!(11), "OrdersFunction"),
            ("OrdersFunction/Events/Queue/Properties/MaximumBatchingWindowInSeconds", json!(1), "OrdersFunction"),
            ("OrdersFunction/Events/Queue/Properties/FilterCriteria", json!({"Filters": []}), "OrdersFunction"),
            ("OrdersFunction/Events/Queue/Properties/Enabled", json!(false), "OrdersFunction"),
        ],
    );
}

fn queue_sources(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (function, source) in template.sources("SQS") {
        let expected = [
            ("/FunctionResponseTypes", json!(["ReportBatchItemFailures"])),
            ("/MaximumBatchingWindowInSeconds", GONE),
            ("/FilterCriteria", GONE),
            ("/Enabled", GONE),
        ];
        faults.extend(unlike(function, source, &expected));
        if number(&source["BatchSize"]).is_none_or(|size| size > 10) {
            faults.push(format!("{function}: BatchSize is {}, not 10 at the most", source["BatchSize"]));
        }
    }
    faults
}

#[test]
fn the_consumers_accept_their_settings() {
    check(
        "A function that refuses its settings does not start; and a message must be parked before its queue forgets it.",
        settings,
        &[
            ("/Parameters/MaxBackoffSeconds/MaxValue", json!(43_200), "OrdersFunction"),
            ("/Parameters/MaxBackoffSeconds/MinValue", json!(0), "OrdersFunction"),
            ("/Parameters/MaxBackoffSeconds/Default", json!("soon"), "OrdersFunction"),
            ("/Mappings/Queue/Consumer/MaxReceiveCount", json!("1001"), "OrdersFunction"),
            ("/Mappings/Queue/Consumer/MaxReceiveCount", json!("40"), "OrdersFunction"),
        ],
    );
}

fn settings(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for limit in ["Default", "MinValue", "MaxValue"] {
        let seconds = template.raw["Parameters"]["MaxBackoffSeconds"][limit].clone();
        let template = template.with("MaxBackoffSeconds", seconds);
        for (function, source) in template.sources("SQS") {
            let variables = template.variables(function).clone();
            let lookup = move |name: &str| match name {
                "AWS_LAMBDA_FUNCTION_NAME" => Some("a function".to_owned()),
                name => variables.get(name).map(plain),
            };
            match Environment::new(lookup).read(QueueSettings::read) {
                Err(error) => faults.push(format!("{function}: {error} (MaxBackoffSeconds at its {limit})")),
                Ok(read) => {
                    let kept = number(&template.properties(id_of(&source["Queue"]))["MessageRetentionPeriod"]);
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

// ── Topic and subscriptions ─────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_topic_keeps_the_order_of_each_order() {
    check(
        "The events of an order keep their order, orders do not wait for each other, and `aws sns publish` needs no \
         deduplication id.",
        topics,
        &[
            ("EventsTopic/FifoTopic", GONE, "EventsTopic"),
            ("EventsTopic/FifoThroughputScope", json!("Topic"), "EventsTopic"),
            ("EventsTopic/ContentBasedDeduplication", json!(false), "EventsTopic"),
            ("EventsTopic/TopicName", json!("events"), "EventsTopic"),
            ("/Resources/OtherTopic", json!({"Type": "AWS::SNS::Topic"}), "OtherTopic"),
        ],
    );
}

fn topics(template: &Template) -> Vec<String> {
    let expected = [
        ("/TopicName", json!("${AWS::StackName}-events.fifo")),
        ("/FifoTopic", json!(true)),
        ("/FifoThroughputScope", json!("MessageGroup")),
        ("/ContentBasedDeduplication", json!(true)),
    ];
    template.of_type("AWS::SNS::Topic").flat_map(|(id, properties)| unlike(id, properties, &expected)).collect()
}

#[test]
fn every_subscription_loses_nothing() {
    check(
        "SNS drops what it cannot deliver unless there is a redrive policy, and what arrives before the queue's policy. A \
         function that is not updated yet throws away what a wider filter lets through. Consumers and filters read the \
         event itself: raw, by its body.",
        subscriptions,
        &[
            ("OrdersSubscription/RedrivePolicy", GONE, "OrdersSubscription"),
            ("OrdersSubscription/RedrivePolicy/deadLetterTargetArn", arn("OrdersDlq"), "OrdersSubscription"),
            ("OrdersSubscription/RedrivePolicy/deadLetterTargetArn", arn("RelayDlq"), "OrdersSubscription"),
            ("OrdersUndeliverableQueue/FifoQueue", json!(false), "OrdersSubscription"),
            ("OrdersSubscription/RawMessageDelivery", json!(false), "OrdersSubscription"),
            ("OrdersSubscription/FilterPolicyScope", GONE, "OrdersSubscription"),
            ("OrdersSubscription/Endpoint", arn("OrdersUndeliverableQueue"), "OrdersSubscription"),
            ("/Resources/OrdersSubscription/DependsOn/1", GONE, "OrdersSubscription"),
            ("/Resources/OrdersSubscription/DependsOn/0", json!("PaymentFunction"), "OrdersSubscription"),
        ],
    );
}

fn subscriptions(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, properties) in template.of_type("AWS::SNS::Subscription") {
        let (queue, undeliverable) =
            (id_of(&properties["Endpoint"]), id_of(&properties["RedrivePolicy"]["deadLetterTargetArn"]));
        let scope = if properties["FilterPolicy"].is_null() { GONE } else { json!("MessageBody") };
        let expected = [
            ("/TopicArn", reference("EventsTopic")),
            ("/Protocol", json!("sqs")),
            ("/RawMessageDelivery", json!(true)),
            ("/FilterPolicyScope", scope),
        ];
        faults.extend(unlike(id, properties, &expected));
        faults.extend(not_its_own(template, id, queue, undeliverable));
        let consumer = template.sources("SQS").find(|(_, source)| source["Queue"] == properties["Endpoint"]);
        if consumer.is_none() {
            faults.push(format!("{id}: no function consumes {queue}"));
        }
        let policies = template.of_type("AWS::SQS::QueuePolicy").filter(|(_, document)| {
            list(&document["Queues"]).iter().any(|of| [queue, undeliverable].contains(&id_of(of)))
        });
        for awaited in policies.map(|(policy, _)| policy).chain(consumer.map(|(function, _)| function)) {
            if !list(&template.resource(id)["DependsOn"]).contains(&json!(awaited)) {
                faults.push(format!("{id}: does not wait for {awaited}"));
            }
        }
    }
    faults
}

#[test]
fn the_relay_waits_for_every_subscription() {
    check(
        "A topic forgets what nobody subscribes to, such as an event that is published while the stack is being created.",
        relay_before_subscriptions,
        &[
            ("/Resources/RelayFunction/DependsOn", GONE, "OrdersSubscription"),
            ("/Resources/RelayFunction/DependsOn/6", GONE, "JournalSubscription"),
            ("/Resources/OtherSubscription", json!({"Type": "AWS::SNS::Subscription"}), "OtherSubscription"),
        ],
    );
}

fn relay_before_subscriptions(template: &Template) -> Vec<String> {
    let waits_for = list(&template.resource("RelayFunction")["DependsOn"]);
    let subscriptions = template.of_type("AWS::SNS::Subscription").map(|(id, _)| id);
    let missed = subscriptions.filter(|id| !waits_for.contains(&json!(id)));
    missed.map(|id| format!("{id}: the relay does not wait for it")).collect()
}

#[test]
fn every_filter_is_its_consumers_own_list_of_types() {
    check(
        "A type that is missing never arrives; one too many is paid for and thrown away. The journal takes everything.",
        filters,
        &[
            ("OrdersSubscription/FilterPolicy/type/7", GONE, "Orders"),
            ("PaymentSubscription/FilterPolicy/type/0", json!("OrderShipped"), "Payment"),
            ("ShippingSubscription/FilterPolicy/subject", json!(["ord_1"]), "Shipping"),
            ("NotificationSubscription/FilterPolicy", GONE, "Notification"),
            ("JournalSubscription/FilterPolicy", json!({"type": ["OrderCreated"]}), "Journal"),
            ("/Resources/InventorySubscription", GONE, "Inventory"),
            ("/Resources/OtherSubscription", json!({"Type": "AWS::SNS::Subscription"}), "Other"),
        ],
    );
}

fn filters(template: &Template) -> Vec<String> {
    let set: BTreeMap<_, _> = template.of_type("AWS::SNS::Subscription").collect();
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    for service in services() {
        let id = format!("{}Subscription", service.name);
        let sorted = |mut types: Vec<Json>| {
            types.sort_by_key(Json::to_string);
            json!({"type": types})
        };
        let expected = service.consumes.map(|types| sorted(types.iter().map(|kind| json!(kind.as_str())).collect()));
        match set.get(id.as_str()).map(|properties| properties["FilterPolicy"].clone()) {
            None => faults.push(format!("{}: has no subscription", service.name)),
            Some(mut filter) => {
                if let Some(types) = filter.get("type") {
                    filter["type"] = sorted(list(types))["type"].take();
                }
                let expected = expected.unwrap_or_default();
                if filter != expected {
                    faults.push(format!("{id}: the filter is {filter}, the service's own list {expected}"));
                }
            }
        }
        known.insert(id);
    }
    let unknown = set.keys().filter(|id| !known.contains(**id));
    faults.extend(unknown.map(|id| format!("{id}: is of no service that this test knows")));
    faults
}

#[test]
fn queues_take_messages_from_the_topic_alone_and_over_tls_alone() {
    check(
        "Who else may send to a queue can make a service believe anything.",
        policies,
        &[
            ("/Resources/OrdersDlqPolicy", GONE, "OrdersDlq"),
            ("OrdersDlqPolicy/PolicyDocument/Statement/0", GONE, "OrdersDlq"),
            ("OrdersQueuePolicy/PolicyDocument/Statement/0/Action", json!("sqs:SendMessage"), "OrdersQueue"),
            ("OrdersQueuePolicy/PolicyDocument/Statement/0/Condition", GONE, "OrdersQueue"),
            ("OrdersQueuePolicy/PolicyDocument/Statement/1", GONE, "OrdersQueue"),
            ("OrdersQueuePolicy/PolicyDocument/Statement/1/Condition", GONE, "OrdersQueue"),
            ("OrdersQueuePolicy/PolicyDocument/Statement/1/Principal", json!("*"), "OrdersQueue"),
            ("OrdersQueuePolicy/PolicyDocument/Statement/1/Resource", arn("PaymentQueue"), "OrdersQueue"),
            (
                "OrdersUndeliverableQueuePolicy/PolicyDocument/Statement/1/Condition/ArnEquals/aws:SourceArn",
                json!("arn:aws:sns:*:*:*"),
                "OrdersUndeliverableQueue",
            ),
            ("EventsTopicPolicy/PolicyDocument/Statement/0/Effect", json!("Allow"), "EventsTopic"),
            ("/Resources/EventsTopicPolicy", GONE, "EventsTopic"),
        ],
    );
}

fn policies(template: &Template) -> Vec<String> {
    let subscriptions = template.of_type("AWS::SNS::Subscription");
    let fed: BTreeSet<&str> = subscriptions
        .flat_map(|(_, properties)| [&properties["Endpoint"], &properties["RedrivePolicy"]["deadLetterTargetArn"]])
        .map(id_of)
        .collect();
    let mut faults = Vec::new();
    for (queue, _) in template.of_type("AWS::SQS::Queue") {
        let mut expected = vec![tls_only("sqs:*", &arn(queue))];
        if fed.contains(queue) {
            expected.push(json!({
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn(queue),
                "Condition": {"ArnEquals": {"aws:SourceArn": reference("EventsTopic")}},
            }));
        }
        faults.extend(other_policy(template, "AWS::SQS::QueuePolicy", "Queues", queue, &expected));
    }
    for (topic, _) in template.of_type("AWS::SNS::Topic") {
        let expected = [tls_only("sns:Publish", &reference(topic))];
        faults.extend(other_policy(template, "AWS::SNS::TopicPolicy", "Topics", topic, &expected));
    }
    faults
}

fn tls_only(action: &str, resource: &Json) -> Json {
    json!({
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

/// The fault of `id` if its one policy does not say exactly what is expected.
fn other_policy(template: &Template, kind: &str, of: &str, id: &str, expected: &[Json]) -> Option<String> {
    let policies = template.of_type(kind).filter(|(_, properties)| list(&properties[of]).contains(&reference(id)));
    let mut said: Vec<Json> = policies.flat_map(|(_, properties)| statements(properties)).collect();
    for statement in &mut said {
        statement.as_object_mut().map(|statement| statement.remove("Sid"));
    }
    (said != expected).then(|| format!("{id}: its policy says {}, not {}", Json::from(said), json!(expected)))
}

// ── Streams and tables ──────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_relay_gets_every_row_with_events_and_nothing_else() {
    check(
        "A row that the relay does not get is an event that never happened. It gets them from the first one on, in the \
         order of each item, as often as it takes; and has time left to publish them.",
        streams,
        &[
            ("RelayFunction/Events/OrdersStream", GONE, "OrdersTable"),
            ("RelayFunction/Events/OrdersStream/Properties/StartingPosition", json!("LATEST"), "RelayFunction"),
            ("RelayFunction/Events/OrdersStream/Properties/ParallelizationFactor", json!(2), "RelayFunction"),
            ("RelayFunction/Events/OrdersStream/Properties/MaximumRetryAttempts", json!(3), "RelayFunction"),
            ("RelayFunction/Events/OrdersStream/Properties/MaximumRecordAgeInSeconds", json!(60), "RelayFunction"),
            ("RelayFunction/Events/OrdersStream/Properties/FilterCriteria", GONE, "RelayFunction"),
            ("RelayFunction/Timeout", GONE, "RelayFunction"),
            (
                "RelayFunction/Events/OrdersStream/Properties/FilterCriteria/Filters/0/Pattern",
                json!(r#"{"eventName":["INSERT","MODIFY"]}"#),
                "RelayFunction",
            ),
            ("OrdersTable/StreamSpecification/StreamViewType", json!("KEYS_ONLY"), "OrdersTable"),
            ("OrdersTable/StreamSpecification", GONE, "OrdersTable"),
            ("NotificationTable/StreamSpecification", json!({"StreamViewType": "NEW_IMAGE"}), "NotificationTable"),
        ],
    );
}

fn streams(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    let mut relayed = Vec::new();
    for (function, source) in template.sources("DynamoDB") {
        let expected = [
            ("/StartingPosition", json!("TRIM_HORIZON")),
            ("/ParallelizationFactor", json!(1)),
            ("/MaximumRetryAttempts", GONE),
            ("/MaximumRecordAgeInSeconds", GONE),
            ("/BisectBatchOnFunctionError", GONE),
            ("/Enabled", GONE),
        ];
        faults.extend(unlike(function, source, &expected));
        let timeout = &template.properties(function)["Timeout"];
        if number(timeout).is_none_or(|seconds| seconds < 2 * RESERVE.as_secs()) {
            faults.push(format!("{function}: keeps {} s of its {timeout} for itself", RESERVE.as_secs()));
        }
        let patterns: Vec<Json> = list(&source["FilterCriteria"]["Filters"])
            .iter()
            .map(|filter| serde_json::from_str(filter["Pattern"].as_str().unwrap_or_default()).unwrap_or_default())
            .collect();
        let inserts = json!({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"events": {"S": [{"exists": true}]}}}});
        if patterns != [inserts] {
            faults.push(format!("{function}: the filter of {} is {}", source["Stream"], Json::from(patterns)));
        }
        relayed.push((function, source["Stream"].clone()));
    }
    let outboxes: BTreeSet<String> = services()
        .iter()
        .filter(|service| !service.sends().is_empty())
        .map(|service| format!("{}Table", service.name))
        .collect();
    for (table, properties) in template.of_type("AWS::DynamoDB::Table") {
        let publishes = outboxes.contains(table);
        let view = if publishes { json!("NEW_IMAGE") } else { GONE };
        faults.extend(unlike(table, properties, &[("/StreamSpecification/StreamViewType", view)]));
        let stream = json!({"Fn::GetAtt": [table, "StreamArn"]});
        let readers: Vec<_> =
            relayed.iter().filter(|(_, relayed)| *relayed == stream).map(|(function, _)| *function).collect();
        let expected: &[&str] = if publishes { &["RelayFunction"] } else { &[] };
        if readers != expected {
            faults.push(format!("{table}: its stream goes to {readers:?}, not to {expected:?}"));
        }
    }
    faults
}

#[test]
fn every_table_is_paid_by_use_and_can_be_restored() {
    check(
        "A table is a service's state, audit trail and outbox in one: a mistake must be undone to the second.",
        tables,
        &[
            ("OrdersTable/BillingMode", json!("PROVISIONED"), "OrdersTable"),
            ("StockTable/PointInTimeRecoverySpecification", GONE, "StockTable"),
            ("CarrierTable/SSESpecification/SSEEnabled", json!(false), "CarrierTable"),
        ],
    );
}

fn tables(template: &Template) -> Vec<String> {
    let expected = [
        ("/BillingMode", json!("PAY_PER_REQUEST")),
        ("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", json!(true)),
        ("/SSESpecification/SSEEnabled", json!(true)),
    ];
    template.of_type("AWS::DynamoDB::Table").flat_map(|(id, properties)| unlike(id, properties, &expected)).collect()
}

#[test]
fn every_table_has_the_keys_that_are_written() {
    check(
        "A key cannot be changed on a table that is in use. Versions are numbers, or the tenth would come before the second.",
        keys,
        &[
            ("OrdersTable/AttributeDefinitions/1/AttributeType", json!("S"), "OrdersTable"),
            ("OrdersTable/KeySchema/1", GONE, "OrdersTable"),
            ("JournalTable/KeySchema/0/KeyType", json!("RANGE"), "JournalTable"),
            ("StockTable/KeySchema/0/AttributeName", json!("sku"), "StockTable"),
            ("SightingsTable/TimeToLiveSpecification", GONE, "SightingsTable"),
        ],
    );
}

fn keys(template: &Template) -> Vec<String> {
    let faults = template.of_type("AWS::DynamoDB::Table").flat_map(|(id, properties)| {
        let sort = match id {
            "StockTable" | "PaymentProviderTable" | "CarrierTable" => None,
            "JournalTable" | "SightingsTable" => Some("S"),
            // A service's ledger.
            _ => Some("N"),
        };
        let keys = [Some(("pk", "S", "HASH")), sort.map(|kind| ("sk", kind, "RANGE"))].into_iter().flatten();
        let (definitions, schema): (Vec<Json>, Vec<Json>) = keys
            .map(|(name, kind, role)| {
                (json!({"AttributeName": name, "AttributeType": kind}), json!({"AttributeName": name, "KeyType": role}))
            })
            .unzip();
        let forgets =
            if id == "SightingsTable" { json!({"AttributeName": "expiresAt", "Enabled": true}) } else { GONE };
        let expected = [
            ("/AttributeDefinitions", json!(definitions)),
            ("/KeySchema", json!(schema)),
            ("/TimeToLiveSpecification", forgets),
        ];
        unlike(id, properties, &expected)
    });
    faults.collect()
}

#[test]
fn tables_and_queues_outlive_their_stack_on_prod_alone() {
    check(
        "On prod nothing may be lost with a stack that is deleted; elsewhere nothing may be left behind.",
        retention_on_prod,
        &[
            ("/Resources/OrdersTable/DeletionPolicy", GONE, "OrdersTable"),
            ("/Resources/OrdersTable/UpdateReplacePolicy", json!("Delete"), "OrdersTable"),
            ("OrdersTable/DeletionProtectionEnabled", GONE, "OrdersTable"),
            ("/Resources/OrdersDlq/DeletionPolicy", json!("Retain"), "OrdersDlq"),
            ("/Conditions/IsProd/Fn::Equals/1", json!("production"), "OrdersTable"),
        ],
    );
}

fn retention_on_prod(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for (stage, policy) in [("dev", "Delete"), ("prod", "Retain")] {
        let template = template.with("Stage", json!(stage));
        for (id, resource) in template.resources() {
            let is_table = resource["Type"] == "AWS::DynamoDB::Table";
            if is_table || resource["Type"] == "AWS::SQS::Queue" {
                let expected = [("/DeletionPolicy", json!(policy)), ("/UpdateReplacePolicy", json!(policy))];
                faults.extend(unlike(id, resource, &expected));
            }
            if is_table {
                let expected = [("/Properties/DeletionProtectionEnabled", json!(stage == "prod"))];
                faults.extend(unlike(id, resource, &expected));
            }
        }
    }
    faults
}

// ── Functions ───────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn every_function_is_a_traced_binary_for_either_processor() {
    check(
        "One parameter moves all functions between arm64 and x86_64; a trace that misses a function ends there.",
        functions,
        &[
            ("/Globals/Function/Architectures", json!(["arm64"]), "OrdersFunction"),
            ("OrdersFunction/Architectures", json!(["arm64"]), "OrdersFunction"),
            ("/Globals/Function/Runtime", json!("provided.al2"), "OrdersFunction"),
            ("OrdersFunction/Handler", json!("main"), "OrdersFunction"),
            ("RelayFunction/Tracing", json!("PassThrough"), "RelayFunction"),
            ("/Resources/RelayFunction/Metadata/BuildMethod", json!("makefile"), "RelayFunction"),
            ("/Resources/RelayFunction/Metadata/BuildProperties/Binary", json!("relais"), "relais"),
            ("/Resources/RelayFunction", GONE, "relay"),
            ("/Parameters/Architecture/AllowedValues/1", GONE, "Architecture"),
        ],
    );
}

fn functions(template: &Template) -> Vec<String> {
    let allowed = [("/AllowedValues", json!(["arm64", "x86_64"]))];
    let mut faults = unlike("Architecture", &template.raw["Parameters"]["Architecture"], &allowed);
    for architecture in ["arm64", "x86_64"] {
        let template = template.with("Architecture", json!(architecture));
        for function in template.functions() {
            let expected = [
                ("/Properties/Architectures", json!([architecture])),
                ("/Properties/Runtime", json!("provided.al2023")),
                ("/Properties/Handler", json!("bootstrap")),
                ("/Properties/Tracing", json!("Active")),
                ("/Properties/CodeUri", json!(".")),
                ("/Metadata/BuildMethod", json!("rust-cargolambda")),
            ];
            faults.extend(unlike(function, template.resource(function), &expected));
        }
    }
    let deployed: BTreeSet<String> = template.functions().map(|function| template.binary(function)).collect();
    let written: BTreeSet<String> = binaries().into_keys().collect();
    let differing = deployed.symmetric_difference(&written);
    faults.extend(differing.map(|binary| format!("{binary}: is only one of a function and a file in src/bin")));
    faults
}

#[test]
fn every_log_is_json_in_a_group_of_its_own_that_forgets() {
    check(
        "A log group that Lambda makes keeps its logs, and their cost, for ever.",
        logs,
        &[
            ("OrdersLogGroup/RetentionInDays", GONE, "OrdersLogGroup"),
            ("OrdersLogGroup/RetentionInDays", json!(30), "OrdersLogGroup"),
            ("OrdersFunction/LoggingConfig", GONE, "OrdersFunction"),
            ("OrdersFunction/LoggingConfig/LogGroup", reference("OrdersApiLogGroup"), "OrdersFunction"),
            ("/Globals/Function/LoggingConfig/LogFormat", json!("Text"), "OrdersFunction"),
        ],
    );
}

fn logs(template: &Template) -> Vec<String> {
    let template = template.with("LogRetentionDays", json!(7));
    let mut faults = Vec::new();
    for (id, properties) in template.of_type("AWS::Logs::LogGroup") {
        faults.extend(unlike(id, properties, &[("/RetentionInDays", json!(7))]));
    }
    for function in template.functions() {
        let group = function.replace("Function", "LogGroup");
        let expected = [("/LogFormat", json!("JSON")), ("/LogGroup", reference(&group))];
        faults.extend(unlike(function, &template.properties(function)["LoggingConfig"], &expected));
        if template.resource(&group)["Type"] != "AWS::Logs::LogGroup" {
            faults.push(format!("{function}: there is no {group}"));
        }
    }
    faults
}

#[test]
fn functions_have_exactly_the_variables_that_they_read() {
    check(
        "A variable that is missing stops the function at its start; one that nobody reads misleads whoever sets it.",
        variables,
        &[
            ("OrdersFunction/Environment/Variables/MAX_BACKOFF_SECONDS", GONE, "OrdersFunction"),
            ("PaymentFunction/Environment/Variables/PROVIDER_TABLE_NAME", GONE, "PaymentFunction"),
            ("RelayFunction/Environment/Variables/QUEUE_URL", reference("RelayDlq"), "RelayFunction"),
            ("OrdersApiFunction/Environment", GONE, "OrdersApiFunction"),
            ("/Globals/Function/Environment", json!({"Variables": {"RUST_LOG": "info"}}), "OrdersFunction"),
        ],
    );
}

fn variables(template: &Template) -> Vec<String> {
    let sources = binaries();
    let mut faults = Vec::new();
    for function in template.functions() {
        let source = &sources[&template.binary(function)];
        let toolkit = TOOLKIT.iter().filter(|(call, _)| source.contains(call)).map(|(_, file)| read_text(file));
        let read: BTreeSet<String> = toolkit.chain([source.clone()]).flat_map(|text| names_read(&text)).collect();
        let set: BTreeSet<String> =
            template.variables(function).as_object().into_iter().flat_map(Map::keys).cloned().collect();
        faults.extend(read.difference(&set).map(|name| format!("{function}: {name} is read, but not set")));
        faults.extend(set.difference(&read).map(|name| format!("{function}: {name} is set, but not read")));
    }
    faults
}

/// The variables that a source text reads, without those that Lambda sets.
fn names_read(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let reads = [".text(\"", ".number(\""].into_iter().flat_map(|call| code.split(call).skip(1));
    let names = reads.filter_map(|rest| rest.split('"').next()).filter(|name| !name.starts_with("AWS_LAMBDA_"));
    names.map(ToOwned::to_owned).collect()
}

#[test]
fn the_source_text_says_what_is_read() {
    assert_eq!(names_read(&read_text(TOOLKIT[0].1)).len(), 4, "QueueSettings reads four variables");
    assert_eq!(names_read(&binaries()["relay"]), ["TOPIC_ARN", "DEAD_LETTER_QUEUE_URL"]);
}

// ── Rights ──────────────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn functions_have_exactly_the_rights_that_they_use() {
    check(
        "What a function may not do, no mistake in it can do. Roles that SAM makes may touch every queue and stream.",
        rights,
        &[
            ("OrdersFunction/Role", GONE, "OrdersFunction"),
            ("OrdersFunction/Role", json!({"Fn::GetAtt": ["PaymentRole", "Arn"]}), "OrdersFunction"),
            ("OrdersFunction/Policies", json!(["AmazonSQSFullAccess"]), "OrdersFunction"),
            ("OrdersRole/ManagedPolicyArns", json!(["arn:aws:iam::aws:policy/AdministratorAccess"]), "OrdersFunction"),
            ("OrdersRole/AssumeRolePolicyDocument/Statement/0/Principal/AWS", json!("*"), "OrdersFunction"),
            (
                "JournalRole/Policies/0/PolicyDocument/Statement/4/Action",
                json!("dynamodb:UpdateItem"),
                "JournalFunction",
            ),
            ("JournalRole/Policies/0/PolicyDocument/Statement/4/Resource", arn("OrdersTable"), "JournalFunction"),
            ("JournalRole/Policies/0/PolicyDocument/Statement/3", GONE, "JournalFunction"),
            ("NotificationRole/Policies/0/PolicyDocument/Statement/5/Condition", GONE, "NotificationFunction"),
            ("NotificationRole/Policies/0/PolicyDocument/Statement/6/NotResource", GONE, "NotificationFunction"),
            ("RelayRole/Policies/0/PolicyDocument/Statement/2/Resource/0", GONE, "RelayFunction"),
            ("OrdersFunction/Environment/Variables/TABLE_NAME", reference("JournalTable"), "OrdersFunction"),
            ("/Resources/MorePolicy", json!({"Type": "AWS::IAM::Policy"}), "MorePolicy"),
        ],
    );
}

fn rights(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    for function in template.functions() {
        let role = function.replace("Function", "Role");
        let properties = template.properties(function);
        faults.extend(unlike(function, properties, &[("/Role", arn(&role)), ("/Policies", GONE)]));
        let trust = json!([{
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"
        }]);
        let expected = [("/ManagedPolicyArns", GONE), ("/AssumeRolePolicyDocument/Statement", trust)];
        faults.extend(unlike(function, template.properties(&role), &expected));

        let (granted, used) = (granted(template.properties(&role)), used(template, function));
        faults.extend(used.difference(&granted).map(|right| format!("{function}: may not {right}")));
        faults.extend(granted.difference(&used).map(|right| format!("{function}: has no use for {right}")));
        for (_, variable, resource, _) in RIGHTS.iter().filter(|row| row.0 == function) {
            let expected = [(format!("/{variable}"), reference(resource))];
            faults.extend(unlike(function, template.variables(function), &expected));
        }
    }
    let elsewhere = template.resources().filter(|(_, resource)| {
        resource["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::IAM::") && kind != "AWS::IAM::Role")
    });
    faults.extend(elsewhere.map(|(id, _)| format!("{id}: rights are given in roles, where this test sees them")));
    faults
}

/// All that a function does.
fn used(template: &Template, function: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    let mut may = |actions: &[&str], resource: &str| {
        rights.extend(actions.iter().map(|action| format!("{action} on {resource}")));
    };
    may(&LOG_RIGHTS, &function.replace("Function", "LogGroup"));
    may(&TRACE_RIGHTS, "*");
    for (_, source) in template.sources("SQS").filter(|(of, _)| *of == function) {
        let queue = id_of(&source["Queue"]);
        may(&QUEUE_RIGHTS, queue);
        may(&["sqs:SendMessage"], id_of(&template.properties(queue)["RedrivePolicy"]["deadLetterTargetArn"]));
    }
    for (_, source) in template.sources("DynamoDB").filter(|(of, _)| *of == function) {
        let table = id_of(&source["Stream"]);
        may(&STREAM_RIGHTS, &format!("{table}.StreamArn"));
        may(&["dynamodb:ListStreams"], &format!("${{{table}.Arn}}/stream/*"));
    }
    for (_, _, resource, actions) in RIGHTS.iter().filter(|row| row.0 == function) {
        may(&actions.split(' ').collect::<Vec<_>>(), resource);
    }
    rights.extend(OTHER_RIGHTS.iter().filter(|row| row.0 == function).map(|row| row.1.to_owned()));
    rights
}

/// All that a role allows: action, resource, and condition if there is one. What names only exceptions is a `*` too.
fn granted(role: &Json) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    let policies = list(&role["Policies"]);
    for statement in policies.iter().flat_map(statements).filter(|statement| statement["Effect"] == "Allow") {
        let named = |member: &str| -> Vec<String> {
            let but = list(&statement[format!("Not{member}")]);
            let but = but.iter().map(|but| format!("* but {}", name(but)));
            list(&statement[member]).iter().map(name).chain(but).collect()
        };
        let condition = statement.get("Condition").map(|condition| format!(" if {condition}")).unwrap_or_default();
        for action in named("Action") {
            rights.extend(named("Resource").iter().map(|resource| format!("{action} on {resource}{condition}")));
        }
    }
    rights
}

#[test]
fn no_role_has_a_wildcard_where_a_name_is_possible() {
    check(
        "Whoever can write * need not think about what a function touches.",
        wildcards,
        &[
            ("OrdersRole/Policies/0/PolicyDocument/Statement/4/Action", json!("dynamodb:*"), "OrdersRole"),
            ("OrdersRole/Policies/0/PolicyDocument/Statement/4/Resource", json!("*"), "OrdersRole"),
            ("OrdersRole/Policies/0/PolicyDocument/Statement/3/NotAction", json!("sqs:DeleteQueue"), "OrdersRole"),
            ("OrdersRole/Policies/0/PolicyDocument/Statement/3/NotResource", arn("OrdersQueue"), "OrdersRole"),
            ("RelayRole/Policies/0/PolicyDocument/Statement/4/Resource", json!("*"), "RelayRole"),
            ("/Resources/NotificationRole", GONE, "sns:Publish"),
        ],
    );
}

fn wildcards(template: &Template) -> Vec<String> {
    let mut faults = Vec::new();
    let mut unused = WILDCARDS.to_vec();
    for (role, properties) in template.of_type("AWS::IAM::Role") {
        for right in granted(properties).iter().filter(|right| right.contains('*')) {
            let allows = |(action, end): &(&str, &str)| right.starts_with(action) && right.ends_with(end);
            if !WILDCARDS.iter().any(allows) {
                faults.push(format!("{role}: may {right}"));
            }
            unused.retain(|row| !allows(row));
        }
    }
    faults.extend(unused.iter().map(|(action, end)| format!("{action}{end}: is allowed here, and nobody needs it")));
    faults
}

// ── API and outputs ─────────────────────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_gateway_answers_with_problems_too() {
    check(
        "To a client, an answer of the gateway's is an answer of the API: application/problem+json, with its own status.",
        gateway_responses,
        &[
            ("Api/GatewayResponses/THROTTLED", GONE, "THROTTLED"),
            ("Api/GatewayResponses/THROTTLED/StatusCode", json!(503), "THROTTLED"),
            ("Api/GatewayResponses/THROTTLED/ResponseParameters/Headers/Content-Type", GONE, "THROTTLED"),
            ("Api/GatewayResponses/DEFAULT_4XX/ResponseTemplates/application~1json", json!("{"), "DEFAULT_4XX"),
            (
                "Api/GatewayResponses/DEFAULT_5XX/ResponseTemplates/application~1json",
                json!(r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#),
                "DEFAULT_5XX",
            ),
            ("Api/GatewayResponses/UNKNOWN", json!({}), "UNKNOWN"),
        ],
    );
}

fn gateway_responses(template: &Template) -> Vec<String> {
    let none = Map::new();
    let responses = template.properties("Api")["GatewayResponses"].as_object().unwrap_or(&none);
    let (given, known): (BTreeSet<&str>, BTreeSet<&str>) =
        (responses.keys().map(String::as_str).collect(), GATEWAY_RESPONSES.split_whitespace().collect());
    let mut faults: Vec<String> = given
        .symmetric_difference(&known)
        .map(|kind| format!("{kind}: is only one of a response of the gateway and one of the template"))
        .collect();
    for (kind, response) in responses {
        let header = [("/ResponseParameters/Headers/Content-Type", json!("'application/problem+json'"))];
        faults.extend(unlike(kind, response, &header));
        let body = response["ResponseTemplates"]["application/json"].as_str().unwrap_or_default();
        // The gateway fills it in with its quotes.
        let body = body.replace("$context.error.messageString", "\"why\"");
        let body: Json = serde_json::from_str(&body).unwrap_or_default();
        let status = [("/type", json!("about:blank")), ("/status", response["StatusCode"].clone())];
        faults.extend(unlike(kind, &body, &status));
        let silent = ["title", "detail"].into_iter().filter(|name| body[name].as_str().is_none_or(str::is_empty));
        faults.extend(silent.map(|name| format!("{kind}: has no {name}")));
    }
    faults
}

#[test]
fn the_api_has_the_routes_of_the_contract() {
    check(
        "Clients are written against them.",
        routes,
        &[
            ("OrdersApiFunction/Events/Cancel", GONE, "post /orders/{orderId}/cancel"),
            ("OrdersApiFunction/Events/Place/Properties/Method", json!("any"), "any /orders"),
        ],
    );
}

fn routes(template: &Template) -> Vec<String> {
    let sources = template.sources("Api");
    let given: BTreeSet<String> =
        sources.map(|(of, route)| format!("{} {} {of}", plain(&route["Method"]), plain(&route["Path"]))).collect();
    let expected = BTreeSet::from(ROUTES.map(ToOwned::to_owned));
    let differing = given.symmetric_difference(&expected);
    differing.map(|route| format!("{route}: is only one of a route of the template and one of the contract")).collect()
}

#[test]
fn every_output_of_the_contract_is_there() {
    check(
        "Tests and other teams' tools find the stack's parts by them.",
        outputs,
        &[
            ("/Outputs/RelayDlqUrl", GONE, "RelayDlqUrl"),
            ("/Outputs/OrdersQueueUrl/Value", reference("OrdersDlq"), "OrdersQueueUrl"),
            ("/Outputs/OrdersTableName/Value", arn("OrdersTable"), "OrdersTableName"),
            ("/Outputs/ApiUrl/Value", json!({"Fn::Sub": "https://${Api}/${Stage}/"}), "ApiUrl"),
            ("/Resources/JournalFunction", GONE, "JournalFunctionName"),
        ],
    );
}

fn outputs(template: &Template) -> Vec<String> {
    let output = |output: &str, kind: &str, id: &str| (output.to_owned(), kind.to_owned(), id.to_owned());
    let mut expected = vec![
        output("EventsTopicArn", "AWS::SNS::Topic", "EventsTopic"),
        output("RelayFunctionName", "AWS::Serverless::Function", "RelayFunction"),
        output("RelayDlqUrl", "AWS::SQS::Queue", "RelayDlq"),
    ];
    for Service { name, .. } in services() {
        for (suffix, kind, part) in [
            ("QueueUrl", "AWS::SQS::Queue", "Queue"),
            ("DlqUrl", "AWS::SQS::Queue", "Dlq"),
            ("TableName", "AWS::DynamoDB::Table", "Table"),
            ("FunctionName", "AWS::Serverless::Function", "Function"),
        ] {
            expected.push(output(&format!("{name}{suffix}"), kind, &format!("{name}{part}")));
        }
    }
    let given = &template.resolved["Outputs"];
    let url = json!("https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/dev");
    let mut faults = unlike("ApiUrl", &given["ApiUrl"], &[("/Value", url)]);
    for (name, kind, id) in expected {
        faults.extend(unlike(&name, &given[&name], &[("/Value", reference(&id))]));
        faults.extend(unlike(&name, template.resource(&id), &[("/Type", json!(kind))]));
    }
    faults
}

// ── Checking ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The value of what is taken away, and of what must not be there.
const GONE: Json = Json::Null;

type Rule = fn(&Template) -> Vec<String>;

/// Wants the rule to find nothing in the template as it is, and, of each row, a fault of the one named last when the value
/// is put in that place.
#[track_caller]
fn check(why: &str, rule: Rule, breaks: &[(&str, Json, &str)]) {
    let template = read_template(Path::new(TEMPLATE)).expect("the template");
    let faults = rule(&Template::new(template.clone()));
    assert!(faults.is_empty(), "template.yaml breaks a rule:\n  {}\n{why}", faults.join("\n  "));
    for (place, value, blamed) in breaks {
        let mut broken = template.clone();
        put(&mut broken, place, value);
        let faults = rule(&Template::new(broken));
        let noticed = faults.iter().any(|fault| fault.starts_with(blamed));
        assert!(noticed, "{place} = {value} is not a fault of {blamed}, but {faults:?}");
    }
}

/// `place` is a JSON Pointer, or a resource and the pointer of one of its properties.
fn put(template: &mut Json, place: &str, value: &Json) {
    let pointer = match place.split_once('/') {
        Some(("", _)) => place.to_owned(),
        Some((id, property)) => format!("/Resources/{id}/Properties/{property}"),
        None => panic!("{place} is no place"),
    };
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let member = member.replace("~1", "/");
    match template.pointer_mut(parent) {
        Some(Json::Object(members)) if value.is_null() => assert!(members.remove(&member).is_some(), "no {place}"),
        Some(Json::Object(members)) => drop(members.insert(member, value.clone())),
        Some(Json::Array(items)) if value.is_null() => drop(items.remove(member.parse().expect("an index"))),
        Some(Json::Array(items)) => items[member.parse::<usize>().expect("an index")] = value.clone(),
        _ => panic!("the template has no {parent}"),
    }
}

/// The faults of `id`: each pointer that leads to something else than its row says.
fn unlike(id: &str, value: &Json, rows: &[(impl AsRef<str>, Json)]) -> Vec<String> {
    let found = |pointer: &str| value.pointer(pointer).unwrap_or(&Json::Null);
    let rows = rows.iter().map(|(pointer, expected)| (pointer.as_ref(), expected));
    rows.filter(|(pointer, expected)| found(pointer) != *expected)
        .map(|(pointer, expected)| format!("{id}: {pointer} is {}, not {expected}", found(pointer)))
        .collect()
}

// ── The template, read ──────────────────────────────────────────────────────────────────────────────────────────────

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// The template as it is deployed with some parameters: what they decide is put in, and `Globals` are in each function.
/// References to resources stay as they are.
struct Template {
    raw: Json,
    parameters: Map<String, Json>,
    resolved: Json,
}

impl Template {
    /// With the defaults of all parameters.
    fn new(raw: Json) -> Self {
        let parameters = raw["Parameters"].as_object().into_iter().flatten();
        let defaults = parameters.map(|(name, parameter)| (name.clone(), parameter["Default"].clone())).collect();
        Self::deployed(raw, defaults)
    }

    /// The same with another parameter.
    fn with(&self, name: &str, value: Json) -> Self {
        let mut parameters = self.parameters.clone();
        parameters.insert(name.to_owned(), value);
        Self::deployed(self.raw.clone(), parameters)
    }

    fn deployed(raw: Json, parameters: Map<String, Json>) -> Self {
        let mut resolved = Resolver { raw: &raw, parameters: &parameters }.resolve(&raw);
        let globals = resolved["Globals"]["Function"].clone();
        for resource in resolved["Resources"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            if resource["Type"] == FUNCTION {
                resource["Properties"] = merged(&globals, &resource["Properties"]);
            }
        }
        Self { raw, parameters, resolved }
    }

    fn resources(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.resolved["Resources"].as_object().into_iter().flatten().map(|(id, resource)| (id.as_str(), resource))
    }

    fn resource(&self, id: &str) -> &Json {
        &self.resolved["Resources"][id]
    }

    fn properties(&self, id: &str) -> &Json {
        &self.resource(id)["Properties"]
    }

    /// The logical id and the properties of each resource of that type.
    fn of_type(&self, kind: &str) -> impl Iterator<Item = (&str, &Json)> {
        self.resources().filter(move |(_, resource)| resource["Type"] == kind).map(|(id, of)| (id, &of["Properties"]))
    }

    fn functions(&self) -> impl Iterator<Item = &str> {
        self.of_type(FUNCTION).map(|(id, _)| id)
    }

    fn variables(&self, function: &str) -> &Json {
        &self.properties(function)["Environment"]["Variables"]
    }

    fn binary(&self, function: &str) -> String {
        plain(&self.resource(function)["Metadata"]["BuildProperties"]["Binary"])
    }

    /// The function and the properties of each event source of that type.
    fn sources(&self, kind: &str) -> impl Iterator<Item = (&str, &Json)> {
        self.of_type(FUNCTION).flat_map(move |(id, properties)| {
            let events = properties["Events"].as_object().into_iter().flat_map(Map::values);
            events.filter(move |event| event["Type"] == kind).map(move |event| (id, &event["Properties"]))
        })
    }
}

const FUNCTION: &str = "AWS::Serverless::Function";

/// Works out the intrinsic functions that a template and its parameters decide.
struct Resolver<'a> {
    raw: &'a Json,
    parameters: &'a Map<String, Json>,
}

impl Resolver<'_> {
    fn resolve(&self, value: &Json) -> Json {
        match value {
            Json::Array(items) => items.iter().map(|item| self.resolve(item)).collect(),
            Json::Object(members) => {
                let call = members.iter().next().filter(|_| members.len() == 1);
                call.and_then(|(name, argument)| self.call(name, argument)).unwrap_or_else(|| {
                    Json::Object(members.iter().map(|(name, value)| (name.clone(), self.resolve(value))).collect())
                })
            }
            other => other.clone(),
        }
    }

    fn call(&self, function: &str, argument: &Json) -> Option<Json> {
        match function {
            "Ref" => self.parameters.get(argument.as_str()?).cloned(),
            "Fn::FindInMap" => {
                let [map, first, second] = [0, 1, 2].map(|index| plain(&argument[index]));
                Some(self.raw["Mappings"][map][first][second].clone())
            }
            "Fn::If" => {
                let holds = self.resolve(&self.raw["Conditions"][argument[0].as_str()?]).as_bool()?;
                Some(self.resolve(&argument[if holds { 1 } else { 2 }]))
            }
            "Fn::Equals" => Some((self.resolve(&argument[0]) == self.resolve(&argument[1])).into()),
            "Fn::Select" => self.resolve(&argument[1]).get(usize::try_from(number(&argument[0])?).ok()?).cloned(),
            "Fn::Split" => {
                let (text, separator) = (self.resolve(&argument[1]), argument[0].as_str()?);
                Some(text.as_str()?.split(separator).collect())
            }
            "Fn::Sub" => match argument.as_str() {
                Some(text) => Some(substituted(text, self.parameters)),
                None => Some(substituted(argument[0].as_str()?, self.resolve(&argument[1]).as_object()?)),
            },
            _ => None,
        }
    }
}

fn substituted(text: &str, values: &Map<String, Json>) -> Json {
    let put_in = |text: String, (name, value): (&String, &Json)| text.replace(&format!("${{{name}}}"), &plain(value));
    values.iter().fold(text.to_owned(), put_in).into()
}

/// What SAM makes of a property that `Globals` and a function both have.
fn merged(global: &Json, own: &Json) -> Json {
    match (global, own) {
        (Json::Object(global), Json::Object(own)) => {
            let mut all = global.clone();
            for (name, value) in own {
                let value = global.get(name).map_or_else(|| value.clone(), |global| merged(global, value));
                all.insert(name.clone(), value);
            }
            all.into()
        }
        (Json::Array(global), Json::Array(own)) => [global.as_slice(), own].concat().into(),
        _ => own.clone(),
    }
}

fn reference(id: &str) -> Json {
    json!({ "Ref": id })
}

fn arn(id: &str) -> Json {
    json!({ "Fn::GetAtt": [id, "Arn"] })
}

/// The resource that a `Ref` or a `GetAtt` means.
fn id_of(value: &Json) -> &str {
    value["Ref"].as_str().or(value["Fn::GetAtt"][0].as_str()).unwrap_or_default()
}

/// A resource of a statement: what it is called for its ARN, or its text.
fn name(value: &Json) -> String {
    match (id_of(value), value["Fn::GetAtt"][1].as_str()) {
        ("", _) => plain(value),
        (id, None | Some("Arn")) => id.to_owned(),
        (id, Some(attribute)) => format!("{id}.{attribute}"),
    }
}

fn statements(policy: &Json) -> Vec<Json> {
    list(&policy["PolicyDocument"]["Statement"])
}

/// One is as good as a list of one.
fn list(value: &Json) -> Vec<Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// `CloudFormation` takes a number as a text, too.
fn number(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Name and source text of every function's binary.
fn binaries() -> BTreeMap<String, String> {
    let services = fs::read_dir(Path::new(ROOT).join("functions")).expect("functions").map(|entry| entry.expect("one"));
    let files = services.flat_map(|service| fs::read_dir(service.path().join("src/bin")).expect("src/bin"));
    let files = files.map(|file| file.expect("a file").path());
    files
        .map(|file| {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&file).expect("a source text"))
        })
        .collect()
}

fn read_text(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).expect("a source text")
}
