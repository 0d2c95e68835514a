//! The format as others make it: the scripts of README.md, run with a shell and OpenSSL.

#[cfg(test)]
mod tests {
    use std::{fs, net::IpAddr, path::PathBuf, process::Command};

    use signing::{
        Carriers, Denied, Facts, KeySet, Label, ObjectPath, Policy, Scheme, Schemes, Verifier,
    };

    const README: &str = include_str!("../README.md");
    const NOW_S: u64 = 1_767_225_600 + 60;

    /// The fenced blocks of README.md in one language.
    fn blocks(language: &str) -> Vec<&'static str> {
        let fence = format!("```{language}\n");
        let starts = README.split(fence.as_str()).skip(1);
        starts
            .map(|block| block.split("```").next().unwrap())
            .collect()
    }

    fn verifier() -> Verifier {
        let keys = KeySet::parse(blocks("json")[0].as_bytes()).unwrap();
        let region = Some(Label::parse("DE").unwrap());
        let policy = Policy {
            region,
            ..Policy::default()
        };
        Verifier::new(Label::parse("films").unwrap(), keys, policy)
    }

    fn verify(token: &str, path: &str) -> Result<std::sync::Arc<signing::Grant>, Denied> {
        let path = ObjectPath::parse(path).unwrap();
        let client: IpAddr = "203.0.113.9".parse().unwrap();
        verifier().verify(token, &Facts::new(&path, client, NOW_S))
    }

    /// Runs a script in an empty folder; `None` if the machine lacks what it calls.
    fn run(script: &str, name: &str) -> Option<String> {
        let runs = |program, args| Command::new(program).arg(args).output().is_ok();
        if !runs("openssl", "version") || !runs("basenc", "--version") {
            return None;
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        let output = Command::new("sh")
            .args(["-euc", script])
            .current_dir(&folder)
            .output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn the_documented_tokens_verify() {
        let tokens = blocks("text");
        let grant = verify(tokens[0].trim(), "/films/1/master.m3u8").unwrap();
        assert_eq!(grant.kid.as_str(), "example");
        assert_eq!(grant.claims.not_after_s - grant.claims.not_before_s, 3600);
        assert_eq!(
            verify(tokens[0].trim(), "/films/10/a"),
            Err(Denied::OutOfScope)
        );

        let grant = verify(tokens[1].trim(), "/films/7/v1/9.m4s").unwrap();
        assert_eq!(grant.claims.token_id, Some(Label::parse("t-1").unwrap()));
        assert_eq!(grant.claims.session, Some(Label::parse("s-42").unwrap()));
        assert_eq!(grant.claims.client_nets[0].to_string(), "203.0.113.0/24");
        assert_eq!(grant.claims.regions.len(), 2);
        assert_eq!(
            verify(tokens[1].trim(), "/films/7/v10/9.m4s"),
            Err(Denied::OutOfScope)
        );
    }

    #[test]
    fn openssl_makes_the_documented_tokens() {
        let (scripts, tokens) = (blocks("sh"), blocks("text"));
        for (index, name) in ["ed25519", "hmac"].into_iter().enumerate() {
            let Some(made) = run(scripts[index], name) else {
                eprintln!("SKIPPED: {name}: this machine has no openssl or no basenc");
                continue;
            };
            assert_eq!(made, tokens[index].trim(), "{name}");
        }
    }

    /// The key set of the other schemes, with CloudFront's new key.
    fn other_keys(public: &str) -> KeySet {
        let mut set: serde_json::Value = serde_json::from_str(blocks("json")[1]).unwrap();
        if !public.is_empty() {
            let key = serde_json::json!({
                "kid": "amazon", "scheme": "cloudfront", "alg": "rsa-sha-1",
                "name": "KEXAMPLE", "public": public,
            });
            set["keys"].as_array_mut().unwrap().push(key);
        }
        KeySet::parse(set.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_documented_scripts_sign_as_the_other_vendors_do() {
        let scripts = blocks("sh");
        let names = ["edge-auth", "media-cdn", "uri-signing", "cloudfront"];
        assert_eq!(scripts.len(), 2 + names.len());
        for (index, name) in names.into_iter().enumerate() {
            let Some(query) = run(scripts[2 + index], name) else {
                eprintln!("SKIPPED: {name}: this machine has no openssl or no basenc");
                continue;
            };
            let public = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                .join(name)
                .join("public.pem");
            let keys = other_keys(&fs::read_to_string(public).unwrap_or_default());
            let policy = Policy::default();
            let verifier = Verifier::new(Label::parse("films").unwrap(), keys, policy);
            let carriers = Carriers {
                schemes: Schemes::from_iter(Scheme::ALL),
                ..Carriers::default()
            };
            let ask = |path: &str| {
                let found = carriers.find(path, Some(query.trim()), None, std::iter::empty());
                let found = found.unwrap();
                let path = ObjectPath::parse(path).unwrap();
                let mut facts = Facts::new(&path, [192, 0, 2, 1].into(), NOW_S);
                facts.origin = "https://edge.example";
                verifier
                    .verify(found.token.unwrap(), &facts)
                    .map(|grant| grant.scheme.name())
            };
            assert_eq!(ask("/films/1/master.m3u8"), Ok(name), "{query}");
            assert_eq!(
                ask("/films/2/master.m3u8"),
                Err(Denied::OutOfScope),
                "{query}"
            );
        }
    }
}
