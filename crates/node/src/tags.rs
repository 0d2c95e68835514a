//! How a `[[site]]` names the tags of its objects.

use cache::TagRules;
use daemon::config::Section;
use http::HeaderName;

use crate::Clients;

/// Fields in which one origin may name tags.
const FIELDS_MAX: usize = 4;

/// Reads in which fields a site's origin names tags. Tiers of ours are told them, viewers are not.
pub(crate) fn read_tags(site: &mut Section, clients: Clients) -> TagRules {
    let default = TagRules::default();
    let names = default.fields.iter().map(|name| name.as_str().to_owned());
    let names = site.list("tag_fields", 0..=FIELDS_MAX).or(names.collect());
    let parsed: Result<Vec<HeaderName>, _> = names.iter().map(|name| name.parse()).collect();
    let fields = parsed.unwrap_or_else(|_malformed| {
        let hint = "names of response fields, such as \"cache-tag\"";
        site.problem("tag_fields", "has what is no field's name", Some(hint));
        Vec::new()
    });
    TagRules {
        fields: fields.into(),
        shown: clients == Clients::WithCertificate,
    }
}
