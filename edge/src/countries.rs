//! Where viewers are, by a database in MaxMind's format.

use std::{fmt, net::IpAddr, path::Path, sync::Arc};

use daemon::config::{Section, read_file};
use maxminddb::{Reader, path};
use signing::Label;

/// The largest database: ten times GeoIP2 Country. All of it stays in memory.
const DATABASE_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// `[regions]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Countries {
    database: Option<Database>,
    /// Where this node is.
    pub(crate) here: Option<Label>,
}

#[derive(Clone)]
struct Database(Arc<Reader<Vec<u8>>>);

impl Countries {
    pub(crate) fn read(section: &mut Section) -> Option<Self> {
        let label = "two capital letters, or a name of your own";
        let here = section.parsed("here", label, |text| Label::parse(text).ok());
        let here = here.optional();
        let Some(file) = section.path("database").optional() else {
            return Some(Self {
                database: None,
                here,
            });
        };
        match open(&file) {
            Ok(database) => Some(Self {
                database: Some(database),
                here,
            }),
            Err(what) => {
                let hint = "GeoIP2 or GeoLite2 Country or City, or another in that format";
                section.problem("database", &what, Some(hint));
                None
            }
        }
    }

    /// Whether there is a database.
    pub(crate) fn are_known(&self) -> bool {
        self.database.is_some()
    }

    /// The country of an address, if the database has one. What is registered somewhere but used
    /// anywhere (satellites, anonymisers) has none. Costs well under a microsecond.
    pub(crate) fn of(&self, address: IpAddr) -> Option<Label> {
        let Database(reader) = self.database.as_ref()?;
        let found = reader.lookup(address.to_canonical()).ok()?;
        let code: Option<&str> = found.decode_path(&path!["country", "iso_code"]).ok()?;
        Label::parse(code?).ok()
    }
}

/// A database whose structure has been looked through: later, a lookup that fails is no country.
fn open(file: &Path) -> Result<Database, String> {
    let bytes = read_file(file, DATABASE_BYTES_MAX)?;
    let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
    Ok(Database(Arc::new(reader)))
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = self.0.metadata();
        write!(f, "{} of {}", metadata.database_type, metadata.build_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn countries() -> Countries {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/countries.mmdb");
        Countries {
            database: Some(open(&file).unwrap()),
            here: None,
        }
    }

    #[test]
    fn an_address_has_the_country_that_uses_it() {
        let countries = countries();
        let of = |address: &str| countries.of(address.parse().unwrap());
        let known = [
            ("192.0.2.7", "FR"),
            ("::ffff:192.0.2.7", "FR"),
            ("2001:db8::1", "US"),
            ("127.0.0.1", "DE"),
        ];
        for (address, country) in known {
            assert_eq!(of(address).unwrap().as_str(), country, "{address}");
        }
        for unknown in ["203.0.113.9", "198.51.100.1", "2001:db9::1"] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
        assert_eq!(Countries::default().of([192, 0, 2, 7].into()), None);
    }

    #[test]
    fn a_file_that_is_no_database_is_refused() {
        assert!(
            open(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("Cargo.toml")
                    .as_path()
            )
            .is_err()
        );
    }
}
