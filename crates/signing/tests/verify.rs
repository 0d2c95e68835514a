//! One test for each promise of the verifier; rows of the hardening catalogue are named.

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc};

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    use signing::{
        Algorithm, Claims, ClientNet, Denied, Facts, Grant, KeySet, Label, ObjectPath, Policy,
        Scope, SigningKey, TOKEN_CHARS_MAX, Verifier, VerifyKey, sign,
    };

    const NOW_S: u64 = 1_800_000_000;
    const BOTH: [Algorithm; 2] = [Algorithm::Ed25519, Algorithm::HmacSha256];
    type Verdict = Result<Arc<Grant>, Denied>;

    fn signature_bytes(algorithm: Algorithm) -> usize {
        if algorithm == Algorithm::Ed25519 {
            64
        } else {
            32
        }
    }

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    fn key(kid: &str, algorithm: Algorithm) -> SigningKey {
        SigningKey::generate(algorithm, label(kid)).unwrap()
    }

    fn claims() -> Claims {
        Claims::new(
            label("films"),
            Scope::prefix("/f/1").unwrap(),
            NOW_S - 10,
            NOW_S + 600,
        )
    }

    fn verifier_of(keys: Vec<VerifyKey>) -> Verifier {
        Verifier::new(
            label("films"),
            KeySet::new(keys).unwrap(),
            Policy::default(),
        )
    }

    fn verifier(key: &SigningKey) -> Verifier {
        verifier_of(vec![key.verify_key()])
    }

    fn ask(verifier: &Verifier, token: &str, path: &str, client: &str, now_s: u64) -> Verdict {
        let path = ObjectPath::parse(path).unwrap();
        let client: IpAddr = client.parse().unwrap();
        verifier.verify(token, &Facts::new(&path, client, now_s))
    }

    fn at(verifier: &Verifier, token: &str, now_s: u64) -> Verdict {
        ask(verifier, token, "/f/1/a.m4s", "192.0.2.1", now_s)
    }

    /// Asks twice: what is remembered must not change the answer, except for a forgery's reason.
    fn denied(verifier: &Verifier, token: &str, now_s: u64) -> &'static str {
        let first = at(verifier, token, now_s).unwrap_err();
        let second = at(verifier, token, now_s).unwrap_err();
        assert!(
            second == first || second == Denied::BadSignatureAgain,
            "{first} then {second}"
        );
        first.label()
    }

    #[test]
    fn a_signed_token_is_granted_what_it_says() {
        for algorithm in BOTH {
            let key = key("k1", algorithm);
            let mut claims = claims();
            claims.session = Some(label("s-1"));
            claims.token_id = Some(label("t-1"));
            let verifier = verifier(&key);
            let token = sign(&key, &claims).unwrap();
            for _ in 0..3 {
                let grant = at(&verifier, &token, NOW_S).unwrap();
                assert_eq!((&grant.claims, grant.kid.as_str()), (&claims, "k1"));
            }
        }
    }

    #[test]
    fn a_token_costs_one_signature_whether_it_is_good_or_forged() {
        let key = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&key);
        let token = sign(&key, &claims()).unwrap();
        let first = at(&verifier, &token, NOW_S).unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &at(&verifier, &token, NOW_S + 1).unwrap()
        ));

        let mut other = claims();
        other.site = label("music");
        let forged = sign(&key, &other).unwrap();
        assert_eq!(
            at(&verifier, &forged, NOW_S),
            Err(Denied::BadSignature(label("k1")))
        );
        assert_eq!(
            at(&verifier, &forged, NOW_S),
            Err(Denied::BadSignatureAgain)
        );
    }

    /// U01.
    #[test]
    fn a_required_token_that_is_absent_is_denied() {
        let key = key("k1", Algorithm::Ed25519);
        let path = ObjectPath::parse("/f/1/a").unwrap();
        let facts = Facts::new(&path, "192.0.2.1".parse().unwrap(), NOW_S);
        assert_eq!(
            verifier(&key).admit(None::<&str>, &facts),
            Err(Denied::Absent)
        );

        let keys = KeySet::new(vec![key.verify_key()]).unwrap();
        let policy = Policy {
            required: false,
            ..Policy::default()
        };
        let open = Verifier::new(label("films"), keys, policy);
        assert_eq!(open.admit(None::<&str>, &facts), Ok(None));
        assert!(
            open.admit(Some("forged"), &facts).is_err(),
            "a bad token is never ignored"
        );
        let token = sign(&key, &claims()).unwrap();
        assert!(open.admit(Some(token.as_str()), &facts).unwrap().is_some());
    }

    /// U03: lengths are exact before any cryptography. U04: and bounded.
    #[test]
    fn a_cut_or_padded_signature_is_denied_by_its_length() {
        for algorithm in BOTH {
            let key = key("k1", algorithm);
            let verifier = verifier(&key);
            let bytes = BASE64.decode(sign(&key, &claims()).unwrap()).unwrap();
            let body = &bytes[..bytes.len() - signature_bytes(algorithm)];
            for found in [0, 1, 31, 32, 33, 63, 64, 65] {
                let token = BASE64.encode([body, &vec![7; found]].concat());
                let reason = denied(&verifier, &token, NOW_S);
                let right = found == signature_bytes(algorithm);
                assert_eq!(
                    reason,
                    if right {
                        "bad_signature"
                    } else {
                        "signature_length"
                    }
                );
            }
            for kept in 0..body.len() {
                let reason = denied(&verifier, &BASE64.encode(&body[..kept]), NOW_S);
                assert!(
                    ["layout", "signature_length"].contains(&reason),
                    "{kept}: {reason}"
                );
            }
        }
        let key = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&key);
        assert_eq!(denied(&verifier, &"A".repeat(64 * 1024), NOW_S), "too_long");
        assert_eq!(
            denied(&verifier, &"A".repeat(TOKEN_CHARS_MAX + 1), NOW_S),
            "too_long"
        );
        assert_eq!(denied(&verifier, "", NOW_S), "layout");
    }

    /// U05: one token has one spelling.
    #[test]
    fn another_spelling_of_the_same_token_is_denied() {
        let key = key("k1", Algorithm::HmacSha256);
        let mut claims = claims();
        claims.token_id = Some(label("t-1"));
        let mut token = sign(&key, &claims).unwrap();
        assert_eq!(token.len() % 4, 3, "the last character has bits to spare");
        while !token.contains('-') || !token.contains('_') {
            claims.not_after_s += 1;
            token = sign(&key, &claims).unwrap();
        }
        let verifier = verifier(&key);
        let last = token.pop().unwrap();
        let stray = char::from(last as u8 + 1);
        let spellings = [
            format!("{token}{stray}"),
            format!("{token}{last}="),
            format!("{token}{last}=="),
            format!("{token}{last} "),
            format!(" {token}{last}"),
            format!("{token}{last}\n"),
            format!("{token}{last}").replace('-', "+"),
            format!("{token}{last}").replace('_', "/"),
            format!("{token}{last}").replace('-', "%2D"),
        ];
        for spelling in spellings {
            assert_eq!(
                denied(&verifier, &spelling, NOW_S),
                "not_base64url",
                "{spelling:?}"
            );
        }
        token.push(last);
        assert!(at(&verifier, &token, NOW_S).is_ok());
    }

    /// U21: paths and names are compared byte by byte.
    #[test]
    fn a_path_out_of_scope_is_denied_whatever_was_remembered() {
        let key = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&key);
        let token = sign(&key, &claims()).unwrap();
        for path in ["/f/10/a", "/F/1/a", "/f", "/f/2", "/"] {
            let verdict = ask(&verifier, &token, path, "192.0.2.1", NOW_S);
            assert_eq!(verdict, Err(Denied::OutOfScope), "{path}");
        }
        assert!(at(&verifier, &token, NOW_S).is_ok());
        let verdict = ask(&verifier, &token, "/f/10/a", "192.0.2.1", NOW_S);
        assert_eq!(verdict, Err(Denied::OutOfScope));
    }

    /// U22: the algorithm belongs to the key id, so a public key is never used as a secret.
    #[test]
    fn an_hmac_under_the_public_key_is_denied() {
        let honest = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&honest);
        let file = KeySet::new(vec![honest.verify_key()]).unwrap().to_json();
        let public = file
            .split("\"public\": \"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let forger = format!(
            r#"{{"version": 1, "kid": "k1", "alg": "hmac-sha-256", "secret": "{public}"}}"#
        );
        let forger = SigningKey::parse(forger.as_bytes()).unwrap();
        let token = sign(&forger, &claims()).unwrap();
        assert_eq!(denied(&verifier, &token, NOW_S), "signature_length");
    }

    /// U23: a key id is looked up in memory and nowhere else; a hostile one is not even a label.
    #[test]
    fn an_unknown_key_is_denied() {
        let verifier = verifier(&key("k1", Algorithm::Ed25519));
        let other = sign(&key("other", Algorithm::Ed25519), &claims()).unwrap();
        assert_eq!(denied(&verifier, &other, NOW_S), "unknown_key");
        let bytes = BASE64.decode(other).unwrap();
        for kid in [&b"../../key"[..], b"", b"k1\0", &[b'k'; 65], &[0xff; 255]] {
            let length = u8::try_from(kid.len()).unwrap();
            let token = BASE64.encode([&[1, length][..], kid, &bytes[7..]].concat());
            assert_eq!(denied(&verifier, &token, NOW_S), "layout");
        }
        let same_kid = sign(&key("k1", Algorithm::Ed25519), &claims()).unwrap();
        assert_eq!(denied(&verifier, &same_kid, NOW_S), "bad_signature");
    }

    /// U24: both keys of a rotation work; the old one stops at its end, remembered or not.
    #[test]
    fn keys_overlap_during_a_rotation_and_then_retire() {
        let (old, new) = (
            key("old", Algorithm::HmacSha256),
            key("new", Algorithm::Ed25519),
        );
        let (mut retiring, mut coming) = (old.verify_key(), new.verify_key());
        retiring.not_after_s = Some(NOW_S + 300);
        coming.not_before_s = NOW_S + 200;
        let verifier = verifier_of(vec![retiring, coming]);
        let by_old = sign(&old, &claims()).unwrap();
        let by_new = sign(&new, &claims()).unwrap();
        assert_eq!(denied(&verifier, &by_new, NOW_S + 169), "key_not_yet_valid");
        assert!(
            at(&verifier, &by_new, NOW_S + 170).is_ok(),
            "within the skew"
        );
        assert!(at(&verifier, &by_old, NOW_S + 250).is_ok());
        assert!(at(&verifier, &by_new, NOW_S + 250).is_ok());
        assert!(at(&verifier, &by_old, NOW_S + 299).is_ok());
        assert_eq!(denied(&verifier, &by_old, NOW_S + 300), "key_retired");
        assert!(at(&verifier, &by_new, NOW_S + 300).is_ok());
    }

    #[test]
    fn replaced_keys_count_at_once_for_remembered_tokens_too() {
        let (first, second) = (key("k1", Algorithm::Ed25519), key("k2", Algorithm::Ed25519));
        let verifier = verifier(&first);
        let (by_first, by_second) = (
            sign(&first, &claims()).unwrap(),
            sign(&second, &claims()).unwrap(),
        );
        assert!(at(&verifier, &by_first, NOW_S).is_ok());
        assert_eq!(denied(&verifier, &by_second, NOW_S), "unknown_key");
        verifier.replace_keys(KeySet::new(vec![second.verify_key()]).unwrap());
        assert_eq!(denied(&verifier, &by_first, NOW_S), "unknown_key");
        assert!(at(&verifier, &by_second, NOW_S).is_ok());

        // The same kid with other bytes: neither memory may outlive the key.
        let impostor = key("k2", Algorithm::Ed25519);
        let by_impostor = sign(&impostor, &claims()).unwrap();
        assert_eq!(denied(&verifier, &by_impostor, NOW_S), "bad_signature");
        verifier.replace_keys(KeySet::new(vec![impostor.verify_key()]).unwrap());
        assert!(at(&verifier, &by_impostor, NOW_S).is_ok());
        assert_eq!(denied(&verifier, &by_second, NOW_S), "bad_signature");
    }

    /// U25: the end is exclusive, without allowance.
    #[test]
    fn a_token_ends_in_its_last_second() {
        let key = key("k1", Algorithm::Ed25519);
        let token = sign(&key, &claims()).unwrap();
        let remembered = verifier(&key);
        assert!(at(&remembered, &token, NOW_S + 599).is_ok());
        for verifier in [&remembered, &verifier(&key)] {
            assert_eq!(
                at(verifier, &token, NOW_S + 600),
                Err(Denied::Expired { ago_s: 0 })
            );
            assert_eq!(denied(verifier, &token, NOW_S + 5_000), "expired");
            assert_eq!(denied(verifier, &token, u64::MAX), "expired");
        }
    }

    /// U27.
    #[test]
    fn a_token_that_lives_too_long_is_denied() {
        let key = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&key);
        let mut claims = claims();
        claims.not_after_s = claims.not_before_s + 86_400;
        assert!(at(&verifier, &sign(&key, &claims).unwrap(), NOW_S).is_ok());
        claims.not_after_s += 1;
        assert_eq!(
            denied(&verifier, &sign(&key, &claims).unwrap(), NOW_S),
            "lifetime_too_long"
        );
        claims.not_before_s = 0;
        claims.not_after_s = u64::MAX;
        assert_eq!(
            denied(&verifier, &sign(&key, &claims).unwrap(), NOW_S),
            "lifetime_too_long"
        );
    }

    /// U28: a signer's clock may be 30 s ahead.
    #[test]
    fn a_token_from_the_future_waits_except_for_the_skew() {
        let key = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&key);
        let mut claims = claims();
        claims.not_before_s = NOW_S + 31;
        let token = sign(&key, &claims).unwrap();
        assert_eq!(
            at(&verifier, &token, NOW_S),
            Err(Denied::NotYetValid { in_s: 31 })
        );
        assert!(at(&verifier, &token, NOW_S + 1).is_ok());
    }

    /// U29: a clock that is set back revives nothing, and the step can be seen.
    #[test]
    fn what_expired_stays_expired_when_the_clock_is_set_back() {
        let key = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&key);
        let token = sign(&key, &claims()).unwrap();
        assert!(at(&verifier, &token, NOW_S).is_ok());
        assert_eq!(denied(&verifier, &token, NOW_S + 1_000), "expired");
        assert_eq!(denied(&verifier, &token, NOW_S + 1_000 - 3_600), "expired");
        assert_eq!(verifier.clock_behind_s(NOW_S + 1_000 - 3_600), 3_600);
        assert_eq!(verifier.clock_behind_s(NOW_S + 2_000), 0);

        let mut fresh = claims();
        fresh.not_before_s = NOW_S + 990;
        fresh.not_after_s = NOW_S + 1_600;
        let fresh = sign(&key, &fresh).unwrap();
        assert!(
            at(&verifier, &fresh, NOW_S - 2_600).is_ok(),
            "no mass denial by a clock set back"
        );

        verifier.reset_floor(NOW_S);
        assert!(
            at(&verifier, &token, NOW_S).is_ok(),
            "an operator may say that time was wrong"
        );
        verifier.raise_floor(NOW_S + 10_000);
        assert_eq!(denied(&verifier, &token, NOW_S), "expired");
    }

    /// U31: the socket's address counts, in whichever family it is written.
    #[test]
    fn a_token_bound_to_a_network_works_from_there_alone() {
        let key = key("k1", Algorithm::Ed25519);
        let mut v4 = claims();
        v4.client_nets = vec![ClientNet::parse("203.0.113.0/24").unwrap()];
        let mut v6 = claims();
        v6.client_nets = vec![ClientNet::parse("2001:db8:0:42::/64").unwrap()];
        let cases = [
            (
                &v4,
                ["203.0.113.7", "::ffff:203.0.113.7"],
                ["203.0.114.7", "::203.0.113.7"],
            ),
            (
                &v6,
                ["2001:db8:0:42::1", "2001:db8:0:42:9::"],
                ["2001:db8:0:43::1", "203.0.113.7"],
            ),
        ];
        for (claims, inside, outside) in cases {
            let token = sign(&key, claims).unwrap();
            let verifier = verifier(&key);
            for _ in 0..2 {
                for client in outside {
                    let verdict = ask(&verifier, &token, "/f/1/a", client, NOW_S);
                    assert_eq!(verdict, Err(Denied::WrongClient), "{client}");
                }
                for client in inside {
                    assert!(
                        ask(&verifier, &token, "/f/1/a", client, NOW_S).is_ok(),
                        "{client}"
                    );
                }
            }
        }
    }

    /// U39: two sites may even share a key.
    #[test]
    fn a_token_of_another_site_is_denied() {
        for algorithm in BOTH {
            let key = key("k1", algorithm);
            let mut other = claims();
            other.site = label("music");
            let token = sign(&key, &other).unwrap();
            assert_eq!(denied(&verifier(&key), &token, NOW_S), "bad_signature");
        }
    }

    #[test]
    fn a_token_for_regions_is_denied_elsewhere_and_nowhere() {
        let key = key("k1", Algorithm::Ed25519);
        let mut claims = claims();
        claims.regions = vec![label("DE"), label("FR")];
        let token = sign(&key, &claims).unwrap();
        let in_region = |region: Option<&str>| {
            let policy = Policy {
                region: region.map(label),
                ..Policy::default()
            };
            let keys = KeySet::new(vec![key.verify_key()]).unwrap();
            at(&Verifier::new(label("films"), keys, policy), &token, NOW_S)
        };
        assert!(in_region(Some("FR")).is_ok());
        for region in [Some("IT"), Some("fr"), Some("D"), None] {
            assert_eq!(in_region(region), Err(Denied::WrongRegion), "{region:?}");
        }
    }

    /// U41: claims cannot be doubled, reordered, unknown or endless.
    #[test]
    fn claims_out_of_order_or_unknown_are_denied() {
        let key = key("k1", Algorithm::Ed25519);
        let verifier = verifier(&key);
        let signed = BASE64.decode(sign(&key, &claims()).unwrap()).unwrap();
        let (body, signature) = signed.split_at(signed.len() - 64);
        let (head, count) = body.split_at(body.len() - 1);
        assert_eq!(count, [0]);
        let cases: [(&[u8], &str); 9] = [
            (&[2, 1, 1, b'a', 1, 1, b'b'], "unknown_claim"),
            (&[2, 2, 1, b'a', 1, 1, b'b'], "unknown_claim"),
            (&[1, 9, 1, b'a'], "unknown_claim"),
            (&[1, 0, 0], "unknown_claim"),
            (&[1, 1, 0], "layout"),
            (&[1, 1, 3, b'a', b'\n', b'b'], "layout"),
            (&[1, 3, 5, 24, 203, 0, 113, 1], "layout"),
            (&[1, 4, 3, b'D', b',', b','], "layout"),
            (&[255, 1, 1, b'a'], "layout"),
        ];
        for (claims, reason) in cases {
            let with = |tail: &[u8]| BASE64.encode([head, claims, tail].concat());
            let cut = with(&[]);
            assert!(at(&verifier, &cut, NOW_S).is_err());
            if claims[0] == 255 {
                // The signature's bytes are read as further claims, which end somewhere.
                assert!(at(&verifier, &with(signature), NOW_S).is_err());
            } else {
                assert_eq!(
                    denied(&verifier, &with(signature), NOW_S),
                    reason,
                    "{claims:?}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_version_is_denied() {
        let key = key("k1", Algorithm::Ed25519);
        let mut bytes = BASE64.decode(sign(&key, &claims()).unwrap()).unwrap();
        for version in [0, 2, 255] {
            bytes[0] = version;
            let reason = denied(&verifier(&key), &BASE64.encode(&bytes), NOW_S);
            assert_eq!(reason, "unknown_version");
        }
    }

    #[test]
    fn claims_that_no_verifier_accepts_are_not_signed() {
        let key = key("k1", Algorithm::Ed25519);
        let mut empty = claims();
        empty.not_after_s = empty.not_before_s;
        assert!(sign(&key, &empty).is_err());
        let mut globs = claims();
        globs.scope = Scope::Globs(Box::new([]));
        assert!(sign(&key, &globs).is_err());
        let mut long = claims();
        long.scope = Scope::path(&format!("/{}", "a".repeat(1_600))).unwrap();
        let error = sign(&key, &long).unwrap_err();
        assert!(
            error.to_string().contains("over the limit of 2048"),
            "{error}"
        );
        let mut regions = claims();
        regions.regions = vec![label(&"r".repeat(64)); 5];
        assert!(sign(&key, &regions).is_err());
    }

    #[test]
    fn one_verifier_serves_many_threads_while_keys_are_replaced() {
        let key = key("k1", Algorithm::HmacSha256);
        let verifier = verifier(&key);
        let tokens: Vec<_> = (0..50)
            .map(|n| {
                sign(
                    &key,
                    &Claims {
                        not_after_s: NOW_S + 100 + n,
                        ..claims()
                    },
                )
                .unwrap()
            })
            .collect();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for token in tokens.iter().cycle().take(2_000) {
                        at(&verifier, token, NOW_S).unwrap();
                    }
                });
            }
            for _ in 0..100 {
                verifier.replace_keys(KeySet::new(vec![key.verify_key()]).unwrap());
            }
        });
    }
}
