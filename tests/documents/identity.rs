//! The JSON Schemas of the toolkit's example, made and kept as those of the shop.

use identity::IdentityType;
use onewrite::envelope::event_schema;
use serde_json::{Value, json};

use crate::document::Document;

/// Folder of the schemas, from that of the shop's documents.
pub(crate) const FOLDER: &str = "../onewrite/examples/identity/schemas";

/// The schema of every event, and of the data of each type and version.
pub(crate) fn documents() -> Vec<Document> {
    let document = |name: String, schema: &Value| Document {
        path: format!("{FOLDER}/{name}.json"),
        text: format!("{schema:#}\n"),
    };
    let versions = IdentityType::ALL.into_iter().flat_map(|kind| kind.versions().iter().map(move |it| (kind, *it)));
    let of_data = versions.map(|(kind, version)| document(format!("{kind}.{version}"), &of_data(kind, version)));
    std::iter::once(document("Event".to_owned(), &of_event())).chain(of_data).collect()
}

fn of_event() -> Value {
    let mut schema = event_schema();
    schema["$id"] = "urn:identity:event".into();
    schema["title"] = "An event of identity".into();
    schema
}

fn of_data(kind: IdentityType, version: u32) -> Value {
    let mut schema = Value::from(kind.shape(version).expect("a version that is understood"));
    schema["$id"] = kind.schema_of(version).into();
    schema["title"] = format!("{kind}, version {version}").into();
    schema["description"] = kind.meaning().into();
    schema["examples"] = json!([{ "userId": "auth0|42", "device": "phone" }]);
    schema
}
