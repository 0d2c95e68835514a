-- What is launched: its owner's forecast, of all its half minutes.
--
-- rate: millionths of plays a day in the whole fleet, over all positions.
SELECT
  t.asset AS asset,
  CAST(FLOOR(CAST(t.forecast AS DOUBLE) * CAST(1000 AS DOUBLE) * CAST(t.objects AS DOUBLE) / CAST(t.variants AS DOUBLE)) AS BIGINT) AS rate
FROM title t
WHERE t.forecast > 0
