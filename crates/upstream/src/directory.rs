//! Objects that are files.
//!
//! A file's version is its inode, modification time and size. It is looked at before each piece
//! that is handed on, on the same open file: one that is changed in place while it is read ends
//! the body with an error, because what was read may be of both versions. (A change within the
//! granularity of the file system's clock, some milliseconds, that keeps the size cannot be seen.
//! Whoever publishes should write a new file and rename it, which is always safe.)

use std::{
    fs::{File, Metadata},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use message::{Condition, Error, Fetch, Kind};
use object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore, local::LocalFileSystem};
use tokio::time::timeout;

use crate::{
    fault::{self, Phase},
    hop::{Answer, Failure, Hop, Stage, insert},
    media_type,
    object_storage::key,
};

/// One read of a file; also what a body holds in memory.
const PIECE_BYTES: u64 = 256 << 10;

/// A directory as a hop.
pub(crate) struct DirectoryHop {
    store: LocalFileSystem,
    root: PathBuf,
    patience: Duration,
}

/// The files below a folder, and its path without links.
pub(crate) fn local(root: &Path) -> Result<(PathBuf, LocalFileSystem), crate::Error> {
    let unusable = |source| crate::Error::Root {
        path: root.to_owned(),
        source,
    };
    let root = root.canonicalize().map_err(unusable)?;
    let store = LocalFileSystem::new_with_prefix(&root).map_err(crate::Error::Store)?;
    Ok((root, store))
}

impl DirectoryHop {
    pub(crate) fn new(root: &Path, patience: Duration) -> Result<Self, crate::Error> {
        let (root, store) = local(root)?;
        Ok(Self {
            store,
            root,
            patience,
        })
    }

    async fn open(&self, fetch: &Fetch) -> Result<Answer, Failure> {
        let Some(key) = key("", &fetch.object.path) else {
            return Ok(absent());
        };
        let opening = timeout(
            self.patience,
            self.store.get_opts(&key, GetOptions::default()),
        );
        let opened = opening.await.map_err(|_elapsed| {
            let detail = format!("{key}: not opened within {:?}", self.patience);
            Failure::new(Stage::Broken, Error::new(Kind::HttpResponseTimeout, detail))
        })?;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return refusal(&error),
        };
        let GetResultPayload::File(file, _path) = opened.payload else {
            return Err(broken("the store gave a stream for a file".to_owned()));
        };
        let Some(version) = self.version(&file, &opened.meta)? else {
            return Ok(absent());
        };
        let file = OpenFile {
            file: Arc::new(file),
            version,
            name: key.to_string(),
        };
        Ok(answer(fetch, &opened.meta, file))
    }

    /// What the open file is, if it is a file within the root.
    fn version(&self, file: &File, meta: &ObjectMeta) -> Result<Option<Version>, Failure> {
        let failed = |error: io::Error| broken(format!("{}: {error}", meta.location));
        // The path of the open file itself: no link, and no race with one, leads out of the root.
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if !path.map_err(failed)?.starts_with(&self.root) {
            return Ok(None);
        }
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let modified = metadata.modified().map_err(failed)?;
        if metadata.len() != meta.size || modified != SystemTime::from(meta.last_modified) {
            return Err(broken(format!(
                "{} changed while it was opened",
                meta.location
            )));
        }
        Ok(Some(Version::of(&metadata)))
    }
}

impl Hop for DirectoryHop {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn ask<'a>(
        &'a self,
        fetch: &'a Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>> {
        Box::pin(self.open(fetch))
    }

    fn passes_on(&self, _head: &http::response::Parts) -> bool {
        false
    }

    fn repeats(&self) -> bool {
        false
    }
}

fn absent() -> Answer {
    Answer::bare(StatusCode::NOT_FOUND, HeaderMap::new())
}

fn broken(detail: String) -> Failure {
    Failure::new(
        Stage::Broken,
        Error::new(Kind::DestinationUnavailable, detail),
    )
}

/// What a failed open means: some are an answer.
fn refusal(error: &object_store::Error) -> Result<Answer, Failure> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::InvalidFilename => return Ok(absent()),
                io::ErrorKind::PermissionDenied => {
                    return Ok(Answer::bare(StatusCode::FORBIDDEN, HeaderMap::new()));
                }
                _ => {}
            }
        }
        cause = current.source();
    }
    match error {
        object_store::Error::NotFound { .. } | object_store::Error::InvalidPath { .. } => {
            Ok(absent())
        }
        _ => Err(broken(
            fault::of(Phase::Head, "directory", error)
                .detail()
                .to_owned(),
        )),
    }
}

fn answer(fetch: &Fetch, meta: &ObjectMeta, file: OpenFile) -> Answer {
    let modified = SystemTime::from(meta.last_modified);
    let mut headers = HeaderMap::new();
    let etag = meta.e_tag.as_deref().unwrap_or_default();
    insert(&mut headers, header::ETAG, etag);
    insert(
        &mut headers,
        header::LAST_MODIFIED,
        &httpdate::fmt_http_date(modified),
    );
    if let Some(media_type) = media_type::of(meta.location.as_ref()) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    // RFC 9110 section 13.2.2: conditions come before the range.
    match precondition(fetch.condition.as_ref(), etag, modified) {
        Precondition::Holds => {}
        Precondition::NotModified => return Answer::bare(StatusCode::NOT_MODIFIED, headers),
        Precondition::Failed => {
            return Answer::bare(StatusCode::PRECONDITION_FAILED, HeaderMap::new());
        }
    }
    let Some(range) = fetch.range else {
        return Answer::sized(StatusCode::OK, headers, meta.size, file.read(0, meta.size));
    };
    if range.first >= meta.size {
        return Answer::unsatisfiable(meta.size);
    }
    let last = range.last.min(meta.size - 1);
    let content_range = format!("bytes {}-{last}/{}", range.first, meta.size);
    insert(&mut headers, header::CONTENT_RANGE, &content_range);
    let body = file.read(range.first, last + 1);
    Answer::sized(
        StatusCode::PARTIAL_CONTENT,
        headers,
        last + 1 - range.first,
        body,
    )
}

#[derive(Debug, PartialEq, Eq)]
enum Precondition {
    Holds,
    NotModified,
    Failed,
}

fn precondition(condition: Option<&Condition>, etag: &str, modified: SystemTime) -> Precondition {
    let unless = |held: bool, otherwise| if held { Precondition::Holds } else { otherwise };
    match condition {
        None => Precondition::Holds,
        Some(Condition::IfMatch(wanted)) => unless(wanted.as_ref() == etag, Precondition::Failed),
        Some(Condition::IfNoneMatch(known)) => {
            // RFC 9110 section 13.1.2: compares weakly.
            let known = known.strip_prefix("W/").unwrap_or(known);
            unless(known != etag, Precondition::NotModified)
        }
        Some(Condition::IfModifiedSince(date)) => {
            let seconds = |time: SystemTime| {
                time.duration_since(SystemTime::UNIX_EPOCH)
                    .unwrap_or_default()
                    .as_secs()
            };
            // RFC 9110 section 13.1.3: a date that is none is ignored.
            let since = httpdate::parse_http_date(date).ok();
            let is_newer = since.is_none_or(|since| seconds(modified) > seconds(since));
            unless(is_newer, Precondition::NotModified)
        }
    }
}

/// What tells a version of a file from another one in the same inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    size: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        }
    }
}

/// A file that is being read.
#[derive(Clone)]
struct OpenFile {
    file: Arc<File>,
    version: Version,
    name: String,
}

impl OpenFile {
    /// The bytes from `first` up to `end`, piece by piece, each on a blocking thread.
    fn read(self, first: u64, end: u64) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::try_unfold((self, first), move |(file, at)| async move {
            if at >= end {
                return Ok(None);
            }
            let length = (end - at).min(PIECE_BYTES);
            let reader = file.clone();
            let read = tokio::task::spawn_blocking(move || reader.piece(at, length)).await;
            let piece =
                read.map_err(|error| Error::new(Kind::ProxyInternalError, error.to_string()))??;
            Ok(Some((piece, (file, at + length))))
        })
    }

    fn piece(&self, at: u64, length: u64) -> Result<Bytes, Error> {
        let failed = |error: io::Error| {
            Error::new(
                Kind::HttpResponseIncomplete,
                format!("{} at {at}: {error}", self.name),
            )
        };
        let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut piece, at).map_err(failed)?;
        // After the read: whatever changed it before or meanwhile shows now.
        if Version::of(&self.file.metadata().map_err(failed)?) != self.version {
            let detail = format!("{} changed while it was read", self.name);
            return Err(Error::new(Kind::HttpResponseIncomplete, detail));
        }
        Ok(piece.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_those_of_rfc_9110_section_13() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
        let holds = |condition| precondition(Some(&condition), "\"v1\"", modified);
        assert_eq!(
            holds(Condition::IfMatch("\"v1\"".into())),
            Precondition::Holds
        );
        assert_eq!(
            holds(Condition::IfMatch("W/\"v1\"".into())),
            Precondition::Failed
        );
        assert_eq!(
            holds(Condition::IfMatch("\"v2\"".into())),
            Precondition::Failed
        );
        assert_eq!(
            holds(Condition::IfNoneMatch("W/\"v1\"".into())),
            Precondition::NotModified
        );
        assert_eq!(
            holds(Condition::IfNoneMatch("\"v2\"".into())),
            Precondition::Holds
        );
        // The file has a fraction of a second that a date cannot have.
        let date = |s: u64| {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(s);
            Condition::IfModifiedSince(httpdate::fmt_http_date(date).into())
        };
        assert_eq!(holds(date(1_000)), Precondition::NotModified);
        assert_eq!(holds(date(999)), Precondition::Holds);
        assert_eq!(
            holds(Condition::IfModifiedSince("junk".into())),
            Precondition::Holds
        );
    }
}
