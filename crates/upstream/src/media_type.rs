//! Media types by file name, for stores that keep none.

/// The `Content-Type` of a file in a directory, if its ending tells.
pub(crate) fn of(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    let media_type = match ending.to_ascii_lowercase().as_str() {
        // RFC 8216 section 4.
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "m4s" => "video/iso.segment",
        "mp4" | "cmfv" | "m4v" => "video/mp4",
        "m4a" | "cmfa" => "audio/mp4",
        "ts" => "video/mp2t",
        "aac" => "audio/aac",
        "mp3" => "audio/mpeg",
        "flac" => "audio/flac",
        "ogg" | "opus" => "audio/ogg",
        "webm" => "video/webm",
        "vtt" => "text/vtt",
        "ttml" => "application/ttml+xml",
        "json" => "application/json",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "key" | "bin" => "application/octet-stream",
        _ => return None,
    };
    Some(media_type)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_players_files_have_their_types() {
        assert_eq!(
            super::of("/a/master.m3u8"),
            Some("application/vnd.apple.mpegurl")
        );
        assert_eq!(super::of("/a.b/chunk-1.M4S"), Some("video/iso.segment"));
        assert_eq!(super::of("/a.mp4/file"), None);
        assert_eq!(super::of("/a/unknown.xyz"), None);
    }
}
