use url::Url;

use crate::{Error, Format, Limits, Listing, list};

const LIMITS: Limits = Limits {
    text_bytes_max: 1 << 22,
    objects_max: 1000,
    names_bytes_max: 1 << 20,
};

fn listed_of(text: &[u8]) -> Result<Listing, Error> {
    let base = Url::parse("https://cdn.example/film.ism/Manifest?q=7").unwrap();
    list(Format::Smooth, text, &base, &LIMITS)
}

fn listed(text: &str) -> Result<Listing, Error> {
    listed_of(text.as_bytes())
}

fn names(text: &str) -> Vec<String> {
    let found = listed(text).unwrap();
    let names = found.objects.iter();
    let short = names.map(|name| {
        let short = name.strip_prefix("https://cdn.example/film.ism/");
        short.unwrap_or(name).to_owned()
    });
    short.collect()
}

fn with(streams: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><SmoothStreamingMedia MajorVersion=\"2\" \
         MinorVersion=\"0\" Duration=\"100000000\">{streams}</SmoothStreamingMedia>"
    )
}

/// One track, of fragments that are named by their times alone.
fn times(fragments: &str) -> String {
    with(&format!(
        "<StreamIndex Type=\"video\" Url=\"{{start time}}\"><QualityLevel Bitrate=\"1\"/>{fragments}\
         </StreamIndex>"
    ))
}

#[test]
fn every_fragment_of_every_quality_of_every_stream_is_named() {
    let text = with(
        "<StreamIndex Type=\"video\" Chunks=\"3\" QualityLevels=\"2\" \
         Url=\"QualityLevels({bitrate})/Fragments(video={start time})\">\
         <QualityLevel Index=\"0\" Bitrate=\"2000000\" CodecPrivateData=\"00\"/>\
         <QualityLevel Index=\"1\" Bitrate=\"800000\"/>\
         <c n=\"0\" d=\"20000000\"/><c n=\"1\" d=\"20000000\"/><c d=\"9\"/></StreamIndex>\
         <StreamIndex Type=\"audio\" Url=\"QualityLevels({Bitrate},{CustomAttributes})/Fragments(en={start_time})\">\
         <QualityLevel Bitrate=\"64000\"><CustomAttributes><Attribute Name=\"lang\" Value=\"en\"/>\
         <Attribute Name=\"a\" Value=\"b&amp;c\"/></CustomAttributes></QualityLevel>\
         <c t=\"5\"><f>AAAA</f></c></StreamIndex>\
         <StreamIndex Type=\"text\" Url=\"{start time}\"/><Protection>x</Protection>",
    );
    let expected = [
        "QualityLevels(2000000)/Fragments(video=0)",
        "QualityLevels(2000000)/Fragments(video=20000000)",
        "QualityLevels(2000000)/Fragments(video=40000000)",
        "QualityLevels(800000)/Fragments(video=0)",
        "QualityLevels(800000)/Fragments(video=20000000)",
        "QualityLevels(800000)/Fragments(video=40000000)",
        "QualityLevels(64000,lang=en,a=b&c)/Fragments(en=5)",
    ];
    assert_eq!(names(&text), expected);
    let found = listed(&text).unwrap();
    assert!(found.playlists.is_empty() && found.keys.is_empty() && !found.is_live);
    let live = text.replace("Duration=", "IsLive=\"TRUE\" Duration=");
    assert!(listed(&live).unwrap().is_live);
}

#[test]
fn times_are_told_or_follow_and_fragments_repeat() {
    // [MS-SSTR] section 2.2.2.6: coded by durations, by times, or by both, and in series.
    for (fragments, expected) in [
        ("<c d=\"2\"/><c d=\"3\"/><c d=\"1\"/>", vec!["0", "2", "5"]),
        (
            "<c t=\"4\"/><c t=\"9\"/><c t=\"11\" d=\"2\"/>",
            vec!["4", "9", "11"],
        ),
        (
            "<c t=\"4\" d=\"2\"/><c d=\"2\"/><c t=\"20\" d=\"2\"/>",
            vec!["4", "6", "20"],
        ),
        (
            "<c t=\"4\" d=\"2\" r=\"3\"/><c d=\"2\"/>",
            vec!["4", "6", "8", "10"],
        ),
        ("<c d=\"2\" r=\"2\"/><c t=\"7\"/>", vec!["0", "2", "7"]),
    ] {
        assert_eq!(names(&times(fragments)), expected, "{fragments}");
    }
}

#[test]
fn a_manifest_in_utf_16_is_the_same_manifest() {
    let text = times("<c d=\"2\"/><c d=\"2\"/>").replace("utf-8", "utf-16");
    let marked = format!("\u{feff}{text}");
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let encoded: Vec<u8> = marked.encode_utf16().flat_map(bytes).collect();
        assert_eq!(listed_of(&encoded), listed(&text));
        assert_eq!(
            listed_of(&encoded[..encoded.len() - 1]),
            Err(Error::Encoding)
        );
    }
    assert_eq!(listed_of(b"\xff\xfe\x00\xd8<\0"), Err(Error::Encoding));
    let wide = format!(
        "\u{feff}{}",
        "\u{20ac}".repeat(LIMITS.text_bytes_max / 2 - 1)
    );
    let wide: Vec<u8> = wide.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(listed_of(&wide), Err(Error::TooLong(LIMITS.text_bytes_max)));
}

#[test]
fn what_is_no_whole_manifest_is_an_error_and_no_short_list() {
    let good = times("<c d=\"2\"/>");
    assert!(listed(&good).is_ok());
    for end in [1, 60, good.len() / 2, good.len() - 1] {
        assert!(listed(&good[..end]).is_err(), "cut at {end}");
    }
    for bad in [
        "#EXTM3U".to_owned(),
        "<MPD/>".to_owned(),
        format!("{good}{good}"),
        with(""),
        times("<c/>").replace("<c/>", "<c t=\"1\"/><c/>"),
        times("<c d=\"2\" r=\"0\"/>"),
        times("<c t=\"2\" r=\"2\"/>"),
        times("<c d=\"0\" r=\"2\"/>"),
        times("<c d=\"-2\"/>"),
        times("<c d=\"x\"/>"),
        times("<c t=\"18446744073709551615\" d=\"1\"/><c d=\"1\"/>"),
        times("<c d=\"2\"/>").replace("Url=", "Uri="),
        times("<c d=\"2\"/>").replace("<QualityLevel Bitrate=\"1\"/>", ""),
        times("<c d=\"2\"/>").replace("{start time}", "{start"),
        times("<c d=\"2\"/>").replace("{start time}", "http://["),
        with("<StreamIndex Url=\"{bitrate}\"><QualityLevel/><c d=\"1\"/></StreamIndex>"),
        with("<StreamIndex Url=\"{bitrate}\"><QualityLevel Bitrate=\"&lol;\"/></StreamIndex>"),
    ] {
        assert!(listed(&bad).is_err(), "{bad}");
    }
}

#[test]
fn entities_cannot_grow() {
    let bomb = format!(
        "<!DOCTYPE lolz [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>{}",
        times("<c d=\"2\"/>").replace("{start time}", "&b;")
    );
    assert_eq!(listed(&bomb), Err(Error::Unsupported("a document type")));
    let outside = format!(
        "<!DOCTYPE x SYSTEM \"https://cdn.example/x.dtd\">{}",
        times("<c d=\"2\"/>")
    );
    assert_eq!(listed(&outside), Err(Error::Unsupported("a document type")));
}

#[test]
fn a_manifest_without_end_is_refused_in_time() {
    let too_many = Err(Error::TooMany("objects"));
    for bomb in [
        "<c d=\"1\" r=\"18446744073709551615\"/>".to_owned(),
        "<c t=\"0\" d=\"1\" r=\"999\"/>".repeat(5),
        "<c t=\"0\" d=\"1\"/>".repeat(5000),
    ] {
        assert_eq!(listed(&times(&bomb)), too_many, "{bomb:.60}");
    }
    let tracks = "<QualityLevel Bitrate=\"1\"/>".repeat(5000);
    let crowd = times("<c d=\"1\"/>").replace("<c ", &format!("{tracks}<c "));
    assert_eq!(listed(&crowd), too_many);
    // The same name for ever is named once.
    let same = times("<c d=\"1\" r=\"18446744073709551615\"/>").replace("{start time}", "one");
    assert_eq!(names(&same), ["one"]);
    let elements = times(&"<c d=\"1\"/>".repeat(100_001));
    assert_eq!(listed(&elements), Err(Error::TooMany("elements")));
    let attributes = times(&format!("<c {}/>", "a=\"\" ".repeat(200)));
    assert_eq!(listed(&attributes), Err(Error::TooMany("attributes")));
    let custom = "<Attribute Name=\"n\" Value=\"v\"/>".repeat(2000);
    let custom = format!("<CustomAttributes>{custom}</CustomAttributes></QualityLevel>");
    let custom = times("").replace("Bitrate=\"1\"/>", &format!("Bitrate=\"1\">{custom}"));
    let refused = Err(Error::TooMany("characters of a reference"));
    assert_eq!(listed(&custom), refused);
    assert!(listed(&times(&"<a>".repeat(100_000))).is_err());
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_read_panics(
        inside in "(<(c|f|QualityLevel|StreamIndex|CustomAttributes|Attribute)( (t|d|r|n|Url|Bitrate|Name|Value)=\"(\\{bitrate\\}|\\{start time\\}|\\{|-1|0|1|2|18446744073709551615)\"){0,4}/?>|</(StreamIndex|QualityLevel|c)>|&a;|x){0,8}"
    ) {
        let _listed = listed(&with(&inside));
        let _listed = listed(&times(&inside));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64), mark in 0..3_usize) {
        let text = [&[][..], b"\xff\xfe", b"\xfe\xff"][mark].iter().chain(&bytes);
        let _listed = listed_of(&text.copied().collect::<Vec<u8>>());
    }

    #[test]
    fn each_fragment_begins_where_the_one_before_ends(
        runs in proptest::collection::vec((1..9_u64, 1..9_u64), 1..9),
    ) {
        let coded = runs.iter().map(|(d, r)| format!("<c d=\"{d}\" r=\"{r}\"/>"));
        let coded = coded.collect::<Vec<String>>().concat();
        let single = runs.iter().flat_map(|(d, r)| (0..*r).map(move |_| d));
        let expected: Vec<String> = single
            .scan(0, |time, d| {
                let begins = *time;
                *time += d;
                Some(begins.to_string())
            })
            .collect();
        proptest::prop_assert_eq!(names(&times(&coded)), expected);
    }
}
