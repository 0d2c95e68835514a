//! The embedded engine: runs the steps over the tables within a bound of memory.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::RecordBatch,
        datatypes::{DataType, Field, SchemaBuilder, SchemaRef},
    },
    error::DataFusionError,
    execution::{
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    logical_expr::{Expr, col, lit},
    prelude::{ParquetReadOptions, SessionConfig, SessionContext},
};
use futures_util::StreamExt as _;
use url::Url;

use crate::{
    Error, Job,
    budget::{Budget, MERGED_RUNS_MAX},
    passes::passes,
    reports::{damaged, report_schema},
    steps::{READS_REPORTS, STEPS, Scope, Step, TABLES},
    tables::TableFile,
};

/// What the engine may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of memory. What does not fit is spilled to disk.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: usize,
    /// Bytes of disk for what is spilled.
    pub spill_bytes: u64,
}

/// How far the engine is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The step that begins.
    pub step: &'static str,
    /// Which pass it is in, from 1.
    pub pass: usize,
    /// How many passes there are.
    pub passes: usize,
}

/// Runs all steps of the job that was prepared in `work`. Their rows are then in `steps/NAME/`, a
/// file a pass; what another run left there goes.
pub async fn solve(
    work: &Path,
    job: &Job,
    limits: &Limits,
    mut told: impl FnMut(Progress),
) -> Result<(), Error> {
    // A run in more passes has more files, which would be counted with those of this one.
    for folder in ["steps", "spill"].map(|name| work.join(name)) {
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::of_file(&folder))?;
        }
    }
    let engine = Engine::new(work, job, limits)?;
    let mut too_large = HashSet::new();
    let passes = passes(&job.report_bytes, limits.memory_bytes);
    for steps in STEPS.chunk_by(|one, two| one.scope == two.scope) {
        let all: &[Option<&[usize]>] = &[None];
        let some: Vec<Option<&[usize]>> = passes.iter().map(|pass| Some(&pass[..])).collect();
        let turns = match steps[0].scope {
            Scope::Fleet => all,
            Scope::Clusters => &some,
        };
        for (number, clusters) in turns.iter().enumerate() {
            let pass = Pass {
                engine: &engine,
                number,
                clusters: *clusters,
            };
            for step in steps {
                told(Progress {
                    step: step.name,
                    pass: number + 1,
                    passes: turns.len(),
                });
                pass.run(step, &mut too_large).await?;
            }
        }
    }
    Ok(())
}

/// What all passes share.
pub(crate) struct Engine<'a> {
    work: &'a Path,
    job: &'a Job,
    runtime: Arc<RuntimeEnv>,
    config: SessionConfig,
}

/// The steps of some clusters, or of the whole fleet.
struct Pass<'a> {
    engine: &'a Engine<'a>,
    number: usize,
    clusters: Option<&'a [usize]>,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(work: &'a Path, job: &'a Job, limits: &Limits) -> Result<Self, Error> {
        let spill = work.join("spill");
        fs::create_dir_all(&spill).map_err(Error::of_file(&spill))?;
        let budget = Budget::of(limits);
        let consumers = std::num::NonZeroUsize::MIN.saturating_add(4);
        let pool = TrackConsumersPool::new(FairSpillPool::new(budget.pool_bytes), consumers);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_temp_file_path(spill)
            .with_max_temp_directory_size(limits.spill_bytes)
            .with_max_spill_merge_fan_in(MERGED_RUNS_MAX)
            .build_arc();
        let config = SessionConfig::new()
            .with_target_partitions(budget.threads)
            .with_batch_size(budget.batch_rows)
            .with_information_schema(false);
        Ok(Self {
            work,
            job,
            runtime: runtime.map_err(Error::at("starting the engine", work))?,
            config,
        })
    }

    fn session(&self, by_hash: bool) -> SessionContext {
        let mut config = self.config.clone();
        config.options_mut().optimizer.prefer_hash_join = by_hash;
        SessionContext::new_with_config_rt(config, Arc::clone(&self.runtime))
    }

    /// A session to read rows of a plan in. Not with views: a batch of them counts all that its texts lie in, of
    /// a joined catalogue 2.5 GB, for which no sort had room.
    pub(crate) fn reading(&self) -> SessionContext {
        let mut config = self.config.clone();
        let parquet = &mut config.options_mut().execution.parquet;
        parquet.schema_force_view_types = false;
        SessionContext::new_with_config_rt(config, Arc::clone(&self.runtime))
    }

    /// Where the rows of a step are.
    pub(crate) fn rows_of(&self, step: &str) -> PathBuf {
        self.work.join("steps").join(step)
    }

    /// Where a prepared table is.
    pub(crate) fn table(&self, name: &str) -> PathBuf {
        self.work.join("tables").join(name)
    }
}

impl Pass<'_> {
    /// Runs a step with joins by hashing; where these do not fit, again with joins of sorted rows, which
    /// are spilled. `too_large` has the steps that did not fit in a pass before.
    async fn run(&self, step: &Step, too_large: &mut HashSet<&'static str>) -> Result<(), Error> {
        if too_large.contains(step.name) {
            return self.attempt(step, false).await;
        }
        match self.attempt(step, true).await {
            Err(Error::Engine { source, .. })
                if matches!(source.find_root(), DataFusionError::ResourcesExhausted(_)) =>
            {
                too_large.insert(step.name);
                self.attempt(step, false).await
            }
            // The engine does not say which file it could not read.
            Err(error) if step.name == READS_REPORTS => {
                Err(damaged(&self.engine.job.report_folders).unwrap_or(error))
            }
            done => done,
        }
    }

    async fn attempt(&self, step: &Step, by_hash: bool) -> Result<(), Error> {
        let failed = Error::at(step.name, self.engine.work);
        let session = self.session(step, by_hash).await.map_err(&failed)?;
        let rows = session.sql(step.sql).await.map_err(&failed)?;
        let mut rows = rows.execute_stream().await.map_err(&failed)?;
        let path = self.engine.rows_of(step.name).join(file_name(self.number));
        let mut file = TableFile::create(&path, rows.schema())?;
        while let Some(batch) = rows.next().await {
            file.write(&batch.map_err(&failed)?)?;
        }
        file.finish()
    }

    /// A session that has the tables that `step` may read, as far as they are of this pass.
    async fn session(
        &self,
        step: &Step,
        by_hash: bool,
    ) -> datafusion::error::Result<SessionContext> {
        let session = self.engine.session(by_hash);
        for name in TABLES {
            self.register(&session, name, &self.engine.table(name))
                .await?;
        }
        let before = STEPS.iter().take_while(|other| other.name != step.name);
        for other in before {
            let folder = self.engine.rows_of(other.name);
            let rows = match (self.clusters, other.scope) {
                (Some(_), Scope::Clusters) => folder.join(file_name(self.number)),
                (Some(_), Scope::Fleet) | (None, Scope::Clusters | Scope::Fleet) => folder,
            };
            self.register(&session, other.name, &rows).await?;
        }
        if self.clusters.is_some() {
            self.register_reports(&session).await?;
        }
        Ok(session)
    }

    /// Names a table, without the rows of clusters that are not of this pass.
    async fn register(
        &self,
        session: &SessionContext,
        name: &str,
        path: &Path,
    ) -> datafusion::error::Result<()> {
        let options = ParquetReadOptions::default();
        let mut table = session.read_parquet(url_of(path)?, options).await?;
        if let Some(clusters) = self.clusters
            && table.schema().has_column_with_unqualified_name("cluster")
        {
            let number = |cluster: &usize| lit(i64::try_from(*cluster).unwrap_or(i64::MAX));
            let of_pass = clusters.iter().map(number).collect();
            table = table.filter(col("cluster").in_list(of_pass, false))?;
        }
        session.register_table(name, table.into_view())?;
        Ok(())
    }

    async fn register_reports(&self, session: &SessionContext) -> datafusion::error::Result<()> {
        let job = self.engine.job;
        if job.report_folders.is_empty() {
            let text = |name| Arc::new(Field::new(name, DataType::Utf8, false));
            let mut columns = SchemaBuilder::from(report_schema());
            columns.push(text("day"));
            columns.push(text("node"));
            let none = RecordBatch::new_empty(SchemaRef::new(columns.finish()));
            session.register_batch("report", none)?;
            return Ok(());
        }
        let text = DataType::Utf8;
        let schema = report_schema();
        let options = ParquetReadOptions::default()
            .table_partition_cols(vec![
                ("day".to_owned(), text.clone()),
                ("node".to_owned(), text),
            ])
            .schema(&schema);
        let all = session.read_parquet(url_of(&job.reports)?, options).await?;
        let table = all.filter(self.reports_wanted())?;
        session.register_table("report", table.into_view())?;
        Ok(())
    }

    /// By these the engine opens only the folders of the days and of the boxes of this pass.
    fn reports_wanted(&self) -> Expr {
        let of_pass = |cluster: usize| self.clusters.is_none_or(|pass| pass.contains(&cluster));
        let boxes = self.engine.job.audiences.iter();
        let nodes = boxes
            .filter(|audience| of_pass(audience.cluster))
            .map(|audience| lit(audience.name.as_str()));
        let mut days: Vec<&str> = self
            .engine
            .job
            .report_folders
            .iter()
            .filter_map(|folder| day_of(folder))
            .collect();
        days.sort_unstable();
        days.dedup();
        let days = days.into_iter().map(lit).collect();
        col("node")
            .in_list(nodes.collect(), false)
            .and(col("day").in_list(days, false))
    }
}

/// A file or folder as the engine takes it: as a URL, since in a path it would take some letters for patterns.
pub(crate) fn url_of(path: &Path) -> datafusion::error::Result<String> {
    let wrong =
        |problem: String| DataFusionError::Execution(format!("{}: {problem}", path.display()));
    let found = path
        .canonicalize()
        .map_err(|error| wrong(error.to_string()))?;
    let url = if found.is_dir() {
        Url::from_directory_path(&found)
    } else {
        Url::from_file_path(&found)
    };
    Ok(url
        .map_err(|()| wrong("no absolute path".to_owned()))?
        .into())
}

/// The day of a report folder, as its name has it.
fn day_of(folder: &Path) -> Option<&str> {
    let day = folder.parent()?.file_name()?.to_str()?;
    day.strip_prefix("day=")
}

fn file_name(pass: usize) -> String {
    format!("{pass:05}.parquet")
}
