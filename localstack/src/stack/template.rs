//! The template that is deployed: which functions it has, and how it looks once their code is uploaded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::stack::expand::{ExpandError, TemplateFiles};
use crate::stack::prune::prune;
use crate::stack::yaml::ReadError;

const SAM_FUNCTION: &str = "AWS::Serverless::Function";
const FUNCTION: &str = "AWS::Lambda::Function";

/// Failure to make a template that can be deployed.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A nested stack does not fit into its parent.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// A function does not say which binary it is.
    #[error("{0} names no binary in Metadata.BuildProperties.Binary")]
    NoBinary(String),
    /// There is nothing to run.
    #[error("the template has no function")]
    NoFunction,
}

/// Reads a template and puts its nested stacks into it: one flat template that means the same.
///
/// # Errors
///
/// A file cannot be read, or a nested stack does not fit into its parent.
pub fn expanded(path: &Path) -> Result<Json, TemplateError> {
    Ok(TemplateFiles::read(path)?.expanded()?)
}

/// A flat template in the form of JSON.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    document: Json,
    /// Binary of each function, by its logical id.
    binaries: BTreeMap<String, String>,
}

/// Object on the emulator's S3 that has a function's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodePlace {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Template {
    pub(crate) fn read(path: &Path) -> Result<Self, TemplateError> {
        Self::of(expanded(path)?)
    }

    fn of(document: Json) -> Result<Self, TemplateError> {
        let functions = resources(&document).filter(|(_, resource)| code_property(resource).is_some());
        let binary = |(id, function): (&String, &Json)| match function["Metadata"]["BuildProperties"]["Binary"].as_str()
        {
            Some(binary) => Ok((id.clone(), binary.to_owned())),
            None => Err(TemplateError::NoBinary(id.clone())),
        };
        let binaries = functions.map(binary).collect::<Result<BTreeMap<_, _>, _>>()?;
        if binaries.is_empty() { Err(TemplateError::NoFunction) } else { Ok(Self { document, binaries }) }
    }

    /// Names of the binaries, each once however many functions run it.
    pub(crate) fn binaries(&self) -> BTreeSet<&str> {
        self.binaries.values().map(String::as_str).collect()
    }

    /// The template without what its conditions leave out where the parameters have these values.
    pub(crate) fn with(&self, parameters: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let mut document = self.document.clone();
        prune(&mut document, parameters);
        Self::of(document)
    }

    pub(crate) fn declares_parameter(&self, name: &str) -> bool {
        self.document["Parameters"].get(name).is_some()
    }

    /// Value of a parameter that nobody sets.
    pub(crate) fn parameter_default(&self, name: &str) -> Option<&str> {
        self.document["Parameters"][name]["Default"].as_str()
    }

    /// Properties of a resource.
    pub(crate) fn properties(&self, id: &str) -> &Json {
        &self.document["Resources"][id]["Properties"]
    }

    pub(crate) fn resource_count(&self) -> usize {
        resources(&self.document).count()
    }

    /// The template with the code of each binary where it was uploaded to, as `sam package` would write it. Nothing
    /// else differs.
    pub(crate) fn packaged(&self, code: &BTreeMap<String, CodePlace>) -> String {
        let mut document = self.document.clone();
        for (id, binary) in &self.binaries {
            let resource = &mut document["Resources"][id];
            if let (Some(property), Some(CodePlace { bucket, key })) = (code_property(resource), code.get(binary)) {
                resource["Properties"][property] = match property {
                    "CodeUri" => json!({"Bucket": bucket, "Key": key}),
                    _ => json!({"S3Bucket": bucket, "S3Key": key}),
                };
            }
        }
        document.to_string()
    }
}

fn resources(document: &Json) -> impl Iterator<Item = (&String, &Json)> {
    document["Resources"].as_object().into_iter().flatten()
}

/// Property that says where a function's code is; none of a resource whose code is not built here.
fn code_property(resource: &Json) -> Option<&'static str> {
    match resource["Type"].as_str()? {
        SAM_FUNCTION => Some("CodeUri"),
        // Otherwise its code stands in the template, or is somewhere already.
        FUNCTION if resource["Properties"]["Code"].is_string() => Some("Code"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::yaml::parsed;

    fn template(text: &str) -> Template {
        Template::of(parsed(text)).unwrap()
    }

    const FUNCTIONS: &str = "
Parameters: {Stage: {Type: String, Default: dev}}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Orders:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: orders}}
    Properties: {CodeUri: ., Environment: {Variables: {TOPIC: !Ref Topic}}}
  OrdersRelay:
    Type: AWS::Lambda::Function
    Metadata: {BuildProperties: {Binary: relay}}
    Properties: {Code: .}
  PaymentRelay:
    Type: AWS::Lambda::Function
    Metadata: {BuildProperties: {Binary: relay}}
    Properties: {Code: .}
  Inline:
    Type: AWS::Lambda::Function
    Properties: {Code: {ZipFile: pass}}
";

    #[test]
    fn functions_are_found_with_their_binaries() {
        let template = template(FUNCTIONS);
        let binaries: Vec<_> = template.binaries.iter().map(|(id, binary)| (id.as_str(), binary.as_str())).collect();
        assert_eq!(binaries, [("Orders", "orders"), ("OrdersRelay", "relay"), ("PaymentRelay", "relay")]);
        assert_eq!(template.binaries(), ["orders", "relay"].into());
    }

    #[test]
    fn a_function_without_a_binary_is_an_error() {
        for function in ["{Type: AWS::Serverless::Function}", "{Type: AWS::Lambda::Function, Properties: {Code: .}}"] {
            let error = Template::of(parsed(&format!("Resources: {{F: {function}}}"))).unwrap_err();
            assert!(matches!(error, TemplateError::NoBinary(id) if id == "F"), "{function}");
        }
    }

    #[test]
    fn packaging_changes_nothing_but_the_code() {
        let template = template(FUNCTIONS);
        let place = |key: &str| CodePlace { bucket: "b".to_owned(), key: key.to_owned() };
        let code = [("orders", place("o.zip")), ("relay", place("r.zip"))];
        let packaged = template.packaged(&code.map(|(binary, place)| (binary.to_owned(), place)).into());
        let mut expected = template.document;
        expected["Resources"]["Orders"]["Properties"]["CodeUri"] = json!({"Bucket": "b", "Key": "o.zip"});
        for relay in ["OrdersRelay", "PaymentRelay"] {
            expected["Resources"][relay]["Properties"]["Code"] = json!({"S3Bucket": "b", "S3Key": "r.zip"});
        }
        assert_eq!(serde_json::from_str::<Json>(&packaged).unwrap(), expected);
    }

    #[test]
    fn parameters_are_known_with_their_defaults() {
        let template = template(FUNCTIONS);
        assert!(template.declares_parameter("Stage"));
        assert!(!template.declares_parameter("Architecture"));
        assert_eq!(template.parameter_default("Stage"), Some("dev"));
    }
}
