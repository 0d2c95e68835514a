//! Reading JSON that somebody sent.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor},
};

use crate::Refused;

/// Reads an object of one type. What of it is kept as it was told (a spec, a pattern) is held to the same
/// rules as what has a type: no name is there twice, or what is shown again need not be what was done.
///
/// # Errors
/// `malformed`, with what is wrong and where.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Refused> {
    let bad = |error: serde_json::Error| Refused::malformed(error.to_string());
    if text
        .trim_ascii_start()
        .first()
        .is_some_and(|first| *first != b'{')
    {
        // Types are read from arrays as well, by the order of their members.
        return Err(Refused::malformed("expected an object"));
    }
    serde_json::from_slice::<Unambiguous>(text).map_err(bad)?;
    serde_json::from_slice(text).map_err(bad)
}

/// JSON in which no object has a name twice (RFC 8259 section 4). Its nesting is bounded by the reader.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
            }
            members.next_value::<Self>()?;
            names.insert(name);
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self, A::Error> {
        while values.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn detail(text: &str) -> String {
        read::<Json>(text.as_bytes()).unwrap_err().detail
    }

    #[test]
    fn what_is_well_formed_is_read_as_it_is() {
        let text = r#" {"a":[1,-2,0.5,"b",true,null,{"a":{}}],"c":{"a":1}} "#;
        let wanted = json!({ "a": [1, -2, 0.5, "b", true, null, { "a": {} }], "c": { "a": 1 } });
        assert_eq!(read::<Json>(text.as_bytes()).unwrap(), wanted);
    }

    #[test]
    fn a_name_that_is_there_twice_refused_however_deep_and_however_written() {
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert!(detail(twice).contains("duplicate field `a`"), "{twice}");
        }
    }

    #[test]
    fn what_is_no_object_refused() {
        assert_eq!(detail(r#"["vod",1]"#), "expected an object");
        assert_eq!(detail("1"), "expected an object");
        assert!(detail("").contains("EOF"));
        assert!(detail(r#"{"a":1}x"#).contains("trailing"));
        assert!(detail(&r#"{"a":"#.repeat(1_000)).contains("recursion"));
    }
}
