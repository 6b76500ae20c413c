//! Tables, their streams, and the bucket for the rows that a relay gives up.

use orderflow_relay::RESERVE;
use serde_json::{Value as Json, json};

use crate::services::services;
use crate::stack::{GONE, QUEUE, Stack, TABLE, arn, check, differing, list, number, unlike};

const BUCKET: &str = "AWS::S3::Bucket";

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
            ("RelayEventSource StartingPosition", json!("LATEST"), "OrdersRelayFunction"),
            ("RelayEventSource ParallelizationFactor", json!(2), "OrdersRelayFunction"),
            ("RelayEventSource MaximumRetryAttempts", json!(3), "OrdersRelayFunction"),
            ("RelayEventSource MaximumRecordAgeInSeconds", json!(86_400), "OrdersRelayFunction"),
            ("RelayEventSource BisectBatchOnFunctionError", GONE, "OrdersRelayFunction"),
            ("RelayEventSource DestinationConfig", GONE, "OrdersRelayFunction"),
            ("RelayEventSource FilterCriteria", GONE, "OrdersRelayFunction"),
            (
                "RelayEventSource FilterCriteria/Filters/~INSERT/Pattern",
                json!(r#"{"eventName":["INSERT","MODIFY"]}"#),
                "OrdersRelayFunction",
            ),
            ("service Mappings/Function/Relay/TimeoutSeconds", json!(10), "OrdersRelayFunction"),
            ("Table StreamSpecification", GONE, "OrdersTable"),
            ("Table StreamSpecification", json!({"StreamViewType": "NEW_IMAGE"}), "NotificationTable"),
            ("EventSource EventSourceArn", json!({"Fn::GetAtt": ["Table", "StreamArn"]}), "OrdersFunction"),
        ],
    );
}

fn relays(stack: &Stack) -> Vec<String> {
    let publishing = services().into_iter().filter(|service| !service.sends().is_empty());
    let expected: Vec<(String, String, String)> = publishing
        .map(|service| {
            let source = service.sends()[0].producer().to_string();
            (format!("{}RelayFunction", service.name), format!("{}Table", service.name), source)
        })
        .collect();
    let readers = stack.sources(TABLE).map(|source| source.function);
    let unknown = differing(readers, expected.iter().map(|(relay, ..)| relay.as_str()));
    let mut faults: Vec<String> = unknown
        .iter()
        .map(|id| format!("{id}: is only one of a stream's reader and a publishing service's relay"))
        .collect();
    for source in stack.sources(TABLE) {
        let known = expected.iter().find(|(relay, ..)| relay == source.function);
        let Some((relay, table, speaks_as)) = known else { continue };
        faults.extend(unlike(relay, stack.variables(relay), &[("/SOURCE", json!(speaks_as))]));
        let expected = [
            ("/EventSourceArn", json!({"Fn::GetAtt": [table, "StreamArn"]})),
            ("/StartingPosition", json!("TRIM_HORIZON")),
            ("/BatchSize", json!(100)),
            ("/ParallelizationFactor", json!(1)),
            ("/MaximumRetryAttempts", json!(-1)),
            ("/MaximumRecordAgeInSeconds", json!(22 * 60 * 60)),
            ("/BisectBatchOnFunctionError", json!(true)),
            ("/DestinationConfig/OnFailure/Destination", arn("DiscardedBucket")),
            ("/Enabled", GONE),
        ];
        faults.extend(unlike(relay, source.properties, &expected));
        let timeout = &stack.properties(relay)["Timeout"];
        if number(timeout).is_none_or(|seconds| seconds < 2 * RESERVE.as_secs()) {
            faults.push(format!("{relay}: keeps {} s of its {timeout} for itself", RESERVE.as_secs()));
        }
        let patterns: Vec<Json> = list(&source.properties["FilterCriteria"]["Filters"])
            .iter()
            .map(|filter| serde_json::from_str(filter["Pattern"].as_str().unwrap_or_default()).unwrap_or_default())
            .collect();
        let inserts = json!({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"events": {"S": [{"exists": true}]}}}});
        if patterns != [inserts] {
            faults.push(format!("{relay}: its filter is {}", Json::from(patterns)));
        }
    }
    for (table, properties) in stack.of_type(TABLE) {
        let is_outbox = expected.iter().any(|(_, outbox, _)| outbox == table);
        let stream = if is_outbox { json!({"StreamViewType": "NEW_IMAGE"}) } else { GONE };
        faults.extend(unlike(table, properties, &[("/StreamSpecification", stream)]));
    }
    faults
}

#[test]
fn every_table_is_paid_by_use_and_can_be_restored() {
    check(
        "A table is a service's state, audit trail and outbox in one: a mistake must be undone to the second.",
        tables,
        &[
            ("Table BillingMode", json!("PROVISIONED"), "OrdersTable"),
            ("StockTable PointInTimeRecoverySpecification", GONE, "StockTable"),
            ("CarrierTable SSESpecification/SSEEnabled", json!(false), "CarrierTable"),
        ],
    );
}

fn tables(stack: &Stack) -> Vec<String> {
    let expected = [
        ("/BillingMode", json!("PAY_PER_REQUEST")),
        ("/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", json!(true)),
        ("/SSESpecification/SSEEnabled", json!(true)),
    ];
    stack.of_type(TABLE).flat_map(|(id, properties)| unlike(id, properties, &expected)).collect()
}

#[test]
fn every_table_has_the_keys_that_are_written() {
    check(
        "A key cannot be changed on a table that is in use. Versions are numbers, or the tenth would come before the second.",
        keys,
        &[
            ("Table AttributeDefinitions/~sk/AttributeType", json!("S"), "OrdersTable"),
            ("Table KeySchema/~sk", GONE, "OrdersTable"),
            ("Journal Parameters/TableType", json!("ledger"), "JournalTable"),
            ("StockTable KeySchema/~pk/AttributeName", json!("sku"), "StockTable"),
            ("SightingsTable TimeToLiveSpecification", GONE, "SightingsTable"),
        ],
    );
}

fn keys(stack: &Stack) -> Vec<String> {
    let faults = stack.of_type(TABLE).flat_map(|(id, properties)| {
        let sort = match id {
            "StockTable" | "PaymentProviderTable" | "CarrierTable" => None,
            "JournalTable" | "SightingsTable" => Some("S"),
            // A service's ledger, and leases.
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
fn what_has_data_outlives_its_stack_on_prod_alone() {
    check(
        "On prod nothing may be lost with a stack that is deleted; elsewhere nothing may be left behind. What a failed \
         creation leaves would be in the way of the next; a protected table could not be deleted then.",
        retention_on_prod,
        &[
            ("Table @DeletionPolicy", GONE, "OrdersTable"),
            ("Table @UpdateReplacePolicy", json!("Delete"), "OrdersTable"),
            ("Table DeletionProtectionEnabled", GONE, "OrdersTable"),
            ("StockTable @DeletionPolicy", json!("Retain"), "StockTable"),
            ("Dlq @DeletionPolicy", json!("Retain"), "OrdersDlq"),
            ("DiscardedBucket @DeletionPolicy", GONE, "DiscardedBucket"),
            ("service Conditions/IsProd/Fn::Equals/~prod", json!("production"), "OrdersTable"),
            ("Journal Parameters/Stage", json!("dev"), "JournalTable"),
        ],
    );
}

fn retention_on_prod(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    for is_prod in [false, true] {
        let stack = stack.with("Stage", if is_prod { "prod" } else { "dev" });
        let on_prod = |policy: &str| json!(if is_prod { policy } else { "Delete" });
        for (id, resource) in stack
            .resources()
            .filter(|(_, resource)| [TABLE, QUEUE, BUCKET].iter().any(|kind| resource["Type"] == *kind))
        {
            let is_table = resource["Type"] == TABLE;
            let policy = if is_table { "Retain" } else { "RetainExceptOnCreate" };
            let expected = [
                ("/DeletionPolicy", on_prod(policy)),
                ("/UpdateReplacePolicy", on_prod("Retain")),
                ("/Properties/DeletionProtectionEnabled", if is_table { json!(is_prod) } else { GONE }),
            ];
            faults.extend(unlike(id, resource, &expected));
        }
    }
    faults
}

#[test]
fn rows_that_were_given_up_are_private_and_forgotten_in_time() {
    check(
        "They have addresses in them.",
        buckets,
        &[
            ("DiscardedBucket BucketEncryption", GONE, "DiscardedBucket"),
            ("DiscardedBucket PublicAccessBlockConfiguration/BlockPublicPolicy", json!(false), "DiscardedBucket"),
            ("DiscardedBucket OwnershipControls", GONE, "DiscardedBucket"),
            ("DiscardedBucket LifecycleConfiguration/Rules/~Expire/Status", json!("Disabled"), "DiscardedBucket"),
            ("OtherBucket", json!({"Type": BUCKET}), "OtherBucket"),
        ],
    );
}

fn buckets(stack: &Stack) -> Vec<String> {
    let closed = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"];
    let expected = [
        (
            "/BucketEncryption/ServerSideEncryptionConfiguration",
            json!([{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]),
        ),
        ("/PublicAccessBlockConfiguration", closed.iter().map(|name| ((*name).to_owned(), json!(true))).collect()),
        ("/OwnershipControls/Rules", json!([{"ObjectOwnership": "BucketOwnerEnforced"}])),
    ];
    let mut faults = Vec::new();
    for (id, properties) in stack.of_type(BUCKET) {
        faults.extend(unlike(id, properties, &expected));
        let expires = |rule: &Json| rule["Status"] == "Enabled" && number(&rule["ExpirationInDays"]).is_some();
        if !list(&properties["LifecycleConfiguration"]["Rules"]).iter().any(expires) {
            faults.push(format!("{id}: keeps its objects for ever"));
        }
    }
    faults
}
