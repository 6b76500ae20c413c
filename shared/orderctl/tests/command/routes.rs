//! Routes for those who operate, and the commands that ask for them.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::scripted::{Answer, ScriptedApi};
use crate::{job, letter, parked, problem};

/// Routes that no command asks for, and why.
const WITHOUT: [(&str, &str); 1] = [("GET /operations/board", "it is a page, which is looked at")];

const GUIDE: &str = include_str!("../../../../docs/operations.md");

/// All routes under `/operations` that the API describes.
fn described() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(include_str!("../../../events/openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with("/operations/"));
    let routes = paths.flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys().filter(|method| *method != "parameters");
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    routes.collect()
}

/// True if a request is one of that route.
fn is_of(route: &str, line: &str) -> bool {
    let line = line.split('?').next().unwrap_or_default();
    let (wanted, given): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), line.split('/').collect());
    let is_same = |(wanted, given): (&&str, &&str)| wanted.starts_with('{') || wanted == given;
    wanted.len() == given.len() && wanted.iter().zip(&given).all(is_same)
}

#[test]
fn every_route_for_those_who_operate_has_a_command_and_the_guide_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    fs::write(&file, "{\"quantity\":1}").unwrap();
    let edit = format!("dlq edit let_1 --why x --yes --file {}", file.display());
    let (none, shown) = ((404, problem(404, "No.")), (200, letter("waiting", &parked())));
    let (counted, taken) = ((200, json!({ "total": 1 })), (202, json!({ "id": "red_1", "total": 1 })));
    let told = (200, job("running", [1, 0, 0, 0]));
    let all = |answers: &[&Answer]| answers.iter().map(|answer| (*answer).clone()).collect::<Vec<_>>();
    let commands: [(&str, &str, Vec<Answer>); 19] = [
        ("GET /operations/letters", "dlq list", vec![]),
        ("GET /operations/letters/{letterId}", "dlq show let_1", vec![]),
        ("PUT /operations/letters/{letterId}", &edit, all(&[&shown])),
        ("DELETE /operations/letters/{letterId}", "dlq drop let_1 --why x --yes", all(&[&shown])),
        ("GET /operations/groups", "dlq groups", vec![]),
        ("POST /operations/redrives", "dlq redrive let_1 --yes --detach", all(&[&counted, &taken])),
        ("GET /operations/redrives/{redriveId}", "job show red_1", vec![]),
        ("DELETE /operations/redrives/{redriveId}", "job stop red_1", all(&[&told])),
        ("POST /operations/replays", "replay shipping --from 1h --yes --detach", all(&[&counted, &taken])),
        ("GET /operations/replays/{replayId}", "job show rep_1", all(&[&none])),
        ("DELETE /operations/replays/{replayId}", "job stop rep_1", all(&[&none, &told])),
        ("POST /operations/reconciliations", "reconcile --detach", vec![]),
        ("GET /operations/reconciliations/{reconciliationId}", "job show rec_1", all(&[&none, &none])),
        ("DELETE /operations/reconciliations/{reconciliationId}", "job stop rec_1", all(&[&none, &none, &told])),
        ("GET /operations/orders/{orderId}", "order ord_1", vec![]),
        ("POST /operations/orders/{orderId}/clear", "order clear ord_1 --why x --yes", vec![]),
        ("GET /operations/journal", "journal export --from 1h", vec![]),
        ("GET /operations/status", "status", vec![]),
        ("POST /operations/reconciliations", "journal verify --from 1h", vec![]),
    ];
    let known = commands.iter().map(|(route, ..)| *route).chain(WITHOUT.map(|(route, _)| route));
    assert_eq!(known.map(str::to_owned).collect::<BTreeSet<_>>(), described());
    for (route, command, answers) in commands {
        let api = ScriptedApi::of(answers);
        let ran = api.run(command);
        assert!(api.lines().iter().any(|line| is_of(route, line)), "{route}: {command}: {:?} {ran:?}", api.lines());
        let words: Vec<&str> = command.split(' ').take_while(|word| word.chars().all(char::is_alphabetic)).collect();
        let words = format!("orderctl {}", words.join(" "));
        assert!(GUIDE.lines().any(|line| line.starts_with(&words)), "docs/operations.md does not show {words}");
    }
}
