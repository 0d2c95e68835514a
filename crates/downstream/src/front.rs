//! What every connection shares: the way of a request from its head to its response.

use std::sync::Arc;

use http::{HeaderValue, request::Parts};
use message::{Client, Error, Handler, Refused, Request, Response, Timestamp};

use crate::{
    admission::{Facts, admit},
    config::{Config, ServerNames},
    finish::{Answered, alt_svc, finish},
    metrics::{Metrics, Rejected},
};

/// Configuration, certificates, handler and metrics of one server.
pub(crate) struct Front {
    pub(crate) config: Config,
    pub(crate) tls: Arc<tls::Server>,
    pub(crate) metrics: Metrics,
    handler: Arc<dyn Handler>,
    alt_svc: Option<HeaderValue>,
}

impl Front {
    pub(crate) fn new(
        config: Config,
        tls: Arc<tls::Server>,
        handler: Arc<dyn Handler>,
        metrics: Metrics,
    ) -> Self {
        let alt_svc = config.alt_svc.and_then(alt_svc);
        Self {
            config,
            tls,
            metrics,
            handler,
            alt_svc,
        }
    }

    /// Answers one request: admits it, hands it on, and makes the response fit to be sent.
    ///
    /// Cancel safe: dropping the future abandons the request.
    pub(crate) async fn answer(&self, mut head: Parts, has_body: bool, client: Client) -> Response {
        let at = message::now();
        let (protocol, method) = (client.protocol, head.method.clone());
        let response = match self.admit(&mut head, has_body, &client) {
            Ok(()) => self.handler.handle(Request { head, client, at }).await,
            Err(error) => self.refusal(error, Some(&head), &client, at),
        };
        let answered = Answered {
            method: &method,
            protocol,
            at,
            node: &self.config.node,
            alt_svc: self.alt_svc.as_ref(),
        };
        let response = finish(response, &answered);
        self.metrics.responded(protocol, response.status());
        response
    }

    fn admit(&self, head: &mut Parts, has_body: bool, client: &Client) -> Result<(), Error> {
        let serves = |host: &str| self.tls.serves(host);
        let facts = Facts {
            protocol: client.protocol,
            has_body,
            server_name: client.server_name.as_deref(),
            serves: match self.config.server_names {
                ServerNames::Strict => Some(&serves),
                ServerNames::Any => None,
            },
            limits: &self.config.limits,
        };
        admit(head, &facts)
    }

    /// The response to a request that never became one.
    pub(crate) fn refuse(&self, error: Error, client: &Client) -> Response {
        let at = message::now();
        let answered = Answered {
            method: &http::Method::GET,
            protocol: client.protocol,
            at,
            node: &self.config.node,
            alt_svc: None,
        };
        let response = finish(self.refusal(error, None, client, at), &answered);
        self.metrics.responded(client.protocol, response.status());
        response
    }

    fn refusal(
        &self,
        error: Error,
        head: Option<&Parts>,
        client: &Client,
        at: Timestamp,
    ) -> Response {
        self.metrics.rejected(Rejected::Request);
        tracing::debug!(%error, "refused a request");
        let response = error.into_response(&self.config.node);
        self.handler.refused(&Refused {
            head,
            client,
            at,
            response: &response,
        });
        response
    }
}
