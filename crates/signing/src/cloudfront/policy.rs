//! A CloudFront policy statement.

use serde::Deserialize;

use crate::ClientNet;

/// Amazon's word for all addresses: of both families, though it is written as one.
const EVERYBODY: &str = "0.0.0.0/0";

/// What a policy says.
pub(super) struct Policy {
    pub(super) resource: String,
    pub(super) not_before_s: Option<u64>,
    pub(super) not_after_s: u64,
    pub(super) client_net: Option<ClientNet>,
}

/// All fields are known or the policy is refused: what we do not understand could forbid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Raw {
    statement: [Statement; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Statement {
    resource: String,
    condition: Condition,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Condition {
    date_less_than: Time,
    #[serde(default)]
    date_greater_than: Option<Time>,
    #[serde(default)]
    ip_address: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    #[serde(rename = "AWS:EpochTime")]
    epoch_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    #[serde(rename = "AWS:SourceIp")]
    source: String,
}

impl Policy {
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let Raw {
            statement:
                [
                    Statement {
                        resource,
                        condition,
                    },
                ],
        } = serde_json::from_slice(json).ok()?;
        let client_net = match condition.ip_address {
            Some(Address { source }) if source == EVERYBODY => None,
            Some(Address { source }) => Some(ClientNet::loose(&source)?),
            None => None,
        };
        Some(Self {
            resource,
            not_before_s: condition.date_greater_than.map(|time| time.epoch_s),
            not_after_s: condition.date_less_than.epoch_s,
            client_net,
        })
    }
}
