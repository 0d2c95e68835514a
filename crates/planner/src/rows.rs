//! The rows of a plan.

use std::{path::Path, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, AsArray as _, Int64Array, RecordBatch, StringArray},
        compute::cast,
        datatypes::DataType,
        error::ArrowError,
    },
    prelude::ParquetReadOptions,
};
use futures_util::StreamExt as _;
use manifest::{Digest, Digester};

use crate::{
    Error, Job, Limits,
    engine::{Engine, url_of},
};

/// What is to be done about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Its bytes are moved in the night, as far as the box does not hold them.
    Fill,
    /// It is let in at its first miss.
    Seed,
}

/// An object of a box's plan. Those of a box come together, first rank first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The box, as a number of the job's.
    pub appliance: usize,
    /// Its place in the box's order, from 1.
    pub rank: u64,
    /// Its site.
    pub site: Arc<str>,
    /// Its path.
    pub path: String,
    /// Bytes of all of it.
    pub size: u64,
    /// What is to be done.
    pub action: Action,
    /// Bytes of its beginning that are to be held; 0 for a seed.
    pub bytes: u64,
    /// Bytes that are to be moved for that.
    pub need: u64,
    /// Plays a day that the box is expected to have of it, in thousandths.
    pub expected: u64,
    /// Whether it is kept whatever the traffic.
    pub is_pinned: bool,
    /// SHA-256 of all of it.
    pub digest: Option<Digest>,
    /// When viewers may have it, in seconds since the Unix epoch.
    pub live_at_s: Option<u64>,
}

/// Joined to the catalogue, which has the names. What the catalogue does not know has its own.
const ROWS: &str = "
SELECT p.appliance, p.rank, p.size, p.action, p.bytes, p.need, p.expected, p.pinned,
  COALESCE(o.live_at, CAST(0 AS BIGINT)) AS live_at,
  COALESCE(o.site, p.site) AS site, COALESCE(o.path, p.path) AS path, o.digest AS digest
FROM plan p LEFT JOIN object o ON o.object = p.object
ORDER BY p.appliance, p.rank";
const NUMBERS: usize = 9;

/// All columns of a plan, in an order that depends on its rows alone.
const CANON: &str = "
SELECT p.appliance, p.rank, p.object, p.size, p.pinned, p.action, p.expected, p.bytes, p.need, p.site, p.path
FROM plan p ORDER BY p.appliance, p.rank";
const CANON_NUMBERS: usize = 9;

/// Hands each row of the plan in `folder` to `each`, the boxes one after the other.
pub async fn read_rows(
    work: &Path,
    job: &Job,
    folder: &Path,
    limits: &Limits,
    mut each: impl FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let query = Query { work, job, limits };
    let take = |batch: &RecordBatch| {
        let columns = Columns::of(batch, NUMBERS)?;
        (0..batch.num_rows()).try_for_each(|row| each(columns.row(row)?))
    };
    query.run(folder, ROWS, take).await
}

/// Refuses the plan in `folder` if more is mandatory on a box than it pins: what it would not pin is not
/// held whatever the traffic.
pub(crate) async fn check_pinned(
    work: &Path,
    job: &Job,
    folder: &Path,
    limits: &Limits,
) -> Result<(), Error> {
    let query = Query { work, job, limits };
    let take = |batch: &RecordBatch| {
        let columns = Columns::of(batch, PINNED_NUMBERS)?;
        (0..batch.num_rows()).try_for_each(|row| {
            let [appliance, bytes] = [0, 1].map(|column| columns.numbers[column].value(row));
            let audience = usize::try_from(appliance)
                .ok()
                .and_then(|at| job.audiences.get(at));
            let audience = audience.ok_or_else(|| Error::Plan(format!("a box {appliance}")))?;
            match u64::try_from(bytes) {
                Ok(bytes) if bytes <= audience.pinned_max() => Ok(()),
                Ok(_) | Err(_) => Err(Error::Pinned {
                    appliance: audience.name.clone(),
                    bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
                    bytes_max: audience.pinned_max(),
                    capacity: audience.capacity,
                }),
            }
        })
    };
    // It lies beside the plan, whatever engine wrote both.
    query
        .run(&folder.with_file_name("pinned"), PINNED, take)
        .await
}

/// SHA-256 of the rows of the plan in `folder`: the same for the same rows, however they lie in
/// files and whatever engine wrote them.
pub async fn digest(
    work: &Path,
    job: &Job,
    folder: &Path,
    limits: &Limits,
) -> Result<Digest, Error> {
    let query = Query { work, job, limits };
    let mut digester = Digester::new();
    let take = |batch: &RecordBatch| {
        let columns = Columns::of(batch, CANON_NUMBERS)?;
        for row in 0..batch.num_rows() {
            for number in &columns.numbers {
                digester.update(&number.value(row).to_le_bytes());
            }
            for text in &columns.texts {
                digester.update(&(text.value(row).len() as u64).to_le_bytes());
                digester.update(text.value(row).as_bytes());
            }
        }
        Ok(())
    };
    query.run(folder, CANON, take).await?;
    Ok(digester.finish())
}

/// What is pinned to each box.
const PINNED: &str = "SELECT p.appliance, p.bytes FROM plan p ORDER BY p.appliance";
const PINNED_NUMBERS: usize = 2;

struct Query<'a> {
    work: &'a Path,
    job: &'a Job,
    limits: &'a Limits,
}

impl Query<'_> {
    async fn run(
        &self,
        folder: &Path,
        sql: &str,
        mut take: impl FnMut(&RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = Error::at("reading the plan", self.work);
        let engine = Engine::new(self.work, self.job, self.limits)?;
        let session = engine.reading();
        let options = ParquetReadOptions::default;
        for (name, path) in [
            ("plan", folder.to_owned()),
            ("object", engine.table("object")),
        ] {
            let table = url_of(&path).map_err(&failed)?;
            session
                .register_parquet(name, table, options())
                .await
                .map_err(&failed)?;
        }
        let rows = session.sql(sql).await.map_err(&failed)?;
        let mut rows = rows.execute_stream().await.map_err(&failed)?;
        while let Some(batch) = rows.next().await {
            take(&batch.map_err(&failed)?)?;
        }
        Ok(())
    }
}

/// A batch whose first columns are numbers and whose others are texts.
struct Columns {
    numbers: Vec<Int64Array>,
    texts: Vec<StringArray>,
}

impl Columns {
    fn of(batch: &RecordBatch, numbers: usize) -> Result<Self, Error> {
        let wrong = |error: ArrowError| Error::Plan(format!("a column is wrong: {error}"));
        let (first, last) = batch.columns().split_at(numbers.min(batch.num_columns()));
        if first.iter().any(|column| column.logical_null_count() > 0) {
            return Err(Error::Plan("a row lacks a number".to_owned()));
        }
        Ok(Self {
            numbers: first
                .iter()
                .map(as_numbers)
                .collect::<Result<_, _>>()
                .map_err(wrong)?,
            texts: last
                .iter()
                .map(as_texts)
                .collect::<Result<_, _>>()
                .map_err(wrong)?,
        })
    }

    fn row(&self, row: usize) -> Result<Row, Error> {
        let number = |column: usize| {
            let value = self.numbers[column].value(row);
            u64::try_from(value)
                .map_err(|_negative| Error::Plan(format!("{value} in column {column}")))
        };
        let text = |column: usize| {
            let texts = &self.texts[column];
            texts.is_valid(row).then(|| texts.value(row))
        };
        let appliance = number(0)?;
        Ok(Row {
            appliance: usize::try_from(appliance).unwrap_or(usize::MAX),
            rank: number(1)?,
            size: number(2)?,
            action: match number(3)? {
                1 => Action::Fill,
                2 => Action::Seed,
                other => return Err(Error::Plan(format!("an action {other}"))),
            },
            bytes: number(4)?,
            need: number(5)?,
            expected: number(6)?,
            is_pinned: number(7)? == 1,
            live_at_s: Some(number(8)?).filter(|second| *second > 0),
            site: text(0)
                .ok_or_else(|| Error::Plan("no site".to_owned()))?
                .into(),
            path: text(1)
                .ok_or_else(|| Error::Plan("no path".to_owned()))?
                .to_owned(),
            digest: text(2).map(Digest::parse).transpose()?,
        })
    }
}

fn as_numbers(column: &ArrayRef) -> Result<Int64Array, ArrowError> {
    Ok(cast(column, &DataType::Int64)?.as_primitive().clone())
}

fn as_texts(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    Ok(cast(column, &DataType::Utf8)?.as_string().clone())
}
