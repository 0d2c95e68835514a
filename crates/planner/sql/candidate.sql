-- What is worth a place in a cluster: its objects in parts, by the plays a day that a part's bytes
-- would serve. That is the value of a byte, since a play of a part moves as many bytes as it has.
--
-- An object longer than 4 MiB has two parts: its first 4 MiB, which whoever begins it reads, and the
-- rest. So of a long tail the beginnings are held, and the rest comes when it is asked for.
--
-- A title's plays are shared out to its rungs (`rung`) and half minutes (`spread`), and those of a
-- cell to its objects alike.
--
-- score: thousandths of plays a day. size: bytes of the part.
SELECT
  x.cluster AS cluster, x.object AS object, '' AS site, '' AS path, x.part AS part, x.bucket AS bucket, x.pinned AS pinned, x.launch AS launch, x.fillable AS fillable, x.whole AS whole,
  CASE WHEN x.part = 1 THEN x.whole - x.head ELSE x.head END AS size,
  CASE WHEN x.part = 1 THEN x.rest_score ELSE x.head_score END AS score
FROM (
  SELECT
    w.cluster AS cluster, w.object AS object, w.bucket AS bucket, w.pinned AS pinned, w.launch AS launch, w.fillable AS fillable, w.whole AS whole, w.head AS head, w.floor AS floor, p.part AS part,
    CASE WHEN w.whole > w.head THEN GREATEST(w.score, w.begun) ELSE w.score END AS head_score,
    CASE WHEN w.whole > w.head THEN LEAST(w.score, GREATEST(CAST(0 AS BIGINT), CAST(FLOOR(
      (CAST(w.score AS DOUBLE) * CAST(w.whole AS DOUBLE) - CAST(GREATEST(w.score, w.begun) AS DOUBLE) * CAST(w.head AS DOUBLE))
      / CAST(w.whole - w.head AS DOUBLE)) AS BIGINT))) ELSE CAST(0 AS BIGINT) END AS rest_score
  FROM (
    SELECT
      e.cluster AS cluster, o.object AS object, o.bucket AS bucket, o.pinned AS pinned, o.launch AS launch, o.fillable AS fillable, o.size AS whole,
      LEAST(o.size, CAST(4194304 AS BIGINT)) AS head, LEAST(k.seed_floor, k.fill_floor, CASE WHEN o.launch > 0 THEN k.launch_floor ELSE k.fill_floor END) AS floor,
      CAST(FLOOR(CAST(e.rate AS DOUBLE) * CAST(v.share AS DOUBLE) * CAST(COALESCE(q.part, CAST(1048576 AS BIGINT)) AS DOUBLE)
        / (CAST(1048576 AS DOUBLE) * CAST(r.parts AS DOUBLE) * CAST(c.objects AS DOUBLE) * CAST(1000 AS DOUBLE))) AS BIGINT) AS score,
      CAST(FLOOR(CAST(e.head AS DOUBLE) * CAST(v.share AS DOUBLE) * CAST(COALESCE(q.part, CAST(1048576 AS BIGINT)) AS DOUBLE)
        / (CAST(1048576 AS DOUBLE) * CAST(r.parts AS DOUBLE) * CAST(c.objects AS DOUBLE) * CAST(1000 AS DOUBLE))) AS BIGINT) AS begun
    FROM expect e
    JOIN object o ON o.asset = e.asset
    JOIN rung v ON v.region = e.region AND v.asset = e.asset AND v.variant = o.variant
    JOIN reach r ON r.region = e.region AND r.asset = e.asset
    JOIN cell c ON c.asset = o.asset AND c.variant = o.variant AND c.position = o.position
    LEFT JOIN spread q ON q.region = e.region AND q.position = o.position
    CROSS JOIN knob k
    WHERE o.excluded = 0
  ) w
  CROSS JOIN (SELECT CAST(0 AS BIGINT) AS part UNION ALL SELECT CAST(1 AS BIGINT) AS part) p
  WHERE p.part = 0 OR w.whole > w.head
) x
WHERE x.pinned = 1 OR CASE WHEN x.part = 1 THEN x.rest_score ELSE x.head_score END >= x.floor
UNION ALL
-- What the catalogue does not know has no digest, so that it cannot be filled, and no title to go
-- by. Each of the cluster's boxes is told that it was watched.
SELECT
  s.cluster AS cluster, CAST(0 AS BIGINT) AS object, s.site AS site, s.path AS path, CAST(0 AS BIGINT) AS part, CAST(-1 AS BIGINT) AS bucket,
  CAST(0 AS BIGINT) AS pinned, CAST(0 AS BIGINT) AS launch, CAST(0 AS BIGINT) AS fillable, s.size AS whole, s.size AS size,
  CAST(FLOOR(CAST(s.plays AS DOUBLE) / CAST(GREATEST(CAST(1 AS BIGINT), c.weight) AS DOUBLE)) AS BIGINT) AS score
FROM seen s
JOIN cluster c ON c.cluster = s.cluster
CROSS JOIN knob k
WHERE s.asset = 0 AND c.weight > 0 AND CAST(FLOOR(CAST(s.plays AS DOUBLE) / CAST(GREATEST(CAST(1 AS BIGINT), c.weight) AS DOUBLE)) AS BIGINT) >= k.seed_floor
