//! A relative reference that a player or a playlist gives, as a path on the same host (RFC 3986
//! section 5).

/// Bytes of a reference.
const REFERENCE_BYTES_MAX: usize = 2048;

/// The path and query that `reference` names from the document at `base` (a path, with or without
/// a query).
///
/// `None` for what leads elsewhere: another scheme or host, above the root, or nowhere (a fragment
/// alone). A fragment is dropped.
pub fn resolve(base: &str, reference: &str) -> Option<String> {
    if reference.len() > REFERENCE_BYTES_MAX {
        return None;
    }
    let reference = reference.split('#').next().unwrap_or_default();
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    // RFC 3986 section 4.2: a colon in the first segment would be a scheme's.
    let first = path.split('/').next().unwrap_or_default();
    if path.is_empty() || path.starts_with("//") || first.contains(':') {
        return None;
    }
    let base = base.split('?').next().unwrap_or_default();
    let joined = if path.starts_with('/') {
        without_dots(path)?
    } else {
        let folder = base.rfind('/').map_or("/", |slash| &base[..=slash]);
        without_dots(&format!("{folder}{path}"))?
    };
    Some(match query {
        Some(query) => format!("{joined}?{query}"),
        None => joined,
    })
}

/// RFC 3986 section 5.2.4, but that nothing is above the root.
fn without_dots(path: &str) -> Option<String> {
    let mut folders: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(folders.pop()?),
            segment => {
                folders.push(segment);
                continue;
            }
        }
        if is_last {
            folders.push("");
        }
    }
    Some(format!("/{}", folders.join("/")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_lead_where_rfc_3986_says() {
        // RFC 3986 section 5.4, as far as they stay on the host.
        for (reference, expected) in [
            ("g", Some("/b/c/g")),
            ("./g", Some("/b/c/g")),
            ("g/", Some("/b/c/g/")),
            ("/g", Some("/g")),
            ("g?y", Some("/b/c/g?y")),
            ("g#s", Some("/b/c/g")),
            (".", Some("/b/c/")),
            ("..", Some("/b/")),
            ("../g", Some("/b/g")),
            ("../..", Some("/")),
            ("../../g", Some("/g")),
            ("../../../g", None),
            ("/./g", Some("/g")),
            ("/../g", None),
            ("g;x=1/../y", Some("/b/c/y")),
            ("//g", None),
            ("http:g", None),
            ("https://h/g", None),
            ("", None),
            ("#s", None),
            ("?y", None),
        ] {
            assert_eq!(
                resolve("/b/c/d;p?q", reference).as_deref(),
                expected,
                "{reference}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_reference_leaves_a_dot_behind(reference in "[./a:?#]{0,16}") {
            if let Some(path) = resolve("/x/y/z", &reference) {
                let path = path.split('?').next().unwrap().to_owned();
                prop_assert!(path.starts_with('/'));
                prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
