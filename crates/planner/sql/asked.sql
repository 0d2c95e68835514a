-- What each cluster's viewers watched of each path, weighted by how long ago: the newest day counts
-- whole, a day three days older half. Hours, boxes and days are added up here, before anything is
-- joined to the catalogue, so that the catalogue is joined to each path once. What has no size is a folder: of its
-- objects all that too few viewers watched to be named.
--
-- plays, head: thousandths of plays of the whole object and of its first 4 MiB, times the day's
-- weight (1/16384). An hour's are cut at 10 million, so that no report can make a sum overflow.
-- head: of a folder all plays, since what its objects are is not known here.
-- newest, newest_head: the same of the newest day alone.
-- folder: 1 of a folder.
-- size: at most 4 TiB, so that what a manifest may list of what only reports know adds up to a number.
SELECT
  x.cluster AS cluster, x.site AS site, x.path AS path, x.folder AS folder, MAX(x.size) AS size,
  SUM(x.plays * x.weight) AS plays,
  SUM(x.head * x.weight) AS head,
  SUM(CASE WHEN x.age = 0 THEN x.plays * x.weight ELSE CAST(0 AS BIGINT) END) AS newest,
  SUM(CASE WHEN x.age = 0 THEN x.head * x.weight ELSE CAST(0 AS BIGINT) END) AS newest_head
FROM (
  SELECT
    a.cluster AS cluster, r.site AS site, r.path AS path, GREATEST(CAST(0 AS BIGINT), LEAST(CAST(4398046511104 AS BIGINT), r.size)) AS size, d.age AS age, d.weight AS weight,
    CASE WHEN r.size = 0 THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END AS folder,
    GREATEST(CAST(0 AS BIGINT), LEAST(CAST(10000000000 AS BIGINT), r.plays)) AS plays,
    GREATEST(CAST(0 AS BIGINT), LEAST(CAST(10000000000 AS BIGINT), CASE WHEN r.size = 0 THEN r.plays ELSE CAST(FLOOR(CAST(r.first_bytes AS DOUBLE) * CAST(1000 AS DOUBLE)
      / CAST(GREATEST(CAST(1 AS BIGINT), LEAST(r.size, CAST(4194304 AS BIGINT))) AS DOUBLE)) AS BIGINT) END)) AS head
  FROM report r
  JOIN appliance a ON r.node = a.node
  JOIN day d ON r.day = d.day
  -- A row without a path is the sum of all that neither an object nor a folder tells.
  WHERE r.path <> ''
) x
GROUP BY x.cluster, x.site, x.path, x.folder
