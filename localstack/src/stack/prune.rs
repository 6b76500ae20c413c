//! Parts of a flat template that its conditions leave out, left out before it is deployed.
//!
//! A stack may declare 500 resources, and those that a condition leaves out count. On AWS each nested stack has a limit of its own; a
//! flat template has one for all, which what nobody has asked for would use up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::stack::intrinsic::{call, members};

/// Leaves out what the conditions leave out where the parameters have these values, or else their defaults. What only the
/// deployment could tell stays.
pub(crate) fn prune(document: &mut Json, parameters: &BTreeMap<String, String>) {
    let decided = decided(document, parameters);
    let is_out = |part: &Json| part["Condition"].as_str().is_some_and(|name| decided.get(name) == Some(&false));
    let mut gone = BTreeSet::new();
    for section in ["Resources", "Outputs"] {
        if let Some(parts) = document[section].as_object_mut() {
            let out: Vec<String> = parts.iter().filter(|(_, part)| is_out(part)).map(|(id, _)| id.clone()).collect();
            for id in out {
                parts.remove(&id);
                gone.insert(id);
            }
        }
    }
    for section in ["Resources", "Outputs"] {
        let chosen = chosen(&document[section], &decided);
        document[section] = chosen;
    }
    for resource in document["Resources"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(after) = resource["DependsOn"].as_array() {
            let left: Vec<&Json> = after.iter().filter(|id| !id.as_str().is_some_and(|id| gone.contains(id))).collect();
            resource["DependsOn"] = json!(left);
        } else if resource["DependsOn"].as_str().is_some_and(|id| gone.contains(id))
            && let Some(resource) = resource.as_object_mut()
        {
            resource.remove("DependsOn");
        }
    }
}

/// Conditions that the parameters decide.
fn decided(document: &Json, parameters: &BTreeMap<String, String>) -> BTreeMap<String, bool> {
    let conditions = &document["Conditions"];
    let value = |side: &Json| match call(side) {
        Some(("Ref", name)) => {
            let name = name.as_str()?;
            let default = || document["Parameters"][name]["Default"].as_str().map(str::to_owned);
            parameters.get(name).cloned().or_else(default)
        }
        Some(_) => None,
        None => side.as_str().map(str::to_owned),
    };
    members(conditions)
        .filter_map(|(name, condition)| Some((name.clone(), holds(condition, conditions, &value)?)))
        .collect()
}

fn holds(condition: &Json, all: &Json, value: &impl Fn(&Json) -> Option<String>) -> Option<bool> {
    let (function, argument) = call(condition)?;
    let parts = || argument.as_array().into_iter().flatten().map(|part| holds(part, all, value));
    match function {
        "Condition" => holds(&all[argument.as_str()?], all, value),
        "Fn::Equals" => Some(value(&argument[0])? == value(&argument[1])?),
        "Fn::Not" => Some(!holds(&argument[0], all, value)?),
        "Fn::And" if parts().any(|part| part == Some(false)) => Some(false),
        "Fn::Or" if parts().any(|part| part == Some(true)) => Some(true),
        "Fn::And" => parts().collect::<Option<Vec<bool>>>().map(|_| true),
        "Fn::Or" => parts().collect::<Option<Vec<bool>>>().map(|_| false),
        _ => None,
    }
}

/// The value with one branch of each `Fn::If` whose condition is decided.
fn chosen(value: &Json, decided: &BTreeMap<String, bool>) -> Json {
    if let Some(("Fn::If", argument)) = call(value)
        && let Some(holds) = argument[0].as_str().and_then(|name| decided.get(name))
    {
        return chosen(&argument[if *holds { 1 } else { 2 }], decided);
    }
    match value {
        Json::Object(map) => map.iter().map(|(name, part)| (name.clone(), chosen(part, decided))).collect(),
        Json::Array(parts) => parts.iter().map(|part| chosen(part, decided)).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_condition_leaves_out_is_not_there_and_nothing_names_it() {
        let mut document = json!({
            "Parameters": { "Alarms": { "Default": "all" }, "Stage": {} },
            "Conditions": {
                "HasAlarms": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Alarms" }, "none"] }] },
                "IsProd": { "Fn::Equals": [{ "Ref": "Stage" }, "prod"] },
                "Both": { "Fn::And": [{ "Condition": "HasAlarms" }, { "Condition": "IsProd" }] },
            },
            "Resources": {
                "Alarm": { "Type": "A", "Condition": "HasAlarms" },
                "Pager": { "Type": "P", "Condition": "Both" },
                "Prod": { "Type": "D", "Condition": "IsProd", "Properties": { "X": { "Fn::If": ["IsProd", 1, 2] } } },
                "Queue": {
                    "Type": "Q",
                    "DependsOn": ["Alarm", "Prod"],
                    "Properties": { "Name": { "Fn::If": ["HasAlarms", { "Ref": "Alarm" }, { "Ref": "AWS::NoValue" }] } },
                },
            },
            "Outputs": { "Pager": { "Condition": "Both", "Value": { "Ref": "Pager" } } },
        });
        let all = document.clone();
        prune(&mut document, &BTreeMap::from([("Alarms".to_owned(), "none".to_owned())]));
        let expected = json!({
            "Prod": all["Resources"]["Prod"],
            "Queue": { "Type": "Q", "DependsOn": ["Prod"], "Properties": { "Name": { "Ref": "AWS::NoValue" } } },
        });
        assert_eq!((&document["Resources"], &document["Outputs"]), (&expected, &json!({})));
        let mut document = all;
        prune(&mut document, &BTreeMap::from([("Stage".to_owned(), "prod".to_owned())]));
        assert_eq!(document["Resources"].as_object().map(Map::len), Some(4));
        assert_eq!(document["Resources"]["Queue"]["Properties"]["Name"], json!({ "Ref": "Alarm" }));
        assert_eq!(document["Resources"]["Prod"]["Properties"]["X"], 1);
    }
}
