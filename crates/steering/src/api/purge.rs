//! Purges that name what they reach by site and path. CDNI triggers name it by URL.

use std::sync::Arc;

use cache::{Pattern, Reach};
use http::StatusCode;

use super::{
    Api, reply,
    route::{Call, Reply},
};
use crate::{
    Purge, PurgeWhat, Reason, Refused,
    report::{PurgeOrder, Purged},
};

pub(super) async fn purge(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let order: PurgeOrder = call.json()?;
    if !call.caller.role.owns(&order.site) {
        let detail = format!("{:?} may not purge {:?}", call.caller.name, order.site);
        return Err(Refused::new(Reason::Role, detail));
    }
    let purged = Purged {
        node: api.config.node.to_string(),
        site: order.site.clone(),
        soft: order.soft,
    };
    api.engine.purge(read(order)?).await?;
    reply::json(StatusCode::OK, &purged)
}

/// What an order means, if it means one thing.
fn read(order: PurgeOrder) -> Result<Purge, Refused> {
    let bad = |error: cache::BadPattern| Refused::malformed(error.to_string());
    let site = order.everything.then_some(PurgeWhat::Site);
    let path = order.path.map(|path| PurgeWhat::Object(path.into()));
    // What no path begins with would be done, and nothing forgotten.
    let is_reachless = |text: &Option<String>, begins: &[char]| {
        text.as_ref().is_some_and(|text| !text.starts_with(begins))
    };
    if is_reachless(&order.prefix, &['/']) || is_reachless(&order.pattern, &['/', '*', '?']) {
        let detail = "a prefix begins with a slash, and a pattern with one, '*' or '?'";
        return Err(Refused::malformed(detail));
    }
    let prefix = order.prefix.map(|prefix| Pattern::prefix(&prefix));
    let pattern = order.pattern.map(|text| Pattern::parse(&text, true, true));
    let pattern = prefix.into_iter().chain(pattern);
    let pattern = pattern.map(|read| read.map(|one| PurgeWhat::Matching(one.into())).map_err(bad));
    let tag = order.tag.map(|tag| cache::Tag::parse(&tag));
    let tag = tag.map(|read| {
        let read = read.map(PurgeWhat::Tagged);
        read.map_err(|bad| Refused::malformed(bad.to_string()))
    });
    let whole = site.into_iter().chain(path).map(Ok);
    let all: Result<Vec<_>, Refused> = whole.chain(pattern).chain(tag).collect();
    let Ok([what]) = <[PurgeWhat; 1]>::try_from(all?) else {
        let detail = "one of path, prefix, pattern, tag and everything = true";
        return Err(Refused::malformed(detail));
    };
    let reach = if order.soft {
        Reach::Confirm
    } else {
        Reach::Forget
    };
    Ok(Purge {
        site: order.site.into(),
        what,
        reach,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_means_one_thing_or_nothing() {
        let order = |text: &str| {
            let order: Result<PurgeOrder, _> = serde_json::from_str(text);
            order
                .map_err(|error| Refused::malformed(error.to_string()))
                .and_then(read)
        };
        for good in [
            r#"{"site":"tv","path":"/a"}"#,
            r#"{"site":"tv","prefix":"/a/"}"#,
            r#"{"site":"tv","pattern":"/a/*.ts","soft":true}"#,
            r#"{"site":"tv","everything":true}"#,
            r#"{"site":"tv","tag":"film-7","soft":true}"#,
        ] {
            order(good).unwrap();
        }
        for bad in [
            r#"{"site":"tv"}"#,
            r#"{"site":"tv","path":"/a","prefix":"/a/"}"#,
            r#"{"site":"tv","path":"/a","everything":true}"#,
            r#"{"site":"tv","pattern":"/$a"}"#,
            r#"{"site":"tv","pattern":"a/*"}"#,
            r#"{"site":"tv","pattern":""}"#,
            r#"{"site":"tv","prefix":"a/"}"#,
            r#"{"site":"tv","prefix":""}"#,
            r#"{"site":"tv","prefix":"/a","pattern":"/a"}"#,
            r#"{"site":"tv","tag":"a b"}"#,
            r#"{"site":"tv","tag":"a","everything":true}"#,
            r#"{"site":"tv","path":"/a","hard":true}"#,
            r#"{"path":"/a"}"#,
        ] {
            assert_eq!(order(bad).unwrap_err().reason, Reason::Malformed, "{bad}");
        }
    }
}
