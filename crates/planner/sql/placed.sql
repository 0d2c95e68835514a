-- Which of a cluster's boxes hold what. A title has the same order of boxes every day (`placement`,
-- made by weighted rendezvous hashing); a part takes as many of them as it has `copy_plays`.
--
-- expected: thousandths of plays a day on this box. need: bytes that the box does not hold yet.
SELECT
  y.appliance AS appliance, y.object AS object, y.site AS site, y.path AS path, y.part AS part, y.pinned AS pinned, y.launch AS launch, y.fillable AS fillable, y.whole AS whole, y.size AS size,
  CAST(FLOOR(CAST(y.score AS DOUBLE) / CAST(y.copies AS DOUBLE)) AS BIGINT) AS expected,
  CASE
    WHEN y.part = 1 THEN GREATEST(CAST(0 AS BIGINT), y.size - GREATEST(CAST(0 AS BIGINT), COALESCE(i.bytes, CAST(0 AS BIGINT)) - (y.whole - y.size)))
    ELSE GREATEST(CAST(0 AS BIGINT), y.size - COALESCE(i.bytes, CAST(0 AS BIGINT)))
  END AS need
FROM (
  SELECT p.appliance AS appliance, n.object AS object, n.site AS site, n.path AS path, n.part AS part, n.pinned AS pinned, n.launch AS launch, n.fillable AS fillable, n.whole AS whole, n.size AS size, n.score AS score, n.copies AS copies
  FROM (
    SELECT d.cluster AS cluster, d.object AS object, d.site AS site, d.path AS path, d.part AS part, d.bucket AS bucket, d.pinned AS pinned, d.launch AS launch, d.fillable AS fillable, d.whole AS whole, d.size AS size, d.score AS score,
      LEAST(c.appliances, CAST(1 AS BIGINT) + CAST(FLOOR(CAST(d.score AS DOUBLE) / CAST(k.copy_plays AS DOUBLE)) AS BIGINT)) AS copies
    FROM candidate d
    JOIN cluster c ON c.cluster = d.cluster
    CROSS JOIN knob k
    WHERE d.object > 0
  ) n
  JOIN placement p ON p.cluster = n.cluster AND p.bucket = n.bucket
  WHERE p.rank <= n.copies
  UNION ALL
  SELECT a.appliance AS appliance, d.object AS object, d.site AS site, d.path AS path, d.part AS part, d.pinned AS pinned, d.launch AS launch, d.fillable AS fillable, d.whole AS whole, d.size AS size, d.score AS score, c.appliances AS copies
  FROM candidate d
  JOIN cluster c ON c.cluster = d.cluster
  JOIN appliance a ON a.cluster = d.cluster
  WHERE d.object = 0
) y
LEFT JOIN (
  SELECT v.appliance AS appliance, o.object AS object, MAX(v.bytes) AS bytes
  FROM inventory v
  JOIN object o ON o.site = v.site AND o.path = v.path
  GROUP BY v.appliance, o.object
) i ON i.appliance = y.appliance AND i.object = y.object
