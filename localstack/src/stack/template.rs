//! `template.yaml`: which functions it has, and how it looks once their code is uploaded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use yaml_serde::Value as Yaml;
use yaml_serde::value::TaggedValue;

const FUNCTION: &str = "AWS::Serverless::Function";

/// Why the template cannot be deployed.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not YAML.
    #[error("{} is not YAML: {source}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: yaml_serde::Error,
    },
    /// It says something that JSON, and so `CloudFormation`, has no word for.
    #[error("the template has {0}, which CloudFormation does not know")]
    Foreign(String),
    /// A function does not say which binary it is.
    #[error("{0} names no binary in Metadata.BuildProperties.Binary")]
    NoBinary(String),
    /// There is nothing to run.
    #[error("the template has no function")]
    NoFunction,
}

/// The template in the form of JSON, in which `CloudFormation` takes it too: there, unlike in YAML, no reader can take
/// a text for a date or a number, and an intrinsic function has one spelling only.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    document: Json,
}

/// The template of that file in the form of JSON, each intrinsic function in its long form.
///
/// # Errors
///
/// The file cannot be read, or says what `CloudFormation` does not take.
pub fn read_template(path: &Path) -> Result<Json, TemplateError> {
    Ok(Template::read(path)?.document)
}

/// Where a function's code was uploaded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodePlace {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Template {
    pub(crate) fn read(path: &Path) -> Result<Self, TemplateError> {
        let text = fs::read_to_string(path).map_err(|source| TemplateError::Read { path: path.to_owned(), source })?;
        let yaml: Yaml =
            yaml_serde::from_str(&text).map_err(|source| TemplateError::Yaml { path: path.to_owned(), source })?;
        Ok(Self { document: to_json(yaml)? })
    }

    /// Logical id and binary of each function.
    pub(crate) fn binaries(&self) -> Result<BTreeMap<String, String>, TemplateError> {
        let functions = self.resources().filter(|(_, resource)| resource["Type"] == FUNCTION);
        let binaries = functions
            .map(|(id, function)| match function.pointer("/Metadata/BuildProperties/Binary").and_then(Json::as_str) {
                Some(binary) => Ok((id.clone(), binary.to_owned())),
                None => Err(TemplateError::NoBinary(id.clone())),
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        if binaries.is_empty() { Err(TemplateError::NoFunction) } else { Ok(binaries) }
    }

    pub(crate) fn declares_parameter(&self, name: &str) -> bool {
        self.document["Parameters"].get(name).is_some()
    }

    /// What a parameter is when nobody sets it.
    pub(crate) fn parameter_default(&self, name: &str) -> Option<&str> {
        self.document["Parameters"][name]["Default"].as_str()
    }

    /// The answers that a REST API gives itself, by their type.
    pub(crate) fn gateway_responses(&self, api: &str) -> impl Iterator<Item = (&String, &Json)> {
        self.document["Resources"][api]["Properties"]["GatewayResponses"].as_object().into_iter().flatten()
    }

    pub(crate) fn resource_count(&self) -> usize {
        self.resources().count()
    }

    /// The template with each function's code where it was uploaded to, as `sam package` would write it. Nothing else
    /// differs from the file.
    pub(crate) fn packaged(&self, code: &BTreeMap<String, CodePlace>) -> String {
        let mut document = self.document.clone();
        for (id, place) in code {
            document["Resources"][id]["Properties"]["CodeUri"] =
                serde_json::json!({"Bucket": place.bucket, "Key": place.key});
        }
        document.to_string()
    }

    fn resources(&self) -> impl Iterator<Item = (&String, &Json)> {
        self.document["Resources"].as_object().into_iter().flatten()
    }
}

fn to_json(yaml: Yaml) -> Result<Json, TemplateError> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::Number(number) => number_to_json(&number)?,
        Yaml::String(text) => text.into(),
        Yaml::Sequence(items) => items.into_iter().map(to_json).collect::<Result<Vec<_>, _>>()?.into(),
        Yaml::Mapping(members) => {
            let members = members.into_iter().map(|(key, value)| Ok((key_to_json(key)?, to_json(value)?)));
            members.collect::<Result<Map<_, _>, TemplateError>>()?.into()
        }
        Yaml::Tagged(tagged) => intrinsic_to_json(*tagged)?,
    })
}

fn number_to_json(number: &yaml_serde::Number) -> Result<Json, TemplateError> {
    let json = (number.as_u64().map(Json::from))
        .or_else(|| number.as_i64().map(Json::from))
        .or_else(|| number.as_f64().and_then(serde_json::Number::from_f64).map(Json::from));
    json.ok_or_else(|| TemplateError::Foreign(format!("the number {number}")))
}

/// A status code is a number as a key of YAML, and a text as one of JSON.
fn key_to_json(key: Yaml) -> Result<String, TemplateError> {
    match key {
        Yaml::String(text) => Ok(text),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Bool(value) => Ok(value.to_string()),
        other => Err(TemplateError::Foreign(format!("the key {other:?}"))),
    }
}

/// The long form of `!Name value`, as the `CloudFormation` user guide gives it.
fn intrinsic_to_json(tagged: TaggedValue) -> Result<Json, TemplateError> {
    let tag = tagged.tag.to_string();
    let name = tag.trim_start_matches('!');
    let value = to_json(tagged.value)?;
    let (name, value) = match (name, value) {
        ("Ref" | "Condition", value) => (name.to_owned(), value),
        ("GetAtt", Json::String(path)) => ("Fn::GetAtt".to_owned(), get_att_arguments(&path)),
        (name, value) => (format!("Fn::{name}"), value),
    };
    Ok(Json::Object(Map::from_iter([(name, value)])))
}

/// `Resource.Attribute`, whose attribute may have dots of its own.
fn get_att_arguments(path: &str) -> Json {
    path.splitn(2, '.').collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template { document: to_json(yaml_serde::from_str(text).unwrap()).unwrap() }
    }

    fn check(yaml: &str, expected: &Json) {
        assert_eq!(template(yaml).document, *expected, "{yaml}");
    }

    #[test]
    fn intrinsic_functions_keep_their_meaning() {
        check("!Ref Queue", &serde_json::json!({"Ref": "Queue"}));
        check("!Condition IsProd", &serde_json::json!({"Condition": "IsProd"}));
        check("!GetAtt Queue.Arn", &serde_json::json!({"Fn::GetAtt": ["Queue", "Arn"]}));
        check("!GetAtt Nested.Outputs.Arn", &serde_json::json!({"Fn::GetAtt": ["Nested", "Outputs.Arn"]}));
        check("!Sub '${Queue}-x'", &serde_json::json!({"Fn::Sub": "${Queue}-x"}));
        check(
            "!If [IsProd, !Ref A, !GetAtt B.C]",
            &serde_json::json!({"Fn::If": ["IsProd", {"Ref": "A"}, {"Fn::GetAtt": ["B", "C"]}]}),
        );
    }

    #[test]
    fn values_keep_their_types() {
        check("Version: '2012-10-17'", &serde_json::json!({"Version": "2012-10-17"}));
        check("Version: 2012-10-17", &serde_json::json!({"Version": "2012-10-17"}));
        check("a: '12'", &serde_json::json!({"a": "12"}));
        check("a: [12, -1, 0.5, true, null]", &serde_json::json!({"a": [12, -1, 0.5, true, null]}));
        check("responses: {200: ok}", &serde_json::json!({"responses": {"200": "ok"}}));
    }

    const TWO_FUNCTIONS: &str = "
Parameters: {Stage: {Type: String, Default: dev}}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Orders:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: orders}}
    Properties: {CodeUri: ., Environment: {Variables: {TOPIC: !Ref Topic}}}
  Relay:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: relay}}
    Properties: {CodeUri: .}
";

    #[test]
    fn functions_are_found_with_their_binaries() {
        let binaries = template(TWO_FUNCTIONS).binaries().unwrap();
        let binaries: Vec<_> = binaries.iter().map(|(id, binary)| (id.as_str(), binary.as_str())).collect();
        assert_eq!(binaries, [("Orders", "orders"), ("Relay", "relay")]);
    }

    #[test]
    fn a_function_without_a_binary_is_an_error() {
        let error = template("Resources: {F: {Type: AWS::Serverless::Function}}").binaries().unwrap_err();
        assert!(matches!(error, TemplateError::NoBinary(id) if id == "F"));
    }

    #[test]
    fn packaging_changes_nothing_but_the_code() {
        let template = template(TWO_FUNCTIONS);
        let place = CodePlace { bucket: "b".to_owned(), key: "k.zip".to_owned() };
        let packaged: Json =
            serde_json::from_str(&template.packaged(&BTreeMap::from([("Orders".to_owned(), place)]))).unwrap();
        let mut expected = template.document;
        expected["Resources"]["Orders"]["Properties"]["CodeUri"] = serde_json::json!({"Bucket": "b", "Key": "k.zip"});
        assert_eq!(packaged, expected);
    }

    #[test]
    fn parameters_are_known_with_their_defaults() {
        let template = template(TWO_FUNCTIONS);
        assert!(template.declares_parameter("Stage"));
        assert!(!template.declares_parameter("Architecture"));
        assert_eq!(template.parameter_default("Stage"), Some("dev"));
    }
}
