//! Settings that the resources of a type have in common, whatever the parameters are.

use orderflow_registry::SERVICES;
use serde_json::{Map, Value as Json, json};

use crate::stack::{
    BUCKET, FUNCTION, GONE, QUEUE, SUBSCRIPTION, Stack, TABLE, TOPIC, check, members, reference, unlike,
};

const LOG_GROUP: &str = "AWS::Logs::LogGroup";
const KEYS: &str = "CustomerKeys";
const WEBHOOK_KEYS: &str = "WebhookKeys";
const DAY_SECONDS: u64 = 24 * 60 * 60;

#[test]
fn every_resource_is_set_to_lose_nothing_and_to_show_nothing() {
    check(
        "See the pattern that is broken.",
        properties,
        &[
            ("Dlq MessageRetentionPeriod", json!(345_600), "OrdersDlq"),
            ("Queue KmsMasterKeyId", json!("alias/aws/sqs"), "OrdersQueue"),
            ("Dlq @DeletionPolicy", json!("Retain"), "OrdersDlq"),
            ("UndeliverableQueue FifoThroughputLimit", GONE, "OrdersUndeliverableQueue"),
            ("service Conditions/IsProd/Fn::Equals/~prod", json!("production"), "OrdersTable"),
            ("Journal Parameters/Stage", json!("dev"), "JournalTable"),
            ("Journal Parameters/TableType", json!("ledger"), "JournalTable"),
            ("LeasesTable TimeToLiveSpecification", GONE, "LeasesTable"),
            (
                "CustomerKeys PointInTimeRecoverySpecification",
                json!({"PointInTimeRecoveryEnabled": true}),
                "CustomerKeys",
            ),
            ("PriceTable PointInTimeRecoverySpecification", GONE, "PriceTable"),
            ("CustomerKeys SSESpecification", GONE, "CustomerKeys"),
            ("CustomerKeys TimeToLiveSpecification", GONE, "CustomerKeys"),
            ("DeclinesTable TimeToLiveSpecification", GONE, "DeclinesTable"),
            ("StockTable KeySchema/~pk/AttributeName", json!("sku"), "StockTable"),
            ("IntakeTopic FifoTopic", json!(true), "IntakeTopic"),
            ("DiscardedBucket PublicAccessBlockConfiguration/BlockPublicPolicy", json!(false), "DiscardedBucket"),
            ("Payment Parameters/Architecture", json!("arm64"), "PaymentFunction"),
            ("Function Code", json!("."), "OrdersFunction"),
            (
                "RelayLogGroup LogGroupName",
                json!({"Fn::Sub": "/aws/lambda/${Application}/relay"}),
                "PaymentRelayLogGroup",
            ),
            ("RelayFunction LoggingConfig/ApplicationLogLevel", GONE, "OrdersRelayFunction"),
            ("Function LoggingConfig/LogGroup", reference("RelayLogGroup"), "OrdersFunction"),
            ("EventSource MaximumBatchingWindowInSeconds", json!(0), "OrdersFunction"),
            ("EventSource FilterCriteria", json!({"Filters": []}), "OrdersFunction"),
            ("EventSource Enabled", json!(false), "OrdersFunction"),
            ("EventSource ScalingConfig", GONE, "IntakeFunction"),
            ("DlqEventSource ScalingConfig", GONE, "IntakeLettersFunction"),
            ("RelayDlqEventSource FunctionResponseTypes", GONE, "PaymentLettersFunction"),
            ("LettersTable GlobalSecondaryIndexes/0/Projection/NonKeyAttributes", GONE, "LettersTable"),
            ("Table GlobalSecondaryIndexes", GONE, "JournalTable"),
            ("Journal Parameters/MaximumConcurrency", json!(1_000), "JournalFunction"),
            ("Inventory Parameters/MaximumConcurrency", json!(7), "InventoryFunction"),
            ("Notification Parameters/MaximumConcurrency", reference("MaximumConcurrency"), "NotificationFunction"),
            ("OtherTopic", json!({"Type": TOPIC}), "OtherTopic"),
            ("AlarmTopic @Properties", json!({"KmsMasterKeyId": "alias/aws/sns"}), "AlarmTopic"),
            ("service Transform", json!("AWS::LanguageExtensions"), "service.yaml"),
            ("template Parameters/MaximumConcurrency/MinValue", json!(1), "template.yaml"),
        ],
    );
}

fn properties(stack: &Stack) -> Vec<String> {
    // With one of its own, a nested stack cannot be shown as a change set.
    let mut faults = unlike("service.yaml", &stack.files.service, &json!({"Transform": null}));
    let concurrency = json!({"MinValue": 2, "MaxValue": 1_000});
    let parameters = json!({"Parameters": {
        "Architecture": {"AllowedValues": ["arm64", "x86_64"]},
        "MaximumConcurrency": concurrency,
        "NotificationMaximumConcurrency": concurrency,
    }});
    faults.extend(unlike("template.yaml", &stack.files.template, &parameters));
    for is_prod in [false, true] {
        let stack = stack.with([
            ("Stage", json!(if is_prod { "prod" } else { "dev" })),
            ("Architecture", json!("x86_64")),
            ("LogRetentionDays", json!(7)),
            ("DiscardedDays", json!(30)),
            ("LogLevel", json!("ERROR")),
            ("BatchingWindowSeconds", json!(3)),
            ("FollowerBatchingWindowSeconds", json!(3)),
            ("MaximumConcurrency", json!(50)),
            ("NotificationMaximumConcurrency", json!(30)),
        ]);
        for (of, pattern) in patterns(is_prod) {
            let mut all = stack.resources().filter(|(id, resource)| *id == of || resource["Type"] == *of).peekable();
            if all.peek().is_none() {
                faults.push(format!("{of}: is not there"));
            }
            faults.extend(all.flat_map(|(id, resource)| unlike(id, resource, &pattern)));
        }
        for (id, properties) in stack.of_type(TOPIC) {
            // Every event has somebody's address in it. Of alarms, which have none, that key would let none through.
            let key = if id == "AlarmTopic" { GONE } else { json!("alias/aws/sns") };
            faults.extend(unlike(id, properties, &json!({ "KmsMasterKeyId": key })));
        }
        let key = "arn:aws:kms:eu-central-1:123456789012:key/1";
        let wrapped = json!({"SSESpecification": {"SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": key}});
        let alone = json!({"SSESpecification": null});
        let with_key = stack.with([("PersonalKey", json!(key))]);
        for (id, properties) in with_key.of_type(TABLE) {
            let expected = if id == KEYS { &wrapped } else { &alone };
            faults.extend(unlike(id, properties, expected));
        }
        for (id, properties) in stack.of_type(TABLE) {
            let is_of_keys = [KEYS, WEBHOOK_KEYS].contains(&id);
            let recovery = json!({"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": !is_of_keys}});
            faults.extend(unlike(id, properties, &recovery));
        }
        for (id, properties) in stack.of_type(QUEUE) {
            faults.extend(unlike(id, properties, &high_throughput(properties["FifoQueue"] == true)));
        }
        for (function, _, properties) in stack.sources(QUEUE) {
            faults.extend(unlike(function, properties, &queue_source(function)));
        }
        for (function, properties) in stack.of_type(FUNCTION) {
            let name = function.trim_end_matches("Function");
            let group = format!("{name}LogGroup");
            // The workspace, from where the template is.
            let own = ["Graphql", "Jobs", "Live", "LivePush", "Notices", "OpenOrders", "Webhooks", "WebhooksSend"];
            let is_own = own.contains(&name);
            let code = if name.ends_with("Api") || is_own { "." } else { ".." };
            let pattern = json!({"Code": code, "LoggingConfig": {"LogGroup": reference(&group)}});
            faults.extend(unlike(function, properties, &pattern));
            let name = format!("/aws/lambda/${{AWS::StackName}}/{}", hyphenated(name));
            faults.extend(unlike(&group, stack.properties(&group), &json!({"LogGroupName": name})));
        }
    }
    faults
}

/// Index of the keys alone.
fn of_keys_alone(name: &str, [hash, range]: [&str; 2]) -> Json {
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    json!({
        "IndexName": name,
        "KeySchema": [key(hash, "HASH"), key(range, "RANGE")],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    })
}

/// By the type of a resource, or its name.
fn patterns(is_prod: bool) -> Map<String, Json> {
    let on_prod = |policy: &str| json!(if is_prod { policy } else { "Delete" });
    let keys = |keys: &[(&str, &str)]| {
        let definition = |(name, kind): &(&str, &str)| json!({"AttributeName": name, "AttributeType": kind});
        let role = |((name, _), role): (&(&str, &str), &str)| json!({"AttributeName": name, "KeyType": role});
        let roles = keys.iter().zip(["HASH", "RANGE"]).map(role).collect::<Json>();
        json!({"AttributeDefinitions": keys.iter().map(definition).collect::<Json>(), "KeySchema": roles})
    };
    // A key cannot be changed on a table that is in use. Versions are numbers, or the tenth would come before the second.
    let versions = json!({"Properties": keys(&[("pk", "S"), ("sk", "N")])});
    let texts = json!({"Properties": keys(&[("pk", "S"), ("sk", "S")])});
    let alone = json!({"Properties": keys(&[("pk", "S")])});
    // Whom it counts by is nobody's business for longer than it is of use.
    let counted = json!({"Properties": {
        "KeySchema": texts["Properties"]["KeySchema"],
        "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": true},
    }});
    // One that has an index, too, stands once more below.
    let ledgers = SERVICES.iter().filter(|service| service.has_ledger());
    let ledgers = ledgers.map(|service| (format!("{}Table", service.id), versions.clone()));
    let others = json!({
        // A dead letter waits for a person, and is as large as its message and the reason. With a KMS key of AWS's the topic
        // could deliver nothing, silently. What a creation that failed has left would be in the way of the next.
        QUEUE: {
            "DeletionPolicy": on_prod("RetainExceptOnCreate"),
            "UpdateReplacePolicy": on_prod("Retain"),
            "Properties": {
                "MessageRetentionPeriod": 14 * DAY_SECONDS,
                "MaximumMessageSize": 1024 * 1024,
                "SqsManagedSseEnabled": true,
                "KmsMasterKeyId": null,
            },
        },
        // It is a service's state, audit trail and outbox in one: a mistake must be undone to the second. Protected as it is,
        // it could not be deleted by a creation that failed.
        TABLE: {
            "DeletionPolicy": on_prod("Retain"),
            "UpdateReplacePolicy": on_prod("Retain"),
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "SSESpecification": null,
                "DeletionProtectionEnabled": is_prod,
            },
        },
        // A key that is restored would bring a person back who was erased: no backup of any kind.
        KEYS: {"Properties": {
            "KeySchema": alone["Properties"]["KeySchema"],
            "StreamSpecification": null,
            "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": true},
        }},
        "OrdersTable": {"Properties": {
            "KeySchema": versions["Properties"]["KeySchema"],
            "GlobalSecondaryIndexes": [
                of_keys_alone("Open", ["open", "at"]), of_keys_alone("ByOwner", ["owner", "at"]),
            ],
        }},
        "JournalTable": {"Properties": {
            "KeySchema": texts["Properties"]["KeySchema"],
            "GlobalSecondaryIndexes": [of_keys_alone("ByTime", ["slot", "at"])],
        }},
        "LeasesTable": {"Properties": {
            "KeySchema": versions["Properties"]["KeySchema"],
            "TimeToLiveSpecification": {"AttributeName": "expiresAt", "Enabled": true},
        }},
        WEBHOOK_KEYS: alone, "StockTable": alone, "PriceTable": alone, "PaymentProviderTable": alone, "CarrierTable": alone,
        "SightingsTable": counted, "DeclinesTable": counted, "LiveTable": counted, "WebhooksTable": counted,
        "CountTable": {"Properties": {"KeySchema": texts["Properties"]["KeySchema"]}},
        "LettersTable": {"Properties": {
            "KeySchema": texts["Properties"]["KeySchema"],
            "GlobalSecondaryIndexes": [{
                "IndexName": "ByState",
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"}, {"AttributeName": "place", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["record"]},
            }, of_keys_alone("OpenLetters", ["open", "group"])],
        }},
        // Whoever subscribes a FIFO queue gets an order's events in order, and orders do not wait for each other.
        "EventsTopic": {"Properties": {
            "TopicName": "${AWS::StackName}-events.fifo", "FifoTopic": true, "FifoThroughputScope": "MessageGroup",
        }},
        // A producer of orders has nothing else to set.
        "IntakeTopic": {"Properties": {"FifoTopic": null}},
        // Consumers and filters read the event itself.
        SUBSCRIPTION: {"Properties": {"Protocol": "sqs", "RawMessageDelivery": true}},
        // The rows in it have addresses in them.
        BUCKET: {
            "DeletionPolicy": on_prod("RetainExceptOnCreate"),
            "UpdateReplacePolicy": on_prod("Retain"),
            "Properties": {
                "BucketEncryption": {"ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}},
                ]},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true,
                    "RestrictPublicBuckets": true,
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "LifecycleConfiguration": {"Rules": [{"Id": "Expire", "Status": "Enabled", "ExpirationInDays": 30}]},
            },
        },
        // One parameter moves all of them between arm64 and x86_64. Lambda's own lines are two thirds of what its logs cost.
        FUNCTION: {
            "Metadata": {"BuildMethod": "rust-cargolambda"},
            "Properties": {
                "Architectures": ["x86_64"],
                "Runtime": "provided.al2023",
                "Handler": "bootstrap",
                "LoggingConfig": {"LogFormat": "JSON", "SystemLogLevel": "WARN", "ApplicationLogLevel": "ERROR"},
            },
        },
        // One that Lambda makes keeps its logs, and their cost, for ever.
        LOG_GROUP: {"Properties": {"RetentionInDays": 7}},
    });
    ledgers.chain(members(&others).map(|(of, pattern)| (of.clone(), pattern.clone()))).collect()
}

/// Without it, the orders of a FIFO queue wait for each other.
fn high_throughput(is_fifo: bool) -> Json {
    if is_fifo {
        json!({"DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"})
    } else {
        json!({"DeduplicationScope": null, "FifoThroughputLimit": null})
    }
}

/// Without a report, one failure repeats its whole batch. Without a maximum, a source takes what cannot run, and one backlog
/// takes all of the account's concurrency. What a filter of Lambda's refuses is deleted.
fn queue_source(function: &str) -> Json {
    let is_collector = function.ends_with("LettersFunction");
    let maximum = match function {
        "NotificationFunction" => 30,
        _ if is_collector => 2,
        _ => 50,
    };
    // Of a FIFO queue, as some of a collector's are, nothing can be gathered.
    let window = if is_collector { GONE } else { json!(3) };
    json!({
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": window,
        "ScalingConfig": {"MaximumConcurrency": maximum},
        "FilterCriteria": null,
        "Enabled": null,
    })
}

/// `OrdersApi` as `orders-api`.
fn hyphenated(name: &str) -> String {
    let upper = |(index, _): &(usize, char)| *index > 0 && name[*index..].starts_with(char::is_uppercase);
    let letters = name.char_indices().map(|at| if upper(&at) { format!("-{}", at.1) } else { at.1.to_string() });
    letters.collect::<String>().to_lowercase()
}
