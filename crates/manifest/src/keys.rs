//! Whose manifests a node accepts: keys, what each may sign, and how many it takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use signing::{Algorithm, KeySet, Label, VerifyKey};

/// The longest file of keys.
pub const KEYS_FILE_BYTES_MAX: usize = 64 * 1024;

const VERSION: u32 = 1;

/// What a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Manifests.
    Plan,
    /// Besides, that a manifest may drop much of what is planned.
    Evict,
}

impl Role {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Evict => "evict",
        }
    }
}

/// A key and what it may sign.
#[derive(Debug, Clone)]
pub struct PlannerKey {
    /// An Ed25519 key, with its id and the time of its use.
    pub key: VerifyKey,
    /// What it may sign.
    pub roles: Vec<Role>,
}

/// Whose manifests a node accepts. Ed25519 only: with HMAC, whoever steals a node could plan for
/// the fleet.
#[derive(Debug, Clone)]
pub struct Keys {
    keys: Vec<PlannerKey>,
    thresholds: BTreeMap<Role, usize>,
}

/// Why there is no such set of keys. The text quotes no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Too long to be one.
    #[error("{bytes} bytes; a file of planners' keys has at most {KEYS_FILE_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON of the expected shape.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// Of another version.
    #[error("version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// A key that cannot be, or that is there twice.
    #[error(transparent)]
    Key(#[from] signing::Error),
    /// A key that does not belong here.
    #[error("key {0} is not ed25519; whoever checks an HMAC can also sign")]
    NotEd25519(Label),
    /// A key that may sign nothing.
    #[error("key {0} has no role; roles are `plan` and `evict`")]
    NoRole(Label),
    /// More signatures wanted than there are keys, or none.
    #[error("role `{role}` wants {threshold} signatures and {keys} keys have it")]
    Threshold {
        /// The role's name.
        role: &'static str,
        /// Signatures wanted.
        threshold: usize,
        /// Keys that have the role.
        keys: usize,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawKeys {
    version: u32,
    keys: Vec<RawKey>,
    #[serde(default)]
    thresholds: RawThresholds,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawThresholds {
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evict: Option<usize>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    kid: Label,
    public: String,
    roles: Vec<Role>,
    #[serde(default)]
    not_before_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after_s: Option<u64>,
}

impl Keys {
    /// A set of 1 to 16 keys with different ids and bytes. A role without a threshold wants one
    /// signature.
    ///
    /// # Errors
    /// When a key has no role or is not Ed25519, or when a threshold cannot be reached. That no
    /// key has [`Role::Evict`] is legal: then no manifest may drop much.
    pub fn new(
        keys: Vec<PlannerKey>,
        thresholds: impl IntoIterator<Item = (Role, usize)>,
    ) -> Result<Self, KeysError> {
        // Its checks are ours: how many, ids and bytes once each, a window that is one.
        KeySet::new(keys.iter().map(|planner| planner.key.clone()).collect())?;
        for PlannerKey { key, roles } in &keys {
            if key.algorithm() != Algorithm::Ed25519 {
                return Err(KeysError::NotEd25519(key.kid.clone()));
            }
            if roles.is_empty() {
                return Err(KeysError::NoRole(key.kid.clone()));
            }
        }
        let given: BTreeMap<Role, usize> = thresholds.into_iter().collect();
        let set = Self {
            keys,
            thresholds: given,
        };
        for role in [Role::Plan, Role::Evict] {
            set.check_threshold(role)?;
        }
        Ok(set)
    }

    /// Reads a file, which the README draws.
    pub fn parse(file: &[u8]) -> Result<Self, KeysError> {
        if file.len() > KEYS_FILE_BYTES_MAX {
            return Err(KeysError::TooLarge { bytes: file.len() });
        }
        let raw: RawKeys = serde_json::from_slice(file).map_err(|error| KeysError::Syntax {
            line: error.line(),
            column: error.column(),
            problem: error.to_string(),
        })?;
        if raw.version != VERSION {
            return Err(KeysError::Version(raw.version));
        }
        let keys = raw.keys.into_iter().map(|raw| {
            let mut key = VerifyKey::ed25519(&raw.kid, &raw.public)?;
            key.not_before_s = raw.not_before_s;
            key.not_after_s = raw.not_after_s;
            let roles = raw.roles;
            Ok(PlannerKey { key, roles })
        });
        let keys: Vec<PlannerKey> = keys.collect::<Result<_, KeysError>>()?;
        let thresholds = [
            (Role::Plan, raw.thresholds.plan),
            (Role::Evict, raw.thresholds.evict),
        ];
        let given = thresholds.into_iter();
        Self::new(
            keys,
            given.filter_map(|(role, wanted)| Some((role, wanted?))),
        )
    }

    /// The file for this set.
    pub fn to_json(&self) -> String {
        let raw = RawKeys {
            version: VERSION,
            keys: self.keys.iter().map(raw_key).collect(),
            thresholds: RawThresholds {
                plan: self.thresholds.get(&Role::Plan).copied(),
                evict: self.thresholds.get(&Role::Evict).copied(),
            },
        };
        // Text, numbers and lists of known names always serialise.
        let mut json = serde_json::to_string_pretty(&raw).unwrap_or_default();
        json.push('\n');
        json
    }

    /// The keys, in the file's order.
    pub fn keys(&self) -> &[PlannerKey] {
        &self.keys
    }

    /// The thresholds that are not one, or were given all the same.
    pub fn thresholds(&self) -> impl Iterator<Item = (Role, usize)> {
        self.thresholds
            .iter()
            .map(|(role, wanted)| (*role, *wanted))
    }

    /// How many keys must sign for `role`.
    pub fn threshold(&self, role: Role) -> usize {
        self.thresholds.get(&role).copied().unwrap_or(1)
    }

    pub(crate) fn key(&self, kid: &Label) -> Option<&PlannerKey> {
        self.keys.iter().find(|planner| planner.key.kid == *kid)
    }

    fn check_threshold(&self, role: Role) -> Result<(), KeysError> {
        let threshold = self.threshold(role);
        let keys = self
            .keys
            .iter()
            .filter(|planner| planner.roles.contains(&role));
        let keys = keys.count();
        let unused = keys == 0 && role == Role::Evict && !self.thresholds.contains_key(&role);
        if unused || (1..=keys).contains(&threshold) {
            return Ok(());
        }
        let role = role.name();
        Err(KeysError::Threshold {
            role,
            threshold,
            keys,
        })
    }
}

fn raw_key(PlannerKey { key, roles }: &PlannerKey) -> RawKey {
    RawKey {
        kid: key.kid.clone(),
        public: key.public().unwrap_or_default(),
        roles: roles.clone(),
        not_before_s: key.not_before_s,
        not_after_s: key.not_after_s,
    }
}

#[cfg(test)]
mod tests {
    use signing::SigningKey;

    use super::*;

    fn planner(kid: &str, algorithm: Algorithm, roles: &[Role]) -> PlannerKey {
        let key = SigningKey::generate(algorithm, Label::parse(kid).unwrap()).unwrap();
        PlannerKey {
            key: key.verify_key(),
            roles: roles.to_vec(),
        }
    }

    #[test]
    fn a_file_of_keys_round_trips() {
        let mut retiring = planner("old", Algorithm::Ed25519, &[Role::Plan]);
        retiring.key.not_after_s = Some(9_000);
        let both = planner("new", Algorithm::Ed25519, &[Role::Plan, Role::Evict]);
        let keys = Keys::new(vec![retiring, both], [(Role::Plan, 2)]).unwrap();
        let again = Keys::parse(keys.to_json().as_bytes()).unwrap();
        assert_eq!(again.to_json(), keys.to_json());
        assert_eq!(again.threshold(Role::Plan), 2);
        assert_eq!(again.threshold(Role::Evict), 1);
        assert_eq!(again.keys()[0].key.not_after_s, Some(9_000));
    }

    #[test]
    fn a_threshold_that_cannot_be_reached_is_refused() {
        let plan = || planner("a", Algorithm::Ed25519, &[Role::Plan]);
        assert!(Keys::new(vec![plan()], []).is_ok());
        for wrong in [(Role::Plan, 0), (Role::Plan, 2), (Role::Evict, 1)] {
            let refused = Keys::new(vec![plan()], [wrong]);
            assert!(
                matches!(refused, Err(KeysError::Threshold { .. })),
                "{wrong:?}"
            );
        }
        let evict = planner("a", Algorithm::Ed25519, &[Role::Evict]);
        let refused = Keys::new(vec![evict], []);
        assert!(matches!(
            refused,
            Err(KeysError::Threshold { role: "plan", .. })
        ));
    }

    #[test]
    fn a_key_that_could_sign_where_it_verifies_or_may_sign_nothing_is_refused() {
        let mac = planner("a", Algorithm::HmacSha256, &[Role::Plan]);
        assert!(matches!(
            Keys::new(vec![mac], []),
            Err(KeysError::NotEd25519(_))
        ));
        let idle = planner("a", Algorithm::Ed25519, &[]);
        assert!(matches!(
            Keys::new(vec![idle], []),
            Err(KeysError::NoRole(_))
        ));
    }

    #[test]
    fn a_broken_file_is_told_with_its_place() {
        let told = |file: &str| Keys::parse(file.as_bytes()).unwrap_err().to_string();
        assert!(told("{\n\"version\": 1, \"colour\": 2}").starts_with("line 2"));
        assert!(told(r#"{"version": 2, "keys": []}"#).contains("reads version 1"));
        let key = r#"{"kid": "a", "public": "AAAA", "roles": ["plan"]}"#;
        assert!(told(&format!(r#"{{"version": 1, "keys": [{key}]}}"#)).contains("kid \"a\""));
        let role = key.replace("plan", "root");
        assert!(told(&format!(r#"{{"version": 1, "keys": [{role}]}}"#)).contains("evict"));
        let long = " ".repeat(KEYS_FILE_BYTES_MAX + 1);
        assert!(told(&long).contains("at most"));
    }
}
