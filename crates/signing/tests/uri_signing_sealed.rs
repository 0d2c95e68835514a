//! Encrypted claims (RFC 9246 sections 2.1.2 and 2.1.10), from jwcrypto (`vectors/sealed.py`) and
//! from the RFC's appendix A.

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

    use serde::Deserialize;
    use signing::{
        Denied, Facts, Grant, Jti, KeySet, Label, ObjectPath, Policy, Revoked, Token, Verifier,
    };

    #[derive(Deserialize)]
    struct Vectors {
        now_s: u64,
        keys: serde_json::Value,
        opened: BTreeMap<String, String>,
        refused: BTreeMap<String, String>,
    }

    const INSIDE: &str = "192.0.2.9";
    const OUTSIDE: &str = "198.51.100.9";

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("vectors/sealed.json")).unwrap()
    }

    fn verifier(keys: &serde_json::Value, policy: Policy) -> Verifier {
        let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
        Verifier::new(Label::parse("films").unwrap(), keys, policy)
    }

    fn ask(
        verifier: &Verifier,
        token: &str,
        client: &str,
        now_s: u64,
    ) -> Result<Arc<Grant>, Denied> {
        let path = ObjectPath::parse("/films/1").unwrap();
        let client: IpAddr = client.parse().unwrap();
        let mut facts = Facts::new(&path, client, now_s);
        facts.origin = "https://cdn.example";
        verifier.verify(Token::UriSigning(token), &facts)
    }

    #[test]
    fn an_encrypted_address_is_obeyed_and_an_encrypted_subject_stays_hidden() {
        let vectors = vectors();
        let verifier = verifier(&vectors.keys, Policy::default());
        for (name, token) in &vectors.opened {
            assert_eq!(
                ask(&verifier, token, OUTSIDE, vectors.now_s),
                Err(Denied::WrongClient),
                "{name}"
            );
            // Twice: once proven, once remembered.
            for _ in 0..2 {
                let grant = ask(&verifier, token, INSIDE, vectors.now_s).unwrap();
                let session = grant.claims.session.as_ref().unwrap().as_str();
                assert!(session.starts_with("sha256-"), "{name}: {session}");
            }
            assert_eq!(
                ask(&verifier, token, OUTSIDE, vectors.now_s),
                Err(Denied::WrongClient),
                "{name}"
            );
        }
    }

    #[test]
    fn what_does_not_open_is_refused_and_an_unknown_algorithm_does_not() {
        let vectors = vectors();
        let verifier = verifier(&vectors.keys, Policy::default());
        for (name, token) in &vectors.refused {
            let expected = match name.as_str() {
                "no network" => Denied::Layout("cdniip is no network"),
                _ => Denied::NotOpened,
            };
            assert_eq!(
                ask(&verifier, token, INSIDE, vectors.now_s),
                Err(expected),
                "{name}"
            );
        }
    }

    #[test]
    fn without_decryption_keys_no_encrypted_address_passes() {
        let mut vectors = vectors();
        vectors.keys["decryption_keys"] = serde_json::json!([]);
        let verifier = verifier(&vectors.keys, Policy::default());
        for (name, token) in &vectors.opened {
            let verdict = ask(&verifier, token, INSIDE, vectors.now_s);
            assert_eq!(verdict, Err(Denied::NotOpened), "{name}");
        }
    }

    #[test]
    fn a_decryption_key_is_used_in_its_time_alone() {
        let vectors = vectors();
        let token = &vectors.opened["dir A128GCM"];
        for (begin_s, end_s, opens) in [
            (0, vectors.now_s + 1, true),
            (0, vectors.now_s, false),
            (vectors.now_s + 1, vectors.now_s + 9, false),
        ] {
            let mut keys = vectors.keys.clone();
            keys["decryption_keys"][0]["not_before_s"] = begin_s.into();
            keys["decryption_keys"][0]["not_after_s"] = end_s.into();
            let verifier = verifier(&keys, Policy::default());
            let verdict = ask(&verifier, token, INSIDE, vectors.now_s);
            assert_eq!(verdict.is_ok(), opens, "from {begin_s} to {end_s}");
        }
    }

    #[test]
    fn a_hidden_subject_is_revoked_by_its_own_name() {
        let vectors = vectors();
        let keys = KeySet::parse(vectors.keys.to_string().as_bytes()).unwrap();
        let revoked = Revoked::parse(br#"{"version": 1, "sessions": ["viewer 7"]}"#).unwrap();
        let site = Label::parse("films").unwrap();
        let verifier = Verifier::with_revoked(site, keys, revoked, Policy::default());
        let token = &vectors.opened["dir A128GCM"];
        assert_eq!(
            ask(&verifier, token, INSIDE, vectors.now_s),
            Err(Denied::Revoked)
        );
    }

    #[test]
    fn a_key_set_with_decryption_keys_round_trips_and_shows_no_secret() {
        let vectors = vectors();
        let keys = KeySet::parse(vectors.keys.to_string().as_bytes()).unwrap();
        let again = KeySet::parse(keys.to_json().as_bytes()).unwrap();
        assert_eq!(again.to_json(), keys.to_json());
        assert_eq!(again.decryption_keys().len(), 4);
        for key in vectors.keys["decryption_keys"].as_array().unwrap() {
            let secret = key["secret"].as_str().unwrap();
            assert!(!format!("{keys:?}").contains(secret));
        }
    }

    #[test]
    fn a_bad_decryption_key_is_told_without_its_secret() {
        let vectors = vectors();
        let secret = vectors.keys["keys"][0]["secret"].clone();
        for (field, value, hint) in [
            ("alg", "dir".into(), "aes-128-gcm"),
            (
                "secret",
                secret.clone(),
                "32 bytes; an aes-128-gcm key has 16",
            ),
            ("secret", "AAAAAAAAAAAAAAAAAAAAAA".into(), "placeholder"),
            ("kid", "signs".into(), "twice"),
        ] {
            let mut keys = vectors.keys.clone();
            keys["decryption_keys"][0][field] = value;
            let error = KeySet::parse(keys.to_string().as_bytes()).unwrap_err();
            let told = error.to_string();
            assert!(told.contains(hint), "{told}");
            assert!(!told.contains(secret.as_str().unwrap()), "{told}");
        }
        let mut keys = vectors.keys;
        keys["decryption_keys"][1]["secret"] = secret;
        let told = KeySet::parse(keys.to_string().as_bytes()).unwrap_err();
        assert!(told.to_string().contains("same bytes"), "{told}");
    }

    /// RFC 9246 appendix A.2, whose `cdniip` holds `[2001:db8::1/32]`.
    #[test]
    fn the_complex_token_of_the_appendix_opens() {
        let keys = serde_json::json!({
            "version": 1,
            "keys": [{
                "kid": "appendix", "scheme": "uri-signing", "alg": "ecdsa-p256-sha-256",
                "name": "P5UpOv0eMq1wcxLf7WxIg09JdSYGYFDOWkldueaImf0", "issuer": "uCDN Inc",
                "public": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbe807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ-s4YLi8jr2D5YX0AYRUjfuw03BuMjMHFKMu8gvt_dEEA",
            }],
            "decryption_keys": [{
                "kid": "shared", "alg": "aes-128-gcm", "secret": "4uFxxV7fhNmrtiah2d1fFg",
                "name": "f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998",
            }],
        });
        let policy = Policy {
            max_lifetime_s: 300_000,
            jti: Jti::Id,
            audience: Some("dCDN LLC".to_owned()),
            ..Policy::default()
        };
        let verifier = verifier(&keys, policy);
        let token = include_str!("vectors/rfc9246.txt").lines().nth(1).unwrap();
        let ask = |client: &str, path: &str| {
            let path = ObjectPath::parse(path).unwrap();
            let mut facts = Facts::new(&path, client.parse().unwrap(), 1_641_000_000);
            facts.origin = "http://cdni.example";
            verifier.verify(Token::UriSigning(token), &facts)
        };
        let grant = ask("2001:db8:7::1", "/foo/bar/123.png").unwrap();
        assert!(grant.claims.session.is_some());
        assert_eq!(
            ask("2001:db9::1", "/foo/bar/123.png"),
            Err(Denied::WrongClient)
        );
        assert_eq!(
            ask("2001:db8::1", "/foo/bar/12.png"),
            Err(Denied::OutOfScope)
        );
    }
}
