//! Properties of all five schemes in all of their carriers: what is granted was signed, and the
//! token's scope really covers what the path means, however it is written.

#[cfg(test)]
mod tests {
    use std::{
        fmt,
        net::IpAddr,
        sync::{Arc, LazyLock},
    };

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    use proptest::{prelude::*, sample::select};
    use signing::{
        Algorithm, Carriers, Claims, Facts, Grant, KeySet, Label, ObjectPath, Policy, Scheme,
        Schemes, Scope, SigningKey, Verifier, cloudfront, edge_auth, media_cdn, uri_signing,
    };

    const NOW_S: u64 = 1_800_000_000;
    const END_S: u64 = NOW_S + 600;
    const ORIGIN: &str = "https://cdn.example";

    /// A request as it is sent. `{}` stands where its token goes.
    #[derive(Debug, Clone, Default)]
    struct Sent {
        path: String,
        query: Option<String>,
        field: Option<String>,
        cookies: Vec<String>,
    }

    /// Where a scheme's token goes: into which part, and as which text.
    #[derive(Debug, Clone, Copy)]
    enum Place {
        Query,
        Field,
        Cookie,
        /// Before the first segment.
        First,
        /// After the first segment of the path.
        After,
    }

    struct Case {
        scheme: &'static str,
        place: Place,
        /// What stands before the token.
        mark: &'static str,
        /// For all below a folder.
        token: fn(&str) -> String,
    }

    static KEYS: LazyLock<[SigningKey; 5]> = LazyLock::new(|| {
        [
            (Scheme::Native, Algorithm::Ed25519, "native"),
            (Scheme::UriSigning, Algorithm::HmacSha256, "cdni"),
            (Scheme::MediaCdn, Algorithm::Ed25519, "google"),
            (Scheme::CloudFront, Algorithm::EcdsaP256, "KAMAZON"),
            (Scheme::EdgeAuth, Algorithm::HmacSha256, "akamai"),
        ]
        .map(|(scheme, algorithm, kid)| {
            SigningKey::generate_for(scheme, algorithm, Label::parse(kid).unwrap()).unwrap()
        })
    });

    fn native(folder: &str) -> String {
        let scope = Scope::prefix(folder).unwrap();
        let site = Label::parse("films").unwrap();
        signing::sign(&KEYS[0], &Claims::new(site, scope, NOW_S - 9, END_S)).unwrap()
    }

    fn cdni(folder: &str) -> String {
        let regex = format!(r"https://cdn\.example{folder}.*");
        let what = uri_signing::Signed::Regex(&regex);
        uri_signing::sign(&KEYS[1], &what, NOW_S - 9, END_S, None).unwrap()
    }

    fn dual(folder: &str) -> String {
        let glob = format!("{folder}*");
        media_cdn::sign_patterns(&KEYS[2], &[&glob], None, END_S, None).unwrap()
    }

    fn url_prefix(folder: &str, separator: char) -> String {
        let prefix = BASE64.encode(format!("{ORIGIN}{folder}"));
        let fields =
            format!("URLPrefix={prefix}{separator}Expires={END_S}{separator}KeyName=google");
        let signature = BASE64.encode(KEYS[2].signature(fields.as_bytes()));
        format!("{fields}{separator}Signature={signature}")
    }

    fn amazon(folder: &str) -> String {
        cloudfront::sign(&KEYS[3], &format!("{ORIGIN}{folder}*"), None, END_S, None).unwrap()
    }

    fn akamai(folder: &str) -> String {
        let pattern = format!("{folder}*");
        edge_auth::sign_patterns(&KEYS[4], &[&pattern], None, END_S, None).unwrap()
    }

    fn url_prefix_query(folder: &str) -> String {
        url_prefix(folder, '&')
    }

    fn url_prefix_cookie(folder: &str) -> String {
        url_prefix(folder, ':')
    }

    fn amazon_cookies(folder: &str) -> String {
        amazon(folder).replace('&', "; CloudFront-")
    }

    const CASES: [Case; 14] = {
        use Place::{After, Cookie, Field, First, Query};
        [
            case("native", Query, "mp=", native),
            case("native", Cookie, "mp=", native),
            case("native", First, "/~", native),
            case("uri-signing", Query, "URISigningPackage=", cdni),
            case("uri-signing", Cookie, "URISigningPackage=", cdni),
            case("uri-signing", After, ";URISigningPackage=", cdni),
            case("media-cdn, dual", Query, "edge-cache-token=", dual),
            case("media-cdn, dual", Cookie, "Edge-Cache-Cookie=", dual),
            case("media-cdn", Query, "", url_prefix_query),
            case("media-cdn", Cookie, "Edge-Cache-Cookie=", url_prefix_cookie),
            case("cloudfront", Query, "", amazon),
            case("cloudfront", Cookie, "CloudFront-", amazon_cookies),
            case("edge-auth", Field, "", akamai),
            case("edge-auth", Cookie, "hdnts=", akamai),
        ]
    };

    const fn case(
        scheme: &'static str,
        place: Place,
        mark: &'static str,
        token: fn(&str) -> String,
    ) -> Case {
        Case {
            scheme,
            place,
            mark,
            token,
        }
    }

    impl fmt::Display for Case {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}, {:?}", self.scheme, self.place)
        }
    }

    impl Case {
        /// What stands at its place for all below a folder.
        fn text(&self, folder: &str) -> String {
            format!("{}{}", self.mark, (self.token)(folder))
        }
    }

    impl Sent {
        fn with(mut self, place: Place, text: &str) -> Self {
            match place {
                Place::Query => {
                    let before = self.query.take();
                    self.query =
                        Some(before.map_or_else(|| text.to_owned(), |own| format!("{own}&{text}")));
                }
                Place::Field => self.field = Some(text.to_owned()),
                Place::Cookie => self.cookies.push(text.to_owned()),
                Place::First => self.path.insert_str(0, text),
                Place::After => {
                    let slash = self.path.match_indices('/').nth(1);
                    let at = slash.map_or(self.path.len(), |(at, _)| at);
                    self.path.insert_str(at, text);
                }
            }
            self
        }
    }

    fn verifier() -> Verifier {
        let keys = KeySet::new(KEYS.iter().map(SigningKey::verify_key).collect()).unwrap();
        Verifier::new(Label::parse("films").unwrap(), keys, Policy::default())
    }

    /// What an edge does: the object and the grant, or nothing.
    fn ask(verifier: &Verifier, sent: &Sent) -> Option<(String, Arc<Grant>)> {
        let carriers = Carriers {
            schemes: Schemes::from_iter(Scheme::ALL),
            ..Carriers::default()
        };
        let cookies = sent.cookies.iter().map(String::as_str);
        let query = sent.query.as_deref();
        let found = carriers.find(&sent.path, query, sent.field.as_deref(), cookies);
        let found = found.ok()?;
        let path = ObjectPath::parse(&found.path).ok()?;
        let client: IpAddr = [192, 0, 2, 1].into();
        let mut facts = Facts::new(&path, client, NOW_S);
        (facts.origin, facts.query) = (ORIGIN, found.query.as_deref());
        let grant = verifier.verify(found.token?, &facts).ok()?;
        Some((path.to_string(), grant))
    }

    /// What a file server might make of a path: escapes decoded (twice over), backslashes turned, dot
    /// segments taken out, slashes joined, in lower case, cut at a zero byte or a `;`.
    fn lenient(path: &str) -> String {
        let mut text = path.replace('\\', "/");
        for _ in 0..2 {
            for (escape, byte) in [
                ("%2e", "."),
                ("%2E", "."),
                ("%2f", "/"),
                ("%2F", "/"),
                ("%5c", "/"),
                ("%5C", "/"),
                ("%25", "%"),
                ("%00", "\0"),
                ("%31", "1"),
                ("%46", "F"),
                ("%66", "f"),
            ] {
                text = text.replace(escape, byte);
            }
        }
        let text = text.split('\0').next().unwrap_or_default().to_owned();
        let mut kept: Vec<&str> = Vec::new();
        for segment in text.split('/') {
            match segment.split(';').next().unwrap_or_default() {
                "" | "." => {}
                ".." => drop(kept.pop()),
                other => kept.push(other),
            }
        }
        format!("/{}", kept.join("/"))
    }

    /// Segments that mean something else to somebody.
    fn any_path() -> impl Strategy<Value = String> {
        let odd = select(vec![
            "films",
            "Films",
            "FILMS",
            "1",
            "2",
            "10",
            "v.m4s",
            "",
            ".",
            "..",
            "%2e",
            "%2e%2e",
            "%2E.",
            "..%2f2",
            "%2f",
            "1%2f..%2f2",
            "%252e%252e",
            "1%00",
            "%31",
            "f%69lms",
            "..;",
            ";a=b",
            "~x",
            "..\\2",
            "1 ",
            "1+",
            "*",
            "?",
            "é",
            "%c0%ae%c0%ae",
            "edge-cache-token=x",
            "films;x",
        ]);
        let tail = prop::collection::vec(odd.clone(), 0..5);
        let inside = tail
            .clone()
            .prop_map(|tail| format!("/films/1/{}", tail.join("/")));
        let anywhere =
            prop::collection::vec(odd, 1..6).prop_map(|all| format!("/{}", all.join("/")));
        prop_oneof![inside, anywhere]
    }

    fn any_query() -> impl Strategy<Value = Option<String>> {
        let own = select(vec![
            "v=1",
            "v=",
            "=",
            "",
            "v",
            "=1",
            "v=1&v=2",
            "mp=",
            "mp=x",
            "URISigningPackage=",
            "hdnts=",
            "edge-cache-token=",
            "Expires=1",
            "Signature=",
            "Policy=",
            "KeyName=",
            "URLPrefix=",
            "%6dp=x",
            "MP=x",
            "a=%2e%2e",
            "a=%00",
            "a=%zz",
        ]);
        prop::option::of(prop::collection::vec(own, 1..3).prop_map(|own| own.join("&")))
    }

    fn any_cookies() -> impl Strategy<Value = Vec<String>> {
        let own = select(vec![
            "a=b",
            "mp=",
            "mp=x",
            "MP=x",
            " mp=x",
            "mp",
            "hdnts=",
            "URISigningPackage=x",
            "Edge-Cache-Cookie=",
            "CloudFront-Policy=",
            "CloudFront-Expires=1",
            "=",
            ";",
            "a=b; a=b",
        ]);
        prop::collection::vec(own.prop_map(str::to_owned), 0..3)
    }

    #[test]
    fn each_scheme_opens_its_folder_in_each_carrier() {
        let verifier = verifier();
        for case in &CASES {
            let ask = |path: &str| {
                let sent = Sent {
                    path: path.to_owned(),
                    ..Sent::default()
                };
                ask(&verifier, &sent.with(case.place, &case.text("/films/1/")))
            };
            let granted = ask("/films/1/v.m4s").map(|(path, _)| path);
            assert_eq!(granted.as_deref(), Some("/films/1/v.m4s"), "{case}");
            for other in [
                "/films/2/v.m4s",
                "/films/10",
                "/Films/1/v.m4s",
                "/films/1%2fv.m4s",
            ] {
                assert!(ask(other).is_none(), "{case}: {other}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        /// Whatever stands beside a good token, and however a path is written: what is granted lies
        /// in the token's folder, for a reader to the letter and for the most lenient one.
        #[test]
        fn what_is_granted_is_covered(
            which in 0..CASES.len(),
            path in any_path(),
            query in any_query(),
            cookies in any_cookies(),
        ) {
            let case = &CASES[which];
            let sent = Sent { path: path.clone(), query, cookies, ..Sent::default() };
            let sent = sent.with(case.place, &case.text("/films/1/"));
            if let Some((object, _)) = ask(&verifier(), &sent) {
                prop_assert!(object.starts_with("/films/1/"), "{case}: {sent:?}");
                prop_assert!(lenient(&object).starts_with("/films/1"), "{case}: {sent:?}");
                prop_assert_eq!(&object, &path, "{}: nothing but the token is taken out", case);
            }
        }

        /// A second token, of any scheme: refused where both are in the URL, and else what is granted
        /// is what one of the two was signed for.
        #[test]
        fn two_tokens_open_no_more_than_one_of_them(
            [first, second] in [0..CASES.len(), 0..CASES.len()],
            path in select(vec!["/films/1/a", "/films/2/a", "/films/3/a"]),
        ) {
            let (one, other) = (&CASES[first], &CASES[second]);
            let sent = Sent { path: path.to_owned(), ..Sent::default() };
            let sent = sent
                .with(one.place, &one.text("/films/1/"))
                .with(other.place, &other.text("/films/2/"));
            let granted = ask(&verifier(), &sent);
            prop_assert!(granted.is_none() || path != "/films/3/a", "{sent:?}");
            let in_url = |case: &Case| matches!(case.place, Place::Query | Place::First | Place::After);
            if in_url(one) && in_url(other) {
                prop_assert!(granted.is_none(), "{sent:?}");
            }
        }

        /// The same token twice in one carrier, byte for byte, is not one token.
        #[test]
        fn a_token_given_twice_is_none(which in 0..CASES.len()) {
            let case = &CASES[which];
            if matches!(case.place, Place::Field) {
                return Ok(());
            }
            let token = case.text("/films/1/");
            let sent = Sent { path: "/films/1/a".to_owned(), ..Sent::default() };
            let sent = sent.with(case.place, &token).with(case.place, &token);
            prop_assert!(ask(&verifier(), &sent).is_none(), "{case}: {sent:?}");
        }

        /// The beginning of one good token and the end of another are no third one.
        #[test]
        fn a_splice_of_two_tokens_is_what_one_of_them_was(
            which in 0..CASES.len(),
            cut in 0.0..1.0_f64,
            shift in -3_i32..4,
            path in select(vec!["/films/1/a", "/films/2/a", "/films/3/a", "/films/1"]),
        ) {
            let case = &CASES[which];
            let (one, other) = (case.text("/films/1/"), case.text("/films/2/"));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
            #[expect(clippy::cast_precision_loss, reason = "an index")]
            let at = (one.len() as f64 * cut) as usize;
            let from = at.saturating_add_signed(shift as isize).min(other.len());
            let spliced = format!("{}{}", &one[..at], &other[from..]);
            let sent = Sent { path: path.to_owned(), ..Sent::default() };
            if let Some((object, grant)) = ask(&verifier(), &sent.with(case.place, &spliced)) {
                let scope = grant.claims.scope.to_string();
                prop_assert!(
                    object == "/films/1/a" && scope.contains("films/1/")
                        || object == "/films/2/a" && scope.contains("films/2/"),
                    "{case}: {object} by {scope} of {spliced}"
                );
            }
        }
    }
}
