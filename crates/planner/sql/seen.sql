-- What each cluster's viewers watched, weighted by how long ago: the newest day counts whole, a day
-- three days older half. One row a cell (title, rung, half minute of it); what the catalogue does
-- not know keeps its path, and title 0.
--
-- A title that came out less than four days ago is judged by the newest day alone, since its older
-- days tell of a launch that is over. Its one day stands for all the weight that the cluster has.
--
-- plays, head: thousandths of plays of the whole object and of its first 4 MiB, times the day's
-- weight (1/16384). An hour's are cut at 10 million, so that no report can make a sum overflow.
SELECT
  a.cluster AS cluster,
  COALESCE(o.asset, CAST(0 AS BIGINT)) AS asset,
  COALESCE(o.variant, CAST(0 AS BIGINT)) AS variant,
  COALESCE(o.position, CAST(0 AS BIGINT)) AS position,
  CASE WHEN o.asset IS NULL THEN r.site ELSE '' END AS site,
  CASE WHEN o.asset IS NULL THEN r.path ELSE '' END AS path,
  MAX(r.size) AS size,
  SUM(GREATEST(CAST(0 AS BIGINT), LEAST(CAST(10000000000 AS BIGINT), r.plays))
    * CASE WHEN COALESCE(o.young, CAST(0 AS BIGINT)) = 0 THEN d.weight WHEN d.age = 0 THEN c.weight ELSE CAST(0 AS BIGINT) END) AS plays,
  SUM(GREATEST(CAST(0 AS BIGINT), LEAST(CAST(10000000000 AS BIGINT), CAST(FLOOR(CAST(r.first_bytes AS DOUBLE) * CAST(1000 AS DOUBLE)
      / CAST(GREATEST(CAST(1 AS BIGINT), LEAST(r.size, CAST(4194304 AS BIGINT))) AS DOUBLE)) AS BIGINT)))
    * CASE WHEN COALESCE(o.young, CAST(0 AS BIGINT)) = 0 THEN d.weight WHEN d.age = 0 THEN c.weight ELSE CAST(0 AS BIGINT) END) AS head
FROM report r
JOIN appliance a ON r.node = a.node
JOIN cluster c ON c.cluster = a.cluster
JOIN day d ON r.day = d.day
LEFT JOIN object o ON o.site = r.site AND o.path = r.path
-- A row without a path is the sum of all that too few sessions watched to be named.
WHERE r.path <> ''
GROUP BY
  a.cluster,
  COALESCE(o.asset, CAST(0 AS BIGINT)),
  COALESCE(o.variant, CAST(0 AS BIGINT)),
  COALESCE(o.position, CAST(0 AS BIGINT)),
  CASE WHEN o.asset IS NULL THEN r.site ELSE '' END,
  CASE WHEN o.asset IS NULL THEN r.path ELSE '' END
