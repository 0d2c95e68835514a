//! The keys of one site, read from a file and replaced as a whole.

use std::{collections::HashSet, sync::Arc};

use crate::{
    Algorithm, DecryptionKey, Denied, Error, Label, Scheme, VerifyKey,
    error::cut,
    key::RawDecryptionKey,
    key_file::{
        RawKey, RawKeySet, VERSION, check_version, decode_public, decode_secret, encode_bytes,
        read, scheme, scheme_text, texts, to_json,
    },
};

/// The most keys in a set: a rotation needs two or three for each signer.
pub const KEYS_MAX: usize = 16;

/// The longest key file.
pub const KEY_FILE_BYTES_MAX: usize = 64 * 1024;

const KEY_SET_FIELDS: &str = "a key set has version, keys and perhaps decryption_keys; a key has \
     kid, alg, public or (for an HMAC) secret, and perhaps not_before_s, not_after_s and, for \
     another vendor's scheme, scheme, name, issuer and salt; a decryption key has kid, alg, secret \
     and perhaps name, not_before_s and not_after_s, each once";

/// Which key a token says that it was signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A native token's: one key.
    Kid(Label),
    /// Another scheme's: the keys of that name, or all of them, that sign in one of these ways.
    Named {
        scheme: Scheme,
        name: Option<String>,
        algorithms: &'static [Algorithm],
    },
}

/// The keys that may sign for one site. Two of them overlap while a rotation goes on.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<VerifyKey>,
    decryption: Vec<DecryptionKey>,
}

impl KeySet {
    /// A set of 1 to [`KEYS_MAX`] keys with different ids and different bytes.
    pub fn new(keys: Vec<VerifyKey>) -> Result<Self, Error> {
        Self::of(keys, Vec::new())
    }

    /// The same set and more keys, which have ids and bytes of their own.
    pub fn and(mut self, more: impl IntoIterator<Item = VerifyKey>) -> Result<Self, Error> {
        self.keys.extend(more);
        Self::of(self.keys, self.decryption)
    }

    /// The same set and one more decryption key, from JSON as a key set's file has it.
    pub fn and_decryption(mut self, key: &[u8]) -> Result<Self, Error> {
        let raw: RawDecryptionKey = read(key, KEY_SET_FIELDS)?;
        let position = self.keys.len() + self.decryption.len() + 1;
        self.decryption.push(parse_decryption(&raw, position)?);
        Self::of(self.keys, self.decryption)
    }

    fn of(keys: Vec<VerifyKey>, decryption: Vec<DecryptionKey>) -> Result<Self, Error> {
        if keys.is_empty() || keys.len() > KEYS_MAX {
            let problem = format!("{} keys; a set has 1 to {KEYS_MAX}", keys.len());
            return Err(Error::KeyFile { problem });
        }
        if decryption.len() > KEYS_MAX {
            let found = decryption.len();
            let problem = format!("{found} decryption_keys; a set has up to {KEYS_MAX}");
            return Err(Error::KeyFile { problem });
        }
        let mut kids = HashSet::new();
        let mut bytes = HashSet::new();
        let verifying = keys
            .iter()
            .map(|key| (&key.kid, key.bytes(), key.not_before_s, key.not_after_s));
        let decrypting = decryption
            .iter()
            .map(|key| (&key.kid, key.bytes(), key.not_before_s, key.not_after_s));
        for (index, (kid, own, begin_s, end_s)) in verifying.chain(decrypting).enumerate() {
            let problem = if !kids.insert(kid) {
                "the kid occurs twice; every key has its own"
            } else if !bytes.insert(own) {
                // Worst of all, a public key that is also a secret: anybody could sign with it.
                "another key has the same bytes; make a new one with `millpond keys new`"
            } else if end_s.is_some_and(|end_s| end_s <= begin_s) {
                "not_after_s is not after not_before_s"
            } else {
                continue;
            };
            let kid = kid.to_string();
            return Err(Error::Key {
                position: index + 1,
                kid,
                problem: problem.to_owned(),
            });
        }
        Ok(Self { keys, decryption })
    }

    /// Reads a key set's file, at most [`KEY_FILE_BYTES_MAX`] bytes of JSON.
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let raw: RawKeySet = read(file, KEY_SET_FIELDS)?;
        check_version(raw.version)?;
        let keys = raw.keys.iter().enumerate().map(|(index, key)| {
            parse_key(key).map_err(|problem| Error::Key {
                position: index + 1,
                kid: cut(&key.kid),
                problem,
            })
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let decryption = raw.decryption_keys.iter().zip(keys.len() + 1..);
        let decryption = decryption.map(|(key, position)| parse_decryption(key, position));
        let decryption = decryption.collect::<Result<_, _>>()?;
        Self::of(keys, decryption)
    }

    /// The file for this set. It is a secret if one of the keys is an HMAC secret or decrypts.
    pub fn to_json(&self) -> String {
        to_json(&RawKeySet {
            version: VERSION,
            keys: self.keys.iter().map(raw_key).collect(),
            decryption_keys: self.decryption.iter().map(DecryptionKey::raw).collect(),
        })
    }

    /// The keys, in the file's order.
    pub fn keys(&self) -> &[VerifyKey] {
        &self.keys
    }

    /// The keys that open encrypted claims, in the file's order.
    pub fn decryption_keys(&self) -> &[DecryptionKey] {
        &self.decryption
    }

    /// The key with this id, if its window has begun and not ended.
    pub(crate) fn usable(
        &self,
        kid: &Label,
        now_s: u64,
        skew_s: u64,
    ) -> Result<&VerifyKey, Denied> {
        let key = self.keys.iter().find(|key| key.kid == *kid);
        let key = key.ok_or_else(|| Denied::UnknownKey(kid.clone()))?;
        in_use(key, now_s, skew_s)
    }

    /// The keys that a token may have been signed with, in the file's order.
    pub(crate) fn candidates(
        &self,
        wanted: &Wanted,
        now_s: u64,
        skew_s: u64,
    ) -> Result<Vec<&VerifyKey>, Denied> {
        match wanted {
            Wanted::Kid(kid) => {
                let key = self.usable(kid, now_s, skew_s)?;
                if key.scheme == Scheme::Native {
                    Ok(vec![key])
                } else {
                    Err(Denied::UnknownKey(kid.clone()))
                }
            }
            Wanted::Named {
                scheme,
                name,
                algorithms,
            } => {
                let mut why_not = Denied::NoKey;
                let mut usable = Vec::new();
                let called = |key: &&VerifyKey| key.is_called(*scheme, name.as_deref());
                for key in self.keys.iter().filter(called) {
                    match in_use(key, now_s, skew_s) {
                        Ok(key) if algorithms.contains(&key.algorithm()) => usable.push(key),
                        Ok(_) => why_not = Denied::WrongAlgorithm,
                        Err(denied) => why_not = denied,
                    }
                }
                if usable.is_empty() {
                    Err(why_not)
                } else {
                    Ok(usable)
                }
            }
        }
    }
}

fn in_use(key: &VerifyKey, now_s: u64, skew_s: u64) -> Result<&VerifyKey, Denied> {
    let kid = &key.kid;
    if key.not_before_s > now_s.saturating_add(skew_s) {
        return Err(Denied::KeyNotYetValid(kid.clone()));
    }
    if key.not_after_s.is_some_and(|end| now_s >= end) {
        return Err(Denied::KeyRetired(kid.clone()));
    }
    Ok(key)
}

fn parse_key(raw: &RawKey) -> Result<VerifyKey, String> {
    let kid = Label::parse(&raw.kid).map_err(|error| error.to_string())?;
    let algorithm = Algorithm::parse(&raw.alg).map_err(|error| error.to_string())?;
    let scheme = scheme(raw.scheme.as_deref()).map_err(|error| error.to_string())?;
    let (field, bytes) = match (algorithm.is_symmetric(), &raw.public, &raw.secret) {
        (false, Some(public), None) => ("public", decode_public(public)?),
        (true, None, Some(secret)) => ("secret", decode_secret(secret)?),
        (false, ..) => {
            let name = algorithm.name();
            return Err(format!("alg {name} takes `public` and no `secret`"));
        }
        (true, ..) => {
            let name = algorithm.name();
            return Err(format!("alg {name} takes `secret` and no `public`"));
        }
    };
    let mut key = VerifyKey::of_scheme(scheme, algorithm, kid, &bytes)
        .map_err(|problem| format!("`{field}` is {problem}"))?;
    let [name, issuer, salt] = texts(scheme, [&raw.name, &raw.issuer, &raw.salt])?;
    (key.name, key.issuer, key.salt) = (name, issuer, salt);
    key.not_before_s = raw.not_before_s;
    key.not_after_s = raw.not_after_s;
    Ok(key)
}

fn parse_decryption(raw: &RawDecryptionKey, position: usize) -> Result<DecryptionKey, Error> {
    DecryptionKey::read(raw).map_err(|problem| Error::Key {
        position,
        kid: cut(&raw.kid),
        problem,
    })
}

fn raw_key(key: &VerifyKey) -> RawKey {
    let bytes = Some(encode_bytes(key.bytes()));
    let (public, secret) = if key.algorithm().is_symmetric() {
        (None, bytes)
    } else {
        (bytes, None)
    };
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    RawKey {
        kid: key.kid.to_string(),
        alg: key.algorithm().name().to_owned(),
        scheme: scheme_text(key.scheme),
        name: text(&key.name),
        issuer: text(&key.issuer),
        salt: text(&key.salt),
        public,
        secret,
        not_before_s: key.not_before_s,
        not_after_s: key.not_after_s,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SigningKey;

    fn key(kid: &str, algorithm: Algorithm) -> VerifyKey {
        SigningKey::generate(algorithm, Label::parse(kid).unwrap())
            .unwrap()
            .verify_key()
    }

    fn told(file: &str) -> String {
        KeySet::parse(file.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_key_set_file_round_trips() {
        let mut retiring = key("old", Algorithm::HmacSha256);
        retiring.not_after_s = Some(9_000);
        let mut coming = key("new", Algorithm::Ed25519);
        coming.not_before_s = 8_000;
        let set = KeySet::new(vec![retiring, coming]).unwrap();
        let again = KeySet::parse(set.to_json().as_bytes()).unwrap();
        assert_eq!(again.to_json(), set.to_json());
        assert_eq!(again.keys()[0].not_after_s, Some(9_000));
    }

    #[test]
    fn a_public_key_cannot_double_as_an_hmac_secret() {
        let public = key("ed", Algorithm::Ed25519);
        let kid = Label::parse("mac").unwrap();
        let confused = VerifyKey::new(Algorithm::HmacSha256, kid, public.bytes()).unwrap();
        let error = KeySet::new(vec![public, confused]).unwrap_err();
        assert!(error.to_string().contains("same bytes"), "{error}");
    }

    #[test]
    fn a_broken_file_is_told_with_the_key_and_a_hint() {
        let zeros = "A".repeat(43);
        let wrong = |fields: &str| told(&format!(r#"{{"version": 1, "keys": [{{{fields}}}]}}"#));
        let cases = [
            (
                wrong(r#""kid": "a", "alg": "none", "public": """#),
                "ed25519 or hmac-sha-256",
            ),
            (
                wrong(r#""kid": "a", "alg": "HS256", "secret": """#),
                "ed25519 or hmac-sha-256",
            ),
            (
                wrong(r#""kid": "a", "alg": "ed25519", "secret": "x""#),
                "takes `public`",
            ),
            (
                wrong(r#""kid": "a", "alg": "hmac-sha-256", "public": "x""#),
                "takes `secret`",
            ),
            (
                wrong(r#""kid": "a", "alg": "ed25519", "public": "AA==""#),
                "without padding",
            ),
            (
                wrong(r#""kid": "a", "alg": "ed25519", "public": "AAAA""#),
                "has 32",
            ),
            (
                wrong(&format!(
                    r#""kid": "a", "alg": "ed25519", "public": "{zeros}""#
                )),
                "weak",
            ),
            (
                wrong(r#""kid": "../../key", "alg": "ed25519", "public": """#),
                "1 to 64 characters",
            ),
            (told(r#"{"version": 1, "keys": []}"#), "1 to 16"),
            (told(r#"{"version": 9, "keys": []}"#), "version 9"),
            (told(""), "ends too early"),
            (told("[]"), "line 1"),
            (
                told(r#"{"version": 1, "keys": [], "keys": []}"#),
                "each once",
            ),
            (told(&" ".repeat(KEY_FILE_BYTES_MAX + 1)), "over the limit"),
        ];
        for (error, hint) in cases {
            assert!(error.contains(hint), "{error:?} lacks {hint:?}");
        }
    }

    #[test]
    fn twice_the_same_kid_too_many_keys_and_an_empty_window_are_refused() {
        let twice = vec![key("a", Algorithm::Ed25519), key("a", Algorithm::Ed25519)];
        let error = KeySet::new(twice).unwrap_err().to_string();
        assert!(
            error.contains(r#"key 2 (kid "a")"#) && error.contains("twice"),
            "{error}"
        );
        let many = (0..=KEYS_MAX).map(|n| key(&n.to_string(), Algorithm::Ed25519));
        assert!(KeySet::new(many.collect()).is_err());
        let mut never = key("a", Algorithm::Ed25519);
        (never.not_before_s, never.not_after_s) = (5, Some(5));
        assert!(KeySet::new(vec![never]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(file in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(KeySet::parse(&file).is_err());
        }
    }
}
