//! The stack that `CloudFormation` makes of `template.yaml` and of `functions/service.yaml`, once for each service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use orderflow_local::read_template;
use serde_json::{Map, Value as Json, json};

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Function that answers the routes of those who watch.
pub(crate) const ROUTES: &str = "LiveFunction";

/// The readers of streams that are no relays: who tells those who watch, and who tells the webhooks.
pub(crate) const PUSH: &str = "LivePushFunction";
pub(crate) const DISPATCH: &str = "WebhooksFunction";

pub(crate) const FUNCTION: &str = "AWS::Lambda::Function";
pub(crate) const QUEUE: &str = "AWS::SQS::Queue";
pub(crate) const TABLE: &str = "AWS::DynamoDB::Table";
pub(crate) const TOPIC: &str = "AWS::SNS::Topic";
pub(crate) const BUCKET: &str = "AWS::S3::Bucket";
pub(crate) const SUBSCRIPTION: &str = "AWS::SNS::Subscription";
const SOURCE: &str = "AWS::Lambda::EventSourceMapping";
const NESTED: &str = "AWS::CloudFormation::Stack";

/// Path of the template of a service, as `template.yaml` has it.
const SERVICE: &str = "functions/service.yaml";

/// Value of what is taken away, and of what must not be there.
pub(crate) const GONE: Json = Json::Null;

// ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The two templates as they are written.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) template: Json,
    pub(crate) service: Json,
}

impl Files {
    pub(crate) fn read() -> Self {
        let read = |file| read_template(&Path::new(ROOT).join(file)).expect("a template");
        Self { template: read("template.yaml"), service: read(SERVICE) }
    }

    /// Puts a value in a place, or takes it away.
    ///
    /// A place is a resource, of whichever file has it, and after a space the path of one of its properties, or after `@`
    /// of another attribute; or a file, `template` or `service`, and a path from its root. In a list, `~text` is the one
    /// item that has the text in it.
    pub(crate) fn put(&mut self, place: &str, value: &Json) {
        let (head, path) = place.split_once(' ').unwrap_or((place, "@"));
        let property = path.strip_prefix('@').map_or_else(|| format!("Properties/{path}"), ToOwned::to_owned);
        let of_resource = format!("Resources/{head}/{property}");
        let (file, path) = match head {
            "template" => (&mut self.template, path),
            "service" => (&mut self.service, path),
            id if self.service["Resources"][id].is_null() => (&mut self.template, of_resource.trim_end_matches('/')),
            _ => (&mut self.service, of_resource.trim_end_matches('/')),
        };
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        let steps = parent.split('/').filter(|step| !step.is_empty());
        let parent = steps.fold(file, |at, step| {
            let step = step_in(at, step);
            at.pointer_mut(&format!("/{step}")).unwrap_or_else(|| panic!("{place}: there is no {step}"))
        });
        let last = step_in(parent, last).replace("~1", "/");
        match parent {
            Json::Object(all) if value.is_null() => assert!(all.remove(&last).is_some(), "{place}: it is not there"),
            Json::Array(items) if value.is_null() => drop(items.remove(last.parse().expect("an index"))),
            Json::Array(items) => items[last.parse::<usize>().expect("an index")] = value.clone(),
            parent => parent[last] = value.clone(),
        }
    }
}

/// The index of the one item that has the text in it, where the step is one in a list.
fn step_in(at: &Json, step: &str) -> String {
    let (Json::Array(items), Some(text)) = (at, step.strip_prefix('~')) else { return step.to_owned() };
    let having: Vec<usize> = (0..items.len()).filter(|index| items[*index].to_string().contains(text)).collect();
    assert!(having.len() == 1, "{text} is in {} items of {at}", having.len());
    having[0].to_string()
}

/// Notices as somebody may want them.
const NOTICES: &str = r#"[{"match": {"type": ["OrderFlagged"]}, "to": "staff@shop.example", "every": 15}]"#;

// ── Stack ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Stack that is deployed with some parameters: what they decide is put in, and `Globals` are in each function. A resource
/// `Queue` of the nested stack `Payment` is called `PaymentQueue`; references to resources stay references.
pub(crate) struct Stack<'a> {
    pub(crate) files: &'a Files,
    parameters: Map<String, Json>,
    resources: BTreeMap<String, Json>,
    pub(crate) outputs: Json,
}

impl<'a> Stack<'a> {
    /// With the defaults of all parameters, and a notice, whose function is held to the same rules.
    pub(crate) fn new(files: &'a Files) -> Self {
        Self::deployed(files, defaults(&files.template)).with([("Notices", json!(NOTICES))])
    }

    /// Without it, as it is by default.
    pub(crate) fn without_notices(&self) -> Self {
        self.with([("Notices", json!(""))])
    }

    /// The same with other parameters.
    pub(crate) fn with<const N: usize>(&self, changed: [(&str, Json); N]) -> Self {
        let mut parameters = self.parameters.clone();
        parameters.extend(changed.map(|(name, value)| (name.to_owned(), value)));
        Self::deployed(self.files, parameters)
    }

    fn deployed(files: &'a Files, parameters: Map<String, Json>) -> Self {
        let parent = Resolver { template: &files.template, values: &parameters, prefix: "" };
        let (mut resources, mut outputs) = (BTreeMap::new(), BTreeMap::new());
        for (id, resource) in parent.resources() {
            if resource["Type"] != NESTED {
                resources.insert(id, of_sam(resource, &parent.resolved(&files.template["Globals"]["Function"])));
            } else if resource["Properties"]["TemplateURL"] == SERVICE {
                let mut values = defaults(&files.service);
                values.extend(resource["Properties"]["Parameters"].as_object().cloned().unwrap_or_default());
                let child = Resolver { template: &files.service, values: &values, prefix: &id };
                resources.extend(child.resources());
                let named = child.outputs().map(|(name, value)| (format!("{id}.Outputs.{name}"), value));
                outputs.extend(named);
            }
        }
        let resources = resources.into_iter().map(|(id, resource)| (id, with_outputs(resource, &outputs))).collect();
        let own = parent.outputs().map(|(name, value)| (name, with_outputs(value, &outputs))).collect();
        Self { files, parameters, resources, outputs: Json::Object(own) }
    }

    /// Names of the template's rules that its parameters break: `CloudFormation` does not begin with such a stack.
    pub(crate) fn broken_rules(&self) -> Vec<&str> {
        let parent = Resolver { template: &self.files.template, values: &self.parameters, prefix: "" };
        let holds = |what: &Json| parent.resolved(what) == json!(true);
        let is_broken = |rule: &Json| {
            let applies = rule.get("RuleCondition").is_none_or(&holds);
            applies && list(&rule["Assertions"]).iter().any(|assertion| !holds(&assertion["Assert"]))
        };
        let broken = members(&self.files.template["Rules"]).filter(|(_, rule)| is_broken(rule));
        broken.map(|(name, _)| name.as_str()).collect()
    }

    /// The default, or a limit, of one of its parameters.
    pub(crate) fn parameter(&self, name: &str, member: &str) -> Json {
        self.files.template["Parameters"][name][member].clone()
    }

    pub(crate) fn resources(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.resources.iter().map(|(id, resource)| (id.as_str(), resource))
    }

    pub(crate) fn resource(&self, id: &str) -> &Json {
        self.resources.get(id).unwrap_or(&GONE)
    }

    pub(crate) fn properties(&self, id: &str) -> &Json {
        &self.resource(id)["Properties"]
    }

    /// The logical id and the properties of each resource of that type.
    pub(crate) fn of_type(&self, kind: &str) -> impl Iterator<Item = (&str, &Json)> {
        self.resources().filter(move |(_, resource)| resource["Type"] == kind).map(|(id, of)| (id, &of["Properties"]))
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.of_type(FUNCTION).map(|(id, _)| id)
    }

    pub(crate) fn variables(&self, function: &str) -> &Json {
        &self.properties(function)["Environment"]["Variables"]
    }

    /// Each event source that is a resource of that type: function, resource, and the properties of the source.
    pub(crate) fn sources(&self, kind: &str) -> impl Iterator<Item = (&str, &str, &Json)> {
        let sources = self.of_type(SOURCE);
        let sources = sources.map(|(_, of)| (id_of(&of["FunctionName"]), id_of(&of["EventSourceArn"]), of));
        sources.filter(move |(_, id, _)| self.resource(id)["Type"] == kind)
    }
}

fn defaults(template: &Json) -> Map<String, Json> {
    let parameters = members(&template["Parameters"]);
    let given = parameters.filter_map(|(name, parameter)| Some((name.clone(), parameter.get("Default")?.clone())));
    given.collect()
}

/// A resource as SAM makes it: of a function of its own type one of Lambda's.
fn of_sam(mut resource: Json, globals: &Json) -> Json {
    if resource["Type"] == "AWS::Serverless::Function" {
        let mut properties = merged(globals, &resource["Properties"]);
        properties["Code"] = properties["CodeUri"].take();
        resource["Properties"] = properties;
        resource["Type"] = json!(FUNCTION);
    }
    resource
}

/// Value of a property that `Globals` and a function both have, as SAM puts them together.
fn merged(global: &Json, own: &Json) -> Json {
    match (global, own) {
        (Json::Object(global), Json::Object(own)) => {
            let mut all = global.clone();
            for (name, value) in own {
                all.insert(name.clone(), merged(global.get(name).unwrap_or(&GONE), value));
            }
            all.into()
        }
        _ => own.clone(),
    }
}

/// The same with the outputs of nested stacks in the places that ask for them.
fn with_outputs(value: Json, outputs: &BTreeMap<String, Json>) -> Json {
    match value {
        Json::Array(items) => items.into_iter().map(|item| with_outputs(item, outputs)).collect(),
        Json::Object(members) => {
            let asked = members.get("Fn::GetAtt").map(|path| format!("{}.{}", plain(&path[0]), plain(&path[1])));
            match asked.and_then(|path| outputs.get(&path)) {
                Some(output) => with_outputs(output.clone(), outputs),
                None => members.into_iter().map(|(name, value)| (name, with_outputs(value, outputs))).collect(),
            }
        }
        Json::String(text) if text.contains(".Outputs.") => {
            let named = |text: String, (path, output): (&String, &Json)| {
                let attribute = output["Fn::GetAtt"][1].as_str().map(|attribute| format!(".{attribute}"));
                let output = format!("${{{}{}}}", id_of(output), attribute.unwrap_or_default());
                text.replace(&format!("${{{path}}}"), &output)
            };
            Json::String(outputs.iter().fold(text, named))
        }
        other => other,
    }
}

// ── Resolving ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// Works out the intrinsic functions of one template that its parameters decide.
struct Resolver<'a> {
    template: &'a Json,
    values: &'a Map<String, Json>,
    /// Prefix of the names of its resources: the nested stack that it is.
    prefix: &'a str,
}

impl Resolver<'_> {
    /// All resources but those that a condition leaves out.
    fn resources(&self) -> impl Iterator<Item = (String, Json)> {
        let present = members(&self.template["Resources"])
            .filter(|(_, resource)| resource["Condition"].as_str().is_none_or(|condition| self.holds(condition)));
        present.map(|(id, resource)| {
            let mut resource = self.resolved(resource);
            if let Some(awaited) = resource.get_mut("DependsOn") {
                *awaited = list(awaited).iter().map(|id| self.own(&plain(id))).collect();
            }
            resource.as_object_mut().map(|resource| resource.remove("Condition"));
            (self.own(id), resource)
        })
    }

    fn outputs(&self) -> impl Iterator<Item = (String, Json)> {
        let present = members(&self.template["Outputs"])
            .filter(|(_, output)| output["Condition"].as_str().is_none_or(|condition| self.holds(condition)));
        present.map(|(name, output)| (name.clone(), self.resolved(&output["Value"])))
    }

    fn own(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    fn holds(&self, condition: &str) -> bool {
        self.resolved(&self.template["Conditions"][condition]) == json!(true)
    }

    fn resolved(&self, value: &Json) -> Json {
        self.resolve(value).unwrap_or_default()
    }

    /// None of what is not to be there.
    fn resolve(&self, value: &Json) -> Option<Json> {
        match value {
            Json::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Json::Object(all) => match all.iter().next() {
                Some((name, argument)) if all.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    self.call(name, argument)
                }
                _ => {
                    let present = all.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
                    Some(Json::Object(present.collect()))
                }
            },
            other => Some(other.clone()),
        }
    }

    fn call(&self, function: &str, argument: &Json) -> Option<Json> {
        let resolved = |index: usize| self.resolved(&argument[index]);
        match function {
            "Ref" if argument == "AWS::NoValue" => None,
            "Ref" => Some(self.named(argument.as_str()?)),
            "Fn::GetAtt" => Some(json!({function: [self.own(argument[0].as_str()?), argument[1]]})),
            "Fn::If" => self.resolve(&argument[if self.holds(argument[0].as_str()?) { 1 } else { 2 }]),
            "Fn::Equals" => Some((plain(&resolved(0)) == plain(&resolved(1))).into()),
            "Fn::And" => Some((0..argument.as_array()?.len()).all(|index| resolved(index) == json!(true)).into()),
            "Fn::Join" => {
                Some(list(&resolved(1)).iter().map(plain).collect::<Vec<_>>().join(argument[0].as_str()?).into())
            }
            "Fn::Select" => Some(resolved(1)[usize::try_from(argument[0].as_u64()?).ok()?].clone()),
            "Fn::Not" => Some((resolved(0) != json!(true)).into()),
            "Fn::FindInMap" => {
                let [map, first, second] = [0, 1, 2].map(|index| plain(&argument[index]));
                Some(self.template["Mappings"][map][first][second].clone())
            }
            "Fn::Split" => Some(plain(&resolved(1)).split(argument[0].as_str()?).collect()),
            "Fn::Sub" => match (argument.as_str(), argument[0].as_str()) {
                (Some(text), _) => Some(self.substituted(text, &Json::Null).into()),
                (None, Some(text)) => Some(self.substituted(text, &resolved(1)).into()),
                (None, None) => None,
            },
            other => panic!("{other} of {argument} is new in the template: the tests have to learn it"),
        }
    }

    /// Value of a `Ref`.
    fn named(&self, name: &str) -> Json {
        let is_resource = !self.template["Resources"][name].is_null();
        let reference = || json!({"Ref": if is_resource { self.own(name) } else { name.to_owned() }});
        self.values.get(name).cloned().unwrap_or_else(reference)
    }

    /// The text with all values in it that are known, `own` ones first; what is not stays as `${…}`.
    fn substituted(&self, text: &str, own: &Json) -> String {
        let mut pieces = text.split("${");
        let start = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(start, |text, piece| {
            let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
            let value = match name.split_once('.') {
                _ if own.get(name).is_some() => own[name].clone(),
                Some((id, attribute)) => json!({"Fn::GetAtt": [self.own(id), attribute]}),
                None => self.named(name),
            };
            text + &in_text(&value) + rest
        })
    }
}

fn in_text(value: &Json) -> String {
    match (value["Ref"].as_str(), value["Fn::GetAtt"].as_array()) {
        (Some(name), _) => format!("${{{name}}}"),
        (None, Some(path)) => format!("${{{}}}", path.iter().map(plain).collect::<Vec<_>>().join(".")),
        (None, None) => plain(value),
    }
}

// ── Values ──────────────────────────────────────────────────────────────────────────────────────────────────────────

pub(crate) fn reference(id: &str) -> Json {
    json!({ "Ref": id })
}

pub(crate) fn arn(id: &str) -> Json {
    json!({ "Fn::GetAtt": [id, "Arn"] })
}

/// The resource that a `Ref` or a `GetAtt` means.
pub(crate) fn id_of(value: &Json) -> &str {
    value["Ref"].as_str().or(value["Fn::GetAtt"][0].as_str()).unwrap_or_default()
}

/// One is as good as a list of one.
pub(crate) fn list(value: &Json) -> Vec<Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

pub(crate) fn members(value: &Json) -> impl Iterator<Item = (&String, &Json)> {
    value.as_object().into_iter().flatten()
}

pub(crate) fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// `CloudFormation` takes a number as a text, too.
pub(crate) fn number(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

// ── Checking ────────────────────────────────────────────────────────────────────────────────────────────────────────

type Rule = fn(&Stack) -> Vec<String>;

/// Wants the rule to find nothing in the templates as they are, and, of each row, a fault of the one named last when the
/// value is put in that place.
#[track_caller]
pub(crate) fn check(why: &str, rule: Rule, breaks: &[(&str, Json, &str)]) {
    let files = Files::read();
    let faults = rule(&Stack::new(&files));
    assert!(faults.is_empty(), "the template breaks a rule:\n  {}\n{why}", faults.join("\n  "));
    for (place, value, blamed) in breaks {
        let mut broken = files.clone();
        broken.put(place, value);
        let faults = rule(&Stack::new(&broken));
        let noticed = faults.iter().any(|fault| fault.starts_with(blamed));
        assert!(noticed, "{place} = {value} is not a fault of {blamed}, but {faults:?}");
    }
}

/// The faults of `id`: each place of the pattern in which the value has something else. An object of the pattern says nothing
/// of other members; a `null` wants there to be nothing.
pub(crate) fn unlike(id: &str, value: &Json, pattern: &Json) -> Vec<String> {
    match pattern {
        Json::Object(all) => {
            let faults = all.iter().flat_map(|(name, pattern)| {
                let value = value.get(name).unwrap_or(&GONE);
                unlike(&format!("{id}/{name}"), value, pattern)
            });
            faults.collect()
        }
        _ if value == pattern => Vec::new(),
        _ => vec![format!("{id} is {value}, not {pattern}")],
    }
}

/// The faults of what is in one set only.
pub(crate) fn unpaired<'a>(
    both: &str,
    ones: impl IntoIterator<Item = &'a str>,
    others: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let [ones, others] = [ones.into_iter().collect::<BTreeSet<_>>(), others.into_iter().collect()];
    ones.symmetric_difference(&others).map(|name| format!("{name}: is not {both}, but one of the two")).collect()
}
