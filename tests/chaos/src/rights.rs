//! Roles of the functions, held against what the functions do. On AWS a call that they do not allow is refused; no emulator
//! asks.

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

    /// Rights of these that a function does not have. Functions and resources are named as they are deployed, such as
    /// `orderflow-PaymentTable-0C428D223317D`.
    pub(crate) fn missing(&self, function: &str, need: &Need) -> Option<String> {
        let function = self.logical_id(function)?;
        let role = function.replace("Function", "Role");
        let resource = self.logical_id(&need.resource);
        let properties = &self.template["Resources"][&role]["Properties"];
        let managed = properties["ManagedPolicyArns"].as_array().into_iter().flatten();
        let managed = managed.filter_map(|policy| policy["Ref"].as_str());
        let managed = managed.map(|policy| &self.template["Resources"][policy]["Properties"]);
        let policies = properties["Policies"].as_array().into_iter().flatten().chain(managed);
        let statements = policies.filter_map(|policy| policy["PolicyDocument"]["Statement"].as_array()).flatten();
        let is_allowed = statements.filter(|statement| statement["Effect"] == "Allow").any(|statement| {
            let acts = each(&statement["Action"]).any(|action| action == need.action.as_str());
            acts && match resource {
                Some(resource) => each(&statement["Resource"]).any(|named| is_of(named, resource)),
                // A mail or a short message: its resource is an identity or a telephone number.
                None => need.resource.is_empty(),
            }
        });
        (!is_allowed).then(|| format!("{role} does not allow {} on {}", need.action, resource.unwrap_or("anything")))
    }

    /// Name in the template of something that is deployed under a generated name.
    fn logical_id<'a>(&self, deployed: &'a str) -> Option<&'a str> {
        if deployed.ends_with("-events.fifo") {
            return Some("EventsTopic");
        }
        deployed.split(['-', '.']).find(|part| self.template["Resources"].get(part).is_some())
    }
}

fn each(one_or_many: &Value) -> impl Iterator<Item = &Value> {
    one_or_many.as_array().map_or(std::slice::from_ref(one_or_many), Vec::as_slice).iter()
}

/// True if a statement's resource is that one: `!Ref` of a topic, `!GetAtt` of a table's or a queue's ARN.
fn is_of(named: &Value, resource: &str) -> bool {
    named["Ref"] == resource || named["Fn::GetAtt"][0] == resource
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
            ("NotificationFunction", "sns:Publish", "s-events.fifo", false),
            ("PaymentRelayFunction", "sns:Publish", "s-events.fifo", true),
        ] {
            let need = Need { action: action.to_owned(), resource: resource.to_owned() };
            let missing = rights.missing(&format!("s-{function}-0C428D223317D"), &need);
            assert_eq!(missing.is_none(), is_allowed, "{function} {need:?}: {missing:?}");
        }
    }
}
