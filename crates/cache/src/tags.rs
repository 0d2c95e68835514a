//! Tags: names that an origin gives to objects, so that they can be purged together.
//!
//! ```text
//! Cache-Tag: film-7, poster          commas between them
//! Surrogate-Key: film-7 poster       spaces between them
//! ```
//!
//! A tag is of its site, and ASCII case does not count. What an object has beyond [`TAGS_MAX`] tags, or
//! in a tag longer than [`TAG_BYTES_MAX`], is not kept: such an object is reached by every purge by tag
//! of its site. Too much is purged, and never too little.
//!
//! A purge by tag is an epoch of the tag's scope in the store's journal, like any other purge. It also
//! is one of the scope that all tags of the site share: objects with too many tags, and questions that
//! are under way while nobody knows yet which tags the answer will have, go by that one.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use store::{Epoch, Store};

use crate::{
    Reach,
    id::{Scopes, digest},
    purges::Purged,
};

/// Tags of an object that are told apart. A lookup that comes for the first time after a purge by tag
/// looks at each; and each takes 16 bytes of the object's head.
pub const TAGS_MAX: usize = 64;

/// Bytes of a tag.
const TAG_BYTES_MAX: usize = 128;

const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// A tag as a purge names it: legal if it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

/// Why a text is no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tag has 1 to {TAG_BYTES_MAX} visible ASCII characters, and no comma")]
pub struct BadTag;

impl Tag {
    /// Reads a tag.
    ///
    /// # Errors
    /// What no origin could have given to an object.
    pub fn parse(text: &str) -> Result<Self, BadTag> {
        if !is_tag(text.as_bytes()) {
            return Err(BadTag);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In which fields a site's origin names tags, and who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRules {
    /// The fields. `Surrogate-Key` has spaces between tags, any other commas.
    pub fields: Arc<[HeaderName]>,
    /// Whether answers carry them: a tier of ours needs them, and no viewer does.
    pub shown: bool,
}

impl Default for TagRules {
    fn default() -> Self {
        Self {
            fields: Arc::new([CACHE_TAG, SURROGATE_KEY]),
            shown: false,
        }
    }
}

/// The tags of an object, as purges know them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tags(Arc<[Scopes]>);

impl Tags {
    /// Takes the tags that fields name, and the fields too where they are not to be shown. `None` if
    /// there are no such fields.
    pub(crate) fn take(site: &str, rules: &TagRules, fields: &mut HeaderMap) -> Option<Self> {
        let named = rules
            .fields
            .iter()
            .filter(|name| fields.contains_key(*name));
        let named: Vec<&HeaderName> = named.collect();
        if named.is_empty() {
            return None;
        }
        let tags = Self::read(site, &named, fields);
        if !rules.shown {
            for name in named {
                fields.remove(name);
            }
        }
        Some(tags)
    }

    /// The tags that fields name.
    pub(crate) fn told(site: &str, rules: &TagRules, fields: &HeaderMap) -> Self {
        let named = rules
            .fields
            .iter()
            .filter(|name| fields.contains_key(*name));
        let named: Vec<&HeaderName> = named.collect();
        Self::read(site, &named, fields)
    }

    fn read(site: &str, named: &[&HeaderName], fields: &HeaderMap) -> Self {
        let mut scopes: Vec<Scopes> = Vec::new();
        let values = named.iter().flat_map(|name| {
            let values = fields.get_all(*name).iter();
            values.flat_map(move |value| split(name, value))
        });
        for tag in values {
            let scope = if is_tag(tag) {
                scope(site, &String::from_utf8_lossy(tag).to_ascii_lowercase())
            } else {
                any(site)
            };
            if scopes.contains(&scope) {
                continue;
            }
            if scopes.len() == TAGS_MAX {
                scopes.push(any(site));
                break;
            }
            scopes.push(scope);
        }
        Self(scopes.into())
    }

    /// The last purges that reach any of them.
    pub(crate) fn purged(&self, store: &Store) -> Purged {
        if self.0.is_empty() {
            return Purged::NEVER;
        }
        let last = |one: fn(&Scopes) -> u64| {
            let scopes: Vec<u64> = self.0.iter().map(one).collect();
            store.purged_at_last(&scopes)
        };
        Purged {
            forgotten: last(|scopes| scopes.forget),
            to_confirm: last(|scopes| scopes.confirm),
        }
    }

    /// What they take in memory.
    pub(crate) fn weight(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// The last purge by tag of a site, whichever tag it was.
pub(crate) fn purged_by_any(store: &Store, site: &str) -> Epoch {
    let any = any(site);
    store.purged_at_last(&[any.forget, any.confirm])
}

/// The scopes that a purge by tag is of.
pub(crate) fn scopes_of(site: &str, tag: &Tag, reach: Reach) -> [u64; 2] {
    [any(site), scope(site, &tag.0)].map(|scopes| scopes.for_reach(reach))
}

fn scope(site: &str, tag: &str) -> Scopes {
    Scopes::of(digest(b"tag", &[site.as_bytes(), tag.as_bytes()]))
}

/// What every purge by tag of a site is of.
fn any(site: &str) -> Scopes {
    Scopes::of(digest(b"tags", &[site.as_bytes()]))
}

fn split<'v>(name: &HeaderName, value: &'v HeaderValue) -> impl Iterator<Item = &'v [u8]> {
    let comma = *name != SURROGATE_KEY;
    let is_between = move |byte: &u8| if comma { *byte == b',' } else { *byte == b' ' };
    let parts = value.as_bytes().split(is_between);
    parts
        .map(<[u8]>::trim_ascii)
        .filter(|part| !part.is_empty())
}

fn is_tag(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_graphic() && *byte != b',';
    (1..=TAG_BYTES_MAX).contains(&text.len()) && text.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, value.parse().unwrap());
        }
        fields
    }

    fn tags(lines: &[(&'static str, &str)]) -> Option<Tags> {
        Tags::take("tv", &TagRules::default(), &mut fields(lines))
    }

    fn of(names: &[&str]) -> Tags {
        Tags(names.iter().map(|name| scope("tv", name)).collect())
    }

    #[test]
    fn tags_are_read_in_both_forms_and_case_does_not_count() {
        assert_eq!(tags(&[("cache-tag", "a, B,,a")]), Some(of(&["a", "b"])));
        assert_eq!(tags(&[("surrogate-key", "a  B a")]), Some(of(&["a", "b"])));
        let both = [
            ("cache-tag", "a"),
            ("cache-tag", "b"),
            ("surrogate-key", "a,b c"),
        ];
        let any = tags(&both).unwrap();
        assert_eq!(any.0.len(), 4, "a comma is in no tag: {any:?}");
        assert!(any.0.contains(&super::any("tv")));
        assert_eq!(tags(&[("etag", "a")]), None);
        assert_eq!(tags(&[("cache-tag", " ,")]), Some(Tags::default()));
    }

    #[test]
    fn what_cannot_be_kept_is_reached_by_every_purge_by_tag() {
        let long = "x".repeat(TAG_BYTES_MAX + 1);
        assert_eq!(tags(&[("cache-tag", &long)]).unwrap().0[..], [any("tv")]);
        let many: Vec<String> = (0..=TAGS_MAX).map(|tag| tag.to_string()).collect();
        let full = tags(&[("cache-tag", &many[..TAGS_MAX].join(","))]).unwrap();
        assert_eq!(
            (full.0.len(), full.0.contains(&any("tv"))),
            (TAGS_MAX, false)
        );
        let over = tags(&[("cache-tag", &many.join(","))]).unwrap();
        assert_eq!(
            (over.0.len(), over.0.contains(&any("tv"))),
            (TAGS_MAX + 1, true)
        );
    }

    #[test]
    fn viewers_are_not_told_and_tiers_are() {
        let lines = [("cache-tag", "a"), ("etag", "\"1\"")];
        for shown in [true, false] {
            let rules = TagRules {
                shown,
                ..TagRules::default()
            };
            let mut fields = fields(&lines);
            Tags::take("tv", &rules, &mut fields);
            assert_eq!(fields.contains_key("cache-tag"), shown);
            assert!(fields.contains_key("etag"));
        }
    }

    #[test]
    fn a_tag_is_of_its_site() {
        let tag = Tag::parse("Film-7").unwrap();
        let scopes = |site| scopes_of(site, &tag, Reach::Forget);
        assert_ne!(scopes("a"), scopes("b"));
        assert_eq!(scopes("tv")[1], scope("tv", "film-7").forget);
        for bad in ["", "a b", "a,b", "ü", &"x".repeat(TAG_BYTES_MAX + 1)] {
            assert_eq!(Tag::parse(bad), Err(BadTag), "{bad}");
        }
    }
}
