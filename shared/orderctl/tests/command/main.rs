//! The real command on an API that answers by a script: what it asks, what it says, and how it ends.

#![expect(clippy::unwrap_used, reason = "all of it is tests, though Clippy does not see any")]

mod routes;
mod scripted;

use std::fs;

use scripted::ScriptedApi;
use serde_json::{Value, json};

fn letter(state: &str, history: &Value) -> Value {
    json!({
        "id": "let_1", "service": "payment", "state": state, "class": "permanent", "reason": "no number",
        "failedAt": "2026-11-22T09:00:00.000Z", "receives": 1, "body": "{\"quantity\":\"one\"}", "history": history,
    })
}

fn parked() -> Value {
    json!([{ "at": "2026-11-22T09:00:00.000Z", "by": "payment", "what": "parked", "why": "no number" }])
}

fn job(state: &str, [sent, handled, parked_again, left]: [u64; 4]) -> Value {
    json!({ "id": "red_1", "state": state, "total": sent + left, "sent": sent, "handled": handled,
        "parkedAgain": parked_again, "left": left, "by": "ada", "at": "2026-11-22T09:00:00.000Z" })
}

fn problem(status: u16, detail: &str) -> Value {
    json!({ "type": "about:blank", "title": "Title", "status": status, "detail": detail })
}

#[test]
fn every_answer_has_its_exit_code_and_says_what_and_where() {
    for (status, code) in [(404, 3), (401, 5), (403, 5), (409, 4), (422, 7), (500, 1)] {
        let api = ScriptedApi::of([(status, problem(status, "So it is."))]);
        let ran = api.run("dlq show let_1");
        assert_eq!(ran.code, Some(code), "{status}: {ran:?}");
        let expected = format!("error: GET /dev/operations/letters/let_1: {status}: Title: So it is.");
        assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
        assert!(api.asked()[0].headers.contains("authorization: bearer secret"));
    }
    let api = ScriptedApi::of([]);
    assert_eq!(api.run("dlq").code, Some(2));
    assert_eq!(api.run_with(&["status"], &[("ORDERFLOW_API", "")]).code, Some(2), "no stack is meant");
    let ran = api.run("status --api http://127.0.0.1:1");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("GET http://127.0.0.1:1/operations/status: not reached"), "{}", ran.stderr);
    assert_eq!(api.lines(), [""; 0]);
}

#[test]
fn what_changes_nothing_is_asked_again_and_a_change_is_not() {
    let groups = json!({ "groups": [] });
    let api = ScriptedApi::of([(503, Value::Null), (0, Value::Null), (200, groups)]);
    let ran = api.run("dlq groups");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "No letter is waiting.\n"));
    assert_eq!(api.lines(), ["GET /operations/groups"; 3]);

    let api = ScriptedApi::of([(200, letter("waiting", &parked())), (0, Value::Null)]);
    let ran = api.run("dlq drop let_1 --why x --yes");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("it is not known whether it was done"), "{}", ran.stderr);
    assert_eq!(api.lines(), ["GET /operations/letters/let_1", "DELETE /operations/letters/let_1"]);
}

#[test]
fn an_order_is_repeated_under_its_key() {
    let placed = json!({ "orderId": "ord_1", "status": "created" });
    let api = ScriptedApi::of([(0, Value::Null), (201, placed)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order.json");
    fs::write(&file, "{\"lines\": []}").unwrap();
    let ran = api.run_with(&["publish", file.to_str().unwrap(), "-y"], &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "ord_1 is created.\n"), "{ran:?}");
    let asked = api.asked();
    let key = |index: usize| {
        let line = asked[index].headers.lines().find(|line| line.starts_with("idempotency-key: "));
        line.map_or_else(|| panic!("no key: {asked:?}"), str::to_owned)
    };
    assert_eq!((asked.len(), key(0)), (2, key(1)));
    assert_eq!(asked[1].body, json!({ "lines": [] }));
}

#[test]
fn without_a_terminal_nothing_is_changed_unless_it_was_agreed_to() {
    for (arguments, answers) in [
        ("dlq redrive let_1", vec![(200, json!({ "total": 1 }))]),
        ("dlq drop let_1 --why x", vec![(200, letter("waiting", &parked()))]),
        ("replay shipping --from 1h", vec![(200, json!({ "total": 3 }))]),
        ("reconcile --heal", vec![]),
        ("stock set beans 5", vec![(404, problem(404, "No."))]),
        ("prices set beans 5 EUR", vec![(404, problem(404, "No."))]),
        ("order clear ord_1 --why x", vec![]),
        ("customer erase cus_1", vec![]),
    ] {
        let api = ScriptedApi::of(answers);
        let ran = api.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments}: {ran:?}");
        assert!(ran.stderr.contains("say --yes"), "{}", ran.stderr);
        let changes = |asked: &scripted::Asked| !asked.line.starts_with("GET") && asked.body["dryRun"] != true;
        assert!(!api.asked().iter().any(changes), "{arguments}: {:?}", api.asked());
    }
}

#[test]
fn an_order_is_cleared_with_the_reason() {
    let api = ScriptedApi::of([(202, json!({ "orderId": "ord_1" }))]);
    let ran = api.run_with(&["order", "clear", "ord_1", "--why", "a regular customer", "-y"], &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "ord_1 is cleared.\n"), "{ran:?}");
    assert_eq!(api.lines(), ["POST /operations/orders/ord_1/clear"]);
    assert_eq!(api.asked()[0].body, json!({ "why": "a regular customer" }));
}

#[test]
fn a_redrive_is_followed_to_its_end_and_a_relapse_has_an_exit_code() {
    for (state, numbers, code, text) in [
        ("done", [3, 3, 0, 0], 0, "The redrive red_1 is done: 3 of 3 sent, 3 handled, 0 parked again, 0 left.\n"),
        (
            "relapsed",
            [1, 0, 1, 2],
            6,
            "The redrive red_1 has stopped, for a letter was parked again: 1 of 3 sent, 0 handled, 1 parked again, 2 left.\n",
        ),
    ] {
        let api = ScriptedApi::of([
            (200, json!({ "total": 3 })),
            (202, json!({ "id": "red_1", "total": 3 })),
            (200, job("running", [1, 0, 0, 2])),
            (503, Value::Null),
            (0, Value::Null),
            (200, job(state, numbers)),
        ]);
        let ran = api.run("dlq redrive --service payment --reason x --ramp --rate 5 --yes");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), text), "{ran:?}");
        assert!(ran.stderr.contains("1 of 3 sent, 0 handled, 0 parked again"), "{}", ran.stderr);
        let asked = api.asked();
        assert_eq!(
            asked[1].body,
            json!({ "service": "payment", "reason": "x", "ramp": true, "ratePerSecond": 5 }),
            "{asked:?}"
        );
        assert_eq!(asked[0].body["dryRun"], true);
    }
}

#[test]
fn a_redrive_of_all_stops_at_the_service_that_relapses() {
    let group = |service: &str| json!({ "service": service, "class": "exhausted", "reason": "x", "count": 1, "oldest": "2026-11-22T09:00:00.000Z" });
    let one = || (200, json!({ "total": 1 }));
    let api = ScriptedApi::of([
        (200, json!({ "groups": [group("shipping"), group("payment"), group("payment")] })),
        one(),
        one(),
        (202, json!({ "id": "red_1", "total": 1 })),
        (200, job("done", [1, 0, 1, 0])),
    ]);
    let ran = api.run("dlq redrive --all --yes");
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let services: Vec<Value> = api.asked()[1..4].iter().map(|asked| asked.body["service"].clone()).collect();
    assert_eq!(services, ["payment", "shipping", "payment"], "{:?}", api.lines());
    assert_eq!(api.asked().len(), 5);
}

#[test]
fn a_job_that_is_left_alone_tells_its_id_and_is_found_again() {
    let api = ScriptedApi::of([(200, json!({ "total": 1 })), (202, json!({ "id": "red_1", "total": 1 }))]);
    assert_eq!(api.run("dlq redrive let_1 --yes --detach").stdout, "red_1\n");

    let not_there = || (404, problem(404, "There is no such job."));
    let found = json!({ "id": "rec_1", "state": "done", "checked": 9, "findings": [
        { "kind": "late", "orderId": "ord_1", "detail": "open for 3 h", "healed": false } ] });
    let api = ScriptedApi::of([not_there(), not_there(), (200, found.clone()), (200, found.clone())]);
    let ran = api.run("job follow rec_1 --json");
    assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap()), (Some(6), found), "{ran:?}");
    assert_eq!(api.lines()[2], "GET /operations/reconciliations/rec_1");

    let api = ScriptedApi::of([(200, job("running", [1, 0, 0, 2])), (200, job("stopped", [1, 0, 0, 2]))]);
    let ran = api.run("job stop red_1");
    assert!(ran.stdout.starts_with("The redrive red_1 was stopped: 1 of 3 sent"), "{ran:?}");
    assert_eq!(api.lines()[1], "DELETE /operations/redrives/red_1");

    let ran = ScriptedApi::of([not_there(), not_there(), not_there()]).run("job show red_1");
    assert_eq!(ran.code, Some(3), "{ran:?}");
}

#[test]
fn an_edit_is_of_the_version_that_was_read_and_who_was_faster_is_told() {
    let mut history = parked();
    history.as_array_mut().unwrap().push(
        json!({ "at": "2026-11-22T10:00:00.000Z", "by": "bob", "what": "edited", "why": "a number", "replaced": "x" }),
    );
    let api = ScriptedApi::of([
        (200, letter("waiting", &parked())),
        (412, problem(412, "It has changed.")),
        (200, letter("waiting", &history)),
    ]);
    let sed = [("VISUAL", "sed -i 's/\"one\"/1/'")];
    let ran = api.run_with(&["dlq", "edit", "let_1", "--why", "a number", "--yes"], &sed);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains("-  \"quantity\": \"one\"\n+  \"quantity\": 1\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("edited       by bob: a number"), "{}", ran.stderr);
    let asked = &api.asked()[1];
    assert!(asked.headers.contains("if-match: \"7\""), "{asked:?}");
    assert_eq!(asked.body["why"], "a number");
    let kept = ran.stderr.split("--file ").nth(1).unwrap().trim();
    assert!(fs::read_to_string(kept).unwrap().contains("\"quantity\": 1"), "what was written is not lost");
    fs::remove_file(kept).unwrap();
}

#[test]
fn a_letter_that_nobody_can_open_any_more_is_not_given_to_an_editor() {
    let mut erased = letter("waiting", &parked());
    (erased["body"], erased["erased"]) = (json!(""), json!(true));
    let api = ScriptedApi::of([(200, erased)]);
    let ran = api.run_with(&["dlq", "edit", "let_1", "--why", "x", "--yes"], &[("VISUAL", "false")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
    assert!(ran.stderr.contains("nobody can open it any more"), "{}", ran.stderr);
    assert_eq!(api.lines(), ["GET /operations/letters/let_1"]);
}

#[test]
fn an_edit_that_changes_nothing_and_a_dry_run_send_nothing() {
    let api = ScriptedApi::of([(200, letter("waiting", &parked())), (200, letter("waiting", &parked()))]);
    let edit = |more: &[&str], editor| {
        api.run_with(&[&["dlq", "edit", "let_1", "--why", "x"], more].concat(), &[("VISUAL", editor)])
    };
    let ran = edit(&[], "true");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    let ran = edit(&["--dry-run"], "sed -i s/one/two/");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("+  \"quantity\": \"two\""), "{}", ran.stdout);
    assert_eq!(api.lines(), ["GET /operations/letters/let_1"; 2]);
}

#[test]
fn a_list_has_as_many_pages_as_it_takes() {
    let page = |next: Option<&str>| json!({ "letters": [letter("waiting", &json!([]))], "next": next });
    for (limit, pages, letters, is_cut) in [("2", 3, 2, true), ("3", 3, 3, false), ("1", 2, 1, true)] {
        let api = ScriptedApi::of([(200, page(Some("a#1"))), (200, page(Some("b"))), (200, page(None))]);
        let ran = api.run(&format!("dlq list --service payment --limit {limit} --json"));
        let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, vec![letter("waiting", &json!([])); letters], "as the API has written them: {ran:?}");
        assert_eq!(ran.stderr.contains("There are more"), is_cut, "{ran:?}");
        let expected = ["", "&after=a%231", "&after=b"];
        let expected = expected.map(|after| format!("GET /operations/letters?service=payment{after}"));
        assert_eq!(api.lines(), expected[..pages], "{limit}");
    }
}

#[test]
fn an_export_that_is_cut_short_is_gone_on_with() {
    let entry = |number: u64| json!({ "at": "2026-11-22T09:00:00.000Z", "event": { "id": number } });
    let page = |numbers: [u64; 2], next: Option<&str>| json!({ "entries": numbers.map(entry), "next": next });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.jsonl");
    let output = file.to_str().unwrap();
    let api = ScriptedApi::of([(200, page([1, 2], Some("c1"))), (500, problem(500, "Ours."))]);
    let ran = api.run(&format!("journal export --type OrderCreated --from 2026-11-22T00:00:00Z -o {output}"));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("2 entries are written; go on with --after 'c1'"), "{}", ran.stderr);
    assert_eq!(api.lines()[1], "GET /operations/journal?type=OrderCreated&from=2026-11-22T00%3A00%3A00.000Z&after=c1");

    let api = ScriptedApi::of([(200, page([3, 4], None))]);
    assert_eq!(api.run(&format!("journal export --from 1h -o {output} --after c1")).code, Some(0));
    let lines: Vec<Value> =
        fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [1, 2, 3, 4].map(entry));
    assert_eq!(
        ScriptedApi::of([]).run(&format!("journal export --from 1h -o {output}")).code,
        Some(1),
        "it is there already"
    );
}

#[test]
fn events_are_written_to_the_end_of_the_log_and_the_cursor_is_told() {
    let page = |ids: &[u64], next: &str| {
        let events: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "type": "OrderCreated" })).collect();
        (200, json!({ "events": events, "next": next }))
    };
    let api = ScriptedApi::of([page(&[1, 2], "1-0"), page(&[], "2-0"), page(&[3], "2-1"), page(&[], "2-1")]);
    let ran = api.run(r#"events --match {"type":["OrderCreated"]}"#);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ids: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone()).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert!(ran.stderr.contains("3 events; go on with --after '2-1'"), "{}", ran.stderr);
    let path = "GET /events?limit=500&match=%7B%22type%22%3A%5B%22OrderCreated%22%5D%7D";
    let expected = ["", "&after=1-0", "&after=2-0", "&after=2-1"].map(|after| format!("{path}{after}"));
    assert_eq!(api.lines(), expected);

    let api = ScriptedApi::of([page(&[1], "1-0"), (403, problem(403, "It lacks the scope events:read."))]);
    let ran = api.run("events --after 0-0");
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("1 events; go on with --after '1-0'"), "{}", ran.stderr);
}

#[test]
fn a_journal_is_verified_by_what_concerns_it() {
    let finding = |kind: &str| json!({ "kind": kind, "orderId": "ord_1", "detail": "so", "healed": false });
    for (kinds, code) in [(vec!["late", "charge"], 0), (vec!["late", "gap"], 6), (vec!["unpublished"], 6)] {
        let findings: Vec<Value> = kinds.iter().map(|kind| finding(kind)).collect();
        let api = ScriptedApi::of([
            (202, json!({ "id": "rec_1" })),
            (200, json!({ "id": "rec_1", "state": "done", "checked": 9, "findings": findings })),
        ]);
        let ran = api.run("journal verify --from 1h --older-than 5m");
        assert_eq!(ran.code, Some(code), "{kinds:?}: {ran:?}");
        assert!(!ran.stdout.contains("late"), "{}", ran.stdout);
        assert_eq!(api.lines()[0], "POST /operations/reconciliations");
        assert!(api.asked()[0].body["heal"].is_null() && api.asked()[0].body["from"].is_string());
        assert_eq!(api.asked()[0].body["olderThanSeconds"], 300);
    }
}

#[test]
fn a_replay_says_what_it_would_be_of() {
    let api = ScriptedApi::of([(200, json!({ "total": 12 }))]);
    let ran = api.run("replay shipping --order ord_1 --rate 3 --dry-run");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "12 events would be sent to shipping.\n"), "{ran:?}");
    let expected = json!({ "service": "shipping", "order": "ord_1", "ratePerSecond": 3, "dryRun": true });
    assert_eq!(api.asked()[0].body, expected);
}

#[test]
fn pieces_are_added_to_the_stock_that_they_were_reckoned_from() {
    let stock = |on_hand: i64| json!({ "sku": "beans", "onHand": on_hand, "reserved": 1, "available": on_hand - 1 });
    let api =
        ScriptedApi::of([(200, stock(5)), (412, problem(412, "It has changed.")), (200, stock(4)), (200, stock(7))]);
    let ran = api.run("stock add beans 3 --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("beans        7         1          6"), "{}", ran.stdout);
    let counts: Vec<Value> = [1, 3].map(|index: usize| api.asked()[index].body["onHand"].clone()).into();
    assert_eq!(counts, [8, 7]);
    assert!(api.asked()[3].headers.contains("if-match: \"7\""));
}

fn price(sku: &str, amount: i64) -> Value {
    json!({ "sku": sku, "unitPrice": { "amount": amount, "currency": "EUR" } })
}

/// Runs an import of a file with those lines.
fn import(api: &ScriptedApi, lines: &str, more: &[&str]) -> scripted::Ran {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.csv");
    fs::write(&file, format!("sku,amount,currency\n{lines}")).unwrap();
    api.run_with(&[&["prices", "import", file.to_str().unwrap()], more].concat(), &[])
}

#[test]
fn an_import_that_is_tried_shows_every_fault_and_every_change_and_sets_nothing() {
    let api = ScriptedApi::of([(200, price("tea", 1_000)), (404, problem(404, "No.")), (200, price("mug", 5))]);
    let ran = import(&api, "tea,995,EUR\ncup,50,EUR\nkettle,9.95,EUR\nmug,5,EUR\na b,1,eur\n", &["--dry-run"]);
    assert_eq!(ran.code, Some(7), "{ran:?}");
    for part in ["2  tea  10.00 EUR  9.95 EUR", "3  cup          -  0.50 EUR", "4  amount", "6  sku", "6  currency"] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("mug"), "it has that price: {}", ran.stdout);
    assert_eq!(api.lines(), ["GET /prices/tea", "GET /prices/cup", "GET /prices/mug"]);

    let api = ScriptedApi::of([(200, price("tea", 1_000))]);
    let ran = import(&api, "tea,995,EUR\n", &["--dry-run", "--json"]);
    let money = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
    let expected = json!({ "faults": [], "changes": [
        { "line": 2, "sku": "tea", "old": money(1_000), "new": money(995) } ] });
    assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap()), (Some(0), expected), "{ran:?}");
}

#[test]
fn an_import_sets_all_prices_or_none() {
    let api = ScriptedApi::of([]);
    assert_eq!(import(&api, "tea,995,EUR\ncup,0.50,EUR\n", &["--yes"]).code, Some(7));
    assert_eq!(api.lines(), [""; 0], "one line is wrong");

    let old = || [(200, price("tea", 1_000)), (200, price("cup", 50)), (404, problem(404, "No."))];
    let lines = "tea,995,EUR\ncup,50,EUR\nmug,5,EUR\n";
    let ran = import(&ScriptedApi::of(old()), lines, &[]);
    assert_eq!(ran.code, Some(2), "nobody can be asked: {ran:?}");

    let answers = [(200, price("tea", 995)), (200, price("mug", 5))];
    let api = ScriptedApi::of(old().into_iter().chain(answers));
    let ran = import(&api, lines, &["--yes"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("2 prices are set."), "{}", ran.stdout);
    assert_eq!(api.lines()[3..], ["PUT /prices/tea", "PUT /prices/mug"]);
    assert_eq!(api.asked()[3].body, json!({ "unitPrice": price("tea", 995)["unitPrice"] }));

    let api = ScriptedApi::of(old().into_iter().chain([(200, price("tea", 995)), (503, Value::Null)]));
    let ran = import(&api, lines, &["--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("1 of 2 prices are set; import it again for the rest"), "{}", ran.stderr);
}

#[test]
fn a_price_is_shown_and_set() {
    let ran = ScriptedApi::of([(200, price("tea", 995))]).run("prices get tea");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "SKU     PRICE\ntea  9.95 EUR\n"), "{ran:?}");
    let api = ScriptedApi::of([(404, problem(404, "No.")), (200, price("tea", 995))]);
    assert_eq!(api.run("prices set tea 995 EUR --yes").code, Some(0));
    assert_eq!(api.asked()[1].body, json!({ "unitPrice": { "amount": 995, "currency": "EUR" } }));
    let ran = ScriptedApi::of([(200, price("tea", 995))]).run("prices set tea 1 EUR --dry-run");
    assert_eq!(ran.stdout, "tea costs 9.95 EUR, and would cost 0.01 EUR.\n", "{ran:?}");
}

#[test]
fn completions_need_no_stack() {
    let ran = ScriptedApi::of([]).run_with(&["completions", "bash"], &[("ORDERFLOW_API", "")]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("_orderctl"), "{}", ran.stdout);
}

#[test]
fn a_customer_is_exported_whole_and_erased_once_however_often_it_is_asked() {
    let page = |orders: Value, next: Option<&str>| {
        let mut page = json!({ "customerId": "auth0|42", "exportedAt": "2026-11-29T09:00:00.000Z", "orders": orders });
        if let Some(next) = next {
            page["next"] = json!(next);
        }
        (200, page)
    };
    let pages = || [page(json!([{ "order": { "orderId": "a" } }]), Some("a")), page(json!([{ "order": {} }]), None)];
    let api = ScriptedApi::of(pages());
    let ran = api.run("customer export auth0|42 --json");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let exported: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(exported["orders"], json!([{ "order": { "orderId": "a" } }, { "order": {} }]));
    let path = "GET /customers/auth0|42/export";
    assert_eq!(api.lines(), [path.to_owned(), format!("{path}?after=a")]);

    let api = ScriptedApi::of(pages());
    let ran = api.run("customer erase auth0|42 --dry-run");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "auth0|42 has 2 orders, and would be erased.\n"), "{ran:?}");
    assert!(api.lines().iter().all(|line| line.starts_with("GET")));

    let erased = json!({ "customerId": "auth0|42", "orders": 2 });
    let api = ScriptedApi::of([(503, Value::Null), (0, Value::Null), (202, erased)]);
    let ran = api.run("customer erase auth0|42 --yes");
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "auth0|42 is erased. Orders that know them no more: 2.\n"),
        "{ran:?}"
    );
    assert_eq!(api.lines(), ["POST /customers/auth0|42/erase"; 3]);
    for (status, code) in [(401, 5), (403, 5), (404, 3)] {
        let api = ScriptedApi::of([(status, problem(status, "So it is."))]);
        assert_eq!(api.run("customer erase x --yes").code, Some(code), "{status}");
    }
}

#[test]
fn webhooks_of_all_owners_are_listed_switched_and_deleted() {
    let webhook = |more: Value| {
        let mut webhook =
            json!({ "id": "whk_1", "url": "https://partner.example/hook", "owner": "ada", "enabled": true });
        webhook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        webhook
    };
    let since = "2026-11-29T09:00:00.000Z";
    let off =
        webhook(json!({ "enabled": false, "disabled": { "reason": "byOwner", "byOperator": true, "since": since } }));
    let api = ScriptedApi::of([(200, json!({ "webhooks": [off] }))]);
    let ran = api.run("webhooks list");
    assert!(ran.code == Some(0) && ran.stdout.contains("byOperator") && ran.stdout.contains("ada"), "{ran:?}");
    assert_eq!(api.lines(), ["GET /webhooks?all=true"]);
    let second = webhook(json!({ "id": "whk_2", "unableSince": since }));
    let first = json!({ "webhooks": [off], "next": "whk_1" });
    let api = ScriptedApi::of([(200, first), (200, json!({ "webhooks": [second] }))]);
    let ran = api.run("webhooks list --json");
    let listed: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(listed, json!({ "webhooks": [off, second] }), "{ran:?}");
    assert_eq!(api.lines(), ["GET /webhooks?all=true", "GET /webhooks?all=true&after=whk_1"]);
    for (command, is_enabled, changed) in [("disable", false, off.clone()), ("enable", true, webhook(json!({})))] {
        let api = ScriptedApi::of([(200, webhook(json!({}))), (200, changed)]);
        let ran = api.run(&format!("webhooks {command} whk_1 --yes"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(api.lines(), ["GET /webhooks/whk_1", "PATCH /webhooks/whk_1"]);
        assert_eq!(api.asked()[1].body, json!({ "enabled": is_enabled }));
    }
    let api = ScriptedApi::of([(200, off.clone()), (200, off.clone())]);
    let ran = api.run("webhooks delete whk_1 --yes");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "whk_1 is deleted.\n"));
    assert_eq!(api.lines(), ["GET /webhooks/whk_1", "DELETE /webhooks/whk_1"]);
    let api = ScriptedApi::of([(200, off)]);
    assert_eq!(api.run("webhooks delete whk_1").code, Some(2), "nobody has agreed");
    assert_eq!(api.lines(), ["GET /webhooks/whk_1"]);
    for command in ["list", "disable", "enable", "delete"] {
        assert!(include_str!("../../../../docs/operations.md").contains(&format!("orderctl webhooks {command}")));
    }
}
