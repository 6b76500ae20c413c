//! The stack that `CloudFormation` makes of `template.yaml` and of `functions/service.yaml`, once for each service.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use orderflow_local::read_template;
use serde_json::{Map, Value as Json, json};

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

pub(crate) const FUNCTION: &str = "AWS::Lambda::Function";
pub(crate) const QUEUE: &str = "AWS::SQS::Queue";
pub(crate) const TABLE: &str = "AWS::DynamoDB::Table";
pub(crate) const SUBSCRIPTION: &str = "AWS::SNS::Subscription";
const SOURCE: &str = "AWS::Lambda::EventSourceMapping";
const NESTED: &str = "AWS::CloudFormation::Stack";

/// Where `template.yaml` finds the template of a service.
const SERVICE: &str = "functions/service.yaml";

/// The value of what is taken away, and of what must not be there.
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
        let (file, path) = match head {
            "template" => (&mut self.template, path.to_owned()),
            "service" => (&mut self.service, path.to_owned()),
            id => {
                let file = if self.service["Resources"][id].is_null() { &mut self.template } else { &mut self.service };
                let attribute = path.strip_prefix('@').map_or_else(|| format!("Properties/{path}"), ToOwned::to_owned);
                (file, format!("Resources/{id}/{attribute}").trim_end_matches('/').to_owned())
            }
        };
        let mut steps: Vec<String> = path.split('/').map(|step| step.replace("~1", "/")).collect();
        let last = steps.pop().expect("a place");
        let parent = steps.iter().fold(file, |at, step| match at {
            Json::Array(items) => {
                let index = index_of(items, step, place);
                &mut items[index]
            }
            other => other.get_mut(step.as_str()).unwrap_or_else(|| panic!("{place}: there is no {step}")),
        });
        match parent {
            Json::Object(members) if value.is_null() => {
                assert!(members.remove(&last).is_some(), "{place}: there is no {last}");
            }
            Json::Object(members) => drop(members.insert(last, value.clone())),
            Json::Array(items) => {
                let index = index_of(items, &last, place);
                if value.is_null() { drop(items.remove(index)) } else { items[index] = value.clone() }
            }
            _ => panic!("{place}: {last} cannot be put there"),
        }
    }
}

fn index_of(items: &[Json], step: &str, place: &str) -> usize {
    let text = step.strip_prefix('~').unwrap_or_else(|| panic!("{place}: {step} is no item of a list"));
    let mut having = items.iter().enumerate().filter(|(_, item)| item.to_string().contains(text));
    match (having.next(), having.next()) {
        (Some((index, _)), None) => index,
        _ => panic!("{place}: not one item has {text} in it"),
    }
}

// ── Stack ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// What is deployed with some parameters: what they decide is put in, and `Globals` are in each function. A resource `Queue` of
/// the nested stack `Payment` is called `PaymentQueue`; references to resources stay references.
pub(crate) struct Stack<'a> {
    pub(crate) files: &'a Files,
    parameters: Map<String, Json>,
    resources: BTreeMap<String, Json>,
    pub(crate) outputs: Json,
}

/// A function's event source: its properties, and what it reads.
pub(crate) struct Source<'a> {
    pub(crate) function: &'a str,
    pub(crate) of: &'a str,
    pub(crate) properties: &'a Json,
}

impl<'a> Stack<'a> {
    /// With the defaults of all parameters.
    pub(crate) fn new(files: &'a Files) -> Self {
        Self::deployed(files, defaults(&files.template))
    }

    /// The same with another parameter.
    pub(crate) fn with(&self, name: &str, value: impl Into<Json>) -> Self {
        let mut parameters = self.parameters.clone();
        parameters.insert(name.to_owned(), value.into());
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

    /// Resources and outputs of a template without nested stacks, with the same parameters.
    pub(crate) fn of_flat(&self, template: &Json) -> (BTreeMap<String, Json>, Json) {
        let resolver = Resolver { template, values: &self.parameters, prefix: "" };
        let globals = resolver.resolved(&template["Globals"]["Function"]);
        let resources = resolver.resources().map(|(id, resource)| (id, of_sam(resource, &globals))).collect();
        (resources, Json::Object(resolver.outputs().collect()))
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

    /// What a function calls by a variable, or by a member of its `SETTINGS`.
    pub(crate) fn setting(&self, function: &str, place: &str) -> Json {
        let variables = self.variables(function);
        let Some((variable, member)) = place.split_once('/') else { return variables[place].clone() };
        let settings: Json = serde_json::from_str(variables[variable].as_str().unwrap_or_default()).unwrap_or_default();
        settings[member].clone()
    }

    pub(crate) fn binary(&self, function: &str) -> String {
        plain(&self.resource(function)["Metadata"]["BuildProperties"]["Binary"])
    }

    /// Each function's source that is a resource of that type.
    pub(crate) fn sources(&self, kind: &str) -> impl Iterator<Item = Source<'_>> {
        let sources = self.of_type(SOURCE).map(|(_, properties)| Source {
            function: id_of(&properties["FunctionName"]),
            of: id_of(&properties["EventSourceArn"]),
            properties,
        });
        sources.filter(move |source| self.resource(source.of)["Type"] == kind)
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
        properties["TracingConfig"] = json!({"Mode": properties["Tracing"].take()});
        properties["Code"] = properties["CodeUri"].take();
        resource["Properties"] = properties;
        resource["Type"] = json!(FUNCTION);
    }
    resource
}

/// What SAM makes of a property that `Globals` and a function both have.
fn merged(global: &Json, own: &Json) -> Json {
    match (global, own) {
        (Json::Object(global), Json::Object(own)) => {
            let mut all = global.clone();
            for (name, value) in own {
                all.insert(name.clone(), merged(global.get(name).unwrap_or(&GONE), value));
            }
            all.into()
        }
        (Json::Array(global), Json::Array(own)) => [global.as_slice(), own].concat().into(),
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
        other => other,
    }
}

// ── Resolving ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// Works out the intrinsic functions of one template that its parameters decide.
struct Resolver<'a> {
    template: &'a Json,
    values: &'a Map<String, Json>,
    /// What stands before the names of its resources.
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
            Json::Object(all) => {
                let call = all.iter().next().filter(|(name, _)| all.len() == 1 && is_intrinsic(name));
                match call {
                    Some((name, argument)) => self.call(name, argument),
                    None => {
                        let present = all.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
                        Some(Json::Object(present.collect()))
                    }
                }
            }
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
            "Fn::Not" => Some((resolved(0) != json!(true)).into()),
            "Fn::FindInMap" => {
                let [map, first, second] = [0, 1, 2].map(|index| plain(&argument[index]));
                Some(self.template["Mappings"][map][first][second].clone())
            }
            "Fn::Split" => Some(plain(&resolved(1)).split(argument[0].as_str()?).collect()),
            "Fn::Sub" => {
                let (text, own) = if argument.is_array() { (&argument[0], resolved(1)) } else { (argument, GONE) };
                Some(self.substituted(text.as_str()?, &own).into())
            }
            other => panic!("{other} is new in the template: the tests have to learn it"),
        }
    }

    /// What a `Ref` is.
    fn named(&self, name: &str) -> Json {
        let is_resource = !self.template["Resources"][name].is_null();
        let reference = || json!({"Ref": if is_resource { self.own(name) } else { name.to_owned() }});
        self.values.get(name).cloned().unwrap_or_else(reference)
    }

    /// The text with all values in it that are known; what is not stays as `${…}`.
    fn substituted(&self, text: &str, own: &Json) -> String {
        let mut pieces = text.split("${");
        let start = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(start, |text, piece| {
            let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
            let value = match (own.get(name), name.split_once('.')) {
                (Some(value), _) => value.clone(),
                (None, Some((id, attribute))) => json!({"Fn::GetAtt": [self.own(id), attribute]}),
                (None, None) => self.named(name),
            };
            text + &in_text(&value) + rest
        })
    }
}

fn is_intrinsic(name: &str) -> bool {
    name == "Ref" || name.starts_with("Fn::")
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

/// The faults of `id`: each pointer that leads to something else than its row says.
pub(crate) fn unlike(id: &str, value: &Json, rows: &[(impl AsRef<str>, Json)]) -> Vec<String> {
    let found = |pointer: &str| value.pointer(pointer).unwrap_or(&GONE);
    let rows = rows.iter().map(|(pointer, expected)| (pointer.as_ref(), expected));
    rows.filter(|(pointer, expected)| found(pointer) != *expected)
        .map(|(pointer, expected)| format!("{id}: {pointer} is {}, not {expected}", found(pointer)))
        .collect()
}

/// What is only one of the two sets.
pub(crate) fn differing<'a>(
    one: impl IntoIterator<Item = &'a str>,
    other: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let [one, other] = [one.into_iter().collect::<std::collections::BTreeSet<_>>(), other.into_iter().collect()];
    one.symmetric_difference(&other).copied().collect()
}

/// Name and source text of every function's binary; the folders that have none are faults.
pub(crate) fn binaries() -> (BTreeMap<String, String>, Vec<String>) {
    let (mut binaries, mut faults) = (BTreeMap::new(), Vec::new());
    let folders =
        entries(&Path::new(ROOT).join("functions")).expect("functions").into_iter().filter(|path| path.is_dir());
    for folder in folders {
        let files = entries(&folder.join("src/bin")).unwrap_or_default();
        if files.is_empty() {
            faults.push(format!("{}: has no binary in src/bin", folder.display()));
        }
        binaries.extend(files.into_iter().map(|file| {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&file).expect("a source text"))
        }));
    }
    (binaries, faults)
}

fn entries(folder: &Path) -> Option<Vec<PathBuf>> {
    Some(fs::read_dir(folder).ok()?.map(|entry| entry.expect("an entry").path()).collect())
}

pub(crate) fn read_text(file: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(file)).expect("a source text")
}
