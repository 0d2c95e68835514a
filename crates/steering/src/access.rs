//! Who may do what, by the name in the client's certificate. Pure.

use std::{collections::BTreeMap, sync::Arc};

/// What a client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Steering,
    /// Read everything, change nothing.
    Reader,
    /// An owner of content: purge and trigger for these sites, and see what came of it.
    Owner(Arc<[String]>),
}

/// What a route asks of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// To see how the node is.
    See,
    /// To change what it does.
    Change,
    /// To change what belongs to one's sites.
    Own,
    /// To see what belongs to one's sites.
    SeeOwn,
}

/// Roles by certificate name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// Roles by name, compared without regard to case. A name that is given twice has the first.
    pub fn new(roles: impl IntoIterator<Item = (String, Role)>) -> Self {
        let mut by_name = BTreeMap::new();
        for (name, role) in roles {
            by_name.entry(name.to_ascii_lowercase()).or_insert(role);
        }
        Self(by_name)
    }

    /// What the holder of a verified certificate may do; nothing if it has no role.
    pub fn of(&self, identity: &str) -> Option<&Role> {
        self.0.get(&identity.to_ascii_lowercase())
    }

    /// Whether nobody has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Role {
    pub(crate) fn has(&self, right: Right) -> bool {
        match (self, right) {
            (Self::Steering, _)
            | (Self::Reader, Right::See | Right::SeeOwn)
            | (Self::Owner(_), Right::Own | Right::SeeOwn) => true,
            (Self::Reader, Right::Change | Right::Own)
            | (Self::Owner(_), Right::See | Right::Change) => false,
        }
    }

    /// Whether it may purge, trigger and see for a site.
    pub(crate) fn owns(&self, site: &str) -> bool {
        match self {
            Self::Steering => true,
            Self::Reader => false,
            Self::Owner(sites) => sites.iter().any(|own| own == site),
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Steering => "steering",
            Self::Reader => "reader",
            Self::Owner(_) => "owner",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_changes_what_is_its_own_and_a_reader_nothing() {
        let owner = Role::Owner(["vod".to_owned()].into());
        let rights = [Right::See, Right::Change, Right::Own, Right::SeeOwn];
        assert_eq!(rights.map(|right| Role::Steering.has(right)), [true; 4]);
        assert_eq!(
            rights.map(|right| Role::Reader.has(right)),
            [true, false, false, true]
        );
        assert_eq!(
            rights.map(|right| owner.has(right)),
            [false, false, true, true]
        );
        assert!(owner.owns("vod") && !owner.owns("news") && !Role::Reader.owns("vod"));
    }

    #[test]
    fn a_name_without_a_role_has_no_rights() {
        let roles = Roles::new([("Steering.Internal".to_owned(), Role::Steering)]);
        assert_eq!(roles.of("steering.internal"), Some(&Role::Steering));
        assert_eq!(roles.of("steering.internal.evil"), None);
        assert_eq!(roles.of(""), None);
    }
}
