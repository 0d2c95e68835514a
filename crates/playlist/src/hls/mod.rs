//! HLS: a line at a time, so that a playlist takes no more memory than the addresses in it.

mod attributes;
mod variables;

use url::Url;

use crate::{
    Error,
    collect::{Collector, Role},
};
use attributes::attribute;
use variables::Variables;

/// Reads a media or multivariant playlist.
pub(crate) fn read(text: &str, base: &Url, found: &mut Collector) -> Result<(), Error> {
    let malformed = |what: &str| Error::Malformed(what.to_owned());
    let mut lines = text.lines().map(str::trim);
    // RFC 8216 section 4.3.1.1: the first line of every playlist.
    if lines.next() != Some("#EXTM3U") {
        return Err(malformed("its first line is not #EXTM3U"));
    }
    let mut reader = Reader {
        base,
        found: &mut *found,
        variables: Variables::default(),
        kind: None,
        names_variant: false,
        may_grow: true,
    };
    for line in lines.filter(|line| !line.is_empty()) {
        reader.line(line)?;
    }
    let kind = reader.kind;
    let kind = kind.ok_or_else(|| malformed("it has tags of neither kind of playlist"))?;
    found.listing.is_live = kind == Kind::Media && reader.may_grow;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Media,
    Multivariant,
}

struct Reader<'r> {
    base: &'r Url,
    found: &'r mut Collector,
    variables: Variables,
    kind: Option<Kind>,
    /// The next address is a playlist's.
    names_variant: bool,
    may_grow: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), Error> {
        if !line.starts_with('#') {
            let role = if std::mem::take(&mut self.names_variant) {
                Role::Playlist
            } else {
                self.is(Kind::Media)?;
                Role::Object
            };
            return self.add(role, line);
        }
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            "#EXT-X-STREAM-INF" => {
                self.names_variant = true;
                self.is(Kind::Multivariant)
            }
            "#EXT-X-MEDIA" | "#EXT-X-I-FRAME-STREAM-INF" => {
                self.is(Kind::Multivariant)?;
                self.add_attribute(Role::Playlist, value, "URI")
            }
            "#EXT-X-SESSION-DATA" => {
                self.is(Kind::Multivariant)?;
                self.add_attribute(Role::Object, value, "URI")
            }
            "#EXT-X-SESSION-KEY" => {
                self.is(Kind::Multivariant)?;
                self.add_attribute(Role::Key, value, "URI")
            }
            "#EXT-X-TARGETDURATION" => self.is(Kind::Media),
            "#EXT-X-ENDLIST" => {
                self.may_grow = false;
                Ok(())
            }
            // RFC 8216 section 4.3.3.5: such a playlist must not change.
            "#EXT-X-PLAYLIST-TYPE" if value.trim() == "VOD" => {
                self.may_grow = false;
                Ok(())
            }
            "#EXT-X-MAP" | "#EXT-X-PART" => self.add_attribute(Role::Object, value, "URI"),
            "#EXT-X-KEY" => self.add_attribute(Role::Key, value, "URI"),
            "#EXT-X-DEFINE" => self.variables.define(value, self.base),
            // RFC 8216bis section 4.4.5.2: an update of a list that nobody has here.
            "#EXT-X-SKIP" => Err(Error::Unsupported("a playlist that leaves out segments")),
            _ => Ok(()),
        }
    }

    /// RFC 8216 section 4.1: a playlist is one or the other.
    fn is(&mut self, kind: Kind) -> Result<(), Error> {
        if *self.kind.get_or_insert(kind) == kind {
            return Ok(());
        }
        let what = "it has tags of both kinds of playlists";
        Err(Error::Malformed(what.to_owned()))
    }

    fn add_attribute(&mut self, role: Role, list: &str, name: &str) -> Result<(), Error> {
        match attribute(list, name) {
            Some(reference) => self.add(role, reference),
            None => Ok(()),
        }
    }

    fn add(&mut self, role: Role, reference: &str) -> Result<(), Error> {
        let reference = self.variables.substitute(reference)?;
        self.found.add(role, self.base, &reference)
    }
}

#[cfg(test)]
mod tests;
