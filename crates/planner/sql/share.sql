-- Each cluster beside its region and the fleet.
--
-- A cluster that has not reported yet is taken to be watched as much for each MiB of its disks as
-- those that have, so that a new box is filled before its first viewer comes. It is not counted among
-- those that what was seen is shared out to.
--
-- of_region, of_fleet: 1/1048576.
SELECT
  c.cluster AS cluster,
  c.region AS region,
  c.appliances AS appliances,
  c.weight AS weight,
  CAST(FLOOR(CAST(c.size AS DOUBLE) * CAST(1048576 AS DOUBLE)
    / CAST(GREATEST(CAST(1 AS BIGINT), SUM(c.counted) OVER (PARTITION BY c.region)) AS DOUBLE)) AS BIGINT) AS of_region,
  CAST(FLOOR(CAST(c.size AS DOUBLE) * CAST(1048576 AS DOUBLE)
    / CAST(GREATEST(CAST(1 AS BIGINT), SUM(c.counted) OVER (PARTITION BY c.one)) AS DOUBLE)) AS BIGINT) AS of_fleet
FROM (
  SELECT
    b.cluster AS cluster, b.region AS region, b.appliances AS appliances, b.weight AS weight, CAST(1 AS BIGINT) AS one,
    CASE WHEN t.rate IS NOT NULL OR y.rate IS NULL THEN COALESCE(t.rate, b.capacity_mib) ELSE CAST(0 AS BIGINT) END AS counted,
    COALESCE(t.rate, CAST(FLOOR(CAST(b.capacity_mib AS DOUBLE) * CAST(y.rate AS DOUBLE) / CAST(y.capacity_mib AS DOUBLE)) AS BIGINT), b.capacity_mib) AS size
  FROM cluster b
  LEFT JOIN (SELECT l.cluster AS cluster, SUM(l.rate) AS rate FROM local l GROUP BY l.cluster) t ON t.cluster = b.cluster
  CROSS JOIN (
    SELECT SUM(r.rate) AS rate, SUM(g.capacity_mib) AS capacity_mib
    FROM (SELECT l.cluster AS cluster, SUM(l.rate) AS rate FROM local l GROUP BY l.cluster) r
    JOIN cluster g ON g.cluster = r.cluster
  ) y
) c
