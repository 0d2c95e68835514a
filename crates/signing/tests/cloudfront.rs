//! CloudFront's policies: each condition, and what is not understood.

#[cfg(test)]
mod tests {
    use signing::{
        Algorithm, Carriers, ClientNet, Denied, Facts, KeySet, Label, ObjectPath, Policy, Scheme,
        Schemes, SigningKey, Verifier, cloudfront,
    };

    const NOW_S: u64 = 1_800_000_000;

    fn key() -> SigningKey {
        let kid = Label::parse("K1").unwrap();
        SigningKey::generate_for(Scheme::CloudFront, Algorithm::EcdsaP256, kid).unwrap()
    }

    fn ask(key: &SigningKey, query: &str, path: &str) -> &'static str {
        ask_from(key, query, path, "192.0.2.1")
    }

    fn ask_from(key: &SigningKey, query: &str, path: &str, client: &str) -> &'static str {
        let keys = KeySet::new(vec![key.verify_key()]).unwrap();
        let verifier = Verifier::new(Label::parse("films").unwrap(), keys, Policy::default());
        let carriers = Carriers {
            schemes: Schemes::from_iter([Scheme::CloudFront]),
            ..Carriers::default()
        };
        let found = carriers
            .find(path, Some(query), None, std::iter::empty())
            .unwrap();
        let path = ObjectPath::parse(path).unwrap();
        let mut facts = Facts::new(&path, client.parse().unwrap(), NOW_S);
        (facts.origin, facts.query) = ("https://cdn.example", found.query.as_deref());
        let verdict = verifier.admit(found.token, &facts);
        verdict.map_or_else(|denied: Denied| denied.label(), |_| "granted")
    }

    /// Amazon's documents write all addresses so, and mean those of IPv6 too.
    #[test]
    fn a_policy_for_every_address_is_for_both_families() {
        let key = key();
        let ask = |net: &str, client: &str| {
            let net = Some(ClientNet::parse(net).unwrap());
            let all = "https://cdn.example/films/*";
            let query = cloudfront::sign(&key, all, None, NOW_S + 60, net).unwrap();
            ask_from(&key, &query, "/films/1", client)
        };
        assert_eq!(ask("0.0.0.0/0", "192.0.2.1"), "granted");
        assert_eq!(ask("0.0.0.0/0", "2001:db8::1"), "granted");
        assert_eq!(ask("0.0.0.0/1", "2001:db8::1"), "wrong_client");
    }

    #[test]
    fn each_condition_of_a_policy_is_obeyed() {
        let key = key();
        let net = |text: &str| Some(ClientNet::parse(text).unwrap());
        let all = "https://cdn.example/films/*";
        let cases = [
            (all, None, NOW_S + 60, None, "granted"),
            (all, Some(NOW_S), NOW_S + 60, net("192.0.2.0/24"), "granted"),
            (all, Some(NOW_S + 31), NOW_S + 60, None, "not_yet_valid"),
            (all, None, NOW_S, None, "expired"),
            (all, None, NOW_S + 90_000, None, "lifetime_too_long"),
            (
                all,
                None,
                NOW_S + 60,
                net("198.51.100.0/24"),
                "wrong_client",
            ),
            (
                "https://cdn.example/films/?",
                None,
                NOW_S + 60,
                None,
                "granted",
            ),
            ("*", None, NOW_S + 60, None, "granted"),
            (
                "https://cdn.example/films/",
                None,
                NOW_S + 60,
                None,
                "out_of_scope",
            ),
            (
                "http://cdn.example/films/*",
                None,
                NOW_S + 60,
                None,
                "out_of_scope",
            ),
            (
                "https://other.example/*",
                None,
                NOW_S + 60,
                None,
                "out_of_scope",
            ),
        ];
        for (resource, begin_s, end_s, net, expected) in cases {
            let query = cloudfront::sign(&key, resource, begin_s, end_s, net).unwrap();
            assert_eq!(
                ask(&key, &query, "/films/1"),
                expected,
                "{resource} {end_s}"
            );
        }
    }

    #[test]
    fn half_a_token_or_too_much_of_one_is_denied() {
        let key = key();
        let query =
            cloudfront::sign(&key, "https://cdn.example/*", None, NOW_S + 60, None).unwrap();
        assert_eq!(ask(&key, &query, "/a"), "granted");
        for part in ["Policy", "Signature", "Key-Pair-Id"] {
            let rest: Vec<_> = query
                .split('&')
                .filter(|pair| !pair.starts_with(part))
                .collect();
            assert_eq!(ask(&key, &rest.join("&"), "/a"), "layout", "{part}");
        }
        let without_hash = query.replace("&Hash-Algorithm=SHA256", "");
        assert_eq!(ask(&key, &without_hash, "/a"), "wrong_algorithm");
        for (from, to, expected) in [
            ("SHA256", "MD5", "layout"),
            ("Key-Pair-Id=K1", "Key-Pair-Id=K2", "no_key"),
            ("Policy=", "Expires=1800000060&Policy=", "layout"),
            ("Policy=ey", "Policy=+y", "layout"),
        ] {
            assert_eq!(ask(&key, &query.replace(from, to), "/a"), expected, "{to}");
        }
    }

    /// A policy of two statements, or with a condition that we do not know, could forbid.
    #[test]
    fn a_policy_that_is_not_understood_is_denied() {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let time = r#"{"DateLessThan":{"AWS:EpochTime":1800000060}}"#;
        let one = format!(r#"{{"Resource":"*","Condition":{time}}}"#);
        let policies = [
            format!(r#"{{"Statement":[{one},{one}]}}"#),
            format!(r#"{{"Statement":[{one}],"Version":1}}"#),
            r#"{"Statement":[]}"#.to_owned(),
            r#"{"Statement":[{"Resource":"*","Condition":{}}]}"#.to_owned(),
            format!(r#"{{"Statement":[{{"Condition":{time}}}]}}"#),
            format!(
                r#"{{"Statement":[{}]}}"#,
                one.replace("}}}", r#"},"Bool":{}}}"#)
            ),
            "[]".to_owned(),
        ];
        let key = key();
        for policy in policies {
            let text = STANDARD
                .encode(&policy)
                .replace('=', "_")
                .replace('+', "-")
                .replace('/', "~");
            let query = format!(
                "Policy={text}&Signature=MAYCAQECAQE_&Key-Pair-Id=K1&Hash-Algorithm=SHA256"
            );
            assert_eq!(ask(&key, &query, "/a"), "layout", "{policy}");
        }
    }
}
