//! What was not signed never passes; what passes is covered; nothing panics.

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::LazyLock};

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    use proptest::prelude::*;
    use signing::{
        Algorithm, Carrier, Carriers, Claims, ClientNet, Facts, KeySet, Label, ObjectPath, Policy,
        Scope, SigningKey, Token, Verifier, sign,
    };

    const NOW_S: u64 = 1_800_000_000;

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    static KEYS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
        [("ed", Algorithm::Ed25519), ("mac", Algorithm::HmacSha256)]
            .map(|(kid, algorithm)| SigningKey::generate(algorithm, label(kid)).unwrap())
    });

    fn verifier() -> Verifier {
        let keys = KeySet::new(KEYS.iter().map(SigningKey::verify_key).collect()).unwrap();
        let policy = Policy {
            region: Some(label("DE")),
            ..Policy::default()
        };
        Verifier::new(label("films"), keys, policy)
    }

    fn allowed(verifier: &Verifier, token: &str, path: &str) -> bool {
        let path = ObjectPath::parse(path).unwrap();
        let client: IpAddr = "192.0.2.1".parse().unwrap();
        verifier
            .verify(token, &Facts::new(&path, client, NOW_S))
            .is_ok()
    }

    fn any_label() -> impl Strategy<Value = Label> {
        "[A-Za-z0-9._-]{1,64}".prop_map(|text| label(&text))
    }

    fn any_scope() -> impl Strategy<Value = Scope> {
        prop_oneof![
            "(/[ab]{1,2}){1,3}".prop_map(|path| Scope::path(&path).unwrap()),
            "(/[ab]{1,2}){1,3}/?".prop_map(|path| Scope::prefix(&path).unwrap()),
            prop::collection::vec("(/[ab?]\\*?){1,3}(/\\*\\*)?", 1..=8)
                .prop_map(|globs| Scope::globs(globs.iter().map(String::as_str)).unwrap()),
        ]
    }

    prop_compose! {
        fn any_claims()(
            scope in any_scope(),
            begin_s in NOW_S - 80_000..=NOW_S,
            life_s in 1..6_000u64,
            client_nets in prop::collection::vec(Just(ClientNet::parse("192.0.2.0/24").unwrap()), 0..=1),
            elsewhere in prop::collection::vec("[A-Z]{2}", 0..4),
            session in prop::option::of(any_label()),
            token_id in prop::option::of(any_label()),
        ) -> Claims {
            let mut regions: Vec<_> = elsewhere.iter().map(|code| label(code)).collect();
            if !regions.is_empty() {
                regions.push(label("DE"));
            }
            let begin_s = begin_s.max(NOW_S - life_s + 1);
            let claims = Claims::new(label("films"), scope, begin_s, begin_s + life_s);
            Claims { client_nets, regions, session, token_id, ..claims }
        }
    }

    proptest! {
        #[test]
        fn what_was_signed_comes_back_and_covers_just_its_scope(
            claims in any_claims(),
            key in 0..2usize,
            path in "(/[ab]{1,2}){1,4}",
        ) {
            let verifier = verifier();
            let token = sign(&KEYS[key], &claims).unwrap();
            let path = ObjectPath::parse(&path).unwrap();
            let client: IpAddr = "192.0.2.1".parse().unwrap();
            let facts = Facts::new(&path, client, NOW_S);
            for _ in 0..2 {
                let verdict = verifier.verify(&token, &facts);
                prop_assert_eq!(verdict.is_ok(), claims.scope.covers(&facts));
                if let Ok(grant) = verdict {
                    prop_assert_eq!(&grant.claims, &claims);
                }
            }
        }

        #[test]
        fn a_signed_url_is_found_and_granted(claims in any_claims(), path in "(/[ab]{1,2}){1,2}") {
            let token = sign(&KEYS[0], &claims).unwrap();
            let carriers = Carriers::default();
            for carrier in [Carrier::Query, Carrier::Path] {
                let url = carriers.signed_url(&format!("https://h{path}?v=1"), carrier, &token);
                let url = url.unwrap();
                let target = url.strip_prefix("https://h").unwrap();
                let (raw, query) = target.split_once('?').unwrap();
                let found = carriers.find(raw, Some(query), None, std::iter::empty()).unwrap();
                prop_assert_eq!(found.token, Some(Token::from(token.as_str())));
                prop_assert_eq!(found.carrier, Some(carrier));
                prop_assert_eq!((&*found.path, found.query.as_deref()), (path.as_str(), Some("v=1")));
                prop_assert!(!carriers.redacted(&url).contains(&token));
            }
        }

        /// Bytes behind a well-formed beginning, so that deep branches are reached too.
        #[test]
        fn any_bytes_are_answered(
            valid in 0..40usize,
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            text in any::<String>(),
        ) {
            let verifier = verifier();
            let claims = Claims::new(label("films"), Scope::prefix("/a").unwrap(), NOW_S, NOW_S + 9);
            let signed = BASE64.decode(sign(&KEYS[0], &claims).unwrap()).unwrap();
            let token = BASE64.encode([&signed[..valid.min(signed.len())], &bytes].concat());
            prop_assert!(!allowed(&verifier, &token, "/a"));
            prop_assert!(!allowed(&verifier, &text, "/a"));
        }
    }

    /// RFC 8032 section 5.1.7: S is below the group's order L, or there would be a second
    /// signature for every first one.
    #[test]
    fn a_second_form_of_a_signature_is_denied() {
        const L: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let claims = Claims::new(
            label("films"),
            Scope::prefix("/").unwrap(),
            NOW_S,
            NOW_S + 9,
        );
        let mut bytes = BASE64.decode(sign(&KEYS[0], &claims).unwrap()).unwrap();
        let s_at = bytes.len() - 32;
        let mut carry = 0;
        for (byte, order) in bytes[s_at..].iter_mut().zip(L) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = u8::try_from(carry & 0xff).unwrap();
            carry >>= 8;
        }
        assert_eq!(carry, 0);
        assert!(!allowed(&verifier(), &BASE64.encode(bytes), "/a"));
    }

    /// U02: in the version, kid, times, scope, claims or signature.
    #[test]
    fn any_flipped_bit_is_denied() {
        for key in KEYS.iter() {
            let mut claims = Claims::new(
                label("films"),
                Scope::prefix("/").unwrap(),
                NOW_S - 9,
                NOW_S + 900,
            );
            claims.client_nets = vec![ClientNet::parse("192.0.2.0/24").unwrap()];
            claims.session = Some(label("session-1"));
            claims.regions = vec![label("DE")];
            let token = sign(key, &claims).unwrap();
            let verifier = verifier();
            assert!(allowed(&verifier, &token, "/a"));
            let bytes = BASE64.decode(&token).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(
                    !allowed(&verifier, &BASE64.encode(flipped), "/a"),
                    "bit {bit}"
                );
            }
            for at in 0..token.len() {
                for other in ['A', 'z', '_', '=', '\0', ' '] {
                    let mut text: Vec<char> = token.chars().collect();
                    if std::mem::replace(&mut text[at], other) != other {
                        let text: String = text.into_iter().collect();
                        assert!(!allowed(&verifier, &text, "/a"), "{other:?} at {at}");
                    }
                }
            }
            assert!(
                allowed(&verifier, &token, "/a"),
                "a flood of forgeries evicts no token"
            );
        }
    }
}
