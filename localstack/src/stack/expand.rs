//! Nested stacks, put into the template that names them: one flat template that means the same.
//!
//! AWS deploys a nested stack as a stack of its own. Emulators do that too, but lose its updates, what is to be kept,
//! or the reason of a failure; a flat template they deploy as they should. A resource `Queue` of the nested stack
//! `Payment` becomes `PaymentQueue`; a parameter becomes what the parent gives, an output what it is made of. A
//! condition is decided where the parent's values decide it. One that asks for the parent's own parameters stays one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::stack::intrinsic::{
    call, get_att, is_no_value, members, names_in, plain, sub_arguments, substituted, texts,
};
use crate::stack::yaml::{ReadError, read_template};

const STACK: &str = "AWS::CloudFormation::Stack";

/// Sections of a nested template. A transform would have to be run on the nested stack alone.
const SECTIONS: [&str; 8] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
];

/// Attributes and properties of the resource that a nested stack is in its parent. Another would have to become one of
/// each of its resources.
const ATTRIBUTES: [&str; 3] = ["Type", "DependsOn", "Properties"];
const PROPERTIES: [&str; 2] = ["TemplateURL", "Parameters"];

/// Pseudo parameters with which a stack names itself: a nested one would get its parent's.
const OWN_NAMES: [&str; 3] = ["AWS::StackName", "AWS::StackId", "AWS::NotificationARNs"];

/// Failure to put a nested stack into its parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct ExpandError {
    /// Place in the parent, such as `Outputs/PaymentQueueUrl`, or in a nested template, after its stack and its file.
    pub place: String,
    /// The fault that is there.
    pub fault: Fault,
}

/// Fault of a nested stack or of what its parent says of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The parent gives a parameter that is not declared.
    #[error("there is no parameter {0}")]
    UnknownParameter(String),
    /// A parameter without a default is not given.
    #[error("parameter {0} has no value")]
    MissingParameter(String),
    /// A parameter is given what its declaration excludes.
    #[error("parameter {parameter} must not be {value}")]
    ForbiddenValue {
        /// The parameter.
        parameter: String,
        /// Its value.
        value: String,
    },
    /// Something names what is neither a parameter nor a resource.
    #[error("there is neither a parameter nor a resource {0}")]
    UnknownName(String),
    /// Something names a resource, or an output, that is left out by its condition.
    #[error("{0} is left out by its condition")]
    LeftOut(String),
    /// A condition is named that is not there.
    #[error("there is no condition {0}")]
    UnknownCondition(String),
    /// A place in the mappings is named that is not there.
    #[error("there is no mapping {0}")]
    UnknownMapping(String),
    /// The parent asks for something else of a nested stack than an output.
    #[error("{0} is no output, such as Stack.Outputs.Name")]
    NoOutput(String),
    /// The parent asks for an output that is not there.
    #[error("{stack} has no output {output}")]
    UnknownOutput {
        /// The nested stack.
        stack: String,
        /// The output.
        output: String,
    },
    /// A condition depends on the value of a resource.
    #[error("only the deployment could tell whether {0}")]
    Undecidable(String),
    /// An id that a resource or a condition gets is another's.
    #[error("there is another {0}")]
    Twice(String),
    /// Nested stacks need each other's outputs.
    #[error("it needs its own outputs")]
    Circle,
    /// Something that a flat template cannot say, or that nobody has needed.
    #[error("{0} cannot be expanded")]
    Unsupported(String),
}

/// A template and the local files that its nested stacks name, each as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateFiles {
    /// The template that is deployed.
    pub template: Json,
    /// The nested ones, by the `TemplateURL` that names them.
    pub nested: BTreeMap<String, Json>,
}

impl TemplateFiles {
    /// Reads a template and the local files that its nested stacks name.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or says what `CloudFormation` does not take.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let template = read_template(path)?;
        let dir = path.parent().map(Path::to_owned).unwrap_or_default();
        let urls: BTreeSet<&str> = blocks(&template).map(|(_, url)| url).collect();
        let read = |url: &str| Ok((url.to_owned(), read_template(&dir.join(url))?));
        let nested = urls.into_iter().map(read).collect::<Result<_, ReadError>>()?;
        Ok(Self { template, nested })
    }

    /// Puts the nested stacks into the template.
    ///
    /// # Errors
    ///
    /// A nested stack does not fit into its parent, or is of a kind that cannot be expanded.
    pub fn expanded(&self) -> Result<Json, ExpandError> {
        let mut parent = Parent { template: self.template.clone(), ..Parent::default() };
        let mut waiting: BTreeMap<&str, &str> = blocks(&self.template).collect();
        while let Some(&first) = waiting.keys().next() {
            let is_ready =
                |id: &&str| names_in(&self.template["Resources"][id]["Properties"]).is_disjoint(&keys(&waiting));
            let id = waiting
                .keys()
                .copied()
                .find(is_ready)
                .ok_or_else(|| fault_at(format!("Resources/{first}"), Fault::Circle))?;
            let url = waiting.remove(id).unwrap_or_default();
            parent.expand(id, url, self.nested.get(url).unwrap_or(&Json::Null))?;
        }
        parent.finish()
    }
}

fn keys(map: &BTreeMap<&str, &str>) -> BTreeSet<String> {
    map.keys().map(|&key| key.to_owned()).collect()
}

/// Logical id and file of each nested stack whose template is a local file.
fn blocks(template: &Json) -> impl Iterator<Item = (&str, &str)> {
    let stacks = members(&template["Resources"]).filter(|(_, resource)| resource["Type"] == STACK);
    let files = stacks.filter_map(|(id, stack)| Some((id.as_str(), stack["Properties"]["TemplateURL"].as_str()?)));
    files.filter(|(_, url)| !url.contains("://"))
}

fn fault_at(place: impl Into<String>, fault: Fault) -> ExpandError {
    ExpandError { place: place.into(), fault }
}

// ── The parent ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// The template that nested stacks are put into.
#[derive(Default)]
struct Parent {
    template: Json,
    /// Nested stacks that are put in already.
    expanded: BTreeMap<String, Expanded>,
}

/// Remains of a nested stack that is put in.
struct Expanded {
    /// Resources that wait for no other of it: what they wait for, all wait for.
    first: Vec<String>,
    /// Resources that no other of it waits for: who waits for them, waits for all.
    last: Vec<String>,
    /// The value of each output; none of one that is left out.
    outputs: BTreeMap<String, Option<Json>>,
    depends_on: Vec<String>,
}

impl Parent {
    fn expand(&mut self, id: &str, file: &str, child: &Json) -> Result<(), ExpandError> {
        let block = self.template["Resources"].as_object_mut().and_then(|all| all.remove(id)).unwrap_or_default();
        let attributes = members(&block).filter(|(name, _)| !ATTRIBUTES.contains(&name.as_str()));
        let properties = members(&block["Properties"]).filter(|(name, _)| !PROPERTIES.contains(&name.as_str()));
        if let Some((unsupported, _)) = attributes.chain(properties).next() {
            return Err(fault_at(format!("Resources/{id}"), Fault::Unsupported(unsupported.clone())));
        }
        let given = self.resolved(&block["Properties"]["Parameters"]);
        let given = given.map_err(|fault| fault_at(format!("Resources/{id}"), fault))?;
        let declared = members(&self.template["Parameters"]).map(|(name, _)| name.clone()).collect();
        let child = Child::new(id, file, child, &given, &declared)?;
        let resources = child.resources()?;
        let (first, last) = ends(&resources);
        let expanded = Expanded { first, last, outputs: child.outputs()?, depends_on: texts(&block["DependsOn"]) };
        self.insert("Resources", resources)?;
        self.insert("Conditions", child.open_conditions()?)?;
        self.expanded.insert(id.to_owned(), expanded);
        Ok(())
    }

    fn insert(&mut self, section: &str, new: Map<String, Json>) -> Result<(), ExpandError> {
        for (id, value) in new {
            if self.template[section].get(&id).is_some() {
                return Err(fault_at(section, Fault::Twice(id)));
            }
            self.template[section][id] = value;
        }
        Ok(())
    }

    /// The flat template: nothing names a nested stack any more.
    fn finish(mut self) -> Result<Json, ExpandError> {
        for section in ["Resources", "Outputs"] {
            let all = self.template[section].as_object().cloned().unwrap_or_default();
            for (id, value) in all {
                let resolved = self.resolved(&value).map_err(|fault| fault_at(format!("{section}/{id}"), fault))?;
                self.template[section][id] = resolved;
            }
        }
        self.set_dependencies();
        Ok(self.template)
    }

    /// Lets wait for all of a nested stack whatever waits for it, and all of it for what it waits for.
    fn set_dependencies(&mut self) {
        let mut inherited: BTreeMap<&str, &[String]> = BTreeMap::new();
        for Expanded { first, depends_on, .. } in self.expanded.values() {
            inherited.extend(first.iter().map(|id| (id.as_str(), depends_on.as_slice())));
        }
        for (id, resource) in self.template["Resources"].as_object_mut().into_iter().flatten() {
            let own = texts(&resource["DependsOn"]);
            let inherited = inherited.get(id.as_str()).copied().unwrap_or_default();
            if inherited.is_empty() && !own.iter().any(|id| self.expanded.contains_key(id)) {
                continue;
            }
            let awaited = own.iter().chain(inherited).flat_map(|id| match self.expanded.get(id) {
                Some(stack) => &stack.last,
                None => std::slice::from_ref(id),
            });
            resource["DependsOn"] = json!(awaited.collect::<BTreeSet<_>>());
        }
    }

    /// The value with the outputs of nested stacks put in.
    fn resolved(&self, value: &Json) -> Result<Json, Fault> {
        match (value, call(value)) {
            (_, Some(("Ref", name))) => Ok(self.output(&plain(name))?.unwrap_or_else(|| value.clone())),
            (_, Some(("Fn::GetAtt", path))) => Ok(self.output(&get_att(path))?.unwrap_or_else(|| value.clone())),
            (_, Some(("Fn::Sub", argument))) => {
                let (text, own) = sub_arguments(argument);
                let own = own.iter().map(|(name, value)| Ok((name.clone(), self.resolved(value)?)));
                let own = own.collect::<Result<Map<_, _>, Fault>>()?;
                substituted(text, own, |name| self.output(name))
            }
            (Json::Array(items), _) => items.iter().map(|item| self.resolved(item)).collect(),
            (Json::Object(all), _) => {
                let all = all.iter().map(|(name, value)| Ok((name.clone(), self.resolved(value)?)));
                Ok(Json::Object(all.collect::<Result<_, Fault>>()?))
            }
            (other, _) => Ok(other.clone()),
        }
    }

    /// Value of an output such as `Payment.Outputs.QueueUrl`; none of what belongs to no nested stack.
    fn output(&self, name: &str) -> Result<Option<Json>, Fault> {
        let (stack, attribute) = name.split_once('.').unwrap_or((name, ""));
        let Some(expanded) = self.expanded.get(stack) else { return Ok(None) };
        let output = attribute.strip_prefix("Outputs.").ok_or_else(|| Fault::NoOutput(name.to_owned()))?;
        match expanded.outputs.get(output) {
            Some(Some(value)) => Ok(Some(value.clone())),
            Some(None) => Err(Fault::LeftOut(name.to_owned())),
            None => Err(Fault::UnknownOutput { stack: stack.to_owned(), output: output.to_owned() }),
        }
    }
}

/// The first and the last of a stack's resources, in the order in which they are made.
fn ends(resources: &Map<String, Json>) -> (Vec<String>, Vec<String>) {
    // No resource may wait for one that may not be there.
    let certain = |id: &String| resources.get(id).is_some_and(|resource| resource.get("Condition").is_none());
    let awaited = |id: &String, resource: &Json| -> BTreeSet<String> {
        let named = names_in(resource).into_iter().chain(texts(&resource["DependsOn"]));
        named.filter(|other| other != id && certain(other)).collect()
    };
    let awaited: BTreeMap<_, _> = resources.iter().map(|(id, resource)| (id, awaited(id, resource))).collect();
    let first = awaited.iter().filter(|(_, others)| others.is_empty()).map(|(id, _)| (*id).clone());
    let last = resources.keys().filter(|id| certain(id) && !awaited.values().any(|others| others.contains(*id)));
    (first.collect(), last.cloned().collect())
}

// ── A nested stack ──────────────────────────────────────────────────────────────────────────────────────────────────

/// A nested template with the values that its parent gives.
struct Child<'a> {
    id: &'a str,
    file: &'a str,
    template: &'a Json,
    values: BTreeMap<String, Json>,
    /// The parent's own parameters.
    declared: &'a BTreeSet<String>,
}

impl<'a> Child<'a> {
    fn new(
        id: &'a str,
        file: &'a str,
        template: &'a Json,
        given: &Json,
        declared: &'a BTreeSet<String>,
    ) -> Result<Self, ExpandError> {
        let mut child = Self { id, file, template, values: BTreeMap::new(), declared };
        if let Some((section, _)) = members(template).find(|(section, _)| !SECTIONS.contains(&section.as_str())) {
            return Err(child.fault_at(section, Fault::Unsupported(section.clone())));
        }
        child.values = values(&template["Parameters"], given).map_err(|fault| child.fault_at("Parameters", fault))?;
        Ok(child)
    }

    fn fault_at(&self, place: &str, fault: Fault) -> ExpandError {
        fault_at(format!("{} ({}) {place}", self.id, self.file), fault)
    }

    /// Name in the flat template of what is called so in this one.
    fn flat(&self, name: &str) -> String {
        format!("{}{name}", self.id)
    }

    /// Resources that are not left out, by their names in the flat template.
    fn resources(&self) -> Result<Map<String, Json>, ExpandError> {
        let mut resources = Map::new();
        for (id, resource) in members(&self.template["Resources"]) {
            let made = self.resource(resource).map_err(|fault| self.fault_at(&format!("Resources/{id}"), fault))?;
            resources.extend(made.map(|resource| (self.flat(id), resource)));
        }
        Ok(resources)
    }

    fn resource(&self, resource: &Json) -> Result<Option<Json>, Fault> {
        if resource["Type"] == STACK {
            return Err(Fault::Unsupported("a stack in a nested stack".to_owned()));
        }
        let condition = self.condition_of(resource)?;
        if condition == json!(false) {
            return Ok(None);
        }
        let mut made = self.value(resource)?;
        if let Some(condition) = condition["Condition"].as_str() {
            made["Condition"] = condition.into();
        } else {
            made.as_object_mut().map(|made| made.remove("Condition"));
        }
        if made.get("DependsOn").is_some() {
            let there = texts(&resource["DependsOn"]).into_iter().filter_map(|id| match self.known_resource(&id) {
                Ok(()) => Some(Ok(self.flat(&id))),
                Err(Fault::LeftOut(_)) => None,
                Err(fault) => Some(Err(fault)),
            });
            made["DependsOn"] = there.collect::<Result<Vec<_>, _>>()?.into();
        }
        // A number or a boolean as a parameter is a text as a variable.
        if let Some(Json::Object(variables)) = made.pointer_mut("/Properties/Environment/Variables") {
            for value in variables.values_mut().filter(|value| value.is_number() || value.is_boolean()) {
                *value = value.to_string().into();
            }
        }
        Ok(Some(made))
    }

    fn outputs(&self) -> Result<BTreeMap<String, Option<Json>>, ExpandError> {
        let mut outputs = BTreeMap::new();
        for (name, output) in members(&self.template["Outputs"]) {
            let value = self.output(output).map_err(|fault| self.fault_at(&format!("Outputs/{name}"), fault))?;
            outputs.insert(name.clone(), value);
        }
        Ok(outputs)
    }

    fn output(&self, output: &Json) -> Result<Option<Json>, Fault> {
        if self.condition_of(output)? == json!(false) {
            return Ok(None);
        }
        self.value(&output["Value"]).map(Some)
    }

    /// Value as the flat template says it.
    fn value(&self, value: &Json) -> Result<Json, Fault> {
        match (value, call(value)) {
            (_, Some(("Ref", Json::String(name)))) => self.reference(name),
            (_, Some(("Fn::GetAtt", path))) => {
                let path = get_att(path);
                let (id, attribute) = path.split_once('.').ok_or_else(|| Fault::UnknownName(path.clone()))?;
                self.known_resource(id)?;
                Ok(json!({"Fn::GetAtt": [self.flat(id), attribute]}))
            }
            (_, Some(("Fn::Sub", argument))) => self.substituted(argument),
            (_, Some(("Fn::If", argument))) => self.chosen(argument),
            (_, Some(("Fn::FindInMap", argument))) => self.mapped(argument),
            (Json::Array(items), _) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(items.into_iter().filter(|item| !is_no_value(item)).collect())
            }
            (Json::Object(all), _) => {
                let all = all.iter().map(|(name, value)| Ok((name.clone(), self.value(value)?)));
                let all = all.collect::<Result<Vec<_>, Fault>>()?;
                Ok(Json::Object(all.into_iter().filter(|(_, value)| !is_no_value(value)).collect()))
            }
            (other, _) => Ok(other.clone()),
        }
    }

    fn reference(&self, name: &str) -> Result<Json, Fault> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        if is_pseudo_parameter(name)? {
            return Ok(json!({ "Ref": name }));
        }
        self.known_resource(name)?;
        Ok(json!({"Ref": self.flat(name)}))
    }

    fn substituted(&self, argument: &Json) -> Result<Json, Fault> {
        let (text, own) = sub_arguments(argument);
        let own = own.iter().map(|(name, value)| Ok((name.clone(), self.value(value)?)));
        substituted(text, own.collect::<Result<_, Fault>>()?, |name| match name.split_once('.') {
            None => self.reference(name).map(Some),
            Some((id, attribute)) => {
                self.known_resource(id)?;
                Ok(Some(json!({"Fn::GetAtt": [self.flat(id), attribute]})))
            }
        })
    }

    /// `Fn::If`: the one that holds, or both where that is not known yet.
    fn chosen(&self, argument: &Json) -> Result<Json, Fault> {
        match self.condition_named(text_of(&argument[0])?)? {
            Json::Bool(true) => self.value(&argument[1]),
            Json::Bool(false) => self.value(&argument[2]),
            open => {
                let [holds, fails] = [self.value(&argument[1])?, self.value(&argument[2])?];
                Ok(json!({"Fn::If": [open["Condition"], holds, fails]}))
            }
        }
    }

    fn mapped(&self, argument: &Json) -> Result<Json, Fault> {
        let keys = [0, 1, 2].map(|index| self.value(&argument[index]));
        let mut found = &self.template["Mappings"];
        let mut path = Vec::new();
        for key in keys {
            path.push(plain(&key?));
            let last = path.last().map(String::as_str).unwrap_or_default();
            found = found.get(last).ok_or_else(|| Fault::UnknownMapping(path.join("/")))?;
        }
        Ok(found.clone())
    }

    /// An error unless there is a resource of that name.
    fn known_resource(&self, id: &str) -> Result<(), Fault> {
        let resource = self.template["Resources"].get(id).ok_or_else(|| Fault::UnknownName(id.to_owned()))?;
        if self.condition_of(resource)? == json!(false) { Err(Fault::LeftOut(id.to_owned())) } else { Ok(()) }
    }

    // ── Conditions: true, false, or what still has to be asked ──────────────────────────────────────────────────────

    /// Condition of a resource or an output.
    fn condition_of(&self, part: &Json) -> Result<Json, Fault> {
        part["Condition"].as_str().map_or(Ok(json!(true)), |name| self.condition_named(name))
    }

    /// True or false, or the reference to a condition of the flat template.
    fn condition_named(&self, name: &str) -> Result<Json, Fault> {
        let condition = self.template["Conditions"].get(name);
        let condition = condition.ok_or_else(|| Fault::UnknownCondition(name.to_owned()))?;
        match self.condition(condition)? {
            decided @ Json::Bool(_) => Ok(decided),
            _ => Ok(json!({"Condition": self.flat(name)})),
        }
    }

    /// Conditions that are not decided, by their names in the flat template.
    fn open_conditions(&self) -> Result<Map<String, Json>, ExpandError> {
        let mut open = Map::new();
        for (name, condition) in members(&self.template["Conditions"]) {
            match self.condition(condition).map_err(|fault| self.fault_at(&format!("Conditions/{name}"), fault))? {
                Json::Bool(_) => {}
                condition => drop(open.insert(self.flat(name), condition)),
            }
        }
        Ok(open)
    }

    fn condition(&self, condition: &Json) -> Result<Json, Fault> {
        match call(condition) {
            Some(("Condition", name)) => self.condition_named(text_of(name)?),
            Some(("Fn::Equals", sides)) => equal(&self.value(&sides[0])?, &self.value(&sides[1])?, self.declared),
            Some(("Fn::Not", argument)) => Ok(match self.condition(&argument[0])? {
                Json::Bool(holds) => json!(!holds),
                open => json!({"Fn::Not": [open]}),
            }),
            Some(("Fn::And", parts)) => self.joined("Fn::And", true, parts),
            Some(("Fn::Or", parts)) => self.joined("Fn::Or", false, parts),
            _ => Err(Fault::Unsupported(condition.to_string())),
        }
    }

    /// `Fn::And` and `Fn::Or`: a part that is `neutral` changes nothing, one that is not decides all.
    fn joined(&self, function: &str, neutral: bool, parts: &Json) -> Result<Json, Fault> {
        let mut open = Vec::new();
        for part in parts.as_array().into_iter().flatten() {
            match self.condition(part)? {
                Json::Bool(holds) if holds == neutral => {}
                Json::Bool(decisive) => return Ok(json!(decisive)),
                part => open.push(part),
            }
        }
        Ok(match open.len() {
            0 => json!(neutral),
            1 => open.remove(0),
            _ => json!({ function: open }),
        })
    }
}

/// Value of each parameter, from what the parent gives and from the defaults.
fn values(declarations: &Json, given: &Json) -> Result<BTreeMap<String, Json>, Fault> {
    if let Some((unknown, _)) = members(given).find(|(name, _)| declarations.get(name).is_none()) {
        return Err(Fault::UnknownParameter(unknown.clone()));
    }
    let value = |(name, declaration): (&String, &Json)| {
        let value = given.get(name).or_else(|| declaration.get("Default"));
        let value = value.ok_or_else(|| Fault::MissingParameter(name.clone()))?;
        Ok((name.clone(), typed(name, declaration, value)?))
    };
    members(declarations).map(value).collect()
}

/// A literal as its declaration wants it; anything else as it is.
fn typed(name: &str, declaration: &Json, value: &Json) -> Result<Json, Fault> {
    if value.is_object() {
        return Ok(value.clone());
    }
    let forbidden = || Fault::ForbiddenValue { parameter: name.to_owned(), value: plain(value) };
    let allowed = declaration["AllowedValues"].as_array();
    if allowed.is_some_and(|allowed| !allowed.iter().any(|allowed| plain(allowed) == plain(value))) {
        return Err(forbidden());
    }
    match declaration["Type"].as_str() {
        Some("String") => Ok(plain(value).into()),
        Some("Number") => plain(value).parse().map(|number: serde_json::Number| number.into()).map_err(|_| forbidden()),
        other => Err(Fault::Unsupported(format!("a parameter of type {}", other.unwrap_or("?")))),
    }
}

/// `Fn::Equals`. A resource's name, URL or ARN is never empty; what else it is nobody knows before it is there.
fn equal(one: &Json, other: &Json, declared: &BTreeSet<String>) -> Result<Json, Fault> {
    let is_resource =
        |side: &Json| names_in(side).iter().any(|name| !declared.contains(name) && !name.starts_with("AWS::"));
    if one == other {
        Ok(json!(true))
    } else if !(one.is_object() || other.is_object()) {
        Ok(json!(plain(one) == plain(other)))
    } else if !(is_resource(one) || is_resource(other)) {
        Ok(json!({"Fn::Equals": [one, other]}))
    } else if one == "" || other == "" {
        Ok(json!(false))
    } else {
        Err(Fault::Undecidable(format!("{one} is {other}")))
    }
}

fn is_pseudo_parameter(name: &str) -> Result<bool, Fault> {
    if OWN_NAMES.contains(&name) {
        return Err(Fault::Unsupported(format!("{name}, which is the nested stack's own,")));
    }
    Ok(name.starts_with("AWS::"))
}

fn text_of(value: &Json) -> Result<&str, Fault> {
    value.as_str().ok_or_else(|| Fault::Unsupported(value.to_string()))
}

#[cfg(test)]
mod tests;
