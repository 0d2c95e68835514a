//! Content types of what players ask for, where the origin does not know better.

use http::{HeaderMap, HeaderValue, header};

/// RFC 8216 section 4, DASH (ISO/IEC 23009-1) and the IANA registry. What a browser would run
/// (HTML, scripts, SVG) is not here: bytes that an origin calls bytes must not turn into a page.
const TYPES: &[(&str, &str)] = &[
    ("m4s", "video/iso.segment"),
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("cmfv", "video/mp4"),
    ("m4a", "audio/mp4"),
    ("cmfa", "audio/mp4"),
    ("cmft", "application/mp4"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("mpd", "application/dash+xml"),
    ("ts", "video/mp2t"),
    ("aac", "audio/aac"),
    ("ac3", "audio/ac3"),
    ("ec3", "audio/eac3"),
    ("mp3", "audio/mpeg"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("weba", "audio/webm"),
    ("mkv", "video/matroska"),
    ("mov", "video/quicktime"),
    ("vtt", "text/vtt"),
    ("srt", "application/x-subrip"),
    ("ttml", "application/ttml+xml"),
    ("key", "application/octet-stream"),
    ("json", "application/json"),
    ("txt", "text/plain"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/vnd.microsoft.icon"),
];

/// The content type that a path's extension stands for, in any case of letters.
fn by_extension(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next()?;
    let (_, extension) = name.rsplit_once('.')?;
    let known = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension));
    known.map(|(_, content_type)| *content_type)
}

/// Sets `Content-Type` by the extension of `path` (without a query), where the origin sent none or
/// one that only says "bytes".
pub fn correct(headers: &mut HeaderMap, path: &str) {
    if headers
        .get(header::CONTENT_TYPE)
        .is_none_or(says_only_bytes)
        && let Some(content_type) = by_extension(path)
    {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
}

/// What object stores and web servers send for an extension they do not know.
fn says_only_bytes(value: &HeaderValue) -> bool {
    let is = |known: &str| {
        value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(known.as_bytes())
    };
    [
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "application/binary",
        "binary",
    ]
    .into_iter()
    .any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corrected(sent: Option<&str>, path: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(sent) = sent {
            headers.insert(header::CONTENT_TYPE, sent.parse().unwrap());
        }
        correct(&mut headers, path);
        headers
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn players_get_the_types_they_need() {
        let rows = [
            ("/a/master.m3u8", "application/vnd.apple.mpegurl"),
            ("/a/manifest.mpd", "application/dash+xml"),
            ("/a/chunk-1.m4s", "video/iso.segment"),
            ("/a/v.CMFV", "video/mp4"),
            ("/a/a.cmfa", "audio/mp4"),
            ("/a/1.ts", "video/mp2t"),
            ("/a/s.vtt", "text/vtt"),
            ("/a/poster.jpg", "image/jpeg"),
        ];
        for (path, content_type) in rows {
            for sent in [
                None,
                Some("binary/octet-stream"),
                Some("Application/Octet-Stream"),
            ] {
                assert_eq!(
                    corrected(sent, path).as_deref(),
                    Some(content_type),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn the_origin_knows_better() {
        assert_eq!(
            corrected(Some("video/mp4"), "/a.m4s").as_deref(),
            Some("video/mp4")
        );
    }

    #[test]
    fn what_nobody_knows_stays_as_it_is() {
        for path in [
            "/x.html",
            "/x.svg",
            "/x.js",
            "/",
            "/a",
            "/a.d/b",
            "/a.",
            "/.m4s/b",
            "/a.unknown",
            "",
        ] {
            assert_eq!(corrected(None, path), None, "{path}");
        }
        assert_eq!(
            corrected(Some("binary/octet-stream"), "/a").unwrap(),
            "binary/octet-stream"
        );
    }

    #[test]
    fn every_entry_can_be_found_and_is_lower_case() {
        for (extension, content_type) in TYPES {
            assert_eq!(
                by_extension(&format!("/x.{extension}")),
                Some(*content_type)
            );
            assert_eq!(*extension, extension.to_lowercase());
        }
    }
}
