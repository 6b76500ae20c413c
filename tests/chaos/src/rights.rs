//! Roles of the functions, held against what the functions do: nothing that they do not allow, and all that they do.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use orderflow_local::expanded;
use serde_json::Value;

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");

/// Right that a call needs: an action of IAM and the name of the table, queue or topic, which is empty where
/// there is none, as of a mail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    pub(crate) action: String,
    pub(crate) resource: String,
}

/// Right that a role gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    role: String,
    action: String,
    /// Resource of the template; `None` of what is no such, as a mail.
    resource: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} allows {}", self.role, self.action)?;
        self.resource.iter().try_for_each(|resource| write!(f, " on {resource}"))
    }
}

impl Right {
    /// True if it is one to that resource, by its name in the template, or by a pattern as it is deployed.
    fn is_to(&self, name: &str) -> bool {
        let resource = self.resource.as_deref();
        let pattern = resource.and_then(|resource| resource.strip_prefix("${AWS::StackName}-")?.strip_suffix('*'));
        let pattern = pattern.map(|pattern| pattern.trim_start_matches('*'));
        resource == Some(name) || pattern.is_some_and(|part| name.contains(part))
    }
}

/// Actions that AWS does in a function's name: Lambda, which writes its logs and reads its queue and its stream; and SNS,
/// which has a short message sent.
const BY_AWS: [&str; 12] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "s3:ListBucket",
    "s3:PutObject",
    "sms-voice:SendTextMessage",
];

/// Rights that only a distress asks for, which no run may have had, by role, action and resource, where it is not any: a store of
/// letters that is down for an hour, letters that are worth another try, also of somebody who is in them, what has got lost, an
/// order that is not paid for days, and a letter with somebody in it that is edited.
const IN_DISTRESS: [(&str, &str, Option<&str>); 8] = [
    ("LettersRole", "sqs:SendMessage", None),
    ("JobsRole", "sqs:SendMessage", None),
    ("JobsRole", "dynamodb:GetItem", Some("CustomerKeys")),
    ("OpenOrdersRole", "dynamodb:PutItem", None),
    ("OperationsApiRole", "dynamodb:PutItem", Some("CustomerKeys")),
    // Nobody has a webhook.
    ("WebhooksApiRole", "", None),
    ("WebhooksRole", "", None),
    ("WebhooksSendRole", "", None),
];

/// Rights by requests that nobody makes here, or hardly ever: each is made by an end-to-end test, on the same emulator that enforces
/// them. Nobody has a notice, is forgotten or sends goods back, and no operator looks at a log or a chart; a person's key is read where
/// two attempts at one order of another producer meet.
const NOT_ASKED_FOR: [(&str, &str, Option<&str>); 6] = [
    ("NoticesRole", "", None),
    ("OrdersApiRole", "dynamodb:DeleteItem", Some("CustomerKeys")),
    ("InventoryApiRole", "dynamodb:", Some("InventoryTable")),
    ("OperationsApiRole", "logs:FilterLogEvents", None),
    ("OperationsApiRole", "cloudwatch:GetMetricData", None),
    ("IntakeRole", "dynamodb:GetItem", Some("CustomerKeys")),
];

/// Rights that nobody has asked for where nobody watches, by role and action: what is told, and what it is held against in the end.
const OF_LIVE: [(&str, &str); 4] =
    [("LiveRole", ""), ("LivePushRole", ""), ("AnalyticsApiRole", ""), ("OperationsApiRole", "dynamodb:Query")];

/// Right of every consumer that the toolkit uses where an attempt fails. Of some services none may fail in a short run: what
/// one consumer has used, all have a use for.
const ONCE_FOR_ALL: &str = "sqs:ChangeMessageVisibility";

/// The roles of the template.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    template: Value,
}

impl Rights {
    /// As the template has them.
    pub(crate) fn of_the_template() -> Self {
        Self { template: expanded(Path::new(TEMPLATE)).expect("the template can be read") }
    }

    /// The right that a function needs for a call, if its role does not give it. Functions and resources are named as they
    /// are deployed, such as `orderflow-PaymentTable-0C428D223317D`.
    ///
    /// # Errors
    ///
    /// The right, in words, if the role does not give it.
    pub(crate) fn hold(&self, function: &str, need: &Need) -> Result<Option<Right>, String> {
        let Some(function) = self.logical_id(function) else { return Ok(None) };
        let role = function.replace("Function", "Role");
        let resource = self.logical_id(&need.resource);
        // A mail or a short message: its resource is an identity or a telephone number.
        let is_nameless = need.resource.is_empty();
        let given = self.of_role(&role).into_iter().chain(self.by_parameter(&role)).find(|right| {
            right.action == need.action
                && (is_nameless || right.is_to(&need.resource) || resource.is_some_and(|id| right.is_to(id)))
        });
        match given {
            Some(right) => Ok(Some(right)),
            None => Err(format!("{role} does not allow {} on {}", need.action, resource.unwrap_or("anything"))),
        }
    }

    /// Rights of all functions' roles that no call of these has used, but for those that AWS uses in a function's name, and those of
    /// live where nobody has watched.
    pub(crate) fn unused(&self, used: &BTreeSet<Right>, is_watched: bool) -> Vec<Right> {
        let roles = self.template["Resources"].as_object().into_iter().flatten();
        let roles = roles.filter(|(_, resource)| resource["Type"] == "AWS::IAM::Role").map(|(role, _)| role);
        let is_of_function =
            |role: &&String| self.template["Resources"].get(role.replace("Role", "Function")).is_some();
        let roles = roles.filter(is_of_function);
        let is_once_used = used.iter().any(|right| right.action == ONCE_FOR_ALL);
        let is_used = |right: &Right| used.contains(right) || is_once_used && right.action == ONCE_FOR_ALL;
        let rights = roles.flat_map(|role| self.of_role(role));
        let is_distress = |right: &Right| {
            IN_DISTRESS.iter().chain(&NOT_ASKED_FOR).any(|(role, action, resource)| {
                let is_of_it = resource.is_none() || right.resource.as_deref() == *resource;
                is_of_it && right.role.ends_with(role) && right.action.starts_with(action)
            })
        };
        let of_live = |right: &Right| {
            OF_LIVE.iter().any(|(role, action)| right.role == *role && right.action.starts_with(action))
        };
        let is_unwatched = |right: &Right| !is_watched && of_live(right);
        let is_wanted =
            |right: &Right| !BY_AWS.contains(&right.action.as_str()) && !is_distress(right) && !is_unwatched(right);
        // That to a table and that to its index are one.
        let unused: BTreeSet<Right> = rights.filter(|right| is_wanted(right) && !is_used(right)).collect();
        unused.into_iter().collect()
    }

    /// Rights that a role has whatever the parameters are.
    fn of_role(&self, role: &str) -> Vec<Right> {
        rights(role, self.statements(role).collect())
    }

    /// Rights that a parameter of the stack gives to a role.
    fn by_parameter(&self, role: &str) -> Vec<Right> {
        let given = self.statements(role).filter_map(|statement| statement["Fn::If"].as_array()).flatten();
        rights(role, given.collect())
    }

    /// Statements of a role, those of its managed policies among them.
    fn statements<'a>(&'a self, role: &str) -> impl Iterator<Item = &'a Value> {
        let properties = &self.template["Resources"][role]["Properties"];
        let managed = properties["ManagedPolicyArns"].as_array().into_iter().flatten();
        let managed = managed.filter_map(|policy| policy["Ref"].as_str());
        let managed = managed.map(|policy| &self.template["Resources"][policy]["Properties"]);
        let policies = properties["Policies"].as_array().into_iter().flatten().chain(managed);
        policies.filter_map(|policy| policy["PolicyDocument"]["Statement"].as_array()).flatten()
    }

    /// Name in the template of something that is deployed under a generated name.
    fn logical_id<'a>(&self, deployed: &'a str) -> Option<&'a str> {
        if deployed.ends_with("-events.fifo") {
            return Some("EventsTopic");
        }
        deployed.split(['-', '.']).find(|part| self.template["Resources"].get(part).is_some())
    }
}

/// Rights that these statements give to a role.
fn rights(role: &str, statements: Vec<&Value>) -> Vec<Right> {
    let mut rights = Vec::new();
    for statement in statements.into_iter().filter(|statement| statement["Effect"] == "Allow") {
        // Of identities a statement names several patterns, which are one right.
        let resources: BTreeSet<_> = each(&statement["Resource"]).map(logical_id_of).collect();
        for action in each(&statement["Action"]).filter_map(Value::as_str) {
            rights.extend(resources.iter().map(|resource| Right {
                role: role.to_owned(),
                action: action.to_owned(),
                resource: resource.map(ToOwned::to_owned),
            }));
        }
    }
    rights
}

fn each(one_or_many: &Value) -> impl Iterator<Item = &Value> {
    one_or_many.as_array().map_or(std::slice::from_ref(one_or_many), Vec::as_slice).iter()
}

/// The resource of the template that a statement names: by the `!Ref` of a topic, the `!GetAtt` of a table's or a queue's ARN,
/// or within a `!Sub` that of a table's index, which may be one of another stack; or the pattern of the names of several.
fn logical_id_of(named: &Value) -> Option<&str> {
    // With the ARN of another stack's table among its variables.
    let by_variable = || {
        let (variable, _) = named["Fn::Sub"][0].as_str()?.strip_prefix("${")?.split_once("}/index/")?;
        named["Fn::Sub"][1][variable]["Fn::GetAtt"][0].as_str()
    };
    let within = || {
        let text = named["Fn::Sub"].as_str()?;
        let of_index = text.strip_prefix("${").and_then(|rest| rest.split_once(".Arn}/index/"));
        let of_several = || {
            let several = &text[text.rfind("${AWS::StackName}-")?..];
            Some(several.split_once("/index/").map_or(several, |(table, _)| table))
        };
        of_index.map(|(id, _)| id).or_else(of_several)
    };
    named["Ref"].as_str().or_else(|| named["Fn::GetAtt"][0].as_str()).or_else(by_variable).or_else(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_what_it_names_and_nothing_else() {
        let rights = Rights::of_the_template();
        for (function, action, resource, is_allowed) in [
            ("PaymentFunction", "dynamodb:PutItem", "s-PaymentTable-1", true),
            ("PaymentFunction", "dynamodb:DeleteItem", "s-PaymentTable-1", false),
            ("PaymentFunction", "dynamodb:PutItem", "s-ShippingTable-1", false),
            ("PaymentFunction", "dynamodb:UpdateItem", "s-PaymentProviderTable-1", true),
            ("PaymentFunction", "sqs:SendMessage", "s-PaymentDlq-1", true),
            ("PaymentFunction", "sqs:SendMessage", "s-PaymentQueue-1", false),
            ("PaymentFunction", "sqs:SendMessage", "unknown", false),
            ("PaymentFunction", "ses:SendEmail", "", false),
            ("NotificationFunction", "ses:SendEmail", "", true),
            ("NotificationFunction", "sns:Publish", "", true),
            ("NotificationFunction", "secretsmanager:GetSecretValue", "", true),
            ("OrdersApiFunction", "secretsmanager:GetSecretValue", "", true),
            ("PaymentFunction", "secretsmanager:GetSecretValue", "", false),
            ("NotificationFunction", "sns:Publish", "s-events.fifo", false),
            ("PaymentRelayFunction", "sns:Publish", "s-events.fifo", true),
            ("PaymentLettersFunction", "dynamodb:PutItem", "s-LettersTable-1", true),
            ("PaymentLettersFunction", "dynamodb:Query", "s-LettersTable-1", false),
            ("PaymentLettersFunction", "dynamodb:PutItem", "s-CustomerKeys-1", true),
            ("PaymentLettersFunction", "dynamodb:GetItem", "s-CustomerKeys-1", false),
            ("OperationsApiFunction", "dynamodb:Query", "s-LettersTable-1", true),
            ("JobsFunction", "dynamodb:Query", "s-JournalTable-1", true),
            ("JobsFunction", "dynamodb:Query", "s-PaymentTable-1", false),
            ("JobsFunction", "dynamodb:Scan", "s-PaymentTable-1", true),
            ("JobsFunction", "lambda:InvokeFunction", "s-PaymentFunction-1", true),
            ("JobsFunction", "ssm:GetParametersByPath", "", true),
            ("PaymentFunction", "lambda:InvokeFunction", "s-PaymentFunction-1", false),
            ("JobsFunction", "dynamodb:PutItem", "s-PaymentTable-1", false),
            ("JobsFunction", "sqs:SendMessage", "s-PaymentQueue-1", true),
            ("JobsFunction", "sqs:SendMessage", "s-PaymentDlq-1", false),
            ("LivePushFunction", "execute-api:ManageConnections", "", true),
            ("PaymentFunction", "execute-api:ManageConnections", "", false),
            ("LivePushFunction", "dynamodb:GetItem", "s-LettersTable-1", false),
        ] {
            let need = Need { action: action.to_owned(), resource: resource.to_owned() };
            let held = rights.hold(&format!("s-{function}-0C428D223317D"), &need);
            assert_eq!(matches!(held, Ok(Some(_))), is_allowed, "{function} {need:?}: {held:?}");
        }
    }

    #[test]
    fn a_right_that_nobody_uses_is_found() {
        let rights = Rights::of_the_template();
        let all = rights.unused(&BTreeSet::new(), true);
        let used = |but: &str| all.iter().filter(|right| right.to_string() != but).cloned().collect();
        for right in [
            "PaymentRole allows dynamodb:UpdateItem on PaymentProviderTable",
            "NotificationRole allows ses:SendEmail",
            "NotificationRole allows sns:Publish",
            "OrdersRelayRole allows sns:Publish on EventsTopic",
            "LiveRole allows execute-api:ManageConnections",
            "OpenOrdersRole allows dynamodb:Query on OrdersTable",
            "LivePushRole allows dynamodb:Query on LettersTable",
        ] {
            let unused: Vec<String> = rights.unused(&used(right), true).iter().map(ToString::to_string).collect();
            assert_eq!(unused, [right]);
            let once: Vec<&Right> = all.iter().filter(|right| right.action == ONCE_FOR_ALL).collect();
            let others: BTreeSet<Right> = all.iter().filter(|right| right.action != ONCE_FOR_ALL).cloned().collect();
            assert!(once.len() > 1);
            assert_eq!(rights.unused(&others, true).iter().collect::<Vec<_>>(), once, "nobody uses it");
            let with_one = others.iter().chain([once[0]]).cloned().collect();
            assert_eq!(rights.unused(&with_one, true), [], "one uses it");
        }
    }
}
