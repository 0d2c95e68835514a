//! The section `[steering]` of a node's config.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use daemon::config::{Found, Section};
use tls::Identity;

use crate::{Config, Pace, Push, Role, Roles};

/// Names with a role, at most.
const NAMES_MAX: usize = 64;

/// The least has room for manifests of 4 MiB, which is some 50,000 objects.
const MEMORY_BYTES: RangeInclusive<u64> = 16 << 20..=1 << 40;

/// Owners, at most.
const OWNERS_MAX: usize = 256;

/// What the section says; a node's own name and folder make a [`Config`] of it.
#[derive(Debug, Clone)]
pub struct Settings {
    address: SocketAddr,
    identity: Identity,
    client_ca: PathBuf,
    roles: Roles,
    capacity_bytes_per_s: Option<u64>,
    cdn_id: String,
    push: Option<Push>,
    memory_bytes: Option<u64>,
}

impl Settings {
    /// Reads the section; the inner `None` is a node that is not steered.
    pub fn read(top: &mut Section) -> Option<Option<Self>> {
        top.section("steering", |section| {
            let address = section.address("listen").optional();
            // Whoever listens without them could tell nobody from anybody.
            let needed = address.is_some();
            let cert = given(section.file("certificate"), needed);
            let key = given(section.private_file("key"), needed);
            let client_ca = given(section.file("client_ca"), needed);
            let roles = read_roles(section);
            let capacity_bytes_per_s = section.bytes("capacity", 1..=1 << 50).optional();
            let expected = "a CDN provider id such as \"AS64496:0\"";
            let cdn_id = section.parsed("cdn_id", expected, |text| {
                is_cdn_id(text).then(|| text.to_owned())
            });
            let cdn_id = cdn_id.or("AS0:0".to_owned());
            let url = section.text("heartbeat_url").optional();
            let every = section
                .duration(
                    "heartbeat_every",
                    Duration::from_secs(1)..=Duration::from_hours(1),
                )
                .or(Duration::from_secs(10));
            let memory_bytes = section.bytes("memory", MEMORY_BYTES).optional();
            let heartbeat_ca = section.file("heartbeat_ca").optional();
            let Some(address) = address else {
                return Some(None);
            };
            if roles.is_empty() {
                section.problem("steering", "is missing", Some("nobody could use the API"));
            }
            let (identity, client_ca) = (
                Identity {
                    cert: cert?,
                    key: key?,
                },
                client_ca?,
            );
            let push = url.map(|url| Push {
                url,
                every,
                tls: tls::ClientConfig {
                    ca: vec![heartbeat_ca.unwrap_or_else(|| client_ca.clone())],
                    identity: Some(identity.clone()),
                    alpn: Vec::new(),
                },
            });
            Some(Some(Self {
                address,
                identity,
                client_ca,
                roles,
                capacity_bytes_per_s,
                cdn_id,
                push,
                memory_bytes,
            }))
        })
    }

    /// What was wished for as [`Config::memory_bytes`].
    pub fn memory_bytes(&self) -> Option<u64> {
        self.memory_bytes
    }

    /// The config of the API on one node, which keeps its files in `state`.
    pub fn config(self, node: Arc<str>, state: PathBuf, memory_bytes: u64) -> Config {
        Config {
            node,
            address: self.address,
            tls: tls::ServerConfig {
                certificates: vec![self.identity],
                client_ca: Some(self.client_ca),
                // Answers are small and seldom: nothing is gained by buffers of our own.
                record_layer: tls::record::RecordLayer::Rustls,
                ..tls::ServerConfig::default()
            },
            roles: self.roles,
            state,
            capacity_bytes_per_s: self.capacity_bytes_per_s,
            cdn_id: self.cdn_id,
            push: self.push,
            memory_bytes,
            pace: Pace::default(),
        }
    }
}

fn given<T>(found: Found<'_, T>, needed: bool) -> Option<T> {
    if needed {
        found.required()
    } else {
        found.optional()
    }
}

fn read_roles(section: &mut Section) -> Roles {
    let steering = section.list("steering", 0..=NAMES_MAX).or(Vec::new());
    let readers = section.list("readers", 0..=NAMES_MAX).or(Vec::new());
    let owners = section.sections("owner", 0..=OWNERS_MAX, |owner| {
        let name = owner.text("name").required();
        let sites = owner.list("sites", 1..=1024).required();
        Some((name?, Role::Owner(sites?.into())))
    });
    let steering = steering.into_iter().map(|name| (name, Role::Steering));
    let readers = readers.into_iter().map(|name| (name, Role::Reader));
    Roles::new(steering.chain(readers).chain(owners))
}

/// RFC 8006 section 4.1: an autonomous system and a number of its own.
fn is_cdn_id(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text
        .strip_prefix("AS")
        .and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(system, number)| digits(system) && digits(number))
}
