//! What a reload cannot take over.

use serde_json::Value;

/// The top-level keys whose value differs between two effective configs, but for what is `taken_over`:
/// sections, or keys of one, as `section.key`.
pub fn changed<'c>(old: &Value, new: &'c Value, taken_over: &[&str]) -> Vec<&'c str> {
    let sections = new.as_object().into_iter().flatten();
    sections
        .map(|(key, _)| key.as_str())
        .filter(|key| !taken_over.contains(key))
        .filter(|key| without(old, key, taken_over) != without(new, key, taken_over))
        .collect()
}

/// A section without the keys of it that are taken over.
fn without(config: &Value, section: &str, taken_over: &[&str]) -> Option<Value> {
    let mut rest = config.get(section)?.clone();
    let ours = taken_over.iter().filter_map(|key| key.split_once('.'));
    for (_, key) in ours.filter(|(of, _)| *of == section) {
        if let Some(keys) = rest.as_object_mut() {
            keys.remove(key);
        }
    }
    Some(rest)
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
        assert_eq!(changed(&old, &new, &["site", "listen.address"]), [""; 0]);
    }
}
