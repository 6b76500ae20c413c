//! Roles: what each function may do, to the action and the resource.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::services::services;
use crate::stack::{GONE, QUEUE, Stack, TABLE, arn, check, id_of, list, plain, reference, unlike};

const ROLE: &str = "AWS::IAM::Role";
const POLICY: &str = "AWS::IAM::ManagedPolicy";

/// Function, the variable or the setting by which it calls a table, the table, and what it does with it; besides what every
/// service does with its ledger.
const TABLES: [(&str, &str, &str, &str); 9] = [
    ("OrdersApiFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query dynamodb:PutItem"),
    ("IntakeFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query dynamodb:PutItem"),
    ("InventoryApiFunction", "TABLE_NAME", "StockTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("InventoryFunction", "SETTINGS/stockTableName", "StockTable", "dynamodb:UpdateItem"),
    ("PaymentFunction", "SETTINGS/providerTableName", "PaymentProviderTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("ShippingFunction", "SETTINGS/carrierTableName", "CarrierTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("ScreeningFunction", "SETTINGS/sightingsTableName", "SightingsTable", "dynamodb:Query dynamodb:PutItem"),
    ("NotificationFunction", "SETTINGS/leasesTableName", "LeasesTable", "dynamodb:PutItem dynamodb:UpdateItem"),
    ("JournalFunction", "TABLE_NAME", "JournalTable", "dynamodb:PutItem"),
];

/// Rights of notification to what is no resource of the stack.
const CHANNELS: [&str; 4] = [
    "ses:SendEmail on arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/* \
     if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}",
    "ses:SendEmail on arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/* \
     if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}",
    "sns:Publish on * but arn:${AWS::Partition}:sns:*:*:*",
    "sms-voice:SendTextMessage on * if {\"StringEquals\":{\"aws:CalledViaLast\":\"sns.amazonaws.com\"}}",
];

/// What every function may do with its log group and its traces, every consumer with its queue, a relay with its stream and
/// with the bucket for what it gives up.
const LOG_RIGHTS: &str = "logs:CreateLogStream logs:PutLogEvents";
const TRACE_RIGHTS: &str = "xray:PutTraceSegments xray:PutTelemetryRecords";
const QUEUE_RIGHTS: &str = "sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes";
const STREAM_RIGHTS: &str = "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator";

/// Action and end of the resource where a `*` is allowed, for no name is possible.
const WILDCARDS: [(&str, &str); 8] = [
    // X-Ray has no resources.
    ("xray:PutTraceSegments", " on *"),
    ("xray:PutTelemetryRecords", " on *"),
    // It is asked for before a stream's label is known.
    ("dynamodb:ListStreams", "Table.Arn}/stream/*"),
    // Lambda names the object by the time.
    ("s3:PutObject", "Bucket.Arn}/*"),
    // Which identity is verified, and whether it has a configuration set, is not the stack's to know: the sender is.
    ("ses:SendEmail", ":identity/* if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}"),
    ("ses:SendEmail", ":configuration-set/* if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}"),
    // An SMS goes to a phone number, which has no ARN: everything that is not a topic.
    ("sns:Publish", " on * but arn:${AWS::Partition}:sns:*:*:*"),
    ("sms-voice:SendTextMessage", " on * if {\"StringEquals\":{\"aws:CalledViaLast\":\"sns.amazonaws.com\"}}"),
];

#[test]
fn functions_have_exactly_the_rights_that_they_use() {
    check(
        "What a function may not do, no mistake in it can do. Roles that SAM makes may touch every queue and stream.",
        rights,
        &[
            ("Function Role", GONE, "OrdersFunction"),
            ("Function Role", arn("RelayRole"), "OrdersFunction"),
            ("OrdersApiFunction Policies", json!(["AmazonSQSFullAccess"]), "OrdersApiFunction"),
            ("Role ManagedPolicyArns", json!(["arn:aws:iam::aws:policy/AdministratorAccess"]), "OrdersFunction"),
            ("Role AssumeRolePolicyDocument/Statement/~lambda/Principal/AWS", json!("*"), "OrdersFunction"),
            ("Role Policies/~service/PolicyDocument/Statement/~SendMessage", GONE, "JournalFunction"),
            ("Role Policies/~service/PolicyDocument/Statement/~SendMessage/Resource", arn("Queue"), "JournalFunction"),
            ("Journal Parameters/TableType", json!("ledger"), "JournalFunction"),
            ("RelayRole Policies/~relay/PolicyDocument/Statement/~GetRecords", GONE, "OrdersRelayFunction"),
            ("RelayRole Policies/~relay/PolicyDocument/Statement/~PutObject", GONE, "OrdersRelayFunction"),
            ("Payment Parameters/ExtraPolicyArn", GONE, "PaymentFunction"),
            ("Payment Parameters/ExtraPolicyArn", reference("ShippingPolicy"), "ShippingPolicy"),
            ("IntakePolicy PolicyDocument/Statement/~Query/Action", json!("dynamodb:PutItem"), "IntakeFunction"),
            ("NotificationPolicy PolicyDocument/Statement/~ses:SendEmail/Condition", GONE, "NotificationFunction"),
            ("NotificationPolicy PolicyDocument/Statement/~sns:Publish/NotResource", GONE, "NotificationFunction"),
            ("Function Environment/Variables/TABLE_NAME", reference("Queue"), "OrdersFunction"),
            ("Intake Parameters/TableName", reference("StockTable"), "IntakeFunction"),
            (
                "Payment Parameters/Settings",
                json!({"Fn::Sub": "{\"providerTableName\": \"${CarrierTable}\"}"}),
                "PaymentFunction",
            ),
            ("MorePolicy", json!({"Type": "AWS::IAM::Policy"}), "MorePolicy"),
        ],
    );
}

fn rights(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let mut attached = Vec::new();
    for function in stack.functions() {
        let role = function.replace("Function", "Role");
        let expected = [("/Role", arn(&role)), ("/Policies", GONE)];
        faults.extend(unlike(function, stack.properties(function), &expected));
        let trust = json!([{
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"
        }]);
        faults.extend(unlike(function, stack.properties(&role), &[("/AssumeRolePolicyDocument/Statement", trust)]));
        for policy in list(&stack.properties(&role)["ManagedPolicyArns"]) {
            if stack.resource(id_of(&policy))["Type"] != POLICY {
                faults.push(format!("{function}: has a policy {policy} that is none of the stack's"));
            }
            attached.push(id_of(&policy).to_owned());
        }
        let (granted, used) = (granted(stack, &role), used(stack, function));
        faults.extend(used.difference(&granted).map(|right| format!("{function}: may not {right}")));
        faults.extend(granted.difference(&used).map(|right| format!("{function}: has no use for {right}")));
        for (_, place, table, _) in tables().iter().filter(|row| row.0 == function) {
            let found = stack.setting(function, place);
            if found != reference(table) && found != format!("${{{table}}}") {
                faults.push(format!("{function}: {place} is {found}, not {table}"));
            }
        }
    }
    for (id, resource) in stack.resources() {
        match resource["Type"].as_str() {
            Some(POLICY) if attached.iter().filter(|policy| *policy == id).count() != 1 => {
                faults.push(format!("{id}: is not for one role alone"));
            }
            Some(POLICY | ROLE) => {}
            Some(kind) if kind.starts_with("AWS::IAM::") => {
                faults.push(format!("{id}: rights are given where this test sees them, in roles and managed policies"));
            }
            _ => {}
        }
    }
    faults
}

/// [`TABLES`], and each service's ledger.
fn tables() -> Vec<(String, String, String, String)> {
    let own = |row: (&str, &str, &str, &str)| (row.0.to_owned(), row.1.to_owned(), row.2.to_owned(), row.3.to_owned());
    let ledgers = services().into_iter().filter(|service| service.name != "Journal").map(|service| {
        let (function, table) = (format!("{}Function", service.name), format!("{}Table", service.name));
        own((&function, "TABLE_NAME", &table, "dynamodb:Query dynamodb:PutItem"))
    });
    TABLES.into_iter().map(own).chain(ledgers).collect()
}

/// All that a function does.
fn used(stack: &Stack, function: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    let mut may = |actions: &str, resource: &str| {
        rights.extend(actions.split(' ').map(|action| format!("{action} on {resource}")));
    };
    may(LOG_RIGHTS, &function.replace("Function", "LogGroup"));
    may(TRACE_RIGHTS, "*");
    let variables = stack.variables(function);
    let reads = |kind| stack.sources(kind).filter(|source| source.function == function);
    for source in reads(QUEUE) {
        may(QUEUE_RIGHTS, source.of);
        may("sqs:SendMessage", id_of(&variables["DEAD_LETTER_QUEUE_URL"]));
    }
    for source in reads(TABLE) {
        may(STREAM_RIGHTS, &format!("{}.StreamArn", source.of));
        may("dynamodb:ListStreams", &format!("${{{}.Arn}}/stream/*", source.of));
        may("sns:Publish", "EventsTopic");
        may("sqs:SendMessage", id_of(&variables["DEAD_LETTER_QUEUE_URL"]));
        may("s3:ListBucket", "DiscardedBucket");
        may("s3:PutObject", "${DiscardedBucket.Arn}/*");
    }
    for (_, _, table, actions) in tables().iter().filter(|row| row.0 == function) {
        may(actions, table);
    }
    if function == "NotificationFunction" {
        rights.extend(CHANNELS.map(ToOwned::to_owned));
    }
    rights
}

/// All that a role allows, by itself and by its managed policies: action, resource, and condition if there is one. What
/// names only exceptions is a `*` too.
fn granted(stack: &Stack, role: &str) -> BTreeSet<String> {
    let properties = stack.properties(role);
    let managed = list(&properties["ManagedPolicyArns"]);
    let managed = managed.iter().map(|policy| stack.properties(id_of(policy)).clone());
    let mut rights = BTreeSet::new();
    for policy in list(&properties["Policies"]).into_iter().chain(managed) {
        rights.extend(allowed(&policy));
    }
    rights
}

fn allowed(policy: &Json) -> Vec<String> {
    let statements = list(&policy["PolicyDocument"]["Statement"]).into_iter();
    let rights = statements.filter(|statement| statement["Effect"] == "Allow").flat_map(|statement| {
        let named = |member: &str| -> Vec<String> {
            let but = list(&statement[format!("Not{member}")]);
            let but = but.iter().map(|but| format!("* but {}", name(but)));
            list(&statement[member]).iter().map(name).chain(but).collect()
        };
        let condition = statement.get("Condition").map(|condition| format!(" if {condition}")).unwrap_or_default();
        let resources = named("Resource");
        let right = |action: String| resources.iter().map(move |on| format!("{action} on {on}")).collect::<Vec<_>>();
        let rights = named("Action").into_iter().flat_map(right);
        rights.map(|right| right + &condition).collect::<Vec<_>>()
    });
    rights.collect()
}

/// A resource of a statement: what it is called for its ARN, or its text.
fn name(value: &Json) -> String {
    match (id_of(value), value["Fn::GetAtt"][1].as_str()) {
        ("", _) => plain(value),
        (id, None | Some("Arn")) => id.to_owned(),
        (id, Some(attribute)) => format!("{id}.{attribute}"),
    }
}

#[test]
fn no_role_has_a_wildcard_where_a_name_is_possible() {
    check(
        "Whoever can write * need not think about what a function touches.",
        wildcards,
        &[
            ("Role Policies/~service/PolicyDocument/Statement/~SendMessage/Action", json!("sqs:*"), "OrdersRole"),
            ("Role Policies/~service/PolicyDocument/Statement/~SendMessage/Resource", json!("*"), "OrdersRole"),
            (
                "Role Policies/~service/PolicyDocument/Statement/~SendMessage/NotAction",
                json!("sqs:DeleteQueue"),
                "OrdersRole",
            ),
            ("Role Policies/~service/PolicyDocument/Statement/~SendMessage/NotResource", arn("Queue"), "OrdersRole"),
            ("RelayRole Policies/~relay/PolicyDocument/Statement/~ListStreams/Resource", json!("*"), "OrdersRelayRole"),
            ("InventoryPolicy PolicyDocument/Statement/~UpdateItem/Action", json!("dynamodb:*"), "InventoryPolicy"),
            ("NotificationPolicy", GONE, "sns:Publish"),
        ],
    );
}

fn wildcards(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let mut unused = WILDCARDS.to_vec();
    for (id, properties) in stack.of_type(ROLE).chain(stack.of_type(POLICY)) {
        let policies = list(&properties["Policies"]).into_iter().chain([properties.clone()]);
        for right in policies.flat_map(|policy| allowed(&policy)).filter(|right| right.contains('*')) {
            let allows = |(action, end): &(&str, &str)| right.starts_with(action) && right.ends_with(end);
            if !WILDCARDS.iter().any(allows) {
                faults.push(format!("{id}: may {right}"));
            }
            unused.retain(|row| !allows(row));
        }
    }
    faults.extend(unused.iter().map(|(action, end)| format!("{action}{end}: is allowed here, and nobody needs it")));
    faults
}
