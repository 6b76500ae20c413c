//! A new consumer: a service that hears events, keeps a ledger of them, and may say something of its own.

use std::path::Path;

use askama::Template;
use orderflow_events::EventType;

use crate::scaffold::draft::Draft;
use crate::scaffold::error::ScaffoldError;
use crate::scaffold::name::{EventName, Name};

/// Files with a line or more for each service. What is made of them is not here.
pub(crate) const TYPES: &str = "shared/events/src/types.rs";
pub(crate) const EVENTS: &str = "shared/events/src/lib.rs";
pub(crate) const TEMPLATE: &str = "template.yaml";
pub(crate) const REGISTRY: &str = "tests/registry/src/lib.rs";
pub(crate) const REGISTRY_MANIFEST: &str = "tests/registry/Cargo.toml";
pub(crate) const BUDGETS: &str = "tests/measure/budgets.json";

/// Service that comes last, in the template and in the registry: the others stand before it.
const LAST: &str = "Journal";

/// A consumer that is to be added.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) name: Name,
    /// Types that it hears.
    pub(crate) on: Vec<EventType>,
    /// Type that it publishes, which is new.
    pub(crate) publishes: Option<EventName>,
}

/// Blanks before a metric of the template's dashboard.
const DASHBOARD_INDENT: &str = "            ";

/// Parts that the texts of a consumer are made of.
struct Parts<'a> {
    name: &'a Name,
    on: &'a [EventType],
    publishes: Option<&'a EventName>,
    /// A sentence without its full stop.
    purpose: String,
}

impl Parts<'_> {
    /// The purpose, within a sentence.
    fn purpose_within(&self) -> String {
        self.purpose.replacen(|first: char| first.is_ascii_uppercase(), &self.purpose[..1].to_lowercase(), 1)
    }

    /// The same, where names of types are code.
    fn purpose_in_code(&self) -> String {
        let is_type = |word: &&str| word.starts_with(|first: char| first.is_ascii_uppercase());
        let purpose = self.purpose_within();
        purpose
            .split(' ')
            .map(|word| if is_type(&word) { format!("`{word}`") } else { word.to_owned() })
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Name of the published type; empty where there is none.
    fn event(&self) -> String {
        self.publishes.map(ToString::to_string).unwrap_or_default()
    }

    /// Comment above a service's section of the template.
    fn heading(&self) -> String {
        let words = self.name.title();
        format!("── {words} {}", "─".repeat(HEADING_WIDTH.saturating_sub(words.chars().count())))
    }
}

/// Characters of a heading of the template after its first dashes and blanks.
const HEADING_WIDTH: usize = 112;

/// A file, or a passage of one.
macro_rules! text {
    ($name:ident, $path:literal) => {
        #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> {
            parts: &'a Parts<'a>,
        }
    };
}

text!(Manifest, "consumer/Cargo.toml.txt");
text!(Library, "consumer/lib.rs.txt");
text!(Tests, "consumer/tests.rs.txt");
text!(Main, "consumer/main.rs.txt");
text!(Events, "consumer/events.rs.txt");
text!(Golden, "consumer/golden.json.txt");
text!(Block, "consumer/block.yaml.txt");
text!(Outputs, "consumer/outputs.yaml.txt");

impl Consumer {
    /// The workspace with this consumer in it.
    ///
    /// # Errors
    ///
    /// Its name, or its type's, is taken; or a file lacks the line beside which the consumer's are to stand.
    pub(crate) fn draft(&self, root: &Path) -> Result<Draft, ScaffoldError> {
        self.check(root)?;
        let parts =
            &Parts { name: &self.name, on: &self.on, publishes: self.publishes.as_ref(), purpose: self.purpose() };
        let mut draft = Draft::of(root);
        let (name, folder) = (&self.name, format!("functions/{}", self.name));
        draft.create(format!("{folder}/Cargo.toml"), text(&Manifest { parts })?)?;
        draft.create(format!("{folder}/src/lib.rs"), text(&Library { parts })?)?;
        draft.create(format!("{folder}/src/tests.rs"), text(&Tests { parts })?)?;
        draft.create(format!("{folder}/src/bin/{name}.rs"), text(&Main { parts })?)?;
        if let Some(event) = &self.publishes {
            self.say(event, parts, &mut draft)?;
        }
        draft.insert_before(TEMPLATE, &format!("  # ── {LAST} "), &text(&Block { parts })?)?;
        draft.edit(TEMPLATE, |lines| lines.replace(&format!(", {LAST}]"), &format!(", {}, {LAST}]", name.pascal())))?;
        draft.insert_before(TEMPLATE, &format!("  {LAST}QueueUrl:"), &text(&Outputs { parts })?)?;
        self.show(&mut draft)?;
        let (pascal, snake) = (name.pascal(), name.snake());
        let entry = format!("    Service::pure::<orderflow_{snake}::{pascal}>(\"{pascal}\", \"{name}\"),\n");
        draft.insert_before(REGISTRY, "    Service::of_every_event(", &entry)?;
        let dependency = format!("orderflow-{name} = {{ path = \"../../functions/{name}\" }}\n");
        draft.edit(REGISTRY_MANIFEST, |lines| lines.insert_sorted("orderflow-", &dependency))?;
        Ok(draft)
    }

    /// Adds it to the numbers of the dashboard, and its relay to the streams.
    fn show(&self, draft: &mut Draft) -> Result<(), ScaffoldError> {
        let (name, pascal) = (&self.name, self.name.pascal());
        let handled = r#"["${AWS::StackName}", "Handled", "Service", "#;
        let lag = r#"["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "#;
        let line = |start: &str, value: &str, more: &str| {
            format!("{DASHBOARD_INDENT}{start}\"{value}\", {{\"label\": \"{name}\"{more}}}],\n")
        };
        let last = LAST.to_lowercase();
        let line_of_last = format!("{DASHBOARD_INDENT}{handled}\"{last}\"");
        draft.insert_before(TEMPLATE, &line_of_last, &line(handled, name.kebab(), ""))?;
        let queue = |service: &str| format!("${{{service}.Outputs.QueueName}}");
        let line_of_last = format!("{DASHBOARD_INDENT}{lag}\"{}\"", queue(LAST));
        draft.insert_before(TEMPLATE, &line_of_last, &line(lag, &queue(&pascal), ""))?;
        if self.publishes.is_some() {
            let age = r#"["AWS/Lambda", "IteratorAge", "FunctionName", "#;
            let relay = format!("${{{pascal}.Outputs.RelayFunctionName}}");
            let shares = format!("{DASHBOARD_INDENT}[{{\"expression\": \"METRICS()");
            draft.insert_before(TEMPLATE, &shares, &line(age, &relay, ", \"visible\": false"))?;
        }
        Ok(())
    }

    /// Adds the type that it publishes, with an event of it as it could have been published.
    fn say(&self, event: &EventName, parts: &Parts<'_>, draft: &mut Draft) -> Result<(), ScaffoldError> {
        let (module, source) = (format!("{}_events", self.name.snake()), self.name.shouting());
        draft.create(format!("shared/events/src/{module}.rs"), text(&Events { parts })?)?;
        draft.create(format!("shared/events/golden/{event}.1.json"), text(&Golden { parts })?)?;
        // It is made of the type: see `generated`.
        draft.create(format!("shared/events/schemas/{event}.1.json"), String::new())?;
        let use_of_both = format!("{module}::{{{source}, {event}}};\n");
        draft.insert_before(EVENTS, "mod id;", &format!("mod {module};\n"))?;
        draft.insert_before(EVENTS, "pub use ", &format!("pub use {use_of_both}"))?;
        draft.insert_before(TYPES, "use crate::", &format!("use crate::{use_of_both}"))?;
        let types = self.on.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(" and ");
        let entry = format!("        /// Sent on {types}.\n        {event} from {source}: {{ 1: {event} }},\n");
        draft.insert_before(TYPES, "    }\n", &entry)?;
        Ok(())
    }

    fn check(&self, root: &Path) -> Result<(), ScaffoldError> {
        if root.join("functions").join(self.name.kebab()).exists() {
            return Err(ScaffoldError::Taken(format!("there is a service {} already", self.name)));
        }
        let has_binary = |folder: std::fs::DirEntry| folder.path().join(format!("src/bin/{}.rs", self.name)).exists();
        if std::fs::read_dir(root.join("functions")).into_iter().flatten().flatten().any(has_binary) {
            return Err(ScaffoldError::Taken(format!("there is a binary {} already", self.name)));
        }
        match &self.publishes {
            Some(event) if EventType::ALL.iter().any(|kind| kind.as_str() == event.to_string()) => {
                Err(ScaffoldError::Taken(format!("there is a type {event} already, and one service says it")))
            }
            _ => Ok(()),
        }
    }

    fn purpose(&self) -> String {
        let types = self.on.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" and ");
        match &self.publishes {
            Some(event) => format!("Says {event} on {types}"),
            None => format!("Hears {types}"),
        }
    }
}

fn text(template: &impl Template) -> Result<String, ScaffoldError> {
    template.render().map_err(ScaffoldError::Text)
}
