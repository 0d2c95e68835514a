//! What is here and was verified, for those who copy it: other nodes of the cluster.

use std::sync::Arc;

use http::StatusCode;
use message::{Carried, Error, ObjectName, Request, Response};
use semantics::{range, wish::Wish};

use crate::{
    Cache, SiteRules, Viewer, Wanted,
    answer::Visit,
    head::{Entry, Head},
    plan::Target,
    told::Way,
};

impl Cache {
    /// Answers another node's GET or HEAD with an object that is here as a plan wants it: all of it, and
    /// compared with its digest. It is nobody's demand, and upstream is not asked for it; where a slice
    /// is lost between this and its turn, as a viewer's would be. How fresh it is does not matter: the
    /// other node compares the digest too.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// 404 where it is not here, not whole, or nobody has compared its digest; 400 for a malformed range.
    pub async fn answer_verified(
        &self,
        request: &Request,
        name: ObjectName,
        wanted: &Wanted,
        rules: &Arc<SiteRules>,
    ) -> Result<Response, Error> {
        let target = Target::new(&self.inner, &name, wanted);
        let Some(head) = self.verified(&target, rules.of(&name.path)).await else {
            let status = StatusCode::NOT_FOUND;
            return Err(Error::request(status, "not here, or not verified"));
        };
        let wanted = range::wanted(&request.head.method, &request.head.headers)
            .map_err(|bad| Error::request(StatusCode::BAD_REQUEST, bad.to_string()))?;
        let visit = Visit {
            inner: &self.inner,
            viewer: Viewer::NODE,
            request,
            id: target.id,
            base: target.id,
            carried: Carried::default(),
            wish: Wish::default(),
            site: rules,
            rules: rules.of(&name.path),
            name,
            wanted,
        };
        Ok(visit.present(head, None, Way::Hit).await?)
    }

    async fn verified(&self, target: &Target, rules: &SiteRules) -> Option<Arc<Head>> {
        let held = self.inner.version_held(target, rules).await?;
        let entry = self.inner.find(target.id, &target.name, rules).await?;
        match entry {
            Entry::Object(head) if head.version == held && target.is_proven(held) => Some(head),
            Entry::Object(_) | Entry::Kept(_) | Entry::Varies(_) | Entry::Pass { .. } => None,
        }
    }
}
