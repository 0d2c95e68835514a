//! Tokens that the vendors' own signers made, or independent ones (`vectors/make.py`): each opens
//! what it was made for, and nothing else about it may be changed.

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

    use serde::Deserialize;
    use signing::{
        Carriers, Denied, Facts, Fields, Grant, Jti, KeySet, Label, Malformed, ObjectPath, Policy,
        Scheme, Schemes, Verifier,
    };

    const ORIGIN: &str = "https://cdn.example";

    #[derive(Deserialize)]
    struct Vectors {
        now_s: u64,
        end_s: u64,
        keys: serde_json::Value,
        cases: Vec<Case>,
    }

    /// A request that some signer made.
    #[derive(Deserialize, Clone)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        path: String,
        query: Option<String>,
        cookie: Option<String>,
        field: Option<String>,
        /// The object, where the token is in its path.
        object: Option<String>,
        /// What is left of the query.
        rest: Option<String>,
        client: Option<String>,
        session: Option<String>,
        /// Whether the token is for this URL alone.
        #[serde(default)]
        exact: bool,
    }

    struct UserAgent(&'static str);

    impl Fields for UserAgent {
        fn joined(&self, name: &str) -> Option<String> {
            name.eq_ignore_ascii_case("user-agent")
                .then(|| self.0.to_owned())
        }
    }

    #[derive(Debug, PartialEq)]
    enum Verdict {
        Granted(Arc<Grant>),
        Denied(Denied),
        Malformed(Malformed),
        NoToken,
    }

    impl Verdict {
        fn grant(self, name: &str) -> Arc<Grant> {
            match self {
                Self::Granted(grant) => grant,
                other => panic!("{name}: {other:?}"),
            }
        }

        fn is_refused(&self) -> bool {
            !matches!(self, Self::Granted(_))
        }

        fn label(&self) -> &'static str {
            match self {
                Self::Denied(denied) => denied.label(),
                Self::Granted(_) => "granted",
                Self::Malformed(_) => "malformed",
                Self::NoToken => "no token",
            }
        }
    }

    /// What a test changes about a request.
    struct World {
        verifier: Verifier,
        now_s: u64,
        origin: &'static str,
        agent: UserAgent,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("vectors/vectors.json")).unwrap()
    }

    fn policy() -> Policy {
        Policy {
            audience: Some("dCDN LLC".to_owned()),
            jti: Jti::Id,
            renews: true,
            ..Policy::default()
        }
    }

    fn all_carriers() -> Carriers {
        Carriers {
            schemes: Schemes::from_iter(Scheme::ALL),
            ..Carriers::default()
        }
    }

    impl World {
        fn new(vectors: &Vectors) -> Self {
            Self::with(vectors, policy())
        }

        fn with(vectors: &Vectors, policy: Policy) -> Self {
            let keys = KeySet::parse(vectors.keys.to_string().as_bytes()).unwrap();
            Self {
                verifier: Verifier::new(Label::parse("films").unwrap(), keys, policy),
                now_s: vectors.now_s,
                origin: ORIGIN,
                agent: UserAgent("player/1"),
            }
        }

        fn ask(&self, case: &Case) -> Verdict {
            let carriers = all_carriers();
            let (query, field) = (case.query.as_deref(), case.field.as_deref());
            let cookies = case.cookie.as_deref().into_iter();
            let found = match carriers.find(&case.path, query, field, cookies) {
                Ok(found) => found,
                Err(malformed) => return Verdict::Malformed(malformed),
            };
            let path = match ObjectPath::parse(&found.path) {
                Ok(path) => path,
                Err(malformed) => return Verdict::Malformed(malformed),
            };
            let client: IpAddr = case
                .client
                .as_deref()
                .unwrap_or("192.0.2.1")
                .parse()
                .unwrap();
            let mut facts = Facts::new(&path, client, self.now_s);
            facts.origin = self.origin;
            facts.query = found.query.as_deref();
            facts.fields = &self.agent;
            let Some(token) = found.token else {
                return Verdict::NoToken;
            };
            match self.verifier.verify(token, &facts) {
                Ok(grant) => Verdict::Granted(grant),
                Err(denied) => Verdict::Denied(denied),
            }
        }
    }

    #[test]
    fn each_token_opens_what_it_was_made_for() {
        let vectors = vectors();
        let world = World::new(&vectors);
        let mut schemes = BTreeMap::<Scheme, usize>::new();
        for case in &vectors.cases {
            let carriers = all_carriers();
            let found = carriers.find(&case.path, case.query.as_deref(), None, [].into_iter());
            let found = found.unwrap();
            assert_eq!(&*found.path, case.object.as_ref().unwrap_or(&case.path));
            assert_eq!(
                found.query.as_deref(),
                case.rest.as_deref(),
                "{}",
                case.name
            );
            for _ in 0..2 {
                let grant = world.ask(case).grant(&case.name);
                assert_eq!(grant.claims.not_after_s, vectors.end_s, "{}", case.name);
                let session = grant.claims.session.as_ref().map(Label::as_str);
                assert_eq!(
                    session,
                    case.session.as_deref().or(session),
                    "{}",
                    case.name
                );
                *schemes.entry(grant.scheme).or_default() += 1;
            }
        }
        assert_eq!(schemes.len(), 4, "{schemes:?}");
    }

    /// U02: any character of a token, in every carrier; what is remembered cannot be confused.
    #[test]
    fn any_changed_character_closes_it() {
        let vectors = vectors();
        let world = World::new(&vectors);
        let granted: Vec<_> = vectors
            .cases
            .iter()
            .map(|case| world.ask(case).grant(&case.name))
            .collect();
        for (case, grant) in vectors.cases.iter().zip(granted) {
            for (text, put) in texts(case) {
                for at in 0..text.len() {
                    for other in ["A", "1", "%", "~", "/", ""] {
                        let mut bytes = text.clone();
                        bytes.replace_range(at..=at, other);
                        // Google writes padding, and reads tokens without it; spaces divide cookies.
                        let removed = text.as_bytes()[at];
                        let padding = removed == b'=' && text.ends_with('=');
                        let padding = other.is_empty() && (padding || removed == b' ');
                        if bytes == text || padding {
                            continue;
                        }
                        let mut changed = case.clone();
                        put(&mut changed, bytes);
                        let verdict = world.ask(&changed);
                        // A prefix or glob token may cover another path or own parameter: then it
                        // is the same token. Everything else is refused.
                        if let Verdict::Granted(now) = &verdict {
                            let same = now.claims == grant.claims && now.kid == grant.kid;
                            assert!(
                                same && !case.exact,
                                "{} with {other:?} at {at} of {text}",
                                case.name
                            );
                        }
                    }
                }
            }
        }
    }

    type Put = fn(&mut Case, String);

    fn texts(case: &Case) -> Vec<(String, Put)> {
        let all: [(Option<&String>, Put); 4] = [
            (Some(&case.path), |case, text| {
                case.object = None;
                case.path = text;
            }),
            (case.query.as_ref(), |case, text| case.query = Some(text)),
            (case.cookie.as_ref(), |case, text| case.cookie = Some(text)),
            (case.field.as_ref(), |case, text| case.field = Some(text)),
        ];
        all.into_iter()
            .filter_map(|(text, put)| Some((text?.clone(), put)))
            .collect()
    }

    #[test]
    fn no_token_outlives_its_end_or_its_longest_life() {
        let vectors = vectors();
        let mut world = World::new(&vectors);
        world.now_s = vectors.end_s;
        for case in &vectors.cases {
            assert_eq!(world.ask(case).label(), "expired", "{}", case.name);
        }
        let short = Policy {
            max_lifetime_s: 3599,
            ..policy()
        };
        let world = World::with(&vectors, short);
        for case in &vectors.cases {
            assert_eq!(
                world.ask(case).label(),
                "lifetime_too_long",
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn a_token_that_has_a_beginning_is_good_from_then_on() {
        let vectors = vectors();
        let mut world = World::new(&vectors);
        let early = vectors.now_s - 600 - 31;
        let mut begun = 0;
        for case in &vectors.cases {
            let grant = world.ask(case).grant(&case.name);
            begun += usize::from(grant.claims.not_before_s > 0);
        }
        assert!(begun >= 5, "{begun}");
        world = World::new(&vectors);
        world.now_s = early;
        for case in &vectors.cases {
            let verdict = world.ask(case);
            let label = verdict.label();
            assert!(
                ["granted", "not_yet_valid"].contains(&label),
                "{}: {label}",
                case.name
            );
            begun -= usize::from(label == "not_yet_valid");
        }
        assert_eq!(begun, 0);
    }

    #[test]
    fn a_token_for_one_url_opens_no_other_path_query_or_host() {
        let vectors = vectors();
        let mut world = World::new(&vectors);
        for case in vectors.cases.iter().filter(|case| case.exact) {
            let mut other = case.clone();
            other.path = case.path.replace("master", "other");
            assert!(world.ask(&other).is_refused(), "{}", case.name);
            if case.name.starts_with("cloudfront") || case.name.starts_with("media-cdn url") {
                for query in ["w=2&", "v=2&"] {
                    let mut other = case.clone();
                    other.rest = None;
                    other.query = case.query.as_ref().map(|own| format!("{query}{own}"));
                    if other.query.is_some() {
                        assert!(world.ask(&other).is_refused(), "{} {query}", case.name);
                    }
                }
            }
        }
        world.origin = "https://other.example";
        let bound = |case: &&Case| {
            !case.name.starts_with("edge-auth")
                && !["FullPath", "PathGlobs", "Headers", "hmac"]
                    .iter()
                    .any(|what| case.name.contains(what))
        };
        for case in vectors.cases.iter().filter(bound) {
            assert!(world.ask(case).is_refused(), "{}", case.name);
        }
    }

    #[test]
    fn a_wide_token_ends_where_its_scope_does() {
        let vectors = vectors();
        let world = World::new(&vectors);
        for case in vectors
            .cases
            .iter()
            .filter(|case| !case.exact && case.object.is_none())
        {
            let wide = ["/*", "salt", "sha-1", "Headers"]
                .iter()
                .any(|what| case.name.contains(what));
            if wide && case.name != "media-cdn dual, hmac sha-1" {
                continue;
            }
            let outside = Case {
                path: "/music/1/master.m3u8".to_owned(),
                ..case.clone()
            };
            assert_eq!(world.ask(&outside).label(), "out_of_scope", "{}", case.name);
        }
    }

    #[test]
    fn a_bound_token_is_for_its_client_and_its_fields() {
        let vectors = vectors();
        let mut world = World::new(&vectors);
        let mut bound = 0;
        for case in &vectors.cases {
            let elsewhere = Case {
                client: Some("198.51.100.9".to_owned()),
                ..case.clone()
            };
            let has_net = !world
                .ask(case)
                .grant(&case.name)
                .claims
                .client_nets
                .is_empty();
            assert_eq!(
                world.ask(&elsewhere).label() == "wrong_client",
                has_net,
                "{}",
                case.name
            );
            bound += usize::from(has_net);
        }
        assert!(bound >= 6, "{bound}");
        world.agent = UserAgent("player/2");
        let named = |case: &&Case| case.name.contains("Headers");
        let case = vectors.cases.iter().find(named).unwrap();
        assert_eq!(world.ask(case).label(), "bad_signature");
    }

    /// U22: another key of the same set, or none, verifies nothing.
    #[test]
    fn no_token_verifies_without_its_own_key() {
        let vectors = vectors();
        let all = vectors.keys["keys"].as_array().unwrap();
        let world = World::new(&vectors);
        for case in &vectors.cases {
            let kid = world.ask(case).grant(&case.name).kid.to_string();
            let others: Vec<_> = all
                .iter()
                .filter(|key| key["kid"] != kid.as_str())
                .collect();
            let keys = serde_json::json!({"version": 1, "keys": others});
            let without = World::new(&Vectors {
                keys,
                cases: vec![],
                ..vectors_times(&vectors)
            });
            assert!(without.ask(case).is_refused(), "{}", case.name);
        }
    }

    fn vectors_times(vectors: &Vectors) -> Vectors {
        Vectors {
            now_s: vectors.now_s,
            end_s: vectors.end_s,
            keys: serde_json::Value::Null,
            cases: Vec::new(),
        }
    }

    #[test]
    fn a_site_that_takes_no_other_scheme_finds_none_of_their_tokens() {
        let carriers = Carriers::default();
        for case in vectors().cases {
            let cookies = case.cookie.as_deref().into_iter();
            let found = carriers.find(
                &case.path,
                case.query.as_deref(),
                case.field.as_deref(),
                cookies,
            );
            assert!(
                !found.is_ok_and(|found| found.token.is_some()),
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn no_vector_is_shown_by_debug_or_by_the_log() {
        let carriers = all_carriers();
        for case in vectors().cases {
            let cookies = case.cookie.as_deref().into_iter();
            let found = carriers.find(
                &case.path,
                case.query.as_deref(),
                case.field.as_deref(),
                cookies,
            );
            let shown = format!("{:?}", found.unwrap());
            for secret in ["Signature", "hmac", "eyJ", "exp="] {
                assert!(!shown.contains(secret), "{}: {shown}", case.name);
            }
        }
    }
}
