//! Tests of carriers: what is found, what is refused, and that no token is left behind.

use proptest::prelude::*;

use super::*;

fn find<'a>(path: &'a str, query: Option<&'a str>) -> Result<Found<'a>, Malformed> {
    Carriers::default().find(path, query, None, std::iter::empty())
}

fn query_of(query: &str) -> Result<Option<String>, Malformed> {
    find("/a", Some(query)).map(|found| found.query.map(Cow::into_owned))
}

#[test]
fn a_query_token_leaves_the_other_parameters_in_their_order() {
    let cases = [
        ("mp=T", None),
        ("mp=T&a=1", Some("a=1")),
        ("a=1&mp=T", Some("a=1")),
        ("a=1&mp=T&b=2", Some("a=1&b=2")),
        ("xmp=1&mp=T&mpx=2", Some("xmp=1&mpx=2")),
        (
            "CMCD=bl%3D21300%2Csid%3D%226e2fb550%22&mp=T",
            Some("CMCD=bl%3D21300%2Csid%3D%226e2fb550%22"),
        ),
    ];
    for (query, rest) in cases {
        let found = find("/a", Some(query)).unwrap();
        assert_eq!(
            (found.token, found.carrier),
            (Some(Token::Native("T")), Some(Carrier::Query)),
            "{query}"
        );
        assert_eq!(found.query.as_deref(), rest, "{query}");
    }
}

#[test]
fn a_path_token_leaves_the_object_path() {
    let found = find("/~T/films/1/a.m4s", Some("CMCD=bl%3D1")).unwrap();
    assert_eq!(
        (found.token, found.carrier),
        (Some(Token::Native("T")), Some(Carrier::Path))
    );
    assert_eq!(
        (&*found.path, found.query.as_deref()),
        ("/films/1/a.m4s", Some("CMCD=bl%3D1"))
    );
    assert_eq!(find("/~T/", None).unwrap().path, "/");
    assert_eq!(
        find("/~/a", None).unwrap().token,
        Some(Token::Native("")),
        "denied later, not overlooked"
    );
    assert_eq!(find("/~T", None), Err(Malformed::TokenWithoutPath));
    assert_eq!(find("/~T/~U/a", None), Err(Malformed::TwoTokens));
    assert_eq!(
        find("/a/~T/b", None).unwrap().token,
        None,
        "only the first segment"
    );
}

#[test]
fn a_cookie_counts_only_when_the_url_has_no_token() {
    let carriers = Carriers::default();
    let fields = ["theme=dark; xmp=1", "a=\"b;c\"; mp=T; flag"];
    let found = carriers.find("/a", None, None, fields.into_iter()).unwrap();
    assert_eq!(
        (found.token, found.carrier),
        (Some(Token::Native("T")), Some(Carrier::Cookie))
    );
    let found = carriers
        .find("/a", Some("mp=Q"), None, fields.into_iter())
        .unwrap();
    assert_eq!(
        (found.token, found.carrier),
        (Some(Token::Native("Q")), Some(Carrier::Query))
    );
    let found = carriers
        .find("/~P/a", None, None, ["mp=T; mp=U"].into_iter())
        .unwrap();
    assert_eq!(
        (found.token, found.carrier),
        (Some(Token::Native("P")), Some(Carrier::Path))
    );
    let twice = carriers.find("/a", None, None, ["mp=T", "mp=U"].into_iter());
    assert_eq!(twice, Err(Malformed::TwoTokens));
    let absent = carriers
        .find("/a", None, None, ["Mp=T; ;=;"].into_iter())
        .unwrap();
    assert_eq!((absent.token, absent.carrier), (None, None));
}

/// Hardening row U18.
#[test]
fn a_token_given_twice_is_malformed() {
    assert_eq!(query_of("mp=T&mp=T"), Err(Malformed::TwoTokens));
    assert_eq!(query_of("mp=T&a=1&mp="), Err(Malformed::TwoTokens));
    assert_eq!(find("/~T/a", Some("mp=T")), Err(Malformed::TwoCarriers));
}

/// Hardening rows U14, U15, U16 and U20, and U21 for names.
#[test]
fn a_query_has_one_spelling() {
    for bad in [
        "", "&", "a=1&", "&a=1", "a=1&&b=2", "a", "mp", "=1", "mp=T&x",
    ] {
        let refused = query_of(bad);
        assert!(
            matches!(refused, Err(Malformed::QueryParameter { .. })),
            "{bad:?}: {refused:?}"
        );
    }
    let bytes = [
        "?mp=T", "mp=T;a=1", "a=1;mp=T", "a=1#f", "a=b+c", "%6dp=T", "m%70=T", "a=\0", "a=\r\n",
        "a=\t", "a= b", "a=ä", "a=\"b\"", "a=<b>", "a[]=1", "a=b\\c", "mp=T T",
    ];
    for bad in bytes {
        let refused = query_of(bad);
        assert!(
            matches!(refused, Err(Malformed::QueryByte { .. })),
            "{bad:?}: {refused:?}"
        );
    }
    for bad in [
        "a=%00", "a=%0d%0a", "a=%09", "a=%7f", "a=%", "a=%4", "a=%zz", "a=%+1", "a=%-1",
    ] {
        let refused = query_of(bad);
        assert!(
            matches!(refused, Err(Malformed::QueryEscape { .. })),
            "{bad:?}: {refused:?}"
        );
    }
    for other in ["MP=T", "Mp=T", "mp.=T"] {
        assert_eq!(find("/a", Some(other)).unwrap().token, None, "{other}");
    }
    for good in [
        "a=",
        "a=b=c",
        "a=1,2",
        "a=%20%2B%C3%A4",
        "CMCD=%00".trim_end_matches("%00"),
    ] {
        assert_eq!(query_of(good), Ok(Some(good.to_owned())), "{good}");
    }
}

#[test]
fn a_target_that_is_not_a_path_is_malformed() {
    for bad in ["", "*", "edge:443", "http://other/a", "~T/a"] {
        assert_eq!(find(bad, None), Err(Malformed::NotAbsolute), "{bad:?}");
    }
}

#[test]
fn names_are_configurable_and_checked() {
    let carriers: Carriers =
        serde_json::from_str(r#"{"parameter": "token", "cookie": "films"}"#).unwrap();
    let found = carriers
        .find("/a", Some("mp=1&token=T"), None, std::iter::empty())
        .unwrap();
    assert_eq!(
        (found.token, found.query.as_deref()),
        (Some(Token::Native("T")), Some("mp=1"))
    );
    assert!(serde_json::from_str::<Carriers>(r#"{"parameter": "a=b"}"#).is_err());
    assert!(serde_json::from_str::<Carriers>(r#"{"header": "x"}"#).is_err());
}

#[test]
fn a_signed_url_is_found_again() {
    let carriers = Carriers::default();
    let signed = |url, carrier| carriers.signed_url(url, carrier, "T");
    let url = "https://cdn.example:8443/films/1/a.m3u8";
    assert_eq!(signed(url, Carrier::Query).unwrap(), format!("{url}?mp=T"));
    let with_query = format!("{url}?v=2");
    assert_eq!(
        signed(&with_query, Carrier::Query).unwrap(),
        format!("{url}?v=2&mp=T")
    );
    assert_eq!(
        signed(&with_query, Carrier::Path).unwrap(),
        "https://cdn.example:8443/~T/films/1/a.m3u8?v=2"
    );
    let bad = [
        "ftp://h/a",
        "https:///a",
        "https://h",
        "https://h?a=1",
        "https://h/a#f",
        "/a",
        "https://h/a b",
        "https://h/a/../b",
        "https://h/~T/a",
        "https://h/a?mp=T",
        "https://h/a?",
    ];
    for bad in bad {
        assert!(signed(bad, Carrier::Query).is_err(), "{bad}");
    }
    assert!(
        signed(url, Carrier::Cookie)
            .unwrap_err()
            .to_string()
            .contains("Set-Cookie")
    );
    let path = ObjectPath::parse("/films/1").unwrap();
    assert_eq!(
        carriers.set_cookie("T", &path, 60),
        "mp=T; Path=/films/1; Max-Age=60; Secure; HttpOnly; SameSite=None"
    );
}

/// Hardening row U42.
#[test]
fn no_token_survives_redaction() {
    let carriers = Carriers::default();
    let cases = [
        ("/a?mp=SECRET", "/a?mp=-"),
        ("/a?b=1&mp=SECRET&c=2", "/a?b=1&mp=-&c=2"),
        ("/~SECRET/a/b", "/~-/a/b"),
        ("https://h/~SECRET/a?mp=SECRET#f", "https://h/~-/a?mp=-#f"),
        ("mp=SECRET; theme=dark", "mp=-; theme=dark"),
        ("a=1; mp=SECRET", "a=1; mp=-"),
        ("/~SECRET", "/~-"),
        ("/ä/~SECRET/ü?mp=SECRET", "/ä/~-/ü?mp=-"),
    ];
    for (text, shown) in cases {
        assert_eq!(carriers.redacted(text), shown);
    }
    let plain = "/films/1/a.m4s?xmp=1&mpx=2";
    assert!(matches!(carriers.redacted(plain), Cow::Borrowed(text) if text == plain));
    let found = find("/a", Some("mp=SECRET")).unwrap();
    assert!(!format!("{found:?}").contains("SECRET"));
}

proptest! {
    /// Whatever is found, nothing that is left names the parameter or starts with a tilde.
    #[test]
    fn what_is_left_carries_no_token(
        path in "(/~?[aT]{0,2}){1,3}",
        query in prop::option::of("(&?(mp|a|b|mpx)=[T%3D;]{0,3}){0,4}"),
    ) {
        let carriers = Carriers::default();
        if let Ok(found) = carriers.find(&path, query.as_deref(), None, std::iter::empty()) {
            prop_assert!(!found.path.starts_with("/~"));
            let rest = found.query.as_deref().unwrap_or("a=1");
            prop_assert!(rest.split('&').all(|p| !p.starts_with("mp=") && p.contains('=')));
            prop_assert_ne!(rest, "");
        }
    }

    #[test]
    fn any_target_is_answered(
        path in any::<String>(),
        query in prop::option::of(any::<String>()),
        cookie in any::<String>(),
    ) {
        let carriers = Carriers::default();
        let _ = carriers.find(&path, query.as_deref(), None, [cookie.as_str()].into_iter());
        let _ = carriers.redacted(&path);
        let _ = carriers.signed_url(&path, Carrier::Path, "T");
    }

    #[test]
    fn redaction_leaves_no_token(text in "[/~?&=#mp;a ]{0,8}", tail in "[?&#;/ ]?") {
        let carriers = Carriers::default();
        let target = format!("{text}?mp=SECRET{tail}/~SECRET");
        prop_assert!(!carriers.redacted(&target).contains("SECRET"));
    }
}
