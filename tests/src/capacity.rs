//! Capacity units of DynamoDB, as they are billed on demand.

use serde_json::{Map, Value, json};

/// Read units of a request that found so many bytes: steps of 4 KB, of which an eventually consistent read costs half.
#[must_use]
pub fn read_units(bytes: usize, request: &Value) -> f64 {
    let whole = units(bytes, 4096);
    if request["ConsistentRead"] == json!(true) { whole } else { whole / 2.0 }
}

/// Write units of an item of that size: steps of 1 KB. In a transaction they count twice.
#[must_use]
pub fn write_units(bytes: usize) -> f64 {
    units(bytes, 1024)
}

fn units(bytes: usize, unit: usize) -> f64 {
    u32::try_from(bytes.div_ceil(unit).max(1)).map_or(f64::INFINITY, f64::from)
}

/// Bytes of an item as DynamoDB counts them: names and values, without the JSON around them.
#[must_use]
pub fn item_bytes(item: &Map<String, Value>) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    match kind.as_str() {
        "S" => value.as_str().map_or(0, str::len),
        // Two digits a byte, and one more.
        "N" => value.as_str().map_or(0, |digits| digits.trim_start_matches('-').len().div_ceil(2) + 1),
        "B" => value.as_str().map_or(0, |base64| base64.len() / 4 * 3),
        "M" => {
            3 + value
                .as_object()
                .map_or(0, |map| map.iter().map(|(name, value)| name.len() + 1 + value_size(value)).sum())
        }
        "L" => 3 + value.as_array().map_or(0, |list| list.iter().map(|value| 1 + value_size(value)).sum()),
        _ => 1,
    }
}
