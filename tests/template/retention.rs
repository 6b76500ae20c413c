//! Retention: each table says how long what is in it is kept, and why.

use std::fs;
use std::path::Path;

use onewrite::LEASE_KEPT;
use orderflow_payment::DECLINES_KEPT;
use serde_json::{Value as Json, json};

use crate::stack::{Files, GONE, ROOT, Stack, TABLE, check, list, plain};

#[test]
fn every_table_says_how_long_it_keeps_what_it_has() {
    check(
        "What nobody has decided is kept for ever, and so is whoever is in it. It is the tag `retention` of each table: \
         `kept - <why>`, `until <when>`, or `<number> days` with a time to live. What is kept until something happens may have \
         items besides that expire.",
        retention,
        &[
            ("PriceTable Tags", GONE, "PriceTable"),
            ("Table Tags", GONE, "OrdersTable"),
            ("StockTable Tags/0/Value", json!("kept"), "StockTable"),
            ("LettersTable Tags/0/Value", json!("30 days"), "LettersTable"),
            ("SightingsTable TimeToLiveSpecification", GONE, "SightingsTable"),
            ("SightingsTable Tags/0/Value", json!("60 days"), "SightingsTable"),
            ("LeasesTable Tags/0/Value", json!("46 days"), "LeasesTable"),
            ("Screening Parameters/Settings", json!({"Fn::Sub": "{\"sightingsDays\": 45}"}), "SightingsTable"),
            ("OtherTable", json!({"Type": TABLE, "Properties": {}}), "OtherTable"),
        ],
    );
}

fn retention(stack: &Stack) -> Vec<String> {
    const SIGHTINGS_DAYS: u64 = 77;
    let stack = stack.with([("SightingsDays", json!(SIGHTINGS_DAYS))]);
    let mut faults = Vec::new();
    for (id, properties) in stack.of_type(TABLE) {
        let stated = stated(properties);
        let expires = properties["TimeToLiveSpecification"]["Enabled"] == true;
        let days = stated.strip_suffix(" days").map(str::parse::<u64>);
        let is_stated = match &days {
            Some(days) => days.is_ok() && expires,
            None => stated.starts_with("until ") || !expires && stated.starts_with("kept - "),
        };
        faults.extend(
            (!is_stated).then(|| format!("{id}: its retention is {stated:?}, and its items expire: {expires}")),
        );
        let meant = match id {
            "SightingsTable" => SIGHTINGS_DAYS,
            "DeclinesTable" => DECLINES_KEPT.as_secs() / (24 * 60 * 60),
            // The states of the rules are as of now, and have nobody in them.
            "LeasesTable" | "NoticesTable" => LEASE_KEPT.as_secs() / (24 * 60 * 60),
            _ => continue,
        };
        faults.extend(
            (days != Some(Ok(meant))).then(|| format!("{id}: is said to keep {stated}, and keeps {meant} days")),
        );
    }
    let settings: Json =
        serde_json::from_str(&plain(&stack.variables("ScreeningFunction")["SETTINGS"])).unwrap_or_default();
    let told = settings["sightingsDays"] == SIGHTINGS_DAYS;
    faults.extend((!told).then(|| "SightingsTable: screening is not told how long".to_owned()));
    faults
}

#[test]
fn the_section_on_retention_has_every_table_of_the_template() {
    let text = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, rest) = text.split_once("**Retention.**").expect("a section on retention");
    let (section, _) = rest.split_once("\n## ").expect("another section after it");
    let template = Files::read().template;
    let resources = template["Resources"].as_object().expect("resources");
    let tables = resources.iter().filter(|(_, resource)| resource["Type"] == TABLE).map(|(id, _)| id);
    let missing: Vec<&String> = tables.filter(|id| !section.contains(&format!("`{id}`"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not say how long these are kept: {missing:?}");
}

fn stated(properties: &Json) -> String {
    let tags = list(&properties["Tags"]);
    tags.iter().find(|tag| tag["Key"] == "retention").map(|tag| plain(&tag["Value"])).unwrap_or_default()
}
