//! Reading triggers of the second edition, and changes to them.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    super::{
        draft::{Context, SUBJECTS_MAX},
        lists::{Kind, Object},
        model::{Action, Draft, Edition, Fault, FaultKind, Subject},
        subject::{self, Found},
        v1,
    },
    Resource, policy,
};
use crate::{Reason, Refused, json};

/// Labels of a trigger, and characters of either half of one.
const LABELS_MAX: usize = 16;
const LABEL_CHARS_MAX: usize = 63;
const EXTENSIONS_MAX: usize = 16;

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "trigger-subject")]
    subject: String,
    // Older revisions have the second name.
    #[serde(rename = "cit-spec-type", alias = "generic-trigger-spec-type")]
    kind: String,
    #[serde(rename = "cit-spec-value", alias = "generic-trigger-spec-value")]
    value: Json,
}

#[derive(Deserialize)]
struct Urls {
    urls: Vec<String>,
}

#[derive(Deserialize)]
struct RegexMatch {
    regex: String,
    #[serde(default, rename = "case-sensitive")]
    case_sensitive: bool,
    #[serde(default, rename = "match-query-string")]
    match_query_string: bool,
}

#[derive(Deserialize)]
struct ObjectList {
    #[serde(alias = "object-list")]
    objects: Vec<Object>,
}

/// Reads a new trigger.
pub(crate) fn read(body: &[u8], context: &Context<'_>) -> Result<Draft, Refused> {
    let resource: Resource = json::read(body)?;
    if resource.action.is_empty() {
        return Err(Refused::malformed("missing field `action`"));
    }
    context.check_path(&resource.cdn_path)?;
    if let Some(label) = resource.labels.iter().find(|label| !is_label(label)) {
        return Err(Refused::malformed(format!(
            "{label:?} is no label: name=value"
        )));
    }
    resource.check_counts()?;
    let is_hurried = match resource.state.as_deref() {
        None | Some("pending") => false,
        Some("active") => true,
        Some(_) => return Err(Refused::malformed("a trigger begins pending, or active")),
    };
    let action = Action::named(&resource.action);
    let mut draft = Draft {
        cdn_path: resource.cdn_path,
        labels: resource.labels,
        ..Draft::new(Edition::Second, context.owner, action, Json::Null)
    };
    if draft.action.is_none() {
        let description = format!("action {:?} is not known here", resource.action);
        draft
            .faults
            .push(Fault::new(FaultKind::Unsupported, None, description));
    } else {
        let mut left = SUBJECTS_MAX;
        for told in &resource.specs {
            read_spec(&mut draft, told, &mut left, context)?;
        }
        policy::read(&mut draft, &resource.extensions, context);
        if is_hurried {
            draft.hurry();
        }
    }
    // Faults in how it is to be done leave nothing to do.
    if draft
        .faults
        .iter()
        .any(|fault| fault.kind == FaultKind::Extension)
    {
        draft.items.clear();
    }
    draft.told = told(resource.action, resource.specs, resource.extensions);
    Ok(draft)
}

impl Resource {
    fn check_counts(&self) -> Result<(), Refused> {
        let (labels, extensions) = (self.labels.len(), self.extensions.len());
        if self.specs.is_empty() || labels > LABELS_MAX || extensions > EXTENSIONS_MAX {
            let what = "a trigger has specs, and up to 16 labels and 16 extensions";
            return Err(Refused::malformed(what));
        }
        Ok(())
    }
}

/// A trigger as it was sent, to be shown again.
fn told(action: String, specs: Vec<Json>, extensions: Vec<Json>) -> Json {
    let mut told = serde_json::Map::new();
    told.insert("action".to_owned(), action.into());
    told.insert("specs".to_owned(), specs.into());
    told.insert("extensions".to_owned(), extensions.into());
    told.into()
}

/// `name=value`, each of which begins with a letter or a digit.
fn is_label(label: &str) -> bool {
    let is_half = |half: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        half.len() <= LABEL_CHARS_MAX
            && half.starts_with(|first: char| first.is_ascii_alphanumeric())
            && half.bytes().all(allowed)
    };
    let halves = label.split_once('=');
    halves.is_some_and(|(name, value)| is_half(name) && is_half(value))
}

fn read_spec(
    draft: &mut Draft,
    told: &Json,
    left: &mut usize,
    context: &Context<'_>,
) -> Result<(), Refused> {
    let spec = Spec::deserialize(told).map_err(|error| Refused::malformed(error.to_string()))?;
    let mut unknown = |kind, why| draft.fault(kind, Subject::Spec(told.clone()), why);
    if !spec.subject.eq_ignore_ascii_case("content") {
        unknown(FaultKind::Subject, "content is all that is here");
        return take(left, 1);
    }
    if !spec.is_published() {
        unknown(FaultKind::Spec, "only published URLs are known here");
        return take(left, 1);
    }
    let kind = spec.kind.to_ascii_lowercase();
    let bad = |error: serde_json::Error| Refused::malformed(format!("{kind}: {error}"));
    match kind.as_str() {
        "urls" => {
            // As an object that may also say which URLs they are, or as the bare list.
            let urls: Vec<String> = match spec.value {
                Json::Array(_) => serde_json::from_value(spec.value).map_err(bad)?,
                other => serde_json::from_value::<Urls>(other).map_err(bad)?.urls,
            };
            take(left, urls.len())?;
            for url in urls {
                let found = subject::url(context.engine, context.role, &url, None)?;
                draft.add(Subject::ContentUrl(url), found);
            }
        }
        "uri-pattern-match" => {
            take(left, 1)?;
            let found = v1::pattern(&spec.value, context)?;
            draft.add(Subject::ContentPattern(spec.value), found);
        }
        "uri-regex-match" => {
            take(left, 1)?;
            let read = RegexMatch::deserialize(&spec.value).map_err(bad)?;
            let (case_sensitive, with_query) = (read.case_sensitive, read.match_query_string);
            let (engine, role) = (context.engine, context.role);
            let found = subject::expression(engine, role, &read.regex, case_sensitive, with_query)?;
            draft.add(Subject::ContentRegex(spec.value), found);
        }
        "content-objectlist" => {
            let objects = match spec.value {
                Json::Array(_) => serde_json::from_value(spec.value).map_err(bad)?,
                other => {
                    serde_json::from_value::<ObjectList>(other)
                        .map_err(bad)?
                        .objects
                }
            };
            take(left, objects.len())?;
            read_objects(draft, objects, context)?;
        }
        _ => {
            take(left, 1)?;
            unknown(FaultKind::Spec, "this kind of spec is not known here");
        }
    }
    Ok(())
}

impl Spec {
    /// Whether its URLs are those that viewers ask for, as they are where nothing else is said.
    fn is_published(&self) -> bool {
        match self.value.get("url-type") {
            None => true,
            Some(Json::String(kind)) => kind.is_empty() || kind.eq_ignore_ascii_case("published"),
            Some(_) => false,
        }
    }
}

fn read_objects(
    draft: &mut Draft,
    objects: Vec<Object>,
    context: &Context<'_>,
) -> Result<(), Refused> {
    for object in objects {
        let Object { href, kind, size } = object;
        let (engine, role) = (context.engine, context.role);
        let found = match Kind::named(kind.as_deref()) {
            Some(Kind::Object) => subject::url(engine, role, &href, size)?,
            Some(Kind::List(format)) => subject::list(engine, role, &href, format, size)?,
            None => Found::Nothing(FaultKind::Spec, subject::UNKNOWN_TYPE),
        };
        draft.add(Subject::ContentUrl(href), found);
    }
    Ok(())
}

/// Takes what a spec names from what a trigger may.
fn take(left: &mut usize, count: usize) -> Result<(), Refused> {
    let rest = left.checked_sub(count).filter(|_| count > 0);
    *left = rest.ok_or_else(|| {
        Refused::malformed(format!(
            "a trigger names {SUBJECTS_MAX} objects and patterns at most, and each spec one at least"
        ))
    })?;
    Ok(())
}

/// What a modification asks for.
pub(crate) enum Change {
    Start,
    Cancel,
}

/// Reads a modification of `draft`: its state alone; all else is absent, or as it was.
pub(crate) fn read_change(body: &[u8], draft: &Draft) -> Result<Change, Refused> {
    let resource: Resource = json::read(body)?;
    let is_same = |name: &str, new: &[Json]| {
        let old = draft.told.get(name).and_then(Json::as_array);
        new.is_empty() || old.is_some_and(|old| old == new)
    };
    let action = draft.told.get("action").and_then(Json::as_str);
    let is_same = (resource.action.is_empty() || action == Some(&resource.action))
        && is_same("specs", &resource.specs)
        && is_same("extensions", &resource.extensions)
        && (resource.labels.is_empty() || resource.labels == draft.labels);
    match resource.state.as_deref() {
        Some("active") if is_same => Ok(Change::Start),
        Some("cancelled" | "canceled") if is_same => Ok(Change::Cancel),
        Some(_) | None => Err(Refused::new(
            Reason::Unsupported,
            "of a trigger only the state can be changed, to \"active\" or \"cancelled\"",
        )),
    }
}
