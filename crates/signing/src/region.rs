//! Which countries a site is for.

use crate::{Denied, Label};

/// Which countries a site is for, by ISO 3166-1 code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regions {
    /// Only these; none means all.
    pub allowed: Vec<Label>,
    /// Not these, also where `allowed` has them.
    pub denied: Vec<Label>,
    /// Whether viewers whose country is not known are let in where there are rules. Default false:
    /// a right that is sold by country is not given to who hides his.
    pub unknown_allowed: bool,
}

impl Regions {
    /// Whether there are no rules, so that no country needs to be known.
    pub fn is_open(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }

    /// Whether a viewer there may come in, whatever token he has.
    pub fn admit(&self, country: Option<&Label>) -> Result<(), Denied> {
        if self.is_open() {
            return Ok(());
        }
        let Some(country) = country else {
            return if self.unknown_allowed {
                Ok(())
            } else {
                Err(Denied::CountryUnknown)
            };
        };
        let listed = self.allowed.is_empty() || self.allowed.contains(country);
        if listed && !self.denied.contains(country) {
            Ok(())
        } else {
            Err(Denied::Country(country.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    #[test]
    fn a_denied_country_stays_out_and_an_unknown_one_by_default() {
        let mut regions = Regions {
            allowed: vec![label("DE"), label("FR")],
            denied: vec![label("FR")],
            unknown_allowed: false,
        };
        assert_eq!(regions.admit(Some(&label("DE"))), Ok(()));
        for country in ["FR", "US", "de"] {
            let country = label(country);
            assert_eq!(regions.admit(Some(&country)), Err(Denied::Country(country)));
        }
        assert_eq!(regions.admit(None), Err(Denied::CountryUnknown));
        regions.unknown_allowed = true;
        assert_eq!(regions.admit(None), Ok(()));
        regions.allowed.clear();
        assert_eq!(regions.admit(Some(&label("US"))), Ok(()));
    }

    #[test]
    fn without_rules_no_country_is_asked_for() {
        assert_eq!(Regions::default().admit(None), Ok(()));
    }
}
