//! The whole way of a request: scripted origin, shield, edge and a client.

use crate::{
    client::{Client, Protocol, Reply},
    keys::Keys,
    node::{Home, Launch, Node, Role, Settings},
    oracle::Object,
    origin::ScriptedOrigin,
    pki::Pki,
};

/// What each scenario stands on. Parts that a scenario ends or starts again are taken out.
pub struct World {
    /// Certificates.
    pub pki: Pki,
    /// Keys of the signed site.
    pub keys: Keys,
    /// The origin of both sites.
    pub origin: ScriptedOrigin,
    /// The shield's folder.
    pub shield_home: Home,
    /// The shield's config.
    pub shield_settings: Settings,
    /// The shield.
    pub shield: Option<Node>,
    /// The edge's folder.
    pub edge_home: Home,
    /// The edge's config.
    pub edge_settings: Settings,
    /// The edge.
    pub edge: Option<Node>,
    /// A client of the open site.
    pub client: Client,
    /// A client of the signed site.
    pub viewer: Client,
}

/// How a world is made.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    edge: Part,
    shield: Part,
    /// How the edge is started, if it is a child process.
    pub edge_launch: Launch,
}

/// How a node of it is made.
#[derive(Debug, Clone, Default)]
struct Part {
    /// MiB of disk in its cache.
    disk_mib: Option<u64>,
    /// It has a steering API.
    is_steered: bool,
    /// It is a child process.
    is_apart: bool,
    /// Keys of its config.
    keys: Vec<(&'static str, toml::Value)>,
}

impl Part {
    /// Settings, as this part has them.
    fn settle(&self, home: &Home, pki: &Pki, mut settings: Settings) -> Settings {
        if let Some(mib) = self.disk_mib {
            settings = settings.with_disk(home, mib);
        }
        if self.is_steered {
            settings = settings.with_steering(pki);
        }
        for (key, value) in &self.keys {
            settings.set(key, value.clone());
        }
        settings
    }
}

impl Plan {
    /// A disk for the edge.
    #[must_use]
    pub fn edge_disk(mut self, mib: u64) -> Self {
        self.edge.disk_mib = Some(mib);
        self
    }

    /// A disk for the shield.
    #[must_use]
    pub fn shield_disk(mut self, mib: u64) -> Self {
        self.shield.disk_mib = Some(mib);
        self
    }

    /// A steering API for the edge.
    #[must_use]
    pub fn edge_steered(mut self) -> Self {
        self.edge.is_steered = true;
        self
    }

    /// A steering API for the shield.
    #[must_use]
    pub fn shield_steered(mut self) -> Self {
        self.shield.is_steered = true;
        self
    }

    /// A key of the edge's config.
    #[must_use]
    pub fn edge_key(mut self, key: &'static str, value: impl Into<toml::Value>) -> Self {
        self.edge.keys.push((key, value.into()));
        self
    }

    /// Keys of the edge's config.
    #[must_use]
    pub fn edge_keys(mut self, keys: &[(&'static str, toml::Value)]) -> Self {
        self.edge.keys.extend_from_slice(keys);
        self
    }

    /// A key of the shield's config.
    #[must_use]
    pub fn shield_key(mut self, key: &'static str, value: impl Into<toml::Value>) -> Self {
        self.shield.keys.push((key, value.into()));
        self
    }

    /// The edge as a child process.
    #[must_use]
    pub fn edge_apart(mut self) -> Self {
        self.edge.is_apart = true;
        self
    }

    /// The shield as a child process.
    #[must_use]
    pub fn shield_apart(mut self) -> Self {
        self.shield.is_apart = true;
        self
    }

    /// Starts all parts.
    pub async fn start(self, objects: &[Object]) -> World {
        let (pki, keys) = (Pki::new(), Keys::new());
        let origin = ScriptedOrigin::start(objects).await;
        let shield_home = Home::new(Role::Shield);
        let mut shield_settings = Settings::shield(&shield_home, &pki, &origin.url());
        shield_settings = shield_settings.with_vault_at(&origin.url());
        shield_settings = self.shield.settle(&shield_home, &pki, shield_settings);
        let shield = start(&shield_home, &shield_settings, self.shield.is_apart).await;

        let edge_home = Home::new(Role::Edge);
        let mut edge_settings = Settings::edge(&edge_home, &pki, &[shield.address]);
        edge_settings = edge_settings.with_signed_site(&keys.file());
        edge_settings = self.edge.settle(&edge_home, &pki, edge_settings);
        let edge = if self.edge.is_apart {
            edge_home.spawn_as(&edge_settings, self.edge_launch).await
        } else {
            edge_home.start(&edge_settings).await
        };
        let client = Client::new(&pki, edge.address, "media.test");
        let viewer = Client::new(&pki, edge.address, "signed.test");
        World {
            pki,
            keys,
            origin,
            shield_home,
            shield_settings,
            shield: Some(shield),
            edge_home,
            edge_settings,
            edge: Some(edge),
            client,
            viewer,
        }
    }
}

async fn start(home: &Home, settings: &Settings, apart: bool) -> Node {
    if apart {
        home.spawn(settings).await
    } else {
        home.start(settings).await
    }
}

impl World {
    /// All parts in this process, RAM tiers only.
    pub async fn start(objects: &[Object]) -> Self {
        Plan::default().start(objects).await
    }

    /// The edge.
    pub fn edge(&self) -> &Node {
        self.edge.as_ref().unwrap()
    }

    /// The shield.
    pub fn shield(&self) -> &Node {
        self.shield.as_ref().unwrap()
    }

    /// A client of the edge's steering API that shows the certificate of `name`.
    pub fn steering(&self, name: &str) -> steering::client::Client {
        self.steering_at(name, self.edge().steering.unwrap().port())
    }

    /// A client of a steering API of this machine that shows the certificate of `name`.
    pub fn steering_at(&self, name: &str, port: u16) -> steering::client::Client {
        let files = self.pki.client(name);
        let tls = tls::ClientConfig {
            ca: vec![self.pki.ca().to_owned()],
            identity: Some(tls::Identity {
                cert: files.cert,
                key: files.key,
            }),
            alpn: Vec::new(),
        };
        let url = format!("https://localhost:{port}");
        steering::client::Client::new(&url, &tls, message::now().wall).unwrap()
    }

    /// What a viewer of the open site gets of an object, which must be all of it.
    pub async fn whole(&self, object: &Object) -> Reply {
        let reply = self.client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(object);
        reply
    }

    /// A client of the open site at another edge.
    pub fn client_of(&self, edge: &Node) -> Client {
        Client::new(&self.pki, edge.address, "media.test")
    }

    /// Drains the edge and starts it again over the same folder.
    pub async fn restart_edge(&mut self) {
        let apart = self.stop_edge().await;
        let edge = start(&self.edge_home, &self.edge_settings, apart).await;
        self.client = Client::new(&self.pki, edge.address, "media.test");
        self.viewer = Client::new(&self.pki, edge.address, "signed.test");
        self.edge = Some(edge);
    }

    async fn stop_edge(&mut self) -> bool {
        self.client.hang_up();
        self.viewer.hang_up();
        let edge = self.edge.take().unwrap();
        let apart = edge.is_child();
        edge.drain().await;
        apart
    }

    /// Drains the shield.
    pub async fn stop_shield(&mut self) {
        self.shield.take().unwrap().drain().await;
    }

    /// Has the edge ask a shield at `address` from its next start on.
    pub fn point_edge_at(&mut self, shields: &[std::net::SocketAddr]) {
        for (n, address) in shields.iter().enumerate() {
            let member = format!("shields.member.{n}");
            self.edge_settings
                .set(&format!("{member}.name"), format!("shield{}", n + 1));
            self.edge_settings
                .set(&format!("{member}.server_name"), "shield.test");
            self.edge_settings
                .set(&format!("{member}.addresses"), vec![address.to_string()]);
        }
    }
}
