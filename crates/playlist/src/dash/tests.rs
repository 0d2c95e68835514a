use url::Url;

use crate::{Error, Format, Limits, Listing, list};

const LIMITS: Limits = Limits {
    text_bytes_max: 1 << 22,
    objects_max: 1000,
    names_bytes_max: 1 << 20,
};

fn listed(text: &str) -> Result<Listing, Error> {
    let base = Url::parse("https://cdn.example/film/manifest.mpd?q=7").unwrap();
    list(Format::Dash, text.as_bytes(), &base, &LIMITS)
}

fn names(text: &str) -> Vec<String> {
    let found = listed(text).unwrap();
    let names = found.objects.iter();
    let short = names.map(|name| {
        name.strip_prefix("https://cdn.example/film/")
            .unwrap_or(name)
    });
    short.map(str::to_owned).collect()
}

/// A manifest of ten seconds with one track of this inside.
fn with(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT0H0M10.5S\"><Period><AdaptationSet mimeType=\"video/mp4\">\
         <Representation id=\"v1\" bandwidth=\"800\">{inside}</Representation>\
         </AdaptationSet></Period></MPD>"
    )
}

#[test]
fn a_template_with_a_duration_names_as_many_as_fit_in_the_period() {
    let text = with(
        "<SegmentTemplate timescale=\"1000\" duration=\"4000\" startNumber=\"0\" \
         initialization=\"$RepresentationID$/i.mp4\" media=\"$RepresentationID$/$Number%03d$.m4s\"/>",
    );
    let expected = ["v1/i.mp4", "v1/000.m4s", "v1/001.m4s", "v1/002.m4s"];
    assert_eq!(names(&text), expected);
}

#[test]
fn a_timeline_tells_each_segments_time_and_number() {
    let text = with(
        "<SegmentTemplate timescale=\"10\" media=\"$Number$-$Time$.m4s\"><SegmentTimeline>\
         <S t=\"5\" d=\"20\" r=\"1\"/><S d=\"10\"/><S t=\"80\" d=\"20\" r=\"-1\"/>\
         </SegmentTimeline></SegmentTemplate>",
    );
    let expected = ["1-5.m4s", "2-25.m4s", "3-45.m4s", "4-80.m4s", "5-100.m4s"];
    assert_eq!(names(&text), expected, "the last until 10.5 s");
    let bounded = with(
        "<SegmentTemplate endNumber=\"2\" media=\"$Number$\"><SegmentTimeline>\
         <S t=\"0\" d=\"2\" r=\"-1\"/><S t=\"8\" d=\"2\"/></SegmentTimeline></SegmentTemplate>",
    );
    assert_eq!(names(&bounded), ["1", "2"]);
}

#[test]
fn what_outer_levels_say_holds_within_until_it_is_said_again() {
    let text = "<MPD mediaPresentationDuration=\"PT8S\"><BaseURL>vod/</BaseURL><Period>\
        <SegmentTemplate timescale=\"1\" duration=\"4\" media=\"$RepresentationID$-$Number$\"/>\
        <AdaptationSet><BaseURL>a/</BaseURL><SegmentTemplate startNumber=\"5\"/>\
        <Representation id=\"x\"><BaseURL>/root/</BaseURL></Representation>\
        <Representation id=\"y\"><SegmentTemplate startNumber=\"9\"/></Representation>\
        <Representation id=\"z\"><BaseURL>z.mp4</BaseURL><SegmentBase indexRange=\"0-9\"/>\
        </Representation></AdaptationSet></Period></MPD>";
    let expected = [
        "https://cdn.example/root/x-5",
        "https://cdn.example/root/x-6",
        "vod/a/y-9",
        "vod/a/y-10",
        "vod/a/z.mp4",
    ];
    assert_eq!(names(text), expected);
}

#[test]
fn of_base_addresses_that_are_alternatives_the_one_on_the_same_host_is_taken() {
    let text = with(
        "<BaseURL>https://other.example/f/</BaseURL><BaseURL>https://cdn.example/film/f/</BaseURL>\
         <SegmentList duration=\"5\"><SegmentURL media=\"1\"/></SegmentList>",
    );
    assert_eq!(names(&text), ["f/1"]);
    let away = with(
        "<BaseURL>https://other.example/f/</BaseURL>\
         <SegmentList duration=\"5\"><SegmentURL media=\"1\"/></SegmentList>",
    );
    assert_eq!(names(&away), ["https://other.example/f/1"]);
}

#[test]
fn lists_and_single_files_name_what_they_are_made_of_once() {
    let text = with(
        "<BaseURL>all&amp;1.mp4</BaseURL><SegmentList duration=\"5\">\
         <Initialization sourceURL=\"i.mp4\"/><RepresentationIndex sourceURL=\"x.sidx\"/>\
         <SegmentURL mediaRange=\"0-9\"/><SegmentURL mediaRange=\"10-19\"/>\
         <SegmentURL media=\"3.mp4\" index=\"3.idx\"/></SegmentList>",
    );
    let expected = ["i.mp4", "all&1.mp4", "3.mp4", "3.idx", "x.sidx"];
    assert_eq!(names(&text), expected);
    let file = with("<BaseURL><![CDATA[ sub.vtt ]]></BaseURL>");
    assert_eq!(names(&file), ["sub.vtt"]);
}

#[test]
fn a_period_lasts_until_the_next_begins() {
    let period = |attributes: &str, id: &str| {
        format!(
            "<Period {attributes}><AdaptationSet><SegmentTemplate duration=\"5\" \
             media=\"{id}$Number$\"/><Representation id=\"v\"/></AdaptationSet></Period>"
        )
    };
    let periods = [
        period("duration=\"PT5S\"", "a"),
        period("", "b"),
        period("start=\"PT15S\"", "c"),
    ];
    let text = format!(
        "<MPD mediaPresentationDuration=\"PT20S\">{}</MPD>",
        periods.concat()
    );
    assert_eq!(names(&text), ["a1", "b1", "b2", "c1"]);
}

#[test]
fn what_only_the_clock_tells_is_an_error() {
    let live = |inside: &str| {
        format!(
            "<MPD type=\"dynamic\"><Period start=\"PT0S\"><AdaptationSet>\
             <Representation id=\"v\">{inside}</Representation></AdaptationSet></Period></MPD>"
        )
    };
    for inside in [
        "<SegmentTemplate duration=\"2\" media=\"$Number$\"/>",
        "<SegmentTemplate media=\"$Time$\"><SegmentTimeline><S t=\"0\" d=\"2\" r=\"-1\"/>\
         </SegmentTimeline></SegmentTemplate>",
    ] {
        assert!(
            matches!(listed(&live(inside)), Err(Error::Unsupported(_))),
            "{inside}"
        );
    }
    let told = live(
        "<SegmentTemplate media=\"$Time$\"><SegmentTimeline><S t=\"4\" d=\"2\" r=\"1\"/>\
         </SegmentTimeline></SegmentTemplate>",
    );
    assert!(listed(&told).unwrap().is_live);
    assert_eq!(names(&told), ["4", "6"]);
}

#[test]
fn what_is_no_whole_manifest_is_an_error_and_no_short_list() {
    let good = with("<BaseURL>a</BaseURL>");
    assert!(listed(&good).is_ok());
    for end in [1, 40, good.len() / 2, good.len() - 1] {
        assert!(listed(&good[..end]).is_err(), "cut at {end}");
    }
    for bad in [
        "#EXTM3U".to_owned(),
        "<SmoothStreamingMedia/>".to_owned(),
        format!("{good}{good}"),
        with(""),
        with("<SegmentTemplate duration=\"0\" media=\"$Number$\"/>"),
        with("<SegmentTemplate duration=\"-5\" media=\"$Number$\"/>"),
        with("<SegmentTemplate duration=\"5\" media=\"$Time$\"/>"),
        with("<SegmentTemplate duration=\"5\"/>"),
        with("<SegmentList duration=\"5\"/>"),
        with("<SegmentBase/><SegmentList/>"),
        with(
            "<SegmentTemplate media=\"$Number$\"><SegmentTimeline><S t=\"1\"/></SegmentTimeline></SegmentTemplate>",
        ),
        with("<SegmentList xlink:href=\"https://cdn.example/more\"/>"),
        with("<BaseURL>&lol;</BaseURL>"),
        with("<BaseURL>http://[</BaseURL>"),
    ] {
        assert!(listed(&bad).is_err(), "{bad}");
    }
}

#[test]
fn entities_cannot_grow() {
    let bomb = format!(
        "<!DOCTYPE lolz [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>{}",
        with("<BaseURL>&b;</BaseURL>")
    );
    assert_eq!(listed(&bomb), Err(Error::Unsupported("a document type")));
}

#[test]
fn a_manifest_without_end_is_refused_in_time() {
    let timeline = |runs: &str| {
        let inside = format!(
            "<SegmentTemplate media=\"$Number$.m4s\"><SegmentTimeline>{runs}</SegmentTimeline>\
             </SegmentTemplate>"
        );
        listed(&with(&inside))
    };
    let too_many = Err(Error::TooMany("objects"));
    assert_eq!(timeline("<S d=\"1\" r=\"9223372036854775807\"/>"), too_many);
    assert_eq!(
        timeline(&"<S n=\"1\" d=\"1\" r=\"999\"/>".repeat(5)),
        too_many
    );
    let short = "<SegmentTemplate timescale=\"4294967295\" duration=\"1\" media=\"$Number$\"/>";
    assert_eq!(listed(&with(short)), too_many);
    // The same name for ever is named once.
    let same = "<SegmentTemplate timescale=\"4294967295\" duration=\"1\" media=\"one\"/>";
    assert_eq!(names(&with(same)), ["one"]);
    assert_eq!(
        timeline(&"<S d=\"1\"/>".repeat(100_001)),
        Err(Error::TooMany("elements"))
    );
    let attributes = "a=\"\" ".repeat(200);
    let many = with(&format!("<SegmentBase {attributes}/>"));
    assert_eq!(listed(&many), Err(Error::TooMany("attributes")));
    let deep = with(&"<a>".repeat(100_000));
    assert!(listed(&deep).is_err());
    let name = "x".repeat(1 << 20);
    let again = "$RepresentationID$".repeat(200);
    let long = format!(
        "<MPD><Period><AdaptationSet><SegmentTemplate media=\"{again}\"/>\
         <Representation id=\"{name}\"/></AdaptationSet></Period></MPD>"
    );
    let refused = Err(Error::TooMany("characters of a reference"));
    assert_eq!(listed(&long), refused, "and not after 200 MiB");
    let over = "<SegmentTemplate startNumber=\"18446744073709551615\" media=\"$Number$\"/>";
    assert!(listed(&with(over)).is_err());
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_read_panics(
        inside in "(<(S|SegmentTemplate|SegmentTimeline|SegmentURL|BaseURL)( (t|d|r|media|duration|endNumber|startNumber|timescale)=\"(\\$Number\\$|-1|0|1|18446744073709551615)\"){0,4}/?>|</(SegmentTimeline|SegmentTemplate)>|&a;|x){0,8}"
    ) {
        let _listed = listed(&with(&inside));
    }
}
