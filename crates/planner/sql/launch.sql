-- What is launched, by rung: the title's forecast shared out as the rungs that it has are watched
-- in other titles.
--
-- rate: millionths of plays a day in the whole fleet, over all positions.
SELECT
  v.asset AS asset,
  v.variant AS variant,
  CAST(FLOOR(CAST(v.forecast AS DOUBLE) * CAST(1000 AS DOUBLE) * CAST(v.objects AS DOUBLE) * CAST(v.watched AS DOUBLE)
    / CAST(SUM(v.watched) OVER (PARTITION BY v.asset) AS DOUBLE)) AS BIGINT) AS rate
FROM (
  SELECT t.asset AS asset, e.variant AS variant, t.forecast AS forecast, SUM(e.objects) AS objects, MAX(COALESCE(w.rate, CAST(0 AS BIGINT)) + CAST(1 AS BIGINT)) AS watched
  FROM title t
  JOIN cell e ON e.asset = t.asset
  LEFT JOIN (SELECT f.variant AS variant, SUM(f.rate) AS rate FROM fleet f GROUP BY f.variant) w ON w.variant = e.variant
  WHERE t.forecast > 0
  GROUP BY t.asset, e.variant, t.forecast
) v
