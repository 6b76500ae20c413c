//! A new consumer: a service that hears events, keeps a ledger of them, and may say something of its own.

use std::path::Path;

use askama::Template;
use orderflow_events::EventType;

use crate::scaffold::ScaffoldError;
use crate::scaffold::draft::Draft;
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
        let (pascal, snake) = (name.pascal(), name.snake());
        let entry = format!("    Service::pure::<orderflow_{snake}::{pascal}>(\"{pascal}\", \"{name}\"),\n");
        draft.insert_before(REGISTRY, "    Service::of_every_event(", &entry)?;
        let dependency = format!("orderflow-{name} = {{ path = \"../../functions/{name}\" }}\n");
        draft.edit(REGISTRY_MANIFEST, |lines| lines.insert_sorted("orderflow-", &dependency))?;
        Ok(draft)
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
