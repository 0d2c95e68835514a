-- The folders that tell something: those of at most a thousand rungs of titles. What too few asked for to be told
-- further in is known of these to be of one of them. One that has more in it, such as that of all a site has, tells
-- next to nothing of each, and would be a row of every title for every cluster.
--
-- variant: of a title's rungs the one that is in it; -1 where there are several. objects, together: of the title, and all.
SELECT
  i.site AS site, i.path AS path, i.asset AS asset, CASE WHEN COUNT(*) = 1 THEN MAX(i.variant) ELSE CAST(-1 AS BIGINT) END AS variant,
  SUM(i.objects) AS objects, MAX(t.together) AS together
FROM inside i
JOIN (
  SELECT n.site AS site, n.path AS path, SUM(n.objects) AS together
  FROM inside n
  GROUP BY n.site, n.path
  HAVING COUNT(*) <= 1000
) t ON t.site = i.site AND t.path = i.path
GROUP BY i.site, i.path, i.asset
