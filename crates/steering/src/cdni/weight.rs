//! What a trigger takes in memory, by what it is made of.

use serde_json::Value as Json;

use super::{
    lists::TOLD_BYTES_MAX,
    model::{Draft, Item, Subject, Target},
};

/// What an allocation takes besides its bytes.
const ALLOCATION_BYTES: usize = 16;

impl Draft {
    /// The same, with what it takes noted. Each subject counts twice: it is in the faults as well
    /// when nothing goes well. Walks over all of it.
    pub(crate) fn weighed(self) -> Self {
        let items: usize = self.items.iter().map(item).sum();
        let faults = self.faults.iter().flat_map(|fault| &fault.subjects);
        let faults: usize = faults.map(subject).sum();
        let texts = [&self.cdn_path, &self.labels, &self.prerequisites];
        let texts: usize = texts.into_iter().flatten().map(|text| string(text)).sum();
        let targets = self.items.iter().flat_map(|item| &item.targets);
        let mut lists = targets.filter(|target| matches!(target, Target::List { .. }));
        // What goes wrong with what they name is told by name.
        let told = lists.next().map_or(0, |_| TOLD_BYTES_MAX);
        let bytes = size_of::<Self>() + json(&self.told) + items + 2 * faults + texts + told;
        Self {
            memory_bytes: bytes as u64,
            ..self
        }
    }
}

fn item(item: &Item) -> usize {
    let targets: usize = item.targets.iter().map(target).sum();
    2 * subject(&item.subject) + size_of::<Item>() + ALLOCATION_BYTES + targets
}

fn subject(named: &Subject) -> usize {
    let inner = match named {
        Subject::ContentUrl(url) | Subject::MetadataUrl(url) => string(url),
        Subject::ContentPattern(told)
        | Subject::ContentRegex(told)
        | Subject::MetadataPattern(told)
        | Subject::Spec(told)
        | Subject::Extension(told) => json(told),
    };
    size_of::<Subject>() + inner
}

fn target(target: &Target) -> usize {
    let hosts = match target {
        Target::Expression { hosts, .. } => hosts.iter().map(|host| string(host)).sum(),
        Target::Object { .. } | Target::List { .. } | Target::Pattern { .. } => 0,
    };
    let (site, path) = match target {
        Target::Expression {
            site, expression, ..
        } => (site, expression),
        Target::Object { site, path, .. } => (site, path),
        Target::List { site, url, .. } => (site, url),
        Target::Pattern { site, pattern, .. } => (site, pattern),
    };
    size_of::<Target>() + string(site) + string(path) + hosts
}

fn string(text: &str) -> usize {
    size_of::<String>() + ALLOCATION_BYTES + text.len()
}

fn json(value: &Json) -> usize {
    let inner = match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => ALLOCATION_BYTES + text.len(),
        Json::Array(values) => ALLOCATION_BYTES + values.iter().map(json).sum::<usize>(),
        Json::Object(members) => {
            let members = members.iter();
            // A node of the tree is half full at least.
            members
                .map(|(name, value)| 2 * string(name) + 2 * json(value))
                .sum()
        }
    };
    size_of::<Json>() + inner
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::model::{Action, Edition, FaultKind},
        *,
    };

    #[test]
    fn a_trigger_weighs_more_than_its_texts_together() {
        let url = "https://media.test/a/segment-1.m4s";
        let mut draft = Draft::new(
            Edition::First,
            "owner",
            Some(Action::Purge),
            json!({ "type": "purge", "content.urls": [url] }),
        );
        let empty = draft.clone().weighed().memory_bytes;
        draft.fault(
            FaultKind::Content,
            Subject::ContentUrl(url.to_owned()),
            "why",
        );
        let weighed = draft.weighed().memory_bytes;
        assert!(weighed >= empty + 2 * url.len() as u64);
        let nested: Json = serde_json::from_str(&format!("[{}0]", "0,".repeat(999))).unwrap();
        assert!(json(&nested) >= 1000 * size_of::<Json>());
    }
}
