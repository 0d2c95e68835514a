use url::Url;

use crate::{Error, Format, Limits, Listing, list};

const LIMITS: Limits = Limits {
    text_bytes_max: 1 << 20,
    objects_max: 10,
    names_bytes_max: 2000,
};

fn listed(text: &str) -> Result<Listing, Error> {
    let base = Url::parse("https://cdn.example/film/index.m3u8?q=7").unwrap();
    list(Format::Hls, text.as_bytes(), &base, &LIMITS)
}

fn names(set: &indexmap::IndexSet<Box<str>>) -> Vec<&str> {
    set.iter().map(|name| &**name).collect()
}

#[test]
fn a_multivariant_playlist_names_variants_renditions_and_i_frames() {
    let text = "#EXTM3U\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en, fr\",URI=\"audio/en.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",INSTREAM-ID=\"CC1\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\r\nlow.m3u8\r\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2\n\n# a comment\n/film/high.m3u8#t\n\
        #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"https://other.example/i.m3u8\"\n";
    let found = listed(text).unwrap();
    assert_eq!(
        names(&found.playlists),
        [
            "https://cdn.example/film/audio/en.m3u8",
            "https://cdn.example/film/low.m3u8",
            "https://cdn.example/film/high.m3u8",
            "https://other.example/i.m3u8",
        ]
    );
    assert_eq!(names(&found.keys), ["https://cdn.example/film/k"]);
    assert!(found.objects.is_empty() && !found.is_live);
}

#[test]
fn a_media_playlist_names_segments_maps_parts_and_keys_once_each() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"../k?id=1\"\n\
        #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://asset\",KEYFORMAT=\"com.apple\"\n\
        #EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"data:text/plain;base64,AAAA\"\n\
        #EXT-X-KEY:METHOD=NONE\n\
        #EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"700@0\"\n\
        #EXTINF:4,\n#EXT-X-BYTERANGE:9000@700\nall.mp4\n\
        #EXTINF:4,\n#EXT-X-BYTERANGE:9000\nall.mp4\n\
        #EXT-X-PART:DURATION=1,URI=\"p1.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p2.m4s\"\n";
    let found = listed(text).unwrap();
    let objects = [
        "https://cdn.example/film/all.mp4",
        "https://cdn.example/film/p1.m4s",
    ];
    assert_eq!(names(&found.objects), objects);
    assert_eq!(names(&found.keys), ["https://cdn.example/k?id=1"]);
    assert!(found.is_live, "nothing says that it has ended");
    for end in ["#EXT-X-ENDLIST", "#EXT-X-PLAYLIST-TYPE:VOD"] {
        assert!(!listed(&format!("{text}{end}\n")).unwrap().is_live, "{end}");
    }
}

#[test]
fn variables_are_put_in_their_place_and_unknown_ones_fail_the_playlist() {
    // RFC 8216bis section 4.4.2.3.
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-DEFINE:NAME=\"d\",VALUE=\"v1/x\"\n\
        #EXT-X-DEFINE:QUERYPARAM=\"q\"\n#EXTINF:4,\n{$d}/1.ts?q={$q}\n";
    let found = listed(text).unwrap();
    assert_eq!(
        names(&found.objects),
        ["https://cdn.example/film/v1/x/1.ts?q=7"]
    );
    for bad in [
        "#EXTINF:4,\n{$nothing}/1.ts\n",
        "#EXTINF:4,\n{$open\n",
        "#EXT-X-DEFINE:QUERYPARAM=\"none\"\n",
        "#EXT-X-DEFINE:IMPORT=\"d\"\n",
    ] {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{bad}");
        assert!(listed(&text).is_err(), "{bad}");
    }
}

#[test]
fn variables_that_double_stay_short() {
    let mut text = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"a0\",VALUE=\"xx\"\n".to_owned();
    for turn in 1..60 {
        let before = turn - 1;
        let line =
            format!("#EXT-X-DEFINE:NAME=\"a{turn}\",VALUE=\"{{$a{before}}}{{$a{before}}}\"\n");
        text.push_str(&line);
    }
    let refused = Error::TooMany("characters of a reference");
    assert_eq!(listed(&text), Err(refused));
}

#[test]
fn what_is_no_whole_playlist_is_an_error_and_no_short_list() {
    for bad in [
        "",
        "<MPD/>",
        "#EXTM3U",
        "#EXTM3U8\n#EXT-X-TARGETDURATION:4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n#EXTINF:4,\na15.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://[\n",
    ] {
        assert!(listed(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_playlist_without_end_is_refused_in_time() {
    let segments = |names: &dyn Fn(usize) -> String, count: usize| {
        let lines: String = (0..count).map(names).collect();
        listed(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}"))
    };
    let different = |n: usize| format!("{n}.ts\n");
    assert_eq!(segments(&different, 10).unwrap().objects.len(), 10);
    assert_eq!(segments(&different, 11), Err(Error::TooMany("objects")));
    let same = |_: usize| "a.ts\n".to_owned();
    assert_eq!(segments(&same, 40).unwrap().objects.len(), 1);
    assert_eq!(segments(&same, 41), Err(Error::TooMany("objects")));
    let long = |n: usize| format!("{n}{}\n", "x".repeat(1000));
    assert_eq!(segments(&long, 2), Err(Error::TooMany("characters")));
    let endless = |_: usize| format!("{}\n", "x".repeat(5000));
    assert!(matches!(segments(&endless, 1), Err(Error::Reference(_))));
    let far = "x".repeat(LIMITS.text_bytes_max + 1);
    assert_eq!(listed(&far), Err(Error::TooLong(LIMITS.text_bytes_max)));
}
