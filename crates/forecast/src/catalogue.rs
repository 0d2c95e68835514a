//! What there is to ask for: assets in variants (renditions), cut into positions.
//!
//! Objects are numbered without gaps, asset by asset, variant by variant, position by position, so that
//! everything about them lies in plain vectors: thirty million objects are a catalogue.

use std::ops::Range;

use traces::{Settings, catalogue};

const DAY_MS: i64 = 86_400_000;

/// The number of an object within its catalogue.
pub type Object = u32;

/// A film, an episode, or whatever is watched as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// What is launched together.
    pub title: u32,
    /// Its first object.
    pub first: Object,
    /// Variants of all assets before.
    pub first_variant: u32,
    /// Positions of all assets before.
    pub first_place: u32,
    /// How many variants it has.
    pub variants: u32,
    /// How many objects each of them is cut into.
    pub positions: u32,
    /// The day on which it appears, from the trace's start; nothing if it was always there.
    pub live_day: Option<i64>,
}

impl Asset {
    /// The object of a variant at a position.
    pub const fn object(&self, variant: u32, position: u32) -> Object {
        self.first + variant * self.positions + position
    }
}

/// All assets, by number, and the sizes of their objects.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// By number.
    pub assets: Vec<Asset>,
    bytes: Vec<u32>,
    variants: u32,
    places: u32,
}

impl Catalogue {
    /// What a made-up trace asks for.
    pub fn of(settings: &Settings) -> Self {
        let mut all = Self::default();
        for listed in catalogue(settings) {
            let launched = listed.live_unix_ms;
            let live_day = launched.map(|live| live_day(live, traces::BEGIN_UNIX_MS));
            let positions = u32::try_from(listed.positions).unwrap_or(u32::MAX);
            let variants = 0..traces::Asset::VARIANTS;
            let sizes = variants.flat_map(|variant| {
                let positions = 0..u64::from(positions);
                positions.map(move |position| (variant, position))
            });
            let sizes = sizes.map(|(variant, position)| listed.object_bytes(variant, position));
            let title = u32::try_from(listed.title).unwrap_or(u32::MAX);
            all.list(title, positions, live_day, sizes);
        }
        all
    }

    /// Lists one more asset, whose objects have these sizes, variant by variant.
    pub fn list(
        &mut self,
        title: u32,
        positions: u32,
        live_day: Option<i64>,
        sizes: impl IntoIterator<Item = u64>,
    ) {
        let first = self.objects();
        let sizes = sizes.into_iter();
        self.bytes
            .extend(sizes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)));
        let variants = (self.objects() - first) / positions.max(1);
        self.assets.push(Asset {
            title,
            first,
            first_variant: self.variants,
            first_place: self.places,
            variants,
            positions,
            live_day,
        });
        self.variants += variants;
        self.places += positions;
    }

    /// How many objects there are.
    pub fn objects(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// How many variants of assets there are.
    pub fn variants(&self) -> u32 {
        self.variants
    }

    /// How many positions of assets there are.
    pub fn places(&self) -> u32 {
        self.places
    }

    /// The size of an object, or nothing for one that does not exist.
    pub fn bytes(&self, object: Object) -> u64 {
        let place = usize::try_from(object).unwrap_or(usize::MAX);
        self.bytes.get(place).copied().map_or(0, u64::from)
    }

    /// The number of the asset that an object is of.
    pub fn asset_of(&self, object: Object) -> usize {
        self.assets
            .partition_point(|asset| asset.first <= object)
            .saturating_sub(1)
    }

    /// The number of the variant that an object is of, among those of all assets.
    pub fn variant_of(&self, object: Object) -> u32 {
        let asset = &self.assets[self.asset_of(object)];
        asset.first_variant + (object - asset.first) / asset.positions
    }

    /// The number of the first asset of the same title.
    pub fn first_of_title(&self, asset: usize) -> usize {
        let title = |asset: usize| self.assets.get(asset).map(|asset| asset.title);
        let before = (0..asset).rev();
        let before = before.take_while(|other| title(*other) == title(asset));
        before.last().unwrap_or(asset)
    }

    /// Whether an asset is one of several of its title.
    pub fn is_episode(&self, asset: usize) -> bool {
        let title = |asset: usize| self.assets.get(asset).map(|asset| asset.title);
        let beside = [asset.checked_sub(1), asset.checked_add(1)];
        let mut beside = beside.into_iter().flatten().filter_map(title);
        beside.any(|other| Some(other) == title(asset))
    }

    /// The objects of an asset.
    pub fn objects_of(&self, asset: usize) -> Range<Object> {
        let end = self.assets.get(asset + 1);
        let begin = self.assets.get(asset);
        let objects = self.objects();
        begin.map_or(objects, |asset| asset.first)..end.map_or(objects, |next| next.first)
    }
}

/// The day of a moment, of a trace that begins at another.
const fn live_day(unix_ms: u64, begin_unix_ms: u64) -> i64 {
    unix_ms
        .cast_signed()
        .wrapping_sub(begin_unix_ms.cast_signed())
        .div_euclid(DAY_MS)
}
