//! Topics, subscriptions, and who may send to what.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::queues::not_its_own;
use crate::services::services;
use crate::stack::{
    GONE, QUEUE, SUBSCRIPTION, Stack, TABLE, arn, check, differing, id_of, list, members, plain, reference, unlike,
};

const TOPIC: &str = "AWS::SNS::Topic";
const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";
const BUCKET: &str = "AWS::S3::Bucket";

/// Path of the roles that may publish events.
const RELAYS: &str = "/${AWS::StackName}/relay/";

#[test]
fn events_are_in_order_and_orders_of_others_need_no_group() {
    check(
        "Whoever subscribes a FIFO queue gets an order's events in order, and orders do not wait for each other. A \
         producer of orders has nothing to set. Every event has somebody's address in it.",
        topics,
        &[
            ("EventsTopic FifoTopic", GONE, "EventsTopic"),
            ("EventsTopic FifoThroughputScope", json!("Topic"), "EventsTopic"),
            ("EventsTopic TopicName", json!("events"), "EventsTopic"),
            ("EventsTopic KmsMasterKeyId", GONE, "EventsTopic"),
            ("IntakeTopic FifoTopic", json!(true), "IntakeTopic"),
            ("IntakeTopic KmsMasterKeyId", GONE, "IntakeTopic"),
            ("OtherTopic", json!({"Type": TOPIC}), "OtherTopic"),
        ],
    );
}

fn topics(stack: &Stack) -> Vec<String> {
    let faults = stack.of_type(TOPIC).flat_map(|(id, properties)| {
        let fifo = |value: Json| if id == "IntakeTopic" { GONE } else { value };
        let expected = [
            ("/TopicName", fifo(json!("${AWS::StackName}-events.fifo"))),
            ("/FifoTopic", fifo(json!(true))),
            ("/FifoThroughputScope", fifo(json!("MessageGroup"))),
            ("/KmsMasterKeyId", json!("alias/aws/sns")),
        ];
        unlike(id, properties, &expected)
    });
    faults.collect()
}

#[test]
fn every_subscription_loses_nothing() {
    check(
        "SNS drops what it cannot deliver unless there is a redrive policy, and what arrives before the queue's policy. A \
         function that is not updated yet throws away what a wider filter lets through. Consumers and filters read the \
         event itself: raw, by its body.",
        subscriptions,
        &[
            ("Subscription RedrivePolicy", GONE, "OrdersSubscription"),
            ("Subscription RedrivePolicy/deadLetterTargetArn", arn("Dlq"), "OrdersSubscription"),
            ("UndeliverableQueue FifoQueue", GONE, "OrdersSubscription"),
            ("UndeliverableQueue FifoQueue", json!(true), "IntakeSubscription"),
            ("Subscription RawMessageDelivery", json!(false), "OrdersSubscription"),
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
        let (queue, undeliverable) =
            (id_of(&properties["Endpoint"]), id_of(&properties["RedrivePolicy"]["deadLetterTargetArn"]));
        let scope = if properties["FilterPolicy"].is_null() { GONE } else { json!("MessageBody") };
        let expected = [
            ("/TopicArn", reference(topic)),
            ("/Protocol", json!("sqs")),
            ("/RawMessageDelivery", json!(true)),
            ("/FilterPolicyScope", scope),
        ];
        faults.extend(unlike(id, properties, &expected));
        faults.extend(not_its_own(stack, id, &stack.properties(topic)["FifoTopic"], undeliverable));
        let consumer = stack.sources(QUEUE).find(|source| source.of == queue).map(|source| source.function);
        if consumer.is_none() {
            faults.push(format!("{id}: no function consumes {queue}"));
        }
        let policies = stack
            .of_type(QUEUE_POLICY)
            .filter(|(_, policy)| list(&policy["Queues"]).iter().any(|of| [queue, undeliverable].contains(&id_of(of))));
        let waits_for = list(&stack.resource(id)["DependsOn"]);
        let awaited = policies.map(|(policy, _)| policy).chain(consumer);
        let missed = awaited.filter(|awaited| !waits_for.contains(&json!(awaited)));
        faults.extend(missed.map(|awaited| format!("{id}: does not wait for {awaited}")));
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
            (
                "Shipping Parameters/EventTypes",
                json!("OrderCreated,PaymentProcessed,OrderShipped"),
                "ShippingSubscription",
            ),
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
    let all = |types: &[&str]| types.iter().copied().collect::<BTreeSet<_>>();
    let consumed = services().map(|service| {
        let types = service.consumes.map(|types| all(&types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>()));
        (format!("{}Subscription", service.name), types.map(|types| json!({"type": types})))
    });
    let consumed = [consumed.as_slice(), &[("IntakeSubscription".to_owned(), None)]].concat();
    let given: Vec<&str> = stack.of_type(SUBSCRIPTION).map(|(id, _)| id).collect();
    let unknown = differing(given, consumed.iter().map(|(id, _)| id.as_str()));
    let mut faults: Vec<String> =
        unknown.iter().map(|id| format!("{id}: is only one of a subscription and a service")).collect();
    for (id, expected) in consumed {
        let mut filter = stack.properties(&id)["FilterPolicy"].clone();
        if let Some(types) = filter.get_mut("type") {
            let given: BTreeSet<String> = list(types).iter().map(plain).collect();
            *types = json!(given);
        }
        if filter != json!(expected) {
            faults.push(format!("{id}: the filter is {filter}, the service's own list {}", json!(expected)));
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
    let hears = |block: &Json| block["Properties"]["Parameters"]["TopicArn"] == reference("EventsTopic");
    let hearing: Vec<&str> = members(resources).filter(|(_, block)| hears(block)).map(|(id, _)| id.as_str()).collect();
    let mut faults = Vec::new();
    for entrance in ["OrdersApiFunction", "Intake"] {
        let mut awaited = BTreeSet::from([entrance.to_owned()]);
        let mut next = vec![entrance.to_owned()];
        while let Some(id) = next.pop() {
            let named = list(&resources[&id]["DependsOn"]).iter().map(plain).chain(names_in(&resources[&id]));
            next.extend(named.filter(|name| awaited.insert(name.clone())).collect::<Vec<_>>());
        }
        let missed = hearing.iter().filter(|id| !awaited.contains(**id));
        faults.extend(missed.map(|id| format!("{entrance}: does not wait for {id}")));
    }
    faults
}

/// What a value names by `Ref` or `GetAtt`.
fn names_in(value: &Json) -> Vec<String> {
    match value {
        Json::Array(items) => items.iter().flat_map(names_in).collect(),
        Json::Object(all) if !id_of(value).is_empty() && all.len() == 1 => vec![id_of(value).to_owned()],
        Json::Object(all) => all.values().flat_map(names_in).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_relays_alone_publish_events_and_queues_listen_to_their_topic_alone() {
    check(
        "Who else may publish an event or send to a queue can make a service believe anything. All goes over TLS.",
        policies,
        &[
            ("DlqPolicy", GONE, "OrdersDlq"),
            ("DlqPolicy PolicyDocument/Statement/~TlsOnly", GONE, "OrdersRelayDlq"),
            ("DlqPolicy Queues/~HasRelay", GONE, "OrdersRelayDlq"),
            ("QueuePolicy PolicyDocument/Statement/~TlsOnly/Action", json!("sqs:SendMessage"), "OrdersQueue"),
            ("QueuePolicy PolicyDocument/Statement/~TlsOnly/Condition", GONE, "OrdersQueue"),
            ("QueuePolicy PolicyDocument/Statement/~OnlyFromTheTopic", GONE, "OrdersQueue"),
            ("QueuePolicy PolicyDocument/Statement/~OnlyFromTheTopic/Condition", GONE, "OrdersQueue"),
            ("QueuePolicy PolicyDocument/Statement/~OnlyFromTheTopic/Principal", json!("*"), "OrdersQueue"),
            (
                "QueuePolicy PolicyDocument/Statement/~OnlyFromTheTopic/Condition/ArnEquals/aws:SourceArn",
                json!("arn:aws:sns:*:*:*"),
                "OrdersUndeliverableQueue",
            ),
            ("EventsTopicPolicy", GONE, "EventsTopic"),
            ("EventsTopicPolicy PolicyDocument/Statement/~TlsOnly/Effect", json!("Allow"), "EventsTopic"),
            ("EventsTopicPolicy PolicyDocument/Statement/~OnlyRelays", GONE, "EventsTopic"),
            (
                "EventsTopicPolicy PolicyDocument/Statement/~OnlyRelays/Condition/ArnNotLike/aws:PrincipalArn",
                json!({"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"}),
                "EventsTopic",
            ),
            ("IntakeTopicPolicy", GONE, "IntakeTopic"),
            ("DiscardedBucketPolicy", GONE, "DiscardedBucket"),
            ("RelayRole Path", GONE, "OrdersRelayFunction"),
            ("Role Path", json!({"Fn::Sub": "/${Application}/relay/"}), "OrdersFunction"),
        ],
    );
}

fn policies(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for (queue, _) in stack.of_type(QUEUE) {
        let mut expected = vec![denied("sqs:*", &json!("*"), tls())];
        let fed = stack.of_type(SUBSCRIPTION).find(|(_, properties)| {
            [&properties["Endpoint"], &properties["RedrivePolicy"]["deadLetterTargetArn"]].contains(&&arn(queue))
        });
        expected.extend(fed.map(|(_, properties)| {
            json!({
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": "*",
                "Condition": {"ArnEquals": {"aws:SourceArn": properties["TopicArn"]}},
            })
        }));
        faults.extend(other_policy(stack, QUEUE_POLICY, "Queues", queue, expected));
    }
    for (topic, _) in stack.of_type(TOPIC) {
        let mut expected = vec![denied("sns:Publish", &reference(topic), tls())];
        if topic == "EventsTopic" {
            let relays = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{RELAYS}*");
            let others = json!({"ArnNotLike": {"aws:PrincipalArn": relays}});
            expected.push(denied("sns:Publish", &reference(topic), others));
        }
        faults.extend(other_policy(stack, "AWS::SNS::TopicPolicy", "Topics", topic, expected));
    }
    for (bucket, _) in stack.of_type(BUCKET) {
        let expected = denied("s3:*", &json!([arn(bucket), format!("${{{bucket}.Arn}}/*")]), tls());
        faults.extend(other_policy(stack, "AWS::S3::BucketPolicy", "Bucket", bucket, vec![expected]));
    }
    for function in stack.functions() {
        let is_relay = stack.sources(TABLE).any(|source| source.function == function);
        let role = stack.properties(id_of(&stack.properties(function)["Role"]));
        faults.extend(unlike(function, role, &[("/Path", if is_relay { json!(RELAYS) } else { GONE })]));
    }
    faults
}

fn tls() -> Json {
    json!({"Bool": {"aws:SecureTransport": "false"}})
}

fn denied(action: &str, resource: &Json, condition: Json) -> Json {
    json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource, "Condition": condition})
}

/// The fault of `id` if its policy does not say exactly what is expected.
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
