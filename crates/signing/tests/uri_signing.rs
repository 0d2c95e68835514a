//! CDNI URI Signing: the tokens of RFC 9246's appendix A, each claim, and renewal.

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    use serde_json::{Value, json};
    use signing::{
        Algorithm, Denied, Facts, Grant, Jti, KeySet, Label, Nonces, ObjectPath, Policy, Scheme,
        SigningKey, Token, Verifier, uri_signing,
    };
    use std::sync::Arc;

    const ORIGIN: &str = "https://cdn.example";
    const NOW_S: u64 = 1_800_000_000;
    type Verdict = Result<Arc<Grant>, Denied>;

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::generate_for(Scheme::UriSigning, algorithm, label("k1")).unwrap()
    }

    fn policy() -> Policy {
        Policy {
            audience: Some("edge".to_owned()),
            renews: true,
            ..Policy::default()
        }
    }

    fn verifier(key: &SigningKey, policy: Policy) -> Verifier {
        let mut half = key.verify_key();
        half.issuer = Some("owner".into());
        Verifier::new(label("films"), KeySet::new(vec![half]).unwrap(), policy)
    }

    fn ask(verifier: &Verifier, token: &str, path: &str, now_s: u64) -> Verdict {
        let path = ObjectPath::parse(path).unwrap();
        let mut facts = Facts::new(&path, [192, 0, 2, 1].into(), now_s);
        facts.origin = ORIGIN;
        verifier.verify(Token::UriSigning(token), &facts)
    }

    fn jwt(key: &SigningKey, header: &Value, claims: &str) -> String {
        let text = format!(
            "{}.{}",
            BASE64.encode(header.to_string()),
            BASE64.encode(claims)
        );
        let signature = BASE64.encode(key.signature(text.as_bytes()));
        format!("{text}.{signature}")
    }

    /// A good token with some claims changed; `null` takes one away.
    fn with(key: &SigningKey, changes: &Value) -> String {
        let mut claims = json!({
            "exp": NOW_S + 600, "cdniuc": r"regex:https://cdn\.example/films/.*",
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        jwt(
            key,
            &json!({"alg": "HS256", "kid": "k1"}),
            &claims.to_string(),
        )
    }

    const APPENDIX_KEYS: &str = r#"{"version": 1, "keys": [{
        "kid": "appendix", "scheme": "uri-signing", "alg": "ecdsa-p256-sha-256",
        "name": "P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0", "issuer": "uCDN Inc",
        "public": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbe807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ-s4YLi8jr2D5YX0AYRUjfuw03BuMjMHFKMu8gvt_dEEA"
    }]}"#;

    /// RFC 9246 appendix A: one URL by its hash, and the two of a chain; the complex one, which is
    /// encrypted in part, stands in `uri_signing_sealed.rs`.
    #[test]
    fn the_tokens_of_the_appendix_verify() {
        let tokens: Vec<_> = include_str!("vectors/rfc9246.txt").lines().collect();
        let keys = KeySet::parse(APPENDIX_KEYS.as_bytes()).unwrap();
        let policy = Policy {
            max_lifetime_s: 300_000,
            jti: Jti::Id,
            audience: Some("dCDN LLC".to_owned()),
            renews: true,
            ..Policy::default()
        };
        let verifier = Verifier::new(label("films"), keys, policy);
        let ask = |token: &str, path: &str| {
            let path = ObjectPath::parse(path).unwrap();
            let mut facts = Facts::new(&path, [192, 0, 2, 1].into(), 1_641_000_000);
            facts.origin = "http://cdni.example";
            verifier.verify(Token::UriSigning(token), &facts)
        };
        assert!(ask(tokens[0], "/foo/bar").is_ok());
        assert_eq!(ask(tokens[0], "/foo/baz"), Err(Denied::OutOfScope));
        assert_eq!(ask(tokens[1], "/foo/bar/123.png"), Err(Denied::NotOpened));
        for chained in &tokens[2..] {
            let grant = ask(chained, "/foo/bar/123.ts").unwrap();
            assert_eq!(grant.renewal.as_ref().unwrap().lifetime_s(), 30);
            assert_eq!(ask(chained, "/foo/bar/1234.ts"), Err(Denied::OutOfScope));
        }
    }

    #[test]
    fn each_claim_is_obeyed() {
        let key = key(Algorithm::HmacSha256);
        let verifier = verifier(&key, policy());
        let label = |changes: Value| {
            let verdict = ask(&verifier, &with(&key, &changes), "/films/1", NOW_S);
            verdict.map_or_else(|denied| denied.label(), |_| "granted")
        };
        let cases = [
            (json!({}), "granted"),
            (json!({"iss": "owner"}), "granted"),
            (json!({"iss": "other"}), "wrong_issuer"),
            (json!({"aud": "edge"}), "granted"),
            (json!({"aud": ["x", "edge"]}), "granted"),
            (json!({"aud": "x"}), "wrong_audience"),
            (json!({"aud": []}), "wrong_audience"),
            (json!({"exp": NOW_S}), "expired"),
            (json!({"exp": null}), "layout"),
            (json!({"exp": "soon"}), "layout"),
            (json!({"exp": -1}), "layout"),
            (json!({"exp": -0.5}), "layout"),
            (json!({"exp": 1e300}), "layout"),
            // RFC 7519 section 2: a fraction is allowed; it prolongs nothing.
            (json!({"exp": 1_800_000_000.9}), "expired"),
            (json!({"exp": 1_800_000_001.5}), "granted"),
            (json!({"nbf": 1_799_999_999.5}), "granted"),
            (json!({"nbf": 1_800_000_000.5}), "not_yet_valid"),
            (json!({"nbf": NOW_S}), "granted"),
            // RFC 9246 section 2.1.5: no leeway.
            (json!({"nbf": NOW_S + 1}), "not_yet_valid"),
            (json!({"jti": "once"}), "nonce"),
            (json!({"cdniv": 1}), "granted"),
            (json!({"cdniv": 2}), "layout"),
            (json!({"cdnicrit": "exp,cdniuc"}), "granted"),
            (json!({"cdnicrit": "exp,cdnifoo"}), "critical_claim"),
            (json!({"cdnifoo": 1}), "granted"),
            (json!({"cdniip": "192.0.2.0/24"}), "granted"),
            (json!({"cdniip": "198.51.100.0/24"}), "wrong_client"),
            (json!({"cdniip": "a.b.c.d.e"}), "not_opened"),
            (json!({"cdniip": "everybody"}), "layout"),
            (json!({"cdniuc": null}), "layout"),
            (
                json!({"cdniuc": "regex:https://cdn\\.example/other/.*"}),
                "out_of_scope",
            ),
            (json!({"cdniuc": "regex:films"}), "out_of_scope"),
            (json!({"cdniuc": "regex:("}), "layout"),
            (json!({"cdniuc": "hash:sha-256;AAAA"}), "layout"),
            (json!({"cdniuc": "hash:md5;AAAA"}), "layout"),
            (json!({"cdniuc": "https://cdn.example/films/1"}), "layout"),
            (json!({"cdniets": 30}), "layout"),
            (json!({"cdnistt": 1}), "layout"),
            (json!({"cdniets": 30, "cdnistt": 3}), "layout"),
            (
                json!({"cdniets": 30, "cdnistt": 1, "cdnistd": -1}),
                "layout",
            ),
            (json!({"cdniets": 30, "cdnistt": 1}), "granted"),
        ];
        for (changes, expected) in cases {
            assert_eq!(label(changes.clone()), expected, "{changes}");
        }
    }

    /// U22, U41: no header chooses an algorithm, nothing is said twice, nothing nests for ever.
    #[test]
    fn a_header_or_payload_that_plays_tricks_is_denied() {
        let key = key(Algorithm::HmacSha256);
        let verifier = verifier(&key, policy());
        let claims = format!(
            r#"{{"exp": {}, "cdniuc": "regex:https://cdn.example/.*"}}"#,
            NOW_S + 9
        );
        let good = jwt(&key, &json!({"alg": "HS256"}), &claims);
        assert!(
            ask(&verifier, &good, "/a", NOW_S).is_ok(),
            "a kid is no must"
        );
        let headers = [
            json!({"alg": "none"}),
            json!({"alg": "ES256"}),
            json!({"alg": "hs256"}),
            json!({}),
            json!({"alg": "HS256", "kid": "other"}),
            json!({"alg": "HS256", "crit": ["exp"]}),
            json!({"alg": "HS256", "kid": 1}),
            json!([]),
        ];
        for header in headers {
            let token = jwt(&key, &header, &claims);
            assert!(ask(&verifier, &token, "/a", NOW_S).is_err(), "{header}");
        }
        let twice = claims.replace('{', r#"{"exp": 9999999999, "#);
        let nested = format!(r#"{{"exp": {}, "cdniuc": {}"#, NOW_S + 9, "[".repeat(1000));
        for payload in [twice.as_str(), nested.as_str(), "[]", "", "{}"] {
            let token = jwt(&key, &json!({"alg": "HS256"}), payload);
            assert!(ask(&verifier, &token, "/a", NOW_S).is_err(), "{payload}");
        }
        let (text, _) = good.rsplit_once('.').unwrap();
        for token in [
            text.to_owned(),
            format!("{text}."),
            format!("{good}.x"),
            format!("{good}="),
        ] {
            assert!(ask(&verifier, &token, "/a", NOW_S).is_err(), "{token}");
        }
    }

    /// The public half of a pair used as a secret, the classic confusion.
    #[test]
    fn a_public_key_is_no_secret() {
        let pair = key(Algorithm::Ed25519);
        let public = pair.verify_key().public().unwrap();
        let file = format!(
            r#"{{"version": 1, "kid": "k1", "scheme": "uri-signing", "alg": "hmac-sha-256", "secret": "{public}"}}"#
        );
        let forger = SigningKey::parse(file.as_bytes()).unwrap();
        let verdict = ask(
            &verifier(&pair, policy()),
            &with(&forger, &json!({})),
            "/films/1",
            NOW_S,
        );
        assert_eq!(verdict, Err(Denied::WrongAlgorithm));
    }

    /// RFC 9246 section 3: the next token has the same claims and a new end, and works in its turn.
    #[test]
    fn a_renewed_token_is_good_for_the_same_from_now_on() {
        for algorithm in [
            Algorithm::HmacSha256,
            Algorithm::EcdsaP256,
            Algorithm::Ed25519,
        ] {
            let key = key(algorithm);
            let verifier = verifier(&key, policy());
            let what = uri_signing::Signed::Regex(r"https://cdn\.example/films/.*");
            let first = uri_signing::sign(&key, &what, NOW_S, NOW_S + 30, Some(40)).unwrap();
            let grant = ask(&verifier, &first, "/films/1/a", NOW_S + 20).unwrap();
            let renewal = grant.renewal.as_ref().unwrap();
            let next = renewal.next(&key, NOW_S + 20).unwrap();
            assert_eq!(
                ask(&verifier, &first, "/films/1/a", NOW_S + 30),
                Err(Denied::Expired { ago_s: 0 })
            );
            let renewed = ask(&verifier, &next, "/films/1/b", NOW_S + 59).unwrap();
            assert_eq!(renewed.claims.not_after_s, NOW_S + 60);
            assert_eq!(renewed.claims.scope, grant.claims.scope);
            assert!(renewed.renewal.is_some());
            assert_eq!(
                ask(&verifier, &next, "/music/1", NOW_S + 59),
                Err(Denied::OutOfScope)
            );
        }
    }

    /// Section 2.1.14: the cookie is for the first segments of the path, if it has so many.
    #[test]
    fn a_renewal_cookie_is_for_the_folders_that_it_names() {
        let key = key(Algorithm::HmacSha256);
        let verifier = verifier(&key, policy());
        let path_at = |depth: Option<u64>| {
            let changes = json!({"cdniets": 30, "cdnistt": 1, "cdnistd": depth});
            let grant = ask(&verifier, &with(&key, &changes), "/films/1/a", NOW_S).unwrap();
            let path = ObjectPath::parse("/films/1/a").unwrap();
            grant
                .renewal
                .as_ref()
                .unwrap()
                .cookie_path(&path)
                .map(str::to_owned)
        };
        assert_eq!(path_at(None).as_deref(), Some("/"));
        assert_eq!(path_at(Some(0)).as_deref(), Some("/"));
        assert_eq!(path_at(Some(1)).as_deref(), Some("/films"));
        assert_eq!(path_at(Some(2)).as_deref(), Some("/films/1"));
        assert_eq!(path_at(Some(3)), None);
    }

    #[test]
    fn a_site_that_cannot_renew_says_so_at_once() {
        let key = key(Algorithm::HmacSha256);
        let policy = Policy {
            renews: false,
            ..policy()
        };
        let verifier = verifier(&key, policy);
        let token = with(&key, &json!({"cdniets": 30, "cdnistt": 1}));
        assert_eq!(
            ask(&verifier, &token, "/films/1", NOW_S),
            Err(Denied::NoRenewal)
        );
        let in_a_query = with(&key, &json!({"cdniets": 30, "cdnistt": 2}));
        assert!(
            ask(&verifier, &in_a_query, "/films/1", NOW_S)
                .unwrap()
                .renewal
                .is_none()
        );
    }

    fn once(now_s: u64, nonces_max: u64) -> (SigningKey, Verifier) {
        let key = key(Algorithm::HmacSha256);
        let policy = Policy {
            jti: Jti::Once,
            nonces_max,
            ..policy()
        };
        let verifier = verifier(&key, policy).remembering(Arc::new(Nonces::since(now_s)));
        (key, verifier)
    }

    /// RFC 9246 section 2.1.7.
    #[test]
    fn a_nonce_is_good_for_one_request_whichever_token_brings_it() {
        let (key, verifier) = once(NOW_S, 8);
        let token = with(&key, &json!({"jti": "n-1", "iat": NOW_S}));
        let other = with(
            &key,
            &json!({"jti": "n-1", "iat": NOW_S, "exp": NOW_S + 300}),
        );
        // What is refused for another reason is not spent.
        assert_eq!(
            ask(&verifier, &token, "/music/1", NOW_S),
            Err(Denied::OutOfScope)
        );
        assert!(ask(&verifier, &token, "/films/1", NOW_S).is_ok());
        for again in [&token, &other] {
            let verdict = ask(&verifier, again, "/films/1", NOW_S + 299);
            assert_eq!(verdict, Err(Denied::Replayed));
        }
        let next = with(&key, &json!({"jti": "n-2", "iat": NOW_S}));
        assert!(ask(&verifier, &next, "/films/1", NOW_S).is_ok());
        let plain = with(&key, &json!({}));
        for _ in 0..2 {
            assert!(ask(&verifier, &plain, "/films/1", NOW_S).is_ok(), "no jti");
        }
    }

    #[test]
    fn a_token_that_may_have_been_used_before_a_restart_is_refused() {
        let (key, verifier) = once(NOW_S - 10, 8);
        for (changes, label) in [
            (json!({"iat": NOW_S - 11}), "nonce_unknown"),
            (json!({"iat": NOW_S - 10}), "granted"),
            (json!({"iat": NOW_S - 99, "nbf": NOW_S - 5}), "granted"),
            // It says neither: it was good all its longest life, a day.
            (json!({}), "nonce_unknown"),
            (json!({"exp": NOW_S + 86_390}), "granted"),
            (json!({"exp": NOW_S + 86_389}), "nonce_unknown"),
        ] {
            let mut claims = changes.clone();
            claims["jti"] = changes.to_string().into();
            let verdict = ask(&verifier, &with(&key, &claims), "/films/1", NOW_S);
            let found = verdict.map_or_else(|denied| denied.label(), |_| "granted");
            assert_eq!(found, label, "{changes}");
        }
    }

    #[test]
    fn a_flood_of_nonces_makes_no_node_forget() {
        let (key, verifier) = once(NOW_S, 4);
        let token = |n: u64| with(&key, &json!({"jti": n.to_string(), "iat": NOW_S}));
        for n in 0..4 {
            assert!(ask(&verifier, &token(n), "/films/1", NOW_S).is_ok());
        }
        let full = ask(&verifier, &token(4), "/films/1", NOW_S);
        assert_eq!(full, Err(Denied::NoncesFull));
        let again = ask(&verifier, &token(0), "/films/1", NOW_S);
        assert_eq!(again, Err(Denied::Replayed));
    }

    #[test]
    fn a_verifier_without_a_memory_refuses_every_nonce() {
        let key = key(Algorithm::HmacSha256);
        let policy = Policy {
            jti: Jti::Once,
            ..policy()
        };
        let verifier = verifier(&key, policy);
        let token = with(&key, &json!({"jti": "n-1", "iat": NOW_S}));
        assert_eq!(
            ask(&verifier, &token, "/films/1", NOW_S),
            Err(Denied::Nonce)
        );
    }

    /// A chain begins with a token that is spent; what it goes on with is not held to one use.
    #[test]
    fn a_chain_that_began_with_a_nonce_goes_on_without_one() {
        let (key, verifier) = once(NOW_S, 8);
        let first = json!({"jti": "n-1", "iat": NOW_S, "cdniets": 30, "cdnistt": 1});
        let grant = ask(&verifier, &with(&key, &first), "/films/1", NOW_S).unwrap();
        let next = grant.renewal.as_ref().unwrap().next(&key, NOW_S).unwrap();
        for _ in 0..2 {
            let grant = ask(&verifier, &next, "/films/1", NOW_S + 1).unwrap();
            assert!(grant.claims.token_id.is_none());
        }
    }

    /// Section 3.3.1: the next token travels in the URL of a redirection, when half of its life is
    /// over and never in a circle.
    #[test]
    fn a_redirection_is_due_when_half_of_a_life_is_over() {
        let key = key(Algorithm::HmacSha256);
        let token = |end_s: u64, ets: u64, nbf: Option<u64>| {
            let mut claims = json!({"exp": end_s, "cdniets": ets, "cdnistt": 2});
            if let Some(nbf) = nbf {
                claims["nbf"] = nbf.into();
            }
            with(&key, &claims)
        };
        let is_due = |token: &str, now_s: u64| {
            // Another one each time: it would keep the latest time that it was told.
            let grant = ask(&verifier(&key, policy()), token, "/films/1", now_s).unwrap();
            let renewal = grant.renewal.clone().unwrap();
            assert_eq!(renewal.transport(), uri_signing::Transport::Url);
            (renewal.is_due(now_s), renewal.next(&key, now_s))
        };
        let first = token(NOW_S + 600, 60, None);
        assert!(!is_due(&first, NOW_S + 569).0);
        let (due, next) = is_due(&first, NOW_S + 570);
        assert!(due);
        assert!(!is_due(&next.unwrap(), NOW_S + 570).0, "no circle");
        assert!(
            !is_due(&token(NOW_S + 9, 0, None), NOW_S).0,
            "no life to give"
        );
        // A day after its beginning a chain is over.
        let old = token(NOW_S + 10, 60, Some(NOW_S + 10 - 86_400));
        let (due, next) = is_due(&old, NOW_S);
        assert!(!due);
        let verdict = ask(
            &verifier(&key, policy()),
            &next.unwrap(),
            "/films/1",
            NOW_S + 9,
        );
        assert!(verdict.is_ok());
    }

    /// RFC 9246 section 2.2.
    #[test]
    fn a_header_that_is_configured_need_not_travel() {
        let key = key(Algorithm::HmacSha256);
        let whole = with(&key, &json!({}));
        let (header, bare) = whole.split_once('.').unwrap();
        let with_header = Policy {
            jwt_header: Some(header.to_owned()),
            ..policy()
        };
        let told = verifier(&key, with_header);
        assert!(ask(&told, bare, "/films/1", NOW_S).is_ok());
        assert!(ask(&told, &whole, "/films/1", NOW_S).is_ok());
        assert!(ask(&told, bare.split_once('.').unwrap().0, "/films/1", NOW_S).is_err());
        let untold = verifier(&key, policy());
        assert!(ask(&untold, bare, "/films/1", NOW_S).is_err());
    }
}
