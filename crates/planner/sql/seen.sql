-- What each cluster's viewers watched, a row a cell (title, rung, half minute of it); what the
-- catalogue does not know keeps its path, and title 0. The columns are those of `asked`. What a folder had is
-- shared out to the titles that lie in it by their objects, and has no half minute, nor a rung where several lie in it: -1.
SELECT
  x.cluster AS cluster, x.asset AS asset, x.variant AS variant, x.position AS position, x.site AS site, x.path AS path,
  MAX(x.size) AS size, SUM(x.plays) AS plays, SUM(x.head) AS head, SUM(x.newest) AS newest, SUM(x.newest_head) AS newest_head
FROM (
  SELECT
    k.cluster AS cluster,
    COALESCE(o.asset, CAST(0 AS BIGINT)) AS asset,
    COALESCE(o.variant, CAST(0 AS BIGINT)) AS variant,
    COALESCE(o.position, CAST(0 AS BIGINT)) AS position,
    CASE WHEN o.asset IS NULL THEN k.site ELSE '' END AS site,
    CASE WHEN o.asset IS NULL THEN k.path ELSE '' END AS path,
    k.size AS size, k.plays AS plays, k.head AS head, k.newest AS newest, k.newest_head AS newest_head
  FROM asked k
  LEFT JOIN object o ON o.site = k.site AND o.path = k.path
  WHERE k.folder = 0
  UNION ALL
  SELECT
    k.cluster AS cluster, f.asset AS asset, f.variant AS variant, CAST(-1 AS BIGINT) AS position, '' AS site, '' AS path, k.size AS size,
    CAST(FLOOR(CAST(k.plays AS DOUBLE) * CAST(f.objects AS DOUBLE) / CAST(f.together AS DOUBLE)) AS BIGINT) AS plays,
    CAST(FLOOR(CAST(k.head AS DOUBLE) * CAST(f.objects AS DOUBLE) / CAST(f.together AS DOUBLE)) AS BIGINT) AS head,
    CAST(FLOOR(CAST(k.newest AS DOUBLE) * CAST(f.objects AS DOUBLE) / CAST(f.together AS DOUBLE)) AS BIGINT) AS newest,
    CAST(FLOOR(CAST(k.newest_head AS DOUBLE) * CAST(f.objects AS DOUBLE) / CAST(f.together AS DOUBLE)) AS BIGINT) AS newest_head
  FROM asked k
  JOIN folder f ON f.site = k.site AND f.path = k.path
  WHERE k.folder = 1
) x
GROUP BY x.cluster, x.asset, x.variant, x.position, x.site, x.path
