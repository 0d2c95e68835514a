//! Reading commands of the first edition.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    super::{
        draft::{Context, SUBJECTS_MAX, id_of},
        model::{Action, Draft, Edition, Fault, FaultKind, Item, Subject},
        subject::{self, Found},
    },
    Command, PatternMatch, Specification,
};
use crate::{Refused, json};

/// What a command asks for.
pub(crate) enum Asked {
    Trigger(Box<Draft>),
    /// Ids of triggers.
    Cancel(Vec<String>),
}

/// Reads a command.
pub(crate) fn read(body: &[u8], context: &Context<'_>) -> Result<Asked, Refused> {
    let bad = |error: serde_json::Error| Refused::malformed(error.to_string());
    let command: Command = json::read(body)?;
    context.check_path(&command.cdn_path)?;
    match (command.trigger, command.cancel) {
        (Some(specification), None) => {
            specification.check_count()?;
            let mut whole: Json = serde_json::from_slice(body).map_err(bad)?;
            let told = whole.get_mut("trigger").map(Json::take);
            let told = told.unwrap_or_default();
            let mut draft = draft(specification, told, context)?;
            draft.cdn_path = command.cdn_path;
            Ok(Asked::Trigger(Box::new(draft)))
        }
        (None, Some(urls)) if !urls.is_empty() && urls.len() <= SUBJECTS_MAX => {
            let ids = urls.iter().map(|url| id_of(url).to_owned());
            Ok(Asked::Cancel(ids.collect()))
        }
        (None, Some(_)) => Err(Refused::malformed("cancel names none, or too many")),
        (Some(_), Some(_)) | (None, None) => Err(Refused::malformed(
            "a command has either \"trigger\" or \"cancel\"",
        )),
    }
}

fn draft(
    specification: Specification,
    told: Json,
    context: &Context<'_>,
) -> Result<Draft, Refused> {
    let action = Action::named(&specification.action);
    let mut draft = Draft::new(Edition::First, context.owner, action, told);
    let Some(action) = draft.action else {
        let description = format!("type {:?} is not known here", specification.action);
        draft
            .faults
            .push(Fault::new(FaultKind::Unsupported, None, description));
        return Ok(draft);
    };
    let patterns = specification.metadata_patterns.len() + specification.content_patterns.len();
    if action == Action::Preposition && patterns > 0 {
        // RFC 8007 section 5.2.1: patterns say what is held, not what is to come.
        return Err(Refused::malformed("a preposition has no patterns"));
    }
    for url in specification.content_urls {
        let found = subject::url(context.engine, context.role, &url, None)?;
        draft.add(Subject::ContentUrl(url), found);
    }
    for told in specification.content_patterns {
        let found = pattern(&told, context)?;
        draft.add(Subject::ContentPattern(told), found);
    }
    draft.add_metadata(
        action,
        specification.metadata_urls,
        specification.metadata_patterns,
    );
    if !specification.content_ccid.is_empty() {
        let description = "content collections are not known here";
        draft
            .faults
            .push(Fault::new(FaultKind::Reject, None, description));
    }
    Ok(draft)
}

pub(in crate::cdni) fn pattern(told: &Json, context: &Context<'_>) -> Result<Found, Refused> {
    let read = PatternMatch::deserialize(told);
    let read = read.map_err(|error| Refused::malformed(error.to_string()))?;
    subject::pattern(
        context.engine,
        context.role,
        &read.pattern,
        read.case_sensitive,
        read.match_query_string,
    )
}

impl Specification {
    fn check_count(&self) -> Result<(), Refused> {
        let count = self.metadata_urls.len()
            + self.content_urls.len()
            + self.content_ccid.len()
            + self.metadata_patterns.len()
            + self.content_patterns.len();
        if (1..=SUBJECTS_MAX).contains(&count) {
            return Ok(());
        }
        let detail = format!("a trigger names 1 to {SUBJECTS_MAX} urls and patterns");
        Err(Refused::malformed(detail))
    }
}

impl Draft {
    /// No metadata is held here (the node's config has it): there is nothing to invalidate or to
    /// purge, which is done at once, and nothing that could be had before it is needed.
    fn add_metadata(&mut self, action: Action, urls: Vec<String>, patterns: Vec<Json>) {
        let urls = urls.into_iter().map(Subject::MetadataUrl);
        for subject in urls.chain(patterns.into_iter().map(Subject::MetadataPattern)) {
            match action {
                Action::Preposition => {
                    self.fault(FaultKind::Metadata, subject, "this node takes no metadata");
                }
                Action::Invalidate | Action::Purge => self.items.push(Item {
                    subject,
                    targets: Vec::new(),
                }),
            }
        }
    }
}
