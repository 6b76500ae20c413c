//! The stack that a template describes, as far as its functions can tell: their variables, what invokes them, their tables.

use std::collections::BTreeMap;
use std::path::Path;

use orderflow_local::{TemplateError, expanded};
use orderflow_tests::matches;
use serde_json::{Map, Value, json};

use crate::aws::KeySchema;
use crate::sign_in;

/// Account of all resources: the example of AWS's documentation.
pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "us-east-1";

/// One rule, of those by which the staff are told of events.
const NOTICES: &str = r#"[{"match":{"type":["OrderFlagged"]},"to":"staff@shop.example","every":15}]"#;

/// Functions, tables and subscriptions of one template.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) functions: Vec<Function>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) tables: BTreeMap<String, KeySchema>,
}

/// A Lambda function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Logical id, such as `PaymentFunction`.
    pub(crate) id: String,
    /// Name of its binary.
    pub(crate) binary: String,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) trigger: Trigger,
}

/// Source of a function's invocations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trigger {
    /// API Gateway, or anything else that is no queue and no stream.
    Other,
    /// SQS: the ARN of the queue.
    Queue(String),
    /// Streams of DynamoDB: names of the tables, and the patterns of what passes the filter.
    Streams { tables: Vec<String>, patterns: Vec<Value> },
}

/// A queue's subscription to a topic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subscription {
    pub(crate) topic_arn: String,
    pub(crate) queue_arn: String,
    /// On the message's body; everything passes where there is none.
    pub(crate) filter: Option<Value>,
}

/// Reason why a template cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    /// It cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// It says something that is not known here.
    #[error("the template has {0}, which is not known here")]
    Unknown(String),
}

type Result<T> = std::result::Result<T, StackError>;

impl Stack {
    /// Reads a template, each parameter at its default but for those that say whose tokens count, for the pace of mails, which
    /// would only be waited for, and for the notices, without which there is no function for them.
    pub(crate) fn read(template: &Path) -> Result<Self> {
        let mut document = expanded(template)?;
        sign_in::let_in(&mut document);
        if let Some(pace) = document["Parameters"].get_mut("MailsPerSecond") {
            pace["Default"] = json!(100_000);
        }
        if let Some(notices) = document["Parameters"].get_mut("Notices") {
            notices["Default"] = NOTICES.into();
        }
        Self::of(&document)
    }

    fn of(document: &Value) -> Result<Self> {
        let resolver = Resolver { document };
        let mut resources = BTreeMap::new();
        for (id, resource) in document["Resources"].as_object().into_iter().flatten() {
            if resource["Condition"].as_str().map_or(Ok(true), |name| resolver.condition(name))? {
                resources.insert(id.as_str(), resource);
            }
        }
        let of_type = |kind: &'static str| resources.iter().filter(move |(_, resource)| resource["Type"] == kind);
        let mut functions = Vec::new();
        for kind in ["AWS::Serverless::Function", "AWS::Lambda::Function"] {
            for (id, resource) in of_type(kind) {
                functions.push(resolver.function(id, resource, &resources)?);
            }
        }
        let mut subscriptions = Vec::new();
        for (_, resource) in of_type("AWS::SNS::Subscription") {
            let properties = resolver.value(&resource["Properties"])?;
            if properties["Protocol"] == "sqs" {
                subscriptions.push(Subscription {
                    topic_arn: text(&properties["TopicArn"]),
                    queue_arn: text(&properties["Endpoint"]),
                    filter: properties.get("FilterPolicy").cloned(),
                });
            }
        }
        let mut tables = BTreeMap::new();
        for (id, resource) in of_type("AWS::DynamoDB::Table") {
            let keys = resolver.value(&resource["Properties"]["KeySchema"])?;
            let name = |index: usize| keys[index]["AttributeName"].as_str().map(str::to_owned);
            tables.insert((*id).to_owned(), KeySchema { hash: name(0).unwrap_or_default(), range: name(1) });
        }
        Ok(Self { functions, subscriptions, tables })
    }

    /// Functions that get a message with that body from that topic.
    pub(crate) fn subscribers<'a>(&'a self, topic_arn: &'a str, body: &'a Value) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter(move |function| {
            let Trigger::Queue(queue) = &function.trigger else { return false };
            let is_its_own = |one: &&Subscription| one.topic_arn == topic_arn && one.queue_arn == *queue;
            let passes = |one: &Subscription| one.filter.as_ref().is_none_or(|filter| matches(filter, body));
            self.subscriptions.iter().filter(is_its_own).any(passes)
        })
    }
}

impl Function {
    /// Tells that it is invoked for that record of a table's stream.
    pub(crate) fn hears(&self, table: &str, record: &Value) -> bool {
        let Trigger::Streams { tables, patterns } = &self.trigger else { return false };
        let passes = patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, record));
        passes && tables.iter().any(|one| one == table)
    }
}

/// Values of a template, as `CloudFormation` would resolve them.
struct Resolver<'a> {
    document: &'a Value,
}

impl Resolver<'_> {
    fn function(&self, id: &str, resource: &Value, resources: &BTreeMap<&str, &Value>) -> Result<Function> {
        let binary = self.value(&resource["Metadata"]["BuildProperties"]["Binary"])?;
        let properties = &resource["Properties"];
        let variables = self.value(&properties["Environment"]["Variables"])?;
        let variables = variables.as_object().into_iter().flatten();
        let mut sources = Vec::new();
        for event in properties["Events"].as_object().into_iter().flat_map(Map::values) {
            if event["Type"] == "SQS" || event["Type"] == "DynamoDB" {
                sources.push(self.value(&event["Properties"])?);
            }
        }
        let mappings = resources.values().filter(|one| one["Type"] == "AWS::Lambda::EventSourceMapping");
        for mapping in mappings {
            let mapping = self.value(&mapping["Properties"])?;
            if mapping["FunctionName"] == id || text(&mapping["FunctionName"]).ends_with(&format!(":{id}")) {
                sources.push(mapping);
            }
        }
        Ok(Function {
            id: id.to_owned(),
            binary: text(&binary),
            variables: variables.map(|(name, value)| (name.clone(), text(value))).collect(),
            trigger: trigger(&sources)?,
        })
    }

    /// A value without intrinsic functions, and without what is `AWS::NoValue`.
    fn value(&self, value: &Value) -> Result<Value> {
        match value {
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => match fields.iter().next() {
                Some((name, argument)) if fields.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    self.intrinsic(name, argument)
                }
                _ => {
                    let fields = fields.iter().map(|(name, value)| Ok((name.clone(), self.value(value)?)));
                    let fields = fields.collect::<Result<Map<_, _>>>()?.into_iter();
                    Ok(fields.filter(|(_, value)| !value.is_null()).collect())
                }
            },
            other => Ok(other.clone()),
        }
    }

    fn intrinsic(&self, name: &str, argument: &Value) -> Result<Value> {
        match name {
            "Ref" => self.reference(argument.as_str().unwrap_or_default()),
            "Fn::GetAtt" => self.attribute(&text(&argument[0]), &text(&argument[1])),
            "Fn::Sub" => self.substituted(argument),
            "Fn::FindInMap" => {
                let keys = self.value(argument)?;
                let found = &self.document["Mappings"][text(&keys[0])][text(&keys[1])][text(&keys[2])];
                self.value(found)
            }
            "Fn::If" => {
                let holds = self.condition(&text(&argument[0]))?;
                self.value(&argument[if holds { 1 } else { 2 }])
            }
            "Fn::Join" => {
                let arguments = self.value(argument)?;
                let parts: Vec<String> = arguments[1].as_array().into_iter().flatten().map(text).collect();
                Ok(parts.join(&text(&arguments[0])).into())
            }
            "Fn::Split" => {
                let arguments = self.value(argument)?;
                Ok(text(&arguments[1]).split(&text(&arguments[0])).map(str::to_owned).collect())
            }
            "Fn::Select" => {
                let arguments = self.value(argument)?;
                let index = text(&arguments[0]).parse::<usize>().unwrap_or(usize::MAX);
                Ok(arguments[1].get(index).cloned().unwrap_or_default())
            }
            "Fn::ToJsonString" => Ok(self.value(argument)?.to_string().into()),
            other => Err(StackError::Unknown(other.to_owned())),
        }
    }

    fn reference(&self, name: &str) -> Result<Value> {
        let pseudo = match name {
            "AWS::AccountId" => ACCOUNT,
            "AWS::Region" => REGION,
            "AWS::Partition" => "aws",
            "AWS::StackName" => "orderflow",
            "AWS::URLSuffix" => "amazonaws.com",
            "AWS::NoValue" => return Ok(Value::Null),
            _ => {
                if let Some(parameter) = self.document["Parameters"].get(name) {
                    return Ok(parameter["Default"].clone());
                }
                let resource = self.resource(name)?;
                return Ok(match resource["Type"].as_str() {
                    Some("AWS::SQS::Queue") => {
                        format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{}", queue_name(name, resource)).into()
                    }
                    Some("AWS::SNS::Topic") => arn(name, resource).into(),
                    _ => name.into(),
                });
            }
        };
        Ok(pseudo.into())
    }

    fn attribute(&self, id: &str, attribute: &str) -> Result<Value> {
        let resource = self.resource(id)?;
        match attribute {
            "Arn" | "TopicArn" => Ok(arn(id, resource).into()),
            "StreamArn" => Ok(format!("{}/stream/2026-01-01T00:00:00.000", arn(id, resource)).into()),
            "QueueName" | "TopicName" => Ok(queue_name(id, resource).into()),
            "QueueUrl" => self.reference(id),
            // Endpoints and the like, that nothing here calls.
            other => Ok(format!("{id}.{other}").into()),
        }
    }

    fn resource(&self, id: &str) -> Result<&Value> {
        self.document["Resources"].get(id).ok_or_else(|| StackError::Unknown(format!("no resource {id}")))
    }

    fn substituted(&self, argument: &Value) -> Result<Value> {
        let (format, names) = match argument {
            Value::Array(both) => (text(&both[0]), self.value(&both[1])?),
            one => (text(one), json!({})),
        };
        let mut parts = format.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                return Err(StackError::Unknown(format!("the substitution {format}")));
            };
            let value = match (name.strip_prefix('!'), names.get(name), name.split_once('.')) {
                (Some(literal), ..) => format!("${{{literal}}}").into(),
                (_, Some(value), _) => value.clone(),
                (.., Some((id, attribute))) => self.attribute(id, attribute)?,
                _ => self.reference(name)?,
            };
            whole += &text(&value);
            whole += rest;
        }
        Ok(whole.into())
    }

    fn condition(&self, name: &str) -> Result<bool> {
        self.holds(&self.document["Conditions"][name])
    }

    fn holds(&self, condition: &Value) -> Result<bool> {
        let unknown = || StackError::Unknown(format!("the condition {condition}"));
        let (name, argument) = condition.as_object().and_then(|one| one.iter().next()).ok_or_else(unknown)?;
        let mut all = argument.as_array().into_iter().flatten().map(|one| self.holds(one));
        match name.as_str() {
            "Condition" => self.condition(&text(argument)),
            "Fn::Equals" => Ok(text(&self.value(&argument[0])?) == text(&self.value(&argument[1])?)),
            "Fn::Not" => Ok(!self.holds(&argument[0])?),
            "Fn::And" => all.try_fold(true, |so_far, one| Ok(so_far & one?)),
            "Fn::Or" => all.try_fold(false, |so_far, one| Ok(so_far | one?)),
            _ => Err(unknown()),
        }
    }
}

fn trigger(sources: &[Value]) -> Result<Trigger> {
    let mut streams = (Vec::new(), Vec::new());
    for source in sources {
        let arns = ["Queue", "Stream", "EventSourceArn"].map(|name| source[name].as_str());
        let arn = arns.into_iter().flatten().next().unwrap_or_default();
        if arn.contains(":sqs:") {
            return Ok(Trigger::Queue(arn.to_owned()));
        }
        let table = arn.split('/').nth(1).ok_or_else(|| StackError::Unknown(format!("the event source {arn}")))?;
        streams.0.push(table.to_owned());
        for filter in source["FilterCriteria"]["Filters"].as_array().into_iter().flatten() {
            let pattern = serde_json::from_str(&text(&filter["Pattern"]));
            streams.1.push(pattern.map_err(|_| StackError::Unknown(format!("the filter {filter}")))?);
        }
    }
    let (tables, patterns) = streams;
    Ok(if tables.is_empty() { Trigger::Other } else { Trigger::Streams { tables, patterns } })
}

fn arn(id: &str, resource: &Value) -> String {
    let fixed = |service: &str, rest: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
    match resource["Type"].as_str().unwrap_or_default() {
        "AWS::SQS::Queue" => fixed("sqs", &queue_name(id, resource)),
        "AWS::SNS::Topic" => fixed("sns", &queue_name(id, resource)),
        "AWS::DynamoDB::Table" => fixed("dynamodb", &format!("table/{id}")),
        "AWS::Lambda::Function" | "AWS::Serverless::Function" => fixed("lambda", &format!("function:{id}")),
        "AWS::S3::Bucket" => format!("arn:aws:s3:::{}", id.to_lowercase()),
        _ => fixed("other", id),
    }
}

/// Name of a queue or a topic: if it is FIFO, AWS wants that at the end.
fn queue_name(id: &str, resource: &Value) -> String {
    let properties = &resource["Properties"];
    let is_fifo = [&properties["FifoQueue"], &properties["FifoTopic"]].iter().any(|one| text(one) == "true");
    if is_fifo { format!("{id}.fifo") } else { id.to_owned() }
}

/// A scalar as `CloudFormation` writes it into a text.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Value {
        json!({
            "Parameters": {"Stage": {"Default": "dev"}, "Settings": {"Default": "{}"}, "Types": {"Default": "A,B"}},
            "Mappings": {"Queue": {"Consumer": {"MaxReceiveCount": "20"}}},
            "Conditions": {
                "IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
                "IsOpen": {"Fn::Not": [{"Condition": "IsProd"}]},
            },
            "Resources": {
                "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"FifoTopic": true}},
                "PayQueue": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": {"Fn::If": ["IsProd", true, {"Ref": "AWS::NoValue"}]}}},
                "PayTable": {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"},
                ]}},
                "PayFunction": {
                    "Type": "AWS::Lambda::Function",
                    "Metadata": {"BuildProperties": {"Binary": {"Fn::Sub": "pay"}}},
                    "Properties": {"Environment": {"Variables": {
                        "TABLE_NAME": {"Ref": "PayTable"},
                        "QUEUE_URL": {"Ref": "PayQueue"},
                        "MAX_RECEIVE_COUNT": {"Fn::FindInMap": ["Queue", "Consumer", "MaxReceiveCount"]},
                        "MAX_BACKOFF_SECONDS": 900,
                        "SETTINGS": {"Fn::Sub": ["{\"table\":\"${PayTable}\",\"of\":\"${Of}\",\"kept\":\"${!Of}\"}", {"Of": {"Ref": "Stage"}}]},
                        "NOTHING": {"Fn::If": ["IsOpen", {"Ref": "AWS::NoValue"}, "x"]},
                    }}},
                },
                "PaySource": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
                    "FunctionName": {"Ref": "PayFunction"}, "EventSourceArn": {"Fn::GetAtt": ["PayQueue", "Arn"]},
                }},
                "PaySubscription": {"Type": "AWS::SNS::Subscription", "Properties": {
                    "Protocol": "sqs", "TopicArn": {"Ref": "Topic"}, "Endpoint": {"Fn::GetAtt": ["PayQueue", "Arn"]},
                    "FilterPolicy": {"type": {"Fn::Split": [",", {"Ref": "Types"}]}},
                }},
                "Relay": {
                    "Type": "AWS::Serverless::Function", "Metadata": {"BuildProperties": {"Binary": "relay"}},
                    "Properties": {
                        "Environment": {"Variables": {"TOPIC_ARN": {"Ref": "Topic"}}},
                        "Events": {"Stream": {"Type": "DynamoDB", "Properties": {
                            "Stream": {"Fn::GetAtt": ["PayTable", "StreamArn"]},
                            "FilterCriteria": {"Filters": [{"Pattern": "{\"eventName\":[\"INSERT\"]}"}]},
                        }}},
                    },
                },
                "Api": {
                    "Type": "AWS::Serverless::Function", "Metadata": {"BuildProperties": {"Binary": "api"}},
                    "Properties": {"Events": {"Get": {"Type": "Api"}}},
                },
                "Absent": {"Type": "AWS::Lambda::Function", "Condition": "IsProd"},
            },
        })
    }

    #[test]
    fn functions_have_their_variables_as_on_aws() {
        let stack = Stack::of(&template()).unwrap();
        let variables: Vec<_> =
            stack.functions.iter().map(|function| (function.binary.as_str(), &function.variables)).collect();
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let pay = text(&[
            ("TABLE_NAME", "PayTable"),
            ("QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/PayQueue"),
            ("MAX_RECEIVE_COUNT", "20"),
            ("MAX_BACKOFF_SECONDS", "900"),
            ("SETTINGS", r#"{"table":"PayTable","of":"dev","kept":"${Of}"}"#),
        ]);
        let relay = text(&[("TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:Topic.fifo")]);
        assert_eq!(variables, [("api", &text(&[])), ("relay", &relay), ("pay", &pay)]);
    }

    #[test]
    fn functions_have_their_triggers() {
        let stack = Stack::of(&template()).unwrap();
        let triggers: Vec<_> = stack.functions.iter().map(|function| &function.trigger).collect();
        let queue = Trigger::Queue("arn:aws:sqs:us-east-1:123456789012:PayQueue".to_owned());
        let streams =
            Trigger::Streams { tables: vec!["PayTable".to_owned()], patterns: vec![json!({"eventName": ["INSERT"]})] };
        assert_eq!(triggers, [&Trigger::Other, &streams, &queue]);
    }

    #[test]
    fn a_record_goes_to_those_whose_filter_it_passes() {
        let stack = Stack::of(&template()).unwrap();
        let hear = |table: &str, name: &str| {
            let record = json!({"eventName": name});
            stack.functions.iter().filter(|one| one.hears(table, &record)).map(|one| one.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(hear("PayTable", "INSERT"), ["Relay"]);
        assert!(hear("PayTable", "MODIFY").is_empty());
        assert!(hear("OtherTable", "INSERT").is_empty());
    }

    #[test]
    fn messages_go_to_those_whose_filter_they_pass() {
        let stack = Stack::of(&template()).unwrap();
        let topic = "arn:aws:sns:us-east-1:123456789012:Topic.fifo";
        let subscribers = |topic: &str, body: Value| {
            stack.subscribers(topic, &body).map(|function| function.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(subscribers(topic, json!({"type": "B"})), ["PayFunction"]);
        assert!(subscribers(topic, json!({"type": "C"})).is_empty());
        assert!(subscribers("arn:other", json!({"type": "B"})).is_empty());
    }

    #[test]
    fn the_template_of_this_project_is_understood() {
        let stack = Stack::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"))).unwrap();
        for function in &stack.functions {
            assert!(!function.binary.is_empty(), "{}", function.id);
            assert!(!function.variables.is_empty(), "{}", function.id);
        }
        let queues = stack.functions.iter().filter(|function| matches!(function.trigger, Trigger::Queue(_))).count();
        assert!(queues >= 7, "{queues}");
        let notices = stack.functions.iter().find(|function| function.binary == "notices").unwrap();
        let settings: Value = serde_json::from_str(&notices.variables["SETTINGS"]).unwrap();
        assert_eq!(settings["notices"][0]["every"], 15, "{settings}");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let mut template = template();
        template["Resources"]["Api"]["Properties"]["Environment"]["Variables"]["X"] = json!({"Fn::ImportValue": "x"});
        let error = Stack::of(&template).unwrap_err().to_string();
        assert_eq!(error, "the template has Fn::ImportValue, which is not known here");
    }
}
