"""Runs the planner's SQL on Spark: the same files, over the same tables, unchanged.

    spark-submit --master spark://HOST:7077 crates/planner/spark/plan.py --work WORK

WORK is what `millpond-plan prepare` wrote (on storage that every executor sees); the plan is
written to WORK/spark/plan, from which `millpond-plan write --rows` makes manifests.
"""

import argparse
import json
import os

from pyspark.sql import SparkSession


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True, help="the folder that `millpond-plan prepare` wrote")
    work = parser.parse_args().work
    with open(os.path.join(work, "job.json")) as file:
        job = json.load(file)

    # Days and names of boxes are text, also where they look like dates and numbers.
    spark = (
        SparkSession.builder.appName("millpond-plan")
        .config("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
        .getOrCreate()
    )
    reports = spark.read.option("basePath", job["reports"]).parquet(*job["report_folders"])
    reports.createOrReplaceTempView("report")
    for table in job["tables"]:
        spark.read.parquet(os.path.join(work, "tables", table)).createOrReplaceTempView(table)
    for step in job["steps"]:
        folder = os.path.join(work, "spark", step["name"])
        spark.sql(step["sql"]).write.mode("overwrite").parquet(folder)
        spark.read.parquet(folder).createOrReplaceTempView(step["name"])
    spark.stop()


main()
