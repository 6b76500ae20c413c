//! Roles: what each function may do, to the action and the resource.

use std::collections::BTreeSet;

use orderflow_registry::SERVICES;
use serde_json::{Value as Json, json};

use crate::stack::{DISPATCH, GONE, PUSH, QUEUE, Stack, TABLE, arn, check, id_of, list, plain, reference, unlike};

const POLICY: &str = "AWS::IAM::ManagedPolicy";

/// Function, the variable or the setting by which it calls a table, the table, and what it does with it; besides what every
/// service does with its ledger.
const TABLES: [(&str, &str, &str, &str); 57] = [
    ("OrdersApiFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query dynamodb:PutItem dynamodb:BatchGetItem"),
    ("OrdersApiFunction", "PRICE_TABLE_NAME", "PriceTable", "dynamodb:GetItem dynamodb:PutItem dynamodb:BatchGetItem"),
    ("IntakeFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query dynamodb:PutItem dynamodb:BatchGetItem"),
    ("IntakeFunction", "SETTINGS/priceTableName", "PriceTable", "dynamodb:BatchGetItem"),
    ("OrdersApiFunction", "KEY_TABLE_NAME", "CustomerKeys", "dynamodb:GetItem dynamodb:PutItem dynamodb:DeleteItem"),
    ("IntakeFunction", "SETTINGS/keyTableName", "CustomerKeys", "dynamodb:GetItem dynamodb:PutItem"),
    ("ShippingFunction", "SETTINGS/keyTableName", "CustomerKeys", "dynamodb:GetItem"),
    ("ScreeningFunction", "SETTINGS/keyTableName", "CustomerKeys", "dynamodb:GetItem"),
    ("NotificationFunction", "SETTINGS/keyTableName", "CustomerKeys", "dynamodb:GetItem"),
    ("OpenOrdersFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query dynamodb:PutItem"),
    ("OpenOrdersFunction", "KEY_TABLE_NAME", "CustomerKeys", "dynamodb:GetItem"),
    ("InventoryApiFunction", "TABLE_NAME", "InventoryTable", "dynamodb:Query dynamodb:PutItem"),
    ("InventoryApiFunction", "SETTINGS/stockTableName", "StockTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("InventoryFunction", "SETTINGS/stockTableName", "StockTable", "dynamodb:UpdateItem"),
    ("PaymentFunction", "SETTINGS/providerTableName", "PaymentProviderTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("PaymentFunction", "SETTINGS/declinesTableName", "DeclinesTable", "dynamodb:Query dynamodb:PutItem"),
    ("ShippingFunction", "SETTINGS/carrierTableName", "CarrierTable", "dynamodb:GetItem dynamodb:UpdateItem"),
    ("ScreeningFunction", "SETTINGS/sightingsTableName", "SightingsTable", "dynamodb:Query dynamodb:PutItem"),
    ("ScreeningApiFunction", "TABLE_NAME", "ScreeningTable", "dynamodb:Query dynamodb:PutItem"),
    ("NotificationFunction", "SETTINGS/leasesTableName", "LeasesTable", "dynamodb:UpdateItem dynamodb:GetItem"),
    ("AnalyticsFunction", "SETTINGS/countTableName", "CountTable", "dynamodb:GetItem dynamodb:PutItem dynamodb:Query"),
    ("AnalyticsApiFunction", "SETTINGS/countTableName", "CountTable", "dynamodb:GetItem dynamodb:Query"),
    ("JournalFunction", "TABLE_NAME", "JournalTable", "dynamodb:PutItem dynamodb:GetItem"),
    ("JournalFunction", "SETTINGS/feedTableName", "FeedTable", "dynamodb:Query dynamodb:PutItem"),
    ("FeedApiFunction", "SETTINGS/feedTableName", "FeedTable", "dynamodb:Query"),
    ("FeedApiFunction", "TABLE_NAME", "JournalTable", "dynamodb:BatchGetItem"),
    ("NoticesFunction", "SETTINGS/feedTableName", "FeedTable", "dynamodb:Query"),
    ("NoticesFunction", "SETTINGS/journalTableName", "JournalTable", "dynamodb:BatchGetItem"),
    (
        "NoticesFunction",
        "SETTINGS/noticesTableName",
        "NoticesTable",
        "dynamodb:GetItem dynamodb:PutItem dynamodb:UpdateItem",
    ),
    (
        "OperationsApiFunction",
        "LETTERS_TABLE_NAME",
        "LettersTable",
        "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:PutItem dynamodb:Query",
    ),
    (
        "JobsFunction",
        "LETTERS_TABLE_NAME",
        "LettersTable",
        "dynamodb:GetItem dynamodb:BatchGetItem dynamodb:PutItem dynamodb:Query",
    ),
    ("OperationsApiFunction", "KEY_TABLE_NAME", "CustomerKeys", "dynamodb:GetItem dynamodb:PutItem"),
    ("JobsFunction", "KEY_TABLE_NAME", "CustomerKeys", "dynamodb:GetItem"),
    ("GraphqlFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query"),
    ("GraphqlFunction", "STOCK_TABLE_NAME", "StockTable", "dynamodb:GetItem"),
    ("LiveFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query"),
    (
        "LiveFunction",
        "LIVE_TABLE_NAME",
        "LiveTable",
        "dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem",
    ),
    ("LiveFunction", "FEED_TABLE_NAME", "FeedTable", "dynamodb:Query"),
    ("LiveFunction", "JOURNAL_TABLE_NAME", "JournalTable", "dynamodb:BatchGetItem"),
    ("LiveFunction", "COUNT_TABLE_NAME", "CountTable", "dynamodb:GetItem dynamodb:Query"),
    // An index of it, and no letter.
    ("LiveFunction", "LETTERS_TABLE_NAME", "LettersTable", ""),
    ("LivePushFunction", "LETTERS_TABLE_NAME", "LettersTable", ""),
    ("LivePushFunction", "TABLE_NAME", "OrdersTable", "dynamodb:Query"),
    ("LivePushFunction", "FEED_TABLE_NAME", "FeedTable", "dynamodb:Query"),
    ("LivePushFunction", "JOURNAL_TABLE_NAME", "JournalTable", "dynamodb:BatchGetItem"),
    ("LivePushFunction", "COUNT_TABLE_NAME", "CountTable", "dynamodb:GetItem dynamodb:Query"),
    (
        "LivePushFunction",
        "LIVE_TABLE_NAME",
        "LiveTable",
        "dynamodb:DeleteItem dynamodb:GetItem dynamodb:Query dynamodb:UpdateItem",
    ),
    ("WebhooksApiFunction", "WEBHOOKS_TABLE_NAME", "WebhooksTable", "dynamodb:GetItem dynamodb:PutItem dynamodb:Query"),
    (
        "WebhooksApiFunction",
        "WEBHOOK_KEYS_NAME",
        "WebhookKeys",
        "dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem",
    ),
    ("WebhooksApiFunction", "FEED_TABLE_NAME", "FeedTable", "dynamodb:Query"),
    ("WebhooksFunction", "WEBHOOKS_TABLE_NAME", "WebhooksTable", "dynamodb:GetItem dynamodb:PutItem dynamodb:Query"),
    ("WebhooksFunction", "FEED_TABLE_NAME", "FeedTable", "dynamodb:Query"),
    ("WebhooksFunction", "JOURNAL_TABLE_NAME", "JournalTable", "dynamodb:BatchGetItem"),
    (
        "WebhooksSendFunction",
        "WEBHOOKS_TABLE_NAME",
        "WebhooksTable",
        "dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query",
    ),
    ("WebhooksSendFunction", "WEBHOOK_KEYS_NAME", "WebhookKeys", "dynamodb:DeleteItem dynamodb:GetItem"),
    ("WebhooksSendFunction", "FEED_TABLE_NAME", "FeedTable", "dynamodb:Query"),
    ("WebhooksSendFunction", "JOURNAL_TABLE_NAME", "JournalTable", "dynamodb:BatchGetItem"),
];

/// Right of the dispatch of webhooks: to have somebody work for one.
const OF_THE_DISPATCH: &str = "lambda:InvokeFunction on WebhooksSendFunction";

/// Right of those who tell what happens to an order: to send to a connection, and to close it.
const CONNECTIONS: &str = "execute-api:ManageConnections on arn:${AWS::Partition}:execute-api:${AWS::Region}:\
     ${AWS::AccountId}:${LiveApi}/${Stage}/*/@connections/*";

/// Rights of the orders' clock to one more row, to the index of what is open, and to nothing of a row that is there but its mark.
const OPEN_ORDERS: [&str; 3] = [
    "dynamodb:PutItem on OrdersTable",
    "dynamodb:Query on ${OrdersTable.Arn}/index/Open",
    "dynamodb:UpdateItem on OrdersTable if {\"ForAllValues:StringEquals\":{\"dynamodb:Attributes\":[\"pk\",\"sk\",\"open\"]}}",
];

/// Right of the orders API to the index of a customer's orders.
const OF_A_CUSTOMER: &str = "dynamodb:Query on ${OrdersTable.Arn}/index/ByOwner";

/// Right of screening to make one key, which is no customer's.
const OF_THE_FINGERPRINTS: &str = "dynamodb:PutItem on CustomerKeys if \
     {\"ForAllValues:StringEquals\":{\"dynamodb:LeadingKeys\":[\"\\tfingerprints\"]}}";

/// Rights of notification to what is no resource of the stack.
const CHANNELS: [&str; 4] = [
    "ses:SendEmail on arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/* \
     if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}",
    "ses:SendEmail on arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:configuration-set/* \
     if {\"StringEquals\":{\"ses:FromAddress\":\"orders@example.com\"}}",
    "sns:Publish on * but arn:${AWS::Partition}:sns:*:*:*",
    "sms-voice:SendTextMessage on * if {\"StringEquals\":{\"aws:CalledViaLast\":\"sns.amazonaws.com\"}}",
];

/// Role of no function: people's who send dead letters back.
const OPERATOR: &str = "OperatorRole";

/// Rights of those people. The names of queues are generated, and begin with that of their stack.
const OPERATIONS: [&str; 2] = [
    "sqs:CancelMessageMoveTask sqs:DeleteMessage sqs:GetQueueAttributes sqs:ListMessageMoveTasks sqs:ReceiveMessage \
     sqs:StartMessageMoveTask on Dlq UndeliverableQueue",
    "sqs:SendMessage on Queue",
];

/// Rights of those who operate, by the functions that have them, to what is generated with a name that begins with the stack's:
/// the directory, the journal, the consumers that are asked; and the job's to every queue, row and relay.
const OF_THE_STACK: [(&str, &str, &str); 11] = [
    (BOTH, "ssm:GetParametersByPath", "ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/services*"),
    (BOTH, "dynamodb:Query", "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}-Journal*"),
    (BOTH, "dynamodb:Query", "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}-Journal*/index/ByTime"),
    (BOTH, "dynamodb:BatchGetItem", "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}-Journal*"),
    (BOTH, "lambda:InvokeFunction", "lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-*Function*"),
    (
        "OperationsApiFunction",
        "logs:FilterLogEvents",
        "logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/${AWS::StackName}/*",
    ),
    (
        "OperationsApiFunction",
        "sqs:GetQueueAttributes",
        "sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-*Queue*",
    ),
    (
        "OperationsApiFunction",
        "dynamodb:Query",
        "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}-*Table*/index/Open",
    ),
    (
        "JobsFunction",
        "dynamodb:BatchGetItem",
        "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}-*Table*",
    ),
    ("JobsFunction", "dynamodb:Scan", "dynamodb:${AWS::Region}:${AWS::AccountId}:table/${AWS::StackName}-*Table*"),
    ("JobsFunction", "sqs:SendMessage", "sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-*Queue*"),
];

/// The functions of those who operate.
const BOTH: &str = "OperationsApiFunction JobsFunction";

/// Right of the operations to the index of the letters by their state.
const INDEX: &str = "dynamodb:Query on ${LettersTable.Arn}/index/ByState";

/// Right of the same, and of those who tell the board, to the index by which the letters are counted that wait.
const OPEN_LETTERS: &str = "dynamodb:Query on ${LettersTable.Arn}/index/OpenLetters";

/// Right of the operations API to the ages of the oldest messages. IAM knows no resource of a metric.
const AGES: &str = "cloudwatch:GetMetricData on *";

/// Rights of every function to its log group, of a consumer to its queue, and of a relay to its stream.
const LOG_RIGHTS: &str = "logs:CreateLogStream logs:PutLogEvents";
const QUEUE_RIGHTS: &str = "sqs:ReceiveMessage sqs:DeleteMessage sqs:ChangeMessageVisibility sqs:GetQueueAttributes";
const COLLECTOR_RIGHTS: &str = "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes";
const STREAM_RIGHTS: &str = "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator";

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
            ("Role Policies/~service/PolicyDocument/Statement/~SendMessage/Resource", json!("*"), "JournalFunction"),
            ("Role Policies/~service/PolicyDocument/Statement/~SendMessage/Action", json!("sqs:*"), "JournalFunction"),
            ("Journal Parameters/TableType", json!("ledger"), "JournalFunction"),
            ("RelayRole Policies/~relay/PolicyDocument/Statement/~PutObject", GONE, "OrdersRelayFunction"),
            ("Payment Parameters/ExtraPolicyArn", GONE, "PaymentFunction"),
            ("Payment Parameters/ExtraPolicyArn", reference("ShippingPolicy"), "PaymentFunction"),
            ("IntakePolicy PolicyDocument/Statement/~Query/Action", json!("dynamodb:PutItem"), "IntakeFunction"),
            ("IntakePolicy PolicyDocument/Statement/~PriceTable/Action", json!("dynamodb:PutItem"), "IntakeFunction"),
            ("NotificationPolicy PolicyDocument/Statement/~ses:SendEmail/Condition", GONE, "NotificationFunction"),
            ("NotificationPolicy PolicyDocument/Statement/~sns:Publish/NotResource", GONE, "NotificationFunction"),
            ("Intake Parameters/TableName", reference("StockTable"), "IntakeFunction"),
            (
                "NoticesRole Policies/~notices/PolicyDocument/Statement/~ses:SendEmail/Condition",
                GONE,
                "NoticesFunction",
            ),
            ("NoticesRole Policies/~notices/PolicyDocument/Statement/~BatchGetItem", GONE, "NoticesFunction"),
            (
                "WebhooksSendRole Policies/~webhooks-send/PolicyDocument/Statement/~ses:SendEmail/Condition",
                GONE,
                "WebhooksSendFunction",
            ),
            (
                "Payment Parameters/Settings",
                json!({"Fn::Sub": "{\"providerTableName\": \"${CarrierTable}\"}"}),
                "PaymentFunction",
            ),
            ("OperatorRole Policies/~operator/PolicyDocument/Statement/~SendMessage/Resource", json!("*"), OPERATOR),
            (
                "OperatorRole Policies/~operator/PolicyDocument/Statement/~ReceiveMessage/Action",
                json!("sqs:*"),
                OPERATOR,
            ),
            ("OperatorRole AssumeRolePolicyDocument/Statement/~AWS/Principal/AWS", json!("*"), OPERATOR),
            (
                "LettersRole Policies/~letters/PolicyDocument/Statement/~ReceiveMessage/Resource",
                json!("*"),
                "OrdersLettersFunction",
            ),
            (
                "LettersRole Policies/~letters/PolicyDocument/Statement/~KeyTable/Action",
                json!(["dynamodb:GetItem", "dynamodb:PutItem"]),
                "IntakeLettersFunction",
            ),
            ("JobsRole Policies/~jobs/PolicyDocument/Statement/~SendMessage", GONE, "JobsFunction"),
            (
                "JobsRole Policies/~jobs/PolicyDocument/Statement/~CustomerKeys/Action",
                json!("dynamodb:*"),
                "JobsFunction",
            ),
            (
                "LiveRole Policies/~live/PolicyDocument/Statement/~ManageConnections/Resource",
                json!("*"),
                "LiveFunction",
            ),
            ("LivePushRole Policies/~live-push/PolicyDocument/Statement/~ListStreams", GONE, "LivePushFunction"),
            (
                "LivePushRole Policies/~live-push/PolicyDocument/Statement/~OpenLetters/Resource",
                json!({"Fn::GetAtt": ["LettersTable", "Arn"]}),
                "LivePushFunction",
            ),
            ("WebhooksRole Policies/~webhooks/PolicyDocument/Statement/~InvokeFunction/Resource", json!("*"), DISPATCH),
            (
                "WebhooksSendRole Policies/~webhooks-send/PolicyDocument/Statement/~WebhookKeys/Resource",
                json!({"Fn::GetAtt": ["CustomerKeys", "Arn"]}),
                "WebhooksSendFunction",
            ),
            ("GraphqlRole Policies/~graphql/PolicyDocument/Statement/~GetItem/Action", json!("dynamodb:*"), "Graphql"),
            ("ShippingPolicy PolicyDocument/Statement/~CustomerKeys/Action", json!("dynamodb:*"), "ShippingFunction"),
            (
                "IntakePolicy PolicyDocument/Statement/~CustomerKeys/Action",
                json!("dynamodb:DeleteItem"),
                "IntakeFunction",
            ),
            (
                "OpenOrdersRole Policies/~open-orders/PolicyDocument/Statement/~UpdateItem/Condition",
                GONE,
                "OpenOrdersFunction",
            ),
            ("JobsRole Policies/~jobs/PolicyDocument/Statement/~-*Table*/Action", json!("dynamodb:*"), "JobsF"),
            ("OrdersApiRole Policies/~orders-api/PolicyDocument/Statement/~GetSecretValue", GONE, "OrdersApiFunction"),
            (
                "NotificationPolicy PolicyDocument/Statement/~GetSecretValue",
                json!({"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}),
                "NotificationFunction",
            ),
            ("MorePolicy", json!({"Type": "AWS::IAM::Policy"}), "MorePolicy"),
            ("MoreRole", json!({"Type": "AWS::IAM::Role"}), "MoreRole"),
        ],
    );
}

fn rights(stack: &Stack) -> Vec<String> {
    let with_guests = stack.with([("GuestOrders", json!("yes"))]);
    [rights_of(stack), rights_of(&with_guests)].concat()
}

fn rights_of(stack: &Stack) -> Vec<String> {
    let mut faults = Vec::new();
    let mut roles = Vec::new();
    for function in stack.functions() {
        let role = function.replace("Function", "Role");
        faults.extend(unlike(function, stack.properties(function), &json!({"Role": arn(&role), "Policies": null})));
        let trusted = json!([{
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
        }]);
        let trust = json!({"AssumeRolePolicyDocument": {"Statement": trusted}});
        faults.extend(unlike(function, stack.properties(&role), &trust));
        let (granted, used) = (granted(stack, &role), used(stack, function));
        faults.extend(used.difference(&granted).map(|right| format!("{function}: may not {right}")));
        faults.extend(granted.difference(&used).map(|right| format!("{function}: has no use for {right}")));
        for (_, place, table, _) in tables().iter().filter(|row| row.0 == function) {
            let variables = stack.variables(function);
            let is_named = match place.split_once('/') {
                Some((variable, setting)) => {
                    let settings: Json = serde_json::from_str(&plain(&variables[variable])).unwrap_or_default();
                    settings[setting] == format!("${{{table}}}")
                }
                None => variables[place] == reference(table),
            };
            faults.extend((!is_named).then(|| format!("{function}: {place} is not {table}, but of {variables}")));
        }
        roles.push(role);
    }
    let elsewhere = stack.resources().filter(|(id, resource)| {
        let is_right = resource["Type"].as_str().is_some_and(|kind| kind.starts_with("AWS::IAM::") && kind != POLICY);
        is_right && *id != OPERATOR && !roles.iter().any(|role| role == id)
    });
    faults.extend(operator(stack));
    faults.extend(elsewhere.map(|(id, _)| format!("{id}: is no function's role, nor a managed policy of one")));
    faults
}

/// Faults of the operators' role: it is for the account's own people, and may do what sends a letter back.
fn operator(stack: &Stack) -> Vec<String> {
    let account = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root";
    let trusted = json!([{"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]);
    let trust = json!({"AssumeRolePolicyDocument": {"Statement": trusted}, "ManagedPolicyArns": null});
    let mut faults: Vec<String> = unlike(OPERATOR, stack.properties(OPERATOR), &trust).into_iter().collect();
    let queue = |name: &str| {
        format!("arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:${{AWS::StackName}}-*{name}*")
    };
    let rights = OPERATIONS.iter().filter_map(|rights| rights.split_once(" on "));
    let rights: BTreeSet<String> = rights
        .flat_map(|(actions, queues)| {
            actions
                .split(' ')
                .flat_map(move |action| queues.split(' ').map(move |name| format!("{action} on {}", queue(name))))
        })
        .collect();
    let granted = granted(stack, OPERATOR);
    faults.extend((granted != rights).then(|| format!("{OPERATOR}: may {granted:?}, and not {rights:?}")));
    faults
}

/// [`TABLES`], each service's ledger, and the tables of letters and of keys of each collector.
fn tables() -> Vec<(String, &'static str, String, &'static str)> {
    let ledgers = SERVICES.iter().filter(|service| service.has_ledger());
    let ledgers = ledgers.map(|service| {
        let [function, table] = ["Function", "Table"].map(|part| format!("{}{part}", service.id));
        (function, "TABLE_NAME", table, "dynamodb:Query dynamodb:PutItem")
    });
    let others = TABLES.map(|(function, place, table, does)| (function.to_owned(), place, table.to_owned(), does));
    let collectors = SERVICES.iter().map(|service| service.id).chain(["Intake"]).flat_map(|id| {
        let of = |place, table: &str, does| (format!("{id}LettersFunction"), place, table.to_owned(), does);
        // It seals, and opens nothing.
        [
            of("LETTERS_TABLE_NAME", "LettersTable", "dynamodb:GetItem dynamodb:PutItem"),
            of("KEY_TABLE_NAME", "CustomerKeys", "dynamodb:PutItem"),
        ]
    });
    ledgers.chain(others).chain(collectors).collect()
}

/// All that a function does.
fn used(stack: &Stack, function: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    let mut may = |actions: &str, resource: &str| {
        rights.extend(actions.split_whitespace().map(|action| format!("{action} on {resource}")));
    };
    may(LOG_RIGHTS, &function.replace("Function", "LogGroup"));
    let variables = stack.variables(function);
    let reads = |kind| stack.sources(kind).filter(|(reader, ..)| *reader == function);
    let is_collector = function.ends_with("LettersFunction");
    for (_, queue, _) in reads(QUEUE) {
        may(if is_collector { COLLECTOR_RIGHTS } else { QUEUE_RIGHTS }, queue);
        may("sqs:SendMessage", id_of(&variables["DEAD_LETTER_QUEUE_URL"]));
    }
    for (_, table, _) in reads(TABLE) {
        may(STREAM_RIGHTS, &format!("{table}.StreamArn"));
        may("dynamodb:ListStreams", &format!("${{{table}.Arn}}/stream/*"));
        if [PUSH, DISPATCH].contains(&function) {
            continue;
        }
        may("sns:Publish", "EventsTopic");
        may("sqs:SendMessage", id_of(&variables["DEAD_LETTER_QUEUE_URL"]));
        may("s3:ListBucket", "DiscardedBucket");
        may("s3:PutObject", "${DiscardedBucket.Arn}/*");
    }
    for (_, _, table, actions) in tables().iter().filter(|row| row.0 == function) {
        may(actions, table);
    }
    let names_secret = variables.to_string().contains("GuestLinkSecret");
    if names_secret {
        may("secretsmanager:GetSecretValue", "GuestLinkSecret.Id");
    }
    match function {
        "NotificationFunction" => rights.extend(CHANNELS.map(ToOwned::to_owned)),
        "NoticesFunction" | "WebhooksSendFunction" => {
            rights.extend(CHANNELS.iter().filter(|of| of.starts_with("ses:")).map(|of| (*of).to_owned()));
        }
        "OrdersApiFunction" | "GraphqlFunction" => {
            rights.insert(OF_A_CUSTOMER.to_owned());
        }
        "LiveFunction" | PUSH => {
            rights.extend([CONNECTIONS.replace("${Stage}", "dev"), OPEN_LETTERS.to_owned()]);
        }
        DISPATCH => {
            rights.insert(OF_THE_DISPATCH.to_owned());
        }
        "ScreeningFunction" => {
            rights.insert(OF_THE_FINGERPRINTS.to_owned());
        }
        "OpenOrdersFunction" => rights.extend(OPEN_ORDERS.map(ToOwned::to_owned)),
        "OperationsApiFunction" | "JobsFunction" => {
            let own = OF_THE_STACK.iter().filter(|(functions, ..)| functions.split(' ').any(|name| name == function));
            rights.extend(own.map(|(_, action, resource)| format!("{action} on arn:${{AWS::Partition}}:{resource}")));
            rights.extend([INDEX, OPEN_LETTERS].map(ToOwned::to_owned));
            rights.extend((function == "OperationsApiFunction").then(|| AGES.to_owned()));
        }
        _ => {}
    }
    rights
}

/// All that a role allows, by itself and by its managed policies: action, resource, and condition if there is one. What
/// names only exceptions is a `*` too.
fn granted(stack: &Stack, role: &str) -> BTreeSet<String> {
    let properties = stack.properties(role);
    let managed = list(&properties["ManagedPolicyArns"]);
    let unknown = managed.iter().filter(|policy| stack.resource(id_of(policy))["Type"] != POLICY);
    let mut rights: BTreeSet<String> = unknown.map(|policy| format!("whatever {policy} allows")).collect();
    let managed = managed.iter().map(|policy| stack.properties(id_of(policy)).clone());
    let policies = list(&properties["Policies"]).into_iter().chain(managed);
    let statements = policies.flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]));
    for statement in statements.filter(|statement| statement["Effect"] == "Allow") {
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

/// A resource of a statement: what it is called for its ARN, or its text.
fn name(value: &Json) -> String {
    match (id_of(value), value["Fn::GetAtt"][1].as_str()) {
        ("", _) => plain(value),
        (id, None | Some("Arn")) => id.to_owned(),
        (id, Some(attribute)) => format!("{id}.{attribute}"),
    }
}
