//! The YAML of a template as JSON, in which `CloudFormation` takes it too: there, unlike in YAML, no reader can take a
//! text for a date or a number, and an intrinsic function has one spelling only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use yaml_serde::Value as Yaml;
use yaml_serde::value::TaggedValue;

/// Failure to read a template.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// It is not YAML.
    #[error("{} is not YAML: {source}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Place and cause.
        source: yaml_serde::Error,
    },
    /// It says something that JSON, and so `CloudFormation`, has no word for.
    #[error("{} has {what}, which CloudFormation does not know", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The number or key.
        what: String,
    },
}

/// Reads a template as it stands, in the form of JSON, each intrinsic function in its long form.
///
/// # Errors
///
/// The file cannot be read, or says what `CloudFormation` does not take.
pub fn read_template(path: &Path) -> Result<Json, ReadError> {
    let text = fs::read_to_string(path).map_err(|source| ReadError::File { path: path.to_owned(), source })?;
    let yaml = yaml_serde::from_str(&text).map_err(|source| ReadError::Yaml { path: path.to_owned(), source })?;
    to_json(yaml).map_err(|Foreign(what)| ReadError::Foreign { path: path.to_owned(), what })
}

/// A piece of YAML that JSON has no word for.
#[derive(Debug)]
struct Foreign(String);

fn to_json(yaml: Yaml) -> Result<Json, Foreign> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::Number(number) => number_to_json(&number)?,
        Yaml::String(text) => text.into(),
        Yaml::Sequence(items) => items.into_iter().map(to_json).collect::<Result<Vec<_>, _>>()?.into(),
        Yaml::Mapping(members) => {
            let members = members.into_iter().map(|(key, value)| Ok((key_to_json(key)?, to_json(value)?)));
            members.collect::<Result<Map<_, _>, Foreign>>()?.into()
        }
        Yaml::Tagged(tagged) => intrinsic_to_json(*tagged)?,
    })
}

fn number_to_json(number: &yaml_serde::Number) -> Result<Json, Foreign> {
    let json = (number.as_u64().map(Json::from))
        .or_else(|| number.as_i64().map(Json::from))
        .or_else(|| number.as_f64().and_then(serde_json::Number::from_f64).map(Json::from));
    json.ok_or_else(|| Foreign(format!("the number {number}")))
}

/// A status code is a number as a key of YAML, and a text as one of JSON.
fn key_to_json(key: Yaml) -> Result<String, Foreign> {
    match key {
        Yaml::String(text) => Ok(text),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Bool(value) => Ok(value.to_string()),
        other => Err(Foreign(format!("the key {other:?}"))),
    }
}

/// The long form of `!Name value`, as the `CloudFormation` user guide gives it.
fn intrinsic_to_json(tagged: TaggedValue) -> Result<Json, Foreign> {
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

/// The template in a text.
#[cfg(test)]
pub(crate) fn parsed(yaml: &str) -> Json {
    to_json(yaml_serde::from_str(yaml).unwrap()).unwrap()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(yaml: &str, expected: &Json) {
        assert_eq!(parsed(yaml), *expected, "{yaml}");
    }

    #[test]
    fn intrinsic_functions_keep_their_meaning() {
        check("!Ref Queue", &json!({"Ref": "Queue"}));
        check("!Condition IsProd", &json!({"Condition": "IsProd"}));
        check("!GetAtt Queue.Arn", &json!({"Fn::GetAtt": ["Queue", "Arn"]}));
        check("!GetAtt Nested.Outputs.Arn", &json!({"Fn::GetAtt": ["Nested", "Outputs.Arn"]}));
        check("!Sub '${Queue}-x'", &json!({"Fn::Sub": "${Queue}-x"}));
        check(
            "!If [IsProd, !Ref A, !GetAtt B.C]",
            &json!({"Fn::If": ["IsProd", {"Ref": "A"}, {"Fn::GetAtt": ["B", "C"]}]}),
        );
    }

    #[test]
    fn values_keep_their_types() {
        check("Version: '2012-10-17'", &json!({"Version": "2012-10-17"}));
        check("Version: 2012-10-17", &json!({"Version": "2012-10-17"}));
        check("a: '12'", &json!({"a": "12"}));
        check("a: [12, -1, 0.5, true, null]", &json!({"a": [12, -1, 0.5, true, null]}));
        check("responses: {200: ok}", &json!({"responses": {"200": "ok"}}));
    }

    #[test]
    fn what_json_has_no_word_for_is_told_with_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "a: .nan").unwrap();
        let error = read_template(file.path()).unwrap_err().to_string();
        assert_eq!(error, format!("{} has the number .nan, which CloudFormation does not know", file.path().display()));
    }
}
