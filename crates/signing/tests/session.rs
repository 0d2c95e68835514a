//! Dual tokens and what was taken back.

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use signing::{
        Algorithm, Claims, ClientNet, Denied, Exchange, Facts, Grant, KeySet, Label, ObjectPath,
        Policy, Revoked, Scheme, Scope, SigningKey, Token, Verifier, edge_auth, exchange,
        media_cdn, sign, uri_signing,
    };

    const NOW_S: u64 = 1_800_000_000;
    const ORIGIN: &str = "https://cdn.example";

    struct World {
        keys: [SigningKey; 4],
        session: SigningKey,
        verifier: Verifier,
    }

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    fn world(revoked: &str) -> World {
        let key = |scheme, algorithm, kid| {
            SigningKey::generate_for(scheme, algorithm, label(kid)).unwrap()
        };
        let keys = [
            key(Scheme::Native, Algorithm::Ed25519, "native"),
            key(Scheme::MediaCdn, Algorithm::Ed25519, "google"),
            key(Scheme::EdgeAuth, Algorithm::HmacSha256, "akamai"),
            key(Scheme::UriSigning, Algorithm::EcdsaP256, "cdni"),
        ];
        let session = key(Scheme::Native, Algorithm::HmacSha256, "session");
        let halves = keys.iter().chain([&session]).map(SigningKey::verify_key);
        let set = KeySet::new(halves.collect()).unwrap();
        let revoked = Revoked::parse(revoked.as_bytes()).unwrap();
        let policy = Policy::default();
        let verifier = Verifier::with_revoked(label("films"), set, revoked, policy);
        World {
            keys,
            session,
            verifier,
        }
    }

    const NOTHING: &str = r#"{"version": 1}"#;

    impl World {
        fn ask(&self, token: Token<'_>, path: &str, now_s: u64) -> Result<Arc<Grant>, Denied> {
            let path = ObjectPath::parse(path).unwrap();
            self.verifier.verify(token, &facts(&path, now_s))
        }

        fn exchanged(&self, token: Token<'_>, path: &str) -> Option<String> {
            let grant = self.ask(token, path, NOW_S).unwrap();
            let with = Exchange {
                key: &self.session,
                lifetime_s: 3600,
            };
            let path = ObjectPath::parse(path).unwrap();
            exchange(&with, &grant, &facts(&path, NOW_S))
        }
    }

    fn facts(path: &ObjectPath, now_s: u64) -> Facts<'_> {
        let mut facts = Facts::new(path, [192, 0, 2, 1].into(), now_s);
        facts.origin = ORIGIN;
        facts
    }

    #[test]
    fn a_short_token_is_exchanged_for_a_longer_one_of_the_same_scope() {
        let world = world(NOTHING);
        let [native, google, akamai, _] = &world.keys;
        let end_s = NOW_S + 60;
        let mut claims = Claims::new(label("films"), Scope::prefix("/f/1").unwrap(), NOW_S, end_s);
        claims.client_nets = vec![ClientNet::parse("192.0.2.0/24").unwrap()];
        claims.session = Some(label("s-1"));
        let native = sign(native, &claims).unwrap();
        let google =
            media_cdn::sign_patterns(google, &["/f/1/*"], None, end_s, Some(&label("s-1")))
                .unwrap();
        let akamai =
            edge_auth::sign_patterns(akamai, &["/f/1/*"], None, end_s, Some(&label("s-1")))
                .unwrap();
        let tokens = [
            Token::Native(&native),
            Token::MediaCdn(media_cdn::Sent::Dual(&google)),
            Token::EdgeAuth(&akamai),
        ];
        for token in tokens {
            world.verifier.reset_floor(NOW_S);
            let long = world.exchanged(token, "/f/1/master.m3u8").unwrap();
            let long = Token::Native(&long);
            assert!(
                world.ask(token, "/f/1/a.m4s", end_s).is_err(),
                "the short one is over"
            );
            let grant = world.ask(long, "/f/1/a.m4s", NOW_S + 3599).unwrap();
            assert_eq!(grant.claims.session, Some(label("s-1")));
            assert!(world.ask(long, "/f/1/a.m4s", NOW_S + 3600).is_err());
            assert_eq!(
                world.ask(long, "/f/2/a.m4s", NOW_S),
                Err(Denied::OutOfScope)
            );
            assert_eq!(world.exchanged(long, "/f/1/a.m4s"), None, "a session ends");
        }
        world.verifier.reset_floor(NOW_S);
        let long = world.exchanged(Token::Native(&native), "/f/1/m").unwrap();
        let path = ObjectPath::parse("/f/1/m").unwrap();
        let elsewhere = Facts::new(&path, [198, 51, 100, 1].into(), NOW_S);
        let verdict = world.verifier.verify(Token::Native(&long), &elsewhere);
        assert_eq!(verdict, Err(Denied::WrongClient));
    }

    #[test]
    fn a_token_for_one_url_is_not_widened() {
        let world = world(NOTHING);
        let [native, _, _, cdni] = &world.keys;
        let claims = Claims::new(
            label("films"),
            Scope::path("/f/m").unwrap(),
            NOW_S,
            NOW_S + 60,
        );
        let one = sign(native, &claims).unwrap();
        assert_eq!(world.exchanged(Token::Native(&one), "/f/m"), None);
        let regex = uri_signing::Signed::Regex("https://cdn.example/f/.*");
        let regex = uri_signing::sign(cdni, &regex, NOW_S, NOW_S + 60, None).unwrap();
        assert_eq!(world.exchanged(Token::UriSigning(&regex), "/f/m"), None);
    }

    #[test]
    fn a_revoked_token_or_session_is_denied_and_no_other() {
        let world = world(r#"{"version": 1, "token_ids": ["t-1"], "sessions": ["s-1"]}"#);
        let [native, _, akamai, _] = &world.keys;
        let token = |token_id: &str, session: &str| {
            let mut claims = Claims::new(
                label("films"),
                Scope::prefix("/").unwrap(),
                NOW_S,
                NOW_S + 60,
            );
            claims.token_id = Some(label(token_id));
            claims.session = Some(label(session));
            sign(native, &claims).unwrap()
        };
        let ask = |token: &str| world.ask(Token::Native(token), "/f", NOW_S);
        for _ in 0..2 {
            assert_eq!(ask(&token("t-1", "s-2")), Err(Denied::Revoked));
            assert_eq!(ask(&token("t-2", "s-1")), Err(Denied::Revoked));
            assert!(ask(&token("t-2", "s-2")).is_ok());
        }
        let of = |session| {
            edge_auth::sign_patterns(akamai, &["/*"], None, NOW_S + 60, Some(&label(session)))
        };
        let revoked = of("s-1").unwrap();
        let verdict = world.ask(Token::EdgeAuth(&revoked), "/f", NOW_S);
        assert_eq!(verdict, Err(Denied::Revoked));
        assert!(
            world
                .ask(Token::EdgeAuth(&of("s-3").unwrap()), "/f", NOW_S)
                .is_ok()
        );
    }

    #[test]
    fn a_key_of_one_scheme_signs_and_verifies_no_other() {
        let world = world(NOTHING);
        let [native, google, akamai, cdni] = &world.keys;
        let claims = Claims::new(
            label("films"),
            Scope::prefix("/").unwrap(),
            NOW_S,
            NOW_S + 60,
        );
        for key in [google, akamai, cdni] {
            assert!(sign(key, &claims).is_err());
        }
        for key in [native, google, cdni] {
            assert!(edge_auth::sign_patterns(key, &["/*"], None, NOW_S + 60, None).is_err());
        }
        for key in [native, akamai, cdni] {
            assert!(media_cdn::sign_patterns(key, &["/*"], None, NOW_S + 60, None).is_err());
        }
        let what = uri_signing::Signed::Url("https://cdn.example/a");
        for key in [native, google, akamai] {
            assert!(uri_signing::sign(key, &what, NOW_S, NOW_S + 60, None).is_err());
        }
    }

    #[test]
    fn a_tokens_regions_are_the_viewers_or_the_nodes() {
        let world = world(NOTHING);
        let mut claims = Claims::new(
            label("films"),
            Scope::prefix("/").unwrap(),
            NOW_S,
            NOW_S + 60,
        );
        claims.regions = vec![label("DE")];
        let token = sign(&world.keys[0], &claims).unwrap();
        let path = ObjectPath::parse("/a").unwrap();
        let from = |country: Option<&Label>| {
            let mut facts = facts(&path, NOW_S);
            facts.country = country;
            world.verifier.verify(Token::Native(&token), &facts)
        };
        assert!(from(Some(&label("DE"))).is_ok());
        assert_eq!(from(Some(&label("FR"))), Err(Denied::WrongRegion));
        assert!(from(None).unwrap_err().is_place());
    }
}
