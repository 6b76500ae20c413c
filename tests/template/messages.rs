//! The way of a message: relay, topic, subscription, queue, consumer, and what becomes of it where it goes no further.

use std::collections::BTreeSet;

use onewrite::config::{Environment, QueueSettings};
use onewrite::relay::RESERVE;
use orderflow_live::GOES_ON_FOR;
use orderflow_registry::SERVICES;
use serde_json::{Value as Json, json};

use crate::stack::{
    BUCKET, DISPATCH, GONE, PUSH, QUEUE, ROUTES, SUBSCRIPTION, Stack, TABLE, TOPIC, arn, check, id_of, list, members,
    number, plain, reference, unlike, unpaired,
};

const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";

/// Filter of a relay: rows are only ever put, and some have no events.
const NEW_ROWS: &str = r#"{"eventName":["INSERT"],"dynamodb":{"NewImage":{"events":{"S":[{"exists":true}]}}}}"#;

/// Filter of the reader of letters: their messages, and the jobs, are items of the same table.
const LETTERS_ALONE: &str = r#"{"dynamodb":{"Keys":{"sk":{"S":["letter"]}}}}"#;

/// Path of the roles that may publish events.
const RELAYS: &str = "/${AWS::StackName}/relay/";

/// Path of the roles that may send to the queues of services, besides their topics.
const OPERATORS: &str = "/${AWS::StackName}/operator/";

/// Table of the pages of the feed.
const FEED: &str = "FeedTable";

/// Table of the counts.
const COUNTS: &str = "CountTable";

/// Table of the dead letters.
const LETTERS: &str = "LettersTable";

#[test]
fn every_relay_gets_each_row_with_events_of_its_service_and_nothing_else() {
    check(
        "A row that no relay gets is an event that never happened. It gets them from the first one on, in the order of each \
         partition, as often as it takes; has time left to publish them; and speaks for its own service alone. What no \
         invocation survives is kept, before the stream forgets it.",
        relays,
        &[
            ("Payment Parameters/TableType", json!("ledger"), "PaymentRelayFunction"),
            ("Notification Parameters/TableType", json!("outbox"), "NotificationRelayFunction"),
            ("Payment Parameters/Service", json!("shipping"), "PaymentRelayFunction"),
            ("RelayFunction Environment/Variables/SOURCE", json!("orderflow/orders"), "PaymentRelayFunction"),
            ("RelayEventSource DestinationConfig", GONE, "OrdersRelayFunction"),
            ("RelayEventSource Enabled", json!(false), "OrdersRelayFunction"),
            ("RelayEventSource FilterCriteria/Filters/~INSERT/Pattern", json!("{}"), "OrdersRelayFunction"),
            ("service Mappings/Function/Relay/TimeoutSeconds", json!(10), "OrdersRelayFunction"),
            ("Table StreamSpecification", json!({"StreamViewType": "NEW_IMAGE"}), "NotificationTable"),
            ("EventSource EventSourceArn", json!({"Fn::GetAtt": ["Table", "StreamArn"]}), "OrdersFunction"),
        ],
    );
}

fn relays(stack: &Stack) -> Vec<String> {
    let publishing = SERVICES.iter().filter(|service| !service.sends().is_empty());
    let publishing = publishing.map(|service| {
        let [relay, table] = ["RelayFunction", "Table"].map(|part| format!("{}{part}", service.id));
        (relay, table, service.sends()[0].producer().to_string())
    });
    let publishing: Vec<_> = publishing.collect();
    let readers =
        stack.sources(TABLE).map(|(function, ..)| function).filter(|reader| ![PUSH, DISPATCH].contains(reader));
    let relays = publishing.iter().map(|(relay, ..)| relay.as_str());
    let mut faults = unpaired("a stream's reader and a publishing service's relay", readers, relays);
    for (relay, table, speaks_as) in &publishing {
        let source =
            stack.sources(TABLE).find(|(function, ..)| function == relay).map_or(&GONE, |(_, _, source)| source);
        faults.extend(unlike(
            relay,
            source,
            &json!({
                "EventSourceArn": {"Fn::GetAtt": [table, "StreamArn"]},
                "StartingPosition": "TRIM_HORIZON",
                "BatchSize": 100,
                "ParallelizationFactor": 1,
                "MaximumRetryAttempts": -1,
                "MaximumRecordAgeInSeconds": 22 * 60 * 60,
                "BisectBatchOnFunctionError": true,
                "DestinationConfig": {"OnFailure": {"Destination": arn("DiscardedBucket")}},
                "FilterCriteria": {"Filters": [{"Pattern": NEW_ROWS}]},
                "Enabled": null,
            }),
        ));
        faults.extend(unlike(relay, stack.variables(relay), &json!({"SOURCE": speaks_as})));
        let timeout = number(&stack.properties(relay)["Timeout"]).unwrap_or_default();
        if timeout < 2 * RESERVE.as_secs() {
            faults.push(format!("{relay}: keeps {} s of its {timeout} s for itself", RESERVE.as_secs()));
        }
    }
    for (id, properties) in stack.of_type(TABLE) {
        let is_outbox = publishing.iter().any(|(_, table, _)| table == id);
        let stream = match id {
            FEED | COUNTS | LETTERS => json!({"StreamViewType": "KEYS_ONLY"}),
            _ if is_outbox => json!({"StreamViewType": "NEW_IMAGE"}),
            _ => GONE,
        };
        faults.extend(unlike(id, properties, &json!({"StreamSpecification": stream})));
    }
    faults
}

#[test]
fn whoever_watches_is_told_of_each_row_and_page() {
    check(
        "What the second reader of the orders' stream does not get, nobody who watches is told. It tries again for an hour, by halves, \
         and holds nothing up for longer.",
        pushes,
        &[
            ("LivePushEventSource", GONE, "LivePushFunction"),
            ("LivePushEventSource EventSourceArn", json!({"Fn::GetAtt": ["Payment", "Outputs.StreamArn"]}), PUSH),
            ("LivePushEventSource FilterCriteria/Filters/0/Pattern", json!("{}"), "LivePushFunction"),
            ("LivePushEventSource MaximumRetryAttempts", json!(3), "LivePushFunction"),
            ("LivePushEventSource MaximumRecordAgeInSeconds", GONE, "LivePushFunction"),
            ("LivePushEventSource @Condition", GONE, "LivePushEventSource"),
            ("WebhooksEventSource", GONE, "WebhooksFunction"),
            ("LiveFeedEventSource EventSourceArn", arn("FeedTable"), "LivePushFunction"),
            ("LiveBoardEventSource", GONE, "LivePushFunction"),
            ("LiveBoardEventSource MaximumBatchingWindowInSeconds", GONE, "LivePushFunction"),
            ("LiveLettersEventSource", GONE, "LivePushFunction"),
            ("LiveLettersEventSource FilterCriteria", GONE, "LivePushFunction"),
            ("LiveFunction Timeout", GONE, "LiveFunction"),
            ("LivePushFunction Timeout", json!(20), "LivePushFunction"),
            ("LiveBoardEventSource FilterCriteria", json!({"Filters": [{"Pattern": "{}"}]}), "LivePushFunction"),
        ],
    );
}

fn pushes(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let of = |pattern: &str| json!({"Filters": [{"Pattern": pattern}]});
    let (new_items, letters) = (of(r#"{"eventName":["INSERT"]}"#), of(LETTERS_ALONE));
    // The board is paced by the window: a count changes all the time.
    for (reader, table, filter, window) in [
        (PUSH, "OrdersTable", &new_items, GONE),
        (PUSH, FEED, &new_items, GONE),
        (DISPATCH, FEED, &new_items, GONE),
        (PUSH, COUNTS, &GONE, json!(5)),
        (PUSH, LETTERS, &letters, json!(5)),
    ] {
        let source = stack.sources(TABLE).find(|(function, from, _)| *function == reader && *from == table);
        let source = source.map_or(&GONE, |(_, _, source)| source);
        faults.extend(unlike(
            reader,
            source,
            &json!({
                "EventSourceArn": {"Fn::GetAtt": [table, "StreamArn"]},
                "StartingPosition": "TRIM_HORIZON",
                "MaximumRetryAttempts": -1,
                "MaximumRecordAgeInSeconds": 60 * 60,
                "BisectBatchOnFunctionError": true,
                "MaximumBatchingWindowInSeconds": window,
                "FilterCriteria": filter,
                "Enabled": null,
            }),
        ));
    }
    // Whoever has a long past is told of it for half of the time that a function has.
    for function in [ROUTES, PUSH] {
        let timeout = number(&stack.properties(function)["Timeout"]).unwrap_or_default();
        if timeout < 2 * GOES_ON_FOR.as_secs() {
            faults.push(format!("{function}: begins something for {} s of its {timeout} s", GOES_ON_FOR.as_secs()));
        }
    }
    // Where there are no sockets, nothing of it is there, but for the queries.
    let without = stack.with([("Live", json!("no"))]);
    let left = without.resources().filter(|(id, _)| id.starts_with("Live"));
    faults.extend(left.map(|(id, _)| format!("{id}: is there without sockets")));
    faults
}

#[test]
fn a_partners_queue_gets_what_matches_and_what_it_cannot_get_is_kept() {
    check(
        "A partner is told whole events, and of nothing that its pattern lets not through. What cannot be delivered is kept by us.",
        partner,
        &[
            ("PartnerSubscription RawMessageDelivery", GONE, "PartnerSubscription"),
            ("PartnerSubscription RedrivePolicy", GONE, "PartnerSubscription"),
            ("PartnerSubscription FilterPolicy", GONE, "PartnerSubscription"),
            ("PartnerSubscription FilterPolicyScope", GONE, "PartnerSubscription"),
            ("PartnerSubscription @DependsOn", GONE, "PartnerSubscription"),
            ("PartnerUndeliverableQueue FifoQueue", GONE, "PartnerUndeliverableQueue"),
            ("PartnerUndeliverablePolicy PolicyDocument/Statement/~Delivery", GONE, "PartnerUndeliverablePolicy"),
        ],
    );
}

fn partner(stack: &Stack) -> Vec<String> {
    let queue = "arn:aws:sqs:eu-central-1:210987654321:events.fifo";
    let mut faults = Vec::new();
    for pattern in ["{}", r#"{"type":["ShipmentCreated"]}"#] {
        let stack = stack.with([("PartnerQueueArn", json!(queue)), ("PartnerPattern", json!(pattern))]);
        // SNS takes no empty policy.
        let is_filtered = |value: Json| if pattern == "{}" { GONE } else { value };
        let expected = json!({
            "TopicArn": reference("EventsTopic"), "Protocol": "sqs", "Endpoint": queue, "RawMessageDelivery": true,
            "FilterPolicyScope": is_filtered(json!("MessageBody")), "FilterPolicy": is_filtered(json!(pattern)),
            "RedrivePolicy": {"deadLetterTargetArn": arn("PartnerUndeliverableQueue")},
        });
        faults.extend(unlike("PartnerSubscription", stack.properties("PartnerSubscription"), &expected));
        let waits_for = json!(["PartnerUndeliverablePolicy"]);
        if stack.resource("PartnerSubscription")["DependsOn"] != waits_for {
            faults.push(format!("PartnerSubscription: does not wait for {waits_for}"));
        }
        let kept = json!({"FifoQueue": true, "MessageRetentionPeriod": 1_209_600});
        faults.extend(unlike("PartnerUndeliverableQueue", stack.properties("PartnerUndeliverableQueue"), &kept));
        let policy = stack.properties("PartnerUndeliverablePolicy");
        let allowed = list(&policy["PolicyDocument"]["Statement"]).iter().any(|statement| {
            statement["Effect"] == "Allow"
                && statement["Condition"] == json!({"ArnEquals": {"aws:SourceArn": reference("EventsTopic")}})
        });
        if policy["Queues"] != json!([reference("PartnerUndeliverableQueue")]) || !allowed {
            faults.push("PartnerUndeliverablePolicy: does not let the topic deliver".to_owned());
        }
    }
    faults
}

#[test]
fn every_subscription_loses_nothing() {
    check(
        "SNS drops what it cannot deliver unless there is a redrive policy, to a queue of the topic's own type, and what \
         arrives before the queue's policy. A function that is not updated yet throws away what a wider filter lets through.",
        subscriptions,
        &[
            ("Subscription RedrivePolicy", GONE, "OrdersSubscription"),
            ("Subscription RedrivePolicy/deadLetterTargetArn", arn("Dlq"), "OrdersSubscription"),
            ("UndeliverableQueue FifoQueue", GONE, "OrdersSubscription"),
            ("UndeliverableQueue FifoQueue", json!(true), "IntakeSubscription"),
            ("Subscription FilterPolicyScope", GONE, "OrdersSubscription"),
            ("Subscription Endpoint", arn("UndeliverableQueue"), "OrdersSubscription"),
            ("Subscription @DependsOn/~QueuePolicy", GONE, "OrdersSubscription"),
            ("Subscription @DependsOn/~Function", json!("RelayFunction"), "OrdersSubscription"),
            ("Intake Parameters/TopicArn", reference("EventsTopic"), "IntakeSubscription"),
            ("Journal Parameters/TopicArn", reference("IntakeTopic"), "JournalSubscription"),
        ],
    );
}

fn subscriptions(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, properties) in stack.of_type(SUBSCRIPTION) {
        let topic = if id == "IntakeSubscription" { "IntakeTopic" } else { "EventsTopic" };
        let scope = if properties["FilterPolicy"].is_null() { GONE } else { json!("MessageBody") };
        faults.extend(unlike(id, properties, &json!({"TopicArn": reference(topic), "FilterPolicyScope": scope})));
        let [queue, undeliverable] =
            [&properties["Endpoint"], &properties["RedrivePolicy"]["deadLetterTargetArn"]].map(id_of);
        faults.extend(not_its_own(stack, id, &stack.properties(topic)["FifoTopic"], undeliverable));
        let consumer = stack.sources(QUEUE).find(|(_, of, _)| *of == queue).map(|(function, ..)| function);
        if consumer.is_none() {
            faults.push(format!("{id}: no function consumes {queue}"));
        }
        let policies = stack
            .of_type(QUEUE_POLICY)
            .filter(|(_, policy)| list(&policy["Queues"]).iter().any(|of| [queue, undeliverable].contains(&id_of(of))));
        let waits_for = list(&stack.resource(id)["DependsOn"]);
        let missed = policies.map(|(id, _)| id).chain(consumer).filter(|awaited| !waits_for.contains(&json!(awaited)));
        faults.extend(missed.map(|awaited| format!("{id}: does not wait for {awaited}")));
    }
    faults
}

/// Fault of `target` as the queue for what `sender`, which is FIFO or not, cannot hand on.
fn not_its_own(stack: &Stack, sender: &str, is_fifo: &Json, target: &str) -> Option<String> {
    let sends = |resource: &Json| resource["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] == arn(target);
    let senders: Vec<_> = stack.resources().filter(|(_, resource)| sends(resource)).map(|(id, _)| id).collect();
    if stack.resource(target)["Type"] != QUEUE {
        Some(format!("{sender}: has no dead-letter queue"))
    } else if senders != [sender] {
        Some(format!("{sender}: {target} is not its own, but of {senders:?}"))
    } else if stack.properties(target)["FifoQueue"] != *is_fifo {
        Some(format!("{sender}: it and {target} are not both FIFO, or both not"))
    } else if stack.sources(QUEUE).any(|(reader, queue, _)| queue == target && !is_collector(stack, reader)) {
        Some(format!("{sender}: {target} is consumed, so it keeps nothing"))
    } else {
        None
    }
}

/// True of the function that puts a service's dead letters on record.
fn is_collector(stack: &Stack, function: &str) -> bool {
    stack.resource(function)["Metadata"]["BuildProperties"]["Binary"] == "letters"
}

/// Queue of what the collectors cannot put on record. It has none of its own.
const LAST_QUEUE: &str = "LettersDlq";

#[test]
fn no_queue_of_dead_letters_is_without_its_collector() {
    check(
        "SQS forgets a letter after two weeks, and shows it to nobody. What is collected is known by its service: each has a \
         collector of its own, which knows the service's queue and table, and has time to put a batch on record.",
        collectors,
        &[
            ("DlqEventSource", GONE, "OrdersDlq"),
            ("UndeliverableEventSource EventSourceArn", arn("Dlq"), "OrdersUndeliverableQueue"),
            ("RelayDlqEventSource", GONE, "PaymentRelayDlq"),
            ("RelayDlqEventSource FunctionName", reference("RelayFunction"), "PaymentRelayDlq"),
            ("Journal Parameters/LettersTableName", GONE, "JournalDlq"),
            ("MoreDlq", json!({"Type": QUEUE}), "MoreDlq"),
            ("LettersFunction Environment/Variables/QUEUE_URL", reference("Dlq"), "OrdersLettersFunction"),
            ("LettersFunction Environment/Variables/RELAY_DLQ_ARN", arn("Dlq"), "PaymentLettersFunction"),
            ("LettersFunction Environment/Variables/CONSUMER", reference("RelayFunction"), "IntakeLettersFunction"),
            ("Orders Parameters/LettersDlqUrl", reference("EventsTopic"), "OrdersLettersFunction"),
            ("Dlq VisibilityTimeout", GONE, "OrdersDlq"),
        ],
    );
}

fn collectors(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let fed: Vec<&str> = stack.of_type(SUBSCRIPTION).map(|(_, properties)| id_of(&properties["Endpoint"])).collect();
    for (queue, properties) in stack.of_type(QUEUE).filter(|(id, _)| !fed.contains(id) && *id != LAST_QUEUE) {
        let readers: Vec<&str> =
            stack.sources(QUEUE).filter(|(_, of, _)| *of == queue).map(|(reader, ..)| reader).collect();
        let [reader] = readers[..] else {
            faults.push(format!("{queue}: has not one collector, but {readers:?}"));
            continue;
        };
        if !is_collector(stack, reader) {
            faults.push(format!("{queue}: {reader} is no collector"));
        }
        let service = reader.trim_end_matches("LettersFunction");
        if !queue.starts_with(service) {
            faults.push(format!("{queue}: {reader} is another service's"));
        }
        let timeout = number(&stack.properties(reader)["Timeout"]).unwrap_or_default();
        if number(&properties["VisibilityTimeout"]).is_none_or(|hidden| hidden < 6 * timeout) {
            faults.push(format!("{queue}: hides what is received for less than six times {timeout} s"));
        }
        let [consumer, relay_dlq] = ["Function", "RelayDlq"].map(|part| format!("{service}{part}"));
        let consumer = stack.variables(&consumer);
        let has_relay = stack.resource(&relay_dlq).is_object();
        let variables = json!({
            "QUEUE_URL": consumer["QUEUE_URL"],
            "CONSUMER": reference(&format!("{service}Function")),
            "UNDELIVERABLE_QUEUE_ARN": arn(&format!("{service}UndeliverableQueue")),
            "RELAY_DLQ_ARN": if has_relay { arn(&relay_dlq) } else { json!("") },
            "LETTERS_TABLE_NAME": reference("LettersTable"),
            "DEAD_LETTER_QUEUE_URL": reference(LAST_QUEUE),
        });
        faults.extend(unlike(reader, stack.variables(reader), &variables));
    }
    faults
}

#[test]
fn every_filter_is_its_consumers_own_list_of_types() {
    check(
        "A type that is missing never arrives; one too many is paid for and thrown away. The journal takes everything, and \
         the intake whatever others send.",
        filters,
        &[
            ("Payment Parameters/EventTypes", json!("OrderCreated,OrderCancelled"), "PaymentSubscription"),
            ("Notification Parameters/EventTypes", GONE, "NotificationSubscription"),
            ("Journal Parameters/EventTypes", json!("OrderCreated"), "JournalSubscription"),
            ("Intake Parameters/EventTypes", json!("OrderCreated"), "IntakeSubscription"),
            ("Subscription FilterPolicy", json!({"subject": ["ord_1"]}), "OrdersSubscription"),
            ("Inventory", GONE, "InventorySubscription"),
            ("OtherSubscription", json!({"Type": SUBSCRIPTION}), "OtherSubscription"),
        ],
    );
}

fn filters(stack: &Stack) -> Vec<String> {
    let consumed = SERVICES.iter().map(|service| {
        let types = service.consumes().map(|types| types.iter().map(|kind| kind.as_str()).collect::<BTreeSet<_>>());
        (format!("{}Subscription", service.id), types.map_or(GONE, |types| json!({"type": types})))
    });
    let consumed: Vec<_> = consumed.chain([("IntakeSubscription".to_owned(), GONE)]).collect();
    let given = stack.of_type(SUBSCRIPTION).map(|(id, _)| id);
    let known = consumed.iter().map(|(id, _)| id.as_str());
    let mut faults = unpaired("a subscription and a service's", given, known);
    for (id, expected) in consumed {
        let mut filter = stack.properties(&id)["FilterPolicy"].clone();
        if let Some(types) = filter.get_mut("type") {
            *types = list(types).iter().map(plain).collect::<BTreeSet<_>>().into_iter().collect();
        }
        if filter != expected {
            faults.push(format!("{id}: the filter is {filter}, the service's own list {expected}"));
        }
    }
    faults
}

#[test]
fn whoever_takes_orders_waits_for_all_who_hear_of_them() {
    check(
        "A topic forgets what nobody subscribes to, such as the events of an order that is taken while the stack is being \
         created.",
        entrances,
        &[
            ("OrdersApiFunction @DependsOn", GONE, "OrdersApiFunction"),
            ("Intake @DependsOn", GONE, "Intake"),
            ("Intake @DependsOn/~Journal", GONE, "Intake"),
        ],
    );
}

fn entrances(stack: &Stack) -> Vec<String> {
    let resources = &stack.files.template["Resources"];
    // It waits for what it depends on, and for that of which it asks an output.
    let missed = |entrance: &str, awaited: &str| {
        let waits = resources[entrance].to_string().contains(&format!("\"{awaited}\""));
        (!waits).then(|| format!("{entrance}: does not wait for {awaited}"))
    };
    let hears = |block: &Json| block["Properties"]["Parameters"]["TopicArn"] == reference("EventsTopic");
    let hearing = members(resources).filter(|(_, block)| hears(block));
    hearing.filter_map(|(id, _)| missed("Intake", id)).chain(missed("OrdersApiFunction", "Intake")).collect()
}

#[test]
fn the_relays_alone_publish_events_and_queues_listen_to_their_topic_alone() {
    check(
        "Who else may publish an event or send to a queue can make a service believe anything. All goes over TLS.",
        policies,
        &[
            ("DlqPolicy", GONE, "OrdersDlq"),
            ("DlqPolicy Queues/~HasRelay", GONE, "OrdersRelayDlq"),
            ("QueuePolicy PolicyDocument/Statement/~TlsOnly/Action", json!("sqs:SendMessage"), "OrdersQueue"),
            ("QueuePolicy PolicyDocument/Statement/~Delivery/Condition", GONE, "OrdersUndeliverableQueue"),
            ("QueuePolicy PolicyDocument/Statement/~Delivery/Principal", json!("*"), "OrdersQueue"),
            ("QueuePolicy PolicyDocument/Statement/~NobodyElse", GONE, "OrdersQueue"),
            ("QueuePolicy PolicyDocument/Statement/~NobodyElse/Condition/ArnNotEquals", json!({}), "IntakeQueue"),
            ("OperatorRole Path", GONE, "OperatorRole"),
            ("EventsTopicPolicy", GONE, "EventsTopic"),
            ("EventsTopicPolicy PolicyDocument/Statement/~OnlyRelays", GONE, "EventsTopic"),
            ("EventsTopicPolicy PolicyDocument/Statement/~OnlyRelays/Condition/ArnNotLike", json!({}), "EventsTopic"),
            ("IntakeTopicPolicy", GONE, "IntakeTopic"),
            ("DiscardedBucketPolicy", GONE, "DiscardedBucket"),
            ("RelayRole Path", GONE, "OrdersRelayFunction"),
            ("JobsRole Path", GONE, "JobsFunction"),
            ("Role Path", json!({"Fn::Sub": "/${Application}/relay/"}), "OrdersFunction"),
        ],
    );
}

fn policies(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let tls = json!({"Bool": {"aws:SecureTransport": "false"}});
    for (queue, _) in stack.of_type(QUEUE) {
        let mut expected = vec![denied("sqs:*", &json!("*"), &tls)];
        let fed = stack.of_type(SUBSCRIPTION).find(|(_, properties)| {
            [&properties["Endpoint"], &properties["RedrivePolicy"]["deadLetterTargetArn"]].contains(&&arn(queue))
        });
        expected.extend(fed.into_iter().flat_map(|(_, properties)| {
            let topic = json!({"aws:SourceArn": properties["TopicArn"]});
            let allowed = json!({
                "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": "*", "Condition": {"ArnEquals": topic},
            });
            let neither = json!({"ArnNotEquals": topic, "ArnNotLike": {"aws:PrincipalArn": roles_under(OPERATORS)}});
            [allowed, denied("sqs:SendMessage", &json!("*"), &neither)]
        }));
        faults.extend(other_policy(stack, QUEUE_POLICY, "Queues", queue, expected));
    }
    let others = json!({"ArnNotLike": {"aws:PrincipalArn": roles_under(RELAYS)}});
    for (topic, _) in stack.of_type(TOPIC) {
        let conditions = if topic == "EventsTopic" { vec![&tls, &others] } else { vec![&tls] };
        let denied = conditions.into_iter().map(|condition| denied("sns:Publish", &reference(topic), condition));
        let expected = denied.chain((topic == "AlarmTopic").then(alarms_may_publish)).collect();
        faults.extend(other_policy(stack, "AWS::SNS::TopicPolicy", "Topics", topic, expected));
    }
    for (bucket, _) in stack.of_type(BUCKET) {
        let expected = denied("s3:*", &json!([arn(bucket), format!("${{{bucket}.Arn}}/*")]), &tls);
        faults.extend(other_policy(stack, "AWS::S3::BucketPolicy", "Bucket", bucket, vec![expected]));
    }
    for function in stack.functions() {
        let is_relay =
            ![PUSH, DISPATCH].contains(&function) && stack.sources(TABLE).any(|(reader, ..)| reader == function);
        let role = stack.properties(id_of(&stack.properties(function)["Role"]));
        let path = match function {
            "JobsFunction" => json!(OPERATORS),
            _ if is_relay => json!(RELAYS),
            _ => GONE,
        };
        faults.extend(unlike(function, role, &json!({ "Path": path })));
    }
    faults.extend(unlike("OperatorRole", stack.properties("OperatorRole"), &json!({"Path": OPERATORS})));
    faults
}

fn roles_under(path: &str) -> String {
    format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{path}*")
}

/// With a policy of its own a topic takes nothing of alarms that this does not allow.
fn alarms_may_publish() -> Json {
    json!({
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": reference("AlarmTopic"),
        "Condition": {"StringEquals": {"aws:SourceAccount": reference("AWS::AccountId")}},
    })
}

fn denied(action: &str, resource: &Json, condition: &Json) -> Json {
    json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource, "Condition": condition})
}

/// Fault of `id` if its policy does not say exactly what is expected.
fn other_policy(stack: &Stack, kind: &str, of: &str, id: &str, mut expected: Vec<Json>) -> Option<String> {
    let policies = stack.of_type(kind).filter(|(_, properties)| list(&properties[of]).contains(&reference(id)));
    let mut said: Vec<Json> =
        policies.flat_map(|(_, properties)| list(&properties["PolicyDocument"]["Statement"])).collect();
    for statement in &mut said {
        statement.as_object_mut().map(|statement| statement.remove("Sid"));
    }
    expected.sort_by_key(Json::to_string);
    said.sort_by_key(Json::to_string);
    (said != expected).then(|| format!("{id}: its policy says {}, not {}", Json::from(said), Json::from(expected)))
}

#[test]
fn every_consumer_is_done_before_its_queue_loses_patience() {
    check(
        "Without a dead-letter queue, a message that kills its function comes again for two weeks. A receive for which there \
         is no free slot counts too: so SQS moves a message itself well after the function would have. Lambda asks that \
         messages are hidden for six times the function's timeout, and the batching window: else a throttled batch is \
         handed out twice at once.",
        consumers,
        &[
            ("Queue RedrivePolicy", GONE, "OrdersQueue"),
            ("Queue RedrivePolicy/deadLetterTargetArn", arn("UndeliverableQueue"), "OrdersQueue"),
            ("EventSource EventSourceArn", arn("Dlq"), "OrdersQueue"),
            ("Function Environment/Variables/QUEUE_URL", reference("Dlq"), "OrdersFunction"),
            ("Function Environment/Variables/DEAD_LETTER_QUEUE_URL", reference("Queue"), "OrdersFunction"),
            ("template Parameters/MaxBackoffSeconds/MaxValue", json!(43_200), "OrdersFunction"),
            ("template Parameters/MaxBackoffSeconds/MinValue", json!(0), "OrdersFunction"),
            ("service Mappings/Function/Consumer/MaxReceiveCount", json!("31"), "OrdersQueue: gives up"),
            ("service Mappings/Function/Consumer/MaxReceiveCount", json!("31"), "OrdersQueue: keeps"),
            ("service Mappings/Function/Consumer/TimeoutSeconds", json!(11), "OrdersQueue: hides"),
            ("template Parameters/BatchingWindowSeconds/MaxValue", json!(11), "IntakeQueue: hides"),
            ("template Parameters/FollowerBatchingWindowSeconds/MaxValue", json!(11), "JournalQueue: hides"),
            ("Queue VisibilityTimeout", GONE, "PaymentQueue: hides"),
        ],
    );
}

fn consumers(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for limit in ["MinValue", "MaxValue"] {
        let stack = stack.with([
            ("MaxBackoffSeconds", stack.parameter("MaxBackoffSeconds", limit)),
            ("BatchingWindowSeconds", stack.parameter("BatchingWindowSeconds", "MaxValue")),
            ("FollowerBatchingWindowSeconds", stack.parameter("FollowerBatchingWindowSeconds", "MaxValue")),
        ]);
        for (_, subscription) in stack.of_type(SUBSCRIPTION) {
            let queue = id_of(&subscription["Endpoint"]);
            let Some((function, _, source)) = stack.sources(QUEUE).find(|(_, of, _)| *of == queue) else {
                faults.push(format!("{queue}: nobody consumes it"));
                continue;
            };
            let properties = stack.properties(queue);
            let target = id_of(&properties["RedrivePolicy"]["deadLetterTargetArn"]);
            faults.extend(not_its_own(&stack, queue, &properties["FifoQueue"], target));
            let variables = stack.variables(function).clone();
            let urls = json!({"QUEUE_URL": reference(queue), "DEAD_LETTER_QUEUE_URL": reference(target)});
            faults.extend(unlike(function, &variables, &urls));
            let lookup = move |name: &str| match name {
                "AWS_LAMBDA_FUNCTION_NAME" => Some("a function".to_owned()),
                name => variables.get(name).map(plain),
            };
            let settings = match Environment::new(lookup).read(QueueSettings::read) {
                Ok(settings) => settings,
                Err(error) => {
                    faults.push(format!("{function}: {error} (MaxBackoffSeconds at its {limit})"));
                    continue;
                }
            };
            let [attempts, backoff] = [settings.max_receive_count, settings.max_backoff_seconds].map(u64::from);
            let timeout = number(&stack.properties(function)["Timeout"]).unwrap_or_default();
            let window = number(&source["MaximumBatchingWindowInSeconds"]).unwrap_or_default();
            for (does, value, least) in [
                ("gives up after receives", &properties["RedrivePolicy"]["maxReceiveCount"], 2 * attempts),
                ("keeps for seconds", &properties["MessageRetentionPeriod"], attempts * backoff + 1),
                ("hides for seconds", &properties["VisibilityTimeout"], 6 * timeout + window),
            ] {
                if number(value).is_none_or(|value| value < least) {
                    faults.push(format!("{queue}: {does}: {value}, less than {least}"));
                }
            }
        }
    }
    faults
}
