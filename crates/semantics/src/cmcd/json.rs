//! CMCD as a JSON object (CTA-5004 section 2.3): the same keys, in the notation of the others.

use serde_json::Value as Json;

/// The members of an object whose values CMCD can have, each as a dictionary would write it.
///
/// What is no object is nothing; what is of another kind is dropped.
pub(super) fn members(text: &[u8]) -> Vec<(String, String)> {
    let Ok(Json::Object(members)) = serde_json::from_slice(text) else {
        return Vec::new();
    };
    let pairs = members
        .into_iter()
        .filter_map(|(key, value)| Some((key, written(&value)?)));
    pairs.collect()
}

fn written(value: &Json) -> Option<String> {
    match value {
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(quoted(text)),
        Json::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(item).collect();
            Some(format!("({})", items?.join(" ")))
        }
        Json::Null | Json::Object(_) => None,
    }
}

/// One item of a list; a list in a list is none.
fn item(value: &Json) -> Option<String> {
    match value {
        Json::Array(_) => None,
        value => written(value),
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
