//! What a reload cannot take over.

use serde_json::Value;

/// The top-level keys whose value differs between two effective configs, but for `taken_over`.
pub fn changed<'c>(old: &Value, new: &'c Value, taken_over: &[&str]) -> Vec<&'c str> {
    let sections = new.as_object().into_iter().flatten();
    sections
        .filter(|(key, value)| !taken_over.contains(&key.as_str()) && old.get(key) != Some(value))
        .map(|(key, _)| key.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_and_is_not_taken_over_is_told() {
        let old = json!({"listen": {"address": "a"}, "site": [1], "log": 1});
        let new = json!({"listen": {"address": "b"}, "site": [2], "log": 1});
        assert_eq!(changed(&old, &new, &["site"]), ["listen"]);
    }
}
